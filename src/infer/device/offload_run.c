/* Runs of a session on a device: programs by shape, the CPU's part before and after, what goes wrong. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "crossover.h"
#include "offload_program.h"

#define PROGRAMS_MAX 16 /* of a session */
/* How far the device may be from the CPU, in parts of the largest number of an output. */
static const double agrees[] = {
    [MLO_OFFLOAD_F32] = 1e-3,  [MLO_OFFLOAD_TF32] = 1e-2, [MLO_OFFLOAD_F16] = 2e-2,
    [MLO_OFFLOAD_BF16] = 6e-2, [MLO_OFFLOAD_INT8] = 0.1,  [MLO_OFFLOAD_FP8] = 0.15};
/* Of a quantised model in any floats: where a number lies between two bytes, the last digit of a float
 * chooses. */
#define AGREES_QUANTIZED 3e-2

struct mlo_offload_programs {
    struct mlo_program *list[PROGRAMS_MAX]; /* the last used first */
    struct mlo_device_in *in;
    struct mlo_device_out *out;
    size_t in_cap, out_cap;
    bool ran; /* the last run of the session was the first program's of the list */
};

void mlo_offload_programs_free(struct mlo_session *s)
{
    struct mlo_offload_programs *all = s->programs;
    if (!all)
        return;
    for (size_t i = 0; i < PROGRAMS_MAX; i++)
        mlo_program_free(s->plan->offload, all->list[i]);
    free(all->in);
    free(all->out);
    free(all);
    s->programs = NULL;
}

/* ---- finding ---- */

/* Of the inputs of a request, which all begin with the same dimension. */
static size_t rows_for(const struct mlo_offload *o, const struct mlo_value *in, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += mlo_row_bytes(&in[i].array, 1);
    return mlo_piece_rows(o, (size_t)in[0].array.dims[0], bytes);
}

static bool fits_packed(const struct mlo_program *p, const struct mlo_packed *packed)
{
    struct mlo_packed_room room = mlo_packed_room(packed);
    const struct mlo_packed_room *has = &p->room;
    return has->rows == room.rows && has->sequences == room.sequences && has->longest == room.longest &&
           has->pooling == room.pooling && has->normalize == room.normalize;
}

static bool fits(const struct mlo_offload *o, const struct mlo_program *p, const struct mlo_value *in,
                 size_t n)
{
    if (p->room.rows)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct mlo_array *a = &in[i].array, *b = &p->inputs[i];
        bool same = a->dtype == b->dtype && a->rank == b->rank;
        for (unsigned d = 0; same && d < a->rank; d++)
            same = (d == 0 && p->rows) || a->dims[d] == b->dims[d];
        if (!same || (p->rows && (a->dims[0] == 0 || a->dims[0] != in[0].array.dims[0])))
            return false;
    }
    return !p->rows || rows_for(o, in, n) == p->rows;
}

static struct mlo_program *find(struct mlo_session *s, const struct mlo_value *in, size_t n)
{
    struct mlo_offload_programs *all = s->programs;
    for (size_t i = 0; i < PROGRAMS_MAX && all->list[i]; i++)
        if (s->packed ? fits_packed(all->list[i], s->packed) : fits(s->plan->offload, all->list[i], in, n)) {
            struct mlo_program *p = all->list[i];
            memmove(all->list + 1, all->list, i * sizeof(struct mlo_program *));
            return all->list[0] = p;
        }
    return NULL;
}

struct mlo_program *mlo_offload_last(const struct mlo_session *s)
{
    return s->programs && s->programs->ran ? s->programs->list[0] : NULL;
}

static void add(struct mlo_session *s, struct mlo_program *p)
{
    struct mlo_program **list = s->programs->list;
    mlo_program_free(s->plan->offload, list[PROGRAMS_MAX - 1]);
    memmove(list + 1, list, (PROGRAMS_MAX - 1) * sizeof(struct mlo_program *));
    list[0] = p;
}

/* ---- a run ---- */

struct run {
    struct mlo_session *s;
    struct mlo_program *p;
    struct mlo_frame *f;
    size_t rows; /* of the inputs, when the program goes by rows */
};

static int run_step(struct mlo_session *s, struct mlo_frame *f, size_t i, struct mlo_err *err)
{
    return s->packed ? mlo_packed_step_run(s, f, i, err) : mlo_step_run(s, f, &s->plan->graph->steps[i], err);
}

