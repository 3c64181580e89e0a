/* Templates and registry logins: what pods and endpoints are made from. */
#include <string.h>

#include "internal.h"

/* ---- templates ---- */

#define AT(member) offsetof(struct mlo_runpod_template, member)
static const struct mlo_field template_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"name", MLO_FIELD_TEXT, true, AT(name)},
    {"image", MLO_FIELD_TEXT, false, AT(image)},
    {"args", MLO_FIELD_TEXT, false, AT(args)},
    {"registry", MLO_FIELD_TEXT, false, AT(registry)},
    {"category", MLO_FIELD_TEXT, false, AT(category)},
    {"disk", MLO_FIELD_U64, false, AT(disk_gb)},
    {"mounts.persistent.size", MLO_FIELD_U64, false, AT(persistent_gb)},
    {"mounts.persistent.path", MLO_FIELD_TEXT, false, AT(persistent_path)},
    {"ports", MLO_FIELD_STRINGS, false, AT(ports)},
    {"env", MLO_FIELD_VARS, false, AT(env)},
    {"serverless", MLO_FIELD_BOOL, false, AT(serverless)},
    {"public", MLO_FIELD_BOOL, false, AT(is_public)},
};
#undef AT
static const struct mlo_shape template_shape = {
    MLO_SHAPE("template", template_fields, struct mlo_runpod_template)};

void mlo_runpod_template_release(struct mlo_runpod_template *t)
{
    mlo_shape_release(&template_shape, t);
}

void mlo_runpod_templates_release(struct mlo_runpod_templates *l)
{
    mlo_shape_release_list(&template_shape, l);
}

int mlo_runpod_template_body(const struct mlo_runpod_template_spec *s, cJSON **ret, struct mlo_err *err)
{
    struct mlo_body_builder b;
    mlo_bb_begin(&b, err);
    if (!s->name || !*s->name || !s->container.image || !*s->container.image)
        mlo_bb_refuse(&b, "a template needs a name and an image");
    if (s->persistent_gb && (s->persistent_gb < 10 || !s->persistent_path))
        mlo_bb_refuse(&b, "a disk of its own has at least 10 GB and a path");
    if (s->container.entrypoint.items || s->container.command.items)
        mlo_bb_refuse(&b, "a template has arguments, but no entrypoint or command");
    mlo_bb_text(&b, "name", s->name);
    mlo_bb_text(&b, "category", s->category);
    mlo_bb_container(&b, &s->container);
    mlo_bb_u64(&b, "mounts.persistent.size", s->persistent_gb);
    if (s->persistent_gb)
        mlo_bb_text(&b, "mounts.persistent.path", s->persistent_path);
    mlo_bb_flag(&b, "serverless", s->serverless ? MLO_RUNPOD_YES : MLO_RUNPOD_UNSAID);
    mlo_bb_flag(&b, "public", s->is_public ? MLO_RUNPOD_YES : MLO_RUNPOD_UNSAID);
    return mlo_bb_end(&b, ret);
}

int mlo_runpod_template_create(struct mlo_runpod *c, const cJSON *body,
                               const struct mlo_runpod_strings *earlier, struct mlo_runpod_template *ret,
                               struct mlo_err *err)
{
    return mlo_runpod_create(c, MLO_RUNPOD_TEMPLATES, body, earlier, &template_shape, ret, err);
}

int mlo_runpod_template_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_template *ret,
                             struct mlo_err *err)
{
    return mlo_runpod_find_shape(c, MLO_RUNPOD_TEMPLATES, id_or_name, &template_shape, ret, err);
}

int mlo_runpod_template_list(struct mlo_runpod *c, struct mlo_runpod_templates *ret, struct mlo_err *err)
{
    return mlo_runpod_list_shape(c, MLO_RUNPOD_TEMPLATES, &template_shape, ret, err);
}

/* ---- registries ---- */

#define AT(member) offsetof(struct mlo_runpod_registry, member)
static const struct mlo_field registry_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"name", MLO_FIELD_TEXT, true, AT(name)},
};
#undef AT
static const struct mlo_shape registry_shape = {
    MLO_SHAPE("registry login", registry_fields, struct mlo_runpod_registry)};

void mlo_runpod_registry_release(struct mlo_runpod_registry *r)
{
    mlo_shape_release(&registry_shape, r);
}

void mlo_runpod_registries_release(struct mlo_runpod_registries *l)
{
    mlo_shape_release_list(&registry_shape, l);
}

int mlo_runpod_registry_body(const char *name, const char *user, const char *password, cJSON **ret,
                             struct mlo_err *err)
{
    struct mlo_body_builder b;
    mlo_bb_begin(&b, err);
    if (!*name || !*user || !*password)
        mlo_bb_refuse(&b, "a registry login has a name, a user and a password");
    mlo_bb_text(&b, "name", name);
    mlo_bb_text(&b, "username", user);
    mlo_bb_text(&b, "password", password);
    return mlo_bb_end(&b, ret);
}

int mlo_runpod_registry_create(struct mlo_runpod *c, const cJSON *body,
                               const struct mlo_runpod_strings *earlier, struct mlo_runpod_registry *ret,
                               struct mlo_err *err)
{
    return mlo_runpod_create(c, MLO_RUNPOD_REGISTRIES, body, earlier, &registry_shape, ret, err);
}

int mlo_runpod_registry_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_registry *ret,
                             struct mlo_err *err)
{
    return mlo_runpod_find_shape(c, MLO_RUNPOD_REGISTRIES, id_or_name, &registry_shape, ret, err);
}

int mlo_runpod_registry_list(struct mlo_runpod *c, struct mlo_runpod_registries *ret, struct mlo_err *err)
{
    return mlo_runpod_list_shape(c, MLO_RUNPOD_REGISTRIES, &registry_shape, ret, err);
}
