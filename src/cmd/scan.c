/* mlopsctl scan: which pickles do these files hold, and what would loading them run. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/checkpoint.h>
#include <mlopsctl/cli.h>

#include "table.h"

#define MAX_DEPTH 64 /* folders in folders */

/* A finding keeps the number of its file: the report wants the table of files first. */
struct found {
    size_t file;
    enum mlo_pickle_verdict verdict;
    char *where, *what;
    uint64_t offset;
};
struct file {
    char *path;
    enum mlo_format format;
    enum mlo_pickle_verdict verdict;
};
struct scan {
    struct mlo_ctx *ctx;
    struct file *files;
    size_t n_files, cap_files;
    struct found *found;
    size_t n_found, cap_found;
};

static void scan_release(struct scan *s)
{
    for (size_t i = 0; i < s->n_files; i++)
        free(s->files[i].path);
    for (size_t i = 0; i < s->n_found; i++) {
        free(s->found[i].where);
        free(s->found[i].what);
    }
    free(s->files);
    free(s->found);
}

static int keep_finding(struct scan *s, const struct mlo_finding *f, struct mlo_err *err)
{
    int r = mlo_grow(&s->found, &s->cap_found, s->n_found + 1, sizeof *s->found, err);
    if (r < 0)
        return r;
    struct found *k = &s->found[s->n_found++];
    *k = (struct found){.file = s->n_files - 1, .verdict = f->verdict, .offset = f->offset};
    k->where = mlo_strdup(f->where, err);
    k->what = k->where ? mlo_strdup(f->what, err) : NULL;
    return k->what ? 0 : err->code;
}

static int keep_file(struct scan *s, const char *path, const struct mlo_checkpoint *cp, struct mlo_err *err)
{
    int r = mlo_grow(&s->files, &s->cap_files, s->n_files + 1, sizeof *s->files, err);
    if (r < 0)
        return r;
    s->files[s->n_files++] = (struct file){NULL, cp->format, cp->verdict};
    s->files[s->n_files - 1].path = mlo_strdup(path, err);
    if (!s->files[s->n_files - 1].path)
        return err->code;
    for (size_t i = 0; i < cp->n_findings && r == 0; i++)
        r = keep_finding(s, &cp->findings[i], err);
    return r;
}

static int scan_fd(struct scan *s, int fd, uint64_t size, const char *path, struct mlo_err *err)
{
    struct mlo_checkpoint cp;
    struct mlo_source src = mlo_source_fd(&fd, size);
    int r = mlo_pickle_scan(&src, &cp, err);
    if (r == 0)
        r = keep_file(s, path, &cp, err);
    mlo_checkpoint_release(&cp);
    return r;
}

static int scan_open(struct scan *s, int fd, const char *path, unsigned depth, struct mlo_err *err);

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **items;
    size_t n, cap;
};

static void names_release(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
}

/* Sorted, so that two runs say the same. */
static int read_names(DIR *dir, struct names *l, struct mlo_err *err)
{
    const struct dirent *e;
    while ((e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int r = mlo_grow(&l->items, &l->cap, l->n + 1, sizeof *l->items, err);
        if (r < 0)
            return r;
        l->items[l->n] = mlo_strdup(e->d_name, err);
        if (!l->items[l->n++])
            return err->code;
    }
    if (l->n)
        qsort(l->items, l->n, sizeof *l->items, by_name);
    return 0;
}

/* Links, devices and FIFOs in a folder are not followed, but said. */
static int scan_entry(struct scan *s, int dirfd, const char *folder, const char *name, unsigned depth,
                      struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    MLO_AUTOCLOSE int fd = -1;
    mlo_str_init(&path, MLO_PATH_MAX);
    mlo_str_addf(&path, "%s/%s", folder, name);
    int r = mlo_str_check(&path, err);
    if (r < 0)
        return r;
    fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP) {
        mlo_note(s->ctx, "'%s' is a symbolic link: not followed", path.ptr);
        return 0;
    }
    return fd < 0 ? mlo_fail_errno(err, "cannot open '%s'", path.ptr)
                  : scan_open(s, fd, path.ptr, depth, err);
}

static int scan_folder(struct scan *s, int fd, const char *path, unsigned depth, struct mlo_err *err)
{
    struct names l = {0};
    if (depth == MAX_DEPTH)
        return mlo_fail(err, MLO_EINVALID, "'%s': folders nested deeper than %d", path, MAX_DEPTH);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (!dir) {
        mlo_cleanup_close(&copy);
        return mlo_fail_errno(err, "cannot read folder '%s'", path);
    }
    int r = read_names(dir, &l, err);
    for (size_t i = 0; i < l.n && r == 0; i++)
        r = scan_entry(s, fd, path, l.items[i], depth + 1, err);
    names_release(&l);
    closedir(dir);
    return r;
}

