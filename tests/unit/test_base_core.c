/* Errors, memory, strings. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/str.h>

static void fail_returns_its_code_and_forgets_the_former_hint(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    errno = EPERM;
    check_int(mlo_fail_errno(&err, "first"), MLO_EIO);
    mlo_hint(&err, "try %s", "again");
    check_str(err.hint, "try again");
    check_int(mlo_fail(&err, MLO_ECONFLICT, "second %d", 2), MLO_ECONFLICT);
    check_int(err.code, MLO_ECONFLICT);
    check_int(err.sys_errno, 0);
    check_str(err.msg, "second 2");
    check_str(err.hint, "");
}

static void a_missing_file_is_not_found_and_all_else_is_io(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    errno = ENOENT;
    check_err(mlo_fail_errno(&err, "open 'x'"), MLO_ENOTFOUND, &err, "open 'x': No such file");
    check_int(err.sys_errno, ENOENT);
    errno = ENOSPC;
    check_err(mlo_fail_errno(&err, "write"), MLO_EIO, &err, "write: No space left");
    check_int(err.sys_errno, ENOSPC);
}

static void wrap_puts_context_first_and_keeps_code_and_hint(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    mlo_fail(&err, MLO_EINVALID, "bad header");
    mlo_hint(&err, "repair it");
    check_int(mlo_wrap(&err, "file '%s'", "a"), MLO_EINVALID);
    check_str(err.msg, "file 'a': bad header");
    check_str(err.hint, "repair it");
}

static void an_error_may_be_made_of_its_own_message(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    mlo_fail(&err, MLO_EIO, "inner");
    mlo_fail(&err, MLO_EINVALID, "outer (%s) end", err.msg);
    check_str(err.msg, "outer (inner) end");
    mlo_hint(&err, "hint");
    mlo_fail(&err, MLO_EINVALID, "with %s", err.hint);
    check_str(err.msg, "with hint");
}

static void long_messages_are_cut_between_characters(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mlo_fail(&err, MLO_EIO, "%s", text);
    check_int(strlen(err.msg), sizeof err.msg - 1);
    check_str(err.msg + sizeof err.msg - 5, "x...");
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    for (size_t lead = 0; lead < 2; lead++) {
        mlo_fail(&err, MLO_EIO, "%.*s%s", (int)lead, "x", text);
        size_t n = strlen(err.msg);
        check(n < sizeof err.msg && (unsigned char)err.msg[n - 4] == 0xa9, "the last character is whole");
    }
    for (int i = 0; i < 200; i++)
        mlo_wrap(&err, "context number %d", i);
    check(strlen(err.msg) < sizeof err.msg);
    check(strncmp(err.msg, "context number 199: ", 20) == 0);
}

static void a_long_name_does_not_hide_the_reason(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    errno = ENAMETOOLONG;
    mlo_fail_errno(&err, "'%02000d'", 0);
    check(strstr(err.msg, "00...: File name too long") != NULL);
}

static void nothing_in_a_message_commands_a_terminal(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    mlo_fail(&err, MLO_EIO, "'a\033[2J\xff\xe2\x80\xae\\x07'");
    check_str(err.msg, "'a\\x1B[2J\\xFF\\u{202E}\\x07'");
    mlo_wrap(&err, "b\n");
    check_str(err.msg, "b\\x0A: 'a\\x1B[2J\\xFF\\u{202E}\\x07'");
    mlo_hint(&err, "\x9b");
    check_str(err.hint, "\\x9B");
    char bells[sizeof err.msg];
    memset(bells, '\a', sizeof bells - 1);
    bells[sizeof bells - 1] = '\0';
    mlo_fail(&err, MLO_EIO, "%s", bells);
    check(strlen(err.msg) < sizeof err.msg && strcmp(err.msg + strlen(err.msg) - 7, "\\x07...") == 0);
}

static void every_code_has_a_name(void)
{
    check_str(mlo_code_name(MLO_EUSAGE), "usage");
    check_str(mlo_code_name(MLO_ENOTFOUND), "not-found");
    check_str(mlo_code_name(MLO_EINVALID), "invalid");
    check_str(mlo_code_name(MLO_EINTERNAL), "internal");
    check_str(mlo_code_name(MLO_EINTERNAL - 1), "internal");
    check_str(mlo_code_name(1), "internal");
}

static void checked_arithmetic_leaves_the_result_alone_on_overflow(void)
{
    uint64_t v = 7;
    check(!mlo_add_u64(UINT64_MAX, 1, &v) && v == 7);
    check(!mlo_mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &v) && v == 7);
    check(mlo_add_u64(UINT64_MAX - 1, 1, &v) && v == UINT64_MAX);
    check(mlo_mul_u64(0, UINT64_MAX, &v) && v == 0);
}

static void calloc_refuses_a_product_that_overflows(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    check(mlo_calloc(SIZE_MAX / 2, 4, &err) == NULL);
    check_int(err.code, MLO_EIO);
    MLO_AUTOFREE void *none = mlo_calloc(0, 8, &err);
    check(none != NULL, "zero elements are still memory");
}

static void grow_keeps_contents_and_survives_an_impossible_wish(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE int *v = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 1000; i++) {
        check_ok(mlo_grow(&v, &cap, i + 1, sizeof *v, &err), &err);
        v[i] = (int)i;
    }
    size_t before = cap;
    check_err(mlo_grow(&v, &cap, SIZE_MAX / 2, sizeof *v, &err), MLO_EIO, &err, "memory");
    check_int(cap, before);
    check(v[0] == 0 && v[999] == 999);
}

static void a_descriptor_is_stolen_once(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    MLO_AUTOCLOSE int mine = mlo_steal_fd(&fd);
    check(mine >= 0 && fd == -1);
    mlo_cleanup_close(&fd);
}

static void arena_memory_is_zeroed_aligned_and_bounded(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_arena a;
    mlo_arena_init(&a, 256 << 10);
    for (size_t n = 1; n < 200; n++) {
        unsigned char *p = mlo_arena_alloc(&a, n, 1, &err);
        check(p && (uintptr_t)p % 16 == 0 && p[0] == 0 && p[n - 1] == 0);
        memset(p, 0xff, n);
    }
    char *text = mlo_arena_strndup(&a, "tensor name", 6, &err);
    check_str(text, "tensor");
    check(mlo_arena_alloc(&a, 100 << 10, 1, &err) != NULL, "larger than a block");
    check(mlo_arena_alloc(&a, 200 << 10, 1, &err) == NULL);
    check_int(err.code, MLO_EINVALID);
    check(mlo_arena_alloc(&a, SIZE_MAX, 2, &err) == NULL);
    check(mlo_arena_alloc(&a, SIZE_MAX, 1, &err) == NULL);
    mlo_arena_release(&a);
    check(a.head == NULL && a.used == 0);
}

static void an_arena_can_be_filled_to_the_last_byte(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_arena a;
    mlo_arena_init(&a, 64);
    check(mlo_arena_alloc(&a, 4, 16, &err) != NULL);
    check(mlo_arena_alloc(&a, 1, 1, &err) == NULL);
    mlo_arena_release(&a);
}

static void arena_bytes_lie_on_lines_of_the_cache(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_arena a;
    mlo_arena_init(&a, 4 << 20);
    for (size_t n = 1; n < (1 << 20); n = 3 * n + 5) {
        char *p = mlo_arena_bytes(&a, n, &err);
        check(p && (uintptr_t)p % 64 == 0, "%zu bytes", n);
        if (p)
            memset(p, 1, n);
        check(mlo_arena_alloc(&a, 3, 1, &err) != NULL);
    }
    check(mlo_arena_bytes(&a, 4 << 20, &err) == NULL);
    check(mlo_arena_bytes(&a, SIZE_MAX, &err) == NULL);
    mlo_arena_release(&a);
}

static void large_arenas_are_as_small_ones(void)
{
    enum { PIECES = 60 };
    static const size_t sizes[] = {40000, 300000, 16, 1016000, 5 << 20, 70001};
    unsigned char *at[PIECES];
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_arena a;
    mlo_arena_init(&a, SIZE_MAX);
    for (int i = 0; i < PIECES; i++) {
        size_t n = sizes[i % 6];
        at[i] = mlo_arena_alloc(&a, n, 1, &err);
        if (!check(at[i] && (uintptr_t)at[i] % 16 == 0 && at[i][0] == 0 &&
                       memcmp(at[i], at[i] + 1, n - 1) == 0,
                   "piece %d", i))
            break;
        memset(at[i], i + 1, n);
    }
    for (int i = 0; err.code == 0 && i < PIECES; i++)
        check(at[i][0] == i + 1 && at[i][sizes[i % 6] - 1] == i + 1, "piece %d is its own", i);
    mlo_arena_release(&a);
}

static void a_string_grows_and_is_always_terminated(void)
{
    MLO_AUTOSTR struct mlo_str s;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&s, 1000);
    check_str(s.ptr, "");
    mlo_str_add(&s, "ab");
    mlo_str_addc(&s, 'c');
    mlo_str_addn(&s, "d\0e", 3);
    mlo_str_fill(&s, '-', 300);
    mlo_str_addf(&s, "%d|%s", 42, "x");
    check_int(s.len, 2 + 1 + 3 + 300 + 4);
    check(memcmp(s.ptr, "abcd\0e-", 7) == 0);
    check_str(s.ptr + 306, "42|x");
    check_ok(mlo_str_check(&s, &err), &err);
    mlo_str_clear(&s);
    check_str(s.ptr, "");
}

static void a_full_string_stays_failed_until_cleared(void)
{
    MLO_AUTOSTR struct mlo_str s;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&s, 4);
    mlo_str_add(&s, "abcd");
    check_ok(mlo_str_check(&s, &err), &err);
    mlo_str_addf(&s, "%c", 'e');
    mlo_str_add(&s, "");
    check_str(s.ptr, "abcd");
    check_err(mlo_str_check(&s, &err), MLO_EINVALID, &err, "4 bytes");
    mlo_str_clear(&s);
    mlo_str_add(&s, "wxyz");
    check_str(s.ptr, "wxyz");
    check_ok(mlo_str_check(&s, &err), &err);
}

static void detach_hands_over_even_an_empty_string(void)
{
    struct mlo_str s;
    size_t n = 9;
    mlo_str_init(&s, 100);
    MLO_AUTOFREE char *empty = mlo_str_detach(&s, &n);
    check_str(empty, "");
    check_int(n, 0);
    mlo_str_add(&s, "text");
    MLO_AUTOFREE char *text = mlo_str_detach(&s, &n);
    check_str(text, "text");
    check_int(n, 4);
    check_str(s.ptr, "");
}

static int build_a_string(void)
{
    MLO_AUTOSTR struct mlo_str s;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&s, 1 << 20);
    for (int i = 0; i < 200; i++)
        mlo_str_addf(&s, "line %d\n", i);
    return mlo_str_check(&s, &err);
}

static int fill_an_arena(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_arena a;
    int rc = 0;
    mlo_arena_init(&a, 1 << 20);
    for (int i = 0; rc == 0 && i < 40; i++)
        rc = mlo_arena_alloc(&a, (size_t)i * 1000, 1, &err) ? 0 : err.code;
    mlo_arena_release(&a);
    return rc;
}

static void failing_allocations_are_ordinary_errors(void)
{
    check(each_alloc_failure(build_a_string) >= 3);
    check(each_alloc_failure(fill_an_arena) >= 3);
}

int main(void)
{
    run(fail_returns_its_code_and_forgets_the_former_hint);
    run(a_missing_file_is_not_found_and_all_else_is_io);
    run(wrap_puts_context_first_and_keeps_code_and_hint);
    run(an_error_may_be_made_of_its_own_message);
    run(long_messages_are_cut_between_characters);
    run(a_long_name_does_not_hide_the_reason);
    run(nothing_in_a_message_commands_a_terminal);
    run(every_code_has_a_name);
    run(checked_arithmetic_leaves_the_result_alone_on_overflow);
    run(calloc_refuses_a_product_that_overflows);
    run(grow_keeps_contents_and_survives_an_impossible_wish);
    run(a_descriptor_is_stolen_once);
    run(arena_memory_is_zeroed_aligned_and_bounded);
    run(an_arena_can_be_filled_to_the_last_byte);
    run(arena_bytes_lie_on_lines_of_the_cache);
    run(large_arenas_are_as_small_ones);
    run(a_string_grows_and_is_always_terminated);
    run(a_full_string_stays_failed_until_cleared);
    run(detach_hands_over_even_an_empty_string);
    run(failing_allocations_are_ordinary_errors);
    return done_testing();
}
