/* A table as text (tests/unit/table_help.h): table-dump FORMAT|- THREADS FILE... */
#include "../unit/table_help.h"

int main(int argc, char **argv)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    if (argc < 4)
        return 2;
    const struct mlo_table_opts o = {.format = strcmp(argv[1], "-") == 0 ? NULL : argv[1],
                                     .threads = (unsigned)strtoul(argv[2], NULL, 10)};
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table((const char *const *)(argv + 3), (size_t)argc - 3, &o, &out, NULL, &err);
    if (rc != 0)
        fprintf(stderr, "table-dump: %s\n", err.msg);
    fwrite(out.ptr, 1, out.len, stdout);
    mlo_str_release(&out);
    return -rc;
}
