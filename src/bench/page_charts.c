/*
 * Charts of a benchmark. Coordinates are whole numbers; a hue is never alone, for what it says stands in a
 * table or in words beside it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "page.h"

#define DOTS_MAX  400
#define BARS_MAX  ((size_t)60)
#define BAR_LEAST 0.005 /* of the time of all steps: shorter ones are one bar */

enum { WIDTH = 360, LEFT = 34, RIGHT = 352, QUANTILE_NAME = 68 /* wide at most */ };

static void begin(struct mlo_str *out, int height, const char *what)
{
    mlo_str_addf(out, "<figure><svg class=\"f\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">", WIDTH,
                 height, what);
}

/* ---- roofline ---- */

enum { ROOF_TOP = 10, ROOF_BASE = 212, ROOF_HEIGHT = 240 };

struct roof_line {
    const char *name;
    double rate; /* of a slope bytes, of a peak operations a second, in the roof's unit */
};
#define ROOF_SLOPES MLO_LEVELS
#define ROOF_PEAKS  6
struct roof { /* operations for a byte, and so many of them a second */
    struct mlo_scale x, y;
    double unit; /* 10^9 or 10^12 a second... */
    char prefix; /* ...which is G or T */
    double peak; /* of the highest kind of product that there is */
    struct roof_line slopes[ROOF_SLOPES], peaks[ROOF_PEAKS]; /* the steepest slope first */
    size_t n_slopes, n_peaks;
};

static bool is_dot(const struct mlo_explained_step *s)
{
    return s->cost.flops > 0 && s->cost.bytes > 0 && s->ns > 0;
}

static double speed(const struct roof *r, const struct mlo_explained_step *s)
{
    return 1e9 / r->unit * (double)s->cost.flops / s->ns;
}

static double intensity(const struct mlo_explained_step *s)
{
    return (double)s->cost.flops / (double)s->cost.bytes;
}

static bool is_used(const struct mlo_explained *e, enum mlo_dtype t)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->steps[i].cost.products > 0 && e->steps[i].cost.product_type == t)
            return true;
    return t == MLO_DT_F32;
}

static void add_peak(struct roof *r, const char *name, double rate)
{
    if (rate <= 0)
        return;
    r->peaks[r->n_peaks++] = (struct roof_line){name, rate / r->unit};
    r->peak = fmax(r->peak, rate / r->unit);
}

static void add_slope(struct roof *r, const char *name, double rate)
{
    if (rate > 0)
        r->slopes[r->n_slopes++] = (struct roof_line){name, rate / r->unit};
}

static void take_machine(const struct mlo_explained *e, const struct mlo_limits *l, struct roof *r)
{
    static const char *const names[MLO_LEVELS] = {"first cache", "second cache", "third cache", "memory"};
    for (size_t i = 0; i < MLO_LEVELS; i++)
        add_slope(r, names[i], l->read[i]);
    add_peak(r, "float32", l->f32);
    if (is_used(e, MLO_DT_F64))
        add_peak(r, "float64", l->f64);
    if (is_used(e, MLO_DT_I8))
        add_peak(r, "int8", l->int8);
}

static void take_device(const struct mlo_explained *e, const struct mlo_device_limits *l, struct roof *r)
{
    static const struct {
        enum mlo_dtype t;
        const char *name;
    } types[] = {{MLO_DT_F32, "float32"},
                 {MLO_DT_F16, "float16"},
                 {MLO_DT_BF16, "bfloat16"},
                 {MLO_DT_I8, "int8"},
                 {MLO_DT_F8_E4M3, "float8"}};
    add_slope(r, "memory", l->copy);
    for (size_t i = 0; i < MLO_COUNT(types); i++)
        if (is_used(e, types[i].t))
            add_peak(r, i == 0 && e->tf32 ? "tf32" : types[i].name, mlo_device_rate(l, types[i].t, e->tf32));
}

/* False: not even the axes are known. */
static bool scale_roof(const struct mlo_explained *e, struct roof *r)
{
    if (r->n_slopes == 0 || r->n_peaks == 0)
        return false;
    double low = r->peak / r->slopes[0].rate, high = r->peak / r->slopes[r->n_slopes - 1].rate,
           least = r->peak;
    for (size_t i = 0; i < e->n; i++)
        if (is_dot(&e->steps[i])) {
            low = fmin(low, intensity(&e->steps[i]));
            high = fmax(high, intensity(&e->steps[i]));
            least = fmin(least, speed(r, &e->steps[i]));
        }
    r->x = (struct mlo_scale){low / 2, high * 2, LEFT, RIGHT, true};
    r->y = (struct mlo_scale){fmax(least / 2, r->peak * 1e-5), r->peak * 2.5, ROOF_BASE, ROOF_TOP, true};
    return true;
}

