/*
 * Reports as pages of one file: no network, no script needed to read them, the same bytes for the same
 * report, light and dark, for a screen of 400 pixels and for paper. Every function appends to a string whose
 * failure sticks; the page is checked once.
 *
 * All that comes from outside goes through mlo_spell_*. Should that ever fail to hold something back, the
 * page's own policy lets nothing run but the one script whose hash it names, if any.
 */
#ifndef MLOPSCTL_HTML_H
#define MLOPSCTL_HTML_H

#include <mlopsctl/base/text.h>

/* ---- the page ---- */

struct mlo_html_page {
    const char *title;  /* markup */
    const char *style;  /* of this kind of page, behind the common one; neither has '<' or '&', so that the
                         * page is well-formed XML, too */
    const char *script; /* likewise; NULL: none */
    bool sorts;         /* tables of class "sort" are sorted by their heads */
};
/* All before the body, and the body's own tag. */
int mlo_html_begin(struct mlo_str *out, const struct mlo_html_page *p, struct mlo_err *err) MLO_MUST_CHECK;
/* The header with a sentence (text, its first letter made large): hue "a" for what needs attention, "s" for
 * what does not. Paragraphs may follow until it ends, and <main> begins. */
void mlo_html_verdict_begin(struct mlo_str *out, const char *hue, const char *symbol, const char *sentence);
void mlo_html_verdict_end(struct mlo_str *out);
/* Closes <main> and all. */
void mlo_html_end(struct mlo_str *out, const struct mlo_html_page *p);
/* A text with its first letter made large. */
void mlo_html_sentence(struct mlo_str *out, const char *text);
/* <div><dt>title</dt><dd>text</dd></div>, for a list <dl class="facts">. title: markup. */
void mlo_html_fact(struct mlo_str *out, const char *title, const char *text);

/* ---- tables ---- */

struct mlo_html_head {
    const char *text; /* markup */
    bool number;      /* its cells are sorted as numbers: by their attribute data-v, else by what they say */
};
/* "<thead>...</thead><tbody>" */
void mlo_html_thead(struct mlo_str *out, const struct mlo_html_head *heads, size_t n);

/* ---- texts and numbers ---- */

/* As mlo_spell_markup, cut to what fits a line of a report. */
#define MLO_SPELL_SHORT ((size_t)80)
void mlo_spell_short(struct mlo_str *out, const char *s, size_t n);

/* For people: four digits, "12,500", "0.0125", "1.2e-09"; what is no number is a dash. */
void mlo_spell_number(struct mlo_str *out, double v);
void mlo_spell_p(struct mlo_str *out, double p);           /* "0.032", "2e-16" */
void mlo_spell_percent(struct mlo_str *out, double share); /* "12.5 %" */
void mlo_spell_count(struct mlo_str *out, uint64_t n);     /* "1,000,000" */

#endif
