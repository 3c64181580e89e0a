/* A plan is put on a device: which step runs where, the weights copied once. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/dtype.h>
#include <mlopsctl/base/text.h>

#include "lower.h"

/* ---- where a step runs ---- */

struct sources { /* of a step's inputs that are no constants */
    bool before, device, after, shape;
};

static struct sources sources_of(const struct mlo_offload *o, const struct mlo_step *s)
{
    struct sources all = {0};
    for (size_t i = 0; i < s->n_in; i++) {
        if (s->in[i] == MLO_NO_VALUE || o->graph->constants[s->in[i]].kind != MLO_KIND_UNKNOWN)
            continue;
        enum mlo_place place = o->places[s->in[i]];
        all.before |= place == MLO_PLACE_BEFORE;
        all.device |= place == MLO_PLACE_DEVICE;
        all.after |= place == MLO_PLACE_AFTER;
        all.shape |= place == MLO_PLACE_SHAPE;
    }
    return all;
}

static enum mlo_place place_of(const struct mlo_step *s, struct sources from, const struct mlo_lowering *how,
                               bool eager)
{
    if (from.after)
        return MLO_PLACE_AFTER;
    if (from.device)
        return mlo_is_of_shape(s) ? MLO_PLACE_SHAPE : how ? MLO_PLACE_DEVICE : MLO_PLACE_AFTER;
    if (from.shape && !from.before)
        return MLO_PLACE_SHAPE;
    return how && (how->begins || (eager && how->eager)) ? MLO_PLACE_DEVICE : MLO_PLACE_BEFORE;
}

/* NULL: it may be there. */
static const char *objection(const struct mlo_step *s, struct sources from, enum mlo_place place,
                             const struct mlo_lowering *how, const char *why)
{
    if (place == MLO_PLACE_DEVICE)
        return NULL;
    if (s->graphs || s->op->varies)
        return "it runs other steps, or draws numbers";
    if (place == MLO_PLACE_SHAPE)
        return NULL;
    if (!mlo_is_light(s))
        return how ? "it follows what only the CPU can do" : why;
    return from.shape ? "it needs a shape of what is on the device" : NULL;
}

static int refuse(const struct mlo_step *s, const char *why, struct mlo_err *err)
{
    char name[MLO_SHOWN], op[MLO_SHOWN];
    return mlo_fail(err, MLO_EUNAVAIL, "node '%s' (%s): %s",
                    mlo_shown(s->node->name, strlen(s->node->name), name),
                    mlo_shown(s->node->op, strlen(s->node->op), op), why);
}

static int place_step(struct mlo_offload *o, size_t at, bool eager, struct mlo_err *err)
{
    const struct mlo_step *s = &o->graph->steps[at];
    const char *why = "";
    const struct mlo_lowering *how = mlo_lowering_find(o->graph, s, &why);
    struct sources from = sources_of(o, s);
    enum mlo_place place = place_of(s, from, how, eager);
    const char *no = objection(s, from, place, how, why);
    if (no)
        return refuse(s, no, err);
    o->steps[at] = (struct mlo_offload_step){place, place == MLO_PLACE_DEVICE ? how : NULL, 0};
    o->state.steps += place == MLO_PLACE_DEVICE;
    o->quantized |= o->steps[at].how == &mlo_lower_quantize ||
                    o->steps[at].how == &mlo_lower_dynamic_quantize;
    for (size_t i = 0; i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE)
            o->places[s->out[i]] = place == MLO_PLACE_DEVICE && how->ends ? MLO_PLACE_AFTER : place;
    return 0;
}

static int place_steps(struct mlo_offload *o, bool eager, struct mlo_err *err)
{
    bool begins = false;
    int rc = 0;
    memset(o->places, 0, o->graph->graph->n_values * sizeof *o->places);
    o->state.steps = 0;
    for (size_t i = 0; rc == 0 && i < o->graph->n_steps; i++) {
        rc = place_step(o, i, eager, err);
        begins |= rc == 0 && o->steps[i].how && o->steps[i].how->begins;
    }
    if (rc == 0 && !begins)
        rc = mlo_fail(err, MLO_EUNAVAIL, "nothing in the model is work for a device");
    return rc;
}

