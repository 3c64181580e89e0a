/*
 * Which repository of a host was seen to hold a blob: where a mount may spare an upload. One small file of
 * the cache for each host, newest lines last; it may be deleted or wrong, then blobs are uploaded.
 */
#include "registry.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#define HELD_KIND "registry-blobs"
#define HELD_MAX  ((size_t)8 << 20)
#define LINES_MAX ((size_t)20000)

struct mlo_held {
    struct line {
        struct mlo_digest digest;
        char *repository;
    } * lines;
    size_t n, cap;
    struct mlo_digest_map last; /* digest -> its newest line */
    bool changed;
};

void mlo_held_free(struct mlo_held *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++)
        free(h->lines[i].repository);
    free(h->lines);
    mlo_digest_map_release(&h->last);
    free(h);
}

static int host_key(const struct mlo_registry *g, struct mlo_digest *ret, struct mlo_err *err)
{
    return mlo_sha256(g->host, strlen(g->host), ret, err);
}

static int add_line(struct mlo_held *h, const struct mlo_digest *d, const char *repository,
                    struct mlo_err *err)
{
    size_t at = 0;
    int rc = mlo_grow(&h->lines, &h->cap, h->n + 1, sizeof *h->lines, err);
    char *copy = rc == 0 ? mlo_strdup(repository, err) : NULL;
    if (!copy)
        return MLO_EIO;
    rc = mlo_digest_map_add(&h->last, d, h->n, &at, err);
    if (rc != 0 || at < h->n) { /* known: the newer repository counts */
        if (rc == 0) {
            free(h->lines[at].repository);
            h->lines[at].repository = copy;
        } else {
            free(copy);
        }
        return rc;
    }
    h->lines[h->n++] = (struct line){*d, copy};
    return 0;
}

/* "<hex> <repository>" */
static int read_lines(struct mlo_held *h, char *text, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    int rc = 0;
    for (char *line = text, *end; rc == 0 && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        struct mlo_digest d;
        *end = '\0';
        if (end - line <= MLO_DIGEST_HEX + 1 || line[MLO_DIGEST_HEX] != ' ' || h->n >= LINES_MAX ||
            mlo_digest_from_hex(line, MLO_DIGEST_HEX, &d, &ignored) != 0 ||
            !mlo_repository_valid(line + MLO_DIGEST_HEX + 1))
            continue;
        rc = add_line(h, &d, line + MLO_DIGEST_HEX + 1, err);
    }
    return rc;
}

int mlo_held_load(struct mlo_registry *g, const char *home, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest key;
    size_t n = 0;
    if (g->held)
        return 0;
    g->held = mlo_calloc(1, sizeof *g->held, err);
    int rc = g->held ? host_key(g, &key, err) : MLO_EIO;
    if (rc != 0 || !home || mlo_cache_get(home, HELD_KIND, &key, HELD_MAX, &text, &n, &ignored) != 0)
        return rc;
    return read_lines(g->held, text, err);
}

const char *mlo_held_elsewhere(const struct mlo_registry *g, const char *repository,
                               const struct mlo_digest *d)
{
    size_t at = 0;
    if (!g->held || !mlo_digest_map_get(&g->held->last, d, &at) ||
        strcmp(g->held->lines[at].repository, repository) == 0)
        return NULL;
    return g->held->lines[at].repository;
}

int mlo_held_note(struct mlo_registry *g, const char *repository, const struct mlo_digest *d,
                  struct mlo_err *err)
{
    size_t at = 0;
    if (mlo_digest_map_get(&g->held->last, d, &at) && strcmp(g->held->lines[at].repository, repository) == 0)
        return 0;
    g->held->changed = true;
    return add_line(g->held, d, repository, err);
}

int mlo_held_save(struct mlo_registry *g, const char *home, struct mlo_err *err)
{
    const struct mlo_held *h = g->held;
    struct mlo_digest key;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, HELD_MAX);
    if (!home || !h || !h->changed)
        return 0;
    for (size_t i = h->n > LINES_MAX ? h->n - LINES_MAX : 0; i < h->n; i++) {
        char hex[MLO_DIGEST_HEX + 1];
        mlo_str_addf(&text, "%s %s\n", mlo_digest_hex(&h->lines[i].digest, hex), h->lines[i].repository);
    }
    int rc = mlo_str_check(&text, err);
    if (rc == 0)
        rc = host_key(g, &key, err);
    return rc != 0 ? rc : mlo_cache_put(home, HELD_KIND, &key, text.ptr, text.len, err);
}
