/* runpod:// addresses, and a volume that is mounted where we run. What goes over the network is tested with
 * the double: tests/cli/270-volume.sh. */
#include "tap.h"

#include <string.h>
#include <sys/stat.h>

#include "../../src/remote/internal.h"

static char mount[600];

static int open_at(const char *url, bool create, char **ret_url, struct mlo_err *err)
{
    struct mlo_remote_opts o = {.create = create, .mounted_volume = "vol123", .mount = mount};
    struct mlo_transport t;
    void *self = NULL;
    *err = MLO_ERR_INIT;
    int rc = mlo_volume_open(url, &o, &t, &self, ret_url, err);
    if (rc == 0) {
        check_str(t.kind, "directory");
        t.close(self);
    }
    return rc;
}

static void canonical_is(const char *url, const char *want)
{
    struct mlo_err err;
    char *got = NULL;
    if (check_ok(open_at(url, true, &got, &err), &err))
        check_str(got, want);
    free(got);
}

static void a_mounted_volume_is_a_folder(void)
{
    char path[700];
    struct stat st;
    snprintf(path, sizeof path, "%s/models/prod", mount);
    canonical_is("runpod://vol123/models/prod", "runpod://vol123/models/prod");
    check(stat(path, &st) == 0 && S_ISDIR(st.st_mode), "the folder is made there");
    canonical_is("runpod://vol123", "runpod://vol123");
    canonical_is("runpod://vol123/", "runpod://vol123");
    canonical_is("runpod://vol123//models/prod//", "runpod://vol123/models/prod");
}

static void what_is_not_there_is_said(void)
{
    struct mlo_err err;
    char *got = NULL;
    check_err(open_at("runpod://vol123/nothing/here", false, &got, &err), MLO_ENOTFOUND, &err,
              "nothing/here");
    check(strstr(err.msg, "mounted at"), "%s", err.msg);
    check(got == NULL, "untouched");
}

static void addresses_that_are_none(void)
{
    static const char *const urls[] = {"runpod://",
                                       "runpod:///models",
                                       "runpod://vol123/../x",
                                       "runpod://vol123/a/./b",
                                       "runpod://vol123/a//b",
                                       "runpod://vol123/a\nb",
                                       "runpod://vol123/.s3compat_uploads",
                                       "runpod://vol123/.s3compat_uploads/x"};
    struct mlo_err err;
    char *got = NULL, longest[600];
    for (size_t i = 0; i < MLO_COUNT(urls); i++)
        check_err(open_at(urls[i], true, &got, &err), MLO_EUSAGE, &err, NULL);
    snprintf(longest, sizeof longest, "runpod://%0300d", 1);
    check_err(open_at(longest, true, &got, &err), MLO_EUSAGE, &err, "names no volume");
    check(got == NULL, "untouched");
}

static void another_volume_needs_the_network(void)
{
    struct mlo_err err;
    char *got = NULL;
    check_err(open_at("runpod://other", true, &got, &err), MLO_EUNAVAIL, &err, "network");
    check(strstr(err.hint, "runpod://vol123"), "and says what needs none: %s", err.hint);
}

static int open_once(void)
{
    struct mlo_err err;
    char *got = NULL;
    int rc = open_at("runpod://vol123/models", true, &got, &err);
    free(got);
    return rc;
}

static void memory_may_be_short(void)
{
    check(each_alloc_failure(open_once) > 3, "some allocations");
}

int main(void)
{
    snprintf(mount, sizeof mount, "%s/mount", tap_tmpdir());
    if (mkdir(mount, 0755) != 0)
        return 1;
    run(a_mounted_volume_is_a_folder);
    run(what_is_not_there_is_said);
    run(addresses_that_are_none);
    run(another_volume_needs_the_network);
    run(memory_may_be_short);
    return done_testing();
}
