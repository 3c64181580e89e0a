/*
 * Pickles seen without running them: a walker over the opcodes that keeps the machine's stack and memo as
 * symbols, and the lists that judge the names it meets.
 *
 * Values are small and refer to the file: a string is (offset, length) and is read again when its text is
 * wanted. Tuples, lists, dicts and built objects are nodes with their items, up to MLO_PICKLE_MAX_CELLS; what
 * comes later is still judged but its content is forgotten. So memory is bounded whatever the file's size.
 */
#ifndef MLOPSCTL_CHECKPOINT_PICKLE_H
#define MLOPSCTL_CHECKPOINT_PICKLE_H

#include "checkpoint/internal.h"

#define MLO_PICKLE_NAME_MAX    1000              /* bytes of a module or a name; a longer one is dangerous */
#define MLO_PICKLE_MAX_STACK   ((size_t)1 << 20) /* entries; more ends the walk */
#define MLO_PICKLE_MAX_MEMO    ((size_t)1 << 22) /* slots remembered; later ones read as unknown values */
#define MLO_PICKLE_MAX_CELLS   ((size_t)1 << 22) /* items of containers remembered */
#define MLO_PICKLE_MAX_NODES   ((size_t)1 << 21) /* containers remembered */
#define MLO_PICKLE_MAX_GLOBALS ((size_t)1 << 16) /* different names */
#define MLO_PICKLE_MAX_NUMBER  ((uint64_t)1 << 16) /* bytes of one integer; huge ones only cost memory */

/* ---- names ---- */

/* TENSOR_ONLY, KNOWN, UNKNOWN or DANGEROUS. */
enum mlo_pickle_verdict mlo_pickle_judge(const char *module, const char *name);
/* Compares after mapping Python 2 names. */
bool mlo_pickle_same_global(const char *module, const char *name, const char *want_module,
                            const char *want_name);

/* ---- values ---- */

enum mlo_pv_kind {
    MLO_PV_EMPTY,   /* memo slot never filled */
    MLO_PV_UNKNOWN, /* not followed: floats, results of calls nobody knows, forgotten memo slots */
    MLO_PV_NONE,
    MLO_PV_BOOL,
    MLO_PV_INT,
    MLO_PV_STR,
    MLO_PV_BYTES,
    MLO_PV_TUPLE,
    MLO_PV_LIST,
    MLO_PV_DICT,
    MLO_PV_SET,
    MLO_PV_GLOBAL, /* a class or function, not called */
    MLO_PV_OBJECT, /* what a call of a global gave */
    MLO_PV_PERSID,
};
enum mlo_pv_spelling { MLO_PV_PLAIN, MLO_PV_QUOTED /* STRING */, MLO_PV_RAW_UNICODE /* UNICODE */ };

struct mlo_pv {
    uint8_t kind;     /* enum mlo_pv_kind */
    uint8_t spelling; /* STR: enum mlo_pv_spelling */
    uint32_t ref; /* STR, BYTES: length; GLOBAL: index of the global; containers, OBJECT, PERSID: node, 0 =
                     content not kept */
    uint64_t u;   /* STR, BYTES: offset in the source; BOOL, INT: two's complement; OBJECT: index of what was
                     called + 1, or 0 */
};

struct mlo_pcell {
    struct mlo_pv v;
    uint32_t next; /* 0: last */
};
struct mlo_pnode {
    uint8_t kind;                /* enum mlo_pv_kind */
    uint32_t first, last, count; /* items; a dict's are key, value, key, value */
    uint32_t args; /* OBJECT: node of the arguments' tuple; PERSID: node of the id when that is a tuple */
    struct mlo_pv state; /* OBJECT: of the last BUILD */
};
struct mlo_pglobal {
    const char *module, *name; /* in the walker's arena */
    enum mlo_pickle_verdict verdict;
    uint32_t next; /* in its hash bucket, + 1 */
};

/* ---- the walker ---- */

