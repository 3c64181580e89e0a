/* Rows of an .npy file: one array whose first dimension counts them, for a model with one input. */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/turns.h>
#include <mlopsctl/checkpoint.h>

#include "predict.h"

#define ROWS_AT_ONCE  4096
#define BYTES_AT_ONCE ((size_t)64 << 20) /* of one chunk: fewer rows when they are large */

struct npy {
    struct mlo_predict *p;
    int fd;
    uint64_t offset, rows;
    struct mlo_array row; /* type and shape; dims[0] is set for each chunk */
    size_t row_n, row_bytes, step;
    struct mlo_turns *turns;
    atomic_uint_least64_t next; /* chunk */
    atomic_bool failed;
};

bool mlo_is_npy(const char *path)
{
    char head[6] = "";
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 && pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
           memcmp(head, "\x93NUMPY", 6) == 0;
}

/* ---- the array ---- */

static int take_shape(struct npy *a, const struct mlo_tensor *t, const char *path, struct mlo_err *err)
{
    if (t->store != MLO_TS_RANGE) {
        mlo_fail(err, MLO_EUNAVAIL, "'%s' is not an array of numbers in C order, low byte first", path);
        return mlo_hint(err, "numpy.save(file, numpy.ascontiguousarray(x)) writes one");
    }
    if (t->rank == 0 || t->rank > MLO_RANK_MAX)
        return mlo_fail(err, MLO_EINVALID, "'%s' has %u dimensions: the first one has to count rows", path,
                        t->rank);
    a->row = (struct mlo_array){.dtype = t->dtype, .rank = t->rank};
    a->rows = t->shape[0];
    a->offset = t->offset;
    a->row_n = 1;
    for (uint32_t i = 1; i < t->rank; i++) {
        a->row.dims[i] = (int64_t)t->shape[i];
        a->row_n *= (size_t)t->shape[i]; /* checked by the reader: the file holds them all */
    }
    a->row_bytes = a->row_n * mlo_dtype_bits(t->dtype) / 8;
    return 0;
}

static int open_array(struct npy *a, const char *path, struct mlo_err *err)
{
    struct mlo_checkpoint cp = {0};
    struct stat st;
    a->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (a->fd < 0 || fstat(a->fd, &st) != 0)
        return mlo_fail_errno(err, "'%s'", path);
    const struct mlo_source src = mlo_source_fd(&a->fd, (uint64_t)st.st_size);
    int rc = mlo_checkpoint_read(&src, &cp, err);
    if (rc != 0)
        rc = mlo_wrap(err, "'%s'", path);
    if (rc == 0 && cp.n_tensors != 1)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' holds no array", path);
    if (rc == 0)
        rc = take_shape(a, &cp.tensors[0], path, err);
    mlo_checkpoint_release(&cp);
    return rc;
}

/* The dimensions behind the rows are those of the model. */
static int check_shape(const struct npy *a, const struct mlo_port_type *in, const char *path,
                       struct mlo_err *err)
{
    char text[MLO_ARRAY_TEXT];
    struct mlo_array whole = a->row;
    whole.dims[0] = (int64_t)a->rows;
    mlo_array_text(&whole, text);
    if (in->has_shape && in->rank != whole.rank) {
        mlo_fail(err, MLO_EINVALID, "'%s' is %s, but the model takes %u dimensions", path, text, in->rank);
        return mlo_hint(err, "`mlopsctl onnx inspect` shows what a model takes");
    }
    for (unsigned i = 1; in->has_shape && i < in->rank; i++)
        if (in->dims[i].size >= 0 && in->dims[i].size != whole.dims[i]) {
            mlo_fail(err, MLO_EINVALID, "'%s' is %s, but the model takes %lld %s", path, text,
                     (long long)in->dims[i].size, in->rank == 2 ? "columns" : "in that place");
            return mlo_hint(err, "`mlopsctl onnx inspect` shows what a model takes");
        }
    return 0;
}

/* ---- chunks ---- */

static int reserve(struct mlo_array *v, const struct npy *a, enum mlo_dtype t, size_t rows,
                   struct mlo_err *err)
{
    size_t bytes = 0;
    void *old = v->data;
    *v = a->row;
    v->dtype = t;
    v->dims[0] = (int64_t)rows;
    v->n = rows * a->row_n;
    v->data = old;
    if (!mlo_array_bytes(t, a->step * a->row_n, &bytes))
        return mlo_fail_nomem(err);
    if (!v->data)
        v->data = mlo_calloc(1, bytes + 64, err);
    return v->data ? 0 : err->code;
}

static void repeat_last(struct mlo_array *v, size_t n, size_t rows, size_t bytes)
{
    char *data = v->data;
    for (size_t r = n; r < rows; r++)
        memcpy(data + r * bytes, data + (n - 1) * bytes, bytes);
}

