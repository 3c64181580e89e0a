/* A table is one or more files with the same columns, of any form; see internal.h for what a form does. */
#include <errno.h>
#include <glob.h>
#include <stdatomic.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>

#include "names.h"

#define MAX_BYTES ((uint64_t)1 << 40)

static const struct mlo_form *const forms[] = {&mlo_form_parquet, &mlo_form_jsonl, &mlo_form_csv};

struct reading {
    struct mlo_form_file file;
    size_t *map; /* owned: which column of the file each of the table's is */
};
struct mlo_table {
    struct mlo_table_opts opts;
    char **paths;
    size_t n_paths, cap_paths;
    struct mlo_table_column *columns; /* of the table: those selected of the first file */
    size_t n_columns;
    char **left_out; /* names of columns that are not read */
    size_t n_left_out;
    struct reading first; /* opened to learn the columns; empty once it was scanned */
    unsigned workers;
};

void mlo_scan_result_add(struct mlo_scan_result *to, const struct mlo_scan_result *more)
{
    for (size_t i = 0; i < MLO_COUNT(more->first_ragged) && i < more->ragged; i++)
        if (to->ragged + i < MLO_COUNT(to->first_ragged))
            to->first_ragged[to->ragged + i] = more->first_ragged[i];
    to->rows += more->rows;
    to->bytes += more->bytes;
    to->ragged += more->ragged;
}

void mlo_columns_free(struct mlo_table_column *columns, size_t n)
{
    for (size_t i = 0; columns && i < n; i++)
        free(columns[i].name);
    free(columns);
}

/* ---- which files ---- */

static int add_path(struct mlo_table *t, const char *path, struct mlo_err *err)
{
    if (t->n_paths == MLO_TABLE_FILES_MAX)
        return mlo_fail(err, MLO_EUSAGE, "more than %zu files", MLO_TABLE_FILES_MAX);
    int rc = mlo_grow(&t->paths, &t->cap_paths, t->n_paths + 1, sizeof *t->paths, err);
    char *copy = rc == 0 ? mlo_strdup(path, err) : NULL;
    if (!copy)
        return MLO_EIO;
    t->paths[t->n_paths++] = copy;
    return 0;
}

static int add_matches(struct mlo_table *t, const char *pattern, bool folder, struct mlo_err *err)
{
    glob_t found = {0};
    int g = glob(pattern, GLOB_MARK, NULL, &found), rc = 0; /* sorted */
    if (g == GLOB_NOSPACE)
        rc = mlo_fail_nomem(err);
    else if (g != 0)
        rc = mlo_fail(err, MLO_ENOTFOUND, folder ? "'%.*s' holds no files" : "nothing fits '%.*s'",
                      (int)strlen(pattern) - (folder ? 2 : 0), pattern);
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
        if (found.gl_pathv[i][strlen(found.gl_pathv[i]) - 1] != '/')
            rc = add_path(t, found.gl_pathv[i], err);
    globfree(&found);
    return rc;
}

static int add_word(struct mlo_table *t, const char *word, struct mlo_err *err)
{
    struct stat st;
    if (strcmp(word, "-") == 0)
        return add_path(t, word, err);
    if (stat(word, &st) != 0)
        return strpbrk(word, "*?[") ? add_matches(t, word, false, err)
                                    : mlo_fail_errno(err, "'%s' cannot be read", word);
    if (!S_ISDIR(st.st_mode))
        return add_path(t, word, err);
    MLO_AUTOSTR struct mlo_str pattern;
    mlo_str_init(&pattern, MLO_PATH_MAX);
    mlo_str_addf(&pattern, "%s/*", word);
    int rc = mlo_str_check(&pattern, err);
    return rc != 0 ? rc : add_matches(t, pattern.ptr, true, err);
}

/* ---- which form ---- */

static bool has_extension(const char *path, const char *list)
{
    size_t n = strlen(path);
    static const char *const packed[] = {".gz", ".zst", ".zstd"};
    for (size_t i = 0; i < MLO_COUNT(packed); i++)
        if (n > strlen(packed[i]) && strcmp(path + n - strlen(packed[i]), packed[i]) == 0) {
            n -= strlen(packed[i]);
            break;
        }
    for (const char *p = list; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        if (n > len && strncmp(path + n - len, p, len) == 0)
            return true;
        p += len;
    }
    return false;
}