static int run_placed(struct run *r, enum mlo_place place, struct mlo_err *err)
{
    const struct mlo_offload *o = r->s->plan->offload;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->graph->n_steps; i++)
        if (o->steps[i].place == place)
            rc = run_step(r->s, r->f, i, err);
    return rc;
}

/* Sequences that the request has not are empty. */
static struct mlo_device_in list_first(const struct run *r)
{
    const struct mlo_packed *packed = r->s->packed;
    size_t n = r->p->room.sequences + 1;
    for (size_t i = 0; i < n; i++)
        r->p->first[i] = (int32_t)packed->first[i < packed->n ? i : packed->n];
    return (struct mlo_device_in){r->p->first, n};
}

static int list_inputs(struct run *r, struct mlo_err *err)
{
    struct mlo_offload_programs *all = r->s->programs;
    int rc = mlo_grow(&all->in, &all->in_cap, r->p->n_in + 1, sizeof *all->in, err);
    for (size_t i = 0; rc == 0 && i < r->p->n_in; i++) {
        const struct mlo_program_in *in = &r->p->in[i];
        if (in->value == MLO_NO_VALUE) {
            all->in[i] = list_first(r);
            continue;
        }
        const struct mlo_array *a = &r->f->values[in->value].array;
        uint64_t n = in->each ? in->each * r->rows : in->n;
        if (!in->fixed && a->n != n)
            rc = mlo_fail(err, MLO_EUNAVAIL, "a value is of another size than in the first run");
        all->in[i] = (struct mlo_device_in){in->fixed ? in->fixed : a->data, n};
    }
    return rc;
}

static struct mlo_array rows_now(const struct run *r, const struct mlo_program_out *out, struct mlo_array a)
{
    size_t room = out->by_sequences ? r->p->room.sequences : r->p->rows;
    size_t now = out->by_sequences ? r->s->packed->n : r->rows;
    if (out->by_rows || out->by_sequences) {
        a.n = a.n / room * now;
        a.dims[out->by_rows ? out->axis : 0] = (int64_t)now;
    }
    return a;
}

/* A request in pieces has more rows than the program. */
static int grow_sums(struct mlo_program_out *out, size_t n, struct mlo_err *err)
{
    if (!out->sums || n <= out->sums_n)
        return 0;
    void *more = mlo_calloc(n, mlo_element_size(out->shape.dtype), err);
    if (!more)
        return err->code;
    free(out->sums);
    out->sums = more;
    out->sums_n = n;
    return 0;
}

static int list_outputs(struct run *r, struct mlo_err *err)
{
    struct mlo_offload_programs *all = r->s->programs;
    int rc = mlo_grow(&all->out, &all->out_cap, r->p->n_out + 1, sizeof *all->out, err);
    for (size_t i = 0; rc == 0 && i < r->p->n_out; i++) {
        struct mlo_program_out *out = &r->p->out[i];
        struct mlo_array a = rows_now(r, out, out->shape);
        struct mlo_value *v = out->sums ? NULL : &r->f->values[out->value];
        rc = v ? mlo_value_new(r->s, v, a.dtype, a.dims, a.rank, err) : grow_sums(out, a.n, err);
        all->out[i] = (struct mlo_device_out){v ? v->array.data : out->sums, a.n};
    }
    return rc;
}

/* Trees on the CPU look at the shape of their input, whose numbers are on the device. */
static int finish_sums(struct run *r, const struct mlo_program_out *out, struct mlo_err *err)
{
    const struct mlo_step *step = &r->s->plan->offload->graph->steps[out->step];
    struct mlo_value *x = &r->f->values[step->in[0]];
    if (x->kind == MLO_KIND_UNKNOWN)
        *x = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = rows_now(r, out, out->x)};
    return mlo_step_finish(r->s, r->f, step, out->sums, err);
}

/* ---- requests in pieces ---- */

struct piece { /* rows from..from + n of lists of all rows; lists of its own */
    struct run *r;
    size_t from, n;
    struct mlo_device_in *in;
    struct mlo_device_out *out;
};

