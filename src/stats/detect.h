/* The detectors, as detect.c sees them. Each update gets a state that has not just drifted. */
#ifndef MLO_STATS_DETECT_H
#define MLO_STATS_DETECT_H

#include <mlopsctl/stats.h>

static inline void mlo_running_mean_add(struct mlo_running_mean *m, double x)
{
    m->n++;
    m->mean += 1 / m->n * (x - m->mean);
}

void mlo_adwin_reset(struct mlo_detector *d);
enum mlo_signal mlo_adwin_update(struct mlo_detector *d, double x);
bool mlo_adwin_valid(const struct mlo_detector *d);

enum mlo_signal mlo_ddm_update(struct mlo_detector *d, double x);
enum mlo_signal mlo_eddm_update(struct mlo_detector *d, double x);
enum mlo_signal mlo_hddm_a_update(struct mlo_detector *d, double x);
void mlo_hddm_w_reset(struct mlo_detector *d);
enum mlo_signal mlo_hddm_w_update(struct mlo_detector *d, double x);

void mlo_page_hinkley_reset(struct mlo_detector *d);
enum mlo_signal mlo_page_hinkley_update(struct mlo_detector *d, double x);
enum mlo_signal mlo_kswin_update(struct mlo_detector *d, double x);
bool mlo_kswin_valid(const struct mlo_detector *d);

#endif
