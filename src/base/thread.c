#include <mlopsctl/base/thread.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 256u

/* First line of a small file of the system; false when it cannot be read. */
static bool read_line(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    buf[n] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
    return true;
}

static double quota_cpus(long long quota, long long period)
{
    return quota > 0 && period > 0 ? (double)quota / (double)period : 0;
}

/* The quota of the container's own cgroup as it is mounted there: v2, else v1. */
double mlo_cpu_quota(void)
{
    char line[128], period[64];
    long long q, p;
    if (read_line("/sys/fs/cgroup/cpu.max", line, sizeof line))
        return sscanf(line, "%lld %lld", &q, &p) == 2 ? quota_cpus(q, p) : 0;
    if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof line) &&
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period))
        return quota_cpus(strtoll(line, NULL, 10), strtoll(period, NULL, 10));
    return 0;
}

unsigned mlo_cpu_count(void)
{
    cpu_set_t set;
    unsigned n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    double quota = mlo_cpu_quota();
    if (quota > 0 && ceil(quota) < n)
        n = (unsigned)ceil(quota);
    return n ? n : 1;
}

struct loop {
    size_t n, next;
    int (*fn)(void *ctx, size_t i, struct mlo_err *err);
    void *ctx;
    pthread_mutex_t lock;
    struct mlo_err err; /* first failure */
};

static bool take(struct loop *l, size_t *ret)
{
    pthread_mutex_lock(&l->lock);
    bool more = !l->err.code && l->next < l->n;
    if (more)
        *ret = l->next++;
    pthread_mutex_unlock(&l->lock);
    return more;
}

static void *work(void *arg)
{
    struct loop *l = arg;
    size_t i;
    while (take(l, &i)) {
        struct mlo_err err = MLO_ERR_INIT;
        int rc = l->fn(l->ctx, i, &err);
        if (!rc)
            continue;
        pthread_mutex_lock(&l->lock);
        if (!l->err.code) {
            l->err = err;
            l->err.code = rc;
        }
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

int mlo_parallel(size_t n, unsigned threads, int (*fn)(void *ctx, size_t i, struct mlo_err *err), void *ctx,
                 struct mlo_err *err)
{
    struct loop l = {.n = n, .fn = fn, .ctx = ctx};
    pthread_t ids[THREADS_MAX];
    unsigned started = 0;
    if (threads > n)
        threads = (unsigned)n;
    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    pthread_mutex_init(&l.lock, NULL);
    /* The caller works too; a thread that cannot be started is only one helper less. */
    while (started + 1 < threads && pthread_create(&ids[started], NULL, work, &l) == 0)
        started++;
    work(&l);
    for (unsigned i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    pthread_mutex_destroy(&l.lock);
    if (l.err.code)
        *err = l.err;
    return l.err.code;
}
