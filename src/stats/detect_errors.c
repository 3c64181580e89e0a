/* Detectors that watch a classifier's errors: 1 is wrong, 0 is right. */
#include "detect.h"

#include <math.h>

/* ---- DDM (Gama et al. 2004, "Learning with drift detection") ---- */

enum { WARM, WARNING, DRIFT };

enum mlo_signal mlo_ddm_update(struct mlo_detector *d, double x)
{
    struct mlo_ddm *s = &d->state.ddm;
    mlo_running_mean_add(&s->rate, x);
    double p = s->rate.mean, sd = sqrt(fmax(0, p * (1 - p) / s->rate.n));
    if (s->rate.n <= d->parameters[WARM])
        return MLO_SIGNAL_NONE;
    if (s->found == 0 || p + sd <= s->best_rate + s->best_sd) {
        s->found = 1;
        s->best_rate = p;
        s->best_sd = sd;
    }
    if (p + sd > s->best_rate + d->parameters[DRIFT] * s->best_sd)
        return MLO_SIGNAL_DRIFT;
    return p + sd > s->best_rate + d->parameters[WARNING] * s->best_sd ? MLO_SIGNAL_WARNING : MLO_SIGNAL_NONE;
}

/* ---- EDDM (Baena-Garcia et al. 2006, "Early drift detection method") ---- */

enum mlo_signal mlo_eddm_update(struct mlo_detector *d, double x)
{
    struct mlo_eddm *s = &d->state.eddm;
    s->n++;
    if (x != 1)
        return d->signal; /* a warning lasts until an error says otherwise */
    double gap = s->n - s->last_error, before = s->distance.mean;
    s->last_error = s->n;
    mlo_running_mean_add(&s->distance, gap);
    s->squares += (gap - before) * (gap - s->distance.mean);
    if (s->n <= d->parameters[WARM])
        return d->signal;
    double errors = s->distance.n;
    double sd = errors > 1 ? sqrt(s->squares / (errors - 1)) : 0, level = s->distance.mean + 2 * sd;
    if (level > s->best)
        s->best = level;
    else if (errors > d->parameters[WARM])
        return level / s->best < d->parameters[DRIFT]     ? MLO_SIGNAL_DRIFT
               : level / s->best < d->parameters[WARNING] ? MLO_SIGNAL_WARNING
                                                          : MLO_SIGNAL_NONE;
    return d->signal;
}

/* ---- HDDM (Frias-Blanco et al. 2015, "Online and non-parametric drift detection methods based on
 * Hoeffding's bounds"), one-sided: errors that become more ---- */

enum { HDDM_DRIFT, HDDM_WARNING, HDDM_LAMBDA };

static bool is_above(const struct mlo_hddm_a *s, double confidence)
{
    if (s->cut.n == s->all.n)
        return false;
    double m = (s->all.n - s->cut.n) / s->cut.n * (1 / s->all.n);
    return s->all.mean - s->cut.mean >= sqrt(m / 2 * log(2 / confidence));
}

enum mlo_signal mlo_hddm_a_update(struct mlo_detector *d, double x)
{
    struct mlo_hddm_a *s = &d->state.hddm_a;
    double log_confidence = log(1 / d->parameters[HDDM_DRIFT]);
    mlo_running_mean_add(&s->all, x);
    if (s->cut.n == 0)
        s->cut = s->all;
    double bound_cut = sqrt(1 / (2 * s->cut.n) * log_confidence);
    double bound_all = sqrt(1 / (2 * s->all.n) * log_confidence);
    if (s->cut.mean + bound_cut >= s->all.mean + bound_all)
        s->cut = s->all;
    if (is_above(s, d->parameters[HDDM_DRIFT]))
        return MLO_SIGNAL_DRIFT;
    return is_above(s, d->parameters[HDDM_WARNING]) ? MLO_SIGNAL_WARNING : MLO_SIGNAL_NONE;
}

static void weigh(struct mlo_weighted_mean *w, double lambda, double x)
{
    w->mean = w->seen == 0 ? x : lambda * x + (1 - lambda) * w->mean;
    w->bound = lambda * lambda + (1 - lambda) * (1 - lambda) * (w->seen > 0 ? w->bound : 1);
    w->seen = 1;
}

static bool is_weighted_above(const struct mlo_hddm_w *s, double confidence)
{
    double squares = s->before.bound + s->after.bound;
    return s->before.seen > 0 && s->after.seen > 0 &&
           s->after.mean - s->before.mean > sqrt(squares * log(1 / confidence) / 2);
}

void mlo_hddm_w_reset(struct mlo_detector *d)
{
    d->state.hddm_w.cut = INFINITY;
}

enum mlo_signal mlo_hddm_w_update(struct mlo_detector *d, double x)
{
    struct mlo_hddm_w *s = &d->state.hddm_w;
    double lambda = d->parameters[HDDM_LAMBDA];
    weigh(&s->all, lambda, x);
    double high = s->all.mean + sqrt(s->all.bound * log(1 / d->parameters[HDDM_DRIFT]) / 2);
    if (high < s->cut) {
        s->cut = high;
        s->before = s->all;
        s->after = (struct mlo_weighted_mean){0};
    } else {
        weigh(&s->after, lambda, x);
    }
    if (is_weighted_above(s, d->parameters[HDDM_DRIFT]))
        return MLO_SIGNAL_DRIFT;
    return is_weighted_above(s, d->parameters[HDDM_WARNING]) ? MLO_SIGNAL_WARNING : MLO_SIGNAL_NONE;
}
