/* What each opcode does to the walker's stack and memo, and which of these acts are findings. */
#include "pickle.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

/* A memo slot this far beyond those in use is forgotten: writers count up, and growing costs memory. */
#define MEMO_SLACK 256

typedef struct mlo_pv pv;

static pv simple(enum mlo_pv_kind kind)
{
    return (pv){.kind = (uint8_t)kind};
}

/* ---- stack ---- */

static int push(struct mlo_pickle *p, pv v, struct mlo_err *err)
{
    if (p->n_stack == MLO_PICKLE_MAX_STACK)
        return mlo_pickle_bad(p, err, "stack of more than %zu values", MLO_PICKLE_MAX_STACK);
    int r = mlo_grow(&p->stack, &p->cap_stack, p->n_stack + 1, sizeof *p->stack, err);
    if (r == 0)
        p->stack[p->n_stack++] = v;
    return r;
}

/* Values above the last mark: the unpickler takes none from below it. */
static size_t at_hand(const struct mlo_pickle *p)
{
    return p->n_stack - (p->n_marks ? p->marks[p->n_marks - 1] : 0);
}

static int need(const struct mlo_pickle *p, size_t n, struct mlo_err *err)
{
    return at_hand(p) >= n ? 0 : mlo_pickle_bad(p, err, "stack underflow");
}

static int pop(struct mlo_pickle *p, pv *ret, struct mlo_err *err)
{
    int r = need(p, 1, err);
    if (r == 0)
        *ret = p->stack[--p->n_stack];
    return r;
}

/* Gives up the last mark; *ret_from is the first value above it. `below` values must stand under the mark. */
static int pop_mark(struct mlo_pickle *p, size_t below, size_t *ret_from, struct mlo_err *err)
{
    if (p->n_marks == 0)
        return mlo_pickle_bad(p, err, "no MARK");
    size_t from = p->marks[--p->n_marks];
    size_t floor = p->n_marks ? p->marks[p->n_marks - 1] : 0;
    if (from - floor < below)
        return mlo_pickle_bad(p, err, "stack underflow");
    *ret_from = from;
    return 0;
}

/* ---- nodes ---- */

static int new_node(struct mlo_pickle *p, enum mlo_pv_kind kind, uint32_t *ret, struct mlo_err *err)
{
    *ret = 0;
    if (p->n_nodes >= MLO_PICKLE_MAX_NODES) {
        p->forgot = true;
        return 0;
    }
    int r = mlo_grow(&p->nodes, &p->cap_nodes, p->n_nodes + 1, sizeof *p->nodes, err);
    if (r < 0)
        return r;
    p->nodes[p->n_nodes] = (struct mlo_pnode){.kind = (uint8_t)kind, .state = {.kind = MLO_PV_NONE}};
    *ret = (uint32_t)p->n_nodes++;
    return 0;
}

static int add_item(struct mlo_pickle *p, uint32_t node, pv v, struct mlo_err *err)
{
    if (node == 0)
        return 0;
    if (p->n_cells >= MLO_PICKLE_MAX_CELLS) {
        p->forgot = true;
        return 0;
    }
    int r = mlo_grow(&p->cells, &p->cap_cells, p->n_cells + 1, sizeof *p->cells, err);
    if (r < 0)
        return r;
    uint32_t cell = (uint32_t)p->n_cells++;
    struct mlo_pnode *n = &p->nodes[node];
    p->cells[cell] = (struct mlo_pcell){.v = v};
    if (n->last)
        p->cells[n->last].next = cell;
    else
        n->first = cell;
    n->last = cell;
    n->count++;
    return 0;
}

static bool holds_items(pv v)
{
    return v.kind == MLO_PV_LIST || v.kind == MLO_PV_DICT || v.kind == MLO_PV_OBJECT;
}

/* Moves the values from `from` on into the container. */
static int fill(struct mlo_pickle *p, pv container, size_t from, struct mlo_err *err)
{
    int r = 0;
    if (holds_items(container) || container.kind == MLO_PV_TUPLE)
        for (size_t i = from; i < p->n_stack && r == 0; i++)
            r = add_item(p, container.ref, p->stack[i], err);
    p->n_stack = from;
    return r;
}

static int new_container(struct mlo_pickle *p, enum mlo_pv_kind kind, size_t from, struct mlo_err *err)
{
    pv v = simple(kind);
    int r = new_node(p, kind, &v.ref, err);
    if (r == 0)
        r = fill(p, v, from, err);
    return r < 0 ? r : push(p, v, err);
}

