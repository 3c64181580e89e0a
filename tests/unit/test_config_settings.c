/* Which place a setting comes from, and what is said about a wrong one. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "../../src/config/internal.h"
#include "tap.h"

static struct mlo_err err;
static struct mlo_config *c;

static const char *write_file(const char *name, const char *text)
{
    static char path[3][512];
    static unsigned turn;
    char *p = path[turn++ % 3];
    snprintf(p, sizeof path[0], "%s/%s", tap_tmpdir(), name);
    check_ok(mlo_write_file_at(AT_FDCWD, p, text, strlen(text), 0600, &err), &err);
    return p;
}

static int load(const char *project, const char *user, const char *system, char *const *env)
{
    struct mlo_config_paths paths = {project, user, system};
    mlo_config_free(c);
    c = NULL;
    err = MLO_ERR_INIT;
    return mlo_config_load(&paths, env, &c, &err);
}

static int load_text(const char *text)
{
    return load(write_file("p.yaml", text), NULL, NULL, NULL);
}

static void defaults_hold_without_any_file(void)
{
    check_ok(load("/nonexistent/mlops.yaml", NULL, NULL, NULL), &err);
    check_str(mlo_config_get(c, "gc.retention"), "90d");
    check_int(mlo_config_u64(c, "gc.retention"), 90 * 86400 * 1000000000LL);
    check_str(mlo_config_origin(c, "gc.retention"), "default");
    check(!mlo_config_get(c, "remote.default"));
    check(!mlo_config_bool(c, "pack.accept-unknown"));
}

static void the_stronger_place_wins(void)
{
    char variable[] = "MLOPSCTL_GC_RETENTION=4d", other[] = "MLOPSCTL_PACK_ACCEPT_UNKNOWN=yes",
         home[] = "MLOPSCTL_HOME=/x";
    char *const env[] = {home, other, variable, NULL};
    const char *project = write_file("p.yaml", "gc:\n  retention: 3d\n"),
               *user = write_file("u.yaml", "gc.retention: 2d\nuser:\n  name: ann\n"),
               *system = write_file("s.yaml", "gc: {retention: 1d}\npack:\n  threads: 7\n");
    check_ok(load(NULL, NULL, system, NULL), &err);
    check_str(mlo_config_get(c, "gc.retention"), "1d");
    check_ok(load(NULL, user, system, NULL), &err);
    check_str(mlo_config_get(c, "gc.retention"), "2d");
    check_ok(load(project, user, system, NULL), &err);
    check_str(mlo_config_get(c, "gc.retention"), "3d");
    check(strstr(mlo_config_origin(c, "gc.retention"), "p.yaml:2") != NULL, "%s",
          mlo_config_origin(c, "gc.retention"));
    check_ok(load(project, user, system, env), &err);
    check_str(mlo_config_get(c, "gc.retention"), "4d");
    check_str(mlo_config_origin(c, "gc.retention"), "environment MLOPSCTL_GC_RETENTION");
    check(mlo_config_bool(c, "pack.accept-unknown"));
    check_int(mlo_config_u64(c, "pack.threads"), 7);
    check_str(mlo_config_get(c, "user.name"), "ann");
}

static void an_unknown_key_is_named_with_its_line_and_neighbour(void)
{
    check_err(load_text("pack:\n  threads: 1\n  treads: 2\n"), MLO_EUSAGE, &err,
              "p.yaml:3: there is no setting 'pack.treads'");
    check_str(err.hint, "did you mean pack.threads?");
    check_err(load_text("gcc:\n  retention: 1d\n"), MLO_EUSAGE, &err, "p.yaml:1: there is no setting 'gcc'");
    check_err(load_text("remots:\n  a: b\n"), MLO_EUSAGE, &err, "there is no setting 'remots'");
    check_str(err.hint, "did you mean remotes?");
    check_err(load_text("gc: 30d\n"), MLO_EUSAGE, &err, "there is no setting 'gc'");
    check_err(load_text("gc:\n  retention:\n    days: 3\n"), MLO_EUSAGE, &err,
              "gc.retention must be one value");
}

static void a_value_of_another_type_is_named_with_its_place(void)
{
    char variable[] = "MLOPSCTL_COLOR=blue";
    char *const env[] = {variable, NULL};
    check_err(load_text("gc:\n  retention: soon\n"), MLO_EUSAGE, &err, "p.yaml:2: ");
    check(strstr(err.msg, "gc.retention") != NULL, "%s", err.msg);
    check_err(load_text("pack: {accept-unknown: maybe}\n"), MLO_EUSAGE, &err,
              "p.yaml:1: pack.accept-unknown must be true or false");
    check_err(load_text("pack: {threads: -1}\n"), MLO_EUSAGE, &err, "pack.threads");
    check_err(load_text("progress: nois\n"), MLO_EUSAGE, &err, "one of auto|bar|plain|json|none");
    check_err(load(NULL, NULL, NULL, env), MLO_EUSAGE, &err,
              "environment MLOPSCTL_COLOR: color must be one of");
}

static void null_leaves_the_weaker_value(void)
{
    check_ok(load(write_file("p.yaml", "gc:\n  retention: ~\npack:\n"),
                  write_file("u.yaml", "gc.retention: 2d\n"), NULL, NULL),
             &err);
    check_str(mlo_config_get(c, "gc.retention"), "2d");
}

static int append(void *ctx, const char *key, const char *value, struct mlo_err *e)
{
    (void)e;
    mlo_str_addf(ctx, "%s=%s;", key, value);
    return 0;
}

static int refuse(void *ctx, const char *key, const char *value, struct mlo_err *e)
{
    (void)ctx, (void)value;
    return mlo_fail(e, MLO_EUSAGE, "no %s", key);
}

static void sections_are_read_by_what_follows_their_name(void)
{
    struct mlo_str got;
    mlo_str_init(&got, 1024);
    check_ok(
        load(write_file("p.yaml", "remotes:\n  prod: {url: /a}\n  tags: [x, y]\n"),
             write_file("u.yaml", "remotes:\n  prod: {url: /weak}\n  dev: {url: /d}\nremote.default: dev\n"),
             NULL, NULL),
        &err);
    check_ok(mlo_config_each(c, "remotes", append, &got, &err), &err);
    check_str(got.ptr, "prod.url=/a;tags.0=x;tags.1=y;dev.url=/d;");
    mlo_str_clear(&got);
    check_ok(mlo_config_each(c, "remotes.prod", append, &got, &err), &err);
    check_str(got.ptr, "url=/a;");
    check_err(mlo_config_each(c, "remotes", refuse, NULL, &err), MLO_EUSAGE, &err, "no prod.url");
    mlo_str_release(&got);
    check_err(load_text("remotes: /a\n"), MLO_EUSAGE, &err, "remotes must be a mapping");
}

static void a_folder_is_not_a_file_of_settings(void)
{
    check_err(load(tap_tmpdir(), NULL, NULL, NULL), MLO_EINVALID, &err, "not a regular file");
}

static void the_file_is_found_upward(void)
{
    char folder[600], *found = NULL;
    snprintf(folder, sizeof folder, "%s/a/b", tap_tmpdir());
    check_ok(mlo_mkdirs_at(AT_FDCWD, folder, 0700, &err), &err);
    check_err(mlo_config_find(folder, &found, &err), MLO_ENOTFOUND, &err, "no mlops.yaml");
    const char *path = write_file("a/mlops.yaml", "");
    check_ok(mlo_config_find(folder, &found, &err), &err);
    char *real = realpath(path, NULL);
    check_str(found, real);
    free(real);
    free(found);
    if (geteuid() != 0)
        return; /* only root can give a file away */
    found = NULL;
    check(chown(path, 4711, 4711) == 0);
    check_err(mlo_config_find(folder, &found, &err), MLO_ENOTFOUND, &err, "no mlops.yaml");
    check(chown(folder, 4711, 4711) == 0);
    check_ok(mlo_config_find(folder, &found, &err), &err);
    free(found);
}

