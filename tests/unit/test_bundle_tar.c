/* Deterministic tar out, hostile tar in. */
#include "tap.h"

#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/str.h>

#include "../../src/bundle/internal.h"
#include "../../src/bundle/tar.h"
#include "../../src/bundle/untar.h"

static const char hello_sha[] = "62933cede5c644db538122618bf5acbfd0a24ebf6128e0f0468265faa13eca9d";

static int to_str(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    mlo_str_addn(ctx, p, n);
    return mlo_str_check(ctx, err);
}

static const char *hex_of(const void *p, size_t n)
{
    static char hex[MLO_DIGEST_HEX + 1];
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest d;
    check_ok(mlo_sha256(p, n, &d, &err), &err);
    return mlo_digest_hex(&d, hex);
}

static int write_one(struct mlo_str *out, const char *path, const char *content, uint32_t mode,
                     struct mlo_err *err)
{
    struct mlo_tar *t = NULL;
    int rc = mlo_tar_new(to_str, out, &t, err);
    if (rc == 0)
        rc = mlo_tar_entry(t, path, strlen(content), mode, 0, err);
    if (rc == 0)
        rc = mlo_tar_write(t, content, strlen(content), err);
    if (rc == 0)
        return mlo_tar_finish(t, err);
    mlo_tar_abort(t);
    return rc;
}

static void one_file_has_the_golden_digest(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    if (!check_ok(write_one(&out, "hello.txt", "hello\n", 0644, &err), &err))
        return;
    check_int(out.len, 2048);
    check_str(hex_of(out.ptr, out.len), hello_sha);
}

static void modes_are_reduced_to_two(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    check_ok(write_one(&out, "x", "", 0100, &err), &err);
    check(memcmp(out.ptr + 100, "000755 ", 7) == 0, "owner may execute: 0755");
    mlo_str_clear(&out);
    check_ok(write_one(&out, "x", "", 06660, &err), &err);
    check(memcmp(out.ptr + 100, "000644 ", 7) == 0, "nobody may execute: 0644, no set-id bits");
}

static void names_beyond_ascii_do_not_depend_on_the_locale(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str a;
    MLO_AUTOSTR struct mlo_str b;
    mlo_str_init(&a, 1 << 20);
    mlo_str_init(&b, 1 << 20);
    setlocale(LC_ALL, "C");
    check_ok(write_one(&a, "h\xc3\xa9llo.txt", "hello\n", 0644, &err), &err);
    check(setlocale(LC_ALL, "C.UTF-8") != NULL, "locale C.UTF-8 is there");
    check_ok(write_one(&b, "h\xc3\xa9llo.txt", "hello\n", 0644, &err), &err);
    setlocale(LC_ALL, "C");
    check(a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0, "same bytes");
    check(memmem(a.ptr, a.len, "path=h\xc3\xa9llo.txt", 15) != NULL, "pax path in UTF-8");
    check(memmem(a.ptr, a.len, "hdrcharset", 10) == NULL, "no binary header");
}

static void unsafe_names_are_not_written(void)
{
    static const char *const bad[] = {"/etc/passwd", "../x", "a/../b", "a//b", ".", "", "a\\b", "a\nb"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        MLO_AUTOSTR struct mlo_str out;
        mlo_str_init(&out, 1 << 20);
        check_err(write_one(&out, bad[i], "x", 0644, &err), MLO_EINVALID, &err, NULL);
    }
}

static void content_must_have_the_promised_size(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    struct mlo_tar *t = NULL;
    check_ok(mlo_tar_new(to_str, &out, &t, &err), &err);
    check_ok(mlo_tar_entry(t, "a", 3, 0644, 0, &err), &err);
    check_err(mlo_tar_write(t, "1234", 4, &err), MLO_ECONFLICT, &err, "grew");
    check_ok(mlo_tar_write(t, "12", 2, &err), &err);
    check_err(mlo_tar_finish(t, &err), MLO_EINTERNAL, &err, "lacks 1 bytes");
}

