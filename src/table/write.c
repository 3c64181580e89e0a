/* Parts of a table, made side by side and put together in their order; see write.h. */
#include "write.h"

#include <string.h>

static const struct mlo_writer_form *const forms[] = {[MLO_WRITE_PARQUET] = &mlo_writer_parquet,
                                                      [MLO_WRITE_ARROW] = &mlo_writer_arrow,
                                                      [MLO_WRITE_ARROW_STREAM] = &mlo_writer_arrow_stream};

/* ---- cells ---- */

size_t mlo_write_width(enum mlo_dtype t)
{
    return t == MLO_DT_STRING ? sizeof(struct mlo_slice) : mlo_dtype_bits(t) / 8;
}

size_t mlo_write_n_missing(const struct mlo_write_cells *c, size_t n)
{
    size_t missing = 0;
    for (size_t i = 0; c->missing && i < n; i++)
        missing += c->missing[i] != 0;
    return missing;
}

void mlo_write_bits(struct mlo_str *to, const uint8_t *bytes, bool inverted, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        unsigned bits = 0;
        for (size_t k = 0; k < 8 && i + k < n; k++)
            bits |= (unsigned)((bytes[i + k] != 0) != inverted) << k;
        mlo_str_addc(to, (char)bits);
    }
}

/* ---- the writer ---- */

static bool is_known(enum mlo_dtype t)
{
    return t == MLO_DT_BOOL || t == MLO_DT_F32 || t == MLO_DT_F64 || t == MLO_DT_STRING ||
           (t >= MLO_DT_U8 && t <= MLO_DT_I64);
}

static int copy_columns(struct mlo_table_writer *w, const struct mlo_write_column *columns, size_t n,
                        struct mlo_err *err)
{
    w->columns = mlo_calloc(n + 1, sizeof *w->columns, err);
    if (!w->columns)
        return err->code;
    for (; w->n_columns < n; w->n_columns++) {
        struct mlo_write_column *c = &w->columns[w->n_columns];
        *c = columns[w->n_columns];
        if (!is_known(c->dtype))
            return mlo_fail(err, MLO_EUNAVAIL, "no table is written with a column of %s",
                            mlo_dtype_name(c->dtype));
        c->name = mlo_strdup(c->name, err);
        if (!c->name)
            return err->code;
    }
    return 0;
}

int mlo_table_writer_new(enum mlo_write_form form, const struct mlo_write_column *columns, size_t n,
                         struct mlo_table_writer **ret, struct mlo_err *err)
{
    struct mlo_table_writer *w = mlo_calloc(1, sizeof *w, err);
    if (!w)
        return err->code;
    w->form = forms[form];
    pthread_mutex_init(&w->lock, NULL);
    int rc = copy_columns(w, columns, n, err);
    if (rc == 0)
        rc = w->form->open(w, err);
    if (rc != 0)
        mlo_table_writer_free(w);
    else
        *ret = w;
    return rc;
}

static void free_pack(struct mlo_pack *k)
{
    const struct libzstd *lib;
    struct mlo_err ignored = MLO_ERR_INIT;
    if (k->zstd && mlo_libzstd(&lib, &ignored) == 0)
        lib->ZSTD_freeCCtx(k->zstd);
    mlo_str_release(&k->raw);
    mlo_str_release(&k->head);
    free(k->packed);
    free(k);
}

void mlo_table_writer_free(struct mlo_table_writer *w)
{
    if (!w)
        return;
    w->form->close(w);
    for (struct mlo_pack *k = w->spare, *next; k; k = next) {
        next = k->next;
        free_pack(k);
    }
    for (size_t i = 0; i < w->n_columns; i++)
        free((char *)(uintptr_t)w->columns[i].name);
    free(w->columns);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* ---- parts ---- */

static struct mlo_pack *take_pack(struct mlo_table_writer *w, struct mlo_err *err)
{
    pthread_mutex_lock(&w->lock);
    struct mlo_pack *k = w->spare;
    if (k)
        w->spare = k->next;
    pthread_mutex_unlock(&w->lock);
    if (!k && (k = mlo_calloc(1, sizeof *k, err))) {
        mlo_str_init(&k->raw, MLO_STR_MAX);
        mlo_str_init(&k->head, MLO_STR_MAX);
    }
    return k;
}

static void give_pack(struct mlo_table_writer *w, struct mlo_pack *k)
{
    pthread_mutex_lock(&w->lock);
    k->next = w->spare;
    w->spare = k;
    pthread_mutex_unlock(&w->lock);
}

int mlo_table_writer_part(struct mlo_table_writer *w, const struct mlo_write_cells *cells, size_t n,
                          struct mlo_str *part, struct mlo_err *err)
{
    struct mlo_part_head head = {.rows = n};
    size_t start = part->len;
    if (n == 0)
        return 0;
    struct mlo_pack *k = take_pack(w, err);
    if (!k)
        return err->code;
    mlo_str_fill(part, 0, sizeof head);
    int rc = w->form->part(w, k, cells, n, part, err);
    if (rc == 0)
        rc = mlo_str_check(part, err);
    if (rc == 0) {
        head.bytes = part->len - start - sizeof head;
        memcpy(part->ptr + start, &head, sizeof head);
    }
    give_pack(w, k);
    return rc;
}

/* ---- putting together ---- */

static int begin(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err)
{
    if (w->begun)
        return 0;
    w->begun = true;
    return w->form->begin(w, out, err);
}

int mlo_table_writer_add(struct mlo_table_writer *w, const struct mlo_str *parts, struct mlo_str *out,
                         struct mlo_err *err)
{
    struct mlo_part_head head;
    int rc = parts->len > 0 ? begin(w, out, err) : 0;
    for (size_t at = 0; rc == 0 && at < parts->len; at += head.bytes) {
        memcpy(&head, parts->ptr + at, sizeof head);
        at += sizeof head;
        rc = w->form->add(w, parts->ptr + at, &head, out, err);
        w->rows += head.rows;
    }
    return rc == 0 ? mlo_str_check(out, err) : rc;
}

int mlo_table_writer_end(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err)
{
    int rc = begin(w, out, err);
    if (rc == 0)
        rc = w->form->end(w, out, err);
    return rc == 0 ? mlo_str_check(out, err) : rc;
}
