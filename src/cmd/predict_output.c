/* Where predict writes to, and in which form. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "predict.h"

static const struct {
    const char *name;
    enum mlo_answer_form form;
} forms[] = {
    {"csv", MLO_ANSWER_CSV},      {"tsv", MLO_ANSWER_TSV}, {"jsonl", MLO_ANSWER_JSONL},
    {"ndjson", MLO_ANSWER_JSONL}, {"npy", MLO_ANSWER_NPY},
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

static bool to_stdout(const struct mlo_predict_args *o)
{
    return !o->output || strcmp(o->output, "-") == 0;
}

/* Said, else by the name of the file, else that of the input; what cannot be written becomes CSV. */
int mlo_predict_form(const struct mlo_ctx *ctx, const struct mlo_predict_args *o, const char *table,
                     enum mlo_answer_form *ret, struct mlo_err *err)
{
    enum mlo_answer_form form = MLO_ANSWER_CSV;
    if (!find_form(o->output_form, &form) && !find_form(extension(o->output), &form)) {
        if (ctx->json && to_stdout(o))
            form = MLO_ANSWER_JSONL;
        else
            (void)find_form(table, &form);
        if (form == MLO_ANSWER_NPY && to_stdout(o))
            form = MLO_ANSWER_CSV;
    }
    if (form == MLO_ANSWER_NPY && to_stdout(o)) {
        mlo_fail(err, MLO_EUSAGE, "an .npy file begins with the number of its rows: it cannot be streamed");
        return mlo_hint(err, "name a file with --output");
    }
    *ret = form;
    return 0;
}

/* A device or a pipe is written to; only a file is replaced. */
static bool is_no_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

int mlo_predict_output_open(const struct mlo_predict_args *o, enum mlo_answer_form form,
                            struct mlo_predict_output *ret, struct mlo_err *err)
{
    struct mlo_predict_output out = {.form = form, .fd = STDOUT_FILENO, .file = MLO_NEWFILE_INIT};
    if (!to_stdout(o)) {
        out.path = o->output;
        if (is_no_file(out.path)) {
            out.fd = open(out.path, O_WRONLY | O_CLOEXEC);
            if (out.fd < 0)
                return mlo_fail_errno(err, "'%s' cannot be written", out.path);
            out.opened = true;
        } else {
            int rc = mlo_newfile_begin(&out.file, AT_FDCWD, out.path, 0644, err);
            if (rc != 0)
                return rc;
            out.fd = out.file.fd;
        }
    }
    *ret = out;
    return 0;
}

int mlo_predict_output_commit(struct mlo_predict_output *out, struct mlo_err *err)
{
    return out->file.tmp ? mlo_newfile_commit(&out->file, err) : 0;
}

void mlo_predict_output_release(struct mlo_predict_output *out)
{
    if (out->opened)
        close(out->fd);
    mlo_newfile_abort(&out->file);
    out->opened = false;
    out->fd = -1;
}