/* ---- constants ---- */

static int op_mark(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    if (p->n_marks == MLO_PICKLE_MAX_STACK)
        return mlo_pickle_bad(p, err, "more than %zu marks", MLO_PICKLE_MAX_STACK);
    int r = mlo_grow(&p->marks, &p->cap_marks, p->n_marks + 1, sizeof *p->marks, err);
    if (r == 0)
        p->marks[p->n_marks++] = (uint32_t)p->n_stack;
    return r;
}

static int op_stop(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    return pop(p, &p->result, err);
}

static int op_unknown(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    return push(p, simple(MLO_PV_UNKNOWN), err);
}

static int op_none(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    return push(p, simple(MLO_PV_NONE), err);
}

static int op_bool(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    return push(p, (pv){.kind = MLO_PV_BOOL, .u = p->op == 0x88}, err);
}

static int push_int(struct mlo_pickle *p, int64_t i, struct mlo_err *err)
{
    return push(p, (pv){.kind = MLO_PV_INT, .u = (uint64_t)i}, err);
}

static int op_int(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    return push_int(p, (int64_t)a->n, err);
}

static int judge_number(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    if (a->len <= MLO_PICKLE_MAX_NUMBER)
        return 0;
    char what[64];
    snprintf(what, sizeof what, "integer of %llu bytes", (unsigned long long)a->len);
    return mlo_pickle_note(p, MLO_VERDICT_UNKNOWN, what, err);
}

/* LONG1, LONG4: two's complement, little-endian. */
static int op_long_bytes(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    uint8_t b[8];
    int r = judge_number(p, a, err);
    if (r < 0)
        return r;
    if (a->len > sizeof b)
        return push(p, simple(MLO_PV_UNKNOWN), err);
    r = mlo_pickle_bytes(p, a->at, (size_t)a->len, b, err);
    if (r < 0)
        return r;
    memset(b + a->len, a->len && b[a->len - 1] & 0x80 ? 0xFF : 0, sizeof b - (size_t)a->len);
    return push_int(p, (int64_t)mlo_le64(b), err);
}

/* The beginning of a number's line; *ret_whole: all of it. */
static int number_line(struct mlo_pickle *p, const struct mlo_parg *a, const char *letters, char buf[32],
                       bool *ret_whole, struct mlo_err *err)
{
    *ret_whole = a->len < 32;
    size_t n = *ret_whole ? (size_t)a->len : 31;
    int r = mlo_pickle_bytes(p, a->at, n, buf, err);
    if (r < 0)
        return r;
    buf[n] = '\0';
    size_t digits = 0;
    for (size_t i = 0; i < n; i++) {
        digits += strchr("0123456789nN", buf[i]) && buf[i];
        if (!buf[i] || (!strchr("0123456789+-_ \t\r", buf[i]) && !strchr(letters, buf[i])))
            return mlo_pickle_bad(p, err, "no number");
    }
    return digits ? 0 : mlo_pickle_bad(p, err, "no number");
}

static bool decimal(const char *s, int64_t *ret)
{
    uint64_t u = 0;
    bool minus = *s == '-';
    const char *digits = s + minus;
    if (!*digits || strlen(digits) > 18)
        return false;
    for (s = digits; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        u = u * 10 + (uint64_t)(*s - '0');
    }
    *ret = minus ? -(int64_t)u : (int64_t)u;
    return true;
}

/* INT, LONG, and the slot numbers of PUT and GET. */
static int read_decimal(struct mlo_pickle *p, const struct mlo_parg *a, bool *ret_ok, int64_t *ret,
                        struct mlo_err *err)
{
    char buf[32];
    bool whole;
    int r = number_line(p, a, "xXoObBaAcCdDeEfFlL", buf, &whole, err);
    if (r < 0)
        return r;
    size_t n = strlen(buf);
    if (p->op == 'L' && n && buf[n - 1] == 'L')
        buf[n - 1] = '\0';
    *ret_ok = whole && decimal(buf, ret);
    return 0;
}

