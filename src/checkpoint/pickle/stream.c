/*
 * Pickles in a row: a file may hold several, a loader stops after the first or goes on, and protocols 0 and 1
 * have no magic number. So bytes are walked on trial, and the findings of a trial count once there is
 * evidence that a loader would take the bytes for a pickle at all.
 */
#include "pickle.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#define TRIAL_STEPS                                                                                          \
    8 /* opcodes in a row that data begins with by chance once in ten thousand times, after a PROTO */
#define SNIFF_BYTES ((uint64_t)1 << 20)

static bool has_finding(const struct mlo_checkpoint *cp, const struct mlo_finding *f)
{
    for (size_t i = 0; i < cp->n_findings; i++)
        if (cp->findings[i].offset == f->offset && strcmp(cp->findings[i].what, f->what) == 0 &&
            strcmp(cp->findings[i].where, f->where) == 0)
            return true;
    return false;
}

int mlo_cp_merge_findings(struct mlo_checkpoint *to, const struct mlo_checkpoint *from, struct mlo_err *err)
{
    int r = 0;
    for (size_t i = 0; i < from->n_findings && r == 0; i++) {
        const struct mlo_finding *f = &from->findings[i];
        if (!has_finding(to, f))
            r = mlo_cp_find(to, f->verdict, f->where, f->offset, f->what, err);
    }
    if (from->verdict > to->verdict)
        to->verdict = from->verdict;
    return r;
}

/* Did p, whose walk ended with `r`, see a pickle? */
static bool evidence(const struct mlo_pickle *p, bool magic, int r)
{
    if (r == 0)
        return magic || p->imports || (p->steps >= 3 && p->win.pos == p->win.end);
    return magic ? p->imports || p->steps >= TRIAL_STEPS : p->imports && p->calls;
}

static int has_magic(const struct mlo_source *src, uint64_t pos, bool *ret, struct mlo_err *err)
{
    uint8_t b[2];
    *ret = false;
    if (src->size - pos < sizeof b)
        return 0;
    int r = mlo_source_read(src, b, sizeof b, pos, err);
    *ret = r == 0 && b[0] == MLO_PICKLE_PROTO && b[1] <= 5;
    return r;
}

/* ---- a run ---- */

struct inner {
    struct mlo_pickle p;
    struct mlo_scan *scan;
};

static int look_into_bytes(void *ctx, uint64_t offset, uint64_t n, struct mlo_err *err)
{
    struct inner *in = ctx;
    char at[40];
    MLO_AUTOSTR struct mlo_str where;
    mlo_str_init(&where, (size_t)1 << 20);
    snprintf(at, sizeof at, "bytes at %llu", (unsigned long long)offset);
    mlo_str_add(&where, in->p.where);
    mlo_str_add(&where, *in->p.where ? "!" : "");
    mlo_str_add(&where, at);
    int r = mlo_str_check(&where, err);
    if (r < 0)
        return r;
    struct mlo_part part = {in->p.src, offset};
    struct mlo_source src = mlo_source_part(&part, n);
    struct mlo_checkpoint *outer = in->scan->cp;
    in->scan->cp = in->p.cp;
    r = mlo_scan_inner(in->scan, &src, where.ptr, err);
    in->scan->cp = outer;
    return r;
}

/* One pickle on trial: 1 when it is one and another may follow, 0 when the run ends here. */
static int try_one(struct inner *in, struct mlo_pickle_run *run, struct mlo_err *err)
{
    struct mlo_checkpoint trial;
    mlo_cp_init(&trial);
    in->p.cp = &trial;
    bool magic = false, real = false;
    int r = has_magic(in->p.src, in->p.win.pos, &magic, err);
    if (r == 0) {
        r = mlo_pickle_next(&in->p, &run->fault);
        real = evidence(&in->p, magic, r);
        if (r < 0 && r != MLO_EINVALID)
            *err = run->fault;
        else if (real)
            r = mlo_cp_merge_findings(in->scan->cp, &trial, err) < 0 ? err->code : r;
    }
    mlo_checkpoint_release(&trial);
    in->p.cp = in->scan->cp;
    if (r < 0 && r != MLO_EINVALID)
        return r;
    run->any = run->any || real;
    if (r == MLO_EINVALID && real)
        return 0;
    run->fault = MLO_ERR_INIT;
    return r == 0 && real;
}

