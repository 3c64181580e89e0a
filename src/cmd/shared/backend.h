/* --backend: whether a model runs on the CPU or on a GPU. */
#ifndef MLO_CMD_BACKEND_H
#define MLO_CMD_BACKEND_H

#include <mlopsctl/infer.h>

#include "devices.h"

#define MLO_BACKEND_OPTION(args)                                                                             \
    {                                                                                                        \
        .name = "backend", .type = MLO_OPT_CHOICE, .arg = "WHICH",                                           \
        .help = "what computes: cpu, as a rule; cuda, a GPU, exit 7 where it cannot; auto, a GPU where "     \
                "there is one that can, else the CPU, with the reason",                                      \
        .offset = offsetof(args, backend), .choices = "auto|cpu|cuda"                                        \
    }

#define MLO_PRECISIONS  "fp32|tf32|fp16|bf16|int8|fp8"
#define MLO_BACKEND_WHY 768
struct mlo_backend {
    struct mlo_ctx *ctx;
    enum mlo_offload_precision precision;
    bool wanted, must; /* a GPU; and nothing else */
    struct mlo_device_probe probe;
    uint32_t n_algorithms;     /* that were kept */
    char why[MLO_BACKEND_WHY]; /* the CPU computes, and a GPU was wanted: the reason; "" */
};
/* word: of the option; NULL: the CPU. precision: one of MLO_PRECISIONS; NULL: fp32, the only one of the CPU.
 * MLO_EUNAVAIL: no GPU can be used, and it must, or none has this precision. */
int mlo_backend_find(struct mlo_ctx *ctx, const char *word, const char *precision, struct mlo_backend *ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* Puts the plan on it. MLO_EUNAVAIL: the GPU cannot run this model, and it must. */
int mlo_backend_take(struct mlo_backend *b, struct mlo_plan *plan, struct mlo_err *err) MLO_MUST_CHECK;
/* Where the plan is: the name of the GPU, or "cpu". */
const char *mlo_backend_name(const struct mlo_backend *b, const struct mlo_plan *plan);
/* Why not all runs are the GPU's where it was wanted, as far as that is known by now; "": they are. */
void mlo_backend_why(const struct mlo_backend *b, const struct mlo_plan *plan, char ret[MLO_BACKEND_WHY]);
/* The same as a member of JSON, null for ""; nothing when no GPU was wanted. */
void mlo_backend_put_why(const struct mlo_backend *b, const struct mlo_plan *plan, const char *key);
/* After the runs: says what the CPU did in the GPU's place. */
void mlo_backend_tell(const struct mlo_backend *b, const struct mlo_plan *plan);

#endif
