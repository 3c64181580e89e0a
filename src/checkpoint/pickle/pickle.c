/*
 * The pickle walker: decodes every opcode byte for byte and keeps the unpickler's stack and memo as symbols.
 * It builds nothing and imports nothing; it learns which names a real unpickler would import and call, and in
 * which order.
 *
 * Invariants. The walk accepts at least what CPython's unpickler accepts, so whatever it calls broken stops a
 * real unpickler at the same opcode or earlier. Every opcode takes at least one byte, so the steps are
 * bounded by the file; stack, memo, kept items and names are bounded by the constants of pickle.h, and what
 * is forgotten reads as a value "not followed", which is never judged harmless when it is imported or called.
 */
#include "pickle.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#define NAMES_MAX ((size_t)1 << 26) /* bytes of all different names */

int mlo_pickle_bad(const struct mlo_pickle *p, struct mlo_err *err, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *op = mlo_pickle_opcodes[p->op].name;
    return mlo_fail(err, MLO_EINVALID, "pickle: %s at byte %llu%s%s%s", text, (unsigned long long)p->op_at,
                    op ? " (opcode " : "", op ? op : "", op ? ")" : "");
}

int mlo_pickle_note(struct mlo_pickle *p, enum mlo_pickle_verdict v, const char *what, struct mlo_err *err)
{
    if (v > p->worst)
        p->worst = v;
    return mlo_cp_find(p->cp, v, p->where, p->op_at, what, err);
}

/* Once per opcode and pickle: a file of a million EXT1 needs one line. */
static int note_opcode(struct mlo_pickle *p, enum mlo_pickle_verdict v, const char *why, struct mlo_err *err)
{
    if (p->told[p->op / 8] & 1u << p->op % 8)
        return 0;
    p->told[p->op / 8] |= (uint8_t)(1u << p->op % 8);
    char what[128];
    snprintf(what, sizeof what, "opcode %s%s%s", mlo_pickle_opcodes[p->op].name, *why ? ": " : "", why);
    return mlo_pickle_note(p, v, what, err);
}

/* ---- names ---- */

