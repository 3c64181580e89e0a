/* A user for the tests of credentials: a home of its own and variables that the test sets. */
#ifndef TESTS_UNIT_CREDENTIALS_HELP_H
#define TESTS_UNIT_CREDENTIALS_HELP_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "../../src/credentials/internal.h"
#include "tap.h"

#define OURS ".config/mlopsctl/credentials"

static struct mlo_err err;
static struct mlo_credentials *c;
static char *env[16];
static size_t n_env;

static void set(const char *name, const char *value)
{
    if (asprintf(&env[n_env], "%s=%s", name, value) > 0)
        n_env++;
}

static const char *home_path(const char *name)
{
    static char path[2][600];
    static unsigned turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof path[0], "%s/home%s%s", tap_tmpdir(), *name ? "/" : "", name);
    return p;
}

static void forget_user(void)
{
    mlo_credentials_free(c);
    c = NULL;
    while (n_env > 0)
        free(env[--n_env]);
    memset(env, 0, sizeof env);
}

/* An empty home, no variables but HOME and PATH. */
static void new_user(void)
{
    forget_user();
    err = MLO_ERR_INIT;
    check_ok(mlo_remove_tree_at(AT_FDCWD, home_path(""), &err), &err);
    check_ok(mlo_mkdirs_at(AT_FDCWD, home_path(".config/mlopsctl"), 0700, &err), &err);
    set("HOME", home_path(""));
    set("PATH", home_path("bin"));
}

static void put(const char *name, const char *text, mode_t mode)
{
    char folder[600];
    snprintf(folder, sizeof folder, "%s", home_path(name));
    *strrchr(folder, '/') = '\0';
    check_ok(mlo_mkdirs_at(AT_FDCWD, folder, 0700, &err), &err);
    check_ok(mlo_write_file_at(AT_FDCWD, home_path(name), text, strlen(text), mode, &err), &err);
    check(chmod(home_path(name), mode) == 0);
}

/* Credentials of the user as set up so far. */
__attribute__((unused)) static struct mlo_credentials *ask(void)
{
    struct mlo_credentials_sources from = {.env = env};
    mlo_credentials_free(c);
    c = NULL;
    err = MLO_ERR_INIT;
    check_ok(mlo_credentials_new(&from, &c, &err), &err);
    return c;
}

#endif
