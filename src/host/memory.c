/* Memory of processes by /proc/PID: status has the peak, smaps_rollup the shares of shared pages. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define FILE_MAX   ((size_t)64 << 10)
#define RESET_PEAK "5" /* proc(5), clear_refs */

/* ---- who belongs together ---- */

struct process {
    pid_t pid, parent, group;
    bool in;
};

/* "12 (name) S 1 12 ...": the name may hold anything, so its end is the last parenthesis. */
static bool read_process(const char *root, const char *name, struct process *ret)
{
    char path[512];
    long parent, group;
    snprintf(path, sizeof path, "%s/proc/%.32s/stat", root, name);
    MLO_AUTOFREE char *text = mlo_host_read(path, 4096);
    const char *after = text ? strrchr(text, ')') : NULL;
    if (!after || sscanf(after, ") %*c %ld %ld", &parent, &group) != 2)
        return false;
    *ret = (struct process){(pid_t)strtol(name, NULL, 10), (pid_t)parent, (pid_t)group, false};
    return true;
}

static size_t read_processes(const char *root, struct process **ret)
{
    char path[512];
    size_t n = 0, cap = 0;
    struct mlo_err err = MLO_ERR_INIT;
    struct dirent *entry;
    snprintf(path, sizeof path, "%s/proc", root);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (isdigit((unsigned char)entry->d_name[0]) && mlo_grow(ret, &cap, n + 1, sizeof **ret, &err) == 0)
            n += read_process(root, entry->d_name, &(*ret)[n]);
    if (dir)
        closedir(dir);
    return n;
}

static int by_pid(const void *x, const void *y)
{
    pid_t a = ((const struct process *)x)->pid, b = ((const struct process *)y)->pid;
    return (a > b) - (a < b);
}

static bool belongs(const struct process *p, const struct process *all, size_t n_all, const pid_t *roots,
                    size_t n_roots)
{
    const struct process key = {.pid = p->parent}, *parent = bsearch(&key, all, n_all, sizeof *all, by_pid);
    for (size_t i = 0; i < n_roots; i++)
        if (p->pid == roots[i] || p->group == roots[i])
            return true;
    return parent && parent->in;
}

size_t mlo_host_family_in(const char *root, const pid_t *roots, size_t n, pid_t ret[MLO_HOST_FAMILY])
{
    MLO_AUTOFREE struct process *all = NULL;
    size_t n_all = read_processes(root, &all), n_in = 0;
    if (n_all > 0)
        qsort(all, n_all, sizeof *all, by_pid);
    for (bool more = true; more;) { /* numbers come round: a child may stand before its parent */
        more = false;
        for (size_t i = 0; i < n_all && n_in < MLO_HOST_FAMILY; i++)
            if (!all[i].in && belongs(&all[i], all, n_all, roots, n)) {
                all[i].in = more = true;
                ret[n_in++] = all[i].pid;
            }
    }
    return n_in;
}

size_t mlo_host_family(const pid_t *roots, size_t n, pid_t ret[MLO_HOST_FAMILY])
{
    return mlo_host_family_in("", roots, n, ret);
}

/* ---- what they have ---- */

/* Of a line "VmHWM:     1234 kB". */
static uint64_t bytes_of(const char *text, const char *key)
{
    const char *at = text ? strstr(text, key) : NULL;
    return at ? 1024 * strtoull(at + strlen(key), NULL, 10) : 0;
}

static char *read_of(const char *root, pid_t pid, const char *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/proc/%ld/%s", root, (long)pid, file);
    return mlo_host_read(path, FILE_MAX);
}

void mlo_host_memory_in(const char *root, const pid_t *pids, size_t n, struct mlo_host_memory *ret)
{
    *ret = (struct mlo_host_memory){0};
    for (size_t i = 0; i < n; i++) {
        MLO_AUTOFREE char *status = read_of(root, pids[i], "status");
        MLO_AUTOFREE char *shares = read_of(root, pids[i], "smaps_rollup");
        ret->rss += bytes_of(status, "\nVmRSS:");
        ret->peak += bytes_of(status, "\nVmHWM:");
        ret->pss += bytes_of(shares, "\nPss:");
    }
}

void mlo_host_memory(const pid_t *pids, size_t n, struct mlo_host_memory *ret)
{
    mlo_host_memory_in("", pids, n, ret);
}

void mlo_host_memory_reset(const pid_t *pids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%ld/clear_refs", (long)pids[i]);
        MLO_AUTOCLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0 && write(fd, RESET_PEAK, 1) < 0)
            continue; /* not ours: its peak stays that of its whole life */
    }
}
