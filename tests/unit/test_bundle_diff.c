/* Tensor by tensor. */
#include "bench.h"

#include <math.h>

struct seen {
    size_t n, added, removed, changed;
    uint64_t n_differ;
    double max_abs, mean_abs;
    bool has_stats;
    char name[64];
};

static int see(void *ctx, const struct mlo_tensor_change *c, struct mlo_err *err)
{
    struct seen *s = ctx;
    (void)err;
    s->n++;
    s->added += c->change == MLO_ADDED;
    s->removed += c->change == MLO_REMOVED;
    s->changed += c->change == MLO_CHANGED;
    s->has_stats = c->has_stats;
    s->n_differ = c->n_differ;
    s->max_abs = c->max_abs;
    s->mean_abs = c->mean_abs;
    snprintf(s->name, sizeof s->name, "%s", c->a ? c->a->name : c->b->name);
    return 0;
}

static int diff(struct bench *b, const struct mlo_digest *da, const struct mlo_digest *db, bool stats,
                struct seen *s, size_t *ret_same, struct mlo_err *err)
{
    struct mlo_bundle x, y;
    *s = (struct seen){0};
    check_ok(mlo_bundle_load(b->store, da, &x, err), err);
    check_ok(mlo_bundle_load(b->store, db, &y, err), err);
    int rc = mlo_diff_tensors(b->store, &x, &y, stats, 2, see, s, ret_same, err);
    mlo_bundle_release(&x);
    mlo_bundle_release(&y);
    return rc;
}

/* One float32 tensor "w" with these values. */
static void put_floats(const char *folder, const char *name, const float *v, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str file;
    uint64_t shape[1] = {n};
    size_t order;
    struct mlo_st_tensor t = {.name = "w", .dtype = MLO_DT_F32, .shape = shape, .rank = 1};
    mlo_str_init(&file, MLO_STR_MAX);
    check_ok(mlo_safetensors_header(&t, 1, NULL, 0, &file, &order, &err), &err);
    mlo_str_addn(&file, v, n * sizeof *v);
    bench_put(folder, name, file.ptr, file.len);
}

static void a_model_does_not_differ_from_itself(void)
{
    struct bench b;
    struct mlo_digest d;
    struct seen s;
    struct mlo_err err = MLO_ERR_INIT;
    size_t same = 0;
    unsigned seeds[] = {1, 2, 3};
    bench_up(&b);
    bench_model(b.tree, "m.safetensors", seeds, 3, 1000);
    check(bench_pack(&b, &d), "packed");
    check_ok(diff(&b, &d, &d, true, &s, &same, &err), &err);
    check_int(s.n, 0);
    check_int(same, 3);
    bench_down(&b);
}

static void numbers_say_how_far_apart(void)
{
    static const float x[] = {1, 2, 3, 4}, y[] = {1, 2.5f, 3, 2};
    struct bench b;
    struct mlo_digest da, db;
    struct seen s;
    struct mlo_err err = MLO_ERR_INIT;
    size_t same = 9;
    bench_up(&b);
    put_floats(b.tree, "m.safetensors", x, 4);
    check(bench_pack(&b, &da), "packed");
    put_floats(b.tree, "m.safetensors", y, 4);
    check(bench_pack(&b, &db), "packed");
    check_ok(diff(&b, &da, &db, true, &s, &same, &err), &err);
    check_int(s.changed, 1);
    check_int(same, 0);
    check(s.has_stats && s.n_differ == 2, "two values differ");
    check(s.max_abs == 2.0 && s.mean_abs == 0.625, "max %g, mean %g", s.max_abs, s.mean_abs);
    check_ok(diff(&b, &da, &db, false, &s, &same, &err), &err);
    check(s.changed == 1 && !s.has_stats, "no numbers when nobody asks");
    bench_down(&b);
}

static void nan_against_a_number_is_infinitely_far(void)
{
    const float x[] = {NAN, 1, INFINITY}, y[] = {2, NAN, INFINITY};
    struct bench b;
    struct mlo_digest da, db;
    struct seen s;
    struct mlo_err err = MLO_ERR_INIT;
    size_t same = 0;
    bench_up(&b);
    put_floats(b.tree, "m.safetensors", x, 3);
    check(bench_pack(&b, &da), "packed");
    put_floats(b.tree, "m.safetensors", y, 3);
    check(bench_pack(&b, &db), "packed");
    check_ok(diff(&b, &da, &db, true, &s, &same, &err), &err);
    check_int(s.n_differ, 2);
    check(isinf(s.max_abs) && isinf(s.mean_abs), "infinite");
    bench_down(&b);
}