static const struct mlo_form *form_named(const char *name)
{
    if (strcmp(name, "tsv") == 0)
        return &mlo_form_csv;
    if (strcmp(name, "log") == 0)
        return &mlo_form_jsonl;
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        if (strcmp(forms[i]->name, name) == 0)
            return forms[i];
    return NULL;
}

static int choose_form(const struct mlo_table *t, struct mlo_input *in, const struct mlo_form **ret,
                       struct mlo_err *err)
{
    enum { SNIFFED = 4096 };
    const char *head;
    size_t n;
    if (t->opts.format) {
        *ret = form_named(t->opts.format);
        return *ret ? 0 : mlo_fail(err, MLO_EUSAGE, "no table format is called '%s'", t->opts.format);
    }
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        if (has_extension(in->name, forms[i]->extensions) && forms[i] != &mlo_form_csv) {
            *ret = forms[i];
            return 0;
        }
    int rc = mlo_input_peek(in, SNIFFED, &head, &n, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        if (forms[i]->sniff(head, n)) {
            *ret = forms[i];
            return 0;
        }
    return mlo_fail(err, MLO_EINVALID, "'%s' is empty", in->name);
}

static int open_file(const struct mlo_table *t, const char *path, struct mlo_form_file *ret,
                     struct mlo_err *err)
{
    struct mlo_input in;
    const struct mlo_form *form = NULL;
    struct mlo_table_opts opts = t->opts;
    int rc = mlo_input_open(path, opts.max_bytes ? opts.max_bytes : MAX_BYTES, &in, err);
    if (rc != 0)
        return rc;
    rc = choose_form(t, &in, &form, err);
    if (rc != 0) {
        mlo_input_close(&in);
        return rc;
    }
    if (!opts.separator && opts.format && strcmp(opts.format, "tsv") == 0)
        opts.separator = '\t';
    rc = form->open(&in, &opts, ret, err);
    if (rc != 0)
        return rc;
    rc = mlo_names_unique(ret->columns, ret->n_columns, err);
    if (rc != 0) {
        form->close(ret->self, NULL);
        *ret = (struct mlo_form_file){0};
    }
    return rc;
}

static void finish(struct reading *r, struct mlo_scan_result *st)
{
    if (r->file.self)
        r->file.form->close(r->file.self, st);
    free(r->map);
    *r = (struct reading){0};
}

/* ---- columns ---- */

static const struct mlo_table_column *find_column(const struct mlo_table_column *columns, size_t n,
                                                  const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (columns[i].name && strcmp(columns[i].name, name) == 0)
            return &columns[i];
    return NULL;
}

static bool is_selected(const struct mlo_table *t, const char *name)
{
    for (size_t i = 0; i < t->opts.n_select; i++)
        if (strcmp(t->opts.select[i], name) == 0)
            return true;
    return t->opts.n_select == 0;
}

static int add_column(struct mlo_table *t, const struct mlo_table_column *found, struct mlo_err *err)
{
    const struct mlo_table_column *given = find_column(t->opts.types, t->opts.n_types, found->name);
    struct mlo_table_column c = given ? *given : *found;
    c.name = mlo_strdup(found->name, err);
    if (!c.name)
        return MLO_EIO;
    t->columns[t->n_columns++] = c;
    return 0;
}

static int choose_columns(struct mlo_table *t, struct mlo_err *err)
{
    t->columns = mlo_calloc(t->first.file.n_columns, sizeof *t->columns, err);
    if (!t->columns)
        return MLO_EIO;
    for (size_t i = 0; i < t->first.file.n_columns; i++) {
        int rc = is_selected(t, t->first.file.columns[i].name) ? add_column(t, &t->first.file.columns[i], err)
                                                               : 0;
        if (rc != 0)
            return rc;
    }
    for (size_t i = 0; i < t->opts.n_select; i++)
        if (!find_column(t->columns, t->n_columns, t->opts.select[i]))
            return mlo_fail(err, MLO_ENOTFOUND, "'%s' has no column '%s'", t->paths[0], t->opts.select[i]);
    return 0;
}

static int note_left_out(struct mlo_table *t, struct mlo_err *err)
{
    const struct mlo_form_file *f = &t->first.file;
    t->left_out = mlo_calloc(f->n_left_out + 1, sizeof *t->left_out, err);
    if (!t->left_out)
        return MLO_EIO;
    for (; t->n_left_out < f->n_left_out; t->n_left_out++) {
        t->left_out[t->n_left_out] = mlo_strdup(f->left_out[t->n_left_out], err);
        if (!t->left_out[t->n_left_out])
            return MLO_EIO;
    }
    return 0;
}

int mlo_table_open(const char *const *paths, size_t n, const struct mlo_table_opts *opts,
                   struct mlo_table **ret, struct mlo_err *err)
{
    struct mlo_table *t = mlo_calloc(1, sizeof *t, err);
    int rc = t ? 0 : MLO_EIO;
    if (t) {
        t->opts = *opts;
        t->workers = opts->threads ? opts->threads : mlo_cpu_count();
    }
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_word(t, paths[i], err);
    if (rc == 0 && t->n_paths == 0)
        rc = mlo_fail(err, MLO_EUSAGE, "no table was named");
    if (rc == 0)
        rc = open_file(t, t->paths[0], &t->first.file, err);
    if (rc == 0)
        rc = note_left_out(t, err);
    if (rc == 0)
        rc = choose_columns(t, err);
    if (rc != 0) {
        mlo_table_close(t);
        return rc;
    }
    *ret = t;
    return 0;
}

void mlo_table_close(struct mlo_table *t)
{
    if (!t)
        return;
    finish(&t->first, NULL);
    for (size_t i = 0; i < t->n_paths; i++)
        free(t->paths[i]);
    free(t->paths);
    for (size_t i = 0; i < t->n_left_out; i++)
        free(t->left_out[i]);
    free(t->left_out);
    mlo_columns_free(t->columns, t->n_columns);
    free(t);
}

const struct mlo_table_column *mlo_table_columns(const struct mlo_table *t, size_t *ret_n)
{
    *ret_n = t->n_columns;
    return t->columns;
}

const char *const *mlo_table_left_out(const struct mlo_table *t, size_t *ret_n)
{
    *ret_n = t->n_left_out;
    return (const char *const *)t->left_out;
}

unsigned mlo_table_workers(const struct mlo_table *t)
{
    return t->workers;
}

/* ---- a file of the table, ready to be read ---- */

/* Which column of this file each of the table's is: files may order theirs differently, but must have them.
 */
static int match_columns(const struct mlo_table *t, const struct reading *r, const char *path,
                         struct mlo_err *err)
{
    struct mlo_name_map names = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->file.n_columns; i++)
        rc = mlo_name_map_set(&names, r->file.columns[i].name, i, err);
    for (size_t i = 0; rc == 0 && i < t->n_columns; i++) {
        r->map[i] = mlo_name_map_get(&names, t->columns[i].name, strlen(t->columns[i].name));
        if (r->map[i] == MLO_NAME_NONE)
            rc = mlo_fail(err, MLO_EINVALID, "'%s' has no column '%s', which '%s' has", path,
                          t->columns[i].name, t->paths[0]);
    }
    mlo_name_map_release(&names);
    return rc;
}