static void list_piece(struct piece *p, size_t number)
{
    const struct mlo_program *program = p->r->p;
    const struct mlo_offload_programs *all = p->r->s->programs;
    p->from = number * program->rows;
    p->n = p->r->rows - p->from < program->rows ? p->r->rows - p->from : program->rows;
    for (size_t i = 0; i < program->n_in; i++) {
        const struct mlo_program_in *in = &program->in[i];
        size_t size = mlo_element_size(p->r->f->values[in->value].array.dtype);
        p->in[i] = all->in[i];
        if (in->each)
            p->in[i] = (struct mlo_device_in){(const char *)all->in[i].data + p->from * in->each * size,
                                              p->n * in->each};
    }
    for (size_t i = 0; i < program->n_out; i++) {
        const struct mlo_program_out *out = &program->out[i];
        size_t each = out->shape.n / program->rows, size = mlo_element_size(out->shape.dtype);
        p->out[i] = all->out[i];
        if (out->by_rows)
            p->out[i] = (struct mlo_device_out){(char *)all->out[i].data + p->from * each * size,
                                                p->n * each};
    }
}

static size_t pieces_of(const struct run *r)
{
    return (r->rows - 1) / r->p->rows + 1;
}

/* A piece is put in while the one before is computed. The result: of the device. */
static int run_each_piece(struct piece *p, const struct mlo_device_api *api, char *reason)
{
    struct mlo_device_run *run = p->r->p->run;
    size_t pieces = pieces_of(p->r);
    list_piece(p, 0);
    int status = api->program_begin(run, p->in, reason);
    for (size_t i = 0; i < pieces && status == MLO_DEVICE_OK; i++) {
        if (i + 1 < pieces) {
            list_piece(p, i + 1);
            status = api->program_begin(run, p->in, reason);
        }
        list_piece(p, i);
        if (status == MLO_DEVICE_OK)
            status = api->program_end(run, p->out, reason);
    }
    return status;
}

static int run_pieces(struct run *r, char *reason, int *ret_status, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_device_in *in = mlo_calloc(r->p->n_in + 1, sizeof *in, err);
    MLO_AUTOFREE struct mlo_device_out *out = in ? mlo_calloc(r->p->n_out + 1, sizeof *out, err) : NULL;
    struct piece p = {.r = r, .in = in, .out = out};
    if (!out)
        return err->code;
    *ret_status = run_each_piece(&p, r->s->plan->offload->opts.api, reason);
    return 0;
}

/* *ret_status: of the device; what went wrong on the CPU is the result. */
static int run_program(struct run *r, int *ret_status, char *reason, struct mlo_err *err)
{
    struct mlo_offload_programs *all = r->s->programs;
    const struct mlo_device_api *api = r->s->plan->offload->opts.api;
    int rc = run_placed(r, MLO_PLACE_BEFORE, err);
    if (rc == 0)
        rc = list_inputs(r, err);
    if (rc == 0)
        rc = list_outputs(r, err);
    if (rc != 0)
        return rc;
    if (r->p->in_pieces)
        rc = run_pieces(r, reason, ret_status, err);
    else
        *ret_status = api->program_run(r->p->run, all->in, all->out, reason);
    r->p->pieces = r->p->in_pieces ? pieces_of(r) : 1;
    if (rc != 0 || *ret_status != MLO_DEVICE_OK)
        return rc;
    for (size_t i = 0; rc == 0 && i < r->p->n_out; i++)
        rc = r->p->out[i].sums ? finish_sums(r, &r->p->out[i], err) : 0;
    return rc == 0 ? run_placed(r, MLO_PLACE_AFTER, err) : rc;
}

/* ---- what goes wrong ---- */

/* A device that failed once is not asked again; one that is only full may serve other shapes. */
static void note_failure(struct mlo_session *s, struct mlo_program *p, int status, const char *reason)
{
    struct mlo_offload *o = s->plan->offload;
    bool is_full = status == MLO_DEVICE_MEMORY;
    snprintf(p->why, sizeof p->why, "%s: %s",
             status == MLO_DEVICE_LOST ? "the device is lost"
             : is_full                 ? "the device's memory is full"
                                       : "the device failed",
             reason);
    o->opts.api->program_free(mlo_steal(&p->run));
    mlo_offload_blame(o, !is_full, p->why);
}

