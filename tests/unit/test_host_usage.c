/* What processes use, read out of the kernel's files of other machines and of this one. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "../../src/host/internal.h"
#include "tap.h"

static struct mlo_err err;
static char root[600];

static void new_root(void)
{
    static int serial;
    snprintf(root, sizeof root, "%s/machine-%d", tap_tmpdir(), serial++);
}

static void put(const char *path, const char *text)
{
    char full[1400];
    snprintf(full, sizeof full, "%s%s", root, path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    check_ok(mlo_mkdirs_at(AT_FDCWD, full, 0755, &err), &err);
    *slash = '/';
    check_ok(mlo_write_file_at(AT_FDCWD, full, text, strlen(text), 0644, &err), &err);
}

/* ---- quotas ---- */

static void nested_groups_of_v2_are_read(void)
{
    struct mlo_host_groups g;
    struct mlo_host_throttle t[MLO_HOST_GROUPS];
    new_root();
    put("/proc/7/cgroup", "0::/system/pod/box\n");
    put("/proc/self/mountinfo",
        "22 1 0:20 / /sys rw - sysfs sysfs rw\n"
        "31 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    put("/sys/fs/cgroup/cpu.stat", "usage_usec 1\n");
    put("/sys/fs/cgroup/system/cpu.stat", "usage_usec 1\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
    put("/sys/fs/cgroup/system/pod/cpu.stat",
        "nr_periods 100\nnr_throttled 25\nthrottled_usec 1500\nnr_bursts 3\n");
    put("/sys/fs/cgroup/system/pod/box/cpu.stat", "nr_periods 100\nnr_throttled 4\nthrottled_usec 2\n");
    mlo_host_groups_open_in(root, 7, &g);
    check_int(g.n, 4);
    mlo_host_groups_read(&g, t);
    check(t[0].periods == 100 && t[0].throttled == 4 && t[0].throttled_ns == 2000);
    check(t[1].throttled == 25 && t[1].throttled_ns == 1500000);
    check(t[2].periods == 0 && t[3].periods == 0);
    put("/sys/fs/cgroup/system/pod/cpu.stat", "");
    mlo_host_groups_close(&g);
    check_int(g.n, 0);
}

static void v1_counts_nanoseconds_and_wins_when_both_are_mounted(void)
{
    struct mlo_host_groups g;
    struct mlo_host_throttle t[MLO_HOST_GROUPS];
    new_root();
    put("/proc/7/cgroup", "4:memory:/elsewhere\n3:cpuset:/no\n2:cpu,cpuacct:/docker/abc\n0::/none\n");
    put("/proc/self/mountinfo", "40 31 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                                "33 31 0:33 /docker/abc /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                "32 31 0:32 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw,relatime master:9 - "
                                "cgroup cgroup rw,cpu,cpuacct\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 8\nnr_throttled 2\nthrottled_time 77\n");
    mlo_host_groups_open_in(root, 7, &g);
    check_int(g.n, 1);
    mlo_host_groups_read(&g, t);
    check(t[0].periods == 8 && t[0].throttled == 2 && t[0].throttled_ns == 77);
    mlo_host_groups_close(&g);
}

static void machines_without_groups_tell_nothing(void)
{
    static const char *const mounts[] = {
        "", "garbage\n - \n1 - cgroup2\n", "22 1 0:20 / /sys rw - sysfs sysfs rw\n",
        "31 22 0:26 / /nowhere rw - cgroup2 cgroup2 rw\n", "31 22 0:26 / /cpu rw - cgroup cgroup rw,cpu\n"};
    static const char *const groups[] = {"0::/a\n", "0::/../../etc\n", "0::\n", "x", ""};
    for (size_t i = 0; i < MLO_COUNT(mounts); i++) {
        struct mlo_host_groups g;
        struct mlo_host_throttle t[MLO_HOST_GROUPS];
        new_root();
        put("/proc/self/mountinfo", mounts[i]);
        put("/proc/7/cgroup", groups[i]);
        mlo_host_groups_open_in(root, 7, &g);
        check_int(g.n, 0);
        mlo_host_groups_read(&g, t);
        check(t[0].periods == 0);
        mlo_host_groups_open_in(root, 8, &g);
        check_int(g.n, 0);
    }
}

/* A cgroup name space shows a process of another one as "/../other". */
static void a_group_outside_the_mount_is_the_mount(void)
{
    struct mlo_host_groups g;
    new_root();
    put("/proc/7/cgroup", "0::/../other\n");
    put("/proc/self/mountinfo", "31 22 0:26 / /g rw - cgroup2 cgroup2 rw\n");
    put("/g/cpu.stat", "nr_periods 1\n");
    put("/other/cpu.stat", "nr_periods 1\n");
    mlo_host_groups_open_in(root, 7, &g);
    check_int(g.n, 1);
    mlo_host_groups_close(&g);
}

/* ---- energy ---- */

static void packages_are_summed_and_counters_go_round(void)
{
    struct mlo_host_energy e;
    uint64_t from[MLO_HOST_PACKAGES], to[MLO_HOST_PACKAGES];
    new_root();
    mlo_host_energy_open_in(root, &e);
    check_int(e.n, 0);
    for (int i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/name", i);
        put(path, i ? "package-1\n" : "package-0\n");
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/max_energy_range_uj", i);
        put(path, "1000\n");
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/energy_uj", i);
        put(path, i ? "900\n" : "100\n");
    }
    put("/sys/class/powercap/intel-rapl:0:0/name", "core\n");
    put("/sys/class/powercap/intel-rapl:0:0/energy_uj", "5\n");
    put("/sys/class/powercap/intel-rapl:0:0/max_energy_range_uj", "5\n");
    put("/sys/class/powercap/intel-rapl:2/name", "psys\n");
    put("/sys/class/powercap/intel-rapl-mmio:0/name", "package-0\n");
    mlo_host_energy_open_in(root, &e);
    check_int(e.n, 2);
    mlo_host_energy_read(&e, from);
    for (size_t i = 0; i < e.n; i++)
        to[i] = from[i] == 900 ? 50 : from[i] + 30;
    check_int(mlo_host_energy_between(&e, from, to), 30 + 150);
    mlo_host_energy_close(&e);
}

/* ---- processes ---- */

static void a_family_is_groups_and_descendants(void)
{
    pid_t roots[] = {10, 50}, got[MLO_HOST_FAMILY];
    new_root();
    put("/proc/1/stat", "1 (init) S 0 1 1 0");
    put("/proc/10/stat", "10 (sh) S 1 10 1 0");
    put("/proc/11/stat", "11 (a) b) (c) S 10 10 1 0");
    put("/proc/9/stat", "9 (box) S 12 9 9 0"); /* a session of its own, below one of ours */
    put("/proc/12/stat", "12 (runc) S 11 12 1 0");
    put("/proc/13/stat", "13 (left) S 1 10 1 0"); /* of the group, its parent is gone */
    put("/proc/14/stat", "14 (other) S 1 14 1 0");
    put("/proc/15/stat", "nonsense");
    put("/proc/self/stat", "10 (sh) S 1 10 1 0");
    size_t n = mlo_host_family_in(root, roots, 2, got), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (size_t)got[i];
    check(n == 5 && sum == 10 + 11 + 9 + 12 + 13, "%zu processes, %zu", n, sum);
    new_root();
    check_int(mlo_host_family_in(root, roots, 2, got), 0);
}

static void memory_is_summed(void)
{
    pid_t pids[] = {10, 11, 12};
    struct mlo_host_memory m;
    new_root();
    put("/proc/10/status", "Name:\tx\nVmHWM:\t    300 kB\nVmRSS:\t    200 kB\n");
    put("/proc/10/smaps_rollup",
        "00-ff ---p 0 00:00 0 [rollup]\nRss: 200 kB\nPss:  150 kB\nPss_Dirty: 9 kB\n");
    put("/proc/11/status", "Name:\tkernel thread\n");
    mlo_host_memory_in(root, pids, 3, &m);
    check(m.rss == 200 * 1024 && m.peak == 300 * 1024 && m.pss == 150 * 1024);
}

/* 64 MB that were touched and given back are in the peak, and no more after a reset. */
static void this_process_has_memory(void)
{
    size_t n = (size_t)64 << 20;
    pid_t self = getpid();
    struct mlo_host_memory before, after;
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(p != MAP_FAILED);
    memset(p, 1, n);
    munmap(p, n);
    mlo_host_memory(&self, 1, &before);
    check(before.rss > 0 && before.peak >= n && before.peak > before.rss);
    mlo_host_memory_reset(&self, 1);
    mlo_host_memory(&self, 1, &after);
    check(after.peak < before.peak || access("/proc/self/clear_refs", W_OK) != 0);
    check(after.pss <= after.rss);
}

static void this_process_has_a_family(void)
{
    pid_t self = getpid(), got[MLO_HOST_FAMILY], child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    size_t n = mlo_host_family(&self, 1, got);
    bool has_self = false, has_child = false;
    for (size_t i = 0; i < n; i++) {
        has_self |= got[i] == self;
        has_child |= got[i] == child;
    }
    check(has_self && has_child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

int main(void)
{
    run(nested_groups_of_v2_are_read);
    run(v1_counts_nanoseconds_and_wins_when_both_are_mounted);
    run(machines_without_groups_tell_nothing);
    run(a_group_outside_the_mount_is_the_mount);
    run(packages_are_summed_and_counters_go_round);
    run(a_family_is_groups_and_descendants);
    run(memory_is_summed);
    run(this_process_has_memory);
    run(this_process_has_a_family);
    return done_testing();
}
