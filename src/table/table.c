/* A table is one or more files with the same columns, of any form; see internal.h for what a form does. */
#include <errno.h>
#include <glob.h>
#include <stdatomic.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>

#include "names.h"
#include "window.h"

#define MAX_BYTES ((uint64_t)1 << 40)

static const struct mlo_form *const forms[] = {/* sniffed in this order */
                                               &mlo_form_parquet, &mlo_form_arrow, &mlo_form_log,
                                               &mlo_form_jsonl, &mlo_form_csv};

struct reading {
    struct mlo_form_file file;
    size_t *map; /* owned: which column of the file each of the table's is */
};
struct mlo_table {
    struct mlo_table_opts opts;
    char **paths;
    size_t n_paths, cap_paths;
    struct mlo_table_column *columns; /* of the table: those selected of the first file */
    size_t n_columns, n_scanned;      /* n_scanned: one more when only the window needs it */
    char **left_out;                  /* names of columns that are not read */
    size_t n_left_out;
    bool has_window;
    struct mlo_window window;
    struct reading first; /* opened to learn the columns; empty once it was scanned */
    size_t at_first;      /* which path it is */
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

int mlo_table_files(const char *const *words, size_t n, char ***ret, size_t *ret_n, struct mlo_err *err)
{
    struct mlo_table found = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_word(&found, words[i], err);
    if (rc == 0) {
        *ret = found.paths;
        *ret_n = found.n_paths;
        return 0;
    }
    for (size_t i = 0; i < found.n_paths; i++)
        free(found.paths[i]);
    free(found.paths);
    return rc;
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
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        if (strcmp(forms[i]->name, name) == 0)
            return forms[i];
    return NULL;
}

static const struct mlo_form *form_of(const char *name, const char *head, size_t n)
{
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        if (forms[i]->certain && forms[i]->sniff(head, n))
            return forms[i];
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        if (has_extension(name, forms[i]->extensions) && forms[i] != &mlo_form_csv)
            return forms[i];
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        if (forms[i]->sniff(head, n))
            return forms[i];
    return &mlo_form_csv;
}

/* *ret NULL: the file is empty. */
static int choose_form(const struct mlo_table *t, struct mlo_input *in, const struct mlo_form **ret,
                       struct mlo_err *err)
{
    enum { SNIFFED = 4096 };
    struct mlo_head head;
    const struct mlo_form *named = t->opts.format ? form_named(t->opts.format) : NULL;
    if (t->opts.format && !named)
        return mlo_fail(err, MLO_EUSAGE, "no table format is called '%s'", t->opts.format);
    int rc = mlo_input_peek(in, SNIFFED, 1, &head, err);
    if (rc == 0)
        *ret = head.n == 0 ? NULL : named ? named : form_of(in->name, head.text, head.n);
    return rc;
}

static int open_form(const struct mlo_table *t, const struct mlo_form *form, struct mlo_input *in,
                     struct mlo_form_file *ret, struct mlo_err *err)
{
    struct mlo_table_opts opts = t->opts;
    if (!opts.separator && opts.format && strcmp(opts.format, "tsv") == 0)
        opts.separator = '\t';
    int rc = form->open(in, &opts, ret, err);
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

/* Bytes may be long in coming. */
static bool is_slow(const struct mlo_input *in)
{
    struct stat st;
    return !mlo_input_is_compressed(in) && fstat(in->fd, &st) == 0 && !S_ISREG(st.st_mode);
}

/* ret->form NULL: the file is empty. */
static int open_file(const struct mlo_table *t, const char *path, struct mlo_form_file *ret,
                     struct mlo_err *err)
{
    struct mlo_input in;
    const struct mlo_form *form = NULL;
    *ret = (struct mlo_form_file){0};
    int rc = mlo_input_open(path, t->opts.max_bytes ? t->opts.max_bytes : MAX_BYTES, &in, err);
    if (rc != 0)
        return rc;
    in.temporary = t->opts.temporary;
    in.live = t->opts.live && is_slow(&in);
    rc = choose_form(t, &in, &form, err);
    if (rc == 0 && form)
        return open_form(t, form, &in, ret, err);
    mlo_input_close(&in);
    return rc;
}

static int is_empty(const char *path, struct mlo_err *err)
{
    mlo_fail(err, MLO_EINVALID, "'%s' is empty", mlo_input_name(path));
    return mlo_hint(err, "a table without rows still has the line with the names of its columns");
}

/* The first file that holds something tells the columns. Of files that a program writes some may be empty
 * still; a request log may be, altogether. */
static int open_first(struct mlo_table *t, struct mlo_err *err)
{
    struct mlo_input none;
    int rc = 0;
    for (t->at_first = 0; rc == 0 && t->at_first < t->n_paths; t->at_first++) {
        rc = open_file(t, t->paths[t->at_first], &t->first.file, err);
        if (rc != 0 || t->first.file.form)
            return rc;
    }
    t->at_first = 0;
    if (!t->opts.format || strcmp(t->opts.format, "log") != 0)
        return is_empty(t->paths[0], err);
    rc = mlo_input_open("/dev/null", MAX_BYTES, &none, err);
    return rc != 0 ? rc : open_form(t, &mlo_form_log, &none, &t->first.file, err);
}

/* ---- columns ---- */

/* What the caller said about columns, by name. */
struct said {
    const struct mlo_table_opts *opts;
    struct mlo_name_map types, select;
};

static int hear(struct said *said, struct mlo_err *err)
{
    const struct mlo_table_opts *o = said->opts;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->n_types; i++)
        rc = mlo_name_map_set(&said->types, o->types[i].name, i, err);
    for (size_t i = 0; rc == 0 && i < o->n_select; i++)
        rc = mlo_name_map_set(&said->select, o->select[i], i, err);
    return rc;
}

static bool is_selected(const struct said *said, const char *name)
{
    return said->opts->n_select == 0 || mlo_name_map_get(&said->select, name, strlen(name)) != MLO_NAME_NONE;
}

static int add_column(struct mlo_table *t, const struct said *said, const struct mlo_table_column *found,
                      struct mlo_err *err)
{
    size_t given = mlo_name_map_get(&said->types, found->name, strlen(found->name));
    struct mlo_table_column c = *found;
    if (given != MLO_NAME_NONE) {
        c.type = said->opts->types[given].type;
        c.integral = said->opts->types[given].integral;
    }
    c.name = mlo_strdup(found->name, err);
    if (!c.name)
        return MLO_EIO;
    t->columns[t->n_scanned++] = c;
    return 0;
}

static size_t find_column(const struct mlo_table_column *columns, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(columns[i].name, name) != 0)
        i++;
    return i < n ? i : MLO_NAME_NONE;
}

