/* Verifying finds every kind of damage; repairing finds the good bytes wherever they lie. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/bundle/internal.h"
#include "bundle_bench.h"

struct packed {
    struct bench b;
    struct mlo_pack_result r;
    struct mlo_bundle loaded;
};

static bool pack_model(struct packed *p)
{
    struct mlo_err err = MLO_ERR_INIT;
    memset(p, 0, sizeof(*p));
    set_up(&p->b);
    put_model(p->b.tree);
    const char *paths[] = {p->b.tree};
    struct mlo_pack_opts o = options(&p->b, paths, 1);
    o.source_date_ns = 1767225600LL * 1000000000;
    return check_ok(mlo_pack(p->b.store, &o, &p->r, &err), &err) &&
           check_ok(mlo_bundle_load(p->b.store, &p->r.manifest, &p->loaded, &err), &err);
}

static void done_with(struct packed *p)
{
    mlo_bundle_release(&p->loaded);
    mlo_pack_result_release(&p->r);
    tear_down(&p->b);
}

struct heard {
    size_t n;
    char roles[512], whats[512];
    struct mlo_fault first;
};

static int hear(void *ctx, const struct mlo_fault *f, struct mlo_err *err)
{
    struct heard *h = ctx;
    size_t a = strlen(h->roles), b = strlen(h->whats);
    (void)err;
    snprintf(h->roles + a, sizeof(h->roles) - a, "%s%s", a ? "; " : "", f->role);
    snprintf(h->whats + b, sizeof(h->whats) - b, "%s%s", b ? "; " : "", f->what);
    if (h->n++ == 0)
        h->first = *f;
    return 0;
}

static int verify(struct packed *p, bool deep, struct heard *h)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_verify_opts o = {.deep = deep, .threads = 2};
    uint64_t bytes = 0;
    memset(h, 0, sizeof(*h));
    int rc = mlo_bundle_verify(p->b.store, &p->r.manifest, &o, hear, h, &bytes, &err);
    check(rc == 0 || rc == MLO_NO, "%s", err.msg);
    check((rc == 0) == (h->n == 0), "answer and faults do not agree");
    return rc;
}

static void blob_path(const struct packed *p, const struct mlo_digest *d, char *buf, size_t n)
{
    snprintf(buf, n, "%s/store/blobs/sha256/%s", p->b.home, hex(d));
}

static void flip(const struct packed *p, const struct mlo_digest *d, off_t at)
{
    char path[1000], byte = 0;
    blob_path(p, d, path, sizeof(path));
    check(chmod(path, 0644) == 0);
    int fd = open(path, O_RDWR);
    check(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 1;
    check(pwrite(fd, &byte, 1, at) == 1);
    close(fd);
}

static void a_good_bundle_has_no_fault(void)
{
    struct packed p;
    struct heard h;
    if (pack_model(&p)) {
        check_int(verify(&p, false, &h), 0);
        check_int(verify(&p, true, &h), 0);
    }
    done_with(&p);
}

static void a_flipped_byte_is_found_in_every_blob(void)
{
    struct packed p;
    struct heard h;
    if (pack_model(&p)) {
        for (size_t i = 0; i < p.loaded.n_layers; i++) {
            const struct mlo_layer *l = &p.loaded.layers[i];
            flip(&p, &l->digest, (off_t)l->size - 1);
            check_int(verify(&p, false, &h), MLO_NO);
            check_int(h.n, 1);
            check_str(h.whats, "damaged");
            check(mlo_digest_eq(&h.first.blob, &l->digest));
            flip(&p, &l->digest, (off_t)l->size - 1);
        }
        flip(&p, &p.loaded.config_digest, 0);
        check_int(verify(&p, false, &h), MLO_NO);
        check_str(h.roles, "config");
        flip(&p, &p.loaded.config_digest, 0);
        flip(&p, &p.r.manifest, 5);
        check_int(verify(&p, false, &h), MLO_NO);
        check_str(h.roles, "manifest");
        check_str(h.whats, "damaged");
    }
    done_with(&p);
}

static void several_faults_are_all_reported(void)
{
    struct packed p;
    struct heard h;
    char path[1000];
    if (pack_model(&p)) {
        blob_path(&p, &p.loaded.layers[0].digest, path, sizeof(path));
        check(unlink(path) == 0);
        blob_path(&p, &p.loaded.layers[2].digest, path, sizeof(path));
        check(chmod(path, 0644) == 0 && truncate(path, 100) == 0);
        check_int(verify(&p, true, &h), MLO_NO);
        check_int(h.n, 2);
        check_str(h.roles, "layer model.safetensors; layer code");
        check_str(h.whats, "missing; damaged");
    }
    done_with(&p);
}

static void a_wrong_tensor_digest_is_found_by_a_deep_look_only(void)
{
    struct packed p;
    struct heard h;
    struct mlo_err err = MLO_ERR_INIT;
    if (!pack_model(&p)) {
        done_with(&p);
        return;
    }
    /* The same bundle by a liar: all digests of blobs right, the tensor's wrong. */
    cJSON *t = cJSON_GetObjectItemCaseSensitive(p.loaded.extra, "tensors")->child;
    cJSON_ReplaceItemInObjectCaseSensitive(t, "digest", cJSON_CreateString("sha256:" WEIGHTS_DIGEST));
    char *extra = cJSON_PrintUnformatted(p.loaded.extra), *config = NULL, *manifest = NULL;
    struct mlo_layer_plan layers[8] = {0};
    struct mlo_digest d;
    struct mlo_config_facts facts = {.name = "tiny"};
    size_t n = 0, last = p.loaded.n_layers - 1;
    for (size_t i = 0; i < last; i++) {
        const struct mlo_layer *l = &p.loaded.layers[i];
        check(mlo_kind_from_name(l->kind, strlen(l->kind), &layers[i].kind));
        layers[i].path = l->path;
        layers[i].mode = 0644;
        layers[i].digest = l->digest;
        layers[i].size = l->size;
    }
    layers[last] = (struct mlo_layer_plan){
        .kind = MLO_KIND_DOC, .path = MLO_EXTRA_PATH, .mode = 0644, .size = strlen(extra)};
    check_ok(mlo_store_put(p.b.store, extra, strlen(extra), &layers[last].digest, &err), &err);
    check_ok(mlo_config_build(&facts, layers, last + 1, &config, &n, &err), &err);
    check_ok(mlo_store_put(p.b.store, config, n, &d, &err), &err);
    check_ok(mlo_manifest_build(&d, n, layers, last + 1, &manifest, &n, &err), &err);
    check_ok(mlo_store_put(p.b.store, manifest, n, &p.r.manifest, &err), &err);
    check_int(verify(&p, false, &h), 0);
    check_int(verify(&p, true, &h), MLO_NO);
    check_str(h.roles, "tensor w of model.safetensors");
    free(extra);
    free(config);
    free(manifest);
    done_with(&p);
}

