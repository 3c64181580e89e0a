/* Packing files into a store: same input, same bytes; every file read once; refusals that name everything at
 * once. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "../../src/bundle/internal.h"
#include "bundle_bench.h"

#define MANIFEST_DIGEST "c6bb9b4270ade1ef9cdf9260044225c9e126ad4f6ff97a463ce911b332063b39"

static void a_bare_pack_is_the_worked_example(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    set_up(&b);
    put_tiny(b.tree, "model.safetensors");
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    o.bare = true;
    if (check_ok(mlo_pack(b.store, &o, &r, &err), &err)) {
        check_str(hex(&r.manifest), MANIFEST_DIGEST);
        check_int(r.manifest_size, 521);
        check_int(r.n_files, 1);
        check_int(r.bytes, 72);
        check_int(r.n_tensors, 1);
        check_int(r.parameters, 2);
        check_int(r.stored_bytes, 72 + 200 + 521);
        check(r.has_tensor_set);
        mlo_pack_result_release(&r);
    }
    tear_down(&b);
}

static void two_folders_give_the_same_digest(void)
{
    struct bench a, b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result ra = {0}, rb = {0};
    set_up(&a);
    set_up(&b);
    put_model(a.tree);
    put_model(b.tree);
    struct timespec old[2] = {{.tv_sec = 86400}, {.tv_sec = 86400}};
    check(utimensat(AT_FDCWD, b.tree, old, 0) == 0);
    char weights[700];
    snprintf(weights, sizeof(weights), "%s/model.safetensors", b.tree);
    check(utimensat(AT_FDCWD, weights, old, 0) == 0 && chmod(weights, 0600) == 0);
    const char *pa[] = {a.tree}, *pb[] = {b.tree};
    struct mlo_pack_metric metrics[] = {{"f1", 0.5}, {"auc", 0.91}}, swapped[] = {{"auc", 0.91}, {"f1", 0.5}};
    struct mlo_pack_opts oa = options(&a, pa, 1), ob = options(&b, pb, 1);
    oa.metrics = metrics, ob.metrics = swapped;
    oa.n_metrics = ob.n_metrics = 2;
    oa.source_date_ns = ob.source_date_ns = 1767225600LL * 1000000000;
    ob.threads = 1;
    if (check_ok(mlo_pack(a.store, &oa, &ra, &err), &err) &&
        check_ok(mlo_pack(b.store, &ob, &rb, &err), &err)) {
        check_str(hex(&ra.manifest), hex(&rb.manifest));
        check_int(ra.n_files, 5);
        check_str(ra.file_paths[0], "README.md");
        check_str(ra.file_paths[4], "src/train.py");
    }
    mlo_pack_result_release(&ra);
    mlo_pack_result_release(&rb);
    tear_down(&a);
    tear_down(&b);
}

static void what_was_packed_can_be_loaded(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    struct mlo_bundle l = {0};
    set_up(&b);
    put_model(b.tree);
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    o.version = "1.0.0";
    if (check_ok(mlo_pack(b.store, &o, &r, &err), &err) &&
        check_ok(mlo_bundle_load(b.store, &r.manifest, &l, &err), &err)) {
        check_int(l.n_layers, 6); /* weights, one tar for each other kind, mlopsctl.json */
        check_str(l.layers[0].kind, "weight");
        check_str(hex(&l.layers[0].digest), WEIGHTS_DIGEST);
        check_str(l.layers[1].kind, "weight.config");
        check_str(l.layers[2].kind, "code");
        check_str(l.layers[3].kind, "doc");
        check_str(l.layers[4].kind, "dataset");
        check_str(l.layers[5].path, "mlopsctl.json");
        check_int(l.n_files, 5);
        check_str(l.files[3].path, "model.safetensors");
        check_str(l.files[3].format, "safetensors");
        check_int(l.files[2].layer, 4);
        mlo_bundle_release(&l);
    }
    mlo_pack_result_release(&r);
    tear_down(&b);
}