static int select_columns(struct mlo_table *t, const struct said *said, struct mlo_err *err)
{
    const struct mlo_form_file *f = &t->first.file;
    t->columns = mlo_calloc(f->n_columns + 1, sizeof *t->columns, err);
    if (!t->columns)
        return MLO_EIO;
    for (size_t i = 0; i < f->n_columns; i++) {
        int rc = is_selected(said, f->columns[i].name) ? add_column(t, said, &f->columns[i], err) : 0;
        if (rc != 0)
            return rc;
    }
    t->n_columns = t->n_scanned;
    for (size_t i = 0; t->n_columns < said->select.count && i < t->opts.n_select; i++)
        if (find_column(t->columns, t->n_columns, t->opts.select[i]) == MLO_NAME_NONE)
            return mlo_fail(err, MLO_ENOTFOUND, "'%s' has no column '%s'", t->paths[t->at_first],
                            t->opts.select[i]);
    return 0;
}

/* ---- the window of time ---- */

/* The column of times that is meant when none is named. */
static int find_times(const struct mlo_table *t, const struct mlo_table_column *columns, size_t n_columns,
                      size_t *ret, struct mlo_err *err)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < n_columns; i++) {
        if (columns[i].type != MLO_COLUMN_TIME)
            continue;
        at = i;
        n++;
        if (strcmp(columns[i].name, "time") == 0) {
            n = 1;
            break;
        }
    }
    if (n != 1) {
        mlo_fail(err, MLO_EUSAGE, n ? "'%s' has several columns of times" : "'%s' has no column of times",
                 t->paths[t->at_first]);
        return mlo_hint(err, "say which column holds the time of a row");
    }
    *ret = at;
    return 0;
}