static int op_int_line(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    bool ok;
    int64_t i = 0;
    int r = judge_number(p, a, err);
    if (r == 0)
        r = read_decimal(p, a, &ok, &i, err);
    if (r < 0)
        return r;
    if (p->op == 'I' && a->len == 2 && ok && i <= 1) /* "00" and "01" are the booleans of protocol 0 */
        return push(p, (pv){.kind = MLO_PV_BOOL, .u = (uint64_t)i}, err);
    return ok ? push_int(p, i, err) : push(p, simple(MLO_PV_UNKNOWN), err);
}

static int op_float_line(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    char buf[32];
    bool whole;
    int r = number_line(p, a, ".eEinfatyINFATY", buf, &whole, err);
    return r < 0 ? r : push(p, simple(MLO_PV_UNKNOWN), err);
}

static int push_string(struct mlo_pickle *p, enum mlo_pv_kind kind, enum mlo_pv_spelling spelling,
                       uint64_t at, uint64_t len, struct mlo_err *err)
{
    if (len > UINT32_MAX)
        return push(p, simple(MLO_PV_UNKNOWN), err);
    return push(p, (pv){.kind = (uint8_t)kind, .spelling = (uint8_t)spelling, .ref = (uint32_t)len, .u = at},
                err);
}

static int op_text(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    return push_string(p, MLO_PV_STR, MLO_PV_PLAIN, a->at, a->len, err);
}

static int op_unicode_line(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    return push_string(p, MLO_PV_STR, MLO_PV_RAW_UNICODE, a->at, a->len, err);
}

static int op_quoted_line(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    char first = 0, last = 0;
    uint64_t len = a->len;
    int r = 0;
    do { /* white space at the end is no part of it */
        if (len == 0)
            return mlo_pickle_bad(p, err, "string without quotes");
        r = mlo_pickle_bytes(p, a->at + --len, 1, &last, err);
    } while (r == 0 && strchr(" \t\r\v\f", last) && last);
    if (r == 0)
        r = mlo_pickle_bytes(p, a->at, 1, &first, err);
    if (r < 0)
        return r;
    if (len == 0 || first != last || (first != '\'' && first != '"'))
        return mlo_pickle_bad(p, err, "string without quotes");
    return push_string(p, MLO_PV_STR, MLO_PV_QUOTED, a->at + 1, len - 1, err);
}

/* BINSTRING, BINBYTES and kin. What looks like a pickle or a zip in them is handed out to be looked into. */
static int op_data(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    uint8_t head[4];
    bool text = p->op == 'T' || p->op == 'U'; /* Python 2's str: text to a Python 3 loader */
    int r = push_string(p, text ? MLO_PV_STR : MLO_PV_BYTES, MLO_PV_PLAIN, a->at, a->len, err);
    if (r < 0 || !p->on_bytes || a->len < sizeof head)
        return r;
    r = mlo_pickle_bytes(p, a->at, sizeof head, head, err);
    if (r < 0)
        return r;
    bool pickle = head[0] == MLO_PICKLE_PROTO && head[1] >= 2 && head[1] <= 5;
    return pickle || memcmp(head, "PK\3\4", 4) == 0 ? p->on_bytes(p->ctx, a->at, a->len, err) : 0;
}

/* ---- containers ---- */

static int op_empty(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    enum mlo_pv_kind kind = p->op == ')' ? MLO_PV_TUPLE : p->op == ']' ? MLO_PV_LIST : MLO_PV_DICT;
    return new_container(p, kind, p->n_stack, err);
}

static int op_empty_set(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    return push(p, simple(MLO_PV_SET), err);
}

static int op_tuple_n(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    size_t n = p->op - 0x84u;
    int r = need(p, n, err);
    return r < 0 ? r : new_container(p, MLO_PV_TUPLE, p->n_stack - n, err);
}

/* TUPLE, LIST, DICT, FROZENSET: all from the mark. */
static int op_from_mark(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    size_t from = 0;
    int r = pop_mark(p, 0, &from, err);
    if (r < 0)
        return r;
    if (p->op == 't')
        return new_container(p, MLO_PV_TUPLE, from, err);
    if (p->op == 'l')
        return new_container(p, MLO_PV_LIST, from, err);
    if (p->op == 'd' && (p->n_stack - from) % 2 != 0)
        return mlo_pickle_bad(p, err, "odd number of items for a dict");
    if (p->op == 'd')
        return new_container(p, MLO_PV_DICT, from, err);
    p->n_stack = from;
    return push(p, simple(MLO_PV_SET), err);
}

