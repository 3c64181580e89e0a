/* Foreign text in a form whose reader would obey some bytes of it. */
#include <string.h>

#include <mlopsctl/base/text.h>

void mlo_spell(struct mlo_str *out, const char *s, size_t n, const struct mlo_spelling *form)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, out->max);
    mlo_escape_text(&shown, s, n);
    if (shown.failed)
        out->failed = shown.failed;
    for (size_t i = 0; i < shown.len; i++) {
        const struct mlo_spelling *f = form;
        while (f->byte && f->byte != shown.ptr[i])
            f++;
        if (f->byte)
            mlo_str_add(out, f->as);
        else
            mlo_str_addc(out, shown.ptr[i]);
    }
}

const struct mlo_spelling mlo_markup[] = {{'&', "&amp;"},  {'<', "&lt;"},   {'>', "&gt;"},
                                          {'"', "&quot;"}, {'\'', "&#39;"}, {0}};

void mlo_spell_markup(struct mlo_str *out, const char *s)
{
    mlo_spell(out, s, strlen(s), mlo_markup);
}
