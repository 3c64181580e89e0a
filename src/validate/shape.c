/* See shape.h. */
#include "shape.h"

#include <math.h>
#include <string.h>

static char class_of(char c)
{
    if (c >= '0' && c <= '9')
        return '0';
    if (c >= 'A' && c <= 'Z')
        return 'A';
    if (c >= 'a' && c <= 'z')
        return 'a';
    return c > ' ' && c < 0x7f ? c : '\0';
}

static void read_text(struct mlo_shape *s, struct mlo_slice text)
{
    s->texts = 1;
    for (size_t i = 0; i < text.len && !s->none; i++) {
        char of = class_of(text.ptr[i]);
        bool same = s->runs > 0 && s->run[s->runs - 1].of == of;
        if (!of || (!same && s->runs == MLO_SHAPE_RUNS)) {
            s->none = true;
            return;
        }
        s->runs += !same;
        s->run[s->runs - 1].of = of;
        s->run[s->runs - 1].min = ++s->run[s->runs - 1].max;
    }
}

void mlo_shape_add(struct mlo_shape *s, struct mlo_slice text)
{
    struct mlo_shape one = {0};
    if (s->none)
        return;
    read_text(&one, text);
    mlo_shape_merge(s, &one);
}

void mlo_shape_merge(struct mlo_shape *s, const struct mlo_shape *other)
{
    if (other->texts == 0)
        return;
    if (s->texts == 0) {
        *s = *other;
        return;
    }
    s->texts += other->texts;
    s->none |= other->none || s->runs != other->runs;
    for (unsigned i = 0; i < s->runs && !s->none; i++) {
        s->none = s->run[i].of != other->run[i].of;
        s->run[i].min = other->run[i].min < s->run[i].min ? other->run[i].min : s->run[i].min;
        s->run[i].max = other->run[i].max > s->run[i].max ? other->run[i].max : s->run[i].max;
    }
}

static void put_class(struct mlo_str *out, char of)
{
    if (of == '0')
        mlo_str_add(out, "[0-9]");
    else if (of == 'A')
        mlo_str_add(out, "[A-Z]");
    else if (of == 'a')
        mlo_str_add(out, "[a-z]");
    else if (strchr("\\^$.|?*+()[]{}", of))
        mlo_str_addf(out, "\\%c", of);
    else
        mlo_str_addc(out, of);
}

bool mlo_shape_pattern(const struct mlo_shape *s, struct mlo_str *out)
{
    bool code = s->runs > 1 || (s->runs == 1 && s->run[0].of == '0');
    if (s->texts == 0 || s->none || !code)
        return false;
    for (unsigned i = 0; i < s->runs; i++) {
        put_class(out, s->run[i].of);
        if (s->run[i].min != s->run[i].max)
            mlo_str_addf(out, "{%u,%u}", s->run[i].min, s->run[i].max);
        else if (s->run[i].max > 1)
            mlo_str_addf(out, "{%u}", s->run[i].max);
    }
    return true;
}

void mlo_shape_log_space(const struct mlo_shape *s, double *ret_least, double *ret_most)
{
    *ret_least = 0;
    *ret_most = s->none ? INFINITY : 0;
    for (unsigned i = 0; i < s->runs && !s->none; i++) {
        char of = s->run[i].of;
        double letters = of == '0' ? 10 : of == 'A' || of == 'a' ? 26 : 1;
        *ret_least += s->run[i].min * log(letters);
        *ret_most += s->run[i].max * log(letters);
    }
}
