/* Requests out of specs. RunPod refuses unknown members, and some faults only after it has begun to act, so
 * what its rules say of a request is checked here, before anything is sent. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define HIDDEN "(hidden)"

/* ---- builder ---- */

void mlo_bb_begin(struct mlo_body_builder *b, struct mlo_err *err)
{
    *b = (struct mlo_body_builder){.root = cJSON_CreateObject(), .err = err};
    if (!b->root)
        b->failed = mlo_fail_nomem(err);
}

int mlo_bb_end(struct mlo_body_builder *b, cJSON **ret)
{
    if (b->failed)
        mlo_json_wipe(b->root);
    else
        *ret = b->root;
    b->root = NULL;
    return b->failed;
}

void mlo_bb_refuse(struct mlo_body_builder *b, const char *fmt, ...)
{
    char text[sizeof b->err->msg];
    va_list ap;
    if (b->failed)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    b->failed = mlo_fail(b->err, MLO_EUSAGE, "%s", text);
}

/* The object that the last name of a path belongs into; *ret_name is that name. */
static cJSON *parent_of(cJSON *root, const char *path, const char **ret_name)
{
    const char *dot;
    for (; root && (dot = strchr(path, '.')); path = dot + 1) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
        cJSON *child = cJSON_GetObjectItemCaseSensitive(root, name);
        root = child ? child : cJSON_AddObjectToObject(root, name);
    }
    *ret_name = path;
    return root;
}

void mlo_bb_node(struct mlo_body_builder *b, const char *path, cJSON *node)
{
    const char *name = path;
    cJSON *parent = b->failed ? NULL : parent_of(b->root, path, &name);
    if (node && parent && cJSON_AddItemToObject(parent, name, node))
        return;
    mlo_json_wipe(node);
    if (!b->failed)
        b->failed = mlo_fail_nomem(b->err);
}

void mlo_bb_text(struct mlo_body_builder *b, const char *path, const char *value)
{
    if (value)
        mlo_bb_node(b, path, cJSON_CreateString(value));
}

void mlo_bb_u64(struct mlo_body_builder *b, const char *path, uint64_t value)
{
    if (value)
        mlo_bb_node(b, path, cJSON_CreateNumber((double)value));
}

void mlo_bb_count(struct mlo_body_builder *b, const char *path, uint64_t value)
{
    if (value != MLO_RUNPOD_NOT_SAID)
        mlo_bb_node(b, path, cJSON_CreateNumber((double)value));
}

void mlo_bb_flag(struct mlo_body_builder *b, const char *path, enum mlo_runpod_flag value)
{
    if (value != MLO_RUNPOD_UNSAID)
        mlo_bb_node(b, path, cJSON_CreateBool(value == MLO_RUNPOD_YES));
}

void mlo_bb_words(struct mlo_body_builder *b, const char *path, const struct mlo_runpod_words *words)
{
    if (!words->items)
        return;
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; list && i < words->n; i++) {
        cJSON *word = cJSON_CreateString(words->items[i]);
        if (!word || !cJSON_AddItemToArray(list, word)) {
            cJSON_Delete(word);
            cJSON_Delete(list);
            list = NULL;
        }
    }
    mlo_bb_node(b, path, list);
}

/* ---- containers ---- */

/* "8000/http" or "22/tcp" */
static bool is_port(const char *s)
{
    char *end;
    unsigned long port = isdigit((unsigned char)*s) ? strtoul(s, &end, 10) : 0;
    return port >= 1 && port <= 65535 && (strcmp(end, "/http") == 0 || strcmp(end, "/tcp") == 0);
}

static void add_ports(struct mlo_body_builder *b, const struct mlo_runpod_words *ports)
{
    char shown[MLO_SHOWN];
    for (size_t i = 0; i < ports->n; i++)
        if (!is_port(ports->items[i]))
            mlo_bb_refuse(b, "'%s' is no port: 8000/http or 22/tcp",
                          mlo_shown(ports->items[i], strlen(ports->items[i]), shown));
    mlo_bb_words(b, "ports", ports);
}

static size_t name_length(const char *var)
{
    size_t n = 0;
    while (isalnum((unsigned char)var[n]) || var[n] == '_')
        n++;
    return n && !isdigit((unsigned char)*var) && var[n] == '=' ? n : 0;
}

/* The value is the caller's secret: no message quotes it. */
static void add_var(struct mlo_body_builder *b, cJSON *env, const char *var)
{
    char name[256];
    size_t n = name_length(var);
    if (!n || n >= sizeof name) {
        mlo_bb_refuse(b, "a variable is NAME=VALUE, its name letters, digits and _");
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)n, var);
    if (cJSON_GetObjectItemCaseSensitive(env, name))
        mlo_bb_refuse(b, "the variable %s is given twice", name);
    else if (!b->failed && !cJSON_AddStringToObject(env, name, var + n + 1))
        b->failed = mlo_fail_nomem(b->err);
}

static void add_env(struct mlo_body_builder *b, const struct mlo_runpod_words *vars)
{
    if (!vars->items)
        return;
    cJSON *env = cJSON_CreateObject();
    for (size_t i = 0; env && i < vars->n; i++)
        add_var(b, env, vars->items[i]);
    if (vars->n > MLO_RUNPOD_ENV_MAX)
        mlo_bb_refuse(b, "%zu variables: RunPod takes %d", vars->n, MLO_RUNPOD_ENV_MAX);
    mlo_bb_node(b, "env", env);
}

void mlo_bb_mark(struct mlo_body_builder *b, const char *mark)
{
    cJSON *env = b->failed ? NULL : cJSON_GetObjectItemCaseSensitive(b->root, "env");
    if (env && cJSON_GetObjectItemCaseSensitive(env, MLO_RUNPOD_MARK))
        mlo_bb_refuse(b, "the variable %s is this program's", MLO_RUNPOD_MARK);
    mlo_bb_text(b, "env." MLO_RUNPOD_MARK, mark);
}

void mlo_bb_container(struct mlo_body_builder *b, const struct mlo_runpod_container *k)
{
    mlo_bb_text(b, "image", k->image);
    mlo_bb_text(b, "args", k->args);
    mlo_bb_u64(b, "disk", k->disk_gb);
    add_ports(b, &k->ports);
    add_env(b, &k->env);
    mlo_bb_words(b, "entrypoint", &k->entrypoint);
    mlo_bb_words(b, "cmd", &k->command);
    if (k->registry)
        mlo_bb_node(b, "registry", *k->registry ? cJSON_CreateString(k->registry) : cJSON_CreateNull());
}

/* ---- showing ---- */

static bool set_hidden(cJSON *item)
{
    if (!cJSON_IsString(item))
        return true;
    explicit_bzero(item->valuestring, strlen(item->valuestring));
    return cJSON_SetValuestring(item, HIDDEN) != NULL;
}

int mlo_runpod_body_shown(const cJSON *body, cJSON **ret, struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *copy = cJSON_Duplicate(body, true);
    cJSON *item, *env = cJSON_GetObjectItemCaseSensitive(copy, "env");
    bool done = copy && set_hidden(cJSON_GetObjectItemCaseSensitive(copy, "password"));
    cJSON_ArrayForEach(item, env)
        done = done && (strcmp(item->string, MLO_RUNPOD_MARK) == 0 || set_hidden(item));
    if (!done)
        return mlo_fail_nomem(err);
    *ret = mlo_steal(&copy);
    return 0;
}

void mlo_runpod_body_free(cJSON **body)
{
    mlo_json_wipe(*body);
    *body = NULL;
}
