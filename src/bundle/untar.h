/*
 * Reading archives that nobody vouches for. One walk serves import, unpack, repair and signing, so that every
 * rule is in one place: names are checked relative paths that occur once; only regular files and folders;
 * nothing sparse; nothing that grows beyond reason when it is decompressed. Bytes are handed out in order,
 * never written by libarchive itself.
 *
 * Layers of container images are another kind of archive: they have links, owners and files of any name, and
 * a later entry may replace an earlier one. Who unpacks them follows links inside their root alone (image.c).
 */
#ifndef MLO_BUNDLE_UNTAR_H
#define MLO_BUNDLE_UNTAR_H

#include <mlopsctl/base/hash.h>

#define MLO_UNTAR_ENTRIES_MAX ((size_t)1 << 20)
#define MLO_UNTAR_RATIO_MAX   ((uint64_t)1000)     /* decompressed against compressed bytes ... */
#define MLO_UNTAR_FREE_BYTES  ((uint64_t)64 << 20) /* ... beyond this much */

struct mlo_untar;
struct mlo_untar_entry {
    const char *path; /* checked; without leading "./" and trailing "/" */
    bool folder;
    bool executable;
    uint64_t size;
    /* of an image's layer only */
    bool special;                   /* a device or a pipe */
    const char *symlink, *hardlink; /* to where; NULL: it is none */
    uint32_t mode;                  /* permissions alone */
    uint64_t uid, gid;
};
/* Called for each entry in order; what it leaves unread is skipped. */
typedef int (*mlo_untar_fn)(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e,
                            struct mlo_err *err);

/*
 * Walks the tar on fd from its present position. compressed: gzip or zstd, told from the bytes. *ret_raw (may
 * be NULL) gets the digest of all bytes of fd, those after the archive's end included. Malformed or refused:
 * MLO_EINVALID.
 */
int mlo_untar(int fd, bool compressed, mlo_untar_fn fn, void *ctx, struct mlo_digest *ret_raw,
              struct mlo_err *err) MLO_MUST_CHECK;
/* The same of an image's layer, plain or compressed. Paths have no "", "." or ".." in them, but any other
 * name and may occur again. */
int mlo_untar_image(int fd, mlo_untar_fn fn, void *ctx, struct mlo_digest *ret_raw,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* Up to n bytes of the present entry; *ret_n 0 at its end. */
int mlo_untar_read(struct mlo_untar *u, void *buf, size_t n, size_t *ret_n,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Calls sink with the whole content of the present entry, piece by piece. */
int mlo_untar_copy(struct mlo_untar *u, int (*sink)(void *ctx, const void *p, size_t n, struct mlo_err *err),
                   void *ctx, struct mlo_err *err) MLO_MUST_CHECK;

#endif
