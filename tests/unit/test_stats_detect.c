/* Detectors against what River said, value for value (tests/golden/stats/detectors.py records it), and states
 * that are kept and restored. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/stats.h>

#include "tap.h"

#define GOLDEN "tests/golden/stats/"
enum { STREAM_MAX = 20000 };

struct stream {
    double x[STREAM_MAX];
    size_t n;
};

static void read_stream(struct stream *s, const char *name)
{
    char path[256], line[64];
    snprintf(path, sizeof path, GOLDEN "%s", name);
    FILE *f = fopen(path, "r");
    s->n = 0;
    if (!check(f != NULL, "%s", path))
        return;
    while (fgets(line, sizeof line, f))
        if (strcmp(line, "x\n") != 0 && s->n < STREAM_MAX)
            s->x[s->n++] = strtod(line, NULL);
    fclose(f);
}

/* "bits SEED N LEVEL N LEVEL ...": as the script makes them. */
static void make_stream(struct stream *s, bool bits, char *words)
{
    char *save = NULL;
    uint32_t seed = (uint32_t)strtoul(strtok_r(words, " ", &save), NULL, 10);
    s->n = 0;
    for (char *word; (word = strtok_r(NULL, " ", &save));) {
        size_t n = strtoul(word, NULL, 10);
        double level = strtod(strtok_r(NULL, " ", &save), NULL);
        for (; n > 0 && s->n < STREAM_MAX; n--) {
            seed = 1664525u * seed + 1013904223u;
            double u = seed / 4294967296.0;
            s->x[s->n++] = bits ? u < level : level + u - 0.5;
        }
    }
}

static void setup(struct mlo_detector *d, char *words)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *save = NULL, *name = strtok_r(words, " ", &save);
    for (int kind = 0; kind < MLO_DETECTORS; kind++)
        if (strcmp(mlo_detector_info((enum mlo_detector_kind)kind)->name, name) == 0)
            mlo_detector_init(d, (enum mlo_detector_kind)kind);
    for (char *word; (word = strtok_r(NULL, " ", &save));) {
        char *value = strchr(word, '=');
        *value = '\0';
        check_ok(mlo_detector_set(d, word, strtod(value + 1, NULL), &err), &err);
    }
}

/* Halfway the state moves to another detector by its numbers. */
static void move(struct mlo_detector *d)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_detector other;
    size_t n;
    const double *numbers = mlo_detector_numbers(d, &n);
    mlo_detector_init(&other, d->kind);
    memcpy(other.parameters, d->parameters, sizeof other.parameters);
    check_ok(mlo_detector_restore(&other, d->signal, numbers, n, &err), &err);
    *d = other;
}

static void compare(const struct stream *s, char *words, const char *want)
{
    static char got[1 << 16];
    struct mlo_detector d;
    size_t at = 0;
    enum mlo_signal before = MLO_SIGNAL_NONE;
    setup(&d, words);
    got[0] = '\0';
    for (size_t i = 0; i < s->n; i++) {
        if (i % 1000 == 777)
            move(&d);
        enum mlo_signal now = mlo_detector_update(&d, s->x[i]);
        if ((now == MLO_SIGNAL_DRIFT || now != before) && at < sizeof got - 32)
            at += (size_t)snprintf(got + at, sizeof got - at, "%s%zu%c", at ? " " : "", i, "nwd"[now]);
        before = now;
    }
    if (strcmp(got, want) != 0)
        check_str(got, want);
    else
        check(true);
}

static void as_river(void)
{
    static struct stream s;
    static char line[1 << 16];
    size_t compared = 0;
    FILE *f = fopen(GOLDEN "detectors.txt", "r");
    if (!check(f != NULL))
        return;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *colon = strchr(line, ':');
        if (line[0] == '#')
            continue;
        if (strncmp(line, "file ", 5) == 0)
            read_stream(&s, line + 5);
        else if (strncmp(line, "bits ", 5) == 0)
            make_stream(&s, true, line + 5);
        else if (strncmp(line, "numbers ", 8) == 0)
            make_stream(&s, false, line + 8);
        else if (check(colon != NULL)) {
            *colon = '\0';
            compare(&s, line, colon[1] ? colon + 2 : "");
            compared++;
        }
    }
    fclose(f);
    check(compared > 250, "%zu", compared);
}

