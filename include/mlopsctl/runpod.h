/*
 * RunPod through REST v2 (docs/runpod.md): volumes, catalog, pods, endpoints, templates, registries, billing,
 * jobs. Every base URL is a setting. v1 answers 410 and is never asked.
 *
 * Creates are not idempotent there: after a failure that leaves it open whether the server acted, the object
 * is looked for by its marker before anything is made again, so there are never two.
 */
#ifndef MLOPSCTL_RUNPOD_H
#define MLOPSCTL_RUNPOD_H

#include <mlopsctl/base/str.h>
#include <mlopsctl/net.h>

struct mlo_runpod;
struct mlo_runpod_opts {
    struct mlo_http *http; /* borrowed */
    const char *key;       /* borrowed for the client's life */
    const char *api;       /* NULL: https://api.runpod.io/v2 */
    const char *jobs;      /* NULL: https://api.runpod.ai/v2 */
    const char *balancer;  /* NULL: https://{id}.api.runpod.ai; {id} is filled in */
    const char *s3;        /* NULL: https://s3api-{dc}.runpod.io; {dc} is the data centre in lower case */
    const char *s3_data_centers; /* NULL: the list known to this build; else names between spaces, "*": all */
};
int mlo_runpod_new(const struct mlo_runpod_opts *opts, struct mlo_runpod **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_runpod_free(struct mlo_runpod *c);

/* ---- network volumes ---- */

struct mlo_runpod_volume {
    char *id, *name, *data_center, *type;
    uint64_t size_gb;
};
void mlo_runpod_volume_release(struct mlo_runpod_volume *v);
/* By id, else by name; a name that fits two is MLO_ECONFLICT with both ids in the message. */
int mlo_runpod_volume_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_volume *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
/* "https://s3api-eu-ro-1.runpod.io" appended; MLO_EUNAVAIL when that data centre has no S3, with those that
 * have. */
int mlo_runpod_s3_endpoint(const struct mlo_runpod *c, const char *data_center, struct mlo_str *out,
                           struct mlo_err *err) MLO_MUST_CHECK;

#endif
