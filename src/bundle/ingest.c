/*
 * Files into the store. Every file is read once: tensors whose canonical bytes are a range of some file being
 * taken (its own, or another's external data) are hashed in that same read; the others (views, deflated,
 * typed, shared in part) are read again afterwards.
 */
#include <string.h>
#include <unistd.h>

#include "internal.h"

struct want {                  /* a tensor to be hashed */
    struct mlo_packed *holder; /* the file its bytes are in */
    uint64_t offset, length;
    bool range;                      /* canonical bytes are exactly that range */
    const struct mlo_tensor *tensor; /* NULL: the range */
    cJSON *item;                     /* gets the digest */
    size_t in_range;                 /* index into the holder's ranges + 1; 0: not covered */
    bool done;
};
struct wants {
    struct want *items;
    size_t n, cap;
};
struct progress {
    const struct mlo_pack_opts *opts;
    uint64_t before, total;
};

struct mlo_packed *mlo_packed_sibling(struct mlo_packed *files, size_t n, const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash + 1 - path) : 0, lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const char *at = files[mid].file->path;
        int order = strncmp(at, path, folder);
        if (order == 0)
            order = strcmp(at + folder, name);
        if (order == 0)
            return &files[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* ---- which tensors ---- */

static int add_want(struct wants *w, const struct want *one, struct mlo_err *err)
{
    int rc = mlo_grow(&w->items, &w->cap, w->n + 1, sizeof(*w->items), err);
    if (rc == 0)
        w->items[w->n++] = *one;
    return rc;
}

static int want_external(const struct mlo_taking *t, const struct mlo_packed *f, cJSON *item, struct wants *w,
                         struct mlo_err *err)
{
    struct want one = {
        .holder = mlo_packed_sibling(t->files, t->n, f->file->path, mlo_json_text(item, "external")),
        .offset = mlo_jb_value(cJSON_GetObjectItemCaseSensitive(item, "offset")),
        .length = mlo_jb_value(cJSON_GetObjectItemCaseSensitive(item, "length")),
        .range = true,
        .item = item};
    if (!one.holder)
        return mlo_fail(err, MLO_EINTERNAL, "external data passed the gate and is not there");
    return add_want(w, &one, err);
}

/* A document from the cache lacks at most the digests of tensors in other files, which may have changed. */
static int want_of_file(const struct mlo_taking *t, struct mlo_packed *f, struct wants *w,
                        struct mlo_err *err)
{
    cJSON *array = cJSON_GetObjectItemCaseSensitive(f->doc, "tensors"), *item = array ? array->child : NULL;
    int rc = 0;
    for (size_t i = 0; item && rc == 0; item = item->next, i++) {
        const struct mlo_tensor *tensor = f->fresh ? &f->cp.tensors[i] : NULL;
        if (cJSON_GetObjectItemCaseSensitive(item, "digest"))
            continue;
        if (cJSON_GetObjectItemCaseSensitive(item, "external")) {
            rc = want_external(t, f, item, w, err);
        } else if (tensor && tensor->store != MLO_TS_NONE) {
            struct want one = {.holder = f,
                               .offset = tensor->offset,
                               .length = tensor->length,
                               .range = tensor->store == MLO_TS_RANGE,
                               .tensor = tensor,
                               .item = item};
            rc = add_want(w, &one, err);
        }
    }
    return rc;
}

/* Of one holder together, then in order of offset. */
static int by_place(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    if (x->holder != y->holder)
        return x->holder < y->holder ? -1 : 1;
    if (x->range != y->range)
        return x->range ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->length < y->length ? -1 : x->length > y->length;
}

static int put_digest(struct want *w, const struct mlo_digest *d, struct mlo_err *err)
{
    struct mlo_jb b = {0};
    mlo_jb_digest(&b, w->item, "digest", d);
    w->done = true;
    return mlo_jb_check(&b, err);
}

/* ---- the one read ---- */

/* Ranges that follow each other without overlap; the same range twice (tied tensors) is one. The rest stays
 * for later. */
static int plan_ranges(struct want *w, size_t n, struct mlo_range **ret, size_t *ret_n, struct mlo_err *err)
{
    struct mlo_range *ranges = mlo_calloc(n + 1, sizeof(*ranges), err);
    size_t count = 0;
    uint64_t end = 0;
    if (!ranges)
        return MLO_EIO;
    for (size_t i = 0; i < n && w[i].range; i++) {
        struct mlo_range *last = count ? &ranges[count - 1] : NULL;
        if (last && last->offset == w[i].offset && last->length == w[i].length) {
            w[i].in_range = count;
        } else if (w[i].offset >= end) {
            ranges[count++] = (struct mlo_range){.offset = w[i].offset, .length = w[i].length};
            w[i].in_range = count;
            end = w[i].offset + w[i].length;
        }
    }
    *ret = ranges;
    *ret_n = count;
    return 0;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct progress *p = ctx;
    (void)total;
    if (p->opts->progress)
        p->opts->progress(p->opts->progress_ctx, p->before + done, p->total);
}

static int read_file(const struct mlo_taking *t, struct mlo_packed *f, int fd, struct want *w, size_t n,
                     struct progress *p, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_range *ranges = NULL;
    struct mlo_digest digest;
    uint64_t size = 0;
    struct mlo_ingest in = {.fd = fd,
                            .label = f->file->path,
                            .threads = t->opts->threads,
                            .dry_run = t->opts->dry_run,
                            .progress = on_progress,
                            .progress_ctx = p};
    int rc = plan_ranges(w, n, &ranges, &in.n_ranges, err);
    if (rc)
        return rc;
    in.ranges = ranges;
    rc = mlo_store_ingest(t->store, &in, &digest, &size, err);
    if (rc)
        return rc;
    p->before += size;
    if (f->known && !mlo_digest_eq(&digest, &f->digest))
        return mlo_fail(err, MLO_ECONFLICT, "'%s' changed while it was packed", f->file->path);
    f->digest = digest;
    for (size_t i = 0; i < n && rc == 0; i++)
        if (w[i].in_range)
            rc = put_digest(&w[i], &ranges[w[i].in_range - 1].digest, err);
    return rc;
}

/* ---- and the rest ---- */

static int hash_piece(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    return mlo_sha256_update(ctx, p, n, err);
}

static int hash_tensor(const struct mlo_source *src, struct want *w, struct mlo_sha256 *h,
                       struct mlo_err *err)
{
    const struct mlo_tensor range = {
        .name = "", .store = MLO_TS_RANGE, .offset = w->offset, .length = w->length, .bytes = w->length};
    struct mlo_digest d;
    int rc = mlo_sha256_begin(h, err);
    if (rc == 0)
        rc = mlo_tensor_read(src, w->tensor ? w->tensor : &range, hash_piece, h, err);
    if (rc == 0)
        rc = mlo_sha256_end(h, &d, err);
    return rc ? rc : put_digest(w, &d, err);
}

static int hash_rest(struct mlo_packed *f, int fd, struct want *w, size_t n, struct mlo_err *err)
{
    struct mlo_source src = mlo_source_fd(&fd, (uint64_t)f->file->st.st_size);
    struct mlo_sha256 h = {0};
    int rc = mlo_sha256_new(&h, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (!w[i].done)
            rc = hash_tensor(&src, &w[i], &h, err);
    mlo_sha256_free(&h);
    return rc ? mlo_wrap(err, "'%s'", f->file->path) : 0;
}

/* From the page cache, where read_file has just left it. */
static int check_data(const struct mlo_packed *f, int fd, struct mlo_err *err)
{
    const struct mlo_source src = mlo_source_fd(&fd, (uint64_t)f->file->st.st_size);
    return mlo_checkpoint_check_data(&src, err) ? mlo_wrap(err, "'%s'", f->file->path) : 0;
}

static int take_file(const struct mlo_taking *t, struct mlo_packed *f, struct want *w, size_t n,
                     struct progress *p, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    int rc = mlo_walked_open(f->file, &fd, err);
    if (rc == 0)
        rc = read_file(t, f, fd, w, n, p, err);
    if (rc == 0 && f->cp.format != MLO_FMT_UNKNOWN)
        rc = check_data(f, fd, err);
    if (rc == 0)
        rc = hash_rest(f, fd, w, n, err);
    if (rc == 0)
        rc = mlo_stat_cache_put(t->seen, &f->file->st, &f->digest, err);
    return rc;
}

static bool must_read(const struct mlo_taking *t, const struct mlo_packed *f, size_t n_wants)
{
    uint64_t size = 0;
    if (!f->raw)
        return false;
    if (!f->known || n_wants)
        return true;
    return !t->opts->dry_run &&
           (!mlo_store_has(t->store, &f->digest, &size) || size != (uint64_t)f->file->st.st_size);
}

static size_t run_of(const struct wants *w, size_t from, const struct mlo_packed *f)
{
    size_t n = 0;
    while (from + n < w->n && w->items[from + n].holder == f)
        n++;
    return n;
}

static int take_all(const struct mlo_taking *t, struct wants *w, struct mlo_err *err)
{
    struct progress p = {.opts = t->opts};
    size_t at = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t n = run_of(w, at, &t->files[i]);
        p.total += must_read(t, &t->files[i], n) ? (uint64_t)t->files[i].file->st.st_size : 0;
        at += n;
    }
    at = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct mlo_packed *f = &t->files[i];
        size_t n = run_of(w, at, f);
        struct want *mine = n ? &w->items[at] : NULL;
        int rc = must_read(t, f, n) ? take_file(t, f, mine, n, &p, err) : 0;
        if (rc)
            return rc;
        at += n;
    }
    return 0;
}

int mlo_take_files(const struct mlo_taking *t, struct mlo_err *err)
{
    struct wants w = {0};
    int rc = 0;
    for (size_t i = 0; i < t->n && rc == 0; i++)
        rc = want_of_file(t, &t->files[i], &w, err);
    if (rc == 0 && w.n) /* files are in one array: order of address is order of path */
        qsort(w.items, w.n, sizeof(*w.items), by_place);
    if (rc == 0)
        rc = take_all(t, &w, err);
    free(w.items);
    return rc;
}
