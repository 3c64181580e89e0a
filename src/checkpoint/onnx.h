/* ONNX: the protobuf wire (onnx_wire.c), tensors (onnx_tensor.c) and the model around them (onnx.c). */
#ifndef MLOPSCTL_CHECKPOINT_ONNX_H
#define MLOPSCTL_CHECKPOINT_ONNX_H

#include "internal.h"

#define MLO_ONNX_DEPTH     64                /* graphs in graphs */
#define MLO_ONNX_TEXT_MAX  ((size_t)1 << 16) /* bytes of a name or path */
#define MLO_ONNX_MAX_PORTS ((size_t)1 << 16)
#define MLO_ONNX_IR_MAX    14

/* ---- wire ---- */

enum mlo_pb_wire { MLO_PB_VARINT = 0, MLO_PB_FIXED64 = 1, MLO_PB_LEN = 2, MLO_PB_FIXED32 = 5 };

/* One field. The window stands behind it; a length-delimited one is [at, at + len). */
struct mlo_pb {
    uint32_t number;
    enum mlo_pb_wire wire;
    uint64_t value; /* VARINT, FIXED32, FIXED64 */
    uint64_t at, len;
};
/* A message while it is walked: fields up to `end`. */
struct mlo_pb_msg {
    struct mlo_win *w;
    uint64_t pos, end;
};
struct mlo_pb_msg mlo_pb_open(struct mlo_win *w, uint64_t at, uint64_t len);
/* 1 and the next field, 0 at the end. The window may be moved between calls. */
int mlo_pb_next(struct mlo_pb_msg *m, struct mlo_pb *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The field must have this wire type. */
int mlo_pb_want(const struct mlo_pb *f, enum mlo_pb_wire wire, const char *what,
                struct mlo_err *err) MLO_MUST_CHECK;
/* Text of a length-delimited field into out (cleared first); more than out->max bytes or a NUL is
 * MLO_EINVALID. */
int mlo_pb_text(struct mlo_win *w, const struct mlo_pb *f, const char *what, struct mlo_str *out,
                struct mlo_err *err) MLO_MUST_CHECK;
int mlo_pb_varint(struct mlo_win *w, uint64_t end, uint64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- tensors ---- */

struct mlo_onnx_type {
    uint32_t id;
    enum mlo_dtype dtype;
    uint8_t field; /* of TensorProto, for typed values */
    uint8_t per;   /* elements in one typed value; 2 and 4 for packed small integers */
};
const struct mlo_onnx_type *mlo_onnx_type(uint64_t id); /* NULL: undefined or newer */

/* TensorProto at [at, at + len) into cp under `prefix` + its name, or prefix + `fallback` when it has none.
 */
int mlo_onnx_add_tensor(struct mlo_checkpoint *cp, struct mlo_win *w, uint64_t at, uint64_t len,
                        const char *prefix, const char *fallback, struct mlo_err *err) MLO_MUST_CHECK;
/* SparseTensorProto: NAME/values and NAME/indices. */
int mlo_onnx_add_sparse(struct mlo_checkpoint *cp, struct mlo_win *w, uint64_t at, uint64_t len,
                        const char *prefix, const char *fallback, struct mlo_err *err) MLO_MUST_CHECK;
/* The repeated field `number` (7 floats, 8 ints) of an AttributeProto as a tensor of one dimension; nothing
 * when empty. */
int mlo_onnx_add_list(struct mlo_checkpoint *cp, struct mlo_win *w, uint64_t at, uint64_t len,
                      uint32_t number, const char *name, struct mlo_err *err) MLO_MUST_CHECK;

#endif
