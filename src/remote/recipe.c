/*
 * A recipe says for every blob of a bundle which chunks it is made of and where they lie. It is JSON, written
 * in one canonical way and read with a pull reader that allocates nothing but the result, because it comes
 * from a place that nobody vouches for:
 *
 *   {"schema":1,"manifest":"<hex>","referrers":["<hex>",...],"packs":["<hex>",...],
 *    "blobs":[["<hex>",size,["<hex>",length,pack,offset],...],...]}
 *
 * In the layout of plain files some chunks lie in files: "files":[["<hex>",size,"<path>"],...] follows the
 * packs, and numbers beyond those of packs are of files.
 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/json.h>

#define RECIPE_SCHEMA       1
#define RECIPE_SCHEMA_FILES 2 /* with a member "files" after "packs"; written only when there are any */

void mlo_recipe_release(struct mlo_recipe *r)
{
    for (size_t i = 0; i < r->n_files; i++)
        free(r->files[i].path);
    free(r->files);
    free(r->referrers);
    free(r->packs);
    free(r->blobs);
    free(r->pieces);
    *r = (struct mlo_recipe){0};
}

/* ---- writing ---- */

static void add_hex(struct mlo_str *out, const struct mlo_digest *d)
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_str_addf(out, "\"%s\"", mlo_digest_hex(d, hex));
}

static void add_list(struct mlo_str *out, const char *key, const struct mlo_digest *list, size_t n)
{
    mlo_str_addf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        mlo_str_add(out, i ? "," : "");
        add_hex(out, &list[i]);
    }
    mlo_str_addc(out, ']');
}

static int add_files(struct mlo_str *out, const struct mlo_recipe *r, struct mlo_err *err)
{
    mlo_str_add(out, ",\"files\":[");
    for (size_t i = 0; i < r->n_files; i++) {
        MLO_AUTOJSON cJSON *path = cJSON_CreateString(r->files[i].path);
        MLO_AUTOFREE char *text = NULL;
        size_t n = 0;
        int rc = path ? mlo_json_print(path, &text, &n, err) : mlo_fail_nomem(err);
        if (rc != 0)
            return rc;
        mlo_str_add(out, i ? ",[" : "[");
        add_hex(out, &r->files[i].digest);
        mlo_str_addf(out, ",%" PRIu64 ",%s]", r->files[i].size, text);
    }
    mlo_str_addc(out, ']');
    return 0;
}

int mlo_recipe_format(const struct mlo_recipe *r, struct mlo_str *out, struct mlo_err *err)
{
    int rc = 0;
    mlo_str_addf(out, "{\"schema\":%d,\"manifest\":", r->n_files ? RECIPE_SCHEMA_FILES : RECIPE_SCHEMA);
    add_hex(out, &r->manifest);
    add_list(out, "referrers", r->referrers, r->n_referrers);
    add_list(out, "packs", r->packs, r->n_packs);
    if (r->n_files > 0)
        rc = add_files(out, r, err);
    if (rc != 0)
        return rc;
    mlo_str_add(out, ",\"blobs\":[");
    for (size_t i = 0; i < r->n_blobs; i++) {
        const struct mlo_recipe_blob *b = &r->blobs[i];
        mlo_str_add(out, i ? ",[" : "[");
        add_hex(out, &b->digest);
        mlo_str_addf(out, ",%" PRIu64, b->size);
        for (size_t j = b->first; j < b->first + b->n; j++) {
            const struct mlo_piece *p = &r->pieces[j];
            mlo_str_add(out, ",[");
            add_hex(out, &p->digest);
            mlo_str_addf(out, ",%" PRIu32 ",%" PRIu32 ",%" PRIu64 "]", p->length, p->source, p->offset);
        }
        mlo_str_addc(out, ']');
    }
    mlo_str_add(out, "]}");
    return mlo_str_check(out, err);
}

/* ---- reading ---- */

static int expect(struct mlo_jpull *j, enum mlo_jtok want, struct mlo_err *err)
{
    enum mlo_jtok got;
    int rc = mlo_jpull_next(j, &got, err);
    if (rc != 0)
        return rc;
    return got == want
               ? 0
               : mlo_fail(err, MLO_EINVALID, "unexpected value at byte %zu", (size_t)(j->p - j->start));
}

