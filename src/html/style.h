/* What src/html/style.c has for page.c. */
#ifndef MLO_HTML_STYLE_H
#define MLO_HTML_STYLE_H

extern const char mlo_html_common[];

#endif