static void documents_that_contradict_each_other_are_a_fault(void)
{
    struct packed p;
    struct heard h;
    struct mlo_err err = MLO_ERR_INIT;
    if (pack_model(&p)) {
        /* A manifest whose layer size is a lie, otherwise whole. */
        char *text = strdup(p.loaded.manifest_text), *at = strstr(text, "\"size\":72");
        check(at != NULL);
        memcpy(at, "\"size\":73", 9);
        check_ok(mlo_store_put(p.b.store, text, strlen(text), &p.r.manifest, &err), &err);
        check_int(verify(&p, false, &h), MLO_NO);
        check_str(h.whats, "damaged");
        free(text);
    }
    done_with(&p);
}

/* ---- repair ---- */

static void check_found(const char *from, const struct packed *p, const struct mlo_digest *d, uint64_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    int fd = -1;
    if (!check_ok(mlo_repair_find(from, d, size, p->b.home, &fd, &err), &err))
        return;
    const struct mlo_ingest in = {.fd = fd, .label = "found", .threads = 1, .dry_run = true};
    struct mlo_digest got;
    uint64_t n = 0;
    check_int(lseek(fd, 0, SEEK_CUR), 0);
    check_ok(mlo_store_ingest(NULL, &in, &got, &n, &err), &err);
    check(mlo_digest_eq(&got, d));
    close(fd);
}

