/* Network volumes: what they are, what they cost, where their files are reached. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

/* US cents per GB and month by RunPod's documentation of 2026; no interface tells it. */
#define CENTS_FIRST_TB 7
#define CENTS_AFTER    5
#define FIRST_TB       1000

#define AT(member) offsetof(struct mlo_runpod_volume, member)
static const struct mlo_field fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},       {"name", MLO_FIELD_TEXT, true, AT(name)},
    {"size", MLO_FIELD_U64, true, AT(size_gb)}, {"dataCenter", MLO_FIELD_TEXT, true, AT(data_center)},
    {"type", MLO_FIELD_TEXT, false, AT(type)},
};
#undef AT
static const struct mlo_shape shape = {MLO_SHAPE("network volume", fields, struct mlo_runpod_volume)};

void mlo_runpod_volume_release(struct mlo_runpod_volume *v)
{
    mlo_shape_release(&shape, v);
}

void mlo_runpod_volumes_release(struct mlo_runpod_volumes *l)
{
    mlo_shape_release_list(&shape, l);
}

int mlo_runpod_volume_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_volume *ret,
                           struct mlo_err *err)
{
    return mlo_runpod_find_shape(c, MLO_RUNPOD_VOLUMES, id_or_name, &shape, ret, err);
}

int mlo_runpod_volume_get(struct mlo_runpod *c, const char *id, struct mlo_runpod_volume *ret,
                          struct mlo_err *err)
{
    return mlo_runpod_get_shape(c, MLO_RUNPOD_VOLUMES, id, &shape, ret, err);
}

int mlo_runpod_volume_list(struct mlo_runpod *c, struct mlo_runpod_volumes *ret, struct mlo_err *err)
{
    return mlo_runpod_list_shape(c, MLO_RUNPOD_VOLUMES, &shape, ret, err);
}

static void check_size(struct mlo_body_builder *b, uint64_t gb)
{
    if (gb < MLO_RUNPOD_VOLUME_MIN_GB || gb > MLO_RUNPOD_VOLUME_MAX_GB)
        mlo_bb_refuse(b, "a volume has %d to %d GB, not %llu", MLO_RUNPOD_VOLUME_MIN_GB,
                      MLO_RUNPOD_VOLUME_MAX_GB, (unsigned long long)gb);
}

int mlo_runpod_volume_body(const struct mlo_runpod_volume_spec *s, cJSON **ret, struct mlo_err *err)
{
    struct mlo_body_builder b;
    mlo_bb_begin(&b, err);
    if (!s->name || !*s->name)
        mlo_bb_refuse(&b, "a volume needs a name");
    if (!s->data_center || !*s->data_center)
        mlo_bb_refuse(&b, "a volume needs a data centre");
    check_size(&b, s->size_gb);
    mlo_bb_text(&b, "name", s->name);
    mlo_bb_u64(&b, "size", s->size_gb);
    mlo_bb_text(&b, "dataCenter", s->data_center);
    mlo_bb_text(&b, "type", s->type);
    return mlo_bb_end(&b, ret);
}

int mlo_runpod_volume_create(struct mlo_runpod *c, const cJSON *body,
                             const struct mlo_runpod_strings *earlier, struct mlo_runpod_volume *ret,
                             struct mlo_err *err)
{
    return mlo_runpod_create(c, MLO_RUNPOD_VOLUMES, body, earlier, &shape, ret, err);
}

int mlo_runpod_volume_grow(struct mlo_runpod *c, const char *id, uint64_t size_gb,
                           struct mlo_runpod_volume *ret, struct mlo_err *err)
{
    struct mlo_body_builder b;
    MLO_AUTOBODY cJSON *body = NULL;
    mlo_bb_begin(&b, err);
    check_size(&b, size_gb);
    mlo_bb_u64(&b, "size", size_gb);
    int rc = mlo_bb_end(&b, &body);
    return rc != 0 ? rc : mlo_runpod_patch_shape(c, MLO_RUNPOD_VOLUMES, id, body, &shape, ret, err);
}

double mlo_runpod_volume_price(uint64_t size_gb, const char *type)
{
    uint64_t first = size_gb < FIRST_TB ? size_gb : FIRST_TB;
    if (type && strcmp(type, "STANDARD") != 0)
        return NAN;
    return (double)(first * CENTS_FIRST_TB + (size_gb - first) * CENTS_AFTER) / 100;
}

/* ---- S3 ---- */

static bool has_s3(const struct mlo_runpod *c, const char *data_center)
{
    size_t n = strlen(data_center);
    for (const char *p = c->s3_data_centers; *p;) {
        p += strspn(p, " ,");
        size_t word = strcspn(p, " ,");
        if ((word == 1 && *p == '*') || (word == n && strncasecmp(p, data_center, n) == 0))
            return n > 0;
        p += word;
    }
    return false;
}

/* A data centre becomes part of a host name: nothing else may come in with it. */
static bool is_host_label(const char *s)
{
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '-')
            return false;
    return true;
}

void mlo_runpod_fill(struct mlo_str *out, const char *pattern, const char *slot, const char *value)
{
    const char *at = strstr(pattern, slot);
    if (!at) {
        mlo_str_add(out, pattern);
        return;
    }
    mlo_str_addn(out, pattern, (size_t)(at - pattern));
    mlo_str_add(out, value);
    mlo_str_add(out, at + strlen(slot));
}

int mlo_runpod_s3_endpoint(const struct mlo_runpod *c, const char *data_center, struct mlo_str *out,
                           struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (!is_host_label(data_center) || !has_s3(c, data_center)) {
        (void)mlo_fail(err, MLO_EUNAVAIL,
                       "the data centre '%s' has no S3, so its volumes are reached from pods alone",
                       mlo_shown(data_center, strlen(data_center), shown));
        return mlo_hint(err,
                        "these have it: %s; when RunPod has added one, name it in runpod.s3-data-centers",
                        c->s3_data_centers);
    }
    MLO_AUTOFREE char *lower = mlo_strdup(data_center, err);
    if (!lower)
        return MLO_EIO;
    for (char *p = lower; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    mlo_runpod_fill(out, c->s3, "{dc}", lower);
    return mlo_str_check(out, err);
}