static int failing_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    (void)ctx, (void)p, (void)n;
    return mlo_fail(err, MLO_EIO, "disk full");
}

static void a_failing_sink_gives_its_own_error(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tar *t = NULL;
    check_ok(mlo_tar_new(failing_sink, NULL, &t, &err), &err);
    int rc = mlo_tar_entry(t, "a", 0, 0644, 0, &err);
    if (rc == 0)
        rc = mlo_tar_finish(t, &err);
    else
        mlo_tar_abort(t);
    check_err(rc, MLO_EIO, &err, "disk full");
}

static void a_layer_without_a_store_is_hashed_alone(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tar_member m = {.path = "hello.txt", .mem = "hello\n", .dirfd = -1, .size = 6, .mode = 0644};
    struct mlo_digest d;
    uint64_t size = 0;
    char hex[MLO_DIGEST_HEX + 1];
    if (!check_ok(mlo_tar_layer(NULL, &m, 1, 0, &d, &size, &err), &err))
        return;
    check_int(size, 2048);
    check_str(mlo_digest_hex(&d, hex), hello_sha);
}

static void a_file_that_changes_while_packed_is_a_conflict(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    int dir = open(tap_tmpdir(), O_DIRECTORY | O_RDONLY);
    check_ok(mlo_write_file_at(dir, "f", "hello\n", 6, 0644, &err), &err);
    struct mlo_tar_member m = {.path = "f", .dirfd = dir, .source = "f", .size = 5, .mode = 0644};
    struct mlo_digest d, other = {{1}};
    uint64_t size;
    check_err(mlo_tar_layer(NULL, &m, 1, 0, &d, &size, &err), MLO_ECONFLICT, &err, "changed");
    m.size = 6;
    m.expect = &other;
    check_err(mlo_tar_layer(NULL, &m, 1, 0, &d, &size, &err), MLO_ECONFLICT, &err, "changed");
    m.expect = NULL;
    check_ok(mlo_tar_layer(NULL, &m, 1, 0, &d, &size, &err), &err);
    close(dir);
}

static int tar_twice(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tar_member m = {.path = "hello.txt", .mem = "hello\n", .dirfd = -1, .size = 6, .mode = 0644};
    struct mlo_digest d;
    uint64_t size;
    return mlo_tar_layer(NULL, &m, 1, 0, &d, &size, &err);
}

static void memory_failure_is_an_ordinary_error(void)
{
    check(each_alloc_failure(tar_twice) >= 1, "allocations were failed");
}

/* ---- reading ---- */

struct header { /* a ustar header made by hand, so that every lie is possible */
    const char *name, *link, *size;
    char type;
    const char *content;
};

static void add_header(struct mlo_str *out, const struct header *h)
{
    char b[512] = {0};
    unsigned sum = 0;
    size_t n = h->content ? strlen(h->content) : 0;
    memcpy(b, h->name, strlen(h->name));
    memcpy(b + 100, "0000644", 7);
    memcpy(b + 108, "0000000", 7);
    memcpy(b + 116, "0000000", 7);
    if (h->size)
        memcpy(b + 124, h->size, strlen(h->size));
    else
        snprintf(b + 124, 12, "%011o", (unsigned)n);
    memcpy(b + 136, "00000000000", 11);
    memset(b + 148, ' ', 8);
    b[156] = h->type ? h->type : '0';
    if (h->link)
        memcpy(b + 157, h->link, strlen(h->link));
    memcpy(b + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof b; i++)
        sum += (unsigned char)b[i];
    snprintf(b + 148, 8, "%06o", sum);
    mlo_str_addn(out, b, sizeof b);
    if (n > 0) {
        mlo_str_addn(out, h->content, n);
        mlo_str_fill(out, '\0', (512 - n % 512) % 512);
    }
}

