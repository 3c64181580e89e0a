/* See pod_offers.h. */
#include "pod_offers.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#define VCPUS_DEFAULT 2
#define VCPUS_MAX     1024

void mlo_pod_offers_release(struct mlo_pod_offers *l)
{
    free(l->items);
    mlo_runpod_gpus_release(&l->gpus);
    mlo_runpod_cpus_release(&l->cpus);
    *l = (struct mlo_pod_offers){0};
}

const char *mlo_pod_offer_shown(const struct mlo_pod_offer *o, uint64_t count, char buf[MLO_OFFER_SHOWN])
{
    unsigned long long n = o->gpu ? count : o->vcpus;
    snprintf(buf, MLO_OFFER_SHOWN, "%llu x %.100s%s%s%.40s", n, o->gpu ? o->gpu : o->cpu,
             o->gpu ? "" : " vCPU", o->data_center ? " in " : "", o->data_center ? o->data_center : "");
    return buf;
}

static enum mlo_runpod_stock stock_in(const struct mlo_runpod_places *places, enum mlo_runpod_stock all,
                                      const char *data_center)
{
    if (!data_center || all == MLO_RUNPOD_STOCK_UNKNOWN)
        return all;
    for (size_t i = 0; i < places->n; i++)
        if (places->items[i].id && strcasecmp(places->items[i].id, data_center) == 0)
            return places->items[i].stock;
    return MLO_RUNPOD_STOCK_NONE;
}

/* One offer for each data centre that was asked for, or one without. anyway: stock is only a hint. */
static int add_offers(struct mlo_pod_offers *l, const struct mlo_pod_wish *w, struct mlo_pod_offer offer,
                      const struct mlo_runpod_places *places, bool anyway, struct mlo_err *err)
{
    size_t n = w->data_centers.n ? w->data_centers.n : 1;
    struct mlo_pod_offer *more = reallocarray(l->items, l->n + n, sizeof *more);
    if (!more)
        return mlo_fail_nomem(err);
    l->items = more;
    enum mlo_runpod_stock all = offer.stock;
    for (size_t i = 0; i < n; i++) {
        offer.data_center = w->data_centers.n ? w->data_centers.items[i] : NULL;
        offer.stock = stock_in(places, all, offer.data_center);
        if (anyway || offer.stock != MLO_RUNPOD_STOCK_NONE)
            l->items[l->n++] = offer;
    }
    return 0;
}

/* ---- GPUs ---- */

static int none_left(const struct mlo_pod_wish *w, const struct mlo_pod_offers *l, struct mlo_err *err)
{
    if (l->dear) {
        mlo_fail(err, MLO_EUNAVAIL, "no GPU type like that costs at most %.2f USD an hour", w->max_price);
        return mlo_hint(err, "%zu would do but cost%s more: `mlopsctl runpod gpu` lists them", l->dear,
                        l->dear == 1 ? "s" : "");
    }
    mlo_fail(err, MLO_EUNAVAIL, "no GPU type like that is %s%s", w->gpus.n ? "in the catalog" : "in stock",
             w->data_centers.n ? " in these data centres" : "");
    return mlo_hint(err, "`mlopsctl runpod gpu --all` lists what there is, and where");
}

static int find_gpus(struct mlo_runpod *c, const struct mlo_pod_wish *w, struct mlo_pod_offers *l,
                     struct mlo_err *err)
{
    struct mlo_runpod_candidate *list = NULL;
    size_t n = 0;
    struct mlo_runpod_catalog q = {
        .product = "POD", .count = w->count, .cloud = w->community ? "COMMUNITY" : "SECURE"};
    struct mlo_runpod_need need = {.min_memory_gb = w->min_vram,
                                   .count = w->count,
                                   .community = w->community,
                                   .ids = w->gpus,
                                   .data_centers = w->data_centers,
                                   .manufacturer = w->manufacturer,
                                   .slices = w->slices,
                                   .out_of_stock = w->gpus.n > 0, /* named: to be tried all the same */
                                   .max_price = w->max_price};
    int rc = mlo_runpod_gpu_list(c, &q, &l->gpus, err);
    if (rc == 0)
        rc = mlo_runpod_choose(&l->gpus, &need, &list, &n, &l->dear, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct mlo_pod_offer offer = {
            .gpu = list[i].gpu->id, .price = list[i].price, .stock = list[i].gpu->stock};
        rc = add_offers(l, w, offer, &list[i].gpu->data_centers, need.out_of_stock, err);
    }
    free(list);
    return rc == 0 && l->n == 0 ? none_left(w, l, err) : rc;
}

/* ---- CPUs ---- */

static int unknown_flavour(const struct mlo_runpod_cpus *cpus, const char *word, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    MLO_AUTOSTR struct mlo_str known;
    mlo_str_init(&known, sizeof err->hint / 2);
    for (size_t i = 0; i < cpus->n; i++)
        mlo_str_addf(&known, "%s%s", i ? ", " : "", cpus->items[i].id);
    mlo_fail(err, MLO_ENOTFOUND, "there is no CPU flavour '%s'", mlo_shown(word, strlen(word), shown));
    return mlo_hint(err, "there are: %s", known.ptr);
}

static int find_cpu(struct mlo_runpod *c, const struct mlo_pod_wish *w, struct mlo_pod_offers *l,
                    struct mlo_err *err)
{
    const char *colon = strchr(w->cpu, ':');
    uint64_t vcpus = VCPUS_DEFAULT;
    MLO_AUTOFREE char *flavour = mlo_memdup0(w->cpu, colon ? (size_t)(colon - w->cpu) : strlen(w->cpu), err);
    if (!flavour)
        return MLO_EIO;
    int rc = colon ? mlo_parse_u64(colon + 1, 2, VCPUS_MAX, "the vCPUs of --cpu", &vcpus, err) : 0;
    if (rc == 0)
        rc = mlo_runpod_cpu_list(c, &(struct mlo_runpod_catalog){.product = "POD", .count = vcpus}, &l->cpus,
                                 err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < l->cpus.n; i++) {
        const struct mlo_runpod_cpu *cpu = &l->cpus.items[i];
        struct mlo_pod_offer offer = {
            .cpu = cpu->id, .vcpus = vcpus, .price = cpu->price_secure * (double)vcpus, .stock = cpu->stock};
        if (strcmp(cpu->id, flavour) != 0)
            continue;
        if (vcpus < cpu->min_vcpus || vcpus > cpu->max_vcpus)
            return mlo_fail(err, MLO_EUSAGE, "%s has %llu to %llu vCPUs", cpu->id,
                            (unsigned long long)cpu->min_vcpus, (unsigned long long)cpu->max_vcpus);
        return add_offers(l, w, offer, &cpu->data_centers, true, err);
    }
    return unknown_flavour(&l->cpus, flavour, err);
}

int mlo_pod_offers_find(struct mlo_runpod *c, const struct mlo_pod_wish *w, struct mlo_pod_offers *ret,
                        struct mlo_err *err)
{
    struct mlo_pod_offers l = {0};
    int rc = w->cpu ? find_cpu(c, w, &l, err) : find_gpus(c, w, &l, err);
    if (rc != 0)
        mlo_pod_offers_release(&l);
    else
        *ret = l;
    return rc;
}