/* The CPU's turn, or an error. */
static int leave_it(struct mlo_session *s, const char *why, struct mlo_err *err)
{
    struct mlo_offload *o = s->plan->offload;
    mlo_offload_blame(o, false, why);
    if (o->opts.must) {
        mlo_fail(err, MLO_EUNAVAIL, "the model cannot be run on the device: %s", why);
        return mlo_hint(err, "--backend auto takes the CPU where the device cannot");
    }
    pthread_mutex_lock(&o->lock);
    o->state.cpu_runs++;
    pthread_mutex_unlock(&o->lock);
    return 0;
}

static size_t rows_of(const struct mlo_session *s, const struct mlo_value *in)
{
    return s->packed ? s->packed->first[s->packed->n] : (size_t)in[0].array.dims[0];
}

static bool is_output(const struct mlo_session *s, size_t i)
{
    return !s->packed || s->plan->packing->outputs[i];
}

static int run_once(struct mlo_session *s, struct mlo_program *p, const struct mlo_value *in,
                    struct mlo_value *out, bool *ret_done, struct mlo_err *err)
{
    const struct mlo_graph *g = s->plan->graph->graph;
    struct run r = {.s = s, .p = p, .rows = p->rows ? rows_of(s, in) : 0};
    char reason[MLO_DEVICE_REASON] = "";
    int status = MLO_DEVICE_OK, rc = mlo_session_frame(s, in, g->n_inputs, &r.f, err);
    if (rc != 0)
        return rc;
    rc = run_program(&r, &status, reason, err);
    *ret_done = rc == 0 && status == MLO_DEVICE_OK;
    for (size_t i = 0; *ret_done && i < g->n_outputs; i++)
        if (is_output(s, i))
            mlo_value_share(&out[i], &r.f->values[g->outputs[i]]);
    mlo_frame_give(s, r.f);
    if (status != MLO_DEVICE_OK)
        note_failure(s, p, status, reason);
    return rc;
}

/* ---- the first run of a shape ---- */

static void note_shapes(const struct mlo_frame *f, const struct mlo_step *step, struct mlo_array *shape)
{
    for (size_t i = 0; i < step->n_out; i++)
        if (step->out[i] != MLO_NO_VALUE && f->values[step->out[i]].kind == MLO_KIND_ARRAY) {
            shape[step->out[i]] = f->values[step->out[i]].array;
            shape[step->out[i]].data = NULL;
        }
}

/* What depends on shapes alone stays in the frame: some of it goes to the device as it is. */
static void drop_dead(struct mlo_session *s, struct mlo_frame *f, const struct mlo_step *step)
{
    for (size_t i = 0; i < step->n_dead; i++)
        if (s->plan->offload->places[step->dead[i]] != MLO_PLACE_SHAPE)
            mlo_value_drop(s, &f->values[step->dead[i]]);
}

static int run_on_cpu(struct mlo_session *s, struct mlo_frame *f, struct mlo_array *shape,
                      struct mlo_err *err)
{
    const struct mlo_plan_graph *g = s->plan->graph;
    int rc = 0;
    for (size_t i = 0; i < g->graph->n_values; i++)
        if (f->values[i].kind == MLO_KIND_ARRAY)
            shape[i] = f->values[i].array;
    for (size_t i = 0; rc == 0 && i < g->n_steps; i++) {
        rc = run_step(s, f, i, err);
        if (rc == 0)
            note_shapes(f, &g->steps[i], shape);
        drop_dead(s, f, &g->steps[i]);
    }
    return rc;
}

/* How far the floats of b are from those of a, in parts of the largest of a; no number fits to a number. */
static double distance(const struct mlo_array *a, const struct mlo_array *b)
{
    const float *x = a->data, *y = b->data;
    double most = 1e-6, off = 0;
    for (size_t i = 0; i < a->n; i++) {
        double d = x[i] == y[i] || (isnan(x[i]) && isnan(y[i])) ? 0 : fabs((double)x[i] - (double)y[i]);
        off = d > off || isnan(d) ? (isnan(d) ? (double)INFINITY : d) : off;
        most = isfinite(x[i]) && fabs((double)x[i]) > most ? fabs((double)x[i]) : most;
    }
    return off / most;
}

