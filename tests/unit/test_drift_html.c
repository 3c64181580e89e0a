/* The report's page: well-formed, inert whatever the data holds, the same bytes each time, small when wide.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/drift.h>

#include "tap.h"

static struct mlo_err err;

/* ---- making reports ---- */

struct compared {
    struct mlo_profile *a, *b;
    struct mlo_drift_report *r;
};

static const char *path(const char *name)
{
    static char buf[2][MLO_PATH_MAX];
    static int at;
    char *p = buf[at++ % 2];
    snprintf(p, sizeof buf[0], "%s/%s", tap_tmpdir(), name);
    return p;
}

static struct mlo_profile *profile(const char *file, const struct mlo_profile *like)
{
    struct mlo_table_opts to = {.threads = 1};
    struct mlo_profile_opts po = {.like = like};
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL;
    check_ok(mlo_table_open(&file, 1, &to, &t, &err), &err);
    check_ok(mlo_profile_table(t, &po, &p, &err), &err);
    mlo_table_close(t);
    return p;
}

static struct compared compare(const char *reference, const char *current)
{
    struct mlo_drift_opts o = {0};
    struct compared c = {.a = profile(reference, NULL)};
    c.b = profile(current, c.a);
    check_ok(mlo_drift_compare(c.a, c.b, &o, &c.r, &err), &err);
    return c;
}

static void done(struct compared *c)
{
    mlo_drift_report_free(c->r);
    mlo_profile_free(c->a);
    mlo_profile_free(c->b);
}

/* Of five columns four are numbers of different sizes and one is text; every fifth moves. */
static void write_wide(const char *file, uint64_t seed, int columns, int rows, double shift)
{
    FILE *f = fopen(file, "w");
    for (int i = 0; i < columns; i++)
        fprintf(f, "%sfeature_%04d", i ? "," : "", i);
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < columns; i++) {
            double x = -6, move = i % 5 == 0 ? shift : 0;
            for (int k = 0; k < 12; k++)
                x += mlo_random_unit(&seed);
            fprintf(f, "%s", i ? "," : "\n");
            if (i % 5 == 4)
                fprintf(f, "category_%d", (int)(mlo_random_unit(&seed) * 9));
            else if (i % 5 == 3)
                fprintf(f, "%d", (int)(mlo_random_unit(&seed) * 40));
            else
                fprintf(f, "%.6g", (x + move) * pow(10, i % 6));
        }
    fputs("\n", f);
    fclose(f);
}

static const char *const hostile[] = {
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",   "</td></tr></table></details>",
    "]]>&amp;&#60;&nbsp;",       "<!-- --><![CDATA[",
    "\x1b[31m\x01\xff\xfe",      "\xe2\x80\xaegnp.exe",
    "javascript:alert(1)",
};