/* The verdict of the global whose call made v; UNKNOWN when that is not known. */
static enum mlo_pickle_verdict maker_verdict(const struct mlo_pickle *p, pv v)
{
    return v.kind == MLO_PV_OBJECT && v.u ? p->globals[v.u - 1].verdict : MLO_VERDICT_UNKNOWN;
}

/* Items go into v: harmless for the plain kind, and for what a known class made; else the object's own code
 * decides. */
static int judge_items(struct mlo_pickle *p, pv v, enum mlo_pv_kind plain, struct mlo_err *err)
{
    if (v.kind == plain || maker_verdict(p, v) == MLO_VERDICT_KNOWN)
        return 0;
    if (plain == MLO_PV_DICT && (mlo_pv_is_call(p, v, "collections", "OrderedDict") ||
                                 mlo_pv_is_call(p, v, "collections", "Counter")))
        return 0;
    return mlo_pickle_note(p, MLO_VERDICT_UNKNOWN, "items set in something that is no plain container", err);
}

/* APPEND, SETITEM take 1 or 2 values, the plural forms all above the mark; the container stands below. */
static int op_add_items(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    bool one = p->op == 'a' || p->op == 's', pairs = p->op == 's' || p->op == 'u';
    size_t n = pairs ? 2 : 1, from = 0;
    int r = one ? need(p, n + 1, err) : pop_mark(p, 1, &from, err);
    if (r < 0)
        return r;
    if (one)
        from = p->n_stack - n;
    if (pairs && (p->n_stack - from) % 2 != 0)
        return mlo_pickle_bad(p, err, "odd number of items for a dict");
    pv container = p->stack[from - 1];
    r = judge_items(p, container, pairs ? MLO_PV_DICT : p->op == 0x90 ? MLO_PV_SET : MLO_PV_LIST, err);
    return r < 0 ? r : fill(p, container, from, err);
}

/* ---- stack and memo ---- */

static int op_pop(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    if (p->n_marks && p->marks[p->n_marks - 1] == p->n_stack) {
        p->n_marks--;
        return 0;
    }
    pv v;
    return pop(p, &v, err);
}

static int op_pop_mark(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    return pop_mark(p, 0, &p->n_stack, err);
}

static int op_dup(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    int r = need(p, 1, err);
    return r < 0 ? r : push(p, p->stack[p->n_stack - 1], err);
}

static int memo_put(struct mlo_pickle *p, uint64_t slot, struct mlo_err *err)
{
    int r = need(p, 1, err);
    if (r < 0)
        return r;
    if (slot >= MLO_PICKLE_MAX_MEMO || slot > 2 * p->n_memo + MEMO_SLACK) {
        p->forgot_memo = true;
        p->n_memo++;
        return 0;
    }
    r = mlo_grow(&p->memo, &p->cap_memo, (size_t)slot + 1, sizeof *p->memo, err);
    if (r < 0)
        return r;
    while (p->high_memo <= slot)
        p->memo[p->high_memo++] = simple(MLO_PV_EMPTY);
    p->n_memo += p->memo[slot].kind == MLO_PV_EMPTY;
    p->memo[slot] = p->stack[p->n_stack - 1];
    return 0;
}

static int memo_get(struct mlo_pickle *p, uint64_t slot, struct mlo_err *err)
{
    if (slot < p->high_memo && p->memo[slot].kind != MLO_PV_EMPTY)
        return push(p, p->memo[slot], err);
    if (p->forgot_memo)
        return push(p, simple(MLO_PV_UNKNOWN), err);
    return mlo_pickle_bad(p, err, "memo slot %llu was never filled", (unsigned long long)slot);
}

static int op_put(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    return memo_put(p, a->n, err);
}

static int op_memoize(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    return memo_put(p, p->n_memo, err);
}

static int op_get(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    return memo_get(p, a->n, err);
}

static int op_memo_line(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    bool ok;
    int64_t slot = 0;
    int r = read_decimal(p, a, &ok, &slot, err);
    if (r < 0)
        return r;
    if (ok && slot < 0)
        return mlo_pickle_bad(p, err, "negative memo slot");
    uint64_t n = ok ? (uint64_t)slot : UINT64_MAX;
    return p->op == 'p' ? memo_put(p, n, err) : memo_get(p, n, err);
}

/* ---- imports and calls ---- */

