/* What is read out of the kernel's files, of this machine and of others. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "../../src/host/internal.h"
#include "tap.h"

static struct mlo_err err;

static void reads_an_x86_processor(void)
{
    struct mlo_host_cpu cpu = {0};
    mlo_host_cpuinfo("processor\t: 0\nmodel name\t: AMD EPYC 9754\nflags\t\t: fpu sse4_2 avx avx2 avx512f "
                     "sha_ni xsha_nix\n",
                     &cpu);
    check_str(cpu.model, "AMD EPYC 9754");
    check_str(cpu.features, "sse4_2 avx avx2 avx512f sha_ni");
    check(cpu.sha_ni);
    mlo_host_cpuinfo("model name: x\nflags: fpu avx2x sha_nix\n", &cpu);
    check_str(cpu.features, "");
    check(!cpu.sha_ni, "part of a word is not the word");
}

static void reads_an_arm_processor_and_nothing_at_all(void)
{
    struct mlo_host_cpu cpu = {0};
    mlo_host_cpuinfo("processor : 0\nFeatures : fp asimd sha1 sha2 sve\nCPU implementer : 0x41\n", &cpu);
    check_str(cpu.features, "asimd sve sha2");
    check(cpu.sha_ni);
    mlo_host_cpuinfo("", &cpu);
    check_str(cpu.model, "");
    check(!cpu.sha_ni);
    mlo_host_cpuinfo("flags", &cpu);
    mlo_host_cpuinfo("flags\t", &cpu);
    mlo_host_cpuinfo("flags:", &cpu);
    check_str(cpu.features, "");
}

static void this_processor_has_at_least_one_cpu(void)
{
    struct mlo_host_cpu cpu;
    mlo_host_cpu(&cpu);
    check(cpu.cpus >= 1);
}

static void finds_the_type_of_a_mount(void)
{
    static const char table[] = "22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw\n"
                                "30 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
                                "31 30 0:45 / /workspace rw - fuse.mfs mfs#volume rw\n"
                                "garbage\n";
    char type[32] = "";
    check(mlo_host_mount_type(table, 259, 2, type, sizeof type));
    check_str(type, "ext4");
    check(mlo_host_mount_type(table, 0, 45, type, sizeof type));
    check_str(type, "fuse.mfs");
    check(!mlo_host_mount_type(table, 1, 1, type, sizeof type));
    check(!mlo_host_mount_type("", 1, 1, type, sizeof type));
}

static void knows_which_file_systems_are_on_a_network(void)
{
    check(mlo_host_is_network_fs("nfs4") && mlo_host_is_network_fs("fuse.sshfs") &&
          mlo_host_is_network_fs("cifs"));
    check(!mlo_host_is_network_fs("ext4") && !mlo_host_is_network_fs("overlay") &&
          !mlo_host_is_network_fs("fuseblk"));
}

static void looks_at_a_folder_and_leaves_nothing_in_it(void)
{
    struct mlo_host_fs fs;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/fs", tap_tmpdir());
    check(mkdir(folder, 0700) == 0);
    check_ok(mlo_host_fs(folder, &fs, &err), &err);
    check(*fs.type && fs.total_bytes >= fs.free_bytes && fs.total_bytes > 0);
    check(rmdir(folder) == 0, "the folder is empty again");
    check_err(mlo_host_fs(folder, &fs, &err), MLO_ENOTFOUND, &err, folder);
}

static void put(const char *name, const char *text)
{
    char path[600], *slash;
    snprintf(path, sizeof path, "%s/root%s", tap_tmpdir(), name);
    slash = strrchr(path, '/');
    *slash = '\0';
    check_ok(mlo_mkdirs_at(AT_FDCWD, path, 0700, &err), &err);
    *slash = '/';
    check_ok(mlo_write_file_at(AT_FDCWD, path, text, strlen(text), 0600, &err), &err);
}

static void detects_where_it_runs(void)
{
    char pod[] = "RUNPOD_POD_ID=abc123", k8s[] = "KUBERNETES_SERVICE_HOST=10.0.0.1", ci[] = "CI=true",
         gl[] = "GITLAB_CI=true", empty[] = "CI=";
    char *const all[] = {ci, gl, pod, k8s, NULL}, *const none[] = {empty, NULL};
    struct mlo_host_place place;
    char root[512];
    snprintf(root, sizeof root, "%s/root", tap_tmpdir());
    mlo_host_place_in(root, none, &place);
    check(!*place.container && !*place.kubernetes && !*place.runpod && !*place.ci);
    mlo_host_place_in(root, NULL, &place);
    check(!*place.ci);
    mlo_host_place_in(root, all, &place);
    check_str(place.runpod, "pod abc123");
    check_str(place.kubernetes, "KUBERNETES_SERVICE_HOST");
    check_str(place.ci, "GitLab CI");
    put("/proc/1/cgroup", "0::/kubepods/burstable/pod1\n");
    mlo_host_place_in(root, none, &place);
    check_str(place.container, "control group of kubepods");
    put("/run/.containerenv", "");
    mlo_host_place_in(root, none, &place);
    check_str(place.container, "/run/.containerenv");
    put("/var/run/secrets/kubernetes.io/serviceaccount/token", "x");
    mlo_host_place_in(root, none, &place);
    check_str(place.kubernetes, "service account");
}

static void a_long_variable_is_cut_not_overrun(void)
{
    char pod[400] = "RUNPOD_POD_ID=";
    memset(pod + strlen(pod), 'x', 300);
    char *const env[] = {pod, NULL};
    struct mlo_host_place place;
    mlo_host_place_in("/nonexistent", env, &place);
    check(strlen(place.runpod) < sizeof place.runpod && strlen(place.runpod) > 10);
}

static void linked_libraries_tell_their_version(void)
{
    char version[MLO_LIBRARY_VERSION] = "";
    for (size_t i = 0; i < mlo_n_host_libraries; i++)
        check(mlo_host_library_version(&mlo_host_libraries[i], true, version) && *version, "%s",
              mlo_host_libraries[i].name);
    struct mlo_host_library none = {.name = "none", .soname = "libmlo-none.so.1", .symbol = "x"};
    check(!mlo_host_library_version(&none, true, version));
}

static void the_clock_is_plausible(void)
{
    struct mlo_host_clock clock;
    mlo_host_clock(&clock);
    check(clock.plausible);
}

int main(void)
{
    run(reads_an_x86_processor);
    run(reads_an_arm_processor_and_nothing_at_all);
    run(this_processor_has_at_least_one_cpu);
    run(finds_the_type_of_a_mount);
    run(knows_which_file_systems_are_on_a_network);
    run(looks_at_a_folder_and_leaves_nothing_in_it);
    run(detects_where_it_runs);
    run(a_long_variable_is_cut_not_overrun);
    run(linked_libraries_tell_their_version);
    run(the_clock_is_plausible);
    return done_testing();
}
