/* The parts of src/host that read text or a tree given to them, so that tests can give them another
 * machine's. */
#ifndef MLOPSCTL_HOST_INTERNAL_H
#define MLOPSCTL_HOST_INTERNAL_H

#include <mlopsctl/host.h>

/* Text of /proc/cpuinfo. `cpus` is left alone. */
void mlo_host_cpuinfo(const char *text, struct mlo_host_cpu *ret);
/* File system type of device major:minor in the text of /proc/self/mountinfo; false when it is not there. */
bool mlo_host_mount_type(const char *text, unsigned dev_major, unsigned dev_minor, char *ret, size_t size);
bool mlo_host_is_network_fs(const char *type);
/* As mlo_host_place with another root folder than "". */
void mlo_host_place_in(const char *root, char *const *env, struct mlo_host_place *ret);
/* At most `max` bytes of a file of the kernel's, whose size is not known before; NULL when it cannot be read.
 * Owner: the caller. */
char *mlo_host_read(const char *path, size_t max);
/* As the functions without _in, with another root folder than "". */
void mlo_host_groups_open_in(const char *root, pid_t pid, struct mlo_host_groups *ret);
void mlo_host_energy_open_in(const char *root, struct mlo_host_energy *ret);
size_t mlo_host_family_in(const char *root, const pid_t *roots, size_t n, pid_t ret[MLO_HOST_FAMILY]);
void mlo_host_memory_in(const char *root, const pid_t *pids, size_t n, struct mlo_host_memory *ret);

#endif