static int import_lines(struct mlo_pickle *p, const struct mlo_parg *a, pv *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str module, name;
    mlo_str_init(&module, MLO_PICKLE_NAME_MAX);
    mlo_str_init(&name, MLO_PICKLE_NAME_MAX);
    char buf[MLO_PICKLE_NAME_MAX];
    *ret = simple(MLO_PV_UNKNOWN);
    if (a->len > sizeof buf || a->len2 > sizeof buf) {
        return mlo_pickle_note(p, MLO_VERDICT_DANGEROUS, "global with a name too long to be one", err);
    }
    int r = mlo_pickle_bytes(p, a->at, (size_t)a->len, buf, err);
    mlo_str_addn(&module, buf, r < 0 ? 0 : (size_t)a->len);
    if (r == 0)
        r = mlo_pickle_bytes(p, a->at2, (size_t)a->len2, buf, err);
    mlo_str_addn(&name, buf, r < 0 ? 0 : (size_t)a->len2);
    if (r == 0)
        r = mlo_str_check(&module, err);
    if (r == 0)
        r = mlo_str_check(&name, err);
    return r < 0 ? r : mlo_pickle_import(p, &module, &name, ret, err);
}

static int op_global(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    pv v;
    int r = import_lines(p, a, &v, err);
    return r < 0 ? r : push(p, v, err);
}

static int op_stack_global(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    MLO_AUTOSTR struct mlo_str module, name;
    mlo_str_init(&module, MLO_PICKLE_NAME_MAX);
    mlo_str_init(&name, MLO_PICKLE_NAME_MAX);
    bool module_ok = false, name_ok = false;
    int r = need(p, 2, err);
    if (r == 0)
        r = mlo_pv_text(p, p->stack[p->n_stack - 2], &module, &module_ok, err);
    if (r == 0)
        r = mlo_pv_text(p, p->stack[p->n_stack - 1], &name, &name_ok, err);
    if (r < 0)
        return r;
    p->n_stack -= 2;
    pv v = simple(MLO_PV_UNKNOWN);
    if (module_ok && name_ok) {
        r = mlo_pickle_import(p, &module, &name, &v, err);
    } else {
        p->imports++;
        r = mlo_pickle_note(p, MLO_VERDICT_DANGEROUS, "stack_global with computed name", err);
    }
    return r < 0 ? r : push(p, v, err);
}

/* Calls `callable` with the arguments' tuple and pushes what comes out. */
static int call(struct mlo_pickle *p, pv callable, uint32_t args, struct mlo_err *err)
{
    p->calls++;
    pv v = {.kind = MLO_PV_OBJECT, .u = callable.kind == MLO_PV_GLOBAL ? callable.ref + 1 : 0};
    int r = new_node(p, MLO_PV_OBJECT, &v.ref, err);
    if (r == 0 && callable.kind != MLO_PV_GLOBAL)
        r = mlo_pickle_note(p, MLO_VERDICT_UNKNOWN, "call of something that is no named global", err);
    if (r < 0)
        return r;
    if (v.ref)
        p->nodes[v.ref].args = args;
    return push(p, v, err);
}

static uint32_t tuple_node(pv v)
{
    return v.kind == MLO_PV_TUPLE ? v.ref : 0;
}

/* REDUCE, NEWOBJ: callable, arguments. NEWOBJ_EX: class, arguments, keyword arguments. */
static int op_call(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    size_t n = p->op == 0x92 ? 3 : 2;
    int r = need(p, n, err);
    if (r < 0)
        return r;
    p->n_stack -= n;
    return call(p, p->stack[p->n_stack], tuple_node(p->stack[p->n_stack + 1]), err);
}

static int op_inst(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    size_t from = 0;
    pv callable;
    uint32_t args = 0;
    int r = import_lines(p, a, &callable, err);
    if (r == 0)
        r = pop_mark(p, 0, &from, err);
    if (r == 0)
        r = new_node(p, MLO_PV_TUPLE, &args, err);
    if (r == 0)
        r = fill(p, (pv){.kind = MLO_PV_TUPLE, .ref = args}, from, err);
    return r < 0 ? r : call(p, callable, args, err);
}