/* Lines at powers of ten. */
static void put_grid(struct mlo_str *out, const struct roof *r)
{
    for (double v = pow(10, ceil(log10(r->x.from))); v <= r->x.to; v *= 10)
        mlo_str_addf(out, "<path class=\"q\" d=\"M%d %dV%d\"/><text class=\"e2\" x=\"%d\" y=\"%d\">%g</text>",
                     mlo_scale_at(&r->x, v), ROOF_BASE, ROOF_TOP, mlo_scale_at(&r->x, v), ROOF_BASE + 11, v);
    for (double v = pow(10, ceil(log10(r->y.from))); v <= r->y.to; v *= 10)
        mlo_str_addf(out, "<path class=\"q\" d=\"M%d %dH%d\"/><text class=\"e\" x=\"%d\" y=\"%d\">%g</text>",
                     LEFT, mlo_scale_at(&r->y, v), RIGHT, LEFT - 3, mlo_scale_at(&r->y, v) + 3, v);
    mlo_str_addf(out,
                 "<path class=\"x\" d=\"M%d %dV%dH%d\"/><text class=\"e\" x=\"%d\" y=\"%d\">operations for a "
                 "byte</text><text x=\"0\" y=\"8\">%cFLOP/s</text>",
                 LEFT, ROOF_TOP, ROOF_BASE, RIGHT, RIGHT, ROOF_BASE + 23, r->prefix);
}

static void put_slope(struct mlo_str *out, const struct roof *r, double read)
{
    double from = fmax(r->x.from, r->y.from / read), to = r->peak / read;
    mlo_str_addf(out, "<path class=\"z\" d=\"M%d %dL%d %d\"/>", mlo_scale_at(&r->x, from),
                 mlo_scale_at(&r->y, from * read), mlo_scale_at(&r->x, to), mlo_scale_at(&r->y, r->peak));
}

static void put_roofs(struct mlo_str *out, const struct roof *r)
{
    for (size_t i = 0; i < r->n_slopes; i++)
        put_slope(out, r, r->slopes[i].rate);
    for (size_t i = 0; i < r->n_peaks; i++)
        mlo_str_addf(out, "<path class=\"z\" d=\"M%d %dH%d\"/>",
                     mlo_scale_at(&r->x, r->peaks[i].rate / r->slopes[0].rate),
                     mlo_scale_at(&r->y, r->peaks[i].rate), RIGHT);
}

/* Names of slopes at their lower ends, one above the other where they would meet. */
static void put_roof_names(struct mlo_str *out, const struct roof *r)
{
    int below = ROOF_TOP;
    for (size_t i = 0; i < r->n_slopes; i++) {
        double read = r->slopes[i].rate, from = fmax(r->x.from, r->y.from / read);
        int y = mlo_scale_at(&r->y, from * read) - 4,
            lowest = ROOF_BASE - 4 - 11 * (int)(r->n_slopes - 1 - i);
        y = y < below ? below : y > lowest ? lowest : y;
        below = y + 11;
        mlo_str_addf(out, "<text class=\"t\" x=\"%d\" y=\"%d\">%s %.3g %cB/s</text>",
                     mlo_scale_at(&r->x, from) + 4, y, r->slopes[i].name, read, r->prefix);
    }
    for (size_t i = 0; i < r->n_peaks; i++)
        mlo_str_addf(out, "<text class=\"t e\" x=\"%d\" y=\"%d\">%s %.4g</text>", RIGHT,
                     mlo_scale_at(&r->y, r->peaks[i].rate) - 3, r->peaks[i].name, r->peaks[i].rate);
}

static void put_dot(struct mlo_str *out, const struct roof *r, const struct mlo_explained *e,
                    const struct mlo_explained_step *s)
{
    mlo_str_add(out, "<circle class=\"");
    mlo_page_bound(out, s->bound);
    mlo_str_addf(out, "\" cx=\"%d\" cy=\"%d\" r=\"%.1f\"><title>", mlo_scale_at(&r->x, intensity(s)),
                 mlo_scale_at(&r->y, speed(r, s)), 1.5 + 12 * sqrt(s->ns / e->run_ns));
    mlo_spell_short(out, s->cost.op, strlen(s->cost.op));
    mlo_str_add(out, " ");
    mlo_spell_short(out, s->cost.node, strlen(s->cost.node));
    mlo_str_add(out, "</title></circle>");
}

static size_t count_dots(const struct mlo_explained *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++)
        n += is_dot(&e->steps[i]);
    return n;
}

