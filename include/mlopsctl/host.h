/* The machine: what it is, what it can do, where we run. Reads /proc, /sys and files; never the environment
 * (passed in). */
#ifndef MLOPSCTL_HOST_H
#define MLOPSCTL_HOST_H

#include <sys/types.h>

#include <mlopsctl/base/mem.h>

struct mlo_host_fs {
    char type[32]; /* "ext4", "xfs", "nfs", "overlay", "fuse", hex of unknown */
    bool network;
    bool reflink; /* tried with two temporary files in the folder */
    uint64_t free_bytes, total_bytes;
};
int mlo_host_fs(const char *folder, struct mlo_host_fs *ret, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_host_cpu {
    char model[128];
    unsigned cpus;      /* usable: affinity and quota */
    unsigned online;    /* of the machine, whatever a container may use of it */
    char features[256]; /* of interest: "sha_ni avx2 avx512f ..." */
    bool sha_ni;
};
void mlo_host_cpu(struct mlo_host_cpu *ret);

struct mlo_host_place { /* each "" when not detected, else how it was */
    char container[64], kubernetes[64], runpod[64], ci[64];
};
void mlo_host_place(char *const *env, struct mlo_host_place *ret);

struct mlo_host_clock {
    bool known;        /* the kernel told whether the clock is kept in step */
    bool synchronised; /* by NTP or the like */
    bool plausible;    /* not before this program was written */
};
void mlo_host_clock(struct mlo_host_clock *ret);

/* ---- what processes use, and what they are kept from ---- */

#define MLO_HOST_FAMILY 4096 /* processes looked at, at most */
/* The roots and all that they started: their process groups and descendants. Returns how many,
 * MLO_HOST_FAMILY at most; 0 when /proc cannot be read. */
size_t mlo_host_family(const pid_t *roots, size_t n, pid_t ret[MLO_HOST_FAMILY]);

struct mlo_host_memory { /* bytes of all of them; 0 where the kernel does not tell */
    uint64_t rss, peak;  /* resident now; sum of the most that each had */
    uint64_t pss;        /* pages that are shared count by their share */
};
/* Processes that have ended count nothing. */
void mlo_host_memory(const pid_t *pids, size_t n, struct mlo_host_memory *ret);
/* From here on `peak` is of what follows, where the kernel lets us. */
void mlo_host_memory_reset(const pid_t *pids, size_t n);

/*
 * CPU quotas: the control groups of a process, from its own to the topmost that can be seen. Quotas are per
 * period (as a rule 100 ms); who has used up his share waits for the next one.
 */
#define MLO_HOST_GROUPS 16
struct mlo_host_groups { /* close with mlo_host_groups_close */
    int files[MLO_HOST_GROUPS];
    double cpus[MLO_HOST_GROUPS];
    size_t n;
};
struct mlo_host_throttle { /* counters of one group, and what it grants */
    uint64_t periods, throttled, throttled_ns;
    double cpus; /* processors' time in each period; 0: no quota */
};
/* n 0: none that tells. cgroup v2, v1 and both mixed. */
void mlo_host_groups_open(pid_t pid, struct mlo_host_groups *ret);
void mlo_host_groups_close(struct mlo_host_groups *g);
void mlo_host_groups_read(const struct mlo_host_groups *g, struct mlo_host_throttle ret[MLO_HOST_GROUPS]);

/* Energy of the processor packages by the counters of powercap (RAPL), which as a rule only root may read. */
#define MLO_HOST_PACKAGES 16
struct mlo_host_energy { /* close with mlo_host_energy_close */
    int files[MLO_HOST_PACKAGES];
    uint64_t range[MLO_HOST_PACKAGES]; /* microjoules after which it starts again at 0 */
    size_t n;                          /* 0: there is none that can be read */
};
void mlo_host_energy_open(struct mlo_host_energy *ret);
void mlo_host_energy_close(struct mlo_host_energy *e);
void mlo_host_energy_read(const struct mlo_host_energy *e, uint64_t ret[MLO_HOST_PACKAGES]);
/* Microjoules of all packages from one reading to a later one, at most one turn of each counter apart. */
uint64_t mlo_host_energy_between(const struct mlo_host_energy *e, const uint64_t from[MLO_HOST_PACKAGES],
                                 const uint64_t to[MLO_HOST_PACKAGES]);

/* ---- libraries ---- */

/* The libraries this program uses, linked or opened when needed. */
#define MLO_LIBRARY_VERSION 64
enum mlo_libver {
    MLO_LIBVER_TEXT,
    MLO_LIBVER_WORD, /* the first of a text */
    MLO_LIBVER_TEXT_OF_INT,
    MLO_LIBVER_THREE_INTS
}; /* what its version function looks like */
struct mlo_host_library {
    const char *name, *soname, *symbol;
    enum mlo_libver how;
    bool linked;
    const char *use; /* what needs it */
};
extern const struct mlo_host_library mlo_host_libraries[];
extern const size_t mlo_n_host_libraries;
/* Its version as it runs here; `load`: open it when it is not yet. False when it is not loaded, or not to be
 * found. */
bool mlo_host_library_version(const struct mlo_host_library *lib, bool load, char ret[MLO_LIBRARY_VERSION]);

#endif