/* Opens the file unless it is open, and says which columns are wanted. */
static int start(struct mlo_table *t, size_t i, struct reading *r, struct mlo_err *err)
{
    int rc = r->file.self ? 0 : open_file(t, t->paths[i], &r->file, err);
    if (rc != 0 || r->map)
        return rc;
    r->map = mlo_calloc(t->n_columns + 1, sizeof *r->map, err);
    rc = r->map ? match_columns(t, r, t->paths[i], err) : MLO_EIO;
    return rc != 0 ? rc : r->file.form->want(r->file.self, r->map, t->columns, t->n_columns, t->workers, err);
}

/* ---- scanning ---- */

struct scan {
    struct mlo_table *t;
    struct mlo_form_file file;
    const char *path;
    mlo_batch_fn fn;
    void *ctx;
    uint64_t sequence; /* of the file's first batch */
    atomic_uint_least64_t batches;
};

static int work(void *ctx, size_t worker, struct mlo_err *err)
{
    struct scan *s = ctx;
    for (;;) {
        const struct mlo_batch *b = NULL;
        int rc = s->file.form->next(s->file.self, (unsigned)worker, &b, err);
        if (rc != 0 || !b)
            return rc;
        struct mlo_batch numbered = *b;
        numbered.sequence += s->sequence;
        numbered.path = s->path;
        s->batches++;
        rc = s->fn(s->ctx, (unsigned)worker, &numbered, err);
        if (rc != 0)
            return rc;
    }
}

