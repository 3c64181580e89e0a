/*
 * Deterministic tar: restricted pax as libarchive spells it (plain ustar headers when nothing needs
 * extending), owner 0/0 without names, mode 0644 or 0755, no padding beyond the two end blocks. Same entries
 * in the same order give the same bytes for any sink.
 */
#ifndef MLO_BUNDLE_TAR_H
#define MLO_BUNDLE_TAR_H

#include <mlopsctl/base/hash.h>

typedef int (*mlo_tar_sink)(void *ctx, const void *p, size_t n, struct mlo_err *err);

struct mlo_tar;
int mlo_tar_new(mlo_tar_sink sink, void *ctx, struct mlo_tar **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Begins a regular file of exactly `size` bytes; the entry before must be complete. Of mode only "executable
 * at all" is kept. */
int mlo_tar_entry(struct mlo_tar *t, const char *path, uint64_t size, uint32_t mode, int64_t mtime_s,
                  struct mlo_err *err) MLO_MUST_CHECK;
int mlo_tar_write(struct mlo_tar *t, const void *p, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/* Exactly `size` bytes of fd from offset 0 as the content of the present entry; a file that ends early is
 * MLO_ECONFLICT. */
int mlo_tar_write_fd(struct mlo_tar *t, int fd, uint64_t size, struct mlo_err *err) MLO_MUST_CHECK;
/* Content written from now on is hashed into `hash` too; NULL: no longer. Borrowed. */
void mlo_tar_tee(struct mlo_tar *t, struct mlo_sha256 *hash);
/* End blocks. t is freed whatever happens. */
int mlo_tar_finish(struct mlo_tar *t, struct mlo_err *err) MLO_MUST_CHECK;
/* Gives up: what the sink got is no archive. NULL is fine. */
void mlo_tar_abort(struct mlo_tar *t);

#endif