static void put_quoted(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

static void write_hostile(const char *file, size_t from)
{
    size_t n = MLO_COUNT(hostile) - 3;
    FILE *f = fopen(file, "w");
    for (size_t i = 0; i < MLO_COUNT(hostile); i++) {
        fputs(i ? "," : "", f);
        put_quoted(f, hostile[i]);
    }
    for (size_t r = 0; r < 300; r++)
        for (size_t i = 0; i < MLO_COUNT(hostile); i++) {
            fputs(i ? "," : "\n", f);
            if (i % 2)
                fprintf(f, "%zu", r % 17 + from);
            else
                put_quoted(f, hostile[from + r % n]);
        }
    fputs("\n", f);
    fclose(f);
}

static struct compared hostile_report(void)
{
    write_hostile(path("a.csv"), 0);
    write_hostile(path("b.csv"), 3);
    struct compared c = compare(path("a.csv"), path("b.csv"));
    c.r->name_reference = "<b>a</b>.csv";
    c.r->name_current = "\"b'&.csv";
    return c;
}

/* ---- reading the page ---- */

struct reader {
    const char *at;
    char open[64][16]; /* names of the elements that stand open */
    size_t depth, elements;
    const char *wrong;
};

static bool is_reference(const char *p)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#160;"};
    for (size_t i = 0; i < MLO_COUNT(known); i++)
        if (strncmp(p, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

/* name="value" as often as there is one. */
static void read_attributes(struct reader *r)
{
    while (*r->at == ' ') {
        r->at++;
        while (isalnum((unsigned char)*r->at) || *r->at == '-')
            r->at++;
        if (strncmp(r->at, "=\"", 2) != 0) {
            r->wrong = r->at;
            return;
        }
        for (r->at += 2; *r->at && *r->at != '"'; r->at++)
            if (*r->at == '<' || (*r->at == '&' && !is_reference(r->at)))
                r->wrong = r->at;
        r->at += *r->at == '"';
    }
}

static void read_tag(struct reader *r)
{
    char name[16] = "";
    bool end = r->at[1] == '/';
    r->at += end ? 2 : 1;
    for (size_t n = 0; isalnum((unsigned char)*r->at) && n + 1 < sizeof name; r->at++)
        name[n++] = *r->at;
    read_attributes(r);
    bool empty = *r->at == '/';
    r->at += empty;
    if (*r->at != '>' || !*name || (end && (r->depth == 0 || strcmp(r->open[r->depth - 1], name) != 0)))
        r->wrong = r->at;
    else if (end)
        r->depth--;
    else if (!empty && r->depth < MLO_COUNT(r->open))
        memcpy(r->open[r->depth++], name, sizeof name);
    r->elements += !end;
}

/* Where the page is not well-formed XML; NULL when it is. */
static const char *fault(const char *page, size_t *ret_elements)
{
    struct reader r = {.at = strchr(page, '\n')};
    for (; *r.at && !r.wrong; r.at++) {
        if (*r.at == '<')
            read_tag(&r);
        else if (*r.at == '&' && !is_reference(r.at))
            r.wrong = r.at;
        else if ((unsigned char)*r.at < ' ' && *r.at != '\n')
            r.wrong = r.at;
    }
    *ret_elements = r.elements;
    return r.wrong ? r.wrong : r.depth ? "an element stands open" : NULL;
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
        n++;
    return n;
}

static size_t well_formed(const struct mlo_str *page)
{
    size_t elements = 0;
    const char *wrong = fault(page->ptr, &elements);
    check(wrong == NULL, "at: %.80s", wrong ? wrong : "");
    check(mlo_utf8_valid(page->ptr, page->len));
    return elements;
}

static void render(const struct mlo_drift_report *r, struct mlo_str *ret)
{
    mlo_str_init(ret, MLO_STR_MAX);
    check_ok(mlo_drift_html(r, ret, &err), &err);
}

/* ---- tests ---- */

static void the_checker_finds_faults(void)
{
    size_t n;
    check(fault("\n<a b=\"c\"><d/>&amp;</a>", &n) == NULL && n == 2);
    check(fault("\n<a><b></a>", &n) != NULL && fault("\n<a>", &n) != NULL && fault("\n</a>", &n) != NULL);
    check(fault("\n<a b=c></a>", &n) != NULL && fault("\n<a>&x</a>", &n) != NULL &&
          fault("\n<a>\x1b</a>", &n) != NULL);
}

static void the_verdict_comes_first(void)
{
    MLO_AUTOSTR struct mlo_str page;
    write_wide(path("a.csv"), 1, 5, 500, 0);
    write_wide(path("b.csv"), 2, 5, 500, 1);
    struct compared c = compare(path("a.csv"), path("b.csv"));
    render(c.r, &page);
    const char *h1 = strstr(page.ptr, "<h1>");
    check(h1 && strstr(h1, "Drift: 1 of 5 columns changed") && h1 < strstr(page.ptr, "<table"));
    well_formed(&page);
    check_int(times(page.ptr, "<details"), 5);
    check_int(times(page.ptr, "aria-label=\"Histogram\""), 4);
    check(strstr(page.ptr, "Categories by difference") && strstr(page.ptr, "<caption>"));
    check(times(page.ptr, "http://") + times(page.ptr, "https://") + times(page.ptr, "src=") == 0,
          "no network");
    done(&c);
}

static void the_same_report_gives_the_same_bytes(void)
{
    MLO_AUTOSTR struct mlo_str one, two;
    struct compared c = hostile_report(), d = hostile_report();
    render(c.r, &one);
    render(d.r, &two);
    check(one.len == two.len && memcmp(one.ptr, two.ptr, one.len) == 0);
    done(&c);
    done(&d);
}

static void nothing_of_the_data_runs(void)
{
    MLO_AUTOSTR struct mlo_str page;
    struct compared c = hostile_report();
    render(c.r, &page);
    well_formed(&page);
    check_int(times(page.ptr, "<script"), 1);
    check_int(times(page.ptr, "<style"), 1);
    check(times(page.ptr, "<img") + times(page.ptr, "<b>a</b>") + times(page.ptr, "<!-") == 0);
    check(times(page.ptr, "onmouseover='") + times(page.ptr, "\xe2\x80\xae") + times(page.ptr, "\x1b") == 0);
    check(times(page.ptr, "href=\"j") == 0);
    check(strstr(page.ptr, "&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown all the same");
    check(strstr(page.ptr, "script-src 'sha256-"), "and only our script may run");
    done(&c);
}

static void the_other_forms_hold_it_too(void)
{
    MLO_AUTOSTR struct mlo_str junit, prometheus, github;
    struct compared c = hostile_report();
    mlo_str_init(&junit, MLO_STR_MAX);
    mlo_str_init(&prometheus, MLO_STR_MAX);
    mlo_str_init(&github, MLO_STR_MAX);
    check_ok(mlo_drift_junit(c.r, &junit, &err), &err);
    check_ok(mlo_drift_prometheus(c.r, &prometheus, &err), &err);
    check_ok(mlo_drift_github(c.r, &github, &err), &err);
    well_formed(&junit);
    check_int(times(junit.ptr, "<testcase"), MLO_COUNT(hostile) + 1);
    check(strstr(prometheus.ptr, "{column=\"\\\"><img src=x onerror=alert(1)>\"}"));
    check(times(github.ptr, "\n") <= 10);
    done(&c);
}

static size_t size_of_wide(int columns, int rows, size_t *ret_details)
{
    MLO_AUTOSTR struct mlo_str page;
    write_wide(path("a.csv"), 7, columns, rows, 0);
    write_wide(path("b.csv"), 8, columns, rows, 1.5);
    struct compared c = compare(path("a.csv"), path("b.csv"));
    render(c.r, &page);
    well_formed(&page);
    check_int(times(page.ptr, "<tr class="), columns);
    *ret_details = times(page.ptr, "<details");
    done(&c);
    return page.len;
}

static void wide_tables_stay_small(void)
{
    size_t details, size = size_of_wide(50, 1000, &details);
    check(size <= 150000, "%zu bytes for 50 columns", size);
    check(details >= 45, "%zu columns in full", details);
    size = size_of_wide(1000, 120, &details);
    check(size <= 2000000, "%zu bytes for 1000 columns", size);
    check(details >= 50 && details <= 100, "%zu columns in full", details);
}

static void sections_stand_where_there_is_something(void)
{
    MLO_AUTOSTR struct mlo_str page, more;
    struct mlo_drift_fact fact = {
        .name = "accuracy<", .kind = "concept", .verdict = MLO_VERDICT_DRIFT, .why = "it fell"};
    struct mlo_drift_window windows[] = {
        {.label = "2026-01-01", .worst = "x\"", .worst_psi = 0.2, .verdict = MLO_VERDICT_DRIFT},
        {.worst_psi = 5, .share_drifted = 0.5}};
    write_wide(path("a.csv"), 1, 5, 500, 0);
    struct compared c = compare(path("a.csv"), path("a.csv"));
    render(c.r, &page);
    check(!strstr(page.ptr, "accuracy") && !strstr(page.ptr, "Over time"));
    struct mlo_drift_report r = *c.r;
    r.facts = &fact;
    r.windows = windows;
    r.n_facts = 1;
    r.n_windows = MLO_COUNT(windows);
    render(&r, &more);
    well_formed(&more);
    check(strstr(more.ptr, "accuracy&lt;") && strstr(more.ptr, "Over time") && strstr(more.ptr, "x&quot;"));
    done(&c);
}

static void odd_columns_have_rows(void)
{
    MLO_AUTOSTR struct mlo_str page;
    FILE *f = fopen(path("a.csv"), "w");
    fprintf(f, "same,empty,typed,gone,one,huge\n");
    for (int i = 0; i < 200; i++)
        fprintf(f, "7,,%d,%d,%d,%s\n", i % 9, i % 3, i == 0, i % 2 ? "1e308" : "-1e308");
    fclose(f);
    f = fopen(path("b.csv"), "w");
    fprintf(f, "same,empty,typed,new,one,huge\n");
    for (int i = 0; i < 200; i++)
        fprintf(f, "7,,word%d,%d,%d,%s\n", i % 9, i % 3, i % 2 ? 5 : -5, i % 3 ? "NaN" : "1e300");
    fclose(f);
    struct compared c = compare(path("a.csv"), path("b.csv"));
    render(c.r, &page);
    well_formed(&page);
    check_int(times(page.ptr, "<tr class="), 7);
    check(times(page.ptr, "nan") + times(page.ptr, "inf\"") == 0);
    done(&c);
}

static struct compared faulty;

static int make_page(void)
{
    struct mlo_err failed = {0};
    MLO_AUTOSTR struct mlo_str page;
    mlo_str_init(&page, MLO_STR_MAX);
    int rc = mlo_drift_html(faulty.r, &page, &failed);
    return rc ? rc : mlo_drift_junit(faulty.r, &page, &failed);
}

static void memory_may_run_out(void)
{
    write_wide(path("a.csv"), 1, 2, 50, 0);
    write_wide(path("b.csv"), 2, 2, 50, 1);
    faulty = compare(path("a.csv"), path("b.csv"));
    check(each_alloc_failure(make_page) > 5);
    done(&faulty);
}

int main(void)
{
    run(the_checker_finds_faults);
    run(the_verdict_comes_first);
    run(the_same_report_gives_the_same_bytes);
    run(nothing_of_the_data_runs);
    run(the_other_forms_hold_it_too);
    run(wide_tables_stay_small);
    run(sections_stand_where_there_is_something);
    run(odd_columns_have_rows);
    run(memory_may_run_out);
    return done_testing();
}
