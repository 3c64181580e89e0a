/* Bytes of a file or of stdin, decompressed on the way, never more than the caller allows. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "delimit.h"

#define PEEK_MAX  (MLO_TABLE_HEAD)
#define GATHER_MS 20 /* rows of a live input that come within it are one block */
#define NS_PER_MS 1000000

/* Bytes that were read before, else what one read gives; *ret_n 0 at the end. */
static int read_once(struct mlo_input *in, void *buf, size_t n, size_t *ret_n, struct mlo_err *err)
{
    ssize_t got = (ssize_t)(in->n_first < n ? in->n_first : n);
    memcpy(buf, in->first, (size_t)got);
    memmove(in->first, in->first + got, in->n_first - (size_t)got);
    in->n_first -= (size_t)got;
    if (got == 0)
        do
            got = read(in->fd, buf, n);
        while (got < 0 && errno == EINTR);
    if (got < 0)
        return mlo_fail_errno(err, "'%s' cannot be read", in->name);
    *ret_n = (size_t)got;
    return 0;
}

int mlo_input_raw(struct mlo_input *in, void *buf, size_t n, size_t *ret_n, struct mlo_err *err)
{
    size_t got = 0, part = 1;
    while (got < n && part > 0) {
        int rc = read_once(in, (char *)buf + got, n - got, &part, err);
        if (rc != 0)
            return rc;
        got += part;
    }
    *ret_n = got;
    return 0;
}

static int read_decoded(struct mlo_input *in, void *buf, size_t n, size_t *ret_n, struct mlo_err *err)
{
    size_t got = 0, part = 1;
    while (got < n && part > 0) {
        int rc = in->how->read(in, in->codec, (char *)buf + got, n - got, &part, err);
        if (rc != 0)
            return rc;
        got += part;
    }
    *ret_n = got;
    return 0;
}

static size_t take_ahead(struct mlo_input *in, void *buf, size_t n)
{
    size_t left = in->n_ahead - in->at_ahead, took = left < n ? left : n;
    if (took > 0)
        memcpy(buf, in->ahead + in->at_ahead, took);
    in->at_ahead += took;
    return took;
}

static int count(struct mlo_input *in, size_t n, struct mlo_err *err)
{
    in->out += n;
    if (in->out <= in->max)
        return 0;
    mlo_fail(err, MLO_EINVALID, "'%s' holds more than %llu bytes", in->name, (unsigned long long)in->max);
    return mlo_hint(err, in->how ? "it may be a decompression bomb" : "raise the limit when it is meant to");
}

int mlo_input_read(struct mlo_input *in, void *buf, size_t n, size_t *ret_n, struct mlo_err *err)
{
    size_t first = take_ahead(in, buf, n), rest = 0;
    int rc = 0;
    if (n > first)
        rc = in->how ? read_decoded(in, (char *)buf + first, n - first, &rest, err)
                     : mlo_input_raw(in, (char *)buf + first, n - first, &rest, err);
    if (rc == 0)
        rc = count(in, first + rest, err);
    if (rc == 0)
        *ret_n = first + rest;
    return rc;
}

/* ---- what comes slowly ---- */

/* More is there, or comes before the time is over. Who writes fast is never waited for, so blocks are full.
 */
static bool comes_soon(const struct mlo_input *in, int64_t since)
{
    int64_t passed = (mlo_time_mono() - since) / NS_PER_MS;
    struct pollfd p = {.fd = in->fd, .events = POLLIN};
    return poll(&p, 1, passed < GATHER_MS ? (int)(GATHER_MS - passed) : 0) > 0;
}

static int read_live(struct mlo_input *in, size_t lines, char *buf, size_t n, size_t *ret_n, bool *ret_ended,
                     struct mlo_err *err)
{
    size_t got = take_ahead(in, buf, n), part = !in->ended;
    uint64_t newlines = mlo_count_lines(buf, got);
    int64_t since = got > 0 ? mlo_time_mono() : 0;
    while (got < n && part > 0 && !(got > 0 && newlines >= lines && !comes_soon(in, since))) {
        int rc = read_once(in, buf + got, n - got, &part, err);
        if (rc != 0)
            return rc;
        newlines += mlo_count_lines(buf + got, part);
        got += part;
        since = since ? since : mlo_time_mono();
    }
    *ret_ended = in->ended = part == 0;
    *ret_n = got;
    return count(in, got, err);
}

