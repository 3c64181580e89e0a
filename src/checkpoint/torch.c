/*
 * PyTorch files: the zip of 1.6 and later, and the stream of five pickles before that. First every pickle
 * inside is judged, then the one that holds the object graph is indexed; findings stay in the checkpoint when
 * the index fails.
 */
#include "torch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PICKLE_MAX    ((size_t)1 << 28) /* data.pkl in memory, when it is compressed */
#define MAX_STORAGES  ((size_t)1 << 20)
#define LEGACY_FORMAT 1001

/* ---- zip ---- */

struct zip_files {
    const struct mlo_zip *zip;
    const char *top; /* "archive/", not terminated */
    size_t top_len;
};

/* *ret is NULL when there is none. */
static int find_entry(const struct zip_files *z, const char *name, const struct mlo_zip_entry **ret,
                      struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_TORCH_NAME_MAX);
    mlo_str_addn(&path, z->top, z->top_len);
    mlo_str_add(&path, name);
    int r = mlo_str_check(&path, err);
    if (r == 0)
        *ret = mlo_zip_find(z->zip, path.ptr);
    return r;
}

static int find_member_data(void *ctx, const char *key, struct mlo_torch_data *ret, struct mlo_err *err)
{
    char name[MLO_TORCH_KEY_MAX + 8];
    snprintf(name, sizeof name, "data/%s", key);
    const struct mlo_zip_entry *e = NULL;
    int r = find_entry(ctx, name, &e, err);
    if (r < 0 || !e)
        return r < 0 ? r : mlo_fail(err, MLO_ENOTFOUND, "no member %s", name);
    *ret = (struct mlo_torch_data){.offset = e->data, .bytes = e->size, .crc = e->crc};
    if (e->method != 0)
        ret->packed = e->packed;
    return 0;
}

/* A small text member as metadata; absent ones are nothing. */
static int read_note(const struct mlo_source *src, const struct zip_files *z, const char *member,
                     char buf[64], struct mlo_err *err)
{
    const struct mlo_zip_entry *e = NULL;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    unsigned odd;
    buf[0] = '\0';
    int r = find_entry(z, member, &e, err);
    if (r < 0 || !e || e->size >= 64)
        return r;
    r = mlo_zip_load(src, e, 63, &text, &n, &odd, err);
    if (r < 0 || memchr(text, '\0', n))
        return r;
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    memcpy(buf, text, n);
    buf[n] = '\0';
    return 0;
}

static int read_notes(const struct mlo_source *src, const struct zip_files *z, struct mlo_checkpoint *cp,
                      bool *ret_swap, struct mlo_err *err)
{
    char version[64], order[64];
    int r = read_note(src, z, "version", version, err);
    if (r == 0 && !*version)
        r = read_note(src, z, ".data/version", version, err);
    if (r == 0)
        r = read_note(src, z, "byteorder", order, err);
    if (r == 0 && *version)
        r = mlo_cp_add_meta(cp, "torch.file_version", version, err);
    if (r == 0 && *order)
        r = mlo_cp_add_meta(cp, "torch.byteorder", order, err);
    if (r < 0)
        return r;
    if (*order && strcmp(order, "little") != 0 && strcmp(order, "big") != 0)
        return mlo_fail(err, MLO_EINVALID, "byte order is neither \"little\" nor \"big\"");
    *ret_swap = strcmp(order, "big") == 0;
    return 0;
}

/* The first member that is <top>/data.pkl with <top> a single name, as torch's loader takes it. */
static const struct mlo_zip_entry *find_pickle(const struct mlo_zip *zip, struct zip_files *ret)
{
    static const char tail[] = "/data.pkl";
    for (size_t i = 0; i < zip->n; i++) {
        const struct mlo_zip_entry *e = &zip->entries[i];
        size_t n = sizeof tail - 1;
        if (e->name_len <= n || memcmp(e->name + e->name_len - n, tail, n) != 0 ||
            memchr(e->name, '/', e->name_len - n))
            continue;
        *ret = (struct zip_files){zip, e->name, e->name_len - n + 1};
        return e;
    }
    return NULL;
}

