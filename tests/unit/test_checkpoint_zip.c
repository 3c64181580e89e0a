/* The zip directory: what is read, each way of lying, and the data behind it. */
#include "zip_help.h"

struct opened {
    struct mlo_mem mem;
    struct mlo_source src;
    struct mlo_arena arena;
    struct mlo_zip zip;
    struct mlo_err err;
    int rc;
};

static void open_zip(struct opened *o, const struct blob *b)
{
    *o = (struct opened){.mem = {b->p}};
    o->src = mlo_source_mem(&o->mem, b->n);
    mlo_arena_init(&o->arena, MLO_CP_ARENA_MAX);
    o->rc = mlo_zip_read(&o->src, &o->arena, &o->zip, &o->err);
}

static void close_zip(struct opened *o)
{
    mlo_arena_release(&o->arena);
}

/* The zip of these parts must be readable and its first entry odd in exactly these ways. */
static void odd_is(const struct zip_part *parts, size_t n, unsigned odd)
{
    struct blob b = zip_of(parts, n, false);
    struct opened o;
    open_zip(&o, &b);
    check_ok(o.rc, &o.err);
    if (o.rc == 0) {
        check(o.zip.entries[0].odd == odd, "%s: got %#x (%s), want %#x", parts->name, o.zip.entries[0].odd,
              mlo_zip_odd_text(o.zip.entries[0].odd), odd);
        struct mlo_err err = {0};
        check_int(mlo_zip_strict(&o.zip, &err), o.zip.odd ? MLO_EINVALID : 0);
    }
    close_zip(&o);
    blob_free(&b);
}

static void unreadable(struct blob b, const char *why)
{
    struct opened o;
    open_zip(&o, &b);
    check_err(o.rc, MLO_EINVALID, &o.err, why);
    close_zip(&o);
    blob_free(&b);
}

static const char text[] = "hello hello hello hello hello hello hello hello hello hello";
#define PART(n_) .name = n_, .data = text, .n = sizeof text - 1

static void stored_and_deflated_entries_are_read_back(void)
{
    struct zip_part parts[] = {{PART("a")},
                               {PART("dir/b"), .deflate = true},
                               {PART("c"), .descriptor = true},
                               {PART("d"), .deflate = true, .descriptor = true},
                               {PART("e"), .zip64 = true},
                               {.name = "empty", .data = "", .n = 0},
                               {.name = "dir/", .data = "", .n = 0}};
    for (int zip64 = 0; zip64 < 2; zip64++) {
        struct blob b = zip_of(parts, 7, zip64);
        struct opened o;
        open_zip(&o, &b);
        check_ok(o.rc, &o.err);
        check_int(o.zip.n, 7);
        check_int(o.zip.odd, 0);
        for (size_t i = 0; i < 5 && o.rc == 0; i++) {
            const struct mlo_zip_entry *e = mlo_zip_find(&o.zip, parts[i].name);
            char *got = NULL;
            char head[5];
            size_t n = 0;
            unsigned odd = 99;
            if (!check(e != NULL, "%s", parts[i].name))
                continue;
            check_ok(mlo_zip_load(&o.src, e, 1000, &got, &n, &odd, &o.err), &o.err);
            check_int(odd, 0);
            check_str(got, text);
            free(got);
            check_ok(mlo_zip_head(&o.src, e, head, sizeof head, &n, &o.err), &o.err);
            check(n == 5 && memcmp(head, "hello", 5) == 0);
            check_err(mlo_zip_load(&o.src, e, sizeof text - 2, &got, &n, &odd, &o.err), MLO_EINVALID, &o.err,
                      "more than");
        }
        check(mlo_zip_find(&o.zip, "nothing") == NULL);
        close_zip(&o);
        blob_free(&b);
    }
}

static void an_empty_zip_is_a_zip(void)
{
    struct blob b = zip_of(NULL, 0, false);
    struct opened o;
    open_zip(&o, &b);
    check_ok(o.rc, &o.err);
    check_int(o.zip.n, 0);
    close_zip(&o);
    blob_free(&b);
}

