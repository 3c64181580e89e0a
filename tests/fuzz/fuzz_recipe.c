/* Any bytes as a recipe: refused, or read and then written and read again to the same. */
#include <string.h>

#include "../../src/remote/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_in_range(const struct mlo_recipe *r)
{
    for (size_t i = 0; i < r->n_blobs; i++) {
        uint64_t sum = 0;
        for (size_t j = 0; j < r->blobs[i].n; j++) {
            const struct mlo_piece *p = &r->pieces[r->blobs[i].first + j];
            uint64_t end = p->source < r->n_packs ? MLO_PACK_MAX : 0;
            if (p->source >= r->n_packs && p->source - r->n_packs < r->n_files)
                end = r->files[p->source - r->n_packs].size;
            if (p->length == 0 || p->offset + p->length > end)
                __builtin_trap();
            sum += p->length;
        }
        if (sum != r->blobs[i].size || mlo_recipe_find(r, &r->blobs[i].digest) != &r->blobs[i])
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_recipe r = {0}, again = {0};
    MLO_AUTOSTR struct mlo_str text;
    MLO_AUTOSTR struct mlo_str twice;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_init(&twice, MLO_STR_MAX);
    if (mlo_recipe_parse((const char *)data, size, &r, &err) != 0)
        return 0;
    check_in_range(&r);
    if (mlo_recipe_format(&r, &text, &err) != 0 || mlo_recipe_parse(text.ptr, text.len, &again, &err) != 0 ||
        mlo_recipe_format(&again, &twice, &err) != 0 || strcmp(text.ptr, twice.ptr) != 0)
        __builtin_trap();
    mlo_recipe_release(&r);
    mlo_recipe_release(&again);
    return 0;
}