static int open_bytes(const void *p, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    int fd = open(tap_tmpdir(), O_TMPFILE | O_RDWR, 0600);
    check_ok(mlo_write_all(fd, p, n, &err), &err);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static int list_entry(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    struct mlo_str *out = ctx;
    mlo_str_addf(out, "%s%s=", e->path, e->folder ? "/" : "");
    int rc = mlo_untar_copy(u, to_str, out, err);
    mlo_str_addc(out, ';');
    return rc;
}

static int list(const struct mlo_str *tar, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = open_bytes(tar->ptr, tar->len);
    return mlo_untar(fd, false, list_entry, out, NULL, err);
}

static int list_headers(const struct header *h, size_t n, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str tar;
    mlo_str_init(&tar, 1 << 20);
    for (size_t i = 0; i < n; i++)
        add_header(&tar, &h[i]);
    mlo_str_fill(&tar, '\0', 1024);
    return list(&tar, out, err);
}

static void names_lose_dot_slash_and_folders_their_slash(void)
{
    static const struct header h[] = {{.name = "./", .type = '5'},
                                      {.name = "./d/", .type = '5'},
                                      {.name = "./d/a", .content = "x"},
                                      {.name = "b", .content = "yy"}};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    check_ok(list_headers(h, MLO_COUNT(h), &out, &err), &err);
    check_str(out.ptr, "d/=;d/a=x;b=yy;");
}

static void hostile_members_are_refused(void)
{
    static const struct {
        struct header h[2];
        const char *text;
    } bad[] = {
        {{{.name = "../x", .content = "1"}}, "archive"},
        {{{.name = "/etc/x", .content = "1"}}, "archive"},
        {{{.name = "a/../../x", .content = "1"}}, "archive"},
        {{{.name = "l", .type = '2', .link = "/etc/passwd"}}, "links are refused"},
        {{{.name = "l", .type = '1', .link = "a"}}, "links are refused"},
        {{{.name = "p", .type = '6'}}, "neither"},
        {{{.name = "c", .type = '3'}}, "neither"},
        {{{.name = "a", .content = "1"}, {.name = "a", .content = "2"}}, "occurs twice"},
        {{{.name = "a", .content = "1"}, {.name = "./a", .content = "2"}}, "occurs twice"},
        {{{.name = "a", .content = "1"}, {.name = "a/", .type = '5'}}, "occurs twice"},
        {{{.name = "a", .size = "77777777777"}}, "larger than the archive"},
        {{{.name = "bad\x1b[31m", .content = "1"}}, "archive"},
        {{{.name = "bad\xff", .content = "1"}}, "archive"},
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        MLO_AUTOSTR struct mlo_str out;
        mlo_str_init(&out, 1 << 20);
        check_err(list_headers(bad[i].h, bad[i].h[1].name ? 2 : 1, &out, &err), MLO_EINVALID, &err,
                  bad[i].text);
        check(strpbrk(err.msg, "\x1b\xff") == NULL, "names are escaped");
    }
}

static void a_tar_cut_anywhere_gives_an_error_or_fewer_whole_members(void)
{
    MLO_AUTOSTR struct mlo_str tar;
    mlo_str_init(&tar, 1 << 20);
    add_header(&tar, &(struct header){.name = "a", .content = "first"});
    add_header(&tar, &(struct header){.name = "b", .content = "second"});
    for (size_t n = 0; n < tar.len; n += 7) {
        struct mlo_err err = MLO_ERR_INIT;
        MLO_AUTOSTR struct mlo_str out;
        mlo_str_init(&out, 1 << 20);
        struct mlo_str cut = {.ptr = tar.ptr, .len = n};
        int rc = list(&cut, &out, &err);
        check(rc == MLO_EINVALID || rc == 0, "cut at %zu: %s", n, err.msg);
        if (rc == 0)
            check(strcmp(out.ptr, "") == 0 || strcmp(out.ptr, "a=first;") == 0 ||
                      strcmp(out.ptr, "a=first;b=second;") == 0,
                  "cut at %zu: '%s'", n, out.ptr);
    }
}

static void raw_digest_covers_what_stands_behind_the_archive(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str tar;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&tar, 1 << 20);
    mlo_str_init(&out, 1 << 20);
    add_header(&tar, &(struct header){.name = "a", .content = "x"});
    mlo_str_fill(&tar, '\0', 1024);
    mlo_str_add(&tar, "tail");
    MLO_AUTOCLOSE int fd = open_bytes(tar.ptr, tar.len);
    struct mlo_digest d;
    char hex[MLO_DIGEST_HEX + 1];
    check_ok(mlo_untar(fd, false, list_entry, &out, &d, &err), &err);
    check_str(mlo_digest_hex(&d, hex), hex_of(tar.ptr, tar.len));
}

