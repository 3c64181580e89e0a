/* Categories that a model knows by name, as commands tell them. */
#ifndef MLOPSCTL_CMD_CATEGORIES_H
#define MLOPSCTL_CMD_CATEGORIES_H

#include <mlopsctl/cli.h>
#include <mlopsctl/onnx.h>

/* Of the columns of the graph's inputs: a table with the first names of each, in JSON all of them. Nothing
 * when the model names none. */
int mlo_put_categories(const struct mlo_ctx *ctx, const struct mlo_graph *g,
                       struct mlo_err *err) MLO_MUST_CHECK;

#endif
