/*
 * Progress and messages, on stderr. A bar comes only to a terminal, only after a second, and is erased at the
 * end, so that what is left on the screen is the result; elsewhere a plain line every few seconds shows a log
 * that something moves.
 *
 * The rate is that of the last seconds, not of the whole time: what was found there already, at the start of
 * a pull that goes on after an interruption, says nothing about how fast the rest will come.
 *
 * Updates may come from several threads: whoever finds another one drawing goes on with its work.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define BAR_DELAY_NS  MLO_NS_PER_S
#define BAR_EVERY_NS  (MLO_NS_PER_S / 10)
#define LINE_EVERY_NS (5 * MLO_NS_PER_S)
#define JSON_EVERY_NS (MLO_NS_PER_S / 2)
#define MARKS         10 /* one a second: the rate is that of the last ten seconds */
#define BAR_MAX       30 /* columns of the bar itself */
#define BAR_MIN       5
#define WIDTH_DEFAULT 80
#define ERASE         "\r\033[K"

struct mlo_progress {
    char *what;
    enum mlo_progress_mode mode; /* BAR, PLAIN or JSON */
    int64_t started, due;        /* due: nothing is drawn before */
    uint64_t done, total;
    struct {
        int64_t at;
        uint64_t done;
    } marks[MARKS]; /* a ring; the oldest is next */
    size_t n_marks;
    bool drawn, is_time;
    atomic_flag drawing;
};

static enum mlo_progress_mode choose_mode(const struct mlo_ctx *ctx)
{
    const char *term = mlo_env_get(ctx->env, "TERM");
    if (ctx->progress != MLO_PROGRESS_AUTO)
        return ctx->progress;
    if (ctx->quiet)
        return MLO_PROGRESS_NONE;
    if (ctx->tty_err)
        return term && strcmp(term, "dumb") == 0 ? MLO_PROGRESS_PLAIN : MLO_PROGRESS_BAR;
    return ctx->json ? MLO_PROGRESS_NONE : MLO_PROGRESS_PLAIN;
}

static int64_t interval(enum mlo_progress_mode mode)
{
    return mode == MLO_PROGRESS_BAR    ? BAR_EVERY_NS
           : mode == MLO_PROGRESS_JSON ? JSON_EVERY_NS
                                       : LINE_EVERY_NS;
}

/* ---- drawing ---- */

static void add_numbers(const struct mlo_progress_view *v, struct mlo_str *out)
{
    char done[MLO_HUMAN_MAX], total[MLO_HUMAN_MAX], rate[MLO_HUMAN_MAX], left[MLO_HUMAN_MAX];
    if (v->is_time) {
        mlo_str_addf(out, "%.0f of %.0f s", (double)v->done / 1e9, (double)v->total / 1e9);
        return;
    }
    double seconds = (double)(v->elapsed_ns - v->since_ns) / (double)MLO_NS_PER_S;
    double per_second = seconds > 0 ? (double)(v->done - v->since_done) / seconds : 0;
    mlo_str_add(out, mlo_human_size(v->done, done));
    if (v->total)
        mlo_str_addf(out, " of %s", mlo_human_size(v->total, total));
    if (per_second < 1)
        return;
    mlo_str_addf(out, ", %s/s", mlo_human_size((uint64_t)per_second, rate));
    if (v->total > v->done) {
        double ns = (double)(v->total - v->done) / per_second * (double)MLO_NS_PER_S;
        if (ns < (double)INT64_MAX)
            mlo_str_addf(out, ", %s left", mlo_human_duration((uint64_t)ns, left));
    }
}

static unsigned percent(const struct mlo_progress_view *v)
{
    return v->done >= v->total ? 100 : (unsigned)((double)v->done / (double)v->total * 100);
}

void mlo_progress_line(const struct mlo_progress_view *v, unsigned width, struct mlo_str *out)
{
    MLO_AUTOSTR struct mlo_str numbers;
    mlo_str_init(&numbers, 512);
    add_numbers(v, &numbers);
    mlo_str_add(out, v->what);
    if (v->total) {
        size_t used = mlo_text_width(v->what) + sizeof " 100% [] " - 1 + numbers.len;
        size_t bar = used < width ? width - used : 0;
        bar = bar > BAR_MAX ? BAR_MAX : bar;
        mlo_str_addf(out, " %3u%%", percent(v));
        if (bar >= BAR_MIN) {
            size_t full = bar * percent(v) / 100;
            mlo_str_add(out, " [");
            mlo_str_fill(out, '#', full);
            mlo_str_fill(out, '.', bar - full);
            mlo_str_addc(out, ']');
        }
    }
    if (mlo_text_width(out->ptr) + 1 + numbers.len <= width)
        mlo_str_addf(out, " %s", numbers.ptr);
}

static unsigned terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : WIDTH_DEFAULT;
}

static void draw_json(const struct mlo_progress_view *v, const char *event)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *line = NULL;
    size_t len = 0;
    cJSON_AddStringToObject(doc, "event", event);
    cJSON_AddStringToObject(doc, "what", v->what);
    mlo_json_add_u64(doc, "done", v->done);
    mlo_json_add_u64(doc, "total", v->total);
    mlo_json_add_double(doc, "seconds", (double)v->elapsed_ns / (double)MLO_NS_PER_S);
    if (mlo_json_print(doc, &line, &len, &err) == 0)
        fprintf(stderr, "%s\n", line);
}

/* The oldest mark; before there is one, the start. Work that begins anew begins its rate anew. */
static void set_since(const struct mlo_progress *p, struct mlo_progress_view *v)
{
    size_t oldest = p->n_marks > MARKS ? p->n_marks % MARKS : 0;
    if (p->n_marks == 0 || p->marks[oldest].done > p->done)
        return;
    v->since_done = p->marks[oldest].done;
    v->since_ns = (uint64_t)(p->marks[oldest].at - p->started);
}