/* Findings of data.pkl were made by the scan of all members; this walk is for the index alone. */
static int index_pickle(const struct mlo_source *src, struct zip_files *z, bool swap,
                        struct mlo_checkpoint *cp, struct mlo_err *err)
{
    struct mlo_checkpoint apart;
    MLO_AUTOPICKLE struct mlo_pickle p;
    mlo_cp_init(&apart);
    mlo_pickle_init(&p, src, 0, src->size, &apart, "data.pkl");
    p.torch = true;
    struct mlo_torch_index x = {.cp = cp, .p = &p, .swap = swap, .find = find_member_data, .ctx = z};
    int r = mlo_pickle_next(&p, err);
    if (r == 0)
        r = mlo_torch_index(&x, err);
    mlo_checkpoint_release(&apart);
    return r;
}

int mlo_torch_zip_read(const struct mlo_source *src, const struct mlo_zip *zip, struct mlo_checkpoint *cp,
                       struct mlo_err *err)
{
    struct zip_files z;
    bool swap = false;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    unsigned odd = 0;
    int r = mlo_zip_scan(src, zip, cp, err);
    if (r == 0)
        r = mlo_zip_strict(zip, err);
    const struct mlo_zip_entry *e = r == 0 ? find_pickle(zip, &z) : NULL;
    if (r < 0 || !e)
        return r < 0 ? r : mlo_fail(err, MLO_EINVALID, "no data.pkl in it");
    r = read_notes(src, &z, cp, &swap, err);
    if (r < 0)
        return r;
    if (e->method == 0) {
        struct mlo_part part = {src, e->data};
        struct mlo_source inner = mlo_source_part(&part, e->packed);
        return index_pickle(&inner, &z, swap, cp, err);
    }
    r = mlo_zip_load(src, e, PICKLE_MAX, &text, &n, &odd, err);
    if (r == 0 && odd)
        r = mlo_fail(err, MLO_EINVALID, "data.pkl: %s", mlo_zip_odd_text(odd));
    struct mlo_mem mem = {text};
    struct mlo_source inner = mlo_source_mem(&mem, n);
    return r < 0 ? r : index_pickle(&inner, &z, swap, cp, err);
}

/* ---- legacy ---- */

struct storage {
    char key[MLO_TORCH_KEY_MAX + 1];
    const struct mlo_torch_type *type;
    uint64_t numel;
    struct mlo_torch_data data;
    bool placed;
};
struct storages {
    struct storage *items;
    size_t n, cap;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct storage *)a)->key, ((const struct storage *)b)->key);
}

static struct storage *find_storage(struct storages *s, const char *key)
{
    struct storage want;
    snprintf(want.key, sizeof want.key, "%s", key);
    return s->n ? bsearch(&want, s->items, s->n, sizeof want, by_key) : NULL;
}

/* All storages that the object's pickle names, each key once, sorted. */
static int collect_storages(struct mlo_pickle *p, struct storages *s, struct mlo_err *err)
{
    for (size_t i = 1; i < p->n_nodes; i++) {
        struct mlo_torch_storage_id id;
        bool ok;
        if (p->nodes[i].kind != MLO_PV_PERSID)
            continue;
        int r = mlo_torch_storage_id(p, &p->nodes[i], &id, &ok, err);
        if (r == 0 && s->n == MAX_STORAGES)
            r = mlo_fail(err, MLO_EINVALID, "more than %zu storages", MAX_STORAGES);
        if (r == 0 && ok)
            r = mlo_grow(&s->items, &s->cap, s->n + 1, sizeof *s->items, err);
        if (r < 0)
            return r;
        if (!ok)
            continue;
        struct storage *new = &s->items[s->n++];
        *new = (struct storage){.type = id.type, .numel = id.numel};
        memcpy(new->key, id.key, sizeof new->key);
    }
    if (s->n)
        qsort(s->items, s->n, sizeof *s->items, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++)
        if (i == 0 || strcmp(s->items[i].key, s->items[kept - 1].key) != 0)
            s->items[kept++] = s->items[i];
    s->n = kept;
    return 0;
}

/* A count (little-endian on every machine), then the elements; w stands behind the fifth pickle. */
static int place_storage(struct mlo_win *w, struct storage *s, struct mlo_err *err)
{
    uint64_t n, bytes;
    int r = mlo_win_u64(w, &n, err);
    if (r < 0)
        return r;
    unsigned item = s->type ? s->type->bytes : 1;
    if (n != s->numel || !mlo_mul_u64(n, item ? item : 1, &bytes) || bytes > mlo_win_left(w))
        return mlo_fail(err, MLO_EINVALID,
                        "storage at byte %" PRIu64 ": %" PRIu64
                        " elements, but its description or the file says otherwise",
                        w->pos - 8, n);
    s->data = (struct mlo_torch_data){.offset = w->pos, .bytes = bytes};
    s->placed = true;
    return mlo_win_skip(w, bytes, err);
}

