/* Where we run: container, Kubernetes, RunPod pod, continuous integration; by their marks in files and
 * environment. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define CGROUP_MAX     ((size_t)64 << 10)
#define NAME_MAX_SHOWN 40

struct mark {
    const char *variable; /* in the environment */
    const char *what;
};

static bool is_set(char *const *env, const char *name)
{
    const char *value = mlo_env_get(env, name);
    return value && *value;
}

static bool exists(const char *root, const char *path)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    return access(full, F_OK) == 0;
}

static void detect_container(const char *root, char *const *env, char ret[64])
{
    static const char *const marks[] = {"docker", "containerd", "libpod", "crio", "kubepods", "lxc"};
    if (exists(root, "/.dockerenv")) {
        snprintf(ret, 64, "/.dockerenv");
        return;
    }
    if (exists(root, "/run/.containerenv")) {
        snprintf(ret, 64, "/run/.containerenv");
        return;
    }
    if (is_set(env, "container")) {
        snprintf(ret, 64, "container=%.*s", NAME_MAX_SHOWN, mlo_env_get(env, "container"));
        return;
    }
    char path[512];
    snprintf(path, sizeof path, "%s/proc/1/cgroup", root);
    MLO_AUTOFREE char *cgroup = mlo_host_read(path, CGROUP_MAX);
    for (size_t i = 0; cgroup && i < MLO_COUNT(marks); i++)
        if (strstr(cgroup, marks[i])) {
            snprintf(ret, 64, "control group of %s", marks[i]);
            return;
        }
}

static void detect_kubernetes(const char *root, char *const *env, char ret[64])
{
    if (is_set(env, "KUBERNETES_SERVICE_HOST"))
        snprintf(ret, 64, "KUBERNETES_SERVICE_HOST");
    else if (exists(root, "/var/run/secrets/kubernetes.io/serviceaccount"))
        snprintf(ret, 64, "service account");
}

static void detect_ci(char *const *env, char ret[64])
{
    static const struct mark marks[] = {
        {"GITHUB_ACTIONS", "GitHub Actions"}, {"GITLAB_CI", "GitLab CI"},     {"JENKINS_URL", "Jenkins"},
        {"BUILDKITE", "Buildkite"},           {"CIRCLECI", "CircleCI"},       {"TF_BUILD", "Azure Pipelines"},
        {"TEAMCITY_VERSION", "TeamCity"},     {"FORGEJO_ACTIONS", "Forgejo"}, {"CI", "CI"}};
    for (size_t i = 0; i < MLO_COUNT(marks); i++)
        if (is_set(env, marks[i].variable)) {
            snprintf(ret, 64, "%s", marks[i].what);
            return;
        }
}

void mlo_host_place_in(const char *root, char *const *env, struct mlo_host_place *ret)
{
    *ret = (struct mlo_host_place){0};
    detect_container(root, env, ret->container);
    detect_kubernetes(root, env, ret->kubernetes);
    detect_ci(env, ret->ci);
    if (is_set(env, "RUNPOD_POD_ID"))
        snprintf(ret->runpod, sizeof ret->runpod, "pod %.*s", NAME_MAX_SHOWN,
                 mlo_env_get(env, "RUNPOD_POD_ID"));
}

void mlo_host_place(char *const *env, struct mlo_host_place *ret)
{
    mlo_host_place_in("", env, ret);
}