static void mark(struct mlo_progress *p, int64_t now)
{
    int64_t last = p->n_marks > 0 ? p->marks[(p->n_marks - 1) % MARKS].at : p->started;
    if (now - last < MLO_NS_PER_S)
        return;
    p->marks[p->n_marks % MARKS].at = now;
    p->marks[p->n_marks % MARKS].done = p->done;
    p->n_marks++;
}

static void draw(struct mlo_progress *p, int64_t now, const char *event)
{
    struct mlo_progress_view v = {p->what, p->done, p->total, (uint64_t)(now - p->started), 0, 0, p->is_time};
    set_since(p, &v);
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, 1024);
    if (p->mode == MLO_PROGRESS_JSON) {
        draw_json(&v, event);
        return;
    }
    if (p->mode == MLO_PROGRESS_BAR) {
        mlo_progress_line(&v, terminal_width() - 1, &line);
        fprintf(stderr, ERASE "%s", line.ptr);
    } else {
        mlo_str_addf(&line, "%s: ", p->what);
        if (p->total)
            mlo_str_addf(&line, "%u%%, ", percent(&v));
        add_numbers(&v, &line);
        fprintf(stderr, "%s\n", line.ptr);
    }
    fflush(stderr);
    p->drawn = true;
}

/* ---- life ---- */

struct mlo_progress *mlo_progress_start(const struct mlo_ctx *ctx, const char *what, uint64_t total_bytes)
{
    enum mlo_progress_mode mode = choose_mode(ctx);
    MLO_AUTOSTR struct mlo_str shown;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&shown, 512);
    mlo_escape(&shown, what, strlen(what));
    if (mode == MLO_PROGRESS_NONE || mlo_str_check(&shown, &err) < 0)
        return NULL;
    struct mlo_progress *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->what = mlo_str_detach(&shown, NULL);
    p->mode = mode;
    p->started = mlo_time_mono();
    p->due = p->started + (mode == MLO_PROGRESS_BAR ? BAR_DELAY_NS : interval(mode));
    p->total = total_bytes;
    atomic_flag_clear(&p->drawing);
    if (mode == MLO_PROGRESS_JSON)
        draw(p, p->started, "start");
    return p;
}

struct mlo_progress *mlo_progress_start_time(const struct mlo_ctx *ctx, const char *what)
{
    bool silent = ctx->progress == MLO_PROGRESS_AUTO && !ctx->tty_err;
    struct mlo_progress *p = silent ? NULL : mlo_progress_start(ctx, what, 0);
    if (p)
        p->is_time = true;
    return p;
}

void mlo_progress_update(struct mlo_progress *p, uint64_t done, uint64_t total)
{
    if (!p || atomic_flag_test_and_set_explicit(&p->drawing, memory_order_acquire))
        return;
    int64_t now = mlo_time_mono();
    p->done = done;
    p->total = total;
    mark(p, now);
    if (now >= p->due) {
        draw(p, now, "progress");
        p->due = now + interval(p->mode);
    }
    atomic_flag_clear_explicit(&p->drawing, memory_order_release);
}

void mlo_progress_adapter(void *p, uint64_t done, uint64_t total)
{
    mlo_progress_update(p, done, total);
}

void mlo_progress_end(struct mlo_progress *p)
{
    if (!p)
        return;
    if (p->mode == MLO_PROGRESS_JSON)
        draw(p, mlo_time_mono(), "end");
    else if (p->mode == MLO_PROGRESS_BAR && p->drawn)
        fputs(ERASE, stderr);
    free(p->what);
    free(p);
}

/* ---- messages ---- */

#define MESSAGE_MAX 8192

/* Names from outside may stand in a message: it is escaped as a whole. */
static void format_message(struct mlo_str *out, const char *fmt, va_list ap) MLO_PRINTF(2, 0);
static void format_message(struct mlo_str *out, const char *fmt, va_list ap)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MESSAGE_MAX);
    mlo_str_vaddf(&text, fmt, ap);
    mlo_escape_text(out, text.ptr, text.len);
}

/* A line of its own, so that all of stderr stays readable for a program: {"schema":1,"warning":"..."}. */
static void warn_json(char *message)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *line = NULL;
    size_t len = 0;
    struct mlo_value value = {.type = MLO_CELL_TEXT, .text = message};
    mlo_json_add_u64(doc, "schema", MLO_JSON_SCHEMA);
    if (mlo_value_json(&value, doc, "warning") && mlo_json_print(doc, &line, &len, &err) == 0)
        fprintf(stderr, "%s\n", line);
}

void mlo_warn(const struct mlo_ctx *ctx, const char *fmt, ...)
{
    MLO_AUTOSTR struct mlo_str text;
    va_list ap;
    mlo_str_init(&text, 2 * MESSAGE_MAX);
    va_start(ap, fmt);
    format_message(&text, fmt, ap);
    va_end(ap);
    if (ctx->json)
        warn_json(text.ptr);
    else
        fprintf(stderr, MLO_PROGRAM ": warning: %s\n", text.ptr);
}

void mlo_note(const struct mlo_ctx *ctx, const char *fmt, ...)
{
    MLO_AUTOSTR struct mlo_str text;
    va_list ap;
    mlo_str_init(&text, 2 * MESSAGE_MAX);
    if (ctx->quiet || ctx->json)
        return;
    va_start(ap, fmt);
    format_message(&text, fmt, ap);
    va_end(ap);
    fprintf(stderr, MLO_PROGRAM ": %s\n", text.ptr);
}