static void every_default_fits_its_own_type(void)
{
    for (size_t i = 0; i < mlo_n_settings; i++)
        if (mlo_settings[i].def)
            check_ok(mlo_setting_check(&mlo_settings[i], mlo_settings[i].def, "default", NULL, &err), &err);
}

static const char *some_file;
static int load_some(void)
{
    struct mlo_config_paths paths = {some_file, NULL, NULL};
    struct mlo_config *mine = NULL;
    struct mlo_err e = MLO_ERR_INIT;
    int rc = mlo_config_load(&paths, NULL, &mine, &e);
    mlo_config_free(mine);
    return rc;
}

static void memory_failure_is_an_error(void)
{
    some_file = write_file("m.yaml", "gc.retention: 2d\nremotes: {a: b}\n");
    check(each_alloc_failure(load_some) > 4);
}

int main(void)
{
    run(defaults_hold_without_any_file);
    run(the_stronger_place_wins);
    run(an_unknown_key_is_named_with_its_line_and_neighbour);
    run(a_value_of_another_type_is_named_with_its_place);
    run(null_leaves_the_weaker_value);
    run(sections_are_read_by_what_follows_their_name);
    run(a_folder_is_not_a_file_of_settings);
    run(the_file_is_found_upward);
    run(every_default_fits_its_own_type);
    run(memory_failure_is_an_error);
    mlo_config_free(c);
    return done_testing();
}
