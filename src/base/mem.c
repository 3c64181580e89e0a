#include <mlopsctl/base/mem.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_ALIGN ((size_t)16)
#define ARENA_BLOCK ((size_t)64 << 10)
#define ARENA_LARGE ((size_t)512 << 10) /* from there on in huge pages */
#define ARENA_STEP  ((size_t)64 << 20)  /* a block is not made larger for what may come */
#define HUGE_PAGE   ((size_t)2 << 20)

void mlo_cleanup_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int mlo_steal_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}

void *mlo_calloc(size_t n, size_t size, struct mlo_err *err)
{
    size_t bytes; /* calloc checks it too, but then AddressSanitizer ends the program */
    bool fits = !__builtin_mul_overflow(n, size, &bytes);
    void *p = fits ? calloc(n ? n : 1, size ? size : 1) : NULL;
    if (!p)
        mlo_fail_nomem(err);
    return p;
}

char *mlo_strdup(const char *s, struct mlo_err *err)
{
    return mlo_memdup0(s, strlen(s), err);
}

char *mlo_memdup0(const void *p, size_t n, struct mlo_err *err)
{
    char *copy = n < SIZE_MAX ? malloc(n + 1) : NULL;
    if (!copy) {
        mlo_fail_nomem(err);
        return NULL;
    }
    if (n)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

int mlo_grow(void *parray, size_t *cap, size_t need, size_t size, struct mlo_err *err)
{
    void *old, *grown;
    size_t n = *cap + *cap / 2 + 8, bytes;
    if (need <= *cap)
        return 0;
    if (n < need)
        n = need;
    if (__builtin_mul_overflow(n, size, &bytes))
        return mlo_fail_nomem(err);
    memcpy(&old, parray, sizeof old);
    grown = realloc(old, bytes);
    if (!grown)
        return mlo_fail_nomem(err);
    memcpy(parray, &grown, sizeof grown);
    *cap = n;
    return 0;
}

/* ---- arena ---- */

struct mlo_arena_block {
    struct mlo_arena_block *next;
    size_t size, used;
    max_align_t data[];
};

void mlo_arena_init(struct mlo_arena *a, size_t max)
{
    *a = (struct mlo_arena){.max = max};
}

void mlo_arena_release(struct mlo_arena *a)
{
    for (struct mlo_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (struct mlo_arena){.max = a->max};
}

/* Bytes of the next block with its head. Large arenas are made of huge pages, which cost one fault instead of
 * 512, in blocks of half of what there will be, so that little is left over at their ends. */
static size_t block_bytes(const struct mlo_arena *a, size_t bytes)
{
    size_t head = sizeof(struct mlo_arena_block), more = a->used < ARENA_STEP ? a->used : ARENA_STEP;
    if (a->used + bytes < ARENA_LARGE)
        return head + (bytes > ARENA_BLOCK / 4 ? bytes : ARENA_BLOCK);
    return (head + (bytes > more ? bytes : more) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static struct mlo_arena_block *arena_block(struct mlo_arena *a, size_t bytes, struct mlo_err *err)
{
    struct mlo_arena_block *b = NULL;
    size_t size = bytes < SIZE_MAX / 2 ? block_bytes(a, bytes) : 0;
    if (size > 0)
        b = size % HUGE_PAGE ? malloc(size) : aligned_alloc(HUGE_PAGE, size);
    if (!b) {
        mlo_fail_nomem(err);
        return NULL;
    }
    if (size % HUGE_PAGE == 0)
        (void)madvise(b, size, MADV_HUGEPAGE); /* refused: pages as usual */
    *b = (struct mlo_arena_block){.size = size - sizeof *b};
    if (a->head &&
        b->size - bytes < a->head->size - a->head->used) { /* the block in use has more room left */
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

/* Bytes in front of the next that are aligned. */
static size_t gap_of(const struct mlo_arena_block *b, size_t align)
{
    return -((uintptr_t)b->data + b->used) & (align - 1);
}

static void *take(struct mlo_arena *a, size_t bytes, size_t align, struct mlo_err *err)
{
    size_t most = bytes + align - ARENA_ALIGN; /* with a gap in front */
    if (most > a->max || a->used > a->max - most) {
        mlo_fail(err, MLO_EINVALID, "needs more than %zu bytes of memory", a->max);
        return NULL;
    }
    struct mlo_arena_block *b = a->head;
    if (!b || b->size - b->used < gap_of(b, align) + bytes) {
        b = arena_block(a, most, err);
        if (!b)
            return NULL;
    }
    size_t gap = gap_of(b, align);
    void *p = (char *)b->data + b->used + gap;
    b->used += gap + bytes;
    a->used += gap + bytes;
    return p;
}

void *mlo_arena_alloc(struct mlo_arena *a, size_t n, size_t size, struct mlo_err *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2) {
        mlo_fail_nomem(err);
        return NULL;
    }
    bytes = (bytes + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    void *p = take(a, bytes, ARENA_ALIGN, err);
    return p ? memset(p, 0, bytes) : NULL;
}

void *mlo_arena_bytes(struct mlo_arena *a, size_t bytes, struct mlo_err *err)
{
    if (bytes > SIZE_MAX / 2) {
        mlo_fail_nomem(err);
        return NULL;
    }
    return take(a, (bytes + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1), 64, err);
}

char *mlo_arena_strndup(struct mlo_arena *a, const char *s, size_t n, struct mlo_err *err)
{
    if (n == SIZE_MAX) {
        mlo_fail_nomem(err);
        return NULL;
    }
    char *copy = mlo_arena_alloc(a, n + 1, 1, err);
    if (copy && n)
        memcpy(copy, s, n);
    return copy;
}
