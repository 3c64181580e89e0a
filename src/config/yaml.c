/*
 * YAML to a flat list of dotted paths. The events of libyaml drive one loop over a fixed stack: no recursion,
 * nothing of the language that can make a small file large (anchors, aliases, merges), nothing that can mean
 * two things (a key twice, tags, several documents). Two spellings of one path, `a.b: 1` and `a: {b: 1}`,
 * count as the same key.
 */
#include <string.h>

#include <yaml.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

struct frame {
    bool mapping, has_key;
    size_t path_len; /* of the mapping or list itself */
    size_t next;     /* element of a list */
    size_t key_line; /* of the key just read */
};

struct reader {
    const char *name;
    struct mlo_yaml *doc;
    struct frame stack[MLO_YAML_DEPTH];
    size_t depth;
    struct mlo_str path;
    struct mlo_err *err;
};

static int fault(const struct reader *r, const yaml_mark_t *mark, const char *what)
{
    return mlo_fail(r->err, MLO_EINVALID, "%s:%zu: %s", r->name, mark->line + 1, what);
}

static int fault_path(const struct reader *r, size_t line, const char *what)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, 4 * MLO_YAML_PATH);
    mlo_escape(&shown, r->path.ptr, r->path.len);
    return mlo_fail(r->err, MLO_EINVALID, "%s:%zu: '%s' %s", r->name, line, shown.ptr, what);
}

/* ---- paths ---- */

static void cut_path(struct reader *r, size_t len)
{
    r->path.len = len;
    r->path.ptr[len] = '\0';
}

static size_t place_of(const struct mlo_yaml *doc, const char *path)
{
    uint64_t h = 0xcbf29ce484222325U; /* FNV-1a: who writes a file of settings may make it slow for himself */
    for (; *path; path++)
        h = (h ^ (unsigned char)*path) * 0x100000001b3U;
    return (size_t)(h ^ h >> 32) & (doc->cap_index - 1);
}

static uint32_t *slot_of(const struct mlo_yaml *doc, const char *path)
{
    size_t i = place_of(doc, path);
    while (doc->index[i] && strcmp(doc->entries[doc->index[i] - 1].path, path) != 0)
        i = (i + 1) & (doc->cap_index - 1);
    return &doc->index[i];
}

/* At most half full. */
static int reserve_index(struct mlo_yaml *doc, struct mlo_err *err)
{
    if (2 * (doc->n + 1) <= doc->cap_index)
        return 0;
    size_t cap = doc->cap_index ? 2 * doc->cap_index : 64;
    uint32_t *index = mlo_calloc(cap, sizeof *index, err);
    if (!index)
        return MLO_EIO;
    free(doc->index);
    doc->index = index;
    doc->cap_index = cap;
    for (size_t i = 0; i < doc->n; i++)
        *slot_of(doc, doc->entries[i].path) = (uint32_t)i + 1;
    return 0;
}

static int check_new(const struct reader *r, size_t line)
{
    char what[64];
    const uint32_t *slot = slot_of(r->doc, r->path.ptr);
    if (!*slot)
        return 0;
    snprintf(what, sizeof what, "was given before, in line %zu", r->doc->entries[*slot - 1].line);
    return fault_path(r, line, what);
}

static int add_entry(struct reader *r, const char *value, bool inner, size_t line)
{
    struct mlo_yaml *doc = r->doc;
    if (!r->depth)
        return 0; /* the document itself has no path */
    if (doc->n == MLO_YAML_KEYS)
        return mlo_fail(r->err, MLO_EINVALID, "%s:%zu: more than %d values", r->name, line, MLO_YAML_KEYS);
    int rc = reserve_index(doc, r->err);
    if (rc == 0)
        rc = check_new(r, line);
    if (rc == 0)
        rc = mlo_grow(&doc->entries, &doc->cap, doc->n + 1, sizeof *doc->entries, r->err);
    if (rc < 0)
        return rc;
    const char *path = mlo_arena_strndup(&doc->arena, r->path.ptr, r->path.len, r->err);
    const char *copy = value ? mlo_arena_strndup(&doc->arena, value, strlen(value), r->err) : NULL;
    if (!path || (value && !copy))
        return MLO_EIO;
    size_t above = r->stack[r->depth - 1].path_len;
    *slot_of(doc, path) = (uint32_t)doc->n + 1;
    doc->entries[doc->n++] = (struct mlo_yaml_entry){
        path, copy, line, inner, (unsigned)r->depth, above ? above + 1 : 0};
    return 0;
}

static int set_path(struct reader *r, const struct frame *f, const char *key, size_t line)
{
    cut_path(r, f->path_len);
    if (strlen(key) >= MLO_YAML_PATH - r->path.len)
        return fault_path(r, line, "has a key that is too long");
    if (r->path.len)
        mlo_str_addc(&r->path, '.');
    mlo_str_add(&r->path, key);
    return mlo_str_check(&r->path, r->err);
}

/* A value begins: it is the root, the value of the key just read, or the next element of a list. */
static int begin_value(struct reader *r, const yaml_mark_t *mark)
{
    struct frame *f = r->depth ? &r->stack[r->depth - 1] : NULL;
    char number[24];
    if (!f)
        return 0;
    if (f->mapping) {
        if (!f->has_key)
            return fault(r, mark, "a key must be plain text");
        f->has_key = false;
        return 0;
    }
    snprintf(number, sizeof number, "%zu", f->next++);
    return set_path(r, f, number, mark->line + 1);
}