/* With scalers in front where that goes, else they are the CPU's. */
static int place_all(struct mlo_offload *o, struct mlo_err *err)
{
    struct mlo_err first = MLO_ERR_INIT;
    o->steps = mlo_calloc(o->graph->n_steps + 1, sizeof *o->steps, err);
    o->places = o->steps ? mlo_calloc(o->graph->graph->n_values + 1, sizeof *o->places, err) : NULL;
    if (!o->places)
        return err->code;
    return place_steps(o, true, &first) == 0 ? 0 : place_steps(o, false, err);
}

/* ---- packed rows ---- */

/* Is such a step the device's, or before it? What depends on shapes would not be fixed. */
static bool step_packs(const struct mlo_offload *o, const struct mlo_packing *how, size_t i)
{
    enum mlo_place place = o->steps[i].place;
    bool is_own = how->steps[i].is_length || how->steps[i].is_positions;
    if (!how->steps[i].runs)
        return true;
    return place == MLO_PLACE_BEFORE || (place == MLO_PLACE_DEVICE && !is_own);
}

static const struct mlo_packing *packing_of(const struct mlo_offload *o, const struct mlo_packing *how)
{
    const struct mlo_graph *g = o->graph->graph;
    for (size_t i = 0; how && i < o->graph->n_steps; i++)
        if (!step_packs(o, how, i))
            return NULL;
    for (size_t i = 0; how && i < g->n_outputs; i++)
        if (how->outputs[i] && o->places[g->outputs[i]] != MLO_PLACE_DEVICE)
            return NULL;
    return how;
}

/* ---- weights ---- */

static int collect(struct mlo_offload *o, struct mlo_weights *w, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->graph->n_steps; i++) {
        const struct mlo_lowering *how = o->steps[i].how;
        o->steps[i].weight = (uint32_t)w->n;
        if (how && how->weights)
            rc = how->weights(o->graph, &o->graph->steps[i], w, err);
    }
    return rc;
}

static int copy_weights(struct mlo_offload *o, struct mlo_weights *w, struct mlo_err *err)
{
    char reason[MLO_DEVICE_REASON] = "";
    o->facts = mlo_calloc(w->n + 1, sizeof *o->facts, err);
    if (!o->facts)
        return err->code;
    o->n_weights = (uint32_t)w->n;
    for (size_t i = 0; i < w->n; i++)
        o->facts[i] = (struct mlo_device_weight){w->list[i].type, w->list[i].n, NULL};
    int status = o->opts.api->weights_new(o->opts.device, w->list, o->n_weights, &o->weights, reason);
    return status == MLO_DEVICE_OK
               ? 0
               : mlo_fail(err, MLO_EUNAVAIL, "the weights do not get to the device: %s", reason);
}

/* In place: halves lie where the floats before them were. */
static void narrow(struct mlo_weights *w)
{
    enum mlo_dtype type = w->floats == MLO_DEVICE_F16 ? MLO_DT_F16 : MLO_DT_BF16;
    for (size_t i = 0; i < w->n; i++) {
        const float *from = w->data[i];
        uint16_t *to = w->data[i];
        for (size_t k = 0; w->narrow[i] && k < w->list[i].n; k++) {
            float v = from[k];
            mlo_floats_to_halves(type, &v, &to[k], 1);
        }
        w->list[i].type = w->narrow[i] ? w->floats : w->list[i].type;
    }
}

static int load_weights(struct mlo_offload *o, struct mlo_err *err)
{
    struct mlo_weights w = {.floats = o->floats, .bytes = o->bytes};
    int rc = collect(o, &w, err);
    if (rc == 0) {
        narrow(&w);
        rc = copy_weights(o, &w, err);
    }
    for (size_t i = 0; i < w.n; i++)
        free(w.data[i]);
    free(w.data);
    free(w.narrow);
    free(w.list);
    return rc;
}