/* The indices that River's documentation prints. */
static void as_documented(void)
{
    static struct stream s;
    struct mlo_detector d;
    read_stream(&s, "stream-steps.csv");
    mlo_detector_init(&d, MLO_DETECT_ADWIN);
    for (size_t i = 0; i < s.n; i++)
        check(mlo_detector_update(&d, s.x[i]) != MLO_SIGNAL_DRIFT || i == 1023, "%zu", i);
    mlo_detector_init(&d, MLO_DETECT_PAGE_HINKLEY);
    for (size_t i = 0; i < 1010; i++)
        check((mlo_detector_update(&d, s.x[i]) == MLO_SIGNAL_DRIFT) == (i == 1006), "%zu", i);
}

static void refuses_what_is_no_state(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_detector d, kept;
    static double numbers[2000];
    mlo_detector_init(&d, MLO_DETECT_ADWIN);
    kept = d;
    numbers[4] = 41; /* rows */
    check_err(mlo_detector_restore(&d, MLO_SIGNAL_NONE, numbers, 5, &err), MLO_EINVALID, &err, "adwin");
    numbers[4] = 2;
    numbers[6] = 6; /* buckets of the second row */
    check_err(mlo_detector_restore(&d, MLO_SIGNAL_NONE, numbers, 7, &err), MLO_EINVALID, &err, NULL);
    numbers[6] = 1.5;
    check_err(mlo_detector_restore(&d, MLO_SIGNAL_NONE, numbers, 7, &err), MLO_EINVALID, &err, NULL);
    numbers[6] = 1;
    check_ok(mlo_detector_restore(&d, MLO_SIGNAL_NONE, numbers, 7, &err), &err);
    d = kept;
    check_err(mlo_detector_restore(&d, MLO_SIGNAL_NONE, numbers, 2000, &err), MLO_EINVALID, &err, NULL);
    numbers[0] = NAN;
    check_err(mlo_detector_restore(&d, MLO_SIGNAL_NONE, numbers, 7, &err), MLO_EINVALID, &err, NULL);
    check(memcmp(&d, &kept, sizeof d) == 0);
    mlo_detector_init(&d, MLO_DETECT_KSWIN);
    numbers[0] = -1;
    check_err(mlo_detector_restore(&d, MLO_SIGNAL_NONE, numbers, 1, &err), MLO_EINVALID, &err, "kswin");
}

static void refuses_parameters(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_detector d;
    mlo_detector_init(&d, MLO_DETECT_ADWIN);
    check_err(mlo_detector_set(&d, "alpha", 1, &err), MLO_EUSAGE, &err, "no parameter 'alpha'");
    check_err(mlo_detector_set(&d, "clock", 1.5, &err), MLO_EUSAGE, &err, "whole number");
    check_err(mlo_detector_set(&d, "delta", NAN, &err), MLO_EUSAGE, &err, "between 0 and 1");
}

static void memory_does_not_grow(void)
{
    struct mlo_detector d;
    mlo_detector_init(&d, MLO_DETECT_ADWIN);
    for (size_t i = 0; i < 1000000; i++)
        check(mlo_detector_update(&d, (double)(i % 2)) == MLO_SIGNAL_NONE, "%zu", i);
    check_int(d.state.adwin.width, 1000000);
    check(d.state.adwin.rows < 20);
}

int main(void)
{
    run(as_river);
    run(as_documented);
    run(refuses_what_is_no_state);
    run(refuses_parameters);
    run(memory_does_not_grow);
    return done_testing();
}
