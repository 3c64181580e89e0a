/* What one file holds, as a JSON document without path or time: the same bytes give the same document. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define FINDINGS_MAX 50
#define WARNINGS_MAX 20

/* Names in weight files may be any bytes; JSON wants UTF-8. */
static void put_foreign(struct mlo_jb *b, cJSON *parent, const char *key, const char *v)
{
    size_t n = strlen(v);
    if (mlo_utf8_valid(v, n)) {
        mlo_jb_text(b, parent, key, v);
        return;
    }
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_escape(&text, v, n);
    b->failed = b->failed || text.failed;
    mlo_jb_text(b, parent, key, text.ptr);
}

static void put_tensor(struct mlo_jb *b, cJSON *array, const struct mlo_tensor *t)
{
    cJSON *o = mlo_jb_object(b, array, NULL);
    put_foreign(b, o, "name", t->name);
    mlo_jb_text(b, o, "type", t->type_name);
    cJSON *shape = mlo_jb_array(b, o, "shape");
    for (uint32_t i = 0; i < t->rank; i++)
        mlo_jb_u64(b, shape, NULL, t->shape[i]);
    mlo_jb_u64(b, o, "bytes", t->bytes);
    if (t->store == MLO_TS_EXTERNAL) {
        put_foreign(b, o, "external", t->external);
        mlo_jb_u64(b, o, "offset", t->offset);
        mlo_jb_u64(b, o, "length", t->length);
    }
}

static void put_ports(struct mlo_jb *b, cJSON *doc, const char *key, const struct mlo_port *ports, size_t n)
{
    cJSON *array = n ? mlo_jb_array(b, doc, key) : NULL;
    for (size_t i = 0; i < n; i++) {
        cJSON *o = mlo_jb_object(b, array, NULL);
        put_foreign(b, o, "name", ports[i].name);
        mlo_jb_text(b, o, "type", ports[i].type_name);
        cJSON *shape = ports[i].has_shape ? mlo_jb_array(b, o, "shape") : NULL;
        for (uint32_t d = 0; shape && d < ports[i].rank; d++)
            put_foreign(b, shape, NULL, ports[i].dims[d]);
    }
}

static void put_findings(struct mlo_jb *b, cJSON *doc, const struct mlo_checkpoint *cp)
{
    cJSON *array = NULL;
    size_t n = 0;
    for (size_t i = 0; i < cp->n_findings && n < FINDINGS_MAX; i++) {
        const struct mlo_finding *f = &cp->findings[i];
        if (f->verdict <= MLO_VERDICT_KNOWN)
            continue;
        array = array ? array : mlo_jb_array(b, doc, "findings");
        cJSON *o = mlo_jb_object(b, array, NULL);
        if (*f->where)
            put_foreign(b, o, "where", f->where);
        mlo_jb_u64(b, o, "offset", f->offset);
        mlo_jb_text(b, o, "verdict", mlo_verdict_name(f->verdict));
        put_foreign(b, o, "what", f->what);
        n++;
    }
}

static void put_texts(struct mlo_jb *b, cJSON *doc, const char *key, const char *const *texts, size_t n,
                      size_t max)
{
    cJSON *array = n ? mlo_jb_array(b, doc, key) : NULL;
    for (size_t i = 0; i < n && i < max; i++)
        put_foreign(b, array, NULL, texts[i]);
}

static void put_secret(struct mlo_jb *b, cJSON *doc, const char *text, size_t n)
{
    struct mlo_secret_hit hit;
    if (!mlo_secret_find(text, n, 0, &hit))
        return;
    cJSON *array = cJSON_GetObjectItemCaseSensitive(doc, "secrets");
    cJSON *o = mlo_jb_object(b, array ? array : mlo_jb_array(b, doc, "secrets"), NULL);
    mlo_jb_text(b, o, "rule", hit.rule); /* where it is, never what it is */
    mlo_jb_u64(b, o, "line", hit.line);
}

static void put_secrets(struct mlo_jb *b, cJSON *doc, const struct mlo_checkpoint *cp, const char *text,
                        size_t n)
{
    if (text)
        put_secret(b, doc, text, n);
    for (size_t i = 0; i < cp->n_meta; i++)
        put_secret(b, doc, cp->meta[i].value, strlen(cp->meta[i].value));
}