static uint32_t hash_name(const char *module, const char *name)
{
    uint32_t h = 2166136261u;
    for (const char *s = module; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    h = (h ^ '.') * 16777619u;
    for (const char *s = name; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

static int report_global(struct mlo_pickle *p, const char *module, const char *name,
                         enum mlo_pickle_verdict v, struct mlo_err *err)
{
    if (v > p->worst)
        p->worst = v;
    if (v <= MLO_VERDICT_TENSOR_ONLY)
        return 0;
    MLO_AUTOSTR struct mlo_str what;
    mlo_str_init(&what, 16 * MLO_PICKLE_NAME_MAX);
    mlo_escape(&what, module, strlen(module));
    mlo_str_addc(&what, '.');
    mlo_escape(&what, name, strlen(name));
    int r = mlo_str_check(&what, err);
    return r < 0 ? r : mlo_pickle_note(p, v, what.ptr, err);
}

static int new_global(struct mlo_pickle *p, const char *module, const char *name, uint32_t *bucket,
                      struct mlo_pv *ret, struct mlo_err *err)
{
    enum mlo_pickle_verdict v = mlo_pickle_judge(module, name);
    int r = report_global(p, module, name, v, err);
    if (r < 0)
        return r;
    if (p->n_globals == MLO_PICKLE_MAX_GLOBALS)
        return mlo_pickle_bad(p, err, "more than %zu different names", MLO_PICKLE_MAX_GLOBALS);
    r = mlo_grow(&p->globals, &p->cap_globals, p->n_globals + 1, sizeof *p->globals, err);
    if (r < 0)
        return r;
    struct mlo_pglobal g = {.verdict = v, .next = *bucket};
    g.module = mlo_arena_strndup(&p->names, module, strlen(module), err);
    g.name = g.module ? mlo_arena_strndup(&p->names, name, strlen(name), err) : NULL;
    if (!g.name)
        return err->code;
    p->globals[p->n_globals++] = g;
    *bucket = (uint32_t)p->n_globals;
    *ret = (struct mlo_pv){.kind = MLO_PV_GLOBAL, .ref = (uint32_t)p->n_globals - 1};
    return 0;
}

/* Letters, digits, underscores and dots, or not ASCII: what an import can find. Data mistaken for a pickle
 * has others. */
static bool plausible(const struct mlo_str *s)
{
    for (size_t i = 0; i < s->len; i++) {
        uint8_t c = (uint8_t)s->ptr[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '<' && c != '>' && c < 0x80)
            return false;
    }
    return s->len > 0;
}

int mlo_pickle_import(struct mlo_pickle *p, const struct mlo_str *module, const struct mlo_str *name,
                      struct mlo_pv *ret, struct mlo_err *err)
{
    p->imports += plausible(module) && plausible(name);
    *ret = (struct mlo_pv){.kind = MLO_PV_UNKNOWN};
    if (memchr(module->ptr, '\0', module->len) || memchr(name->ptr, '\0', name->len))
        return mlo_pickle_note(p, MLO_VERDICT_DANGEROUS, "global with a NUL in its name", err);
    uint32_t *bucket = &p->buckets[hash_name(module->ptr, name->ptr) % MLO_COUNT(p->buckets)];
    for (uint32_t i = *bucket; i; i = p->globals[i - 1].next) {
        const struct mlo_pglobal *g = &p->globals[i - 1];
        if (strcmp(g->module, module->ptr) == 0 && strcmp(g->name, name->ptr) == 0) {
            if (g->verdict > p->worst)
                p->worst = g->verdict;
            *ret = (struct mlo_pv){.kind = MLO_PV_GLOBAL, .ref = i - 1};
            return 0;
        }
    }
    return new_global(p, module->ptr, name->ptr, bucket, ret, err);
}

/* ---- decoding ---- */

int mlo_pickle_bytes(struct mlo_pickle *p, uint64_t at, size_t n, void *buf, struct mlo_err *err)
{
    const struct mlo_win *w = &p->win;
    if (n == 0)
        return 0;
    if (w->buf && at >= w->start && at - w->start <= w->have && n <= w->have - (at - w->start)) {
        memcpy(buf, w->buf + (at - w->start), n);
        return 0;
    }
    return mlo_source_read(p->src, buf, n, at, err);
}

/* To the next newline, however far: nothing is kept of the line but its place. */
static int take_line(struct mlo_pickle *p, uint64_t *ret_at, uint64_t *ret_len, struct mlo_err *err)
{
    *ret_at = p->win.pos;
    for (;;) {
        const uint8_t *s;
        size_t n;
        int r = mlo_win_some(&p->win, &s, &n, err);
        if (r < 0)
            return r;
        if (n == 0)
            return mlo_pickle_bad(p, err, "line without an end");
        const uint8_t *nl = memchr(s, '\n', n);
        r = mlo_win_skip(&p->win, nl ? (uint64_t)(nl - s) + 1 : n, err);
        if (r < 0)
            return r;
        if (nl) {
            *ret_len = p->win.pos - 1 - *ret_at;
            return 0;
        }
    }
}

static int take_number(struct mlo_pickle *p, size_t n, struct mlo_parg *ret, struct mlo_err *err)
{
    uint8_t b[8] = {0};
    int r = mlo_win_read(&p->win, b, n, err);
    if (r == 0)
        ret->n = mlo_le64(b);
    return r;
}

static int take_data(struct mlo_pickle *p, size_t n, bool is_signed, struct mlo_parg *ret,
                     struct mlo_err *err)
{
    int r = take_number(p, n, ret, err);
    if (r < 0)
        return r;
    if (is_signed && ret->n > INT32_MAX)
        return mlo_pickle_bad(p, err, "negative length");
    if (ret->n > mlo_win_left(&p->win))
        return mlo_pickle_bad(p, err, "length %llu, but %llu bytes are left", (unsigned long long)ret->n,
                              (unsigned long long)mlo_win_left(&p->win));
    ret->at = p->win.pos;
    ret->len = ret->n;
    return mlo_win_skip(&p->win, ret->n, err);
}

static int take_argument(struct mlo_pickle *p, enum mlo_parg_kind kind, struct mlo_parg *a,
                         struct mlo_err *err)
{
    int r;
    switch (kind) {
    case MLO_PA_BAD:
        return mlo_pickle_bad(p, err, "no opcode 0x%02x", p->op);
    case MLO_PA_NONE:
        return 0;
    case MLO_PA_U1:
        return take_number(p, 1, a, err);
    case MLO_PA_U2:
        return take_number(p, 2, a, err);
    case MLO_PA_U4:
        return take_number(p, 4, a, err);
    case MLO_PA_I4:
        r = take_number(p, 4, a, err);
        a->n = (uint64_t)(int64_t)(int32_t)(uint32_t)a->n;
        return r;
    case MLO_PA_U8:
    case MLO_PA_F8:
        return take_number(p, 8, a, err);
    case MLO_PA_LINE:
        return take_line(p, &a->at, &a->len, err);
    case MLO_PA_LINES:
        r = take_line(p, &a->at, &a->len, err);
        return r < 0 ? r : take_line(p, &a->at2, &a->len2, err);
    case MLO_PA_DATA1:
        return take_data(p, 1, false, a, err);
    case MLO_PA_DATA4:
        return take_data(p, 4, false, a, err);
    case MLO_PA_DATA4S:
        return take_data(p, 4, true, a, err);
    case MLO_PA_DATA8:
        return take_data(p, 8, false, a, err);
    }
    return mlo_fail(err, MLO_EINTERNAL, "pickle: argument kind %d", (int)kind);
}

/* ---- rules about one opcode as such ---- */

static enum mlo_pickle_verdict opcode_verdict(const struct mlo_pickle *p, const char **ret_why)
{
    *ret_why = "";
    switch (p->op) {
    case 0x82: /* EXT1 */
    case 0x83:
    case 0x84:
        *ret_why = "imports what the loading program registered";
        return MLO_VERDICT_UNKNOWN;
    case 0x69: /* INST */
    case 0x6F: /* OBJ */
        *ret_why = "builds objects, never written by torch.save";
        return MLO_VERDICT_UNKNOWN;
    case 0x50: /* PERSID */
        *ret_why = "object of the loading program's choice";
        return MLO_VERDICT_UNKNOWN;
    case 0x51: /* BINPERSID */
        *ret_why = "object of the loading program's choice";
        return p->torch ? MLO_VERDICT_TENSOR_ONLY : MLO_VERDICT_UNKNOWN;
    case 0x97: /* NEXT_BUFFER */
    case 0x98:
        *ret_why = "data from outside the file";
        return MLO_VERDICT_UNKNOWN;
    default:
        *ret_why = "plain data, but not of torch.save's set";
        return mlo_pickle_opcodes[p->op].w ? MLO_VERDICT_TENSOR_ONLY : MLO_VERDICT_KNOWN;
    }
}

static int judge_opcode(struct mlo_pickle *p, struct mlo_err *err)
{
    const char *why;
    enum mlo_pickle_verdict v = opcode_verdict(p, &why);
    if (v <= MLO_VERDICT_TENSOR_ONLY || (v == MLO_VERDICT_KNOWN && p->worst >= v))
        return 0; /* one plain opcode outside the set is enough to know */
    return note_opcode(p, v, why, err);
}

/* CPython refused neither a frame in a frame nor an opcode across its end until lately, so both are tricks.
 */
static int judge_frame(struct mlo_pickle *p, struct mlo_err *err)
{
    if (!p->frame_end || p->win.pos <= p->frame_end)
        return 0;
    bool crosses = p->op_at < p->frame_end;
    p->frame_end = 0;
    return crosses ? mlo_pickle_note(p, MLO_VERDICT_UNKNOWN, "opcode crosses the end of its frame", err) : 0;
}

static int step(struct mlo_pickle *p, struct mlo_err *err)
{
    struct mlo_parg a = {0};
    p->op_at = p->win.pos;
    p->op = 0;
    if (mlo_win_left(&p->win) == 0)
        return mlo_pickle_bad(p, err, "no STOP before the end");
    int r = mlo_win_u8(&p->win, &p->op, err);
    if (r == 0)
        r = take_argument(p, mlo_pickle_opcodes[p->op].arg, &a, err);
    if (r == 0)
        r = judge_frame(p, err);
    if (r == 0)
        r = judge_opcode(p, err);
    if (r == 0)
        r = mlo_pickle_opcodes[p->op].run(p, &a, err);
    p->steps += r == 0;
    return r;
}

/* ---- the walk ---- */

void mlo_pickle_init(struct mlo_pickle *p, const struct mlo_source *src, uint64_t pos, uint64_t end,
                     struct mlo_checkpoint *cp, const char *where)
{
    *p = (struct mlo_pickle){.src = src, .cp = cp, .where = where};
    mlo_win_init(&p->win, src, pos, end);
    mlo_arena_init(&p->names, NAMES_MAX);
}

void mlo_pickle_release(struct mlo_pickle *p)
{
    mlo_win_release(&p->win);
    mlo_arena_release(&p->names);
    free(p->stack);
    free(p->marks);
    free(p->memo);
    free(p->cells);
    free(p->nodes);
    free(p->globals);
    *p = (struct mlo_pickle){0};
}

static void begin(struct mlo_pickle *p)
{
    p->n_stack = p->n_marks = 0;
    p->n_memo = p->high_memo = 0;
    p->n_cells = p->n_nodes = 1; /* number 0 means none */
    p->forgot = p->forgot_memo = false;
    p->start = p->win.pos;
    p->frame_end = 0;
    memset(p->told, 0, sizeof p->told);
    p->imports = p->calls = p->steps = 0;
    p->worst = MLO_VERDICT_TENSOR_ONLY;
    p->result = (struct mlo_pv){.kind = MLO_PV_UNKNOWN};
}

int mlo_pickle_next(struct mlo_pickle *p, struct mlo_err *err)
{
    begin(p);
    do {
        int r = step(p, err);
        if (r < 0)
            return r;
    } while (p->op != MLO_PICKLE_STOP);
    if (p->cp->verdict < MLO_VERDICT_TENSOR_ONLY)
        p->cp->verdict = MLO_VERDICT_TENSOR_ONLY;
    return 0;
}