static int find_time(const struct mlo_table *t, const struct mlo_table_column *columns, size_t n,
                     const char *name, size_t *ret, struct mlo_err *err)
{
    size_t at = 0;
    if (!name)
        return find_times(t, columns, n, ret, err);
    at = find_column(columns, n, name);
    if (at == MLO_NAME_NONE)
        return mlo_fail(err, MLO_ENOTFOUND, "'%s' has no column '%s'", t->paths[t->at_first], name);
    if (columns[at].type == MLO_COLUMN_BOOL)
        return mlo_fail(err, MLO_EUSAGE, "column '%s' of '%s' holds no times", name, t->paths[t->at_first]);
    *ret = at;
    return 0;
}

int mlo_table_time(const struct mlo_table *t, const char *name, size_t *ret, struct mlo_err *err)
{
    return find_time(t, t->columns, t->n_columns, name, ret, err);
}

/* The time is read for the window, selected or not. */
static int choose_window(struct mlo_table *t, const struct said *said, struct mlo_err *err)
{
    const struct mlo_form_file *f = &t->first.file;
    size_t in_file = 0;
    int rc = find_time(t, f->columns, f->n_columns, t->opts.time_column, &in_file, err);
    if (rc != 0)
        return rc;
    const char *name = f->columns[in_file].name;
    t->window = (struct mlo_window){t->opts.from_ns, t->opts.to_ns,
                                    find_column(t->columns, t->n_columns, name)};
    if (t->window.column == MLO_NAME_NONE) {
        t->window.column = t->n_columns;
        rc = add_column(t, said, &f->columns[in_file], err);
    }
    return rc;
}

static int choose_columns(struct mlo_table *t, struct mlo_err *err)
{
    struct said said = {.opts = &t->opts};
    int rc = hear(&said, err);
    if (rc == 0)
        rc = select_columns(t, &said, err);
    t->has_window = t->opts.from_ns != 0 || t->opts.to_ns != 0;
    if (rc == 0 && t->has_window)
        rc = choose_window(t, &said, err);
    mlo_name_map_release(&said.types);
    mlo_name_map_release(&said.select);
    return rc;
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
    if (t->n_left_out > 0 && t->opts.left_out)
        t->opts.left_out(t->opts.left_out_ctx, t->paths[0], (const char *const *)t->left_out, t->n_left_out);
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
        rc = open_first(t, err);
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
    mlo_columns_free(t->columns, t->n_scanned);
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

int mlo_table_select(struct mlo_table *t, const struct mlo_table_column *columns, size_t n,
                     struct mlo_err *err)
{
    struct mlo_table_column *chosen = mlo_calloc(n + 1, sizeof *chosen, err);
    int rc = chosen ? 0 : MLO_EIO;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t at = find_column(t->columns, t->n_columns, columns[i].name);
        if (at == MLO_NAME_NONE) {
            rc = mlo_fail(err, MLO_ENOTFOUND, "'%s' has no column '%s'", t->paths[t->at_first],
                          columns[i].name);
            break;
        }
        chosen[i] = t->columns[at];
        chosen[i].type = columns[i].type;
        chosen[i].name = mlo_strdup(columns[i].name, err);
        rc = chosen[i].name ? 0 : MLO_EIO;
    }
    if (rc != 0) {
        mlo_columns_free(chosen, n);
        return rc;
    }
    mlo_columns_free(t->columns, t->n_scanned);
    t->columns = chosen;
    t->n_columns = t->n_scanned = n;
    return 0;
}

const char *mlo_table_format(const struct mlo_table *t)
{
    return t->first.file.form->name;
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
    const struct mlo_form_file *f = &r->file;
    struct mlo_name_map names = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->n_columns; i++)
        rc = mlo_name_map_set(&names, f->columns[i].name, i, err);
    for (size_t i = 0; rc == 0 && i < t->n_scanned; i++) {
        r->map[i] = mlo_name_map_get(&names, t->columns[i].name, strlen(t->columns[i].name));
        if (r->map[i] == MLO_NAME_NONE && !f->form->open_ended)
            rc = mlo_fail(err, MLO_EINVALID, "'%s' has no column '%s', which '%s' has", path,
                          t->columns[i].name, t->paths[t->at_first]);
    }
    mlo_name_map_release(&names);
    return rc;
}

/* Opens the file unless it is open, and says which columns are wanted. It may be empty: then it has no form.
 */