static int expect_key(struct mlo_jpull *j, const char *key, struct mlo_err *err)
{
    int rc = expect(j, MLO_J_KEY, err);
    if (rc != 0)
        return rc;
    if (j->escaped || j->len != strlen(key) || memcmp(j->text, key, j->len) != 0)
        return mlo_fail(err, MLO_EINVALID, "member '%s' is not where it belongs", key);
    return 0;
}

static int expect_number(struct mlo_jpull *j, uint64_t max, uint64_t *ret, struct mlo_err *err)
{
    uint64_t v;
    int rc = expect(j, MLO_J_NUMBER, err);
    if (rc == 0)
        rc = mlo_jpull_u64(j, &v, err);
    if (rc != 0)
        return rc;
    if (v > max)
        return mlo_fail(err, MLO_EINVALID, "number %" PRIu64 " is beyond %" PRIu64, v, max);
    *ret = v;
    return 0;
}

static int expect_digest(struct mlo_jpull *j, struct mlo_digest *ret, struct mlo_err *err)
{
    int rc = expect(j, MLO_J_STRING, err);
    return rc != 0 ? rc : mlo_digest_from_hex(j->text, j->len, ret, err);
}

/* The next element of an array: false in *ret_more at its end; otherwise the token is in *ret. */
static int next_element(struct mlo_jpull *j, enum mlo_jtok *ret, bool *ret_more, struct mlo_err *err)
{
    int rc = mlo_jpull_next(j, ret, err);
    if (rc == 0)
        *ret_more = *ret != MLO_J_ARRAY_END;
    return rc;
}

static int wrong(const struct mlo_jpull *j, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "unexpected value at byte %zu", (size_t)(j->p - j->start));
}

static int read_digests(struct mlo_jpull *j, const char *key, struct mlo_digest **list, size_t *n,
                        size_t *cap, size_t max, struct mlo_err *err)
{
    int rc = expect_key(j, key, err);
    if (rc == 0)
        rc = expect(j, MLO_J_ARRAY, err);
    while (rc == 0) {
        enum mlo_jtok tok;
        bool more = false;
        rc = next_element(j, &tok, &more, err);
        if (rc != 0 || !more)
            return rc;
        if (tok != MLO_J_STRING)
            return wrong(j, err);
        if (*n >= max)
            return mlo_fail(err, MLO_EINVALID, "more than %zu %s", max, key);
        rc = mlo_grow(list, cap, *n + 1, sizeof **list, err);
        if (rc == 0)
            rc = mlo_digest_from_hex(j->text, j->len, &(*list)[*n], err);
        *n += rc == 0;
    }
    return rc;
}

/* How far the source reaches; 0 when there is none of that number. */
static uint64_t source_size(const struct mlo_recipe *r, uint64_t source)
{
    if (source < r->n_packs)
        return MLO_PACK_MAX;
    return source - r->n_packs < r->n_files ? r->files[source - r->n_packs].size : 0;
}

/* After its "[": ["<hex>",length,source,offset] */
static int read_piece(struct mlo_jpull *j, struct mlo_recipe *r, struct mlo_err *err)
{
    struct mlo_piece p;
    uint64_t length = 0, source = 0;
    if (r->n_pieces >= MLO_RECIPE_CHUNKS_MAX)
        return mlo_fail(err, MLO_EINVALID, "more than %zu chunks", MLO_RECIPE_CHUNKS_MAX);
    int rc = expect_digest(j, &p.digest, err);
    if (rc == 0)
        rc = expect_number(j, MLO_CHUNK_WHOLE, &length, err);
    if (rc == 0)
        rc = expect_number(j, UINT32_MAX, &source, err);
    if (rc == 0)
        rc = expect_number(j, MLO_BLOB_SIZE_MAX, &p.offset, err);
    if (rc == 0)
        rc = expect(j, MLO_J_ARRAY_END, err);
    if (rc == 0 && (length == 0 || p.offset + length > source_size(r, source)))
        rc = mlo_fail(err, MLO_EINVALID, "a chunk lies outside the packs");
    if (rc == 0)
        rc = mlo_grow(&r->pieces, &r->pieces_cap, r->n_pieces + 1, sizeof *r->pieces, err);
    if (rc != 0)
        return rc;
    p.length = (uint32_t)length;
    p.source = (uint32_t)source;
    r->pieces[r->n_pieces++] = p;
    return 0;
}

