/* Detectors of change in a stream: their list, parameters, and keeping one as numbers. */
#include "detect.h"

#include <math.h>
#include <string.h>

static const struct mlo_detector_parameter adwin[] = {
    {"delta", 0.002, 0, 1, false},
    {"clock", 32, 1, 1e6, true},
    {"min-part", 5, 1, 1e6, true},
    {"grace", 10, 1, 1e6, true},
};
static const struct mlo_detector_parameter ddm[] = {
    {"warm", 30, 1, 1e6, true},
    {"warning", 2, 0, 100, false},
    {"drift", 3, 0, 100, false},
};
static const struct mlo_detector_parameter eddm[] = {
    {"warm", 30, 1, 1e6, true},
    {"warning", 0.95, 0, 1, false},
    {"drift", 0.9, 0, 1, false},
};
static const struct mlo_detector_parameter hddm_a[] = {
    {"drift", 0.001, 1e-300, 1, false},
    {"warning", 0.005, 1e-300, 1, false},
};
static const struct mlo_detector_parameter hddm_w[] = {
    {"drift", 0.001, 1e-300, 1, false},
    {"warning", 0.005, 1e-300, 1, false},
    {"lambda", 0.05, 0, 1, false},
};
static const struct mlo_detector_parameter page_hinkley[] = {
    {"warm", 30, 1, 1e6, true},
    {"delta", 0.005, 0, 1e300, false},
    {"threshold", 50, 0, 1e300, false},
    {"keep", 0.9999, 0, 1, false},
};
static const struct mlo_detector_parameter kswin[] = {
    {"alpha", 0.005, 0, 1, false},
    {"window", 100, 2, MLO_KSWIN_WINDOW_MAX, true},
    {"recent", 30, 1, MLO_KSWIN_WINDOW_MAX / 2, true},
    {"seed", 42, 0, 9007199254740992.0, true},
};

static const struct kind {
    struct mlo_detector_info info;
    size_t size;                           /* of the state */
    void (*reset)(struct mlo_detector *d); /* what does not begin with 0; NULL: nothing */
    enum mlo_signal (*update)(struct mlo_detector *d, double x);
    bool (*valid)(const struct mlo_detector *d); /* may be used as indices; NULL: has none */
} kinds[MLO_DETECTORS] = {
    [MLO_DETECT_ADWIN] = {{"adwin", false, adwin, MLO_COUNT(adwin)},
                          sizeof(struct mlo_adwin),
                          mlo_adwin_reset,
                          mlo_adwin_update,
                          mlo_adwin_valid},
    [MLO_DETECT_DDM] =
        {{"ddm", true, ddm, MLO_COUNT(ddm)}, sizeof(struct mlo_ddm), NULL, mlo_ddm_update, NULL},
    [MLO_DETECT_EDDM] =
        {{"eddm", true, eddm, MLO_COUNT(eddm)}, sizeof(struct mlo_eddm), NULL, mlo_eddm_update, NULL},
    [MLO_DETECT_HDDM_A] = {{"hddm-a", true, hddm_a, MLO_COUNT(hddm_a)},
                           sizeof(struct mlo_hddm_a),
                           NULL,
                           mlo_hddm_a_update,
                           NULL},
    [MLO_DETECT_HDDM_W] = {{"hddm-w", true, hddm_w, MLO_COUNT(hddm_w)},
                           sizeof(struct mlo_hddm_w),
                           mlo_hddm_w_reset,
                           mlo_hddm_w_update,
                           NULL},
    [MLO_DETECT_PAGE_HINKLEY] = {{"page-hinkley", false, page_hinkley, MLO_COUNT(page_hinkley)},
                                 sizeof(struct mlo_page_hinkley),
                                 mlo_page_hinkley_reset,
                                 mlo_page_hinkley_update,
                                 NULL},
    [MLO_DETECT_KSWIN] = {{"kswin", false, kswin, MLO_COUNT(kswin)},
                          sizeof(struct mlo_kswin),
                          NULL,
                          mlo_kswin_update,
                          mlo_kswin_valid},
};

const struct mlo_detector_info *mlo_detector_info(enum mlo_detector_kind kind)
{
    return &kinds[kind].info;
}

static void begin(struct mlo_detector *d)
{
    memset(&d->state, 0, sizeof d->state);
    d->signal = MLO_SIGNAL_NONE;
    if (kinds[d->kind].reset)
        kinds[d->kind].reset(d);
}

void mlo_detector_init(struct mlo_detector *d, enum mlo_detector_kind kind)
{
    const struct mlo_detector_info *info = &kinds[kind].info;
    *d = (struct mlo_detector){.kind = kind};
    for (size_t i = 0; i < info->n_parameters; i++)
        d->parameters[i] = info->parameters[i].standard;
    begin(d);
}

int mlo_detector_set(struct mlo_detector *d, const char *name, double value, struct mlo_err *err)
{
    const struct mlo_detector_info *info = &kinds[d->kind].info;
    for (size_t i = 0; i < info->n_parameters; i++) {
        const struct mlo_detector_parameter *p = &info->parameters[i];
        if (strcmp(p->name, name) != 0)
            continue;
        if (!(value >= p->min && value <= p->max) || (p->whole && value != floor(value)))
            return mlo_fail(err, MLO_EUSAGE, "%s of %s is %s between %g and %g, not %g", name, info->name,
                            p->whole ? "a whole number" : "a number", p->min, p->max, value);
        d->parameters[i] = value;
        return 0;
    }
    return mlo_fail(err, MLO_EUSAGE, "%s has no parameter '%s'", info->name, name);
}

enum mlo_signal mlo_detector_update(struct mlo_detector *d, double x)
{
    if (d->signal == MLO_SIGNAL_DRIFT)
        begin(d);
    d->signal = kinds[d->kind].update(d, x);
    return d->signal;
}

const double *mlo_detector_numbers(const struct mlo_detector *d, size_t *ret_n)
{
    const double *numbers = (const double *)(const void *)&d->state;
    size_t n = kinds[d->kind].size / sizeof *numbers;
    while (n > 0 && numbers[n - 1] == 0)
        n--;
    *ret_n = n;
    return numbers;
}

int mlo_detector_restore(struct mlo_detector *d, enum mlo_signal signal, const double *numbers, size_t n,
                         struct mlo_err *err)
{
    const struct kind *k = &kinds[d->kind];
    struct mlo_detector r = *d;
    bool valid = n * sizeof *numbers <= k->size;
    memset(&r.state, 0, sizeof r.state);
    if (valid && n > 0)
        memcpy(&r.state, numbers, n * sizeof *numbers);
    for (size_t i = 0; valid && i < n; i++)
        valid = !isnan(numbers[i]);
    if (!valid || (k->valid && !k->valid(&r)))
        return mlo_fail(err, MLO_EINVALID, "the numbers are no state of %s", k->info.name);
    r.signal = signal;
    *d = r;
    return 0;
}