static int start(struct mlo_table *t, size_t i, struct reading *r, struct mlo_err *err)
{
    int rc = r->file.self ? 0 : open_file(t, t->paths[i], &r->file, err);
    if (rc != 0 || r->map || !r->file.form)
        return rc;
    r->map = mlo_calloc(t->n_scanned + 1, sizeof *r->map, err);
    rc = r->map ? match_columns(t, r, t->paths[i], err) : MLO_EIO;
    return rc != 0 ? rc : r->file.form->want(r->file.self, r->map, t->columns, t->n_scanned, t->workers, err);
}

/* ---- scanning ---- */

struct scan {
    struct mlo_table *t;
    struct mlo_form_file file;
    const char *path;
    mlo_batch_fn fn;                         /* or: */
    mlo_cells_fn cells;                      /* gets columns, not rows */
    const struct mlo_column_reader *columns; /* of these */
    size_t parts;                            /* of this file, to look at ahead */
    bool ahead_too;                          /* each column is looked at just before its scan */
    bool read;                               /* a file was scanned */
    atomic_size_t next_column;
    void *ctx;
    void (*stopped)(void *ctx); /* told when a worker gives up; NULL: nobody */
    uint64_t sequence;          /* of the file's first batch */
    atomic_uint_least64_t batches;
    struct mlo_window_worker *windows; /* of each worker; NULL: all rows */
    bool begun;                        /* the first batch was given */
    atomic_bool failed;                /* one worker gave up: the others need not go on */
};

static int give_columns(struct scan *s, size_t worker, const struct mlo_batch *b, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->t->n_columns; i++) {
        const struct mlo_column_cells c = {.column = i, .n = b->n_rows, .cells = b->columns[i]};
        rc = s->cells(s->ctx, (unsigned)worker, &c, err);
    }
    return rc;
}

/* The rows of the batch that are within the window go to fn. */
static int give(struct scan *s, size_t worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct mlo_batch given = *b;
    int rc = 0;
    s->batches++;
    if (s->windows)
        rc = mlo_window_rows(&s->t->window, &s->windows[worker], b, s->t->n_columns, &given, err);
    if (rc != 0 || (!s->begun && given.n_rows == 0))
        return rc;
    if (!s->begun) {
        s->sequence = 0 - b->sequence;
        s->begun = true;
    }
    given.sequence = b->sequence + s->sequence;
    given.path = s->path;
    return s->cells ? give_columns(s, worker, &given, err) : s->fn(s->ctx, (unsigned)worker, &given, err);
}

/* A window needs the time of each row; few columns would leave threads without work. */
static bool is_by_column(const struct scan *s)
{
    unsigned workers = s->t->workers;
    return s->cells && !s->windows && s->file.form->next_cells &&
           s->t->n_columns >= (workers > 1 ? 2 * (size_t)workers : 1);
}

/* Batches before the window are none of the scan, which begins with rows: its first batches are those that
 * tell the values to expect. Alone, so that it is the same batch on any number of threads. */
static int reach_window(struct scan *s, struct mlo_err *err)
{
    const struct mlo_batch *b = NULL;
    int rc = 0;
    do {
        rc = s->file.form->next(s->file.self, 0, &b, err);
        if (rc == 0 && b)
            rc = give(s, 0, b, err);
    } while (rc == 0 && b && !s->begun);
    return rc;
}

static int scan_batches(struct scan *s, size_t worker, struct mlo_err *err)
{
    const struct mlo_batch *b = NULL;
    int rc = 0;
    do {
        b = NULL;
        rc = s->file.form->next(s->file.self, (unsigned)worker, &b, err);
        if (rc == 0 && b)
            rc = give(s, worker, b, err);
    } while (rc == 0 && b && !s->failed);
    return rc;
}

static int look_at_column(struct scan *s, size_t worker, size_t column, struct mlo_err *err)
{
    int rc = 0;
    for (size_t part = 0; rc == 0 && part < s->parts; part++) {
        const struct mlo_column_cells *c = NULL;
        rc = s->file.form->sample_cells(s->file.self, (unsigned)worker, column, part, s->parts, &c, err);
        if (rc == 0 && c)
            rc = s->columns->ahead(s->ctx, (unsigned)worker, c, err);
        s->batches += c ? 1 : 0;
    }
    return rc;
}

