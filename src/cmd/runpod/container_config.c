/* See container_config.h. */
#include "container_config.h"

#include <string.h>

struct mlo_runpod_words mlo_words_of(const struct mlo_strings *s)
{
    return (struct mlo_runpod_words){s->n ? s->items : NULL, s->n};
}

static int find_login(struct mlo_ctx *ctx, const char *word, struct mlo_runpod_registry *ret,
                      struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    return rc != 0 ? rc : mlo_runpod_registry_find(c, word, ret, err);
}

int mlo_container_config_read(struct mlo_ctx *ctx, const struct mlo_container_config_opts *o,
                              struct mlo_container_config *ret, struct mlo_err *err)
{
    struct mlo_container_config k = {0};
    int rc = o->env.n || o->env_file ? mlo_env_vars_read(ctx, &o->env, o->env_file, &k.env, err) : 0;
    if (rc == 0 && o->registry && *o->registry)
        rc = find_login(ctx, o->registry, &k.registry, err);
    if (rc != 0) {
        mlo_container_config_release(&k);
        return rc;
    }
    k.words = (struct mlo_runpod_container){
        .image = o->image,
        .args = o->args,
        .disk_gb = o->disk,
        .ports = mlo_words_of(&o->port),
        .env = {k.env.n ? (const char *const *)k.env.items : NULL, k.env.n},
        .registry = k.registry.id ? k.registry.id : o->registry,
    };
    *ret = k;
    return 0;
}

void mlo_container_config_release(struct mlo_container_config *k)
{
    mlo_env_vars_release(&k->env);
    mlo_runpod_registry_release(&k->registry);
    *k = (struct mlo_container_config){0};
}
