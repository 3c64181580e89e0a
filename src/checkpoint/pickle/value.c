/* Looking at what a pickle would give: nodes, items, names and text of the walker's symbols. */
#include "pickle.h"

#include <string.h>

const struct mlo_pnode *mlo_pv_node(const struct mlo_pickle *p, struct mlo_pv v)
{
    bool has = v.kind == MLO_PV_TUPLE || v.kind == MLO_PV_LIST || v.kind == MLO_PV_DICT ||
               v.kind == MLO_PV_OBJECT || v.kind == MLO_PV_PERSID;
    return has && v.ref && v.ref < p->n_nodes ? &p->nodes[v.ref] : NULL;
}

const struct mlo_pnode *mlo_pv_args(const struct mlo_pickle *p, struct mlo_pv object)
{
    const struct mlo_pnode *n = mlo_pv_node(p, object);
    return n && n->args ? &p->nodes[n->args] : NULL;
}

struct mlo_pv mlo_pv_item(const struct mlo_pickle *p, const struct mlo_pnode *n, size_t i)
{
    uint32_t cell = n ? n->first : 0;
    while (cell && i--)
        cell = p->cells[cell].next;
    return cell ? p->cells[cell].v : (struct mlo_pv){.kind = MLO_PV_UNKNOWN};
}

int mlo_pv_get(struct mlo_pickle *p, const struct mlo_pnode *dict, const char *key, struct mlo_pv *ret,
               struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, 256);
    struct mlo_pv found = {.kind = MLO_PV_UNKNOWN};
    for (uint32_t c = dict ? dict->first : 0; c && p->cells[c].next; c = p->cells[p->cells[c].next].next) {
        bool ok;
        mlo_str_clear(&text);
        int r = mlo_pv_text(p, p->cells[c].v, &text, &ok, err);
        if (r < 0)
            return r;
        if (ok && strcmp(text.ptr, key) == 0)
            found = p->cells[p->cells[c].next].v; /* the last one stands, as in Python */
    }
    *ret = found;
    return 0;
}

bool mlo_pv_is_global(const struct mlo_pickle *p, struct mlo_pv v, const char *module, const char *name)
{
    if (v.kind != MLO_PV_GLOBAL)
        return false;
    const struct mlo_pglobal *g = &p->globals[v.ref];
    return mlo_pickle_same_global(g->module, g->name, module, name);
}

bool mlo_pv_is_call(const struct mlo_pickle *p, struct mlo_pv v, const char *module, const char *name)
{
    if (v.kind != MLO_PV_OBJECT || v.u == 0)
        return false;
    const struct mlo_pglobal *g = &p->globals[v.u - 1];
    return mlo_pickle_same_global(g->module, g->name, module, name);
}

/* ---- text ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_number(const char *s, size_t n, uint32_t *ret)
{
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (hex(s[i]) < 0)
            return false;
        v = v << 4 | (uint32_t)hex(s[i]);
    }
    *ret = v;
    return true;
}

static void add_utf8(struct mlo_str *out, uint32_t c)
{
    if (c < 0x80) {
        mlo_str_addc(out, (char)c);
    } else if (c < 0x800) {
        mlo_str_addc(out, (char)(0xC0 | c >> 6));
        mlo_str_addc(out, (char)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        mlo_str_addc(out, (char)(0xE0 | c >> 12));
        mlo_str_addc(out, (char)(0x80 | (c >> 6 & 0x3F)));
        mlo_str_addc(out, (char)(0x80 | (c & 0x3F)));
    } else {
        mlo_str_addc(out, (char)(0xF0 | c >> 18));
        mlo_str_addc(out, (char)(0x80 | (c >> 12 & 0x3F)));
        mlo_str_addc(out, (char)(0x80 | (c >> 6 & 0x3F)));
        mlo_str_addc(out, (char)(0x80 | (c & 0x3F)));
    }
}

/* UNICODE: Latin-1 with \uXXXX and \UXXXXXXXX; a backslash before anything else stands for itself, with that.
 */
static bool unescape_raw_unicode(const char *s, size_t n, struct mlo_str *out)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\' || i + 1 == n) {
            add_utf8(out, (uint8_t)s[i]);
            continue;
        }
        char kind = s[++i];
        size_t digits = kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
        uint32_t c;
        if (digits == 0) {
            mlo_str_addc(out, '\\');
            add_utf8(out, (uint8_t)kind);
            continue;
        }
        if (n - i - 1 < digits || !hex_number(s + i + 1, digits, &c) || c > 0x10FFFF)
            return false;
        add_utf8(out, c);
        i += digits;
    }
    return true;
}

static size_t octal(const char *s, size_t n, uint32_t *ret)
{
    size_t i = 0;
    *ret = 0;
    while (i < n && i < 3 && s[i] >= '0' && s[i] <= '7')
        *ret = *ret * 8 + (uint32_t)(s[i++] - '0');
    return i;
}

/* STRING: a Python bytes literal between quotes. */
static bool unescape_quoted(const char *s, size_t n, struct mlo_str *out)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\') {
            mlo_str_addc(out, s[i]);
            continue;
        }
        if (++i == n)
            return false;
        uint32_t c;
        const char *at = strchr(from, s[i]);
        if (s[i] && at) {
            mlo_str_addc(out, to[at - from]);
        } else if (s[i] == 'x') {
            if (n - i < 3 || !hex_number(s + i + 1, 2, &c))
                return false;
            mlo_str_addc(out, (char)c);
            i += 2;
        } else if (s[i] >= '0' && s[i] <= '7') {
            i += octal(s + i, n - i, &c) - 1;
            mlo_str_addc(out, (char)c);
        } else if (s[i] != '\n') { /* an unknown escape stands for itself */
            mlo_str_addc(out, '\\');
            mlo_str_addc(out, s[i]);
        }
    }
    return true;
}

int mlo_pv_text(struct mlo_pickle *p, struct mlo_pv v, struct mlo_str *out, bool *ret_ok, struct mlo_err *err)
{
    *ret_ok = false;
    if (v.kind != MLO_PV_STR || v.ref > out->max)
        return 0;
    MLO_AUTOFREE char *raw = mlo_calloc(v.ref + (size_t)1, 1, err);
    if (!raw)
        return err->code;
    int r = mlo_pickle_bytes(p, v.u, v.ref, raw, err);
    if (r < 0)
        return r;
    bool ok = true;
    if (v.spelling == MLO_PV_RAW_UNICODE)
        ok = unescape_raw_unicode(raw, v.ref, out);
    else if (v.spelling == MLO_PV_QUOTED)
        ok = unescape_quoted(raw, v.ref, out);
    else
        mlo_str_addn(out, raw, v.ref);
    if (out->failed == MLO_EINVALID || !ok) { /* Latin-1 grew beyond the limit, or a broken escape */
        mlo_str_clear(out);
        return 0;
    }
    *ret_ok = true;
    return mlo_str_check(out, err);
}
