/* The profile file on any bytes: what is accepted is written and read back as the same. */
#include <stdint.h>
#include <string.h>

#include <mlopsctl/drift.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void write_profile(const struct mlo_profile *p, struct mlo_str *out)
{
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(out, MLO_STR_MAX);
    must(mlo_profile_write(p, out, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_profile *p = NULL, *again = NULL;
    int rc = mlo_profile_read((const char *)data, n, &p, &err);
    must(rc == 0 || (rc == err.code && err.msg[0]));
    if (rc != 0)
        return 0;
    struct mlo_str first, second;
    write_profile(p, &first);
    must(mlo_profile_read(first.ptr, first.len, &again, &err) == 0);
    write_profile(again, &second);
    must(strcmp(first.ptr, second.ptr) == 0);
    mlo_str_release(&first);
    mlo_str_release(&second);
    mlo_profile_free(p);
    mlo_profile_free(again);
    return 0;
}