static void differences_between_the_headers_are_noted(void)
{
    static const char second_name[] = "\x75\x70\x09\x00\x01\x00\x00\x00\x00"
                                      "evil";
    odd_is((struct zip_part[]){{PART("a"), .local_name = "b"}}, 1, MLO_ZIP_NAME_DIFFERS);
    odd_is((struct zip_part[]){{PART("a"), .local_name = "aa"}}, 1, MLO_ZIP_NAME_DIFFERS);
    odd_is((struct zip_part[]){{PART("a"), .extra = second_name, .extra_n = 13}}, 1, MLO_ZIP_NAME_DIFFERS);
    odd_is((struct zip_part[]){{PART("a"), .deflate = true, .size = 1}}, 1, MLO_ZIP_SIZE_DIFFERS);
    odd_is((struct zip_part[]){{PART("a"), .local_size = 1}}, 1, MLO_ZIP_SIZE_DIFFERS);
    odd_is((struct zip_part[]){{PART("a"), .zip64 = true, .local_size = 1}}, 1, MLO_ZIP_SIZE_DIFFERS);
    odd_is((struct zip_part[]){{PART("a"), .size = 1}}, 1, MLO_ZIP_SIZE_DIFFERS);
    odd_is((struct zip_part[]){{PART("a"), .local_flags = 8}}, 1, MLO_ZIP_SIZE_DIFFERS);
}

static void flags_and_methods_are_noted(void)
{
    odd_is((struct zip_part[]){{PART("a"), .flags = 1}}, 1, MLO_ZIP_ENCRYPTED);
    odd_is((struct zip_part[]){{PART("a"), .local_flags = 1}}, 1, MLO_ZIP_ENCRYPTED);
    odd_is((struct zip_part[]){{PART("a"), .flags = 1 << 6}}, 1, MLO_ZIP_ENCRYPTED);
    odd_is((struct zip_part[]){{PART("a"), .flags = 1 << 13}}, 1, MLO_ZIP_ENCRYPTED);
    odd_is((struct zip_part[]){{PART("a"), .method = 12}}, 1, MLO_ZIP_METHOD);
}