static void a_member_is_found_by_its_bytes(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str tar;
    mlo_str_init(&tar, 1 << 20);
    add_header(&tar, &(struct header){.name = "a", .content = "fiRst"});
    add_header(&tar, &(struct header){.name = "b", .content = "first"});
    mlo_str_fill(&tar, '\0', 1024);
    MLO_AUTOCLOSE int fd = open_bytes(tar.ptr, tar.len);
    MLO_AUTOCLOSE int to = open_bytes("previous content", 16);
    struct mlo_digest d;
    char got[16] = "";
    size_t n = 0;
    check_ok(mlo_sha256("first", 5, &d, &err), &err);
    check_ok(mlo_tar_find(fd, &d, 5, to, &err), &err);
    check_ok(mlo_read_at(to, got, sizeof got, 0, &n, &err), &err);
    check(n == 5 && memcmp(got, "first", 5) == 0, "bytes copied");
    check_ok(mlo_sha256("other", 5, &d, &err), &err);
    check_err(mlo_tar_find(fd, &d, 5, to, &err), MLO_ENOTFOUND, &err, NULL);
}

static void a_gzip_layer_is_hashed_decompressed(void)
{
    static const unsigned char gz[] = {/* "hello\n" */ 0x1f,
                                       0x8b,
                                       0x08,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0xff,
                                       0xcb,
                                       0x48,
                                       0xcd,
                                       0xc9,
                                       0xc9,
                                       0xe7,
                                       0x02,
                                       0,
                                       0x20,
                                       0x30,
                                       0x3a,
                                       0x36,
                                       0x06,
                                       0,
                                       0,
                                       0};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOCLOSE int fd = open_bytes(gz, sizeof gz);
    struct mlo_digest d;
    char hex[MLO_DIGEST_HEX + 1];
    check_ok(mlo_layer_diff_id(fd, 6, &d, &err), &err);
    check_str(mlo_digest_hex(&d, hex), hex_of("hello\n", 6));
    lseek(fd, 0, SEEK_SET);
    check_err(mlo_layer_diff_id(fd, 5, &d, &err), MLO_EINVALID, &err, "larger");
}

int main(void)
{
    run(one_file_has_the_golden_digest);
    run(modes_are_reduced_to_two);
    run(names_beyond_ascii_do_not_depend_on_the_locale);
    run(unsafe_names_are_not_written);
    run(content_must_have_the_promised_size);
    run(a_failing_sink_gives_its_own_error);
    run(a_layer_without_a_store_is_hashed_alone);
    run(a_file_that_changes_while_packed_is_a_conflict);
    run(memory_failure_is_an_ordinary_error);
    run(names_lose_dot_slash_and_folders_their_slash);
    run(hostile_members_are_refused);
    run(a_tar_cut_anywhere_gives_an_error_or_fewer_whole_members);
    run(raw_digest_covers_what_stands_behind_the_archive);
    run(a_member_is_found_by_its_bytes);
    run(a_gzip_layer_is_hashed_decompressed);
    return done_testing();
}
