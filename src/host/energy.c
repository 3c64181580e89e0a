/* Energy by powercap (Documentation/power/powercap/powercap.rst of Linux): one counter for each package. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static uint64_t read_number(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return strtoull(text, NULL, 10);
}

/* A zone "package-0"; cores and memory are parts of it ("intel-rapl:0:0"). */
static bool is_package(const char *folder)
{
    char path[600];
    snprintf(path, sizeof path, "%s/name", folder);
    MLO_AUTOFREE char *name = mlo_host_read(path, 64);
    return name && strncmp(name, "package", 7) == 0;
}

static void take_zone(const char *folder, struct mlo_host_energy *e)
{
    char path[600];
    snprintf(path, sizeof path, "%s/max_energy_range_uj", folder);
    MLO_AUTOFREE char *range = mlo_host_read(path, 64);
    snprintf(path, sizeof path, "%s/energy_uj", folder);
    int fd = range ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    e->range[e->n] = strtoull(range, NULL, 10);
    e->files[e->n++] = fd;
}

void mlo_host_energy_open_in(const char *root, struct mlo_host_energy *ret)
{
    char folder[256], zone[512];
    struct dirent *entry;
    *ret = (struct mlo_host_energy){.n = 0};
    snprintf(folder, sizeof folder, "%s/sys/class/powercap", root);
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir)) && ret->n < MLO_HOST_PACKAGES) {
        snprintf(zone, sizeof zone, "%s/%.200s", folder, entry->d_name);
        /* The same package is listed again by its second interface ("intel-rapl-mmio:0"). */
        if (strncmp(entry->d_name, "intel-rapl:", 11) == 0 && is_package(zone))
            take_zone(zone, ret);
    }
    if (dir)
        closedir(dir);
}

void mlo_host_energy_open(struct mlo_host_energy *ret)
{
    mlo_host_energy_open_in("", ret);
}

void mlo_host_energy_close(struct mlo_host_energy *e)
{
    for (size_t i = 0; i < e->n; i++)
        close(e->files[i]);
    e->n = 0;
}

void mlo_host_energy_read(const struct mlo_host_energy *e, uint64_t ret[MLO_HOST_PACKAGES])
{
    for (size_t i = 0; i < MLO_HOST_PACKAGES; i++)
        ret[i] = i < e->n ? read_number(e->files[i]) : 0;
}

uint64_t mlo_host_energy_between(const struct mlo_host_energy *e, const uint64_t from[MLO_HOST_PACKAGES],
                                 const uint64_t to[MLO_HOST_PACKAGES])
{
    uint64_t sum = 0;
    for (size_t i = 0; i < e->n; i++)
        sum += to[i] >= from[i] ? to[i] - from[i] : to[i] + e->range[i] - from[i];
    return sum;
}
