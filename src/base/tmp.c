/* Temporaries of processes that died: see io.h. */
#include <mlopsctl/base/io.h>

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define IDLE_S 60

void mlo_tmp_hold(int fd)
{
    (void)flock(fd, LOCK_EX | LOCK_NB); /* without locks a temporary is swept by its age alone */
}

static bool is_ours(const char *name)
{
    return strncmp(name, MLO_TMP_PREFIX, strlen(MLO_TMP_PREFIX)) == 0;
}

/* Only the owner's: in a folder shared with others their temporaries are their business. */
static bool is_abandoned(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && st.st_uid == geteuid() &&
           st.st_mtim.tv_sec + IDLE_S < time(NULL) && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void sweep_one(int dirfd, const char *name)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOCLOSE int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && is_abandoned(fd))
        (void)!mlo_remove_tree_at(dirfd, name, &ignored);
}

void mlo_tmp_sweep(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        mlo_cleanup_close(&fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (is_ours(e->d_name))
            sweep_one(fd, e->d_name);
    closedir(dir);
}
