/*
 * The documents that S3 services answer with, by expat. Only names without their namespace count: some
 * services leave it out. Nothing is expanded: a document type or an entity of its own ends the reading.
 */
#include "s3.h"

#include <expat.h>
#include <string.h>

#include <mlopsctl/base/text.h>

/* ---- elements as they end ---- */

/* parent is "" at the root. text: what stands directly in the element. */
typedef int (*element_fn)(void *ctx, const char *parent, const char *name, const char *text,
                          struct mlo_err *err);

#define NAME_MAX_BYTES 48 /* of an element; longer ones are none of S3's and are cut */

struct reader {
    XML_Parser parser;
    element_fn fn;
    void *ctx;
    struct mlo_err *err;
    int failed;
    size_t depth;
    char names[MLO_S3_XML_DEPTH + 1][NAME_MAX_BYTES]; /* [0] is "" */
    struct mlo_str text;
};

static void fail_reader(struct reader *r, int code)
{
    if (r->failed)
        return;
    r->failed = code;
    XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *ctx, const char *name, const char **attributes)
{
    struct reader *r = ctx;
    const char *colon = strrchr(name, ':');
    (void)attributes;
    if (r->depth == MLO_S3_XML_DEPTH) {
        fail_reader(r, mlo_fail(r->err, MLO_EREMOTE, "nested deeper than %d", MLO_S3_XML_DEPTH));
        return;
    }
    r->depth++;
    snprintf(r->names[r->depth], NAME_MAX_BYTES, "%s", colon ? colon + 1 : name);
    mlo_str_clear(&r->text);
}

static int end_element(struct reader *r)
{
    int rc = mlo_str_check(&r->text, r->err);
    if (rc == MLO_EIO)
        return rc;
    if (rc != 0)
        return mlo_fail(r->err, MLO_EREMOTE, "an element is longer than %zu bytes", MLO_S3_TEXT_MAX);
    return r->fn(r->ctx, r->names[r->depth - 1], r->names[r->depth], r->text.ptr, r->err);
}

static void on_end(void *ctx, const char *name)
{
    struct reader *r = ctx;
    (void)name;
    if (r->failed)
        return;
    int rc = end_element(r);
    if (rc != 0)
        fail_reader(r, rc);
    r->depth--;
    mlo_str_clear(&r->text);
}

static void on_text(void *ctx, const char *text, int n)
{
    struct reader *r = ctx;
    mlo_str_addn(&r->text, text, (size_t)n);
}

static void on_doctype(void *ctx, const char *name, const char *system, const char *public, int internal)
{
    struct reader *r = ctx;
    (void)name, (void)system, (void)public, (void)internal;
    fail_reader(r, mlo_fail(r->err, MLO_EREMOTE, "declares a document type"));
}

static void on_entity(void *ctx, const char *name, int is_parameter, const char *value, int value_n,
                      const char *base, const char *system, const char *public, const char *notation)
{
    (void)name, (void)is_parameter, (void)value, (void)value_n, (void)base, (void)system, (void)public,
        (void)notation;
    on_doctype(ctx, NULL, NULL, NULL, 0);
}

static int parse(struct reader *r, const char *text, size_t n, struct mlo_err *err)
{
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    XML_SetEntityDeclHandler(r->parser, on_entity);
    if (XML_Parse(r->parser, text, (int)n, 1) == XML_STATUS_OK)
        return 0;
    if (r->failed)
        return r->failed;
    enum XML_Error e = XML_GetErrorCode(r->parser);
    if (e == XML_ERROR_NO_MEMORY)
        return mlo_fail_nomem(err);
    return mlo_fail(err, MLO_EREMOTE, "not XML that can be read: %s", XML_ErrorString(e));
}

static int each_element(const char *text, size_t n, element_fn fn, void *ctx, struct mlo_err *err)
{
    struct reader r = {.fn = fn, .ctx = ctx, .err = err};
    if (n > MLO_S3_XML_MAX)
        return mlo_fail(err, MLO_EREMOTE, "larger than %zu bytes", MLO_S3_XML_MAX);
    r.parser = XML_ParserCreate(NULL);
    if (!r.parser)
        return mlo_fail_nomem(err);
    mlo_str_init(&r.text, MLO_S3_TEXT_MAX);
    int rc = parse(&r, text, n, err);
    mlo_str_release(&r.text);
    XML_ParserFree(r.parser);
    return rc;
}

static int wrong_document(const char *root, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    return mlo_fail(err, MLO_EREMOTE, "another document than was asked for ('%s')",
                    mlo_shown(root, strlen(root), shown));
}

