/*
 * CPU quotas of control groups, by the counters in their cpu.stat (Documentation/admin-guide/cgroup-v2.rst
 * and scheduler/sched-bwc.rst of Linux). A process is held back by its own group and by each one above it, so
 * all of them are read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define FILE_MAX  ((size_t)1 << 20)
#define PATH_ROOM 8192

struct mount {
    char where[4096], inside[4096]; /* where it is mounted; which group is on top there */
    bool found, is_v2;
};

/* "cpu" of "rw,cpu,cpuacct". */
static bool has_item(const char *list, const char *item)
{
    size_t n = strlen(item);
    for (const char *at = list;;) {
        size_t len = strcspn(at, ",");
        if (len == n && memcmp(at, item, n) == 0)
            return true;
        if (!at[len])
            return false;
        at += len + 1;
    }
}

/* One line of mountinfo: "36 35 98:0 /inside /where options - type source super,options". */
static void take_mount(const char *line, struct mount *m)
{
    char inside[4096], where[4096], type[32], super[1024];
    const char *dash = strstr(line, " - ");
    if (!dash || sscanf(line, "%*u %*u %*s %4095s %4095s", inside, where) != 2 ||
        sscanf(dash, " - %31s %*s %1023s", type, super) != 2)
        return;
    bool is_v1 = strcmp(type, "cgroup") == 0 && has_item(super, "cpu");
    bool is_v2 = strcmp(type, "cgroup2") == 0 && !m->found;
    if (!is_v1 && !is_v2)
        return;
    m->found = true;
    m->is_v2 = is_v2;
    memcpy(m->inside, inside, sizeof inside);
    memcpy(m->where, where, sizeof where);
}

/* Where both are mounted, the CPU controller is that of v1. */
static void find_mount(const char *text, struct mount *m)
{
    char line[PATH_ROOM + 2048];
    *m = (struct mount){.found = false};
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(n < sizeof line ? n : sizeof line - 1), at);
        if (!m->found || m->is_v2)
            take_mount(line, m);
        at += n + (at[n] == '\n');
    }
}

/* The group in a line of /proc/PID/cgroup, "4:cpu,cpuacct:/docker/abc" or "0::/docker/abc". */
static bool find_group(const char *text, bool is_v2, char *ret, size_t size)
{
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        const char *controllers = memchr(at, ':', n);
        const char *path = controllers ? memchr(controllers + 1, ':', n - (size_t)(controllers + 1 - at))
                                       : NULL;
        char names[256] = "";
        if (path)
            snprintf(names, sizeof names, "%.*s", (int)(path - controllers - 1), controllers + 1);
        if (path && (is_v2 ? strncmp(at, "0::", 3) == 0 : has_item(names, "cpu"))) {
            snprintf(ret, size, "%.*s", (int)(at + n - path - 1), path + 1);
            return true;
        }
        at += n + (at[n] == '\n');
    }
    return false;
}

/* The group's path below the mount: a container sees its own group on top, with or without a name space. */
static const char *below(const struct mount *m, const char *group)
{
    size_t n = strcmp(m->inside, "/") == 0 ? 0 : strlen(m->inside);
    if (strstr(group, "/..") || strncmp(group, m->inside, n) != 0 || (group[n] && group[n] != '/'))
        return "";
    return strcmp(group + n, "/") == 0 ? "" : group + n;
}

/* "20000 100000" (v2), or two files (v1); "max" and -1 are no quota. */
static double quota_of(const char *folder)
{
    static const char *const files[] = {"cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"};
    double quota = 0, period = 0;
    for (size_t i = 0; i < MLO_COUNT(files); i++) {
        char path[PATH_ROOM + 4096];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        MLO_AUTOFREE char *text = mlo_host_read(path, 256);
        if (text && i == 0 && sscanf(text, "%lf %lf", &quota, &period) == 2)
            break;
        if (text && i > 0 && sscanf(text, "%lf", i == 1 ? &quota : &period) != 1)
            return 0;
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* folder, then each above it, down to its first `top` bytes. */
static void open_levels(char *folder, size_t top, struct mlo_host_groups *g)
{
    while (g->n < MLO_HOST_GROUPS) {
        char path[PATH_ROOM + 4096];
        snprintf(path, sizeof path, "%s/cpu.stat", folder);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            g->cpus[g->n] = quota_of(folder);
            g->files[g->n++] = fd;
        }
        char *slash = strrchr(folder + top, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

void mlo_host_groups_open_in(const char *root, pid_t pid, struct mlo_host_groups *ret)
{
    char path[512], group[4096], folder[PATH_ROOM + 512];
    struct mount m;
    *ret = (struct mlo_host_groups){.n = 0};
    snprintf(path, sizeof path, "%s/proc/%ld/cgroup", root, (long)pid);
    MLO_AUTOFREE char *groups = mlo_host_read(path, FILE_MAX);
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    MLO_AUTOFREE char *mounts = groups ? mlo_host_read(path, FILE_MAX) : NULL;
    find_mount(mounts ? mounts : "", &m);
    if (!m.found || !find_group(groups, m.is_v2, group, sizeof group))
        return;
    snprintf(folder, sizeof folder, "%s%s%s", root, m.where, below(&m, group));
    open_levels(folder, strlen(root) + strlen(m.where), ret);
}

void mlo_host_groups_open(pid_t pid, struct mlo_host_groups *ret)
{
    mlo_host_groups_open_in("", pid, ret);
}

void mlo_host_groups_close(struct mlo_host_groups *g)
{
    for (size_t i = 0; i < g->n; i++)
        close(g->files[i]);
    g->n = 0;
}

static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* v2 counts microseconds, v1 nanoseconds. */
void mlo_host_groups_read(const struct mlo_host_groups *g, struct mlo_host_throttle ret[MLO_HOST_GROUPS])
{
    for (size_t i = 0; i < MLO_HOST_GROUPS; i++) {
        char text[1024];
        ssize_t n = i < g->n ? pread(g->files[i], text, sizeof text - 1, 0) : 0;
        text[n > 0 ? n : 0] = '\0';
        ret[i] = (struct mlo_host_throttle){
            number_after(text, "nr_periods "), number_after(text, "nr_throttled "),
            number_after(text, "throttled_time ") + 1000 * number_after(text, "throttled_usec "),
            i < g->n ? g->cpus[i] : 0};
    }
}