static int build_doc(const struct mlo_checkpoint *cp, const char *fault, const char *text, size_t n,
                     cJSON **ret, struct mlo_err *err)
{
    struct mlo_jb b = {0};
    cJSON *doc = mlo_jb_object(&b, NULL, NULL);
    mlo_jb_text(&b, doc, "format", mlo_format_name(cp->format));
    mlo_jb_text(&b, doc, "verdict", mlo_verdict_name(cp->verdict));
    if (fault)
        put_foreign(&b, doc, "fault", fault);
    if (cp->architecture && *cp->architecture)
        put_foreign(&b, doc, "architecture", cp->architecture);
    if (cp->parameters)
        mlo_jb_u64(&b, doc, "parameters", cp->parameters);
    cJSON *tensors = cp->n_tensors ? mlo_jb_array(&b, doc, "tensors") : NULL;
    for (size_t i = 0; i < cp->n_tensors; i++)
        put_tensor(&b, tensors, &cp->tensors[i]);
    put_ports(&b, doc, "inputs", cp->inputs, cp->n_inputs);
    put_ports(&b, doc, "outputs", cp->outputs, cp->n_outputs);
    put_texts(&b, doc, "external", cp->external, cp->n_external, cp->n_external);
    put_texts(&b, doc, "warnings", cp->warnings, cp->n_warnings, WARNINGS_MAX);
    put_findings(&b, doc, cp);
    put_secrets(&b, doc, cp, text, n);
    int rc = mlo_jb_check(&b, err);
    if (rc)
        cJSON_Delete(doc);
    else
        *ret = doc;
    return rc;
}

/* What no reader knows may still hold a pickle. */
static int scan_rest(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    enum mlo_format f = cp->format;
    if (f != MLO_FMT_UNKNOWN && f != MLO_FMT_ZIP && f != MLO_FMT_COMPRESSED)
        return 0;
    struct mlo_checkpoint scanned = {0};
    int rc = mlo_pickle_scan(src, &scanned, err);
    if (rc) {
        mlo_checkpoint_release(&scanned);
        return rc;
    }
    scanned.format = f;
    mlo_checkpoint_release(cp);
    *cp = scanned;
    return 0;
}

int mlo_inspect(const struct mlo_source *src, const char *text, struct mlo_packed *f, struct mlo_err *err)
{
    struct mlo_err why = MLO_ERR_INIT;
    int rc = mlo_checkpoint_read(src, &f->cp, &why);
    f->fresh = true;
    if (rc && rc != MLO_EINVALID && rc != MLO_EUNAVAIL) {
        *err = why;
        return rc;
    }
    const char *fault = rc ? why.msg : NULL;
    if (!fault) {
        rc = scan_rest(src, &f->cp, err);
        if (rc)
            return rc;
    }
    rc = build_doc(&f->cp, fault, text, (size_t)src->size, &f->doc, err);
    if (rc == 0 && !mlo_inspected_adopt(f))
        rc = mlo_fail(err, MLO_EINTERNAL, "inspection cannot be read back");
    return rc;
}

enum mlo_pickle_verdict mlo_inspected_verdict(const cJSON *doc)
{
    const char *name = mlo_json_text(doc, "verdict");
    for (int v = MLO_VERDICT_NONE; name && v < MLO_VERDICT_DANGEROUS; v++)
        if (strcmp(mlo_verdict_name((enum mlo_pickle_verdict)v), name) == 0)
            return (enum mlo_pickle_verdict)v;
    return MLO_VERDICT_DANGEROUS; /* the worst when in doubt */
}

bool mlo_inspected_adopt(struct mlo_packed *f)
{
    const char *name = mlo_json_text(f->doc, "format");
    for (int i = MLO_FMT_UNKNOWN; name && i <= MLO_FMT_COMPRESSED; i++) {
        if (strcmp(mlo_format_name((enum mlo_format)i), name) == 0) {
            f->format = (enum mlo_format)i;
            return true;
        }
    }
    return false;
}
