/* What src/html/style.c has for page.c. */
#ifndef MLO_HTML_STYLE_H
#define MLO_HTML_STYLE_H

extern const char mlo_html_common[];

/* Of pages that sort tables: put before their own script, behind their own style. */
extern const char mlo_html_sort_script[], mlo_html_sort_style[];

#endif
