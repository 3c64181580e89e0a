/*
 * Tensors of a bundle read out of its blobs: files are opened and parsed once, each tensor's canonical bytes
 * can be pulled, and are checked against the digest that the bundle records.
 */
#ifndef MLO_BUNDLE_TENSORIO_H
#define MLO_BUNDLE_TENSORIO_H

#include <pthread.h>

#include <mlopsctl/bundle.h>

struct mlo_weights; /* the weight files of one bundle; safe to use from several threads */
/* Borrows both. */
int mlo_weights_new(struct mlo_store *s, const struct mlo_bundle *b, struct mlo_weights **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_weights_free(struct mlo_weights *w);

/*
 * A tensor's bytes as a stream to read from; a thread of its own produces them. MLO_EUNAVAIL when the tensor
 * has no bytes that can be read (strings, files inside a tar layer).
 */
struct mlo_tensor_stream;
int mlo_tensor_stream_open(struct mlo_weights *w, const struct mlo_bundle_tensor *t,
                           struct mlo_tensor_stream **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Exactly n bytes unless the tensor ends; at its end the digest has been compared (MLO_EINVALID). */
int mlo_tensor_stream_read(struct mlo_tensor_stream *s, void *buf, size_t n, size_t *ret_n,
                           struct mlo_err *err) MLO_MUST_CHECK;
void mlo_tensor_stream_close(struct mlo_tensor_stream *s);

#endif
