/*
 * A bundle's documents out of any bytes. The input is manifest, config and mlopsctl.json, with a byte 0x1e
 * between them. Since digests bind them together, manifest and config may say @E and @e for digest and size
 * of mlopsctl.json, the manifest @C and @c for those of the config. What is accepted keeps what bundle.h
 * promises.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/bundle.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

struct piece {
    const char *p;
    size_t n;
};

static struct piece next_piece(const char **at, const char *end)
{
    const char *stop = memchr(*at, 0x1e, (size_t)(end - *at));
    struct piece piece = {*at, (size_t)((stop ? stop : end) - *at)};
    *at = stop ? stop + 1 : end;
    return piece;
}

static void put_binding(struct mlo_str *out, char what, const struct piece *of)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest d;
    char text[MLO_DIGEST_TEXT];
    if (what == 'c' || what == 'e') {
        mlo_str_addf(out, "%zu", of->n);
        return;
    }
    must(mlo_sha256(of->p, of->n, &d, &err) == 0);
    mlo_str_add(out, mlo_digest_text(&d, text));
}

static void expand(struct mlo_str *out, const struct piece *m, const struct piece *config,
                   const struct piece *extra)
{
    for (size_t i = 0; i < m->n; i++) {
        char next = i + 1 < m->n ? m->p[i + 1] : 0;
        if (m->p[i] != '@' || !next || !strchr("CcEe", next)) {
            mlo_str_addc(out, m->p[i]);
            continue;
        }
        put_binding(out, next, next == 'C' || next == 'c' ? config : extra);
        i++;
    }
}

static int check_tensor(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    (void)ctx, (void)err;
    must(t->name && t->type_name && t->file && t->rank <= MLO_MAX_RANK);
    return 0;
}

static void check_bundle(const struct mlo_bundle *b)
{
    struct mlo_err err = MLO_ERR_INIT;
    must(b->n_layers > 0);
    for (size_t i = 0; i < b->n_layers; i++) {
        const struct mlo_layer *l = &b->layers[i];
        must(l->kind && l->media_type && l->mode <= 0777);
        must(!l->path || mlo_path_check(l->path, strlen(l->path), &err) == 0);
    }
    for (size_t i = 0; i < b->n_files; i++) {
        const struct mlo_file *f = &b->files[i];
        must(mlo_path_check(f->path, strlen(f->path), &err) == 0 && f->layer < b->n_layers &&
             f->mode <= 0777);
        must(i == 0 || strcmp(b->files[i - 1].path, f->path) < 0);
    }
    int rc = mlo_bundle_tensor_each(b, check_tensor, NULL, &err);
    must(rc == 0 || rc == MLO_EINVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *at = (const char *)data, *end = at + n;
    struct piece m = next_piece(&at, end), config = next_piece(&at, end);
    struct piece extra = {at, (size_t)(end - at)};
    struct mlo_bundle b = {0};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str manifest, bound;
    mlo_str_init(&manifest, (size_t)16 << 20);
    mlo_str_init(&bound, (size_t)16 << 20);
    expand(&bound, &config, &config, &extra); /* the config's diffIds name mlopsctl.json too */
    const struct piece c = {bound.ptr, bound.len};
    expand(&manifest, &m, &c, &extra);
    if (mlo_str_check(&manifest, &err) || mlo_str_check(&bound, &err))
        return 0;
    int rc = mlo_bundle_parse(manifest.ptr, manifest.len, c.p, c.n, extra.n ? extra.p : NULL, extra.n, &b,
                              &err);
    must(rc == 0 || ((rc == MLO_EINVALID || rc == MLO_EUNAVAIL) && *err.msg));
    if (rc == 0) {
        check_bundle(&b);
        mlo_bundle_release(&b);
    }
    return 0;
}
