/* What pages begin and end with. */
#include <string.h>

#include <mlopsctl/base/hash.h>
#include <mlopsctl/html.h>

#include "style.h"

static int put_hash(struct mlo_str *out, const char *text, struct mlo_err *err)
{
    struct mlo_digest d;
    int rc = mlo_sha256(text, strlen(text), &d, err);
    mlo_str_add(out, "'sha256-");
    if (rc == 0)
        rc = mlo_base64_add(out, d.b, sizeof d.b, err);
    mlo_str_add(out, "'");
    return rc;
}

static void add_script(struct mlo_str *out, const struct mlo_html_page *p)
{
    mlo_str_add(out, p->sorts ? mlo_html_sort_script : "");
    mlo_str_add(out, p->script ? p->script : "");
}

int mlo_html_begin(struct mlo_str *out, const struct mlo_html_page *p, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str style, script;
    mlo_str_init(&style, out->max);
    mlo_str_add(&style, mlo_html_common);
    mlo_str_add(&style, p->style);
    mlo_str_add(&style, p->sorts ? mlo_html_sort_style : "");
    mlo_str_init(&script, out->max);
    add_script(&script, p);
    int rc = mlo_str_check(&style, err);
    if (rc == 0)
        rc = mlo_str_check(&script, err);
    mlo_str_add(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src ");
    if (rc == 0)
        rc = put_hash(out, style.ptr, err);
    if (rc == 0 && script.len > 0) {
        mlo_str_add(out, "; script-src ");
        rc = put_hash(out, script.ptr, err);
    }
    mlo_str_addf(out, "\"/>\n<title>%s</title><style>", p->title);
    mlo_str_addn(out, style.ptr, style.len);
    mlo_str_add(out, "</style></head>\n<body>");
    return rc;
}

void mlo_html_sentence(struct mlo_str *out, const char *text)
{
    char first[2] = {text[0], '\0'};
    if (*first >= 'a' && *first <= 'z')
        *first = (char)(*first - 'a' + 'A');
    mlo_spell_markup(out, first);
    mlo_spell_markup(out, *first ? text + 1 : "");
}

void mlo_html_verdict_begin(struct mlo_str *out, const char *hue, const char *symbol, const char *sentence)
{
    mlo_str_addf(out, "<header class=\"%s\"><h1><span aria-hidden=\"true\">%s</span> ", hue, symbol);
    mlo_html_sentence(out, sentence);
    mlo_str_add(out, "</h1>");
}

void mlo_html_verdict_end(struct mlo_str *out)
{
    mlo_str_add(out, "</header>\n<main>");
}

void mlo_html_end(struct mlo_str *out, const struct mlo_html_page *p)
{
    mlo_str_add(out, "</main><footer>mlopsctl " MLO_VERSION "</footer>");
    if (p->script || p->sorts) {
        mlo_str_add(out, "<script>");
        add_script(out, p);
        mlo_str_add(out, "</script>");
    }
    mlo_str_add(out, "</body></html>\n");
}

void mlo_html_fact(struct mlo_str *out, const char *title, const char *text)
{
    mlo_str_addf(out, "<div><dt>%s</dt><dd>", title);
    mlo_spell_markup(out, text);
    mlo_str_add(out, "</dd></div>");
}