/* The fifth pickle: keys in the order of their data, which fills the file to its end. */
static int place_storages(struct mlo_pickle *keys, struct storages *s, struct mlo_err *err)
{
    const struct mlo_pnode *list = keys->result.kind == MLO_PV_LIST ? mlo_pv_node(keys, keys->result) : NULL;
    MLO_AUTOSTR struct mlo_str key;
    mlo_str_init(&key, MLO_TORCH_KEY_MAX);
    if (!list)
        return mlo_fail(err, MLO_EINVALID, "the fifth pickle is no list of storage keys");
    for (uint32_t c = list->first; c; c = keys->cells[c].next) {
        bool ok;
        mlo_str_clear(&key);
        int r = mlo_pv_text(keys, keys->cells[c].v, &key, &ok, err);
        struct storage *found = r == 0 && ok ? find_storage(s, key.ptr) : NULL;
        if (r == 0 && (!found || found->placed))
            r = mlo_fail(err, MLO_EINVALID, "a storage key that is unknown or listed twice");
        if (r == 0)
            r = place_storage(&keys->win, found, err);
        if (r < 0)
            return r;
    }
    if (mlo_win_left(&keys->win))
        return mlo_fail(err, MLO_EINVALID, "%" PRIu64 " bytes after the last storage",
                        mlo_win_left(&keys->win));
    return 0;
}

static int find_legacy_data(void *ctx, const char *key, struct mlo_torch_data *ret, struct mlo_err *err)
{
    const struct storage *s = find_storage(ctx, key);
    if (!s || !s->placed)
        return mlo_fail(err, MLO_ENOTFOUND, "no storage %s", key);
    *ret = s->data;
    return 0;
}

/* Pickles two and three: the format's number, and the machine that wrote it. */
static int read_preamble(struct mlo_pickle *p, bool *ret_swap, struct mlo_err *err)
{
    struct mlo_pv little;
    int r = mlo_pickle_next(p, err); /* the magic number, known from the first look */
    if (r == 0)
        r = mlo_pickle_next(p, err);
    if (r < 0)
        return r;
    if (p->result.kind != MLO_PV_INT || p->result.u != LEGACY_FORMAT)
        return mlo_fail(err, MLO_EINVALID, "the second pickle is not the format's number %d", LEGACY_FORMAT);
    r = mlo_pickle_next(p, err);
    if (r == 0 && p->result.kind != MLO_PV_DICT)
        r = mlo_fail(err, MLO_EINVALID, "the third pickle is no dict");
    if (r == 0)
        r = mlo_pv_get(p, mlo_pv_node(p, p->result), "little_endian", &little, err);
    if (r == 0 && little.kind != MLO_PV_BOOL)
        r = mlo_fail(err, MLO_EINVALID, "the third pickle does not tell the byte order");
    if (r == 0)
        *ret_swap = !little.u;
    return r;
}

static int read_legacy(struct mlo_pickle *p, struct storages *s, struct mlo_checkpoint *cp,
                       struct mlo_err *err)
{
    bool swap = false;
    int r = read_preamble(p, &swap, err);
    if (r == 0)
        r = mlo_pickle_next(p, err);
    if (r == 0)
        r = collect_storages(p, s, err);
    if (r < 0)
        return r;
    MLO_AUTOPICKLE struct mlo_pickle keys;
    mlo_pickle_init(&keys, p->src, p->win.pos, p->win.end, cp, p->where);
    r = mlo_pickle_next(&keys, err);
    if (r == 0)
        r = place_storages(&keys, s, err);
    struct mlo_torch_index x = {.cp = cp, .p = p, .swap = swap, .find = find_legacy_data, .ctx = s};
    return r < 0 ? r : mlo_torch_index(&x, err);
}

int mlo_torch_legacy_read(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    struct storages s = {0};
    struct mlo_pickle p;
    mlo_pickle_init(&p, src, 0, src->size, cp, "");
    p.torch = true;
    int r = read_legacy(&p, &s, cp, err);
    mlo_pickle_release(&p);
    free(s.items);
    return r;
}