/* ---- errors ---- */

struct error_reader {
    struct mlo_s3_error *error;
    bool is_error;
};

static void keep(char *to, size_t cap, const char *text)
{
    size_t n = strlen(text);
    if (n >= cap)
        n = mlo_utf8_cut(text, cap - 1);
    memcpy(to, text, n);
    to[n] = '\0';
}

static int hear_error(void *ctx, const char *parent, const char *name, const char *text, struct mlo_err *err)
{
    struct error_reader *r = ctx;
    (void)err;
    if (!*parent && strcmp(name, "Error") == 0)
        r->is_error = true;
    if (strcmp(parent, "Error") != 0)
        return 0;
    if (strcmp(name, "Code") == 0)
        keep(r->error->code, sizeof r->error->code, text);
    else if (strcmp(name, "Message") == 0)
        keep(r->error->message, sizeof r->error->message, text);
    else if (strcmp(name, "Region") == 0)
        keep(r->error->region, sizeof r->error->region, text);
    return 0;
}

bool mlo_s3_read_error(const char *text, size_t n, struct mlo_s3_error *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct error_reader r = {.error = ret};
    *ret = (struct mlo_s3_error){0};
    if (each_element(text, n, hear_error, &r, &ignored) != 0 || !r.is_error) {
        *ret = (struct mlo_s3_error){0};
        return false;
    }
    return true;
}

/* ---- a page of a listing ---- */

struct page_reader {
    struct mlo_s3_page page;
    char *key;
    uint64_t size;
    bool has_size;
};

static int take_text(char **to, const char *text, struct mlo_err *err)
{
    free(*to);
    *to = mlo_strdup(text, err);
    return *to ? 0 : MLO_EIO;
}

static int take_u64(const char *text, uint64_t max, const char *what, uint64_t *ret, struct mlo_err *err)
{
    int rc = mlo_parse_u64(text, 0, max, what, ret, err);
    return rc == MLO_EUSAGE ? (err->code = MLO_EREMOTE) : rc;
}

static int add_entry(struct page_reader *r, struct mlo_err *err)
{
    struct mlo_s3_page *p = &r->page;
    if (!r->key || !r->has_size)
        return mlo_fail(err, MLO_EREMOTE, "an entry without key or size");
    if (p->n == MLO_S3_ENTRIES_MAX)
        return mlo_fail(err, MLO_EREMOTE, "more than %zu entries in a page", MLO_S3_ENTRIES_MAX);
    int rc = mlo_grow(&p->list, &p->cap, p->n + 1, sizeof *p->list, err);
    if (rc != 0)
        return rc;
    p->list[p->n++] = (struct mlo_s3_entry){mlo_steal(&r->key), r->size};
    r->has_size = false;
    return 0;
}

static int hear_page(void *ctx, const char *parent, const char *name, const char *text, struct mlo_err *err)
{
    struct page_reader *r = ctx;
    bool top = strcmp(parent, "ListBucketResult") == 0;
    if (!*parent)
        return strcmp(name, "ListBucketResult") == 0 ? 0 : wrong_document(name, err);
    if (top && strcmp(name, "IsTruncated") == 0)
        r->page.truncated = strcmp(text, "true") == 0;
    else if (top && strcmp(name, "NextContinuationToken") == 0 && *text)
        return take_text(&r->page.next, text, err);
    else if (top && (strcmp(name, "Contents") == 0 || strcmp(name, "CommonPrefixes") == 0))
        return add_entry(r, err);
    else if (strcmp(parent, "CommonPrefixes") == 0 && strcmp(name, "Prefix") == 0) {
        r->size = 0;
        r->has_size = true;
        return take_text(&r->key, text, err);
    } else if (strcmp(parent, "Contents") == 0 && strcmp(name, "Key") == 0)
        return take_text(&r->key, text, err);
    else if (strcmp(parent, "Contents") == 0 && strcmp(name, "Size") == 0) {
        r->has_size = true;
        return take_u64(text, MLO_BLOB_SIZE_MAX, "size of an object", &r->size, err);
    }
    return 0;
}

void mlo_s3_page_release(struct mlo_s3_page *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->list[i].key);
    free(p->list);
    free(p->next);
    *p = (struct mlo_s3_page){0};
}