static bool agree(const struct mlo_session *s, const struct mlo_value *cpu, const struct mlo_value *device,
                  struct mlo_program *p)
{
    const struct mlo_offload *o = s->plan->offload;
    double most = agrees[o->opts.precision];
    most = o->quantized ? fmax(most, AGREES_QUANTIZED) : most;
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        const struct mlo_array *a = &cpu[i].array, *b = &device[i].array;
        bool is_float = cpu[i].kind == MLO_KIND_ARRAY && a->dtype == MLO_DT_F32;
        bool alike = cpu[i].kind == device[i].kind && (!is_float || mlo_array_same_shape(a, b));
        double off = !alike ? (double)INFINITY : is_float ? distance(a, b) : 0;
        if (off > most) {
            snprintf(p->why, sizeof p->why,
                     "what the device answers is not what the CPU does: output '%.64s' is off by %.2g",
                     s->plan->outputs[i].name, off);
            return false;
        }
    }
    return true;
}

/* p has been run on the CPU, which said `cpu`: does the device say the same? */
static int try_program(struct mlo_session *s, struct mlo_program *p, const struct mlo_value *in,
                       const struct mlo_value *cpu, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_value *out = mlo_calloc(s->plan->n_outputs + 1, sizeof *out, err);
    bool done = false;
    int rc = out ? run_once(s, p, in, out, &done, err) : err->code;
    if (done && !agree(s, cpu, out, p)) {
        s->plan->offload->opts.api->program_free(mlo_steal(&p->run));
        mlo_offload_blame(s->plan->offload, true, p->why);
    }
    for (size_t i = 0; out && i < s->plan->n_outputs; i++)
        mlo_value_drop(s, &out[i]);
    return rc;
}

static int keep_output(struct mlo_session *s, const struct mlo_frame *f, size_t i, struct mlo_value *ret,
                       struct mlo_err *err)
{
    if (!is_output(s, i))
        return 0;
    if (s->packed)
        return mlo_packed_output(s, f, i, ret, err);
    mlo_value_share(ret, &f->values[f->graph->graph->outputs[i]]);
    return 0;
}

/* A program for this shape, by what the CPU does with it. */
static int learn(struct mlo_session *s, const struct mlo_value *in, struct mlo_program **ret,
                 struct mlo_err *err)
{
    const struct mlo_graph *g = s->plan->graph->graph;
    MLO_AUTOFREE struct mlo_array *shape = mlo_calloc(g->n_values + 1, sizeof *shape, err);
    MLO_AUTOFREE struct mlo_array *inputs = mlo_calloc(g->n_inputs + 1, sizeof *inputs, err);
    MLO_AUTOFREE struct mlo_value *cpu = mlo_calloc(g->n_outputs + 1, sizeof *cpu, err);
    struct mlo_frame *f = NULL;
    struct mlo_program *p = NULL;
    int rc = shape && inputs && cpu ? mlo_session_frame(s, in, g->n_inputs, &f, err) : err->code;
    for (size_t i = 0; rc == 0 && i < g->n_inputs; i++)
        inputs[i] = in[i].array;
    if (rc == 0)
        rc = run_on_cpu(s, f, shape, err);
    if (rc == 0)
        rc = mlo_program_make(s->plan->offload, &(struct mlo_learned){inputs, shape, f}, s->packed, &p, err);
    for (size_t i = 0; rc == 0 && i < g->n_outputs; i++)
        rc = keep_output(s, f, i, &cpu[i], err);
    if (f)
        mlo_frame_give(s, f);
    if (rc == 0 && p->run)
        rc = try_program(s, p, in, cpu, err);
    for (size_t i = 0; cpu && i < g->n_outputs; i++)
        mlo_value_drop(s, &cpu[i]);
    if (rc != 0) {
        mlo_program_free(s->plan->offload, p);
        return rc;
    }
    if (!p->run)
        mlo_offload_blame(s->plan->offload, false, p->why);
    add(s, p);
    *ret = p;
    return 0;
}

/* ---- which side is faster ---- */

struct measuring {
    struct mlo_session *s;
    const struct mlo_value *in;     /* of the first request */
    const struct mlo_packed *given; /* of it; NULL: ordinary rows */
    struct mlo_value *tiled;        /* the same rows, as many as are asked for */
    struct mlo_packed packed;       /* sequences of them */
    size_t *first;                  /* of these; owned */
    size_t n_in;
};

