/* Text of a cell to a value, and a column's type from its cells. */
#include <math.h>

#include "../../src/table/internal.h"
#include "table_cases.h"

/* ---- numbers ---- */

static void number_is(const char *text, double want)
{
    double got = 12345;
    bool ok = mlo_cell_number(text, strlen(text), &got);
    check(ok && memcmp(&got, &want, sizeof got) == 0, "'%s' is %.17g, want %.17g", text, got, want);
}

static void no_number(const char *text)
{
    double got;
    check(!mlo_cell_number(text, strlen(text), &got), "'%s' is a number", text);
}

static void numbers_are_read_in_every_usual_spelling(void)
{
    number_is("0", 0);
    number_is("-0", -0.0);
    number_is("+5", 5);
    number_is(".5", 0.5);
    number_is("5.", 5);
    number_is("007", 7);
    number_is(" \t-1.25e+2 ", -125);
    number_is("1E5", 1e5);
    number_is("1e308", 1e308);
    number_is("1.7976931348623157e308", 1.7976931348623157e308);
    number_is("1e309", INFINITY);
    number_is("-1e999999999999", -INFINITY);
    number_is("1e-400", 0);
    number_is("4.9e-324", 4.9e-324);
    number_is("2.4703282292062327e-324", 0); /* below half of the smallest */
    number_is("inf", INFINITY);
    number_is("-Infinity", -INFINITY);
    number_is("+INF", INFINITY);
}

static void words_and_other_notations_are_no_numbers(void)
{
    static const char *const words[] = {
        "",     " ",     "-",   "+",   ".",   "e5",      "1e",     "1e+",          "1,000", "1 000", "1_000",
        "0x10", "1.2.3", "1-2", "--1", "12a", "infinit", "nan(1)", "\xef\xbc\x91", "1e5.5", "1d5",   "5%"};
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        no_number(words[i]);
    char digits[2000];
    memset(digits, '1', sizeof digits);
    double v;
    check(!mlo_cell_number(digits, sizeof digits, &v)); /* longer than any number is written */
}

/* What is hard to round: halves between two doubles, and digits far behind them. */
static void numbers_are_rounded_as_strtod_rounds_them(void)
{
    static const char *const hard[] = {"9007199254740993",
                                       "9007199254740992.9999999",
                                       "0.1",
                                       "0.30000000000000004",
                                       "123456789012345678901234567890",
                                       "9223372036854775807",
                                       "18446744073709551616",
                                       "1.00000000000000011102230246251565",
                                       "8.41e21",
                                       "2.2250738585072011e-308",
                                       "2.2250738585072014e-308",
                                       "6.631236846766476e-316",
                                       "7.2057594037927933e16",
                                       "1e23",
                                       "5e-324",
                                       "0.000000000000000000000000000000000000001e39"};
    uint64_t seed = 9;
    for (size_t i = 0; i < MLO_COUNT(hard); i++)
        number_is(hard[i], strtod(hard[i], NULL));
    for (int i = 0; i < 200000; i++) {
        char text[64];
        union {
            uint64_t bits;
            double v;
        } u;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        u.bits = seed ^ seed >> 29;
        if (!isfinite(u.v))
            continue;
        snprintf(text, sizeof text,
                 i % 3 == 0   ? "%.17g"
                 : i % 3 == 1 ? "%.20e"
                              : "%.6f",
                 fmod(u.v, i % 3 == 2 ? 1e15 : INFINITY));
        number_is(text, strtod(text, NULL));
    }
}

/* ---- times ---- */

static void time_is(const char *text, int64_t want)
{
    int64_t got = -1;
    check(mlo_cell_time(text, strlen(text), &got) && got == want, "'%s' is %lld, want %lld", text,
          (long long)got, (long long)want);
}

#define S ((int64_t)1000000000)

static void times_are_read_in_any_zone(void)
{
    time_is("1970-01-01", 0);
    time_is("1969-12-31", -86400 * S);
    time_is("2024-02-29", 1709164800 * S);
    time_is("2000-02-29T00:00", 951782400 * S);
    time_is("2024-01-02 03:04:05", 1704164645 * S);
    time_is("2024-01-02t03:04:05z", 1704164645 * S);
    time_is("2024-01-02T03:04:05+02:00", (1704164645 - 7200) * S);
    time_is("2024-01-02T03:04:05-0530", (1704164645 + 19800) * S);
    time_is("2024-01-02T03:04:05.5Z", 1704164645 * S + S / 2);
    time_is("2024-01-02T03:04:05,000000001+00:00", 1704164645 * S + 1);
    time_is("2024-01-02T03:04:05.0000000019", 1704164645 * S + 1); /* beyond nanoseconds: cut */
    time_is("2016-12-31T23:59:60Z", 1483228800 * S);               /* a leap second */
    time_is("1678-01-01", -9214560000 * S);
    time_is("2261-12-31T23:59:59Z", 9214646399 * S);
}

