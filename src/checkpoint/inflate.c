/* Raw deflate out of a source, in pieces. Memory: one window and zlib's state, whatever the stream claims. */
#include <string.h>
#include <zlib.h>

#include "internal.h"

int mlo_inflate_begin(struct mlo_inflate *f, const struct mlo_source *src, uint64_t offset, uint64_t length,
                      struct mlo_err *err)
{
    uint64_t end;
    *f = (struct mlo_inflate){0};
    if (!mlo_add_u64(offset, length, &end) || end > src->size)
        return mlo_fail(err, MLO_EINVALID, "deflated data lies outside the file");
    mlo_win_init(&f->in, src, offset, end);
    MLO_AUTOFREE z_stream *z = mlo_calloc(1, sizeof *z, err);
    if (!z)
        return err->code;
    if (inflateInit2(z, -MAX_WBITS) != Z_OK)
        return mlo_fail_nomem(err);
    f->z = mlo_steal(&z);
    return 0;
}

void mlo_inflate_end(struct mlo_inflate *f)
{
    if (f->z)
        inflateEnd(f->z);
    free(f->z);
    f->z = NULL;
    mlo_win_release(&f->in);
}

static int one_step(struct mlo_inflate *f, z_stream *z, struct mlo_err *err)
{
    const uint8_t *p;
    size_t have;
    int rc = mlo_win_some(&f->in, &p, &have, err);
    if (rc < 0)
        return rc;
    z->next_in = (z_const Bytef *)(uintptr_t)p;
    z->avail_in = (uInt)have;
    uInt room = z->avail_out;
    int zrc = inflate(z, Z_NO_FLUSH);
    f->in.pos += have - z->avail_in;
    if (zrc == Z_MEM_ERROR)
        return mlo_fail_nomem(err);
    if (zrc == Z_STREAM_END)
        f->done = true;
    else if (zrc != Z_OK && zrc != Z_BUF_ERROR)
        return mlo_fail(err, MLO_EINVALID, "broken deflate stream before byte %llu: %s",
                        (unsigned long long)f->in.pos, z->msg ? z->msg : "no reason given");
    else if (have == 0 && z->avail_out == room)
        return mlo_fail(err, MLO_EINVALID, "deflate stream ends early at byte %llu",
                        (unsigned long long)f->in.pos);
    return 0;
}

int mlo_inflate_some(struct mlo_inflate *f, void *buf, size_t n, size_t *ret_n, struct mlo_err *err)
{
    z_stream *z = f->z;
    size_t want = n < MLO_WINDOW ? n : MLO_WINDOW;
    z->next_out = buf;
    z->avail_out = (uInt)want;
    while (!f->done && z->avail_out) {
        int rc = one_step(f, z, err);
        if (rc == MLO_EINVALID && z->avail_out < want)
            break; /* hand out what there is: the next call meets the same fault */
        if (rc < 0)
            return rc;
    }
    *ret_n = want - z->avail_out;
    return 0;
}