/* The rows of the request again and again. */
static int tile(struct measuring *m, size_t rows, struct mlo_err *err)
{
    for (size_t i = 0; i < m->n_in; i++) {
        const struct mlo_array *from = &m->in[i].array;
        struct mlo_array *to = &m->tiled[i].array;
        size_t row = from->n / (size_t)from->dims[0], bytes = row * mlo_element_size(from->dtype);
        free(to->data);
        *to = *from;
        to->dims[0] = (int64_t)rows;
        to->n = row * rows;
        to->data = mlo_calloc(rows, bytes ? bytes : 1, err);
        m->tiled[i].kind = MLO_KIND_ARRAY;
        if (!to->data)
            return err->code;
        for (size_t k = 0; k < rows && bytes; k++)
            memcpy((char *)to->data + k * bytes, (const char *)from->data + k % (size_t)from->dims[0] * bytes,
                   bytes);
    }
    return 0;
}

/* Sequence after sequence, the last one cut. */
static int tile_sequences(struct measuring *m, size_t rows, struct mlo_err *err)
{
    const struct mlo_packed *from = m->given;
    free(m->first);
    m->first = mlo_calloc(rows + 1, sizeof *m->first, err);
    if (!m->first)
        return err->code;
    size_t n = 0;
    for (size_t i = 0, at = 0; at < rows; i = (i + 1) % from->n) {
        size_t length = from->first[i + 1] - from->first[i];
        at += length < rows - at ? length : rows - at;
        n += length > 0;
        m->first[n] = at;
    }
    m->packed = (struct mlo_packed){n, m->first, from->pooling, from->normalize};
    return 0;
}

/* Rows of packed sequences again and again are these sequences again and again. */
static int tile_packed(struct measuring *m, size_t rows, struct mlo_err *err)
{
    size_t all = m->given->first[m->given->n];
    int rc = tile_sequences(m, rows, err);
    for (size_t i = 0; rc == 0 && i < m->n_in; i++) {
        const struct mlo_array *from = &m->in[i].array;
        struct mlo_array *to = &m->tiled[i].array;
        size_t each = mlo_element_size(from->dtype);
        free(to->data);
        *to = *from;
        to->dims[1] = (int64_t)rows;
        to->n = rows;
        to->data = mlo_calloc(rows, each, err);
        m->tiled[i].kind = MLO_KIND_ARRAY;
        rc = to->data ? 0 : err->code;
        for (size_t k = 0; rc == 0 && k < rows; k++)
            memcpy((char *)to->data + k * each, (const char *)from->data + k % all * each, each);
    }
    return rc;
}

static int tile_once(struct measuring *m, size_t rows, struct mlo_err *err)
{
    const struct mlo_array *has = &m->tiled[0].array;
    if (has->data && (size_t)has->dims[m->given ? 1 : 0] == rows)
        return 0;
    return m->given ? tile_packed(m, rows, err) : tile(m, rows, err);
}

static int measure_cpu(void *ctx, size_t rows, struct mlo_err *err)
{
    struct measuring *m = ctx;
    const struct mlo_value *out;
    int rc = tile_once(m, rows, err);
    m->s->on_cpu = true;
    if (rc == 0)
        rc = m->given ? mlo_session_run_packed(m->s, m->tiled, m->n_in, &m->packed, &out, err)
                      : mlo_session_run(m->s, m->tiled, m->n_in, &out, err);
    m->s->on_cpu = false;
    return rc;
}

static int measure_device(void *ctx, size_t rows, struct mlo_err *err)
{
    struct measuring *m = ctx;
    struct mlo_session *s = m->s;
    MLO_AUTOFREE struct mlo_value *out = mlo_calloc(s->plan->n_outputs + 1, sizeof *out, err);
    bool done = false;
    int rc = out ? tile_once(m, rows, err) : err->code;
    s->packed = m->given ? &m->packed : NULL;
    struct mlo_program *p = rc == 0 ? find(s, m->tiled, m->n_in) : NULL;
    if (rc == 0 && !p && !mlo_offload_broken(s->plan->offload))
        rc = learn(s, m->tiled, &p, err);
    if (rc == 0 && p && p->run)
        rc = run_once(s, p, m->tiled, out, &done, err);
    for (size_t i = 0; out && i < s->plan->n_outputs; i++)
        mlo_value_drop(s, &out[i]);
    s->packed = m->given;
    return rc == 0 && !done ? mlo_fail(err, MLO_EUNAVAIL, "the device cannot do %zu rows", rows) : rc;
}

