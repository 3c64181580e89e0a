/* The machine: what it is, what it can do, where we run. Reads /proc, /sys and files; never the environment
 * (passed in). */
#ifndef MLOPSCTL_HOST_H
#define MLOPSCTL_HOST_H

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
