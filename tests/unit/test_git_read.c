/* Repositories are made with the git program, so that libgit2 is held against another implementation. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/git.h>

#include "tap.h"

static char repo[512];

static void shell(const char *fmt, const char *arg)
{
    char line[2048];
    snprintf(line, sizeof line, fmt, arg);
    check(system(line) == 0, "%s", line);
}

static struct mlo_git_info read_at(const char *path)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_git_info info = {0};
    check_ok(mlo_git_read(path, MLO_GIT_COMMIT | MLO_GIT_STATUS, &info, &err), &err);
    return info;
}

static void outside_a_repository_is_an_answer(void)
{
    struct mlo_git_info info = read_at(tap_tmpdir());
    check(!info.in_repo);
    check(!info.dirty);
    check(dlopen("libgit2.so.1.5", RTLD_NOW | RTLD_NOLOAD) == NULL, "libgit2 was opened for nothing");
    mlo_git_release(&info);
}

static void before_the_first_commit_there_is_no_commit(void)
{
    snprintf(repo, sizeof repo, "%s/repo", tap_tmpdir());
    shell("git init -q -b trunk %s", repo);
    struct mlo_git_info info = read_at(repo);
    check(info.in_repo);
    check_str(info.commit, "");
    mlo_git_release(&info);
}

static void a_clean_commit_is_read(void)
{
    shell("cd %s && echo a >a && mkdir d && echo b >d/b && git add . && git -c user.name=t -c "
          "user.email=t@e.org "
          "commit -q -m one && git rev-parse HEAD >../head && git remote add origin "
          "https://me:hunter2secret@example.org/x.git && git -c user.name=t -c user.email=t@e.org tag -a v1 "
          "-m v1",
          repo);
    struct mlo_git_info info = read_at(repo);
    char want[64] = "", path[600];
    snprintf(path, sizeof path, "%s/head", tap_tmpdir());
    FILE *f = fopen(path, "r");
    check(f && fscanf(f, "%63s", want) == 1);
    if (f)
        fclose(f);
    check_str(info.commit, want);
    check_str(info.branch, "trunk");
    check_str(info.describe, "v1");
    check(!info.dirty);
    check(info.commit_time_ns > 0);
    check(info.remote_url && !strstr(info.remote_url, "hunter2secret"), "%s",
          info.remote_url ? info.remote_url : "none");
    mlo_git_release(&info);
}

static void changes_are_listed_sorted_from_any_folder_inside(void)
{
    char inner[600];
    shell("cd %s && echo z >zzz && echo changed >d/b && echo new >c && git add c", repo);
    snprintf(inner, sizeof inner, "%s/d", repo);
    struct mlo_git_info info = read_at(inner);
    check(info.dirty);
    check_int(info.n_dirty, 3);
    if (info.n_listed == 3) {
        check_str(info.changes[0].path, "c");
        check_str(info.changes[1].path, "d/b");
        check_str(info.changes[2].path, "zzz");
        check(!info.changes[0].untracked && !info.changes[1].untracked && info.changes[2].untracked);
    }
    mlo_git_release(&info);
}

static void a_detached_head_has_no_branch(void)
{
    shell("cd %s && git checkout -q --detach", repo);
    struct mlo_git_info info = read_at(repo);
    check(!info.branch);
    check(*info.commit);
    mlo_git_release(&info);
}

static void a_bare_repository_is_one(void)
{
    char bare[600];
    snprintf(bare, sizeof bare, "%s/bare.git", tap_tmpdir());
    shell("cd %s && git clone -q --bare repo bare.git", tap_tmpdir());
    struct mlo_git_info info = read_at(bare);
    check(info.in_repo && !info.root);
    check(*info.commit);
    mlo_git_release(&info);
}

int main(void)
{
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    run(outside_a_repository_is_an_answer);
    run(before_the_first_commit_there_is_no_commit);
    run(a_clean_commit_is_read);
    run(changes_are_listed_sorted_from_any_folder_inside);
    run(a_detached_head_has_no_branch);
    run(a_bare_repository_is_one);
    return done_testing();
}