/* After its "[": ["<hex>",size,piece,...] */
static int read_blob(struct mlo_jpull *j, struct mlo_recipe *r, struct mlo_err *err)
{
    struct mlo_recipe_blob b = {.first = r->n_pieces};
    int rc = expect_digest(j, &b.digest, err);
    if (rc == 0)
        rc = expect_number(j, MLO_BLOB_SIZE_MAX, &b.size, err);
    uint64_t left = b.size;
    bool more = true;
    while (rc == 0) {
        enum mlo_jtok tok;
        rc = next_element(j, &tok, &more, err);
        if (rc != 0 || !more)
            break;
        rc = tok == MLO_J_ARRAY ? read_piece(j, r, err) : wrong(j, err);
        if (rc == 0 && r->pieces[r->n_pieces - 1].length > left)
            rc = mlo_fail(err, MLO_EINVALID, "chunks are longer than their blob");
        if (rc == 0)
            left -= r->pieces[r->n_pieces - 1].length;
    }
    if (rc == 0 && left != 0)
        rc = mlo_fail(err, MLO_EINVALID, "chunks are shorter than their blob");
    if (rc == 0 && r->n_blobs > 0 && mlo_digest_cmp(&r->blobs[r->n_blobs - 1].digest, &b.digest) >= 0)
        rc = mlo_fail(err, MLO_EINVALID, "blobs are not in order");
    if (rc == 0)
        rc = mlo_grow(&r->blobs, &r->blobs_cap, r->n_blobs + 1, sizeof *r->blobs, err);
    if (rc != 0)
        return rc;
    b.n = r->n_pieces - b.first;
    r->blobs[r->n_blobs++] = b;
    return 0;
}

static int read_blobs(struct mlo_jpull *j, struct mlo_recipe *r, struct mlo_err *err)
{
    int rc = expect_key(j, "blobs", err);
    if (rc == 0)
        rc = expect(j, MLO_J_ARRAY, err);
    while (rc == 0) {
        enum mlo_jtok tok;
        bool more = false;
        rc = next_element(j, &tok, &more, err);
        if (rc != 0 || !more)
            return rc;
        if (r->n_blobs >= MLO_RECIPE_BLOBS_MAX)
            return mlo_fail(err, MLO_EINVALID, "more than %zu blobs", MLO_RECIPE_BLOBS_MAX);
        rc = tok == MLO_J_ARRAY ? read_blob(j, r, err) : wrong(j, err);
    }
    return rc;
}

/* After its "[": ["<hex>",size,"<path>"] */
static int read_file(struct mlo_jpull *j, struct mlo_recipe *r, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    struct mlo_digest digest;
    uint64_t size = 0;
    mlo_str_init(&path, MLO_FILE_PATH_MAX);
    int rc = expect_digest(j, &digest, err);
    if (rc == 0)
        rc = expect_number(j, MLO_BLOB_SIZE_MAX, &size, err);
    if (rc == 0)
        rc = expect(j, MLO_J_STRING, err);
    if (rc == 0)
        rc = mlo_jpull_unescape(j, &path, err);
    if (rc == 0)
        rc = expect(j, MLO_J_ARRAY_END, err);
    if (rc == 0)
        rc = mlo_path_check(path.ptr, path.len, err);
    if (rc == 0 && r->n_files > 0 && strcmp(r->files[r->n_files - 1].path, path.ptr) >= 0)
        rc = mlo_fail(err, MLO_EINVALID, "files are not in order");
    return rc != 0 ? rc : mlo_recipe_add_file(r, path.ptr, &digest, size, err);
}

static int read_files(struct mlo_jpull *j, struct mlo_recipe *r, struct mlo_err *err)
{
    int rc = expect_key(j, "files", err);
    if (rc == 0)
        rc = expect(j, MLO_J_ARRAY, err);
    while (rc == 0) {
        enum mlo_jtok tok;
        bool more = false;
        rc = next_element(j, &tok, &more, err);
        if (rc == 0 && !more)
            return r->n_files > 0 ? 0 : mlo_fail(err, MLO_EINVALID, "has no files");
        if (rc == 0)
            rc = tok == MLO_J_ARRAY ? read_file(j, r, err) : wrong(j, err);
    }
    return rc;
}

