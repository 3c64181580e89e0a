/* Which hardware would do for a pod, in the order of trying it: GPU types or a CPU flavour, each in a data
 * centre or anywhere. */
#ifndef MLOPSCTL_CMD_POD_OFFERS_H
#define MLOPSCTL_CMD_POD_OFFERS_H

#include <mlopsctl/runpod.h>

struct mlo_pod_wish { /* borrowed */
    struct mlo_runpod_words gpus;
    uint64_t min_vram, count;
    bool community, slices;
    const char *manufacturer;             /* NULL: NVIDIA and what is named; "": any */
    const char *cpu;                      /* "cpu3c" or "cpu3c:4"; NULL: GPUs */
    struct mlo_runpod_words data_centers; /* in the order of trying; none: anywhere */
    double max_price;                     /* USD per hour for all; 0: no limit */
};
struct mlo_pod_offer {     /* text is borrowed from the catalog or the wish */
    const char *gpu, *cpu; /* one of them */
    const char *data_center;
    uint64_t vcpus;
    double price;
    enum mlo_runpod_stock stock;
};
struct mlo_pod_offers {
    struct mlo_pod_offer *items;
    size_t n;
    size_t dear; /* types that only the price kept out */
    struct mlo_runpod_gpus gpus;
    struct mlo_runpod_cpus cpus;
};
void mlo_pod_offers_release(struct mlo_pod_offers *l);
/* MLO_EUNAVAIL when there is none. */
int mlo_pod_offers_find(struct mlo_runpod *c, const struct mlo_pod_wish *w, struct mlo_pod_offers *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* "2 x NVIDIA L40S in EU-RO-1" */
#define MLO_OFFER_SHOWN 200
const char *mlo_pod_offer_shown(const struct mlo_pod_offer *o, uint64_t count, char buf[MLO_OFFER_SHOWN]);

#endif