static int op_obj(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    size_t from = 0;
    uint32_t args = 0;
    int r = pop_mark(p, 0, &from, err);
    if (r < 0)
        return r;
    if (from == p->n_stack)
        return mlo_pickle_bad(p, err, "stack underflow");
    pv callable = p->stack[from];
    r = new_node(p, MLO_PV_TUPLE, &args, err);
    if (r == 0)
        r = fill(p, (pv){.kind = MLO_PV_TUPLE, .ref = args}, from + 1, err);
    if (r < 0)
        return r;
    p->n_stack = from;
    return call(p, callable, args, err);
}

/* BUILD runs __setstate__ or writes attributes: on a class or function it changes what the program itself
 * uses. */
static int op_build(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    int r = need(p, 2, err);
    if (r < 0)
        return r;
    pv state = p->stack[--p->n_stack], object = p->stack[p->n_stack - 1];
    p->calls++;
    if (object.kind == MLO_PV_GLOBAL)
        return mlo_pickle_note(p, MLO_VERDICT_DANGEROUS, "state set on a class or function", err);
    if (object.kind == MLO_PV_OBJECT && object.ref)
        p->nodes[object.ref].state = state;
    if (maker_verdict(p, object) != MLO_VERDICT_UNKNOWN)
        return mlo_joblib_build(p, object, err);
    return mlo_pickle_note(p, MLO_VERDICT_UNKNOWN, "state set on something unknown", err);
}

static int op_persid(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    pv id = simple(MLO_PV_UNKNOWN), v = simple(MLO_PV_PERSID);
    int r = p->op == 'Q' ? pop(p, &id, err) : 0;
    if (r == 0)
        r = new_node(p, MLO_PV_PERSID, &v.ref, err);
    if (r < 0)
        return r;
    if (v.ref)
        p->nodes[v.ref].args = tuple_node(id);
    return push(p, v, err);
}

/* ---- protocol ---- */

static int op_proto(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    if (a->n > 5)
        return mlo_pickle_bad(p, err, "protocol %llu", (unsigned long long)a->n);
    if (p->op_at == p->start)
        return 0;
    return mlo_pickle_note(p, MLO_VERDICT_UNKNOWN, "opcode PROTO that is not the first", err);
}

static int op_frame(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    if (a->n > mlo_win_left(&p->win))
        return mlo_pickle_bad(p, err, "frame of %llu bytes, but %llu are left", (unsigned long long)a->n,
                              (unsigned long long)mlo_win_left(&p->win));
    bool nested = p->frame_end > p->win.pos;
    p->frame_end = p->win.pos + a->n;
    return nested ? mlo_pickle_note(p, MLO_VERDICT_UNKNOWN, "frame inside an open frame", err) : 0;
}

static int op_readonly(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err)
{
    (void)a;
    return need(p, 1, err);
}