static void unsafe_names_are_noted(void)
{
    static const char *const bad[] = {"/a",   "../a",  "a/../b", "a//b", "./a",
                                      "a\\b", "a\x1b", "\xff",   "",     "/"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        odd_is((struct zip_part[]){{PART(bad[i])}}, 1, MLO_ZIP_UNSAFE_NAME);
}

static void repeated_names_and_overlaps_are_noted(void)
{
    uint64_t zero = 0, ten = 10;
    odd_is((struct zip_part[]){{PART("a")}, {PART("b")}, {PART("a")}}, 3, MLO_ZIP_DUPLICATE);
    odd_is((struct zip_part[]){{PART("a")}, {PART("a"), .header = &zero}}, 2,
           MLO_ZIP_DUPLICATE | MLO_ZIP_OVERLAP);
    odd_is((struct zip_part[]){{PART("a"), .header = &ten}}, 1, MLO_ZIP_NO_HEADER);
}

static void bytes_of_nobody_are_noted(void)
{
    odd_is((struct zip_part[]){{PART("a"), .gap = 5}}, 1, MLO_ZIP_GAP);
    odd_is((struct zip_part[]){{PART("a")}, {PART("b"), .gap = 16}}, 2,
           MLO_ZIP_GAP); /* no descriptor announced */
}

static void impossible_sizes_are_noted(void)
{
    int64_t top = INT64_MAX;
    odd_is((struct zip_part[]){{PART("a"), .zip64 = true, .deflate = true, .size = top}}, 1,
           MLO_ZIP_SIZE_DIFFERS | MLO_ZIP_RATIO);
    odd_is((struct zip_part[]){{PART("a"), .zip64 = true, .deflate = true, .packed = top}}, 1,
           MLO_ZIP_SIZE_DIFFERS | MLO_ZIP_NO_HEADER);
    odd_is((struct zip_part[]){{PART("a"), .deflate = true, .packed = 1000}}, 1,
           MLO_ZIP_SIZE_DIFFERS | MLO_ZIP_NO_HEADER);
}

static void broken_ends_are_refused(void)
{
    struct zip_part part = {PART("a")};
    struct blob b = zip_of(&part, 1, false);
    blob_text(&b, "x");
    unreadable(b, "no end record");
    b = zip_of(&part, 1, false);
    b.n--;
    unreadable(b, "no end record");
    b = zip_of(&part, 1, false);
    b.p[b.n - 12]++; /* entries */
    unreadable(b, "zip");
    b = zip_of(&part, 1, false);
    b.p[b.n - 10]++; /* directory size */
    unreadable(b, "does not end at the end record");
    b = zip_of(&part, 1, false);
    b.p[b.n - 6]++; /* directory offset */
    unreadable(b, "does not end at the end record");
    b = zip_of(&part, 1, false);
    b.p[b.n - 18] = 1; /* disk */
    unreadable(b, "split over several files");
    b = zip_of(&part, 1, true);
    b.p[b.n - 22 - 20 - 56 + 32]++; /* zip64: entries */
    unreadable(b, "the two end records disagree");
    b = zip_of(&part, 1, true);
    memset(b.p + b.n - 22 - 20 + 8, 0xFF, 8); /* locator */
    unreadable(b, "outside the file");
    b = zip_of(&part, 1, true);
    memset(b.p + b.n - 22 - 20 - 56 + 40, 0xFF, 8); /* zip64: directory size 2^64-1 */
    unreadable(b, "does not end at the end record");
    unreadable((struct blob){0}, "no end record");
}

static void a_second_end_record_in_the_comment_is_refused(void)
{
    struct zip_part a = {PART("a")}, c = {PART("c")};
    struct blob b = zip_of(&a, 1, false), inner = zip_of(&c, 1, false);
    b.p[b.n - 2] = (uint8_t)inner.n;
    b.p[b.n - 1] = (uint8_t)(inner.n >> 8);
    blob_put(&b, inner.p, inner.n);
    blob_free(&inner);
    unreadable(b, "two end records");
}

static void counts_are_bounded_by_the_directory(void)
{
    struct zip_part part = {PART("a")};
    struct blob b = zip_of(&part, 1, true);
    for (int k = 24; k <= 32; k += 8)
        memset(b.p + b.n - 22 - 20 - 56 + k, 0x7F, 8);
    unreadable(b, "entries in a directory of");
    b = zip_of((struct zip_part[]){{PART("a")}, {PART("b")}}, 2, false);
    b.p[b.n - 12] = b.p[b.n - 14] = 1;
    unreadable(b, "after the last entry");
}

static void damaged_data_is_noted_after_it_was_given(void)
{
    struct zip_part parts[] = {{PART("a"), .crc = 1}, {PART("b"), .deflate = true, .crc = 1}};
    for (size_t i = 0; i < 2; i++) {
        struct blob b = zip_of(&parts[i], 1, false);
        struct opened o;
        char *got = NULL;
        size_t n = 0;
        unsigned odd = 0;
        open_zip(&o, &b);
        check_ok(mlo_zip_load(&o.src, o.zip.entries, 1000, &got, &n, &odd, &o.err), &o.err);
        check_int(odd, MLO_ZIP_CRC);
        check_str(got, text);
        free(got);
        close_zip(&o);
        blob_free(&b);
    }
}

static void a_deflate_stream_may_not_lie_about_its_size(void)
{
    for (int64_t more = -1; more <= 1; more += 2) {
        struct zip_part part = {PART("a"), .deflate = true, .size = more};
        struct blob b = zip_of(&part, 1, false);
        struct opened o;
        uint64_t total = 0;
        unsigned odd = 0;
        open_zip(&o, &b);
        check_ok(mlo_zip_stream(&o.src, o.zip.entries, 1000, count_sink, &total, &odd, &o.err), &o.err);
        check(odd & MLO_ZIP_STREAM, "size %+lld", (long long)more);
        close_zip(&o);
        blob_free(&b);
    }
}

static void every_deflate_truncation_and_flip_is_survived(void)
{
    struct zip_part part = {PART("a"), .deflate = true};
    struct blob b = zip_of(&part, 1, false);
    struct opened o;
    open_zip(&o, &b);
    for (uint64_t i = 0; i < o.zip.entries->packed; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct blob got = {0};
            unsigned odd = 0;
            b.p[o.zip.entries->data + i] ^= (uint8_t)(1 << bit);
            check_ok(mlo_zip_stream(&o.src, o.zip.entries, 1 << 20, blob_sink, &got, &odd, &o.err), &o.err);
            /* Another distance into a periodic text gives the same text. */
            check(odd & (MLO_ZIP_CRC | MLO_ZIP_STREAM) ||
                      (got.n == sizeof text - 1 && memcmp(got.p, text, got.n) == 0),
                  "flip unnoticed");
            blob_free(&got);
            b.p[o.zip.entries->data + i] ^= (uint8_t)(1 << bit);
        }
    for (uint64_t i = 0; i < o.zip.entries->packed; i++) {
        struct mlo_zip_entry e = *o.zip.entries;
        uint64_t total = 0;
        unsigned odd = 0;
        e.packed = i;
        check_ok(mlo_zip_stream(&o.src, &e, 1 << 20, count_sink, &total, &odd, &o.err), &o.err);
        check(odd & MLO_ZIP_STREAM, "truncation unnoticed");
    }
    close_zip(&o);
    blob_free(&b);
}

static void end_records_are_found_behind_anything(void)
{
    struct zip_part part = {PART("a")};
    struct blob b = {0}, zip = zip_of(&part, 1, false);
    struct mlo_err err = {0};
    bool has = true;
    blob_text(&b, "a prefix");
    struct mlo_mem mem = {b.p};
    struct mlo_source src = mlo_source_mem(&mem, b.n);
    check_ok(mlo_zip_has_end(&src, &has, &err), &err);
    check(!has);
    blob_put(&b, zip.p, zip.n);
    mem.data = b.p;
    src = mlo_source_mem(&mem, b.n);
    check_ok(mlo_zip_has_end(&src, &has, &err), &err);
    check(has);
    b.p[8 + 30 + 1 + sizeof text - 1] = 'x'; /* no directory there: only four bytes by chance */
    check_ok(mlo_zip_has_end(&src, &has, &err), &err);
    check(!has);
    blob_free(&b);
    blob_free(&zip);
}

static void truncations_and_flips_are_survived(void)
{
    struct zip_part parts[] = {{PART("x.npy"), .deflate = true},
                               {PART("y"), .zip64 = true, .descriptor = true}};
    for (int zip64 = 0; zip64 < 2; zip64++) {
        struct blob b = zip_of(parts, 2, zip64);
        check_int(mutate(&b), 0);
        blob_free(&b);
    }
}

static struct blob alloc_zip;

static int read_alloc_zip(void)
{
    struct opened o;
    char *got = NULL;
    size_t n = 0;
    unsigned odd = 0;
    open_zip(&o, &alloc_zip);
    for (size_t i = 0; o.rc == 0 && i < o.zip.n; i++) {
        o.rc = mlo_zip_load(&o.src, &o.zip.entries[i], 1000, &got, &n, &odd, &o.err);
        if (o.rc == 0)
            free(got);
    }
    close_zip(&o);
    return o.rc;
}

static void every_allocation_may_fail(void)
{
    struct zip_part parts[] = {{PART("a")}, {PART("b"), .deflate = true}};
    alloc_zip = zip_of(parts, 2, true);
    check(each_alloc_failure(read_alloc_zip) > 5, "allocations");
    blob_free(&alloc_zip);
}

int main(void)
{
    run(stored_and_deflated_entries_are_read_back);
    run(an_empty_zip_is_a_zip);
    run(differences_between_the_headers_are_noted);
    run(flags_and_methods_are_noted);
    run(unsafe_names_are_noted);
    run(repeated_names_and_overlaps_are_noted);
    run(bytes_of_nobody_are_noted);
    run(impossible_sizes_are_noted);
    run(broken_ends_are_refused);
    run(a_second_end_record_in_the_comment_is_refused);
    run(counts_are_bounded_by_the_directory);
    run(damaged_data_is_noted_after_it_was_given);
    run(a_deflate_stream_may_not_lie_about_its_size);
    run(every_deflate_truncation_and_flip_is_survived);
    run(end_records_are_found_behind_anything);
    run(truncations_and_flips_are_survived);
    run(every_allocation_may_fail);
    return done_testing();
}