int mlo_input_come(struct mlo_input *in, size_t lines, void *buf, size_t n, size_t *ret_n, bool *ret_ended,
                   struct mlo_err *err)
{
    if (in->live)
        return read_live(in, lines, buf, n, ret_n, ret_ended, err);
    int rc = mlo_input_read(in, buf, n, ret_n, err);
    *ret_ended = rc == 0 && *ret_n < n;
    return rc;
}

int mlo_input_peek(struct mlo_input *in, size_t n, size_t lines, struct mlo_head *ret, struct mlo_err *err)
{
    size_t got = 0;
    bool ended = false;
    n = n < PEEK_MAX ? n : PEEK_MAX;
    if (in->at_ahead == 0 && in->n_ahead >= n) {
        *ret = (struct mlo_head){in->ahead, n, false};
        return 0;
    }
    char *ahead = mlo_calloc(1, n, err);
    if (!ahead)
        return MLO_EIO;
    int rc = mlo_input_come(in, lines, ahead, n, &got, &ended, err);
    if (rc != 0) {
        free(ahead);
        return rc;
    }
    free(in->ahead);
    in->ahead = ahead;
    in->n_ahead = got;
    in->at_ahead = 0;
    in->out = 0;
    *ret = (struct mlo_head){ahead, got, ended};
    return 0;
}

/* ---- opening ---- */

static const struct mlo_codec *codec_of(const unsigned char *head, size_t n)
{
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (n >= sizeof gzip && memcmp(head, gzip, sizeof gzip) == 0)
        return &mlo_codec_gzip;
    if (n >= sizeof zstd && memcmp(head, zstd, sizeof zstd) == 0)
        return &mlo_codec_zstd;
    return NULL;
}

static int open_fd(const char *path, int *ret, struct mlo_err *err)
{
    struct stat st;
    if (strcmp(path, "-") == 0) {
        *ret = STDIN_FILENO;
        return 0;
    }
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mlo_fail_errno(err, "'%s' cannot be opened", path);
    if (fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "'%s'", path);
    if (S_ISDIR(st.st_mode))
        return mlo_fail(err, MLO_EUSAGE, "'%s' is a folder", path);
    *ret = mlo_steal_fd(&fd);
    return 0;
}

const char *mlo_input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

int mlo_input_open(const char *path, uint64_t max, struct mlo_input *ret, struct mlo_err *err)
{
    struct mlo_input in = {.name = mlo_input_name(path), .fd = -1, .spool = -1, .max = max};
    unsigned char head[sizeof in.first];
    size_t n = 0;
    int rc = open_fd(path, &in.fd, err);
    if (rc == 0)
        rc = mlo_input_raw(&in, head, sizeof head, &n, err);
    memcpy(in.first, head, n);
    in.n_first = n;
    if (rc == 0)
        in.how = codec_of(head, n);
    if (rc == 0 && in.how)
        rc = in.how->open(&in, &in.codec, err);
    if (rc != 0) {
        mlo_input_close(&in);
        return rc;
    }
    *ret = in;
    return 0;
}

static int copy_all(struct mlo_input *in, int fd, uint64_t *ret_size, struct mlo_err *err)
{
    char buf[1 << 16];
    *ret_size = 0;
    for (size_t n = 1; n > 0; *ret_size += n) {
        int rc = mlo_input_read(in, buf, sizeof buf, &n, err);
        if (rc == 0)
            rc = mlo_write_all(fd, buf, n, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int mlo_input_spool(struct mlo_input *in, int *ret_fd, uint64_t *ret_size, struct mlo_err *err)
{
    struct stat st;
    if (fstat(in->fd, &st) != 0)
        return mlo_fail_errno(err, "'%s'", in->name);
    if (S_ISREG(st.st_mode) && !in->how) {
        *ret_fd = in->fd;
        *ret_size = (uint64_t)st.st_size;
        return 0;
    }
    int rc = mlo_open_temporary(in->temporary, &in->spool, err);
    if (rc == 0)
        rc = copy_all(in, in->spool, ret_size, err);
    if (rc == 0)
        *ret_fd = in->spool;
    return rc;
}

bool mlo_input_is_compressed(const struct mlo_input *in)
{
    return in->how != NULL;
}

void mlo_input_close(struct mlo_input *in)
{
    if (in->codec)
        in->how->close(in->codec);
    if (in->fd > STDERR_FILENO)
        close(in->fd);
    mlo_cleanup_close(&in->spool);
    free(in->ahead);
    *in = (struct mlo_input){.fd = -1, .spool = -1};
}