static void an_unchanged_tree_is_not_read_again(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result first = {0}, second = {0}, third = {0};
    set_up(&b);
    put_model(b.tree);
    char *big = calloc(2, 1 << 20);
    check(big != NULL);
    put(b.tree, "data/big.csv", big, 2 << 20);
    free(big);
    sleep(3); /* beyond the grain of file times, inside which nothing is remembered */
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_ok(mlo_pack(b.store, &o, &first, &err), &err);
    check_int(first.n_cached, 0);
    char weights[700], hidden[700];
    snprintf(weights, sizeof(weights), "%s/data/big.csv", b.tree);
    snprintf(hidden, sizeof(hidden), "%s/.mlops/big", b.root);
    check_ok(mlo_pack(b.store, &o, &second, &err), &err);
    check_int(second.n_cached, 6);
    check_int(second.stored_bytes, 0);
    check(mlo_digest_eq(&first.manifest, &second.manifest));
    check_int(second.n_tensors, 1);
    put_text(b.tree, "README.md", "# changed\n");
    check_ok(mlo_pack(b.store, &o, &third, &err), &err);
    check(!mlo_digest_eq(&first.manifest, &third.manifest), "a changed file changes the digest");
    check_int(third.n_cached, 1); /* the large one */
    mlo_pack_result_release(&first);
    mlo_pack_result_release(&second);
    mlo_pack_result_release(&third);
    tear_down(&b);
}

static void a_blob_that_was_lost_is_taken_in_again(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result first = {0}, second = {0};
    set_up(&b);
    put_model(b.tree);
    sleep(3);
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_ok(mlo_pack(b.store, &o, &first, &err), &err);
    char blob[1000];
    snprintf(blob, sizeof(blob), "%s/store/blobs/sha256/%s", b.home, WEIGHTS_DIGEST);
    check(unlink(blob) == 0);
    check_ok(mlo_pack(b.store, &o, &second, &err), &err);
    check(mlo_digest_eq(&first.manifest, &second.manifest));
    check_int(second.stored_bytes, 72);
    mlo_pack_result_release(&first);
    mlo_pack_result_release(&second);
    tear_down(&b);
}

static void a_dry_run_gives_the_digest_and_stores_nothing(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result dry = {0}, wet = {0};
    set_up(&b);
    put_model(b.tree);
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    o.dry_run = true;
    check_ok(mlo_pack(NULL, &o, &dry, &err), &err);
    o.dry_run = false;
    check_ok(mlo_pack(b.store, &o, &wet, &err), &err);
    check(mlo_digest_eq(&dry.manifest, &wet.manifest));
    check_int(dry.stored_bytes, 0);
    mlo_pack_result_release(&dry);
    mlo_pack_result_release(&wet);
    tear_down(&b);
}

/* ---- refusals ---- */

static void check_refused(struct bench *b, const struct mlo_pack_opts *o, int code, const char *text,
                          const char *also)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    int rc = mlo_pack(b->store, o, &r, &err);
    check_err(rc, code, &err, text);
    check(!also || strstr(err.msg, also) != NULL, "'%s' lacks '%s'", err.msg, also ? also : "");
    if (rc == 0)
        mlo_pack_result_release(&r);
    check_int(mlo_store_added(b->store), 0);
}

static void special_files_and_links_are_all_named(void)
{
    struct bench b;
    char path[800];
    set_up(&b);
    put_tiny(b.tree, "model.safetensors");
    snprintf(path, sizeof(path), "%s/pipe", b.tree);
    check(mkfifo(path, 0600) == 0);
    snprintf(path, sizeof(path), "%s/loop", b.tree);
    check(symlink(".", path) == 0);
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "'pipe': a FIFO", "'loop': a symbolic link");
    tear_down(&b);
}

static void names_that_collide_without_case_are_refused(void)
{
    struct bench b;
    set_up(&b);
    put_text(b.tree, "Data/a.csv", "1");
    put_text(b.tree, "data/b.csv", "2");
    put_text(b.tree, "notes.txt", "3");
    put_text(b.tree, "NOTES.txt", "4");
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "'data/b.csv': collides with 'Data/a.csv'", "'notes.txt': collides");
    tear_down(&b);
}

static void unsafe_names_are_refused_and_shown_escaped(void)
{
    struct bench b;
    set_up(&b);
    put_text(b.tree, "a\x1b[31m.txt", "1");
    put_text(b.tree, "b\\c.txt", "1");
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "2 refused", "a\\x1B[31m.txt");
    tear_down(&b);
}

static void different_files_of_one_name_are_refused(void)
{
    struct bench b;
    char one[700], two[700];
    set_up(&b);
    put_text(b.tree, "one/a.txt", "1");
    put_text(b.tree, "two/a.txt", "2");
    snprintf(one, sizeof(one), "%s/one", b.tree);
    snprintf(two, sizeof(two), "%s/two", b.tree);
    const char *paths[] = {one, two, one};
    struct mlo_pack_opts o = options(&b, paths, 3);
    check_refused(&b, &o, MLO_EINVALID, "two different files", NULL);
    tear_down(&b);
}

