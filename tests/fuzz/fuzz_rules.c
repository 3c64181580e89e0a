/*
 * A file of rules out of any bytes: read, and what was read checked against a small table. Whatever is
 * accepted has words, lines and columns; a check of it ends with a verdict for every rule.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/validate.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *table(void)
{
    static char path[64];
    static const char text[] = "x,y,t\n1,a,2026-01-01\n2,bb,2026-01-02\n,a,\nq,,2026-01-01\n";
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/fuzz-rules-%ld.csv", (long)getpid());
        FILE *f = fopen(path, "w");
        if (!f || fwrite(text, 1, sizeof text - 1, f) != sizeof text - 1 || fclose(f) != 0)
            __builtin_trap();
    }
    return path;
}

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

__attribute__((destructor)) static void clean(void)
{
    unlink(table());
}

static void check(const struct mlo_rules *r)
{
    const char *path = table();
    struct mlo_validate_opts o = {.now_ns = 1, .threads = 1, .keys_max = 64};
    struct mlo_validation *v = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    must(mlo_validate(&path, 1, r, &o, &v, &err) == 0);
    must(*v->sentence && v->rows == 4);
    for (size_t i = 0; i < v->n_rules; i++) {
        const struct mlo_rule_result *x = &v->rules[i];
        must(*x->rule && x->wants && x->failed <= x->checked && x->n_examples <= MLO_VALIDATE_EXAMPLES_MAX);
        for (size_t k = 0; k < x->n_examples; k++)
            must(x->examples[k].value && x->examples[k].line >= 2 && x->examples[k].line <= 5);
    }
    mlo_validation_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_rules *r = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    int rc = mlo_rules_read("f.yaml", (const char *)data, n, &r, &err);
    must(rc == 0 || (*err.msg && (rc == MLO_EUSAGE || rc == MLO_EINVALID || rc == MLO_ENOTFOUND)));
    if (rc == 0) /* a path of the input is not followed */
        if (!memmem(data, n, "overlap", 7))
            check(r);
    mlo_rules_free(r);
    return 0;
}