static int read_head(struct mlo_jpull *j, struct mlo_recipe *r, struct mlo_err *err)
{
    uint64_t schema = 0;
    int rc = expect(j, MLO_J_OBJECT, err);
    if (rc == 0)
        rc = expect_key(j, "schema", err);
    if (rc == 0)
        rc = expect_number(j, UINT32_MAX, &schema, err);
    if (rc == 0 && schema != RECIPE_SCHEMA && schema != RECIPE_SCHEMA_FILES)
        return mlo_fail(err, MLO_EUNAVAIL, "schema %" PRIu64 " is not known; this program reads %d and %d",
                        schema, RECIPE_SCHEMA, RECIPE_SCHEMA_FILES);
    if (rc == 0)
        rc = expect_key(j, "manifest", err);
    if (rc == 0)
        rc = expect_digest(j, &r->manifest, err);
    if (rc == 0)
        rc = read_digests(j, "referrers", &r->referrers, &r->n_referrers, &r->referrers_cap,
                          MLO_RECIPE_BLOBS_MAX, err);
    if (rc == 0)
        rc = read_digests(j, "packs", &r->packs, &r->n_packs, &r->packs_cap, MLO_RECIPE_CHUNKS_MAX, err);
    return rc != 0 || schema != RECIPE_SCHEMA_FILES ? rc : read_files(j, r, err);
}

int mlo_recipe_parse(const char *text, size_t n, struct mlo_recipe *ret, struct mlo_err *err)
{
    struct mlo_recipe r = {0};
    struct mlo_jpull j;
    if (n > MLO_RECIPE_MAX)
        return mlo_fail(err, MLO_EINVALID, "recipe: larger than %zu bytes", MLO_RECIPE_MAX);
    mlo_jpull_init(&j, text, n);
    int rc = read_head(&j, &r, err);
    if (rc == 0)
        rc = read_blobs(&j, &r, err);
    if (rc == 0)
        rc = expect(&j, MLO_J_OBJECT_END, err);
    if (rc == 0)
        rc = expect(&j, MLO_J_END, err);
    if (rc != 0) {
        mlo_recipe_release(&r);
        return mlo_wrap(err, "recipe");
    }
    *ret = r;
    return 0;
}

int mlo_recipe_add_file(struct mlo_recipe *r, const char *path, const struct mlo_digest *digest,
                        uint64_t size, struct mlo_err *err)
{
    if (r->n_files >= MLO_RECIPE_FILES_MAX)
        return mlo_fail(err, MLO_EINVALID, "more than %zu files", MLO_RECIPE_FILES_MAX);
    int rc = mlo_grow(&r->files, &r->files_cap, r->n_files + 1, sizeof *r->files, err);
    char *copy = rc == 0 ? mlo_strdup(path, err) : NULL;
    if (!copy)
        return err->code;
    r->files[r->n_files++] = (struct mlo_recipe_file){copy, *digest, size};
    return 0;
}

bool mlo_recipe_packed(const struct mlo_recipe *r, const struct mlo_recipe_blob *b)
{
    for (size_t i = b->first; i < b->first + b->n; i++)
        if (r->pieces[i].source >= r->n_packs)
            return false;
    return true;
}

char *mlo_piece_key(const struct mlo_recipe *r, const struct mlo_ref *ref, const struct mlo_piece *p,
                    char buf[MLO_KEY_MAX])
{
    if (p->source < r->n_packs)
        return mlo_rt_key("packs", &r->packs[p->source], buf);
    return mlo_file_key(ref, r->files[p->source - r->n_packs].path, buf);
}

static int blob_cmp(const void *key, const void *blob)
{
    return mlo_digest_cmp(key, &((const struct mlo_recipe_blob *)blob)->digest);
}

const struct mlo_recipe_blob *mlo_recipe_find(const struct mlo_recipe *r, const struct mlo_digest *blob)
{
    return r->n_blobs ? bsearch(blob, r->blobs, r->n_blobs, sizeof *r->blobs, blob_cmp) : NULL;
}
