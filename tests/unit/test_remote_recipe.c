/* Recipes and refs: one spelling, strict reading. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "../../src/remote/internal.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

#define HEAD                                                                                                 \
    "{\"schema\":1,\"manifest\":\"" A "\",\"referrers\":[],\"packs\":[\"" B "\",\"" C "\"],\"blobs\":["
#define RECIPE HEAD "[\"" A "\",30,[\"" C "\",10,0,0],[\"" D "\",20,1,7]],[\"" B "\",0]]}"

static int parse(const char *text, struct mlo_recipe *ret, struct mlo_err *err)
{
    return mlo_recipe_parse(text, strlen(text), ret, err);
}

static void a_recipe_is_read_and_written_alike(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_recipe r = {0};
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    if (!check_ok(parse(RECIPE, &r, &err), &err))
        return;
    check_int(r.n_blobs, 2);
    check_int(r.n_pieces, 2);
    check_int(r.blobs[0].size, 30);
    check(r.pieces[1].source == 1 && r.pieces[1].offset == 7 && r.pieces[1].length == 20, "second piece");
    check(mlo_recipe_find(&r, &r.blobs[1].digest) == &r.blobs[1], "found");
    check(mlo_recipe_find(&r, &r.pieces[0].digest) == NULL, "not found");
    check_ok(mlo_recipe_format(&r, &out, &err), &err);
    check_str(out.ptr, RECIPE);
    mlo_recipe_release(&r);
}

static void what_is_not_a_recipe_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"schema\":1}",
        RECIPE "x",
        "{\"schema\":0"
        "}",
        "{\"schema\":-1,",
        "{\"manifest\":\"" A "\",\"schema\":1}",
        HEAD "[\"" A "\",30,[\"" C "\",10,0,0]]]}",             /* too short */
        HEAD "[\"" A "\",5,[\"" C "\",10,0,0]]]}",              /* too long */
        HEAD "[\"" A "\",0,[\"" C "\",0,0,0]]]}",               /* empty chunk */
        HEAD "[\"" A "\",10,[\"" C "\",10,2,0]]]}",             /* no such pack */
        HEAD "[\"" A "\",10,[\"" C "\",10,0,67108860]]]}",      /* beyond a pack */
        HEAD "[\"" A "\",67108865,[\"" C "\",67108865,0,0]]]}", /* larger than a chunk */
        HEAD "[\"" A "\",10,[\"" C "\",10,0,0,1]]]}",           /* one too many */
        HEAD "[\"" A "\",10,[\"" C "\",10,0]]]}",               /* one too few */
        HEAD "[\"" A "\",10,[\"" C "\",1e1,0,0]]]}",            /* fraction */
        HEAD "[\"" A "\",10,[\"AA\",10,0,0]]]}",                /* no digest */
        HEAD "[\"" B "\",0],[\"" A "\",0]]}",                   /* out of order */
        HEAD "[\"" A "\",0],[\"" A "\",0]]}",                   /* twice */
        HEAD "[\"" A "\",18446744073709551615]]}",              /* size */
        HEAD "[\"" A "\",0]],\"more\":1}",                      /* unknown member */
        "{\"schema\":1,\"manifest\":\"" A "\",\"referrers\":[1],\"packs\":[],\"blobs\":[]}",
        "{\"schema\":1,\"manifest\":\"" A "\",\"packs\":[],\"referrers\":[],\"blobs\":[]}",
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_recipe r = {0};
        int rc = parse(bad[i], &r, &err);
        check(rc == MLO_EINVALID || (i == 6 && rc == MLO_EUNAVAIL), "case %zu gave %d: %s", i, rc, bad[i]);
    }
}

static void a_newer_schema_is_said(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_recipe r = {0};
    check_err(parse("{\"schema\":3,\"x\":1}", &r, &err), MLO_EUNAVAIL, &err, "schema 3");
}

static void every_cut_of_a_recipe_is_refused(void)
{
    for (size_t n = 0; n < strlen(RECIPE); n++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_recipe r = {0};
        check_err(mlo_recipe_parse(RECIPE, n, &r, &err), MLO_EINVALID, &err, NULL);
    }
}

static int parse_once(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_recipe r = {0};
    int rc = parse(RECIPE, &r, &err);
    mlo_recipe_release(&r);
    return rc;
}

