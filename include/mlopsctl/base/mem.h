/*
 * Memory and ownership helpers. Header comments use three words: a function *owns*, *borrows* or *takes*.
 * Allocation failure is an ordinary error.
 */
#ifndef MLOPSCTL_BASE_MEM_H
#define MLOPSCTL_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <mlopsctl/base/err.h>

#define MLO_AUTO(fn)     __attribute__((cleanup(fn)))
#define MLO_AUTOFREE     MLO_AUTO(mlo_cleanup_free)
#define MLO_AUTOCLOSE    MLO_AUTO(mlo_cleanup_close) /* for `int fd = -1` */
#define MLO_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Move ownership out of an automatic variable: `*ret = mlo_steal(&ptr)`. */
#define mlo_steal(pp)                                                                                        \
    __extension__({                                                                                          \
        __typeof__(*(pp)) v_ = *(pp);                                                                        \
        *(pp) = NULL;                                                                                        \
        v_;                                                                                                  \
    })

static inline void mlo_cleanup_free(void *pp)
{
    free(*(void **)pp);
}
void mlo_cleanup_close(int *fd);
/* Returns *fd and sets it to -1. */
int mlo_steal_fd(int *fd);

/* Zeroed array of n elements; the product is checked. NULL with err set on failure. */
void *mlo_calloc(size_t n, size_t size, struct mlo_err *err) MLO_MUST_CHECK;
char *mlo_strdup(const char *s, struct mlo_err *err) MLO_MUST_CHECK;
/* Copy of n bytes with a terminating NUL added. */
char *mlo_memdup0(const void *p, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Grow the array *(void **)parray, of `*cap` elements of `size` bytes, so that it holds at least `need`;
 * grows by half, contents kept, new part not cleared. On failure the array is unchanged.
 */
int mlo_grow(void *parray, size_t *cap, size_t need, size_t size, struct mlo_err *err) MLO_MUST_CHECK;

/* Checked arithmetic: false on overflow, *ret untouched then. */
static inline bool mlo_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret = sum;
    return true;
}
static inline bool mlo_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret = product;
    return true;
}

/*
 * Arena: many small things of one life, freed at once. Used by parsers whose result is one object.
 * `max` bounds all memory it will ever hand out.
 */
struct mlo_arena {
    struct mlo_arena_block *head;
    size_t used; /* bytes handed out */
    size_t max;
};
void mlo_arena_init(struct mlo_arena *a, size_t max);
void mlo_arena_release(struct mlo_arena *a);
/* Zeroed, aligned to 16 bytes. */
void *mlo_arena_alloc(struct mlo_arena *a, size_t n, size_t size, struct mlo_err *err) MLO_MUST_CHECK;
/* Not zeroed, aligned to 64 bytes. */
void *mlo_arena_bytes(struct mlo_arena *a, size_t bytes, struct mlo_err *err) MLO_MUST_CHECK;
char *mlo_arena_strndup(struct mlo_arena *a, const char *s, size_t n, struct mlo_err *err) MLO_MUST_CHECK;

#endif
