/* Texts and numbers as reports spell them. */
#include <mlopsctl/html.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void mlo_spell_short(struct mlo_str *out, const char *s, size_t n)
{
    bool whole = n <= MLO_SPELL_SHORT;
    mlo_spell(out, s, whole ? n : mlo_utf8_cut(s, MLO_SPELL_SHORT), mlo_markup);
    if (!whole)
        mlo_str_add(out, "\u2026");
}

/* Digits of a whole number in threes. */
static void put_grouped(struct mlo_str *out, const char *digits)
{
    size_t n = strlen(digits);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            mlo_str_addc(out, ',');
        mlo_str_addc(out, digits[i]);
    }
}

void mlo_spell_count(struct mlo_str *out, uint64_t n)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRIu64, n);
    put_grouped(out, digits);
}

void mlo_spell_number(struct mlo_str *out, double v)
{
    char text[32];
    double size = fabs(v);
    if (!isfinite(v)) {
        mlo_str_add(out, isnan(v) ? "\u2013" : v > 0 ? "\u221e" : "-\u221e");
    } else if (size >= 1000 && size < 1e12) {
        snprintf(text, sizeof text, "%.0f", size);
        mlo_str_add(out, v < 0 ? "-" : "");
        put_grouped(out, text);
    } else {
        mlo_str_addf(out, "%.4g", size > 0 ? v : 0.0);
    }
}

void mlo_spell_p(struct mlo_str *out, double p)
{
    if (p < 1e-300)
        mlo_str_add(out, "0");
    else
        mlo_str_addf(out, "%.2g", p);
}

void mlo_spell_percent(struct mlo_str *out, double share)
{
    double points = 100 * share, size = fabs(points);
    if (size > 0)
        mlo_str_addf(out, size < 0.1 ? "%.1g %%" : "%.1f %%", points);
    else
        mlo_str_add(out, "0 %");
}