/* An entry is where its key is; the value may stand, or be missing, further down. */
static size_t entry_line(const struct reader *r, const yaml_mark_t *mark)
{
    const struct frame *f = r->depth ? &r->stack[r->depth - 1] : NULL;
    return f && f->mapping ? f->key_line : mark->line + 1;
}

/* ---- events ---- */

static bool is_null(const yaml_event_t *e)
{
    const char *s = (const char *)e->data.scalar.value;
    return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*s || strcmp(s, "~") == 0 || strcmp(s, "null") == 0);
}

static int on_scalar(struct reader *r, const yaml_event_t *e)
{
    struct frame *f = r->depth ? &r->stack[r->depth - 1] : NULL;
    const char *text = (const char *)e->data.scalar.value;
    size_t line = e->start_mark.line + 1;
    if (e->data.scalar.tag)
        return fault(r, &e->start_mark, "tags are not taken");
    if (strlen(text) != e->data.scalar.length)
        return fault(r, &e->start_mark, "a NUL character");
    if (!f)
        return is_null(e) ? 0 : fault(r, &e->start_mark, "the file must be a mapping of keys to values");
    if (f->mapping && !f->has_key) {
        if (!*text)
            return fault(r, &e->start_mark, "an empty key");
        f->has_key = true;
        f->key_line = line;
        return set_path(r, f, text, line);
    }
    int rc = begin_value(r, &e->start_mark);
    return rc < 0 ? rc : add_entry(r, is_null(e) ? NULL : text, false, entry_line(r, &e->start_mark));
}

static int open_frame(struct reader *r, const yaml_event_t *e, bool mapping, const yaml_char_t *tag)
{
    if (tag)
        return fault(r, &e->start_mark, "tags are not taken");
    if (!r->depth && !mapping)
        return fault(r, &e->start_mark, "the file must be a mapping of keys to values");
    int rc = begin_value(r, &e->start_mark);
    if (rc == 0)
        rc = add_entry(r, NULL, true, entry_line(r, &e->start_mark));
    if (rc < 0)
        return rc;
    if (r->depth == MLO_YAML_DEPTH)
        return mlo_fail(r->err, MLO_EINVALID, "%s:%zu: nested more than %d deep", r->name,
                        e->start_mark.line + 1, MLO_YAML_DEPTH);
    r->stack[r->depth++] = (struct frame){.mapping = mapping, .path_len = r->path.len};
    return 0;
}

static void close_frame(struct reader *r)
{
    cut_path(r, r->stack[--r->depth].path_len);
}

static bool has_anchor(const yaml_event_t *e)
{
    switch ((int)e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.anchor != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.anchor != NULL;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.anchor != NULL;
    default:
        return e->type == YAML_ALIAS_EVENT;
    }
}

static int on_event(struct reader *r, const yaml_event_t *e, unsigned *documents)
{
    if (has_anchor(e))
        return fault(r, &e->start_mark, "anchors and aliases are not taken");
    switch ((int)e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return (*documents)++ ? fault(r, &e->start_mark, "a second document") : 0;
    case YAML_SCALAR_EVENT:
        return on_scalar(r, e);
    case YAML_MAPPING_START_EVENT:
        return open_frame(r, e, true, e->data.mapping_start.tag);
    case YAML_SEQUENCE_START_EVENT:
        return open_frame(r, e, false, e->data.sequence_start.tag);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        close_frame(r);
        return 0;
    default:
        return 0;
    }
}

static int parser_fault(const struct reader *r, const yaml_parser_t *p)
{
    if (p->error == YAML_MEMORY_ERROR)
        return mlo_fail_nomem(r->err);
    const char *what = p->problem ? p->problem : "not YAML";
    if (p->error == YAML_READER_ERROR)
        return mlo_fail(r->err, MLO_EINVALID, "%s: byte %zu: %s", r->name, p->problem_offset, what);
    return fault(r, &p->problem_mark, what);
}

static int read_events(struct reader *r, yaml_parser_t *parser)
{
    unsigned documents = 0;
    for (bool end = false; !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return parser_fault(r, parser);
        end = event.type == YAML_STREAM_END_EVENT;
        int rc = on_event(r, &event, &documents);
        yaml_event_delete(&event);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int mlo_yaml_parse(const char *name, const char *text, size_t n, struct mlo_yaml *doc, struct mlo_err *err)
{
    yaml_parser_t parser;
    struct reader r = {.name = name, .doc = doc, .err = err};
    *doc = (struct mlo_yaml){0};
    mlo_arena_init(&doc->arena, 4 * MLO_YAML_MAX);
    if (n > MLO_YAML_MAX)
        return mlo_fail(err, MLO_EINVALID, "%s: larger than %zu bytes", name, MLO_YAML_MAX);
    if (!yaml_parser_initialize(&parser))
        return mlo_fail_nomem(err);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    mlo_str_init(&r.path, MLO_YAML_PATH);
    int rc = read_events(&r, &parser);
    mlo_str_release(&r.path);
    yaml_parser_delete(&parser);
    return rc;
}

void mlo_yaml_release(struct mlo_yaml *doc)
{
    mlo_arena_release(&doc->arena);
    free(doc->entries);
    free(doc->index);
    *doc = (struct mlo_yaml){0};
}