static void good_bytes_are_found_in_folder_file_layout_and_tar(void)
{
    struct packed p;
    struct mlo_err err = MLO_ERR_INIT;
    char path[1200];
    if (pack_model(&p)) {
        const struct mlo_layer *weights = &p.loaded.layers[0], *code = &p.loaded.layers[2];
        check_found(p.b.tree, &p, &weights->digest, weights->size);
        snprintf(path, sizeof(path), "%s/model.safetensors", p.b.tree);
        check_found(path, &p, &weights->digest, weights->size);
        check_found(p.b.home, &p, &code->digest, code->size); /* a store, */
        snprintf(path, sizeof(path), "%s/store", p.b.home);
        check_found(path, &p, &p.r.manifest, UINT64_MAX); /* as a layout too */
        snprintf(path, sizeof(path), "%s/out.tar", p.b.root);
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        check_ok(mlo_bundle_export(p.b.store, &p.r.manifest, &(struct mlo_export_opts){0}, fd, &err), &err);
        close(fd);
        check_found(path, &p, &code->digest, code->size);
        snprintf(path, sizeof(path), "%s/config.json", p.b.tree);
        check_err(mlo_repair_find(path, &code->digest, code->size, p.b.home, &fd, &err), MLO_ENOTFOUND, &err,
                  "does not hold");
        check_err(mlo_repair_find(p.b.tree, &code->digest, code->size, p.b.home, &fd, &err), MLO_ENOTFOUND,
                  &err, "does not hold");
        check_err(mlo_repair_find("/nonexistent", &code->digest, code->size, p.b.home, &fd, &err),
                  MLO_ENOTFOUND, &err, "nonexistent");
    }
    done_with(&p);
}

static void a_tar_layer_is_built_again_from_its_files(void)
{
    struct packed p;
    struct mlo_err err = MLO_ERR_INIT;
    struct heard h;
    int fd = -1;
    if (pack_model(&p)) {
        const struct mlo_digest *code = &p.loaded.layers[2].digest;
        flip(&p, code, 0);
        check_int(verify(&p, false, &h), MLO_NO);
        if (check_ok(mlo_repair_rebuild(&p.loaded, code, p.b.tree, p.b.home, &fd, &err), &err)) {
            check_ok(mlo_store_repair(p.b.store, code, fd, &err), &err);
            close(fd);
            check_int(verify(&p, true, &h), 0);
        }
        put_text(p.b.tree, "src/train.py", "print(2)\n");
        check_err(mlo_repair_rebuild(&p.loaded, code, p.b.tree, p.b.home, &fd, &err), MLO_ENOTFOUND, &err,
                  NULL);
        check_err(mlo_repair_rebuild(&p.loaded, &p.loaded.layers[0].digest, p.b.tree, p.b.home, &fd, &err),
                  MLO_ENOTFOUND, &err, "not a tar layer");
    }
    done_with(&p);
}

static void reach_names_every_blob_once(void)
{
    struct packed p;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest_set set = {0};
    if (pack_model(&p)) {
        check_ok(mlo_bundle_reach(p.b.store, &p.r.manifest, &set, &err), &err);
        check_int(set.count, p.loaded.n_layers + 2);
        check(mlo_digest_set_has(&set, &p.r.manifest) && mlo_digest_set_has(&set, &p.loaded.config_digest));
        check_ok(mlo_bundle_reach(p.b.store, &p.r.manifest, &set, &err), &err);
        check_int(set.count, p.loaded.n_layers + 2);
        mlo_digest_set_release(&set);
        char path[1000];
        blob_path(&p, &p.r.manifest, path, sizeof(path));
        check(unlink(path) == 0);
        check_err(mlo_bundle_reach(p.b.store, &p.r.manifest, &set, &err), MLO_ENOTFOUND, &err, NULL);
    }
    mlo_digest_set_release(&set);
    done_with(&p);
}

int main(void)
{
    run(a_good_bundle_has_no_fault);
    run(a_flipped_byte_is_found_in_every_blob);
    run(several_faults_are_all_reported);
    run(a_wrong_tensor_digest_is_found_by_a_deep_look_only);
    run(documents_that_contradict_each_other_are_a_fault);
    run(good_bytes_are_found_in_folder_file_layout_and_tar);
    run(a_tar_layer_is_built_again_from_its_files);
    run(reach_names_every_blob_once);
    return done_testing();
}