/* The long 0x1950A86A20F9469CFC6C and nothing else. */
static int is_torch_magic(const struct mlo_source *src, uint64_t pos, bool *ret, struct mlo_err *err)
{
    static const uint8_t magic[] = {0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46,
                                    0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E};
    uint8_t b[sizeof magic];
    *ret = false;
    if (src->size - pos < sizeof b)
        return 0;
    int r = mlo_source_read(src, b, sizeof b, pos, err);
    *ret = r == 0 && memcmp(b, magic, sizeof b) == 0;
    return r;
}

static int run_once(struct inner *in, struct mlo_pickle_run *run, struct mlo_err *err)
{
    int r = 0;
    while (mlo_win_left(&in->p.win)) {
        r = try_one(in, run, err);
        if (r <= 0)
            break;
        run->pickles++;
        run->end = in->p.win.pos;
    }
    return r < 0 ? r : 0;
}

/*
 * What follows joblib's array wrapper is opcodes to a plain loader and data to joblib's. Both ways are
 * walked, else one could hide from the other.
 */
int mlo_pickle_run(struct mlo_scan *scan, const struct mlo_source *src, uint64_t pos, const char *where,
                   bool torch, struct mlo_pickle_run *ret, struct mlo_err *err)
{
    struct mlo_pickle_run run = {.end = pos};
    bool again = false;
    int r = is_torch_magic(src, pos, &run.legacy, err);
    for (int way = 0; r == 0 && (way == 0 || (way == 1 && again)); way++) {
        struct inner in = {.scan = scan};
        run = (struct mlo_pickle_run){.end = pos, .legacy = run.legacy, .any = run.any};
        mlo_pickle_init(&in.p, src, pos, src->size, scan->cp, where);
        in.p.torch = torch || run.legacy;
        in.p.joblib = way == 1;
        in.p.on_bytes = look_into_bytes;
        in.p.ctx = &in;
        r = run_once(&in, &run, err);
        again = in.p.saw_joblib;
        mlo_pickle_release(&in.p);
    }
    if (r == 0)
        *ret = run;
    return r;
}

/* ---- the reader of bare pickles, and the look that tells them from other files ---- */

int mlo_pickle_read(const struct mlo_source *src, const char *where, struct mlo_checkpoint *cp,
                    struct mlo_err *err)
{
    struct mlo_pickle_run run;
    struct mlo_scan scan = mlo_scan_begin(src, cp);
    int r = mlo_pickle_run(&scan, src, 0, where, false, &run, err);
    if (r < 0)
        return r;
    if (run.fault.code) {
        *err = run.fault;
        return run.fault.code;
    }
    if (!run.any)
        return mlo_fail(err, MLO_EINVALID, "no pickle at byte 0");
    if (run.end < src->size)
        return mlo_cp_find(cp, MLO_VERDICT_UNKNOWN, where, run.end, "bytes after the pickle", err);
    return 0;
}

int mlo_pickle_sniff(const struct mlo_source *src, enum mlo_format *ret, struct mlo_err *err)
{
    bool legacy;
    struct mlo_checkpoint trial;
    *ret = MLO_FMT_UNKNOWN;
    int r = is_torch_magic(src, 0, &legacy, err);
    if (r < 0)
        return r;
    if (legacy) {
        *ret = MLO_FMT_TORCH_LEGACY;
        return 0;
    }
    bool magic;
    r = has_magic(src, 0, &magic, err);
    if (r < 0)
        return r;
    struct mlo_err fault;
    MLO_AUTOPICKLE struct mlo_pickle p;
    mlo_cp_init(&trial);
    mlo_pickle_init(&p, src, 0, src->size < SNIFF_BYTES ? src->size : SNIFF_BYTES, &trial, "");
    r = mlo_pickle_next(&p, &fault);
    if (evidence(&p, magic, r))
        *ret = MLO_FMT_PICKLE;
    mlo_checkpoint_release(&trial);
    if (r == 0 || r == MLO_EINVALID)
        return 0;
    *err = fault;
    return r;
}