static int scan_column(struct scan *s, size_t worker, size_t column, struct mlo_err *err)
{
    const struct mlo_column_cells *c = NULL;
    int rc = 0;
    if (s->ahead_too)
        rc = look_at_column(s, worker, column, err);
    if (s->ahead_too && s->batches == 0)
        return rc; /* the file is too short: all columns are */
    if (rc == 0 && s->ahead_too)
        rc = s->columns->begin(s->ctx, column, err);
    do {
        c = NULL;
        if (rc == 0)
            rc = s->file.form->next_cells(s->file.self, (unsigned)worker, column, &c, err);
        if (rc == 0 && c)
            rc = s->cells(s->ctx, (unsigned)worker, c, err);
    } while (rc == 0 && c && !s->failed);
    return rc;
}

static int each_column(struct scan *s, size_t worker,
                       int (*fn)(struct scan *s, size_t worker, size_t column, struct mlo_err *err),
                       struct mlo_err *err)
{
    int rc = 0;
    for (size_t c; rc == 0 && !s->failed && (c = s->next_column++) < s->t->n_columns;)
        rc = fn(s, worker, c, err);
    return rc;
}

static int work(void *ctx, size_t worker, struct mlo_err *err)
{
    struct scan *s = ctx;
    int rc = is_by_column(s) ? each_column(s, worker, scan_column, err) : scan_batches(s, worker, err);
    if (rc != 0)
        s->failed = true;
    if (rc != 0 && s->stopped)
        s->stopped(s->ctx);
    return rc;
}

static int scan_file(struct scan *s, size_t i, struct reading *r, struct mlo_scan_result *st,
                     struct mlo_err *err)
{
    struct mlo_table *t = s->t;
    int rc = start(t, i, r, err);
    s->file = r->file;
    s->path = mlo_input_name(t->paths[i]);
    s->next_column = 0;
    if (rc == 0 && r->file.form && !s->begun)
        rc = reach_window(s, err);
    if (rc == 0 && r->file.form)
        rc = mlo_parallel(t->workers, t->workers, work, s, err);
    if (rc == 0 && s->ahead_too && s->batches == 0)
        return 0; /* nothing was read */
    s->sequence += s->batches;
    s->batches = 0;
    s->read = true;
    finish(r, st);
    return rc;
}

static int make_windows(struct scan *s, struct mlo_err *err)
{
    s->windows = s->t->has_window ? mlo_calloc(s->t->workers, sizeof *s->windows, err) : NULL;
    return s->windows || !s->t->has_window ? 0 : MLO_EIO;
}

static void release_windows(struct scan *s, struct mlo_scan_result *st)
{
    for (unsigned i = 0; s->windows && i < s->t->workers; i++) {
        st->outside += s->windows[i].outside;
        st->undated += s->windows[i].undated;
        mlo_window_release(&s->windows[i]);
    }
    st->rows -= st->outside + st->undated;
    free(s->windows);
}

static int check_times(const struct mlo_table *t, const struct mlo_scan_result *st, struct mlo_err *err)
{
    if (st->undated == 0 || st->rows + st->outside > 0)
        return 0;
    mlo_fail(err, MLO_EUSAGE, "column '%s' of '%s' holds no time that can be read",
             t->columns[t->window.column].name, t->paths[t->at_first]);
    return mlo_hint(err, "times look like 2026-11-21T09:30:00Z, or are seconds since 1970");
}

static int scan_all(struct scan *s, struct mlo_scan_result *ret, struct mlo_err *err)
{
    struct mlo_table *t = s->t;
    struct mlo_scan_result st = {0};
    s->begun = !t->has_window;
    int rc = make_windows(s, err);
    for (size_t i = 0; rc == 0 && i < t->n_paths; i++) {
        struct reading other = {0};
        rc = scan_file(s, i, i == t->at_first ? &t->first : &other, &st, err);
    }
    release_windows(s, &st);
    if (rc == 0)
        rc = check_times(t, &st, err);
    if (rc == 0)
        *ret = st;
    return rc;
}

int mlo_table_scan(struct mlo_table *t, mlo_batch_fn fn, void *ctx, struct mlo_scan_result *ret,
                   struct mlo_err *err)
{
    return mlo_table_scan_told(t, fn, NULL, ctx, ret, err);
}