static void a_file_where_a_folder_must_be_is_refused(void)
{
    struct bench b;
    char one[700], two[700];
    set_up(&b);
    put_text(b.tree, "one/a", "1");
    put_text(b.tree, "one/a-b", "1");
    put_text(b.tree, "two/a/b", "2");
    snprintf(one, sizeof(one), "%s/one", b.tree);
    snprintf(two, sizeof(two), "%s/two", b.tree);
    const char *paths[] = {one, two};
    struct mlo_pack_opts o = options(&b, paths, 2);
    check_refused(&b, &o, MLO_EINVALID, "'a/b': collides with 'a'", NULL);
    tear_down(&b);
}

static void dangerous_pickles_are_refused_whatever_is_accepted(void)
{
    static const char hostile[] = "\x80\x02"
                                  "cposix\nsystem\nX\x02\0\0\0id\x85R.";
    struct bench b;
    set_up(&b);
    put(b.tree, "weights.txt", hostile, sizeof(hostile) - 1);
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    o.accept_unknown = o.accept_secrets = true;
    check_refused(&b, &o, MLO_EINVALID, "dangerous pickle", "posix.system");
    tear_down(&b);
}

static void malformed_weights_are_refused(void)
{
    struct bench b;
    set_up(&b);
    put(b.tree, "model.safetensors", tiny, sizeof(tiny) - 1);
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "'model.safetensors'", NULL);
    tear_down(&b);
}

static void a_name_of_weights_must_hold_weights(void)
{
    static const char *const names[] = {"a.safetensors", "b.GGUF", "c.onnx", "d.npy", "e.npz"};
    struct bench b;
    set_up(&b);
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        put_text(b.tree, names[i], "version https://git-lfs.github.com/spec/v1\n");
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "5 refused: 'a.safetensors': is named like safetensors", "'d.npy'");
    tear_down(&b);
}

static void secrets_are_refused_by_name_and_by_content_unless_accepted(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    set_up(&b);
    put_text(b.tree, ".env", "A=1\n");
    put_text(b.tree, "train.py",
             "x = 1\nkey = \"AKIA"
             "IOSFODNN7EXAMPLQ\"\n");
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "'.env': a file of secrets", "'train.py': a secret (aws-access-key");
    check_int(mlo_store_added(b.store), 0);
    o.accept_secrets = true;
    if (check_ok(mlo_pack(b.store, &o, &r, &err), &err))
        mlo_pack_result_release(&r);
    tear_down(&b);
}

static void a_shard_that_is_missing_is_refused(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    set_up(&b);
    put_tiny(b.tree, "model-00001-of-00002.safetensors");
    put_text(b.tree, "model.safetensors.index.json",
             "{\"metadata\":{\"total_size\":16},\"weight_map\":{\"w\":\"model-00001-of-00002.safetensors\","
             "\"v\":\"model-00002-of-00002.safetensors\"}}");
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "model-00002-of-00002.safetensors", NULL);
    put_text(b.tree, "model.safetensors.index.json",
             "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"w\":\"model-00001-of-00002.safetensors\"}}");
    if (check_ok(mlo_pack(b.store, &o, &r, &err), &err))
        mlo_pack_result_release(&r);
    tear_down(&b);
}

static void nothing_to_pack_is_said(void)
{
    struct bench b;
    char missing[700];
    set_up(&b);
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "no files", NULL);
    snprintf(missing, sizeof(missing), "%s/nothing", b.tree);
    paths[0] = missing;
    check_refused(&b, &o, MLO_ENOTFOUND, "nothing", NULL);
    tear_down(&b);
}