static void what_is_no_time_is_refused(void)
{
    static const char *const words[] = {"",
                                        "2024",
                                        "2024-01",
                                        "2024-1-2",
                                        "2023-02-29",
                                        "1900-02-29",
                                        "2024-13-01",
                                        "2024-00-10",
                                        "2024-01-32",
                                        "2024-01-00",
                                        "2024-01-02T",
                                        "2024-01-02T25:00",
                                        "2024-01-02T23:60",
                                        "2024-01-02T3:04",
                                        "2024-01-02T03:04:61",
                                        "2024-01-02T03:04:05+25:00",
                                        "2024-01-02T03:04:05 UTC",
                                        "2024-01-02x",
                                        "1677-01-01",
                                        "2262-01-01",
                                        "9999-12-31",
                                        "01/02/2024",
                                        "2024/01/02",
                                        "-024-01-02",
                                        "2024-01-02T03:04:05.",
                                        "2024-01-02T03:04:05+",
                                        "20240102"};
    for (size_t i = 0; i < MLO_COUNT(words); i++) {
        int64_t t;
        check(!mlo_cell_time(words[i], strlen(words[i]), &t), "'%s' is a time", words[i]);
    }
}

/* ---- truth values, missing ---- */

static void truth_values_are_words(void)
{
    double v = 5;
    check(mlo_cell_bool("true", 4, &v) && v == 1);
    check(mlo_cell_bool(" FALSE ", 7, &v) && v == 0);
    check(!mlo_cell_bool("yes", 3, &v) && !mlo_cell_bool("1", 1, &v) && !mlo_cell_bool("", 0, &v) &&
          !mlo_cell_bool("truefalse", 9, &v));
}

static void missing_is_what_pandas_reads_as_missing(void)
{
    static const char *const words[] = {"",     "#N/A",   "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN",
                                        "-nan", "1.#IND", "1.#QNAN",  "<NA>", "N/A",     "NA",       "NULL",
                                        "NaN",  "n/a",    "nan",      "null", "None"};
    static const char *const values[] = {"na",  "none", "Null", "NONE",    "N",  "0",
                                         " NA", "-",    "?",    "missing", "nil"};
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        check(mlo_cell_missing(words[i], strlen(words[i])), "'%s'", words[i]);
    for (size_t i = 0; i < MLO_COUNT(values); i++)
        check(!mlo_cell_missing(values[i], strlen(values[i])), "'%s'", values[i]);
}

/* ---- types ---- */

static void type_is(const char *const *cells, size_t n, enum mlo_column_type want, bool integral)
{
    struct mlo_guess g = {0};
    bool got_integral, empty;
    for (size_t i = 0; i < n; i++)
        mlo_guess_cell(&g, cells[i], strlen(cells[i]));
    enum mlo_column_type got = mlo_guess_type(&g, &got_integral, &empty);
    check(got == want && (got != MLO_COLUMN_NUMBER || got_integral == integral), "'%s', '%s', ...: type %d",
          cells[0], cells[1], (int)got);
}

#define TYPE(want, integral, ...)                                                                            \
    type_is((const char *const[]){__VA_ARGS__}, MLO_COUNT(((const char *const[]){__VA_ARGS__})), want,       \
            integral)

static void a_column_is_what_all_its_cells_are(void)
{
    TYPE(MLO_COLUMN_NUMBER, true, "1", "-2", "", "NA");
    TYPE(MLO_COLUMN_NUMBER, false, "1", "2.0");
    TYPE(MLO_COLUMN_NUMBER, false, "1", "1e-3");
    TYPE(MLO_COLUMN_NUMBER, true, "1e3", "2");
    TYPE(MLO_COLUMN_NUMBER, true, "1", "inf");
    TYPE(MLO_COLUMN_NUMBER, false, "1e308", "0.5");
    TYPE(MLO_COLUMN_BOOL, false, "true", "False", "");
    TYPE(MLO_COLUMN_TIME, false, "2024-01-02", "2024-01-02T03:04:05+02:00", "2024-01-02 03:04Z");
    TYPE(MLO_COLUMN_TEXT, false, "2024-01-02", "soon");
    TYPE(MLO_COLUMN_TEXT, false, "1", "one");
    TYPE(MLO_COLUMN_TEXT, false, "true", "1");
    TYPE(MLO_COLUMN_TEXT, false, "1,000", "2,500");
    TYPE(MLO_COLUMN_TEXT, false, "", "NA");
}

static void digits_that_name_something_are_text(void)
{
    TYPE(MLO_COLUMN_TEXT, false, "007", "010");
    TYPE(MLO_COLUMN_TEXT, false, "1", "-01");
    TYPE(MLO_COLUMN_TEXT, false, "9007199254740993", "1");
    TYPE(MLO_COLUMN_NUMBER, true, "9007199254740991", "0");
    TYPE(MLO_COLUMN_NUMBER, true, "-inf", "0");
    TYPE(MLO_COLUMN_NUMBER, false, "0.5", "0");
    TYPE(MLO_COLUMN_NUMBER, true, "1e20", "0"); /* written as a measure, not as a name */
}

int main(void)
{
    run(numbers_are_read_in_every_usual_spelling);
    run(words_and_other_notations_are_no_numbers);
    run(numbers_are_rounded_as_strtod_rounds_them);
    run(times_are_read_in_any_zone);
    run(what_is_no_time_is_refused);
    run(truth_values_are_words);
    run(missing_is_what_pandas_reads_as_missing);
    run(a_column_is_what_all_its_cells_are);
    run(digits_that_name_something_are_text);
    return done_testing();
}