static int64_t now(void *ctx)
{
    (void)ctx;
    return mlo_time_mono();
}

/* All inputs begin with the same open dimension. */
static bool has_rows(const struct mlo_session *s, const struct mlo_value *in)
{
    if (s->packed)
        return true;
    for (size_t i = 0; i < s->plan->n_inputs; i++) {
        const struct mlo_port_type *p = &s->plan->inputs[i];
        const struct mlo_array *a = &in[i].array;
        if (!p->has_shape || p->rank == 0 || p->dims[0].size >= 0 || a->rank == 0 || a->dims[0] == 0 ||
            a->dims[0] != in[0].array.dims[0] || a->dtype == MLO_DT_STRING)
            return false;
    }
    return s->plan->n_inputs > 0;
}

static struct mlo_crossover *crossover_of(const struct mlo_session *s)
{
    return s->packed ? &s->plan->offload->state.packed : &s->plan->offload->state.crossover;
}

/* By the first session that comes here; others go to the device until it is known. */
static int measure(struct mlo_session *s, const struct mlo_value *in, struct mlo_err *err)
{
    struct mlo_offload *o = s->plan->offload;
    struct mlo_crossover c = {0};
    struct measuring m = {.s = s, .in = in, .given = s->packed, .n_in = s->plan->n_inputs};
    pthread_mutex_lock(&o->lock);
    bool *measured = s->packed ? &o->measured_packed : &o->measured;
    bool mine = !*measured && !o->opts.must;
    *measured = true;
    pthread_mutex_unlock(&o->lock);
    if (!mine || !has_rows(s, in))
        return 0;
    m.tiled = mlo_calloc(m.n_in + 1, sizeof *m.tiled, err);
    const struct mlo_crossover_sides sides = {measure_cpu, measure_device, now, &m};
    int rc = m.tiled ? mlo_crossover_measure(&sides, &c, err) : err->code;
    for (size_t i = 0; m.tiled && i < m.n_in; i++)
        free(m.tiled[i].array.data);
    for (size_t i = 0; i < s->plan->n_outputs; i++) /* what the CPU was measured with */
        mlo_value_drop(s, &s->out[i]);
    free(m.tiled);
    free(m.first);
    pthread_mutex_lock(&o->lock);
    *crossover_of(s) = c;
    pthread_mutex_unlock(&o->lock);
    return rc;
}

/* Is the CPU faster for these rows? */
static bool choose_cpu(struct mlo_session *s, const struct mlo_value *in)
{
    struct mlo_offload *o = s->plan->offload;
    pthread_mutex_lock(&o->lock);
    bool cpu = crossover_of(s)->n > 0 && !mlo_crossover_choose(crossover_of(s), rows_of(s, in));
    o->state.chosen += cpu;
    pthread_mutex_unlock(&o->lock);
    return cpu;
}

/* ---- all ---- */

int mlo_offload_run(struct mlo_session *s, const struct mlo_value *in, const struct mlo_value **ret_out,
                    bool *ret_done, struct mlo_err *err)
{
    struct mlo_offload *o = s->plan->offload;
    if (!s->programs)
        s->programs = mlo_calloc(1, sizeof *s->programs, err);
    if (!s->programs)
        return err->code;
    s->programs->ran = false;
    int rc = measure(s, in, err);
    if (rc != 0)
        return rc;
    if (mlo_offload_broken(o))
        return leave_it(s, o->state.why, err);
    if (!o->opts.must && choose_cpu(s, in))
        return 0;
    struct mlo_program *p = find(s, in, s->plan->n_inputs);
    rc = p ? 0 : learn(s, in, &p, err);
    if (rc == 0 && p->run)
        rc = run_once(s, p, in, s->out, ret_done, err);
    if (rc != 0)
        return rc;
    if (!*ret_done)
        return leave_it(s, p->why, err);
    pthread_mutex_lock(&o->lock);
    o->state.runs++;
    s->programs->ran = true;
    pthread_mutex_unlock(&o->lock);
    *ret_out = s->out;
    return 0;
}
