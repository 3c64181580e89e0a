/*
 * Loops that do nothing but multiply, or nothing but read, for one set of instructions. Whoever includes this
 * says TARGET (an attribute or nothing), WIDTH (bytes of a vector) and NAME, and has MLO_EACH_SUM.
 */
typedef float NAME(f32) __attribute__((vector_size(WIDTH)));
typedef double NAME(f64) __attribute__((vector_size(WIDTH)));

#define BEGIN(k)    sum##k = all + by * (k),
#define MULTIPLY(k) sum##k = sum##k * a + a;
#define ADD(k)      all += sum##k;
#define LOOP(kind, type)                                                                                     \
    TARGET static double NAME(multiply_##kind)(size_t turns, double factor)                                  \
    {                                                                                                        \
        type by = (type)factor;                                                                              \
        NAME(kind) all = {0}, MLO_EACH_SUM(BEGIN) a = all + by;                                              \
        for (size_t i = 0; i < turns; i++) {                                                                 \
            MLO_EACH_SUM(MULTIPLY)                                                                           \
        }                                                                                                    \
        MLO_EACH_SUM(ADD)                                                                                    \
        return (double)all[0];                                                                               \
    }
LOOP(f32, float)
LOOP(f64, double)
#undef LOOP
#undef ADD
#undef MULTIPLY
#undef BEGIN

/* bytes: a multiple of 8 vectors. */
TARGET static double NAME(read_all)(const void *from, size_t bytes)
{
    const NAME(f32) *p = from;
    NAME(f32) a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i < bytes / WIDTH; i += 8) {
        a += p[i];
        b += p[i + 1];
        c += p[i + 2];
        d += p[i + 3];
        a += p[i + 4];
        b += p[i + 5];
        c += p[i + 6];
        d += p[i + 7];
    }
    a += b + c + d;
    return (double)a[0];
}

static const struct mlo_peaks NAME(peaks) = {.multiply_f32 = NAME(multiply_f32),
                                             .multiply_f64 = NAME(multiply_f64),
                                             .read = NAME(read_all),
                                             .f32 = 2 * MLO_SUMS * WIDTH / 4,
                                             .f64 = 2 * MLO_SUMS * WIDTH / 8};
#undef TARGET
#undef WIDTH
#undef NAME
