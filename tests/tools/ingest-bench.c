/*
 * How fast mlo_store_ingest takes a file in, beside what hashing alone costs in the same process.
 *
 *     ingest-bench FILE FOLDER [THREADS [RANGES [ROUNDS]]]
 *
 * FOLDER is made and removed; it should be on the file system of interest. One line a round:
 * bytes hashed (file and ranges), seconds, GB/s, share of THREADS (at most 2) times the speed of one hashing
 * thread, share of what that many hashing threads reach side by side, processor seconds, peak resident memory
 * so far.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/store.h>

#define BUFFER       ((size_t)1 << 20)
#define HEADER_BYTES 4096
#define HASH_ROUNDS  1024 /* times BUFFER: 1 GiB a thread */

static void die(const char *what, const struct mlo_err *err)
{
    fprintf(stderr, "ingest-bench: %s: %s\n", what, err->msg);
    exit(1);
}

static int hash_loop(void *ctx, size_t i, struct mlo_err *err)
{
    (void)i;
    struct mlo_sha256 h;
    struct mlo_digest d;
    int rc = mlo_sha256_new(&h, err);
    for (int k = 0; rc == 0 && k < HASH_ROUNDS; k++)
        rc = mlo_sha256_update(&h, ctx, BUFFER, err);
    if (rc == 0)
        rc = mlo_sha256_end(&h, &d, err);
    mlo_sha256_free(&h);
    return rc;
}

/* Bytes a second of `threads` threads that do nothing but hash. */
static double hash_speed(unsigned threads)
{
    struct mlo_err err = MLO_ERR_INIT;
    void *buf = mlo_calloc(1, BUFFER, &err);
    if (!buf)
        die("hash speed", &err);
    int64_t start = mlo_time_mono();
    if (mlo_parallel(threads, threads, hash_loop, buf, &err) < 0)
        die("hash speed", &err);
    double seconds = (double)(mlo_time_mono() - start) / 1e9;
    free(buf);
    return (double)threads * HASH_ROUNDS * (double)BUFFER / seconds;
}

/* As tensors lie in a safetensors file: a header, then one after the other to the end. */
static struct mlo_range *make_ranges(uint64_t size, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_range *r = mlo_calloc(n + 1, sizeof *r, &err);
    if (!r)
        die("ranges", &err);
    uint64_t body = size > HEADER_BYTES ? size - HEADER_BYTES : 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t from = body / n * i, to = i + 1 == n ? body : body / n * (i + 1);
        r[i] = (struct mlo_range){.offset = size - body + from, .length = to - from};
    }
    return r;
}

static double cpu_seconds(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static void round_once(const char *folder, struct mlo_ingest *in, uint64_t hashed, double single,
                       double together)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_store *s;
    struct mlo_digest d;
    struct rusage u0, u1;
    uint64_t size;
    if (mlo_store_open(folder, true, &s, &err) < 0)
        die("open", &err);
    mlo_store_set_tmp(s, folder);
    getrusage(RUSAGE_SELF, &u0);
    int64_t start = mlo_time_mono();
    if (mlo_store_ingest(s, in, &d, &size, &err) < 0)
        die("ingest", &err);
    double seconds = (double)(mlo_time_mono() - start) / 1e9;
    getrusage(RUSAGE_SELF, &u1);
    unsigned hashers = in->threads > 1 && in->n_ranges > 0 ? 2 : 1;
    double speed = (double)hashed / seconds;
    printf("%" PRIu64 " bytes hashed, %.3f s, %.2f GB/s, %.3f of %u x one thread, %.3f of %u together, cpu "
           "%.2f s, peak %ld KiB\n",
           hashed, seconds, speed / 1e9, speed / (single * hashers), hashers,
           speed / (hashers == 2 ? together : single), hashers, cpu_seconds(&u1) - cpu_seconds(&u0),
           u1.ru_maxrss);
    mlo_store_close(s);
    if (mlo_remove_tree_at(AT_FDCWD, folder, &err) < 0)
        die("remove", &err);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: ingest-bench FILE FOLDER [THREADS [RANGES [ROUNDS]]]\n");
        return 2;
    }
    struct stat st;
    struct mlo_ingest in = {.fd = open(argv[1], O_RDONLY | O_CLOEXEC), .label = argv[1]};
    if (in.fd < 0 || fstat(in.fd, &st) < 0) {
        perror(argv[1]);
        return 1;
    }
    in.threads = argc > 3 ? (unsigned)atoi(argv[3]) : mlo_cpu_count();
    in.n_ranges = argc > 4 ? (size_t)atol(argv[4]) : 50;
    int rounds = argc > 5 ? atoi(argv[5]) : 5;
    in.ranges = make_ranges((uint64_t)st.st_size, in.n_ranges);
    uint64_t hashed = (uint64_t)st.st_size;
    for (size_t i = 0; i < in.n_ranges; i++)
        hashed += in.ranges[i].length;
    double single = hash_speed(1), together = hash_speed(2);
    printf("hashing alone: %.2f GB/s on one thread, %.2f GB/s on two\n", single / 1e9, together / 1e9);
    for (int i = 0; i < rounds; i++)
        round_once(argv[2], &in, hashed, single, together);
    free(in.ranges);
    close(in.fd);
    return 0;
}
