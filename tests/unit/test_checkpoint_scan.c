/* The scanner on archives: every trick by which a pickle was kept from other scanners while a loader still
 * read it. */
#include "pickle_help.h"
#include "zip_help.h"

static const char evil[] = "\x80\2cposix\nsystem\nX\2\0\0\0id\x85R.";
#define EVIL     .data = evil, .n = sizeof evil - 1
#define EVIL_LEN (sizeof evil - 1)

static void check_zip(struct zip_part part, const char *finding)
{
    struct blob b = zip_of(&part, 1, false);
    struct mlo_checkpoint cp;
    scan_bytes(b.p, b.n, &cp);
    bool ok = check(cp.verdict == MLO_VERDICT_DANGEROUS &&
                        has_finding(&cp, MLO_VERDICT_DANGEROUS, NULL, "posix.system"),
                    "%s: %s", finding ? finding : "", mlo_verdict_name(cp.verdict));
    if (finding)
        ok = check(has_finding(&cp, MLO_VERDICT_UNKNOWN, NULL, finding) ||
                       has_finding(&cp, MLO_VERDICT_UNSCANNED, NULL, finding),
                   "%s", finding) &&
             ok;
    if (!ok)
        print_findings(&cp);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

static void a_member_is_scanned_whatever_its_headers_say(void)
{
    check_zip((struct zip_part){.name = "archive/data.pkl", EVIL}, NULL);
    check_zip((struct zip_part){.name = "README.md", EVIL}, NULL);
    check_zip((struct zip_part){.name = "x", EVIL, .deflate = true}, NULL);
    check_zip((struct zip_part){.name = "x", EVIL, .descriptor = true}, NULL);
    check_zip((struct zip_part){.name = "data.pkl", .local_name = "x/../p", EVIL}, "names differ");
    check_zip((struct zip_part){.name = "x", EVIL, .flags = 1}, "encrypt");
    check_zip((struct zip_part){.name = "x", EVIL, .local_flags = 0x41}, "encrypt");
    check_zip((struct zip_part){.name = "x", EVIL, .deflate = true, .flags = 1}, "encrypt");
    check_zip((struct zip_part){.name = "x", EVIL, .deflate = true, .crc = 1}, "CRC");
    check_zip((struct zip_part){.name = "x", EVIL, .crc = 1}, "CRC");
    check_zip((struct zip_part){.name = "x", EVIL, .local_size = 3}, "zip:");
    check_zip((struct zip_part){.name = "../../x", EVIL}, "zip:");
}

static void an_unknown_method_is_unscanned(void)
{
    struct zip_part part = {.name = "x", EVIL, .method = 12};
    struct blob b = zip_of(&part, 1, false);
    check_scan(b.p, b.n, MLO_VERDICT_UNSCANNED, "zip:");
    blob_free(&b);
}

static struct blob wrapped(struct blob inner, const char *name)
{
    struct zip_part part = {.name = name, .data = inner.p, .n = inner.n};
    struct blob b = zip_of(&part, 1, false);
    blob_free(&inner);
    return b;
}

static void archives_in_archives_are_opened_to_depth_four(void)
{
    struct zip_part part = {.name = "p", EVIL};
    struct blob b = zip_of(&part, 1, false);
    for (int depth = 1; depth <= 5; depth++) {
        struct mlo_checkpoint cp;
        scan_bytes(b.p, b.n, &cp);
        check(cp.verdict == (depth <= 4 ? MLO_VERDICT_DANGEROUS : MLO_VERDICT_UNSCANNED), "depth %d: %s",
              depth, mlo_verdict_name(cp.verdict));
        if (depth == 2)
            check(has_finding(&cp, MLO_VERDICT_DANGEROUS, "z!p", "posix.system"), "the path of members");
        mlo_checkpoint_release(&cp);
        b = wrapped(b, "z");
    }
    blob_free(&b);
}

static struct blob zlibbed(const void *p, size_t n, int bits)
{
    uint8_t buf[4096];
    struct blob b = {0};
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n, .next_out = buf, .avail_out = sizeof buf};
    check(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, 0) == Z_OK && deflate(&z, Z_FINISH) == Z_STREAM_END);
    blob_put(&b, buf, z.total_out);
    deflateEnd(&z);
    return b;
}

