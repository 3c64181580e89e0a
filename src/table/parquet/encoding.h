/*
 * Parquet's encodings, read as streams: nothing is expanded before it is asked for, so a few bytes that stand
 * for many values cost no memory. All bytes come from a page that is followed by MLO_PARQUET_PADDING zeros.
 * A read that the bytes do not suffice for is false.
 */
#ifndef MLOPSCTL_TABLE_PARQUET_ENCODING_H
#define MLOPSCTL_TABLE_PARQUET_ENCODING_H

#include "table/internal.h"

#define MLO_PARQUET_PADDING 16

enum mlo_parquet_encoding {
    MLO_PARQUET_PLAIN = 0,
    MLO_PARQUET_PLAIN_DICTIONARY = 2,
    MLO_PARQUET_RLE = 3,
    MLO_PARQUET_BIT_PACKED = 4,
    MLO_PARQUET_DELTA_BINARY_PACKED = 5,
    MLO_PARQUET_DELTA_LENGTH_BYTE_ARRAY = 6,
    MLO_PARQUET_DELTA_BYTE_ARRAY = 7,
    MLO_PARQUET_RLE_DICTIONARY = 8,
    MLO_PARQUET_BYTE_STREAM_SPLIT = 9,
    MLO_PARQUET_ALP = 10,
};

/* ---- runs of one number and of packed numbers ---- */

struct mlo_hybrid {
    const uint8_t *p, *end; /* of the next run */
    unsigned width;         /* bits: 0 to 32 */
    bool packed;            /* the present run */
    uint64_t left;          /* numbers of it */
    uint32_t value;         /* of a run of one number */
    const uint8_t *bits;    /* of a packed run */
    uint64_t at;            /* bit */
};
void mlo_hybrid_init(struct mlo_hybrid *h, const uint8_t *p, const uint8_t *end, unsigned width);
bool mlo_hybrid_read(struct mlo_hybrid *h, uint32_t *ret, size_t n);
bool mlo_hybrid_skip(struct mlo_hybrid *h, uint64_t n);

/* ---- definition levels: is there a value? ---- */

struct mlo_levels {
    struct mlo_hybrid hybrid;
    uint32_t max;   /* the level of a value; 0: there always is one */
    bool high_bits; /* the old form: packed from the highest bit, no runs */
};
unsigned mlo_bit_width(uint32_t max);
/* Cells of n rows, OK or MISSING; *ret: how many are OK. */
bool mlo_levels_read(struct mlo_levels *l, uint8_t *cell, size_t n, size_t *ret);

/* ---- differences ---- */

struct mlo_delta {
    const uint8_t *p, *end; /* of the next miniblock or block */
    uint64_t left;          /* numbers of the stream */
    bool begun;             /* the first number was given */
    uint64_t last, min;
    size_t per_miniblock, n_miniblocks, miniblock; /* miniblock: of this block, the next */
    const uint8_t *widths, *bits;
    uint64_t at;         /* bit of `bits` */
    size_t in_miniblock; /* numbers left */
    unsigned width;
};
bool mlo_delta_init(struct mlo_delta *d, const uint8_t *p, const uint8_t *end);
bool mlo_delta_read(struct mlo_delta *d, int64_t *ret, size_t n);
/* Where the bytes behind the stream begin; NULL when it is damaged. */
const uint8_t *mlo_delta_end(const struct mlo_delta *d);

/* ---- values of a page ---- */

struct mlo_values {
    enum mlo_parquet_encoding encoding;
    size_t width;             /* bytes of a value; 0: texts, each with its length */
    const uint8_t *p, *end;   /* what is left */
    struct mlo_hybrid hybrid; /* codes, truth values */
    struct mlo_delta lengths, prefixes;
    size_t n, at;   /* BYTE_STREAM_SPLIT: of how many, which is next; truth values: the next bit */
    char *previous; /* owned: DELTA_BYTE_ARRAY, the value before */
    size_t n_previous, cap_previous;
};
/* MLO_EUNAVAIL for encodings that are not read here, MLO_EINVALID for those that the type cannot have. */
int mlo_values_init(struct mlo_values *v, int encoding, int physical, size_t width, const uint8_t *p,
                    const uint8_t *end, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_values_release(struct mlo_values *v);
static inline bool mlo_values_are_codes(const struct mlo_values *v)
{
    return v->encoding == MLO_PARQUET_RLE_DICTIONARY;
}

/* Memory of texts that are nowhere whole in the file, until the next batch. */
struct mlo_hold {
    void **blocks;
    size_t n, cap, bytes;
};
/* Padded as a page is. */
void *mlo_hold_alloc(struct mlo_hold *h, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_hold_take(struct mlo_hold *h, void *block, size_t n, struct mlo_err *err) MLO_MUST_CHECK; /* takes */
void mlo_hold_clear(struct mlo_hold *h);
void mlo_hold_release(struct mlo_hold *h);

/* n values of fixed width, little-endian, one after another: in the page itself, in `scratch` (of n times
 * width bytes, at least 8 each) or held. Truth values have a byte each. */
int mlo_values_fixed(struct mlo_values *v, size_t n, uint8_t *scratch, struct mlo_hold *hold,
                     const uint8_t **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_values_texts(struct mlo_values *v, size_t n, int64_t *scratch, struct mlo_hold *hold,
                     struct mlo_slice *ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif
