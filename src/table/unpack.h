/* Compressed blocks whose size is known before they are decompressed: the pages of Parquet files, the buffers
 * of Arrow. */
#ifndef MLOPSCTL_TABLE_UNPACK_H
#define MLOPSCTL_TABLE_UNPACK_H

#include <stddef.h>

#include <mlopsctl/base/err.h>

enum mlo_packing { /* numbers as in Parquet's CompressionCodec */
                   MLO_PACKED_NOT = 0,
                   MLO_PACKED_SNAPPY = 1,
                   MLO_PACKED_GZIP = 2,
                   MLO_PACKED_LZO = 3,
                   MLO_PACKED_BROTLI = 4,
                   MLO_PACKED_LZ4_HADOOP = 5, /* blocks with their lengths before, or one bare block */
                   MLO_PACKED_ZSTD = 6,
                   MLO_PACKED_LZ4 = 7,
};
struct mlo_unpacker { /* of one thread; {0} to begin */
    void *zstd;
};
/* MLO_EUNAVAIL, with its name, for a way of packing that is not read here. */
int mlo_unpack_check(int packing, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * n bytes of src into exactly n_dst bytes; any other size is MLO_EINVALID. Before dst is allocated,
 * mlo_unpack_bound says what is the most that n bytes can become: no file of a few bytes may ask for much.
 */
size_t mlo_unpack_bound(enum mlo_packing packing, size_t n);
int mlo_unpack(struct mlo_unpacker *u, enum mlo_packing packing, const void *src, size_t n, void *dst,
               size_t n_dst, struct mlo_err *err) MLO_MUST_CHECK;
/* The same for one LZ4 frame, which Parquet does not have; bound as for MLO_PACKED_LZ4. */
int mlo_unpack_lz4_frame(const void *src, size_t n, void *dst, size_t n_dst,
                         struct mlo_err *err) MLO_MUST_CHECK;
void mlo_unpacker_release(struct mlo_unpacker *u);

#endif