static int run_chunk(struct npy *a, struct mlo_predict_worker *w, uint64_t from, struct mlo_str *to,
                     struct mlo_err *err)
{
    struct mlo_predict *p = a->p;
    size_t n = a->rows - from < a->step ? (size_t)(a->rows - from) : a->step;
    size_t n_in, rows = p->features.rows ? (size_t)p->features.rows : n;
    const struct mlo_port_type *in = mlo_plan_inputs(p->plan, &n_in);
    const struct mlo_value *out;
    int rc = reserve(&w->rows, a, a->row.dtype, rows, err);
    if (rc == 0)
        rc = reserve(&w->input, a, in->dtype, rows, err);
    if (rc == 0)
        rc = mlo_read_exact_at(a->fd, w->rows.data, n * a->row_bytes, a->offset + from * a->row_bytes, err);
    if (rc != 0)
        return rc;
    repeat_last(&w->rows, n, rows, a->row_bytes);
    rc = mlo_feed_array(&w->rows, &w->input, err);
    const struct mlo_value value = {.kind = MLO_KIND_ARRAY, .array = w->input};
    if (rc == 0)
        rc = mlo_session_run(w->session, &value, 1, &out, err);
    if (rc == 0)
        rc = mlo_predict_settle(p, out, rows, err);
    return rc == 0 ? mlo_answers_write(p->answers, out, n, NULL, NULL, 0, to, err) : rc;
}

/* One worker: chunk after chunk, each in its turn. */
static int run_chunks(struct npy *a, struct mlo_predict_worker *w, struct mlo_err *err)
{
    int rc = 0;
    for (uint64_t k; rc == 0 && !a->failed && (k = a->next++) < (a->rows + a->step - 1) / a->step;) {
        struct mlo_turn *one = NULL;
        rc = mlo_turns_take(a->turns, &one, err);
        if (rc != 0)
            break;
        rc = run_chunk(a, w, k * a->step, &one->text, err);
        if (rc == 0)
            rc = mlo_turns_hand_in(a->turns, one, k, err);
        else
            mlo_turns_drop(one);
    }
    return rc;
}

static int work(void *ctx, size_t worker, struct mlo_err *err)
{
    struct npy *a = ctx;
    int rc = run_chunks(a, &a->p->workers[worker], err);
    if (rc != 0) {
        a->failed = true;
        mlo_turns_stop(a->turns);
    }
    return rc;
}

static int run_all(struct npy *a, struct mlo_err *err)
{
    struct mlo_predict *p = a->p;
    int rc = mlo_turns_new(mlo_predict_put, p, &a->turns, err);
    if (rc == 0)
        rc = mlo_parallel(p->n_workers, p->n_workers, work, a, err);
    mlo_turns_free(a->turns);
    p->rows = a->rows;
    return rc;
}

static void choose_step(struct npy *a)
{
    const struct mlo_predict *p = a->p;
    size_t fitting = BYTES_AT_ONCE / (a->row_bytes + 1) + 1;
    a->step = p->args->batch ? (size_t)p->args->batch : ROWS_AT_ONCE;
    a->step = a->step < fitting ? a->step : fitting;
    if (p->features.rows)
        a->step = (size_t)p->features.rows;
}

int mlo_predict_npy(struct mlo_predict *p, struct mlo_ctx *ctx, const char *path, struct mlo_err *err)
{
    struct npy a = {.p = p, .fd = -1};
    size_t n_in;
    unsigned threads = p->args->threads ? (unsigned)p->args->threads : mlo_cpu_count();
    const struct mlo_port_type *in = mlo_plan_inputs(p->plan, &n_in);
    int rc = n_in == 1
                 ? 0
                 : mlo_fail(err, MLO_EUSAGE, "'%s' is one array, and the model has %zu inputs", path, n_in);
    if (rc == 0 && (p->args->keep.n || p->args->features.n))
        rc = mlo_fail(err, MLO_EUSAGE,
                      "'%s' has no names of columns: --keep and --features do not go with it", path);
    if (rc == 0)
        rc = open_array(&a, path, err);
    if (rc == 0)
        rc = check_shape(&a, in, path, err);
    if (rc == 0 && p->args->limit && a.rows > p->args->limit)
        a.rows = p->args->limit;
    choose_step(&a);
    if (rc == 0)
        rc = mlo_predict_choose(p, ctx, "npy", err);
    if (rc == 0)
        rc = mlo_predict_start(p, threads, err);
    if (rc == 0)
        rc = run_all(&a, err);
    if (rc == 0)
        rc = mlo_predict_finish(p, err);
    mlo_cleanup_close(&a.fd);
    return rc;
}