static void gzip_and_zlib_are_opened_and_others_are_unscanned(void)
{
    struct blob gz = zlibbed(evil, EVIL_LEN, 31), zl = zlibbed(evil, EVIL_LEN, 15),
                plain = zlibbed("hello", 5, 31);
    check_scan(gz.p, gz.n, MLO_VERDICT_DANGEROUS, "posix.system");
    check_scan(gz.p, gz.n - 4, MLO_VERDICT_DANGEROUS, "posix.system"); /* cut off in the checksum */
    check_scan(zl.p, zl.n, MLO_VERDICT_DANGEROUS, "posix.system");
    check_scan(plain.p, plain.n, MLO_VERDICT_NONE, NULL);
    blob_put(&plain, gz.p, gz.n); /* a second gzip member */
    check_scan(plain.p, plain.n, MLO_VERDICT_NONE, NULL);
    check_pickle("BZh91AY&SY", MLO_VERDICT_UNSCANNED, "bzip2");
    check_pickle("\x28\xb5\x2f\xfd....", MLO_VERDICT_UNSCANNED, "zstd");
    check_pickle("7z\xbc\xaf\x27\x1c..", MLO_VERDICT_UNSCANNED, "7z");
    check_pickle("\xfd"
                 "7zXZ\0..",
                 MLO_VERDICT_UNSCANNED, "xz");
    check_pickle("\x89HDF\r\n\x1a\n", MLO_VERDICT_UNSCANNED, "HDF5");
    blob_free(&gz);
    blob_free(&zl);
    blob_free(&plain);
}

static void tar_add(struct blob *b, const char *name, const void *p, size_t n)
{
    char h[512] = {0};
    unsigned sum = 0;
    snprintf(h, 100, "%s", name);
    snprintf(h + 124, 12, "%011zo", n);
    memcpy(h + 257, "ustar", 6);
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < sizeof h; i++)
        sum += (uint8_t)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    blob_put(b, h, sizeof h);
    blob_put(b, p, n);
    blob_fill(b, 0, (512 - n % 512) % 512);
}

static void tars_are_opened_and_torch_tars_are_dangerous(void)
{
    struct blob b = {0};
    tar_add(&b, "notes.txt", evil, EVIL_LEN);
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "posix.system");
    b.n = 0;
    static const char *const members[] = {"sys_info", "pickle", "storages", "tensors"};
    for (size_t i = 0; i < MLO_COUNT(members); i++)
        tar_add(&b, members[i], "\x80\2N.", 4);
    blob_fill(&b, 0, 1024);
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "PyTorch tar");
    check_refused(&b, "oldest PyTorch format");
    blob_free(&b);
}

static void object_arrays_are_pickles(void)
{
    static const char head[] = "\x93NUMPY\1\0\x46\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }";
    struct blob b = {0};
    blob_put(&b, head, sizeof head - 1);
    blob_fill(&b, ' ', 80 - 1 - b.n);
    blob_text(&b, "\n");
    blob_put(&b, evil, EVIL_LEN);
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "posix.system");
    struct zip_part part = {.name = "a.npy", .data = b.p, .n = b.n, .deflate = true};
    struct blob z = zip_of(&part, 1, true);
    check_scan(z.p, z.n, MLO_VERDICT_DANGEROUS, "posix.system");
    b.n = 80;
    blob_text(&b, "no pickle");
    check_scan(b.p, b.n, MLO_VERDICT_UNSCANNED, "no pickle");
    blob_free(&b);
    blob_free(&z);
}

static void polyglots_are_never_clean(void)
{
    struct zip_part part = {.name = "archive/data.pkl", EVIL};
    struct blob z = zip_of(&part, 1, false), b = {0};
    blob_put(&b, "\x02\0\0\0\0\0\0\0{}", 10);
    blob_put(&b, z.p, z.n);
    struct mlo_checkpoint cp;
    scan_bytes(b.p, b.n, &cp);
    check(cp.verdict >= MLO_VERDICT_UNSCANNED, "%s", mlo_verdict_name(cp.verdict));
    mlo_checkpoint_release(&cp);
    b.n = 0;
    blob_put(&b, evil, EVIL_LEN); /* a pickle to torch.load, a zip to others */
    blob_put(&b, z.p, z.n);
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "posix.system");
    blob_free(&z);
    blob_free(&b);
}

static void overlapping_members_are_looked_into(void)
{
    uint64_t zero = 0;
    struct zip_part parts[8];
    for (size_t i = 0; i < MLO_COUNT(parts); i++)
        parts[i] = (struct zip_part){.name = "p", EVIL, .header = &zero};
    struct blob b = zip_of(parts, MLO_COUNT(parts), false);
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "posix.system");
    blob_free(&b);
}

int main(void)
{
    run(a_member_is_scanned_whatever_its_headers_say);
    run(an_unknown_method_is_unscanned);
    run(archives_in_archives_are_opened_to_depth_four);
    run(gzip_and_zlib_are_opened_and_others_are_unscanned);
    run(tars_are_opened_and_torch_tars_are_dangerous);
    run(object_arrays_are_pickles);
    run(polyglots_are_never_clean);
    run(overlapping_members_are_looked_into);
    return done_testing();
}
