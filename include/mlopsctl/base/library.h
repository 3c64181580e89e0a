/*
 * Shared libraries opened at first use, behind a table of functions: commands that need none of them start
 * without them, and a machine that lacks one loses only what needs it.
 */
#ifndef MLOPSCTL_BASE_LIBRARY_H
#define MLOPSCTL_BASE_LIBRARY_H

#include <stddef.h>

#include <mlopsctl/base/err.h>

struct mlo_library_function {
    const char *symbol;
    size_t offset; /* of its pointer in the table */
};
struct mlo_library {
    const char *name, *soname, *package; /* "libcurl", "libcurl.so.4", "libcurl4": what to install */
    const struct mlo_library_function *functions;
    size_t n;
};
/* Fills the table; it stays open. MLO_EUNAVAIL when the library or a function of it is missing. */
int mlo_library_open(const struct mlo_library *lib, void *table, struct mlo_err *err) MLO_MUST_CHECK;

#endif
