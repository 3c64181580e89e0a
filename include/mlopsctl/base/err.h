/*
 * Errors: a negative code says the class, struct mlo_err says the rest.
 *
 * The class is also the exit status of the process (exit = -code), so a function that can fail has already
 * chosen how a script will see it. The struct lives on the caller's stack and never allocates: it works
 * when memory is gone. Set it where the cause is known, wrap it where context is known, print it in main. A
 * failure that is only an answer (no such row) goes into a struct of its own, so that the caller's stays as
 * it was.
 *
 * Messages: lower case, no full stop, what failed first, subject in quotes.
 */
#ifndef MLOPSCTL_BASE_ERR_H
#define MLOPSCTL_BASE_ERR_H

#include <stdarg.h>

#define MLO_MUST_CHECK         __attribute__((warn_unused_result))
#define MLO_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

enum mlo_code {
    MLO_OK = 0,
    MLO_NO = -1,        /* the answer is no: differs, drifted, gate failed */
    MLO_EUSAGE = -2,    /* the caller's words are off */
    MLO_ENOTFOUND = -3, /* no such name, run, file, member */
    MLO_EINVALID = -4,  /* malformed data or digest mismatch */
    MLO_EREMOTE = -5,   /* remote or network */
    MLO_ECONFLICT = -6, /* lock held, name moved, target exists */
    MLO_EUNAVAIL = -7,  /* feature or device not here */
    MLO_EIO = -8,       /* input/output, memory, system */
    MLO_EINTERNAL = -9, /* a bug in this program */
};

struct mlo_err {
    int code;       /* enum mlo_code */
    int sys_errno;  /* errno at the cause, 0 when there was none */
    char msg[768];  /* always terminated, shown as by mlo_escape_text; a longer text is cut with "..." */
    char hint[384]; /* next step for the user, "" when there is none */
};

#define MLO_ERR_INIT ((struct mlo_err){0})

/* Set the error and return `code`, so that `return mlo_fail(...)` reads as one act. */
int mlo_fail(struct mlo_err *err, int code, const char *fmt, ...) MLO_PRINTF(3, 4);
/* As mlo_fail, with ": strerror(errno)" appended; ENOENT gives MLO_ENOTFOUND, all else MLO_EIO. */
int mlo_fail_errno(struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(2, 3);
/* Out of memory: an ordinary MLO_EIO. */
int mlo_fail_nomem(struct mlo_err *err);
/* Put "text: " before the message already set; returns err->code. */
int mlo_wrap(struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(2, 3);
/* Set the hint; returns err->code. */
int mlo_hint(struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(2, 3);
/* "usage", "not-found", ...: the `kind` of the JSON error object. */
const char *mlo_code_name(int code);

#endif
