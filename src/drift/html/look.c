/* A verdict as people see it: never by hue alone. */
#include "html.h"

struct mlo_look mlo_look_of(enum mlo_verdict v, bool alarm)
{
    static const char *const symbols[] = {
        [MLO_VERDICT_STABLE] = "\u2713",   [MLO_VERDICT_DRIFT] = "\u25b2",   [MLO_VERDICT_NEW] = "+",
        [MLO_VERDICT_VANISHED] = "\u2212", [MLO_VERDICT_TYPE] = "\u2260",    [MLO_VERDICT_EMPTY] = "\u25cb",
        [MLO_VERDICT_CONSTANT] = "=",      [MLO_VERDICT_IGNORED] = "\u00b7",
    };
    bool quiet = v == MLO_VERDICT_STABLE || v == MLO_VERDICT_CONSTANT;
    return (struct mlo_look){alarm ? "a" : quiet ? "s" : "n", symbols[v], mlo_verdict_word(v)};
}

void mlo_html_verdict(struct mlo_str *out, struct mlo_look look)
{
    mlo_str_addf(out, "<td class=\"%s\">%s %s</td>", look.hue, look.symbol, look.word);
}