struct mlo_pickle {
    const struct mlo_source *src;
    struct mlo_win win;
    struct mlo_checkpoint *cp; /* findings go here */
    const char *where;
    bool torch;      /* inside a torch file: persistent ids are its own */
    bool joblib;     /* array bytes follow array wrappers, as joblib's loader has it */
    bool saw_joblib; /* there was an array wrapper */
    unsigned depth;  /* pickles in pickles above this one */

    struct mlo_pv *stack;
    size_t n_stack, cap_stack;
    uint32_t *marks; /* stack heights */
    size_t n_marks, cap_marks;
    struct mlo_pv *memo;
    size_t cap_memo, high_memo; /* slots below high_memo are valid */
    uint64_t n_memo;            /* slots filled, as the unpickler counts them */
    bool forgot_memo;
    struct mlo_pcell *cells;
    size_t n_cells, cap_cells;
    struct mlo_pnode *nodes;
    size_t n_nodes, cap_nodes;
    bool forgot; /* cells or nodes ran out */
    struct mlo_pglobal *globals;
    size_t n_globals, cap_globals;
    uint32_t buckets[1024];
    struct mlo_arena names;

    uint64_t start, op_at; /* of this pickle; of this opcode */
    uint64_t frame_end;    /* 0: no open frame */
    uint8_t op;
    uint8_t told[32];               /* bit per opcode that had its finding */
    uint64_t imports, calls, steps; /* in this pickle; names that are none do not count as imports */
    enum mlo_pickle_verdict worst;  /* of this pickle; TENSOR_ONLY at least after one opcode */
    struct mlo_pv result;           /* after STOP */
    /* A bytes constant that looks like a pickle or an archive; may be NULL. */
    int (*on_bytes)(void *ctx, uint64_t offset, uint64_t n, struct mlo_err *err);
    /* State was set on an object that a listed global made; may be NULL, may move win (joblib puts raw data
     * there). */
    int (*on_build)(void *ctx, struct mlo_pv object, struct mlo_err *err);
    void *ctx;
};

/* Walks src[pos, end); findings into cp under `where` (borrowed). */
void mlo_pickle_init(struct mlo_pickle *p, const struct mlo_source *src, uint64_t pos, uint64_t end,
                     struct mlo_checkpoint *cp, const char *where);
void mlo_pickle_release(struct mlo_pickle *p);
#define MLO_AUTOPICKLE MLO_AUTO(mlo_pickle_release)
/*
 * One pickle, up to its STOP; p->win.pos is then the byte after it, p->result its value, valid until the next
 * call. A malformed one is MLO_EINVALID; findings made before the fault are in cp.
 */
