/* Any bytes as a list of plain files: refused, or every path in it is safe and found again. */
#include <string.h>

#include <mlopsctl/base/io.h>

#include "../../src/remote/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlo_file_list l = {.n = 0};
    struct mlo_err err = MLO_ERR_INIT;
    if (mlo_file_list_parse((const char *)data, size, &l, &err) != 0)
        return 0;
    for (size_t i = 0; i < l.n; i++) {
        const char *path = l.files[i].path;
        if (mlo_path_check(path, strlen(path), &err) != 0 || mlo_file_list_at(&l, path) != &l.files[i])
            __builtin_trap();
    }
    mlo_file_list_release(&l);
    return 0;
}
