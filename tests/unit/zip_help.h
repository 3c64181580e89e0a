/* Builds zips, good and bad: every field of both headers can be set against the truth. */
#ifndef TESTS_UNIT_ZIP_HELP_H
#define TESTS_UNIT_ZIP_HELP_H

#include "checkpoint_help.h"

#include <zlib.h>

struct zip_part { /* unset fields follow from the data */
    const char *name, *local_name;
    const void *data;
    size_t n;
    bool deflate, descriptor, zip64;
    uint16_t flags, local_flags, method;
    uint32_t crc;         /* xor'ed onto the right one */
    int64_t size, packed; /* added to the right ones in the central directory */
    int64_t local_size;   /* added in the local header */
    const char *extra;    /* central extra field, raw */
    size_t extra_n;
    size_t gap;             /* bytes before the local header */
    const uint64_t *header; /* another offset in the central directory */
};

struct zip_written {
    uint64_t header, size, packed;
    uint32_t crc;
    uint16_t flags, method;
};

static inline void zip_local(struct blob *b, const struct zip_part *p, struct zip_written *w)
{
    uint8_t buf[1 << 16];
    const void *data = p->data;
    w->size = w->packed = p->n;
    w->crc = (uint32_t)crc32(crc32(0, NULL, 0), p->data, (uInt)p->n) ^ p->crc;
    w->method = p->method ? p->method : p->deflate ? 8 : 0;
    w->flags = (uint16_t)(p->flags | (p->descriptor ? 8 : 0));
    if (p->deflate) {
        z_stream z = {.next_in = (Bytef *)(uintptr_t)p->data,
                      .avail_in = (uInt)p->n,
                      .next_out = buf,
                      .avail_out = sizeof buf};
        check(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0) == Z_OK && deflate(&z, Z_FINISH) == Z_STREAM_END);
        w->packed = z.total_out;
        data = buf;
        deflateEnd(&z);
    }
    blob_fill(b, 0xAA, p->gap);
    w->header = b->n;
    const char *name = p->local_name ? p->local_name : p->name;
    bool hide = p->descriptor, wide = p->zip64;
    blob_le(b, 0x04034B50, 4);
    blob_le(b, 20, 2);
    blob_le(b, (uint64_t)(w->flags | p->local_flags), 2);
    blob_le(b, w->method, 2);
    blob_le(b, 0, 4);
    blob_le(b, hide ? 0 : w->crc, 4);
    blob_le(b, wide ? 0xFFFFFFFF : hide ? 0 : w->packed, 4);
    blob_le(b, wide ? 0xFFFFFFFF : hide ? 0 : w->size + (uint64_t)p->local_size, 4);
    blob_le(b, strlen(name), 2);
    blob_le(b, wide ? 20 : 0, 2);
    blob_text(b, name);
    if (wide) {
        blob_le(b, 1, 2);
        blob_le(b, 16, 2);
        blob_le(b, w->size + (uint64_t)p->local_size, 8);
        blob_le(b, w->packed, 8);
    }
    blob_put(b, data, w->packed);
    if (p->descriptor) {
        blob_le(b, 0x08074B50, 4);
        blob_le(b, w->crc, 4);
        blob_le(b, w->packed, 4);
        blob_le(b, w->size, 4);
    }
}

static inline void zip_central(struct blob *b, const struct zip_part *p, const struct zip_written *w)
{
    uint64_t size = w->size + (uint64_t)p->size, packed = w->packed + (uint64_t)p->packed,
             header = p->header ? *p->header : w->header;
    blob_le(b, 0x02014B50, 4);
    blob_le(b, 20, 2);
    blob_le(b, 20, 2);
    blob_le(b, w->flags, 2);
    blob_le(b, w->method, 2);
    blob_le(b, 0, 4);
    blob_le(b, w->crc, 4);
    blob_le(b, p->zip64 ? 0xFFFFFFFF : packed, 4);
    blob_le(b, p->zip64 ? 0xFFFFFFFF : size, 4);
    blob_le(b, strlen(p->name), 2);
    blob_le(b, p->zip64 ? 28 : p->extra_n, 2);
    blob_le(b, 0, 2);
    blob_le(b, 0, 2);
    blob_le(b, 0, 2);
    blob_le(b, 0, 4);
    blob_le(b, p->zip64 ? 0xFFFFFFFF : header, 4);
    blob_text(b, p->name);
    if (p->zip64) {
        blob_le(b, 1, 2);
        blob_le(b, 24, 2);
        blob_le(b, size, 8);
        blob_le(b, packed, 8);
        blob_le(b, header, 8);
    } else {
        blob_put(b, p->extra ? p->extra : "", p->extra_n);
    }
}

static inline void zip_end(struct blob *b, uint64_t n, uint64_t at, uint64_t size, bool zip64)
{
    if (zip64) {
        uint64_t end64 = b->n;
        blob_le(b, 0x06064B50, 4);
        blob_le(b, 44, 8);
        blob_le(b, 45, 2);
        blob_le(b, 45, 2);
        blob_le(b, 0, 4);
        blob_le(b, 0, 4);
        blob_le(b, n, 8);
        blob_le(b, n, 8);
        blob_le(b, size, 8);
        blob_le(b, at, 8);
        blob_le(b, 0x07064B50, 4);
        blob_le(b, 0, 4);
        blob_le(b, end64, 8);
        blob_le(b, 1, 4);
    }
    blob_le(b, 0x06054B50, 4);
    blob_le(b, 0, 4);
    blob_le(b, zip64 ? 0xFFFF : n, 2);
    blob_le(b, zip64 ? 0xFFFF : n, 2);
    blob_le(b, zip64 ? 0xFFFFFFFF : size, 4);
    blob_le(b, zip64 ? 0xFFFFFFFF : at, 4);
    blob_le(b, 0, 2);
}

static inline struct blob zip_of(const struct zip_part *parts, size_t n, bool zip64)
{
    struct blob b = {0};
    struct zip_written w[8] = {0};
    for (size_t i = 0; i < n; i++)
        zip_local(&b, &parts[i], &w[i]);
    uint64_t at = b.n;
    for (size_t i = 0; i < n; i++)
        zip_central(&b, &parts[i], &w[i]);
    zip_end(&b, n, at, b.n - at, zip64);
    return b;
}

#endif