static void ignored_files_stay_out(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    set_up(&b);
    put_tiny(b.tree, "model.safetensors");
    put_text(b.tree, ".mlopsignore", "# comment\n*.log\r\n/cache/\nsub/*.tmp\n");
    put_text(b.tree, "a.log", "x");
    put_text(b.tree, "sub/b.log", "x");
    put_text(b.tree, "sub/c.tmp", "x");
    put_text(b.tree, "d.tmp", "x");
    put_text(b.tree, "cache/e", "x");
    put_text(b.tree, ".git/config", "x");
    put_text(b.tree, ".mlops/ledger.db", "x");
    put_text(b.tree, "mlopsctl.json", "{}");
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    if (check_ok(mlo_pack(b.store, &o, &r, &err), &err)) {
        check_int(r.n_file_paths, 2);
        check_str(r.file_paths[0], "d.tmp");
        check_str(r.file_paths[1], "model.safetensors");
        check_int(r.n_warnings, 1);
        mlo_pack_result_release(&r);
    }
    put_text(b.tree, ".mlopsignore", "!keep\n");
    check_err(mlo_pack(b.store, &o, &r, &err), MLO_EINVALID, &err, ".mlopsignore");
    tear_down(&b);
}

static void cards_locks_and_data_sets_have_their_places(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    struct mlo_bundle l = {0};
    char model[700], card[700], lock[700], data[700];
    set_up(&b);
    put_tiny(b.tree, "model.safetensors");
    put_text(b.tree, "card.md", "# card\n");
    put_text(b.tree, "freeze.txt", "numpy==1\n");
    put_text(b.tree, "train.csv", "a\n1\n");
    snprintf(model, sizeof(model), "%s/model.safetensors", b.tree);
    snprintf(card, sizeof(card), "%s/card.md", b.tree);
    snprintf(lock, sizeof(lock), "%s/freeze.txt", b.tree);
    snprintf(data, sizeof(data), "%s/train.csv", b.tree);
    const char *paths[] = {model}, *locks[] = {lock}, *sets[] = {data};
    struct mlo_pack_opts o = options(&b, paths, 1);
    o.card = card;
    o.env_locks = locks, o.n_env_locks = 1;
    o.datasets = sets, o.n_datasets = 1;
    if (check_ok(mlo_pack(b.store, &o, &r, &err), &err) &&
        check_ok(mlo_bundle_load(b.store, &r.manifest, &l, &err), &err)) {
        check_int(l.n_files, 3);
        check_str(l.files[0].path, "README.md");
        check_str(l.files[0].kind, "doc");
        check_str(l.files[1].path, "freeze.txt");
        check_str(l.files[1].kind, "code");
        char *text = cJSON_PrintUnformatted(l.extra);
        check(text && strstr(text, "\"datasets\":[{\"name\":\"train.csv\",\"size\":4,\"digest\":\"sha256:"));
        check(text && strstr(text, "\"env\":[{\"path\":\"freeze.txt\""));
        check(text && !strstr(text, tap_tmpdir()), "an absolute path in the bundle");
        free(text);
        mlo_bundle_release(&l);
    }
    mlo_pack_result_release(&r);
    tear_down(&b);
}

/* ---- weights beside their model ---- */

struct wire { /* protobuf, small enough for one-byte lengths */
    uint8_t b[256];
    size_t n;
};

static void put_varint(struct wire *w, unsigned field, uint8_t v)
{
    w->b[w->n++] = (uint8_t)(field << 3);
    w->b[w->n++] = v;
}

static void put_bytes(struct wire *w, unsigned field, const void *p, size_t n)
{
    w->b[w->n++] = (uint8_t)(field << 3 | 2);
    w->b[w->n++] = (uint8_t)n;
    memcpy(w->b + w->n, p, n);
    w->n += n;
}

static void put_entry(struct wire *tensor, const char *key, const char *value)
{
    struct wire e = {0};
    put_bytes(&e, 1, key, strlen(key));
    put_bytes(&e, 2, value, strlen(value));
    put_bytes(tensor, 13, e.b, e.n);
}

/* float32 [2] at `offset` of m.data */
static void put_initializer(struct wire *graph, const char *name, const char *offset)
{
    struct wire t = {0};
    put_varint(&t, 1, 2);
    put_varint(&t, 2, 1);
    put_bytes(&t, 8, name, strlen(name));
    put_entry(&t, "location", "m.data");
    put_entry(&t, "offset", offset);
    put_entry(&t, "length", "8");
    put_varint(&t, 14, 1);
    put_bytes(graph, 5, t.b, t.n);
}

static void put_onnx(const char *tree)
{
    struct wire graph = {0}, opset = {0}, model = {0};
    put_initializer(&graph, "a", "0");
    put_initializer(&graph, "b", "8");
    put_initializer(&graph, "c", "4"); /* shares bytes with both: hashed in a read of its own */
    put_varint(&opset, 2, 17);
    put_varint(&model, 1, 8);
    model.b[model.n++] = 7 << 3 | 2;
    model.b[model.n++] = (uint8_t)(graph.n & 0x7f) | 0x80;
    model.b[model.n++] = (uint8_t)(graph.n >> 7);
    memcpy(model.b + model.n, graph.b, graph.n);
    model.n += graph.n;
    put_bytes(&model, 8, opset.b, opset.n);
    put(tree, "m.onnx", model.b, model.n);
}