int mlo_table_scan_told(struct mlo_table *t, mlo_batch_fn fn, void (*stopped)(void *ctx), void *ctx,
                        struct mlo_scan_result *ret, struct mlo_err *err)
{
    struct scan s = {.t = t, .fn = fn, .ctx = ctx, .stopped = stopped};
    return scan_all(&s, ret, err);
}

/* ---- looking ahead ---- */

static int look_work(void *ctx, size_t worker, struct mlo_err *err)
{
    struct scan *s = ctx;
    if (is_by_column(s))
        return each_column(s, worker, look_at_column, err);
    size_t workers = s->t->workers; /* each has places that lie together: they may be in one page */
    for (size_t part = worker * s->parts / workers; part < (worker + 1) * s->parts / workers; part++) {
        const struct mlo_batch *b = NULL;
        int rc = s->file.form->sample(s->file.self, (unsigned)worker, part, s->parts, &b, err);
        if (rc == 0 && b)
            rc = give(s, worker, b, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Places in one file. */
static int look_at(struct scan *s, size_t i, struct reading *r, struct mlo_err *err)
{
    struct mlo_table *t = s->t;
    int rc = start(t, i, r, err);
    s->file = r->file;
    s->path = mlo_input_name(t->paths[i]);
    s->next_column = 0;
    if (rc == 0 && r->file.form && r->file.form->sample)
        rc = mlo_parallel(t->workers, t->workers, look_work, s, err);
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

/* Can anything be read before the scan, as far as the files tell from outside? */
static bool can_look(const struct mlo_table *t, size_t parts)
{
    size_t block = t->opts.block_bytes ? t->opts.block_bytes : t->first.file.form->block;
    return !t->has_window && total_size(t) > parts * block;
}

static int look_ahead(struct scan *s, size_t parts, bool *ret_given, struct mlo_err *err)
{
    struct mlo_table *t = s->t;
    size_t files = t->n_paths < parts ? t->n_paths : parts;
    int rc = 0;
    *ret_given = false;
    if (!can_look(t, parts))
        return 0;
    s->begun = true;
    s->parts = parts / files;
    for (size_t i = 0; rc == 0 && i < files; i++) {
        struct reading other = {0};
        size_t file = i * t->n_paths / files;
        rc = look_at(s, file, file == t->at_first ? &t->first : &other, err);
    }
    *ret_given = rc == 0 && s->batches > 0;
    return rc;
}

int mlo_table_sample(struct mlo_table *t, size_t parts, mlo_batch_fn fn, void *ctx, bool *ret_given,
                     struct mlo_err *err)
{
    struct scan s = {.t = t, .fn = fn, .ctx = ctx};
    return look_ahead(&s, parts, ret_given, err);
}

/* ---- by columns ---- */

static int begin_column(void *ctx, size_t column, struct mlo_err *err)
{
    const struct mlo_column_reader *r = ctx;
    return r->begin(r->ctx, column, err);
}

/* Of several files all are looked at before the first is scanned. */
static int look_at_columns(struct mlo_table *t, const struct mlo_column_reader *r, bool *ret_given,
                           struct mlo_err *err)
{
    struct mlo_column_reader copy = *r;
    struct scan s = {.t = t, .cells = r->ahead, .columns = r, .ctx = r->ctx};
    int rc = look_ahead(&s, r->parts, ret_given, err);
    return rc == 0 && *ret_given ? mlo_parallel(t->n_columns, t->workers, begin_column, &copy, err) : rc;
}

int mlo_table_scan_columns(struct mlo_table *t, const struct mlo_column_reader *r, bool *ret_given,
                           struct mlo_scan_result *ret, struct mlo_err *err)
{
    struct scan s = {.t = t, .cells = r->fn, .columns = r, .ctx = r->ctx, .file = t->first.file};
    int rc = 0;
    bool given = true;
    if (r->parts > 0 && t->n_paths == 1 && is_by_column(&s)) {
        given = can_look(t, r->parts);
        s.parts = r->parts;
        s.ahead_too = true;
    } else if (r->parts > 0) {
        rc = look_at_columns(t, r, &given, err);
    }
    if (rc == 0 && given)
        rc = scan_all(&s, ret, err);
    *ret_given = s.read;
    return rc;
}