void mlo_page_roofline(struct mlo_str *out, const struct mlo_explained *e, const struct mlo_bench_page *p)
{
    struct roof r = {.unit = e->on_device ? 1e12 : 1e9, .prefix = e->on_device ? 'T' : 'G'};
    size_t dots = 0, left_out = 0;
    if (e->on_device && p->device_limits)
        take_device(e, p->device_limits, &r);
    else if (!e->on_device && p->limits)
        take_machine(e, p->limits, &r);
    if (count_dots(e) == 0 || !scale_roof(e, &r))
        return;
    begin(out, ROOF_HEIGHT, "Roofline: operations a second of each step over operations for a byte");
    put_grid(out, &r);
    put_roofs(out, &r);
    for (size_t i = 0; i < e->n; i++)
        if (is_dot(&e->steps[i]) && dots < DOTS_MAX) {
            put_dot(out, &r, e, &e->steps[i]);
            dots++;
        } else {
            left_out++;
        }
    put_roof_names(out, &r);
    mlo_str_addf(
        out,
        "</svg><figcaption>Roofline of %s: %zu steps, the larger the longer they take. Up to a line is "
        "what that part of the machine allows.",
        e->on_device ? "the GPU" : "one core", dots);
    if (left_out == 1)
        mlo_str_add(out, " One more only moves bytes or shapes and has no place here.");
    else if (left_out > 1)
        mlo_str_addf(out, " %zu more only move bytes or shapes and have no place here.", left_out);
    mlo_str_add(out, "</figcaption></figure>");
}

/* ---- steps as bars ---- */

static void put_bar(struct mlo_str *out, double ns, double most, double run_ns, const char *css)
{
    mlo_str_addf(
        out,
        "</th><td><svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path "
        "class=\"%s\" d=\"M0 0h%dv10H0z\"/></svg></td><td>",
        css, most > 0 ? (int)lround(1000 * ns / most) : 0);
    mlo_page_time(out, ns);
    mlo_str_add(out, "</td><td>");
    mlo_spell_percent(out, run_ns > 0 ? ns / run_ns : 0);
    mlo_str_add(out, "</td><td>");
}

static void put_step_bar(struct mlo_str *out, const struct mlo_explained *e,
                         const struct mlo_explained_step *s, double most)
{
    char css[8];
    snprintf(css, sizeof css, "b%d", (int)s->bound);
    mlo_str_add(out, "<tr><th scope=\"row\"><b>");
    mlo_spell_short(out, s->cost.op, strlen(s->cost.op));
    mlo_str_add(out, "</b> <span class=\"n\">");
    mlo_spell_short(out, s->cost.node, strlen(s->cost.node));
    mlo_str_add(out, "</span>");
    put_bar(out, s->ns, most, e->run_ns, css);
    mlo_str_addf(out, "%s</td></tr>\n", mlo_bound_name(s->bound));
}

void mlo_page_steps(struct mlo_str *out, const struct mlo_explained *e)
{
    double most = e->rest_ns, others = 0;
    size_t shown = 0, n_others = 0;
    for (size_t i = 0; i < e->n; i++)
        most = fmax(most, e->steps[i].ns);
    mlo_str_add(
        out,
        "<h3>Steps in their order</h3><table class=\"y\"><thead><tr><th scope=\"col\">Step</th><th></th>"
        "<th scope=\"col\">Time</th><th scope=\"col\">Share</th><th scope=\"col\">Limit</th></tr></thead>"
        "<tbody>\n");
    for (size_t i = 0; i < e->n; i++) {
        const struct mlo_explained_step *s = &e->steps[i];
        if (s->ns >= BAR_LEAST * (e->run_ns - e->rest_ns) && shown < BARS_MAX) {
            put_step_bar(out, e, s, most);
            shown++;
        } else {
            others += s->ns;
            n_others++;
        }
    }
    if (n_others > 0) {
        mlo_str_addf(out, "<tr><th scope=\"row\">%zu shorter steps", n_others);
        put_bar(out, others, fmax(most, others), e->run_ns, "b5");
        mlo_str_add(out, "</td></tr>\n");
    }
    mlo_str_addf(out, "<tr><th scope=\"row\">%s",
                 e->on_device ? "around the GPU\u2019s work" : "between steps");
    put_bar(out, e->rest_ns, most, e->run_ns, "b5");
    mlo_str_add(out, "</td></tr>\n</tbody></table>");
}

/* ---- times of requests ---- */

enum { TIMES_TOP = 40, TIMES_BASE = 150, TIMES_HEIGHT = 168, TIMES_BARS = 53 };
#define SHOWN 0.998 /* of the times: a few that are much longer count in the last bar */

/* The shares that bars of equal width on the logarithmic scale hold. */
static double fill(const struct mlo_times *t, double from, double to, double ret[TIMES_BARS])
{
    double most = 0, step = pow(to / from, 1.0 / TIMES_BARS);
    uint64_t below = mlo_times_up_to(t, (uint64_t)from - (from >= 1));
    for (int i = 0; i < TIMES_BARS; i++) {
        uint64_t here = i + 1 == TIMES_BARS ? t->n : mlo_times_up_to(t, (uint64_t)(from * pow(step, i + 1)));
        ret[i] = t->n ? (double)(here - below) / (double)t->n : 0;
        most = fmax(most, ret[i]);
        below = here;
    }
    return most;
}

