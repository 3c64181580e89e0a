/*
 * Text that people wrote or will read: UTF-8 checks, escaping of foreign names, bounded number parsing,
 * human sizes and durations.
 */
#ifndef MLOPSCTL_BASE_TEXT_H
#define MLOPSCTL_BASE_TEXT_H

#include <mlopsctl/base/str.h>

/* Strict UTF-8: no overlong forms, surrogates or values above U+10FFFF. */
bool mlo_utf8_valid(const char *s, size_t n);
/* Bytes of the character at s (1-4) with its value in *ret, or 0 when the bytes there are no strict UTF-8. */
size_t mlo_utf8_decode(const char *s, size_t n, uint32_t *ret);
/* Writes cp, a scalar value, to buf, not terminated; returns how many bytes. */
#define MLO_UTF8_BYTES 4
size_t mlo_utf8_encode(uint32_t cp, char *buf);
/*
 * Append a name from outside so that a terminal shows it and obeys nothing in it: control bytes, DEL, C1,
 * bidi marks, line separators and invalid UTF-8 become \xNN or \u{NNNN}; backslash becomes "\\".
 */
void mlo_escape(struct mlo_str *out, const char *s, size_t n);
/* The same for a whole message, whose names may have been escaped before: backslashes stay single. */
void mlo_escape_text(struct mlo_str *out, const char *s, size_t n);
/* The longest prefix of at most max bytes that does not cut a character. s has more than max bytes. */
size_t mlo_utf8_cut(const char *s, size_t max);
/* A foreign name for a message: escaped, cut with "..." to fit. Returns buf. */
#define MLO_SHOWN 200
const char *mlo_shown(const char *s, size_t n, char buf[MLO_SHOWN]);
/*
 * Text from outside, so that no reader of the form obeys anything in it: what is not shown (control bytes,
 * bidi marks, invalid UTF-8) becomes visible as everywhere else, then each byte that means something in the
 * form is spelled as its table says.
 */
struct mlo_spelling {
    char byte; /* 0 ends a table */
    const char *as;
};
void mlo_spell(struct mlo_str *out, const char *s, size_t n, const struct mlo_spelling *form);
/* HTML, SVG and XML, as text and within quotes. */
extern const struct mlo_spelling mlo_markup[];
void mlo_spell_markup(struct mlo_str *out, const char *s);
/* Columns a terminal needs for valid UTF-8 text (wide and combining characters counted). */
size_t mlo_text_width(const char *s);

/* Whole string, decimal, no sign or space; MLO_EUSAGE outside [min, max]. `what` names it in the message. */
int mlo_parse_u64(const char *s, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
int mlo_parse_double(const char *s, const char *what, double *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* "4096", "64K", "1.5G", "2GiB", "10MB": K M G T are powers of 1024 unless followed by a bare "B". */
int mlo_parse_size(const char *s, const char *what, uint64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* "90s", "15m", "2h", "30d": nanoseconds. */
int mlo_parse_duration(const char *s, const char *what, uint64_t *ret_ns, struct mlo_err *err) MLO_MUST_CHECK;

/* "512 B", "1.5 KiB", "2.0 GiB". Buffer of at least MLO_HUMAN_MAX bytes; returns it. */
#define MLO_HUMAN_MAX 32
char *mlo_human_size(uint64_t bytes, char *buf);
char *mlo_human_count(uint64_t n, char *buf);     /* "110M", "4.6K": for parameter counts */
char *mlo_human_duration(uint64_t ns, char *buf); /* "12 ms", "3.4 s", "2 h 5 min" */

/* Distance for "did you mean": insertions, deletions, substitutions, swaps of neighbours. */
size_t mlo_edit_distance(const char *a, const char *b);
/* Start from {.word = what was typed}, offer every candidate, read `best` (borrowed; NULL when none is near
 * enough). */
struct mlo_nearest {
    const char *word, *best;
    size_t distance;
};
void mlo_nearest_offer(struct mlo_nearest *n, const char *candidate);

/* Base64 with padding (RFC 4648), appended; to be read: no line breaks, at most max characters, else
 * MLO_EINVALID. */
int mlo_base64_add(struct mlo_str *out, const void *p, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_base64_read(const char *text, size_t max, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;

/* Value of NAME in an array of "NAME=value" that ends with NULL (env itself may be NULL); borrowed, NULL when
 * not set. */
const char *mlo_env_get(char *const *env, const char *name);

#endif
