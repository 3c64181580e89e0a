/* Algorithms of a GPU's products as a file: what is written is read, and nothing else is. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/str.h>
#include <mlopsctl/device.h>

#define DEVICE "NVIDIA H200, 132 processors, driver 13000, cuBLASLt 130002"

static void fill(struct mlo_device_algorithm *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        list[i] = (struct mlo_device_algorithm){.m = i + 1,
                                                .n = 1024,
                                                .k = MLO_DEVICE_SIZE_MAX,
                                                .from = i % MLO_DEVICE_TYPES,
                                                .to = MLO_DEVICE_F32,
                                                .epilogue = 36,
                                                .how = i % 4,
                                                .us = (float)i / 4};
        for (size_t k = 0; k < 8; k++)
            list[i].algorithm[k] = (uint64_t)(i + k) * 0x9e3779b97f4a7c15;
    }
}

static void written(struct mlo_str *out, const struct mlo_device_algorithm *list, uint32_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(out, MLO_ALGORITHMS_BYTES);
    check_ok(mlo_algorithms_write(DEVICE, list, n, out, &err), &err);
}

static void what_is_written_is_read(void)
{
    static const uint32_t sizes[] = {0, 1, 77, MLO_DEVICE_ALGORITHMS_MAX};
    struct mlo_device_algorithm *list = calloc(MLO_DEVICE_ALGORITHMS_MAX, sizeof *list);
    fill(list, MLO_DEVICE_ALGORITHMS_MAX);
    for (size_t i = 0; i < MLO_COUNT(sizes); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_device_algorithm *got = NULL;
        struct mlo_str text;
        uint32_t n = 99;
        written(&text, list, sizes[i]);
        check_ok(mlo_algorithms_read(text.ptr, text.len, DEVICE, &got, &n, &err), &err);
        check(n == sizes[i] && (n == 0 || memcmp(got, list, n * sizeof *got) == 0), "%u of %u", n, sizes[i]);
        free(got);
        mlo_str_release(&text);
    }
    free(list);
}

static int read_it(const struct mlo_str *text, const char *of, struct mlo_err *err)
{
    struct mlo_device_algorithm *got = NULL;
    uint32_t n = 5;
    int rc = mlo_algorithms_read(text->ptr, text->len, of, &got, &n, err);
    check(rc == 0 || (!got && n == 5));
    free(got);
    return rc;
}

static void each_spoilt_byte_and_each_cut_is_noticed(void)
{
    struct mlo_device_algorithm list[3];
    struct mlo_str text;
    fill(list, 3);
    written(&text, list, 3);
    for (size_t i = 0; i < text.len; i++) {
        struct mlo_err err = MLO_ERR_INIT;
        char kept = text.ptr[i];
        text.ptr[i] = (char)(kept ^ 1);
        int rc = read_it(&text, DEVICE, &err);
        check(rc == MLO_EINVALID || rc == MLO_ENOTFOUND, "byte %zu: %d", i, rc);
        text.ptr[i] = kept;
    }
    for (size_t whole = text.len; text.len-- > 0;) {
        struct mlo_err err = MLO_ERR_INIT;
        check(read_it(&text, DEVICE, &err) != 0, "%zu of %zu bytes", text.len, whole);
    }
    mlo_str_release(&text);
}

static void those_of_another_device_driver_or_library_are_not_read(void)
{
    static const char *const others[] = {"", "NVIDIA H200", DEVICE "1",
                                         "NVIDIA H200, 132 processors, driver 13000, cuBLASLt 130100"};
    struct mlo_device_algorithm list[1];
    char name[MLO_ALGORITHMS_FILE], other[MLO_ALGORITHMS_FILE];
    struct mlo_str text;
    fill(list, 1);
    written(&text, list, 1);
    mlo_algorithms_file(DEVICE, name);
    for (size_t i = 0; i < MLO_COUNT(others); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        check_err(read_it(&text, others[i], &err), MLO_ENOTFOUND, &err, "another device, driver or library");
        mlo_algorithms_file(others[i], other);
        check(strcmp(name, other) != 0);
    }
    mlo_str_release(&text);
}

static int write_and_read(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_device_algorithm list[20], *got = NULL;
    struct mlo_str text;
    uint32_t n = 0;
    fill(list, 20);
    mlo_str_init(&text, MLO_ALGORITHMS_BYTES);
    int rc = mlo_algorithms_write(DEVICE, list, 20, &text, &err);
    if (rc == 0)
        rc = mlo_algorithms_read(text.ptr, text.len, DEVICE, &got, &n, &err);
    free(got);
    mlo_str_release(&text);
    return rc;
}

static void memory_may_be_missing(void)
{
    check(each_alloc_failure(write_and_read) > 2);
}

int main(void)
{
    run(what_is_written_is_read);
    run(each_spoilt_byte_and_each_cut_is_noticed);
    run(those_of_another_device_driver_or_library_are_not_read);
    run(memory_may_be_missing);
    return done_testing();
}