static void put_histogram(struct mlo_str *out, const char *css, const double share[TIMES_BARS], double most)
{
    int at = TIMES_BASE;
    mlo_str_addf(out, "<path class=\"%s\" d=\"M%d %d", css, LEFT, TIMES_BASE);
    for (int i = 0; i < TIMES_BARS; i++) {
        int y = TIMES_BASE - (int)lround((TIMES_BASE - TIMES_TOP) * share[i] / most);
        if (y != at)
            mlo_str_addf(out, "V%d", y);
        at = y;
        mlo_str_addf(out, "H%d", LEFT + (RIGHT - LEFT) * (i + 1) / TIMES_BARS);
    }
    mlo_str_addf(out, "V%d\"/>", TIMES_BASE);
}

/* The names of quantiles have a line each, so that they never meet, and stand left of their mark where there
 * is room: marks further right are higher. */
static void put_quantile(struct mlo_str *out, const struct mlo_scale *x, const struct mlo_times *t, double q,
                         int line)
{
    int at = mlo_scale_at(x, (double)mlo_times_quantile(t, q)), y = 10 + 12 * line;
    bool left = at > LEFT + QUANTILE_NAME;
    if (q > 0.5 && mlo_quantile_rank(t->n, q, 0.99) == 0)
        return;
    mlo_str_addf(out, "<path class=\"x\" d=\"M%d %dV%d\"/><text class=\"t%s\" x=\"%d\" y=\"%d\">p%g ", at,
                 TIMES_BASE, y - 8, left ? " e" : "", at + (left ? -3 : 3), y, 100 * q);
    mlo_page_time(out, (double)mlo_times_quantile(t, q));
    mlo_str_add(out, "</text>");
}

static void put_time_axis(struct mlo_str *out, const struct mlo_scale *x)
{
    static const char *const anchors[] = {"", " class=\"e2\"", " class=\"e\""};
    mlo_str_addf(out, "<path class=\"x\" d=\"M%d %dH%d\"/>", LEFT, TIMES_BASE, RIGHT);
    for (int i = 0; i < 3; i++) {
        double v = x->from * pow(x->to / x->from, i / 2.0);
        mlo_str_addf(out, "<text%s x=\"%d\" y=\"%d\">", anchors[i], mlo_scale_at(x, v), TIMES_BASE + 12);
        mlo_page_time(out, v);
        mlo_str_add(out, "</text>");
    }
}

void mlo_page_times(struct mlo_str *out, const struct mlo_page_case *c)
{
    const struct mlo_times *t = &c->measured->times, *b = c->before;
    double now[TIMES_BARS], then[TIMES_BARS] = {0};
    if (t->n == 0)
        return;
    double from = (double)t->least, to = (double)mlo_times_quantile(t, SHOWN);
    if (b && b->n > 0) {
        from = fmin(from, (double)b->least);
        to = fmax(to, (double)mlo_times_quantile(b, SHOWN));
    }
    from = fmax(from * 0.95, 1);
    struct mlo_scale x = {from, fmax(to, from) * 1.1 + 1, LEFT, RIGHT, true};
    double most = fill(t, x.from, x.to, now);
    if (b && b->n > 0)
        most = fmax(most, fill(b, x.from, x.to, then));
    begin(out, TIMES_HEIGHT, "Histogram of how long requests took");
    mlo_str_addf(out, "<text class=\"e\" x=\"%d\" y=\"%d\">%.0f %%</text>", LEFT - 3, TIMES_TOP + 4,
                 100 * most);
    if (b && b->n > 0)
        put_histogram(out, "r", then, most);
    put_histogram(out, b && b->n > 0 ? "c" : "r", now, most);
    put_quantile(out, &x, t, 0.99, 0);
    put_quantile(out, &x, t, 0.9, 1);
    put_quantile(out, &x, t, 0.5, 2);
    put_time_axis(out, &x);
    mlo_str_add(out, "</svg><figcaption>How long ");
    mlo_spell_count(out, t->n);
    mlo_str_add(out,
                t->n == c->measured->requests ? " requests took" : " timings of several requests each took");
    mlo_str_add(out, ", on a logarithmic scale");
    if ((double)t->most > x.to) {
        mlo_str_add(out, "; the last bar goes on to ");
        mlo_page_time(out, (double)t->most);
    }
    mlo_str_add(out, b ? ". Outlined: now, filled: what it is compared with.</figcaption></figure>"
                       : ".</figcaption></figure>");
}