struct digests {
    size_t n;
    const uint8_t *data;
};

static int check_range(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    static const size_t offsets[] = {0, 8, 4};
    struct digests *d = ctx;
    struct mlo_digest want;
    check_str(t->file, "m.onnx");
    check(t->has_digest && t->name[0] - 'a' == (int)d->n, "tensor %s", t->name);
    check_ok(mlo_sha256(d->data + offsets[d->n], 8, &want, err), err);
    check(mlo_digest_eq(&want, &t->digest), "tensor %s", t->name);
    d->n++;
    return 0;
}

static void check_external(struct bench *b, const uint8_t *data, size_t n_cached)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    struct mlo_bundle l = {0};
    struct digests d = {.data = data};
    const char *paths[] = {b->tree};
    struct mlo_pack_opts o = options(b, paths, 1);
    if (!check_ok(mlo_pack(b->store, &o, &r, &err), &err))
        return;
    check_int(r.n_cached, n_cached);
    check_ok(mlo_bundle_load(b->store, &r.manifest, &l, &err), &err);
    check_int(l.n_files, 2);
    check_str(l.files[0].kind, "weight"); /* m.data: because the model says so */
    check_int(l.layers[l.files[0].layer].packing, MLO_PACKING_RAW);
    check_ok(mlo_bundle_tensor_each(&l, check_range, &d, &err), &err);
    check_int(d.n, 3);
    mlo_bundle_release(&l);
    mlo_pack_result_release(&r);
}

static void tensors_in_external_data_are_hashed_where_they_lie(void)
{
    struct bench b;
    uint8_t data[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    set_up(&b);
    put_onnx(b.tree);
    const char *paths[] = {b.tree};
    struct mlo_pack_opts o = options(&b, paths, 1);
    check_refused(&b, &o, MLO_EINVALID, "data file 'm.data' is not among", NULL);
    put(b.tree, "m.data", data, 15);
    check_refused(&b, &o, MLO_EINVALID, "too short", NULL);
    put(b.tree, "m.data", data, 16);
    sleep(3);
    check_external(&b, data, 0);
    check_external(&b, data, 2);
    data[5] ^= 1; /* the model file stays and is known; its tensors are others */
    put(b.tree, "m.data", data, 16);
    check_external(&b, data, 0);
    tear_down(&b);
}

static void large_external_data_is_cached_apart_from_its_model(void)
{
    struct bench b;
    uint8_t *data = calloc(2, 1 << 20);
    set_up(&b);
    put_onnx(b.tree);
    memset(data, 7, 16);
    put(b.tree, "m.data", data, 2 << 20);
    sleep(3);
    check_external(&b, data, 0);
    check_external(&b, data, 2);
    data[9] ^= 1;
    put(b.tree, "m.data", data, 2 << 20);
    check_external(&b, data, 1);
    free(data);
    tear_down(&b);
}

int main(void)
{
    run(a_bare_pack_is_the_worked_example);
    run(two_folders_give_the_same_digest);
    run(what_was_packed_can_be_loaded);
    run(an_unchanged_tree_is_not_read_again);
    run(a_blob_that_was_lost_is_taken_in_again);
    run(a_dry_run_gives_the_digest_and_stores_nothing);
    run(special_files_and_links_are_all_named);
    run(names_that_collide_without_case_are_refused);
    run(unsafe_names_are_refused_and_shown_escaped);
    run(different_files_of_one_name_are_refused);
    run(a_file_where_a_folder_must_be_is_refused);
    run(dangerous_pickles_are_refused_whatever_is_accepted);
    run(malformed_weights_are_refused);
    run(a_name_of_weights_must_hold_weights);
    run(secrets_are_refused_by_name_and_by_content_unless_accepted);
    run(a_shard_that_is_missing_is_refused);
    run(nothing_to_pack_is_said);
    run(ignored_files_stay_out);
    run(cards_locks_and_data_sets_have_their_places);
    run(tensors_in_external_data_are_hashed_where_they_lie);
    run(large_external_data_is_cached_apart_from_its_model);
    return done_testing();
}
