/* mlopsctl version: the program, its compiler, the libraries it is linked to. Loads nothing: it is the floor
 * of start-up time. */
#include <mlopsctl/host.h>

#include "table.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static const struct mlo_column columns[] = {
    {"name", "LIBRARY", MLO_CELL_TEXT},
    {"version", "VERSION", MLO_CELL_TEXT},
    {"use", "USE", MLO_CELL_TEXT},
};

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_report *r = ctx->report;
    (void)options, (void)err;
    mlo_report_text(r, "version", "mlopsctl", MLO_VERSION);
    mlo_report_text(r, "compiler", "compiler", COMPILER);
    mlo_report_table(r, "libraries", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < mlo_n_host_libraries; i++) {
        const struct mlo_host_library *lib = &mlo_host_libraries[i];
        char version[MLO_LIBRARY_VERSION];
        bool loaded = mlo_host_library_version(lib, false, version);
        mlo_cell_text(r, lib->name);
        mlo_cell_text(r, loaded ? version : NULL);
        mlo_cell_text(r, lib->linked ? "linked" : "opened when needed");
    }
    return 0;
}

static const struct mlo_example examples[] = {
    {"which version is this", "mlopsctl version"},
    {"for a script", "mlopsctl version --json"},
    {0},
};

const struct mlo_command mlo_cmd_version = {
    .name = "version",
    .group = "help",
    .summary = "show the version, the compiler and the libraries",
    .description =
        "Shows which build this is: version, compiler and libraries.\n"
        "Libraries that only some commands need are not opened for it: `mlopsctl doctor` does that.",
    .examples = examples,
    .run = run,
};
