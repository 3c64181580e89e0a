/* mlopsctl onnx: models looked into, and the engine held against the onnx project's own cases. */
#include "cmd/table.h"

extern const struct mlo_command mlo_cmd_onnx_conformance, mlo_cmd_onnx_inspect;

static const struct mlo_command *const verbs[] = {&mlo_cmd_onnx_inspect, &mlo_cmd_onnx_conformance, NULL};

static const struct mlo_example examples[] = {
    {"what is in a model", "mlopsctl onnx inspect model.onnx"},
    {0},
};

const struct mlo_command mlo_cmd_onnx = {
    .name = "onnx",
    .group = "run",
    .summary = "look into ONNX models, check the engine",
    .synopsis = "VERB",
    .description =
        "Shows what a model needs and whether it can be run here, and runs the onnx project's own\n"
        "test cases through the engine.",
    .examples = examples,
    .subs = verbs,
};
