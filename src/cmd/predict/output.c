/* Where predict writes to, and in which form. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "predict.h"

static const struct {
    const char *name;
    enum mlo_answer_form form;
} forms[] = {
    {"csv", MLO_ANSWER_CSV},
    {"tsv", MLO_ANSWER_TSV},
    {"jsonl", MLO_ANSWER_JSONL},
    {"ndjson", MLO_ANSWER_JSONL},
    {"npy", MLO_ANSWER_NPY},
    {"parquet", MLO_ANSWER_PARQUET},
    {"pq", MLO_ANSWER_PARQUET},
    {"arrow", MLO_ANSWER_ARROW},
    {"feather", MLO_ANSWER_ARROW},
    {"ipc", MLO_ANSWER_ARROW},
    {"arrows", MLO_ANSWER_ARROW_STREAM},
};

static bool find_form(const char *name, enum mlo_answer_form *ret)
{
    for (size_t i = 0; name && i < MLO_COUNT(forms); i++)
        if (strcmp(forms[i].name, name) == 0) {
            *ret = forms[i].form;
            return true;
        }
    return false;
}

static const char *extension(const char *path)
{
    const char *dot = path ? strrchr(path, '.') : NULL;
    return dot ? dot + 1 : NULL;
}

/* A device or a pipe is written to; only a file is replaced. */
static bool is_no_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static bool to_stdout(const struct mlo_predict_args *o)
{
    return !o->output || strcmp(o->output, "-") == 0;
}

static bool is_streamed(const struct mlo_predict_args *o)
{
    return to_stdout(o) || is_no_file(o->output);
}

/* Nobody is to unpack what was never packed, or to open as a workbook what is none. */
static int check_name(const struct mlo_predict_args *o, struct mlo_err *err)
{
    static const char *const packed[] = {"gz", "zst", "zstd", "bz2", "xz", "zip"};
    static const char *const others[] = {"xlsx", "xls", "ods", "json", "avro", "orc"};
    const char *end = extension(o->output);
    for (size_t i = 0; end && i < MLO_COUNT(packed); i++)
        if (strcmp(end, packed[i]) == 0) {
            mlo_fail(err, MLO_EUSAGE, "'%s' would not be compressed: answers are written as they are",
                     o->output);
            return mlo_hint(err, "Parquet is compressed by itself; others through a pipe: ... | gzip >%s",
                            o->output);
        }
    for (size_t i = 0; end && !o->output_form && i < MLO_COUNT(others); i++)
        if (strcmp(end, others[i]) == 0) {
            mlo_fail(err, MLO_EUSAGE, "'%s': answers are not written as .%s", o->output, end);
            return mlo_hint(err,
                            "as .csv, .tsv, .jsonl, .npy, .parquet, .arrow or .arrows; --output-format says "
                            "it for any name");
        }
    return 0;
}

/* Said, else by the name of the file, else that of the input; a stream gets bytes that are no text only when
 * they are asked for. */
int mlo_predict_form(const struct mlo_ctx *ctx, const struct mlo_predict_args *o, const char *table,
                     enum mlo_answer_form *ret, struct mlo_err *err)
{
    enum mlo_answer_form form = MLO_ANSWER_CSV;
    int rc = to_stdout(o) ? 0 : check_name(o, err);
    if (rc != 0)
        return rc;
    if (!find_form(o->output_form, &form) && !find_form(extension(o->output), &form)) {
        (void)find_form(table, &form);
        if (ctx->json && to_stdout(o))
            form = MLO_ANSWER_JSONL;
        else if (is_streamed(o) && (form == MLO_ANSWER_NPY || mlo_answer_form_is_table(form)))
            form = MLO_ANSWER_CSV;
    }
    if (form == MLO_ANSWER_NPY && is_streamed(o)) {
        mlo_fail(err, MLO_EUSAGE, "an .npy file begins with the number of its rows: it cannot be streamed");
        return mlo_hint(err, "name a file with --output");
    }
    if (form == MLO_ANSWER_NPY && o->keep.n) {
        mlo_fail(err, MLO_EUSAGE, "an .npy file holds one array: --keep does not go with it");
        return mlo_hint(err, "the other forms hold columns, Parquet and Arrow with their types");
    }
    *ret = form;
    return 0;
}

bool mlo_predict_output_is_live(const struct mlo_predict_args *o)
{
    enum mlo_answer_form form = MLO_ANSWER_CSV;
    (void)find_form(o->output_form, &form);
    return is_streamed(o) && !mlo_answer_form_is_table(form);
}

int mlo_predict_output_check(const struct mlo_predict_args *o, const char *const *paths, size_t n,
                             struct mlo_err *err)
{
    struct stat out, in;
    if (to_stdout(o) || stat(o->output, &out) != 0 || !S_ISREG(out.st_mode))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (stat(paths[i], &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
            mlo_fail(err, MLO_EUSAGE, "'%s' is read here: the answers would take its place", o->output);
            return mlo_hint(
                err, "give the answers another name; --keep COLUMN copies columns of the rows to them");
        }
    return 0;
}

int mlo_predict_output_open(const struct mlo_predict_args *o, enum mlo_answer_form form,
                            struct mlo_predict_output *ret, struct mlo_err *err)
{
    struct mlo_predict_output out = {.form = form, .fd = STDOUT_FILENO, .file = MLO_NEWFILE_INIT};
    mlo_str_init(&out.bytes, MLO_STR_MAX);
    if (!to_stdout(o)) {
        struct stat st;
        out.path = o->output;
        if (stat(out.path, &st) == 0 && S_ISDIR(st.st_mode))
            return mlo_fail(err, MLO_EUSAGE, "'%s' is a folder: --output names a file", out.path);
        if (is_no_file(out.path)) {
            out.fd = open(out.path, O_WRONLY | O_CLOEXEC);
            if (out.fd < 0)
                return mlo_fail_errno(err, "'%s' cannot be written", out.path);
            out.opened = true;
        } else {
            int rc = mlo_newfile_begin(&out.file, AT_FDCWD, out.path, 0644, err);
            if (rc != 0)
                return mlo_hint(err, "--output names a file in a folder that is there and can be written to");
            out.fd = out.file.fd;
            mlo_interrupt_remove(out.file.dirfd, out.file.tmp);
        }
    }
    *ret = out;
    return 0;
}

int mlo_predict_output_commit(struct mlo_predict_output *out, struct mlo_err *err)
{
    int rc = out->file.tmp ? mlo_newfile_commit(&out->file, err) : 0;
    mlo_interrupt_remove(-1, NULL);
    return rc;
}

void mlo_predict_output_release(struct mlo_predict_output *out)
{
    if (out->opened)
        close(out->fd);
    mlo_newfile_abort(&out->file);
    mlo_interrupt_remove(-1, NULL);
    mlo_str_release(&out->bytes);
    out->opened = false;
    out->fd = -1;
}