static void memory_failure_is_an_ordinary_error(void)
{
    check(each_alloc_failure(parse_once) >= 3, "allocations were failed");
}

/* ---- refs ---- */

static void a_ref_is_read_and_written_alike(void)
{
    static const char text[] = "{\"schema\":1,\"manifest\":\"sha256:" A "\",\"recipe\":\"sha256:" B
                               "\",\"size\":12,\"time\":\"2026-01-02T03:04:05Z\",\"by\":\"host run 3\"}";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_remote_ref ref;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 4096);
    check_ok(mlo_remote_ref_parse(text, strlen(text), &ref, &err), &err);
    check_int(ref.size, 12);
    check_str(ref.by, "host run 3");
    check_ok(mlo_remote_ref_format(&ref, &out, &err), &err);
    check_str(out.ptr, text);
}

static void a_registrys_ref_has_a_manifest_alone(void)
{
    static const char text[] = "{\"schema\":1,\"manifest\":\"sha256:" A "\",\"size\":12}";
    static const struct mlo_digest none;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_remote_ref ref;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 4096);
    check_ok(mlo_remote_ref_parse(text, strlen(text), &ref, &err), &err);
    check(mlo_digest_eq(&ref.recipe, &none), "no recipe");
    check_ok(mlo_remote_ref_format(&ref, &out, &err), &err);
    check_str(out.ptr, text);
}

static void what_is_not_a_ref_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "{}",
        "{\"schema\":1,\"manifest\":\"sha256:" A "\",\"recipe\":\"sha256:" B
        "\",\"size\":-1,\"time\":\"2026-01-02T03:04:05Z\",\"by\":\"x\"}",
        "{\"schema\":1,\"manifest\":\"" A "\",\"recipe\":\"sha256:" B
        "\",\"size\":1,\"time\":\"2026-01-02T03:04:05Z\",\"by\":\"x\"}",
        "{\"schema\":1,\"manifest\":\"sha256:" A
        "\",\"size\":1,\"time\":\"2026-01-02T03:04:05Z\",\"by\":\"x\"}",
        "{\"schema\":1,\"manifest\":\"sha256:" A "\",\"size\":1,\"by\":\"x\"}",
        "{\"schema\":1,\"manifest\":\"sha256:" A "\",\"recipe\":\"sha256:" B
        "\",\"size\":1,\"time\":\"yesterday\",\"by\":\"x\"}",
        "{\"schema\":1,\"manifest\":\"sha256:" A "\",\"recipe\":\"sha256:" B
        "\",\"size\":1,\"time\":\"2026-01-02T03:04:05Z\"}",
        "{\"schema\":1,\"manifest\":\"sha256:" A "\",\"recipe\":\"sha256:" B
        "\",\"size\":1,\"time\":\"2026-01-02T03:04:05Z\",\"by\":\"" A A "\"}",
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_remote_ref ref;
        int rc = mlo_remote_ref_parse(bad[i], strlen(bad[i]), &ref, &err);
        check(rc < 0, "case %zu", i);
    }
}

static void the_map_keeps_what_was_there_first(void)
{
    struct mlo_digest_map m = {0};
    struct mlo_err err = MLO_ERR_INIT;
    size_t got = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct mlo_digest d = {0};
        d.b[0] = (uint8_t)(i & 7); /* collide on purpose */
        d.b[30] = (uint8_t)i;
        d.b[31] = (uint8_t)(i >> 8);
        check_ok(mlo_digest_map_add(&m, &d, i, &got, &err), &err);
        check_int(got, i);
        check_ok(mlo_digest_map_add(&m, &d, 5000, &got, &err), &err);
        check_int(got, i);
    }
    struct mlo_digest none = {{9}};
    check(!mlo_digest_map_get(&m, &none, &got), "not there");
    mlo_digest_map_release(&m);
    check(!mlo_digest_map_get(&m, &none, &got), "empty map");
}

int main(void)
{
    run(a_recipe_is_read_and_written_alike);
    run(what_is_not_a_recipe_is_refused);
    run(a_newer_schema_is_said);
    run(every_cut_of_a_recipe_is_refused);
    run(memory_failure_is_an_ordinary_error);
    run(a_ref_is_read_and_written_alike);
    run(a_registrys_ref_has_a_manifest_alone);
    run(what_is_not_a_ref_is_refused);
    run(the_map_keeps_what_was_there_first);
    return done_testing();
}