int mlo_s3_read_page(const char *text, size_t n, struct mlo_s3_page *ret, struct mlo_err *err)
{
    struct page_reader r = {0};
    int rc = each_element(text, n, hear_page, &r, err);
    free(r.key);
    if (rc != 0) {
        mlo_s3_page_release(&r.page);
        return mlo_wrap(err, "the listing");
    }
    *ret = r.page;
    return 0;
}

/* ---- parts of an upload ---- */

struct parts_reader {
    struct mlo_s3_parts parts;
    struct mlo_s3_part part; /* being read */
    bool has_size;
};

static int add_part(struct parts_reader *r, struct mlo_err *err)
{
    struct mlo_s3_parts *p = &r->parts;
    if (!r->part.number || !r->part.etag || !r->has_size)
        return mlo_fail(err, MLO_EREMOTE, "a part without number, ETag or size");
    if (p->n == MLO_S3_PARTS_MAX)
        return mlo_fail(err, MLO_EREMOTE, "more than %d parts", MLO_S3_PARTS_MAX);
    int rc = mlo_grow(&p->list, &p->cap, p->n + 1, sizeof *p->list, err);
    if (rc != 0)
        return rc;
    p->list[p->n++] = r->part;
    r->part = (struct mlo_s3_part){0};
    r->has_size = false;
    return 0;
}

static int hear_parts(void *ctx, const char *parent, const char *name, const char *text, struct mlo_err *err)
{
    struct parts_reader *r = ctx;
    uint64_t number = 0;
    int rc = 0;
    if (!*parent)
        return strcmp(name, "ListPartsResult") == 0 ? 0 : wrong_document(name, err);
    if (strcmp(parent, "ListPartsResult") == 0) {
        if (strcmp(name, "IsTruncated") == 0)
            r->parts.truncated = strcmp(text, "true") == 0;
        return strcmp(name, "Part") == 0 ? add_part(r, err) : 0;
    }
    if (strcmp(parent, "Part") != 0)
        return 0;
    if (strcmp(name, "PartNumber") == 0) {
        rc = take_u64(text, MLO_S3_PARTS_MAX, "number of a part", &number, err);
        r->part.number = (unsigned)number;
    } else if (strcmp(name, "ETag") == 0) {
        rc = take_text(&r->part.etag, text, err);
    } else if (strcmp(name, "Size") == 0) {
        r->has_size = true;
        rc = take_u64(text, MLO_BLOB_SIZE_MAX, "size of a part", &r->part.size, err);
    }
    return rc;
}

void mlo_s3_parts_release(struct mlo_s3_parts *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->list[i].etag);
    free(p->list);
    *p = (struct mlo_s3_parts){0};
}

int mlo_s3_read_parts(const char *text, size_t n, struct mlo_s3_parts *ret, struct mlo_err *err)
{
    struct parts_reader r = {0};
    int rc = each_element(text, n, hear_parts, &r, err);
    free(r.part.etag);
    if (rc != 0) {
        mlo_s3_parts_release(&r.parts);
        return mlo_wrap(err, "the list of parts");
    }
    *ret = r.parts;
    return 0;
}

/* ---- begin and end of an upload ---- */

static int hear_upload(void *ctx, const char *parent, const char *name, const char *text, struct mlo_err *err)
{
    char **id = ctx;
    if (!*parent && strcmp(name, "InitiateMultipartUploadResult") != 0)
        return wrong_document(name, err);
    if (strcmp(parent, "InitiateMultipartUploadResult") == 0 && strcmp(name, "UploadId") == 0)
        return take_text(id, text, err);
    return 0;
}

int mlo_s3_read_upload(const char *text, size_t n, char **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *id = NULL;
    int rc = each_element(text, n, hear_upload, &id, err);
    if (rc == 0 && (!id || !*id || strlen(id) > MLO_S3_TOKEN_MAX))
        rc = mlo_fail(err, MLO_EREMOTE, "no id");
    if (rc != 0)
        return mlo_wrap(err, "the new upload");
    *ret = mlo_steal(&id);
    return 0;
}

static int hear_complete(void *ctx, const char *parent, const char *name, const char *text,
                         struct mlo_err *err)
{
    (void)ctx, (void)text;
    return !*parent && strcmp(name, "CompleteMultipartUploadResult") != 0 ? wrong_document(name, err) : 0;
}

int mlo_s3_read_complete(const char *text, size_t n, struct mlo_s3_error *ret_error, struct mlo_err *err)
{
    if (mlo_s3_read_error(text, n, ret_error))
        return 0;
    int rc = each_element(text, n, hear_complete, NULL, err);
    return rc != 0 ? mlo_wrap(err, "the end of an upload") : 0;
}