/* What was named must be a file or folder; what was found in a folder may be anything. */
static int scan_open(struct scan *s, int fd, const char *path, unsigned depth, struct mlo_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return mlo_fail_errno(err, "'%s'", path);
    if (S_ISDIR(st.st_mode))
        return scan_folder(s, fd, path, depth, err);
    if (S_ISREG(st.st_mode))
        return scan_fd(s, fd, (uint64_t)st.st_size, path, err);
    if (depth == 0)
        return mlo_fail(err, MLO_EINVALID, "'%s' is no file and no folder", path);
    mlo_note(s->ctx, "'%s' is no file: left out", path);
    return 0;
}

static int scan_path(struct scan *s, const char *path, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return mlo_fail_errno(err, "cannot open '%s'", path);
    size_t n = strlen(path);
    MLO_AUTOFREE char *name = mlo_memdup0(path, n, err);
    if (!name)
        return err->code;
    while (n > 1 && name[n - 1] == '/')
        name[--n] = '\0';
    return scan_open(s, fd, name, 0, err);
}

/* ---- report ---- */

static const struct mlo_column file_columns[] = {
    {"file", "FILE", MLO_CELL_TEXT},
    {"format", "FORMAT", MLO_CELL_TEXT},
    {"verdict", "VERDICT", MLO_CELL_TEXT},
};
static const struct mlo_column finding_columns[] = {
    {"file", "FILE", MLO_CELL_TEXT},     {"verdict", "VERDICT", MLO_CELL_TEXT},
    {"member", "MEMBER", MLO_CELL_TEXT}, {"offset", "OFFSET", MLO_CELL_U64},
    {"what", "WHAT", MLO_CELL_TEXT},
};

static enum mlo_pickle_verdict worst_of(const struct scan *s)
{
    enum mlo_pickle_verdict worst = MLO_VERDICT_NONE;
    for (size_t i = 0; i < s->n_files; i++)
        if (s->files[i].verdict > worst)
            worst = s->files[i].verdict;
    return worst;
}

static void report(struct mlo_report *r, const struct scan *s)
{
    mlo_report_table(r, "files", NULL, file_columns, MLO_COUNT(file_columns), "no files");
    for (size_t i = 0; i < s->n_files; i++) {
        mlo_cell_text(r, s->files[i].path);
        mlo_cell_text(r, mlo_format_name(s->files[i].format));
        mlo_cell_text(r, mlo_verdict_name(s->files[i].verdict));
    }
    mlo_report_table(r, "findings", "Findings", finding_columns, MLO_COUNT(finding_columns), NULL);
    for (size_t i = 0; i < s->n_found; i++) {
        const struct found *f = &s->found[i];
        mlo_cell_text(r, s->files[f->file].path);
        mlo_cell_text(r, mlo_verdict_name(f->verdict));
        mlo_cell_text(r, f->where);
        mlo_cell_u64(r, f->offset);
        mlo_cell_text(r, f->what);
    }
    mlo_report_text(r, "verdict", "verdict", mlo_verdict_name(worst_of(s)));
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct scan s = {.ctx = ctx};
    int r = 0;
    (void)options;
    for (size_t i = 0; i < ctx->n_args && r == 0; i++)
        r = scan_path(&s, ctx->args[i], err);
    if (r == 0)
        report(ctx->report, &s);
    if (r == 0 && worst_of(&s) > MLO_VERDICT_KNOWN)
        r = MLO_NO;
    scan_release(&s);
    return r;
}

static const struct mlo_example examples[] = {
    {"is this checkpoint safe to load", "mlopsctl scan model.safetensors"},
    {"every file of a folder, for a script", "mlopsctl scan --json ."},
    {0},
};

const struct mlo_command mlo_cmd_scan = {
    .name = "scan",
    .group = "bundles",
    .summary = "look for pickles and judge what loading them would run",
    .synopsis = "PATH...",
    .description = "Looks into files and folders for pickles, by content and never by name: in PyTorch, "
                   "NumPy and joblib files,\n"
                   "in archives and compressed files inside them too. Nothing is loaded or run.\n"
                   "Verdicts, from good to bad: none, tensor-only, known, unscanned, unknown, dangerous.\n"
                   "The exit status is 1 when any file is unscanned, unknown or dangerous.",
    .args = {1, UINT_MAX, MLO_OPTF_FILE, NULL},
    .examples = examples,
    .run = run,
};
