/*
 * What names led to before: refs-old/<name>/<tag>.<seconds>-<8 hex>, one object for each ref that was
 * replaced. A tag may hold dots, so a key is read from its end.
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#define HISTORY_MAX ((size_t)100000)

struct entry {
    char tag[129];
    struct mlo_remote_ref ref;
};
struct history {
    struct mlo_remote *remote;
    const char *name, *tag; /* tag NULL: all */
    char prefix[MLO_KEY_MAX];
    struct entry *list;
    size_t n, cap;
};

void mlo_history_key(const struct mlo_ref *ref, const struct mlo_remote_ref *old, char buf[MLO_KEY_MAX])
{
    char hex[MLO_DIGEST_HEX + 1];
    snprintf(buf, MLO_KEY_MAX, "refs-old/%s/%s.%lld-%.8s", ref->name, ref->tag,
             (long long)(old->time_ns / MLO_NS_PER_S), mlo_digest_hex(&old->manifest, hex));
}

/* The tag of "<tag>.<seconds>-<8 hex>"; false for what is no such thing, a name below this one included. */
static bool tag_of(const char *file, char ret[129])
{
    const char *dot = strrchr(file, '.');
    size_t n = dot ? (size_t)(dot - file) : 0;
    if (n == 0 || n > 128 || strchr(file, '/'))
        return false;
    size_t digits = strspn(dot + 1, "0123456789");
    if (digits == 0 || dot[1 + digits] != '-' || strspn(dot + 2 + digits, "0123456789abcdef") != 8 ||
        strlen(dot) != 2 + digits + 8)
        return false;
    memcpy(ret, file, n);
    ret[n] = '\0';
    return true;
}

static int hear_key(void *ctx, const char *key, uint64_t size, struct mlo_err *err)
{
    struct history *h = ctx;
    size_t prefix = strlen(h->prefix);
    char tag[129];
    (void)size;
    if (strncmp(key, h->prefix, prefix) != 0 || key[prefix] != '/' || !tag_of(key + prefix + 1, tag) ||
        (h->tag && strcmp(tag, h->tag) != 0))
        return 0;
    if (h->n >= HISTORY_MAX)
        return mlo_fail(err, MLO_EINVALID, "'%s' has more than %zu former versions", h->name, HISTORY_MAX);
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_grow(&h->list, &h->cap, h->n + 1, sizeof *h->list, err);
    if (rc == 0)
        rc = mlo_rt_get_text(h->remote, key, MLO_REF_TEXT_MAX, &text, &n, err);
    if (rc != 0)
        return rc;
    struct entry *e = &h->list[h->n];
    *e = (struct entry){0};
    rc = mlo_remote_ref_parse(text, n, &e->ref, err);
    if (rc != 0)
        return mlo_wrap(err, "'%s'", key);
    memcpy(e->tag, tag, sizeof tag);
    h->n++;
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->ref.time_ns != y->ref.time_ns)
        return x->ref.time_ns > y->ref.time_ns ? -1 : 1;
    return strcmp(x->tag, y->tag);
}

int mlo_packed_ref_history(struct mlo_remote *r, const char *name, const char *tag, mlo_remote_ref_fn fn,
                           void *ctx, struct mlo_err *err)
{
    struct history h = {.remote = r, .name = name, .tag = tag};
    snprintf(h.prefix, sizeof h.prefix, "refs-old/%s", name);
    r->requests++;
    int rc = r->t.list(r->self, h.prefix, hear_key, &h, err);
    if (rc == 0 && h.n > 1)
        qsort(h.list, h.n, sizeof *h.list, newest_first);
    for (size_t i = 0; rc == 0 && i < h.n; i++)
        rc = fn(ctx, name, h.list[i].tag, &h.list[i].ref, err);
    free(h.list);
    return rc;
}