/* ---- life ---- */

static const struct {
    uint32_t floats, bytes;
} types_of[] = {[MLO_OFFLOAD_F32] = {MLO_DEVICE_F32, MLO_DEVICE_F32},
                [MLO_OFFLOAD_TF32] = {MLO_DEVICE_F32, MLO_DEVICE_F32},
                [MLO_OFFLOAD_F16] = {MLO_DEVICE_F16, MLO_DEVICE_F32},
                [MLO_OFFLOAD_BF16] = {MLO_DEVICE_BF16, MLO_DEVICE_F32},
                [MLO_OFFLOAD_INT8] = {MLO_DEVICE_BF16, MLO_DEVICE_I8},
                [MLO_OFFLOAD_FP8] = {MLO_DEVICE_BF16, MLO_DEVICE_E4M3}};

/* Has it the types? */
static int check_device(const struct mlo_offload *o, struct mlo_err *err)
{
    struct mlo_device_info info;
    char reason[MLO_DEVICE_REASON] = "";
    if (o->bytes != MLO_DEVICE_E4M3)
        return 0;
    if (o->opts.api->info(o->opts.device, &info, reason) != MLO_DEVICE_OK)
        return mlo_fail(err, MLO_EUNAVAIL, "the device cannot be used: %s", reason);
    if (info.major >= MLO_DEVICE_E4M3_MAJOR)
        return 0;
    return mlo_fail(err, MLO_EUNAVAIL,
                    "floats of 8 bits need a device of compute capability %u.0, this has %u.%u",
                    MLO_DEVICE_E4M3_MAJOR, info.major, info.minor);
}

int mlo_plan_offload(struct mlo_plan *p, const struct mlo_offload_opts *opts, struct mlo_err *err)
{
    struct mlo_offload *o = mlo_calloc(1, sizeof *o, err);
    if (!o)
        return err->code;
    o->opts = *opts;
    o->graph = p->graph;
    o->floats = types_of[opts->precision].floats;
    o->bytes = types_of[opts->precision].bytes;
    pthread_mutex_init(&o->lock, NULL);
    int rc = check_device(o, err);
    if (rc == 0)
        rc = place_all(o, err);
    if (rc == 0)
        rc = load_weights(o, err);
    o->packing = rc == 0 ? packing_of(o, p->packing) : NULL;
    if (rc != 0) {
        mlo_offload_free(o);
        return rc;
    }
    mlo_offload_free(p->offload);
    p->offload = o;
    return 0;
}

void mlo_offload_free(struct mlo_offload *o)
{
    if (!o)
        return;
    if (o->weights)
        o->opts.api->weights_free(o->weights);
    pthread_mutex_destroy(&o->lock);
    free(o->facts);
    free(o->places);
    free(o->steps);
    free(o);
}

bool mlo_plan_offloaded(const struct mlo_plan *p, struct mlo_offload_state *ret)
{
    struct mlo_offload *o = p->offload;
    *ret = (struct mlo_offload_state){0};
    if (!o)
        return false;
    pthread_mutex_lock(&o->lock);
    *ret = o->state;
    pthread_mutex_unlock(&o->lock);
    return true;
}

void mlo_offload_blame(struct mlo_offload *o, bool all, const char *why)
{
    pthread_mutex_lock(&o->lock);
    o->broken |= all;
    if (!*o->state.why)
        snprintf(o->state.why, sizeof o->state.why, "%s", why);
    pthread_mutex_unlock(&o->lock);
}

bool mlo_offload_broken(struct mlo_offload *o)
{
    pthread_mutex_lock(&o->lock);
    bool broken = o->broken;
    pthread_mutex_unlock(&o->lock);
    return broken;
}

bool mlo_offload_packs(struct mlo_offload *o)
{
    pthread_mutex_lock(&o->lock);
    const struct mlo_crossover *c = &o->state.packed;
    bool packs = o->packing && !o->broken && (c->n == 0 || mlo_crossover_from(c) > 0);
    pthread_mutex_unlock(&o->lock);
    return packs;
}
