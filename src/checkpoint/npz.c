/* NumPy .npz: a zip whose members are .npy files, stored or deflated. Odd zips are refused before any member
 * is read. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

struct member {
    const struct mlo_source *src;
    const struct mlo_zip_entry *e;
    struct mlo_checkpoint *cp;
};

static int read_head(const struct member *m, char **ret, size_t *ret_n, struct mlo_err *err)
{
    uint8_t first[12];
    size_t have, n;
    int rc = mlo_zip_head(m->src, m->e, first, sizeof first, &have, err);
    if (rc == 0)
        rc = mlo_npy_head_length(first, have, &n, err);
    if (rc < 0)
        return rc;
    if (n > m->e->size)
        return mlo_fail(err, MLO_EINVALID, "truncated: header of %zu bytes in %llu", n,
                        (unsigned long long)m->e->size);
    MLO_AUTOFREE char *head = mlo_calloc(n, 1, err);
    if (!head)
        return err->code;
    rc = mlo_zip_head(m->src, m->e, head, n, &have, err);
    if (rc < 0)
        return rc;
    if (have < n)
        return mlo_fail(err, MLO_EINVALID, "the compressed data is broken in the header");
    *ret = mlo_steal(&head);
    *ret_n = n;
    return 0;
}

static void place(const struct member *m, struct mlo_npy *npy)
{
    struct mlo_tensor *t = &npy->t;
    if (m->e->method == 0) {
        t->offset += m->e->data;
        return;
    }
    t->offset = m->e->data;
    t->length = m->e->packed;
    t->skip = npy->data;
    t->crc = m->e->crc;
    if (t->store != MLO_TS_NONE)
        t->store = MLO_TS_DEFLATED;
}

static int scan_stored(const struct member *m, uint64_t head, struct mlo_err *err)
{
    struct mlo_part part = {.src = m->src, .offset = m->e->data + head};
    struct mlo_source data = mlo_source_part(&part, m->e->size - head);
    return mlo_pickle_read(&data, m->e->name, m->cp, err);
}

static int scan_deflated(const struct member *m, uint64_t head, struct mlo_err *err)
{
    MLO_AUTOFREE char *all = NULL;
    size_t n = 0;
    unsigned odd;
    if (m->e->size > MLO_NPZ_MAX_PICKLE)
        return mlo_cp_find(m->cp, MLO_VERDICT_UNSCANNED, m->e->name, 0, "object array too large to unpack",
                           err);
    int rc = mlo_zip_load(m->src, m->e, MLO_NPZ_MAX_PICKLE, &all, &n, &odd, err);
    if (rc == 0 && n > head) {
        struct mlo_mem mem = {all + head};
        struct mlo_source data = mlo_source_mem(&mem, n - head);
        rc = mlo_pickle_read(&data, m->e->name, m->cp, err);
    }
    return rc == 0 && odd ? mlo_fail(err, MLO_EINVALID, "%s", mlo_zip_odd_text(odd)) : rc;
}

static int read_member(const struct member *m, struct mlo_err *err)
{
    MLO_AUTOFREE char *head = NULL;
    const char *name;
    struct mlo_npy npy;
    size_t n = 0;
    int rc = read_head(m, &head, &n, err);
    if (rc == 0)
        rc = mlo_cp_text(m->cp, m->e->name, m->e->name_len - strlen(".npy"), &name, err);
    if (rc == 0)
        rc = mlo_npy_parse(m->cp, name, head, n, m->e->size, &npy, err);
    if (rc < 0)
        return rc;
    place(m, &npy);
    rc = mlo_cp_add_tensor(m->cp, &npy.t, err);
    if (rc < 0 || npy.t.dtype != MLO_DT_OBJECT)
        return rc;
    rc = mlo_cp_warn(m->cp, err, "object arrays: their data are pickles");
    if (rc == 0)
        rc = m->e->method == 0 ? scan_stored(m, npy.data, err) : scan_deflated(m, npy.data, err);
    return rc;
}

int mlo_npz_read(const struct mlo_source *src, const struct mlo_zip *zip, struct mlo_checkpoint *cp,
                 struct mlo_err *err)
{
    int rc = mlo_zip_strict(zip, err);
    if (rc == 0)
        rc = mlo_cp_reserve(cp, zip->n, err);
    for (size_t i = 0; rc == 0 && i < zip->n; i++) {
        struct member m = {.src = src, .e = &zip->entries[i], .cp = cp};
        char shown[MLO_SHOWN];
        rc = read_member(&m, err);
        if (rc < 0)
            mlo_wrap(err, "member \"%s\"", mlo_shown(m.e->name, m.e->name_len, shown));
    }
    return rc;
}