static int scan_file(struct scan *s, size_t i, struct reading *r, struct mlo_scan_result *st,
                     struct mlo_err *err)
{
    struct mlo_table *t = s->t;
    int rc = start(t, i, r, err);
    s->file = r->file;
    s->path = t->paths[i];
    if (rc == 0)
        rc = mlo_parallel(t->workers, t->workers, work, s, err);
    s->sequence += s->batches;
    s->batches = 0;
    finish(r, st);
    return rc;
}

int mlo_table_scan(struct mlo_table *t, mlo_batch_fn fn, void *ctx, struct mlo_scan_result *ret,
                   struct mlo_err *err)
{
    struct scan s = {.t = t, .fn = fn, .ctx = ctx};
    struct mlo_scan_result st = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n_paths; i++) {
        struct reading other = {0};
        rc = scan_file(&s, i, i == 0 ? &t->first : &other, &st, err);
    }
    if (rc == 0)
        *ret = st;
    return rc;
}

/* ---- looking ahead ---- */

struct look {
    struct scan scan;
    size_t parts; /* of this file */
};

static int look_work(void *ctx, size_t worker, struct mlo_err *err)
{
    struct look *l = ctx;
    struct scan *s = &l->scan;
    for (size_t part = worker; part < l->parts; part += s->t->workers) {
        const struct mlo_batch *b = NULL;
        int rc = s->file.form->sample(s->file.self, (unsigned)worker, part, l->parts, &b, err);
        if (rc == 0 && b) {
            s->batches++;
            rc = s->fn(s->ctx, (unsigned)worker, b, err);
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Places in one file. */
static int look_at(struct look *l, size_t i, struct reading *r, struct mlo_err *err)
{
    struct mlo_table *t = l->scan.t;
    int rc = start(t, i, r, err);
    l->scan.file = r->file;
    if (rc == 0 && r->file.form->sample)
        rc = mlo_parallel(t->workers, t->workers, look_work, l, err);
    if (r != &t->first)
        finish(r, NULL);
    return rc;
}

/* Bytes of all files; 0 when one of them can be read only once. */
static uint64_t total_size(const struct mlo_table *t)
{
    uint64_t total = 0;
    for (size_t i = 0; i < t->n_paths; i++) {
        struct stat st;
        if (strcmp(t->paths[i], "-") == 0 || stat(t->paths[i], &st) != 0 || !S_ISREG(st.st_mode))
            return 0;
        total += (uint64_t)st.st_size;
    }
    return total;
}

int mlo_table_sample(struct mlo_table *t, size_t parts, mlo_batch_fn fn, void *ctx, bool *ret_given,
                     struct mlo_err *err)
{
    struct look l = {.scan = {.t = t, .fn = fn, .ctx = ctx}};
    size_t files = t->n_paths < parts ? t->n_paths : parts;
    int rc = 0;
    *ret_given = false;
    size_t block = t->opts.block_bytes ? t->opts.block_bytes : t->first.file.form->block;
    if (total_size(t) <= parts * block)
        return 0;
    l.parts = parts / files;
    for (size_t i = 0; rc == 0 && i < files; i++) {
        struct reading other = {0};
        size_t file = i * t->n_paths / files;
        rc = look_at(&l, file, file == 0 ? &t->first : &other, err);
    }
    *ret_given = rc == 0 && l.scan.batches > 0;
    return rc;
}
