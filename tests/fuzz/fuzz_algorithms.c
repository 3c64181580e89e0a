/* A kept file of algorithms on any bytes: what is accepted is written and read back as the same. Lines are
 * taken as they are, and with a sum that is right. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/str.h>
#include <mlopsctl/device.h>

#define DEVICE "a device"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void look_at(const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_device_algorithm *list = NULL, *again = NULL;
    struct mlo_str out;
    uint32_t count = 0, n_again = 0;
    int rc = mlo_algorithms_read(text, n, DEVICE, &list, &count, &err);
    must(rc == 0 || (rc == err.code && err.msg[0] && !list));
    if (rc != 0)
        return;
    mlo_str_init(&out, MLO_STR_MAX);
    must(mlo_algorithms_write(DEVICE, list, count, &out, &err) == 0);
    must(mlo_algorithms_read(out.ptr, out.len, DEVICE, &again, &n_again, &err) == 0 && n_again == count);
    for (uint32_t i = 0; i < count; i++)
        must(memcmp(again[i].algorithm, list[i].algorithm, sizeof list[i].algorithm) == 0 &&
             again[i].m == list[i].m && again[i].how == list[i].how);
    mlo_str_release(&out);
    free(list);
    free(again);
}

/* The bytes as lines between a head and a sum that fit. */
static void look_at_lines(const uint8_t *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    must(mlo_algorithms_write(DEVICE, NULL, 0, &out, &err) == 0);
    mlo_str_truncate(&out, (size_t)(strstr(out.ptr, "end ") - out.ptr));
    mlo_str_addn(&out, data, n);
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < out.len; i++)
        sum = (sum ^ (unsigned char)out.ptr[i]) * 0x100000001b3;
    mlo_str_addf(&out, "end %016llx\n", (unsigned long long)sum);
    look_at(out.ptr, out.len);
    mlo_str_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    look_at((const char *)data, n);
    look_at_lines(data, n);
    return 0;
}