/* clang-format off */
const struct mlo_popcode mlo_pickle_opcodes[256] = {
    ['('] = {"MARK", MLO_PA_NONE, true, op_mark},
    [')'] = {"EMPTY_TUPLE", MLO_PA_NONE, true, op_empty},
    ['.'] = {"STOP", MLO_PA_NONE, true, op_stop},
    ['0'] = {"POP", MLO_PA_NONE, false, op_pop},
    ['1'] = {"POP_MARK", MLO_PA_NONE, false, op_pop_mark},
    ['2'] = {"DUP", MLO_PA_NONE, false, op_dup},
    ['B'] = {"BINBYTES", MLO_PA_DATA4, false, op_data},
    ['C'] = {"SHORT_BINBYTES", MLO_PA_DATA1, false, op_data},
    ['F'] = {"FLOAT", MLO_PA_LINE, false, op_float_line},
    ['G'] = {"BINFLOAT", MLO_PA_F8, true, op_unknown},
    ['I'] = {"INT", MLO_PA_LINE, false, op_int_line},
    ['J'] = {"BININT", MLO_PA_I4, true, op_int},
    ['K'] = {"BININT1", MLO_PA_U1, true, op_int},
    ['L'] = {"LONG", MLO_PA_LINE, false, op_int_line},
    ['M'] = {"BININT2", MLO_PA_U2, true, op_int},
    ['N'] = {"NONE", MLO_PA_NONE, true, op_none},
    ['P'] = {"PERSID", MLO_PA_LINE, false, op_persid},
    ['Q'] = {"BINPERSID", MLO_PA_NONE, true, op_persid},
    ['R'] = {"REDUCE", MLO_PA_NONE, true, op_call},
    ['S'] = {"STRING", MLO_PA_LINE, false, op_quoted_line},
    ['T'] = {"BINSTRING", MLO_PA_DATA4S, false, op_data},
    ['U'] = {"SHORT_BINSTRING", MLO_PA_DATA1, true, op_data},
    ['V'] = {"UNICODE", MLO_PA_LINE, false, op_unicode_line},
    ['X'] = {"BINUNICODE", MLO_PA_DATA4, true, op_text},
    [']'] = {"EMPTY_LIST", MLO_PA_NONE, true, op_empty},
    ['a'] = {"APPEND", MLO_PA_NONE, true, op_add_items},
    ['b'] = {"BUILD", MLO_PA_NONE, true, op_build},
    ['c'] = {"GLOBAL", MLO_PA_LINES, true, op_global},
    ['d'] = {"DICT", MLO_PA_NONE, false, op_from_mark},
    ['e'] = {"APPENDS", MLO_PA_NONE, true, op_add_items},
    ['g'] = {"GET", MLO_PA_LINE, false, op_memo_line},
    ['h'] = {"BINGET", MLO_PA_U1, true, op_get},
    ['i'] = {"INST", MLO_PA_LINES, false, op_inst},
    ['j'] = {"LONG_BINGET", MLO_PA_U4, true, op_get},
    ['l'] = {"LIST", MLO_PA_NONE, false, op_from_mark},
    ['o'] = {"OBJ", MLO_PA_NONE, false, op_obj},
    ['p'] = {"PUT", MLO_PA_LINE, false, op_memo_line},
    ['q'] = {"BINPUT", MLO_PA_U1, true, op_put},
    ['r'] = {"LONG_BINPUT", MLO_PA_U4, true, op_put},
    ['s'] = {"SETITEM", MLO_PA_NONE, true, op_add_items},
    ['t'] = {"TUPLE", MLO_PA_NONE, true, op_from_mark},
    ['u'] = {"SETITEMS", MLO_PA_NONE, true, op_add_items},
    ['}'] = {"EMPTY_DICT", MLO_PA_NONE, true, op_empty},
    [0x80] = {"PROTO", MLO_PA_U1, true, op_proto},
    [0x81] = {"NEWOBJ", MLO_PA_NONE, true, op_call},
    [0x82] = {"EXT1", MLO_PA_U1, false, op_unknown},
    [0x83] = {"EXT2", MLO_PA_U2, false, op_unknown},
    [0x84] = {"EXT4", MLO_PA_I4, false, op_unknown},
    [0x85] = {"TUPLE1", MLO_PA_NONE, true, op_tuple_n},
    [0x86] = {"TUPLE2", MLO_PA_NONE, true, op_tuple_n},
    [0x87] = {"TUPLE3", MLO_PA_NONE, true, op_tuple_n},
    [0x88] = {"NEWTRUE", MLO_PA_NONE, true, op_bool},
    [0x89] = {"NEWFALSE", MLO_PA_NONE, true, op_bool},
    [0x8A] = {"LONG1", MLO_PA_DATA1, true, op_long_bytes},
    [0x8B] = {"LONG4", MLO_PA_DATA4S, false, op_long_bytes},
    [0x8C] = {"SHORT_BINUNICODE", MLO_PA_DATA1, false, op_text},
    [0x8D] = {"BINUNICODE8", MLO_PA_DATA8, false, op_text},
    [0x8E] = {"BINBYTES8", MLO_PA_DATA8, false, op_data},
    [0x8F] = {"EMPTY_SET", MLO_PA_NONE, true, op_empty_set},
    [0x90] = {"ADDITEMS", MLO_PA_NONE, false, op_add_items},
    [0x91] = {"FROZENSET", MLO_PA_NONE, false, op_from_mark},
    [0x92] = {"NEWOBJ_EX", MLO_PA_NONE, false, op_call},
    [0x93] = {"STACK_GLOBAL", MLO_PA_NONE, false, op_stack_global},
    [0x94] = {"MEMOIZE", MLO_PA_NONE, false, op_memoize},
    [0x95] = {"FRAME", MLO_PA_U8, false, op_frame},
    [0x96] = {"BYTEARRAY8", MLO_PA_DATA8, false, op_data},
    [0x97] = {"NEXT_BUFFER", MLO_PA_NONE, false, op_unknown},
    [0x98] = {"READONLY_BUFFER", MLO_PA_NONE, false, op_readonly},
};
/* clang-format on */
