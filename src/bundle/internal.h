/*
 * What the files of this folder share. Two halves meet here: making and reading manifests (pack.c,
 * manifest.c, extra.c, load.c) and archives (archive.c, the only user of libarchive.c).
 */
#ifndef MLO_BUNDLE_INTERNAL_H
#define MLO_BUNDLE_INTERNAL_H

#include <mlopsctl/bundle.h>

/* ---- archive.c: deterministic tar ---- */

struct mlo_tar_member {
    const char *path; /* in the archive: checked, relative */
    const void
        *mem; /* content; NULL: the regular file `source` beneath `dirfd`, opened without following links */
    int dirfd;
    const char *source;
    uint64_t size;
    uint32_t mode; /* 0644 or 0755 */
    const struct mlo_digest
        *expect; /* NULL, or what the content must hash to: MLO_ECONFLICT when a file changed meanwhile */
};
/*
 * Writes the members, sorted by the caller (bytes), as one tar blob: mtime `mtime_s`, owner 0/0 without
 * names, no folders, no padding beyond the two end blocks. Members' files are opened one at a time. `s` NULL:
 * nothing is stored, digest and size are computed alone.
 */
int mlo_tar_layer(struct mlo_store *s, const struct mlo_tar_member *m, size_t n, int64_t mtime_s,
                  struct mlo_digest *ret, uint64_t *ret_size, struct mlo_err *err) MLO_MUST_CHECK;
/* Looks through an archive on fd (from offset 0) for a member of exactly these bytes; copies it to out_fd.
 * MLO_ENOTFOUND. */
int mlo_tar_find(int fd, const struct mlo_digest *d, uint64_t size, int out_fd,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* SHA-256 of the decompressed bytes of a gzip or zstd layer; more than max bytes is MLO_EINVALID. */
int mlo_layer_diff_id(int fd, uint64_t max, struct mlo_digest *ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif
