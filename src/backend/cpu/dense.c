/* Dense layers: weights packed for the machine, then one product after the other. */
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/backend.h>
#include <mlopsctl/base/mem.h>

struct mlo_dense {
    size_t k, n;
    float *w;    /* k rows of n */
    float *bias; /* n */
    struct mlo_activation activation;
};

int mlo_dense_new(const struct mlo_dense_weights *from, struct mlo_dense **ret, struct mlo_err *err)
{
    struct mlo_dense *d = mlo_calloc(1, sizeof *d, err);
    if (!d)
        return err->code;
    *d = (struct mlo_dense){.k = from->k, .n = from->n, .activation = from->activation};
    d->w = mlo_calloc(from->k, from->n * sizeof(float), err);
    d->bias = d->w ? mlo_calloc(from->n, sizeof(float), err) : NULL;
    if (!d->bias) {
        mlo_dense_free(d);
        return err->code;
    }
    for (size_t i = 0; i < from->k; i++)
        for (size_t j = 0; j < from->n; j++)
            d->w[i * from->n + j] = from->alpha * from->w[i * from->w_row + j * from->w_col];
    for (size_t j = 0; from->bias && j < from->n; j++)
        d->bias[j] = from->beta * from->bias[j * from->bias_step];
    *ret = d;
    return 0;
}

void mlo_dense_free(struct mlo_dense *d)
{
    if (!d)
        return;
    free(d->w);
    free(d->bias);
    free(d);
}

void mlo_dense_shape(const struct mlo_dense *d, size_t *ret_k, size_t *ret_n)
{
    *ret_k = d->k;
    *ret_n = d->n;
}

void mlo_activate_f32(const struct mlo_activation *a, float *y, size_t n)
{
    switch (a->kind) {
    case MLO_ACTIVATION_NONE:
        return;
    case MLO_ACTIVATION_RELU:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? 0 : y[i];
        return;
    case MLO_ACTIVATION_LEAKY_RELU:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? a->a * y[i] : y[i];
        return;
    case MLO_ACTIVATION_CLIP:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < a->a ? a->a : y[i] > a->b ? a->b : y[i];
        return;
    case MLO_ACTIVATION_SIGMOID:
        mlo_sigmoid_f32(y, y, n);
        return;
    case MLO_ACTIVATION_TANH:
        mlo_tanh_f32(y, y, n);
        return;
    case MLO_ACTIVATION_GELU:
        mlo_gelu_f32(y, y, n);
        return;
    case MLO_ACTIVATION_GELU_TANH:
        mlo_gelu_tanh_f32(y, y, n);
        return;
    }
}

void mlo_dense_run(const struct mlo_dense *d, const float *x, size_t m, float *y)
{
    struct mlo_matmul p = {.m = m,
                           .n = d->n,
                           .k = d->k,
                           .a = x,
                           .b = d->w,
                           .c = y,
                           .a_row = d->k,
                           .a_col = 1,
                           .b_row = d->n,
                           .b_col = 1,
                           .c_row = d->n};
    mlo_matmul_f32(&p);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < d->n; j++)
            y[i * d->n + j] += d->bias[j];
    mlo_activate_f32(&d->activation, y, m * d->n);
}
