/* See ci.h. */
#include <mlopsctl/base/ci.h>

#include <inttypes.h>
#include <string.h>

#include <mlopsctl/base/text.h>

/* ---- JUnit ---- */

static void put_attribute(struct mlo_str *out, const char *name, const char *value)
{
    mlo_str_addf(out, " %s=\"", name);
    mlo_spell_markup(out, value);
    mlo_str_addc(out, '"');
}

static void put_case(struct mlo_str *out, const char *suite, const struct mlo_ci_case *c)
{
    mlo_str_addf(out, "    <testcase classname=\"%s.%s\"", suite, c->group);
    put_attribute(out, "name", c->name);
    if (c->outcome == MLO_CI_PASSED) {
        mlo_str_add(out, "/>\n");
        return;
    }
    mlo_str_addf(out, ">\n      <%s", c->outcome == MLO_CI_FAILED ? "failure" : "skipped");
    if (c->outcome == MLO_CI_FAILED)
        put_attribute(out, "type", c->verdict);
    put_attribute(out, "message", c->why);
    mlo_str_add(out, "/>\n    </testcase>\n");
}

void mlo_ci_junit(struct mlo_str *out, const char *suite, const struct mlo_ci_case *cases, size_t n)
{
    size_t failed = 0, skipped = 0;
    for (size_t i = 0; i < n; i++) {
        failed += cases[i].outcome == MLO_CI_FAILED;
        skipped += cases[i].outcome == MLO_CI_SKIPPED;
    }
    mlo_str_addf(out,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"mlopsctl %s\">\n"
                 "  <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\">\n",
                 suite, suite, n, failed, skipped);
    for (size_t i = 0; i < n; i++)
        put_case(out, suite, &cases[i]);
    mlo_str_add(out, "  </testsuite>\n</testsuites>\n");
}

/* ---- GitHub: data escapes % CR LF, properties also : and , ---- */

static const struct mlo_spelling data[] = {{'%', "%25"}, {'\r', "%0D"}, {'\n', "%0A"}, {0}};
static const struct mlo_spelling property[] = {{'%', "%25"}, {'\r', "%0D"}, {'\n', "%0A"},
                                               {':', "%3A"}, {',', "%2C"},  {0}};

void mlo_ci_github(struct mlo_str *out, const struct mlo_ci_note *note)
{
    mlo_str_addf(out, "::%s ", note->level);
    if (note->file) {
        mlo_str_add(out, "file=");
        mlo_spell(out, note->file, strlen(note->file), property);
        if (note->line)
            mlo_str_addf(out, ",line=%" PRIu64, note->line);
        mlo_str_addc(out, ',');
    }
    mlo_str_addf(out, "title=%s", note->title);
    if (note->of) {
        mlo_str_add(out, " in ");
        mlo_spell(out, note->of, strlen(note->of), property);
    }
    mlo_str_add(out, "::");
    mlo_spell(out, note->text, strlen(note->text), data);
    mlo_str_addc(out, '\n');
}
