/* Text and numbers of the data, as the report's forms spell them. */
#ifndef MLO_DRIFT_SPELL_H
#define MLO_DRIFT_SPELL_H

#include <mlopsctl/base/text.h>

/* As mlo_spell_markup, cut to what fits a line of a report. */
#define MLO_SPELL_SHORT ((size_t)80)
void mlo_spell_short(struct mlo_str *out, const char *s, size_t n);

/* For people: four digits, "12,500", "0.0125", "1.2e-09"; what is no number is a dash. */
void mlo_spell_number(struct mlo_str *out, double v);
void mlo_spell_p(struct mlo_str *out, double p);           /* "0.032", "2e-16" */
void mlo_spell_percent(struct mlo_str *out, double share); /* "12.5 %" */
void mlo_spell_count(struct mlo_str *out, uint64_t n);     /* "1,000,000" */

#endif
