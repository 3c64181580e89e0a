/* Numbers given with --metric and --metrics. */
#ifndef MLOPSCTL_CMD_METRICS_H
#define MLOPSCTL_CMD_METRICS_H

#include <mlopsctl/bundle.h>
#include <mlopsctl/cli.h>

struct mlo_metrics {
    struct mlo_pack_metric *items; /* keys from `arena` */
    size_t n, cap;
    struct mlo_arena arena;
};
void mlo_metrics_init(struct mlo_metrics *m);
void mlo_metrics_release(struct mlo_metrics *m);
/* A JSON object of numbers; an object inside gives keys with dots. Booleans count as 1 and 0. */
int mlo_metrics_file(struct mlo_metrics *m, const char *path, struct mlo_err *err) MLO_MUST_CHECK;
/* "key=value"; replaces what a file said. */
int mlo_metrics_option(struct mlo_metrics *m, const char *text, struct mlo_err *err) MLO_MUST_CHECK;

#endif