static void large_tensors_are_streamed(void)
{
    enum { N = 3000000 };
    struct bench b;
    struct mlo_digest da, db;
    struct seen s;
    struct mlo_err err = MLO_ERR_INIT;
    size_t same = 0;
    MLO_AUTOFREE float *v = calloc(N, sizeof *v);
    bench_up(&b);
    put_floats(b.tree, "m.safetensors", v, N);
    check(bench_pack(&b, &da), "packed");
    v[N - 1] = 3;
    v[12288] = -1; /* the first of a piece */
    put_floats(b.tree, "m.safetensors", v, N);
    check(bench_pack(&b, &db), "packed");
    check_ok(diff(&b, &da, &db, true, &s, &same, &err), &err);
    check(s.n_differ == 2 && s.max_abs == 3, "differ %llu, max %g", (unsigned long long)s.n_differ,
          s.max_abs);
    check(fabs(s.mean_abs - 4.0 / N) < 1e-15, "mean over all elements");
    bench_down(&b);
}

static void shards_do_not_matter(void)
{
    unsigned whole[] = {1, 2};
    struct bench b;
    struct mlo_digest da, db;
    struct seen s;
    struct mlo_err err = MLO_ERR_INIT;
    size_t same = 0;
    bench_up(&b);
    bench_model(b.tree, "m.safetensors", whole, 2, 50);
    check(bench_pack(&b, &da), "packed");
    bench_model(b.tree, "other/name.safetensors", whole, 1, 50); /* t00 */
    bench_model(b.tree, "m.safetensors", whole, 2, 50);
    char path[700];
    snprintf(path, sizeof path, "%s/m.safetensors", b.tree);
    check(unlink(path) == 0, "gone");
    check(bench_pack(&b, &db), "packed");
    check_ok(diff(&b, &da, &db, true, &s, &same, &err), &err);
    check(same == 1 && s.removed == 1 && s.n == 1, "t00 moved, t01 is gone");
    check_str(s.name, "t01");
    check_ok(diff(&b, &db, &da, true, &s, &same, &err), &err);
    check(same == 1 && s.added == 1, "and the other way round");
    bench_down(&b);
}

static void another_shape_is_a_change_without_numbers(void)
{
    unsigned seeds[] = {1};
    struct bench b;
    struct mlo_digest da, db;
    struct seen s;
    struct mlo_err err = MLO_ERR_INIT;
    size_t same = 0;
    bench_up(&b);
    bench_model(b.tree, "m.safetensors", seeds, 1, 50);
    check(bench_pack(&b, &da), "packed");
    bench_model(b.tree, "m.safetensors", seeds, 1, 51);
    check(bench_pack(&b, &db), "packed");
    check_ok(diff(&b, &da, &db, true, &s, &same, &err), &err);
    check(s.changed == 1 && !s.has_stats, "changed");
    bench_down(&b);
}

static void damage_is_found_on_the_way(void)
{
    static const float x[] = {1, 2, 3, 4}, y[] = {1, 2.5f, 3, 2};
    struct bench b;
    struct mlo_digest da, db;
    struct seen s;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_bundle bundle;
    size_t same = 0;
    bench_up(&b);
    put_floats(b.tree, "m.safetensors", x, 4);
    check(bench_pack(&b, &da), "packed");
    put_floats(b.tree, "m.safetensors", y, 4);
    check(bench_pack(&b, &db), "packed");
    check_ok(mlo_bundle_load(b.store, &db, &bundle, &err), &err);
    bench_damage(&b, &bundle.files[0].digest, (off_t)bundle.files[0].size - 1);
    mlo_bundle_release(&bundle);
    check_err(diff(&b, &da, &db, true, &s, &same, &err), MLO_EINVALID, &err, "damaged");
    bench_down(&b);
}

int main(void)
{
    run(a_model_does_not_differ_from_itself);
    run(numbers_say_how_far_apart);
    run(nan_against_a_number_is_infinitely_far);
    run(large_tensors_are_streamed);
    run(shards_do_not_matter);
    run(another_shape_is_a_change_without_numbers);
    run(damage_is_found_on_the_way);
    return done_testing();
}
