/* What the pages of benchmarks share: their style, numbers, scales. */
#include <math.h>
#include <stdio.h>

#include "page.h"

/* Limits have a hue each; what a hue says stands in words beside it, too. */
static const char style[] =
    ":root{--b0:#1f5fbf;--b1:#0f766e;--b2:#4d7c0f;--b3:#a16207;--b4:#b4500a;--b5:#6b7280;--b6:#7c3aed;"
    "--b7:#be185d;--b8:#0e7490}\n"
    "@media (prefers-color-scheme:dark){:root{--b0:#76aefb;--b1:#5eead4;--b2:#a3e635;--b3:#facc15;"
    "--b4:#ff9f6b;--b5:#9aa5b1;--b6:#c4a7ff;--b7:#f9a8d4;--b8:#67e8f9}}\n"
    ".b0{fill:var(--b0)}.b1{fill:var(--b1)}.b2{fill:var(--b2)}.b3{fill:var(--b3)}.b4{fill:var(--b4)}"
    ".b5{fill:var(--b5)}.b6{fill:var(--b6)}.b7{fill:var(--b7)}.b8{fill:var(--b8)}\n"
    "body{max-width:76rem}.k{margin:1rem 0}.k figure{max-width:36rem;min-width:0;flex-basis:20rem}"
    "section>figure{max-width:44rem}h3{font-size:1rem;margin:1.4rem 0 .3rem}"
    "p.w{font-weight:600;max-width:60rem}@media(min-width:22rem){.facts .l{grid-column:span 2}}\n"
    ".o table{white-space:nowrap}.o caption{white-space:normal}"
    ".o th:first-child,.y th:first-child{text-align:left}\n"
    ".f .q{stroke:var(--line);fill:none}.f .z{stroke:var(--fg);fill:none;stroke-width:1.2}"
    ".f .e2{text-anchor:middle}"
    ".f .t{paint-order:stroke;stroke:var(--bg);stroke-width:5px;stroke-linejoin:round;fill:var(--fg)}"
    ".f circle{fill-opacity:.75;stroke:var(--bg);stroke-width:.6}"
    ".f .d{stroke:var(--ref);fill:none;stroke-width:1.6;stroke-dasharray:5 3}.f .i{fill:var(--cur)}\n"
    ".y{width:100%}.y td,.y th{padding:.15rem .45rem}.y td:nth-child(2){width:55%}"
    ".y svg{width:100%;height:11px;display:block}.y th{font-weight:400}"
    ".y tbody th{overflow-wrap:anywhere}.y th b{font-weight:600}.y td{white-space:nowrap}"
    ".y td:last-child,.y th:last-child{text-align:left}\n"
    ".n{color:var(--dim)}.legend svg.g{margin-left:.6rem}.n2 th,.n2 td,.a2 "
    "td:last-child{text-align:left}.o+p.d{margin-top:1.2rem}"
    ".st th:nth-child(-n+3),.st td:nth-child(-n+3),.st th:nth-child(8),.st td:nth-child(8){text-align:left}\n"
    "@media screen and (max-width:40rem){.y td:nth-child(2){width:26%}.y td,.y th{padding:.15rem .25rem}"
    ".y td:nth-child(4),.y thead th:nth-child(4){display:none}}\n"
    "@media print{.k figure{max-width:31rem}section{break-inside:auto}}\n";

const struct mlo_html_page mlo_page_of_bench = {"Benchmark", style, NULL, true};
const struct mlo_html_page mlo_page_of_history = {"History of a benchmark", style, NULL, true};

void mlo_page_time(struct mlo_str *out, double ns)
{
    char text[MLO_HUMAN_MAX];
    mlo_str_add(out, mlo_human_duration((uint64_t)fmax(ns, 0), text));
}

void mlo_page_time_cell(struct mlo_str *out, double ns)
{
    mlo_str_addf(out, "<td data-v=\"%.0f\">", fmax(ns, 0));
    mlo_page_time(out, ns);
    mlo_str_add(out, "</td>");
}

void mlo_page_figure(struct mlo_str *out, double v)
{
    if (v >= 100)
        mlo_spell_number(out, rint(v));
    else
        mlo_str_addf(out, "%.3g", v);
}

int mlo_scale_at(const struct mlo_scale *s, double v)
{
    double share = s->log ? log(v / s->from) / log(s->to / s->from) : (v - s->from) / (s->to - s->from);
    return s->first + (int)lround(fmin(fmax(share, 0), 1) * (s->last - s->first));
}

void mlo_page_bound(struct mlo_str *out, enum mlo_bound b)
{
    mlo_str_addf(out, "b%d", (int)b);
}
