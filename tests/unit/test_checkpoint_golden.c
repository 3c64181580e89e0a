/* Files of the reference writers against the index that those writers' own libraries gave
 * (scripts/gen-fixtures/checkpoints.py, torch_onnx.py). */
#include "checkpoint_help.h"

#include <dirent.h>
#include <unistd.h>

#include <mlopsctl/base/json.h>

static void check_shape(const struct mlo_tensor *t, const cJSON *shape)
{
    check_int(t->rank, cJSON_GetArraySize(shape));
    for (uint32_t i = 0; i < t->rank; i++)
        check(t->shape[i] == (uint64_t)cJSON_GetArrayItem(shape, (int)i)->valuedouble, "%s: dimension %u",
              t->name, i);
}

/* In another file: opened as a reader of models should. */
static void check_outside(const struct mlo_tensor *t, const char *sha)
{
    struct blob got = {0};
    struct mlo_err err = {0};
    int fd = -1, dir = open(GOLDEN, O_RDONLY | O_DIRECTORY);
    uint64_t size = 0;
    check_ok(mlo_external_open(dir, t->external, t->offset, t->length, &fd, &size, &err), &err);
    struct mlo_source src = mlo_source_fd(&fd, size);
    check_ok(mlo_tensor_read(&src, t, blob_sink, &got, &err), &err);
    check_sha(got.p ? (const char *)got.p : "", got.n, sha);
    blob_free(&got);
    close(fd);
    close(dir);
}

static void check_data(const struct mlo_source *src, const struct mlo_tensor *t, const char *sha)
{
    struct blob got = {0};
    struct mlo_err err = {0};
    if (t->store == MLO_TS_EXTERNAL) {
        check_outside(t, sha);
        return;
    }
    if (!sha) {
        check_int(t->store, MLO_TS_NONE);
        check_err(mlo_tensor_read(src, t, blob_sink, &got, &err), MLO_EUNAVAIL, &err, "no plain bytes");
        return;
    }
    check_ok(mlo_tensor_read(src, t, blob_sink, &got, &err), &err);
    check_int(got.n, t->bytes);
    check_sha(got.p ? (const char *)got.p : "", got.n, sha);
    blob_free(&got);
}

static void check_tensors(const struct mlo_source *src, const struct mlo_checkpoint *cp, const cJSON *want)
{
    const cJSON *item;
    check_int(cp->n_tensors, cJSON_GetArraySize(want));
    cJSON_ArrayForEach(item, want)
    {
        const char *name = mlo_json_text(item, "name");
        const struct mlo_tensor *t = find_tensor(cp, name);
        if (!check(t != NULL, "tensor %s", name))
            continue;
        check_str(t->type_name, mlo_json_text(item, "dtype"));
        check_shape(t, cJSON_GetObjectItem(item, "shape"));
        check_data(src, t, mlo_json_text(item, "sha256"));
    }
}

static void check_file(const char *path)
{
    char index_path[600];
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    snprintf(index_path, sizeof index_path, "%s.json", path);
    struct blob file = blob_file(path), index = blob_file(index_path);
    MLO_AUTOJSON cJSON *doc = NULL;
    const cJSON *item;
    check_ok(mlo_json_parse((const char *)index.p, index.n, 1 << 20, &doc, &err), &err);
    struct mlo_mem mem = {file.p};
    struct mlo_source src = mlo_source_mem(&mem, file.n);
    if (!check_ok(mlo_checkpoint_read(&src, &cp, &err), &err))
        printf("# %s\n", path);
    check_str(mlo_format_name(cp.format), mlo_json_text(doc, "format"));
    check_tensors(&src, &cp, cJSON_GetObjectItem(doc, "tensors"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(doc, "meta"))
        check_str(find_meta(&cp, item->string), item->valuestring);
    mlo_checkpoint_release(&cp);
    blob_free(&file);
    blob_free(&index);
}

static void every_golden_file_reads_as_its_writer_says(void)
{
    DIR *d = opendir(GOLDEN);
    struct dirent *e;
    int n = 0;
    while (d && (e = readdir(d))) {
        static const char *const ends[] = {".safetensors", ".gguf", ".npy", ".npz", ".pt", ".onnx"};
        const char *dot = strrchr(e->d_name, '.');
        char path[512];
        for (size_t i = 0; dot && i < MLO_COUNT(ends); i++) {
            if (strcmp(dot, ends[i]) != 0)
                continue;
            snprintf(path, sizeof path, GOLDEN "%s", e->d_name);
            check_file(path);
            n++;
        }
    }
    if (d)
        closedir(d);
    check(n >= 38, "%d files", n);
}

static void the_same_tensors_have_one_digest_in_every_container(void)
{
    static const char *const files[] = {GOLDEN "stored.npz", GOLDEN "deflated.npz"};
    struct mlo_digest sets[2];
    struct mlo_err err = {0};
    for (size_t f = 0; f < 2; f++) {
        struct blob file = blob_file(files[f]);
        struct mlo_mem mem = {file.p};
        struct mlo_source src = mlo_source_mem(&mem, file.n);
        struct mlo_checkpoint cp;
        struct mlo_tensor_id ids[16] = {0};
        check_ok(mlo_checkpoint_read(&src, &cp, &err), &err);
        for (size_t i = 0; i < cp.n_tensors; i++) {
            struct blob got = {0};
            const struct mlo_tensor *t = &cp.tensors[i];
            check_ok(mlo_tensor_read(&src, t, blob_sink, &got, &err), &err);
            ids[i] = (struct mlo_tensor_id){
                .name = t->name, .type_name = t->type_name, .shape = t->shape, .rank = t->rank};
            check_ok(mlo_sha256(got.p ? (const char *)got.p : "", got.n, &ids[i].digest, &err), &err);
            blob_free(&got);
        }
        check_ok(mlo_tensor_set_digest(ids, cp.n_tensors, &sets[f], &err), &err);
        mlo_checkpoint_release(&cp);
        blob_free(&file);
    }
    check(mlo_digest_eq(&sets[0], &sets[1]));
}

int main(void)
{
    run(every_golden_file_reads_as_its_writer_says);
    run(the_same_tensors_have_one_digest_in_every_container);
    return done_testing();
}