int mlo_pickle_next(struct mlo_pickle *p, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- between pickle.c (decoding, judging) and ops.c (what each opcode does) ---- */

enum mlo_parg_kind {
    MLO_PA_BAD, /* no such opcode */
    MLO_PA_NONE,
    MLO_PA_U1,
    MLO_PA_U2,
    MLO_PA_U4,
    MLO_PA_I4,
    MLO_PA_U8,
    MLO_PA_F8,
    MLO_PA_LINE,
    MLO_PA_LINES, /* two lines */
    MLO_PA_DATA1, /* a length of 1, 4 or 8 bytes, then that many */
    MLO_PA_DATA4,
    MLO_PA_DATA4S, /* the length is signed */
    MLO_PA_DATA8,
};
struct mlo_parg {
    uint64_t n;         /* number; I4 is sign-extended */
    uint64_t at, len;   /* data or first line, without its newline */
    uint64_t at2, len2; /* second line */
};
struct mlo_popcode {
    const char *name;
    enum mlo_parg_kind arg;
    bool w; /* in the set that torch's restricted unpickler accepts and torch.save emits */
    int (*run)(struct mlo_pickle *p, const struct mlo_parg *a, struct mlo_err *err);
};
extern const struct mlo_popcode mlo_pickle_opcodes[256];
#define MLO_PICKLE_STOP  0x2E
#define MLO_PICKLE_PROTO 0x80

/* "pickle: REASON at byte N (opcode REDUCE)". */
int mlo_pickle_bad(const struct mlo_pickle *p, struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(3, 4);
/* A finding at the current opcode. */
int mlo_pickle_note(struct mlo_pickle *p, enum mlo_pickle_verdict v, const char *what,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The machine imports module.name: judges, reports a new name, gives the value. */
int mlo_pickle_import(struct mlo_pickle *p, const struct mlo_str *module, const struct mlo_str *name,
                      struct mlo_pv *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* n bytes of the source, from the window when they are there. */
int mlo_pickle_bytes(struct mlo_pickle *p, uint64_t at, size_t n, void *buf,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* ---- looking at results ---- */

const struct mlo_pnode *mlo_pv_node(const struct mlo_pickle *p, struct mlo_pv v); /* NULL when not kept */
const struct mlo_pnode *mlo_pv_args(const struct mlo_pickle *p,
                                    struct mlo_pv object); /* arguments of the call */
/* Item i of a tuple or list node; UNKNOWN beyond the end. Walks the list: for short ones. */
struct mlo_pv mlo_pv_item(const struct mlo_pickle *p, const struct mlo_pnode *n, size_t i);
/* Value under a text key of a dict node, UNKNOWN when there is none. */
int mlo_pv_get(struct mlo_pickle *p, const struct mlo_pnode *dict, const char *key, struct mlo_pv *ret,
               struct mlo_err *err) MLO_MUST_CHECK;
/* Is v the global module.name, or (calls) an object made by calling it? */
bool mlo_pv_is_global(const struct mlo_pickle *p, struct mlo_pv v, const char *module, const char *name);
bool mlo_pv_is_call(const struct mlo_pickle *p, struct mlo_pv v, const char *module, const char *name);
/* Text of a STR with escapes resolved: UTF-8 when the file's is. False in *ret_ok when v is no string or
 * longer than max. */
int mlo_pv_text(struct mlo_pickle *p, struct mlo_pv v, struct mlo_str *out, bool *ret_ok,
                struct mlo_err *err) MLO_MUST_CHECK;

/* ---- stream.c: pickles in a row ---- */

#define MLO_SCAN_DEPTH 4 /* archives in archives, pickles in the constants of pickles */

/* One scan: where findings go, how deep it is, how many bytes of members and constants it may still look at.
 */
struct mlo_scan {
    struct mlo_checkpoint *cp;
    unsigned depth;
    uint64_t work_left;
};
struct mlo_scan mlo_scan_begin(const struct mlo_source *src, struct mlo_checkpoint *cp);

/* What a run of pickles turned out to be. */
struct mlo_pickle_run {
    uint64_t pickles; /* whole ones, up to STOP */
    bool any;    /* it was pickles at all: a whole one, or a broken one that imports or goes on for a while */
    bool legacy; /* the first is torch's magic number */
    uint64_t end;         /* first byte after the last whole one */
    struct mlo_err fault; /* code 0, or why the last one broke */
};
/*
 * Walks src[pos, size) pickle after pickle; findings into scan->cp. Bytes after the last that are no pickle
 * are left alone, and so is everything when the first bytes are none. `torch`: persistent ids are the
 * format's own.
 */
int mlo_pickle_run(struct mlo_scan *scan, const struct mlo_source *src, uint64_t pos, const char *where,
                   bool torch, struct mlo_pickle_run *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Adds the findings of one checkpoint to another. */
int mlo_cp_merge_findings(struct mlo_checkpoint *to, const struct mlo_checkpoint *from,
                          struct mlo_err *err) MLO_MUST_CHECK;

/* After every BUILD: joblib writes an array's bytes behind its wrapper's; p->win moves past them when
 * p->joblib. */
int mlo_joblib_build(struct mlo_pickle *p, struct mlo_pv object, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- scan.c: whatever a file is ---- */

/* Findings of anything that may hold pickles, by its bytes. */
int mlo_scan_any(struct mlo_scan *scan, const struct mlo_source *src, const char *where,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* The same, one level deeper; a finding instead when that is too deep or too much. */
int mlo_scan_inner(struct mlo_scan *scan, const struct mlo_source *src, const char *where,
                   struct mlo_err *err) MLO_MUST_CHECK;

#endif
