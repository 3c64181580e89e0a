/*
 * Both readers of JSON on the same bytes. They may not disagree: what mlo_json_parse accepts, the pull reader
 * walks to the end; what the pull reader refuses, mlo_json_parse refuses. A document that is accepted prints,
 * and what is printed is accepted and prints the same.
 */
#include <stdint.h>
#include <string.h>

#include <mlopsctl/base/json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define INPUT_MAX ((size_t)1 << 20)

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

/* Every token, also asked for what its kind offers. */
static int walk(const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_jpull j;
    struct mlo_err ignored = MLO_ERR_INIT;
    enum mlo_jtok tok;
    mlo_jpull_init(&j, text, n);
    do {
        if (mlo_jpull_next(&j, &tok, err))
            return err->code;
        must(j.depth >= 0 && j.depth <= MLO_JSON_DEPTH && j.p <= j.end);
        if (tok == MLO_J_KEY || tok == MLO_J_STRING) {
            MLO_AUTOSTR struct mlo_str plain;
            mlo_str_init(&plain, n);
            if (mlo_jpull_unescape(&j, &plain, &ignored) == 0)
                must(strlen(plain.ptr) == plain.len);
        } else if (tok == MLO_J_NUMBER) {
            uint64_t v;
            if (mlo_jpull_u64(&j, &v, &ignored) == 0)
                must(j.len <= 20 && (j.len == 1 || *j.text != '0'));
        }
    } while (tok != MLO_J_END);
    return 0;
}

static int skip(const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok = MLO_J_NULL;
    mlo_jpull_init(&j, text, n);
    if (mlo_jpull_skip(&j, err) || mlo_jpull_next(&j, &tok, err))
        return err->code;
    must(tok == MLO_J_END);
    return 0;
}

static void print_twice(const cJSON *doc)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *first = NULL;
    MLO_AUTOFREE char *second = NULL;
    MLO_AUTOJSON cJSON *again = NULL;
    size_t n;
    must(mlo_json_print(doc, &first, &n, &err) == 0);
    must(mlo_json_parse(first, n, n, &again, &err) == 0);
    must(mlo_json_print(again, &second, NULL, &err) == 0);
    must(strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    const char *text = (const char *)data;
    int walked = walk(text, n, &err), skipped = skip(text, n, &err);
    int parsed = mlo_json_parse(text, n, INPUT_MAX, &doc, &err);
    must((walked == 0) == (skipped == 0));
    must(parsed == 0 || parsed == MLO_EINVALID);
    must(parsed != 0 || walked == 0);
    must((parsed == 0) == (doc != NULL));
    if (doc)
        print_twice(doc);
    return 0;
}
