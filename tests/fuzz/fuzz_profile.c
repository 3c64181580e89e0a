/* The profile file on any bytes: what is accepted is written and read back as the same, compared with itself
 * and with itself twice over, and shown in every form. */
#include <stdint.h>
#include <string.h>

#include <mlopsctl/drift.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void write_profile(const struct mlo_profile *p, struct mlo_str *out)
{
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(out, MLO_STR_MAX);
    must(mlo_profile_write(p, out, &err) == 0);
}

static void show(const struct mlo_drift_report *r)
{
    int (*const forms[])(const struct mlo_drift_report *, struct mlo_str *, struct mlo_err *) = {
        mlo_drift_html, mlo_drift_junit, mlo_drift_prometheus, mlo_drift_github};
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < MLO_COUNT(forms); i++) {
        struct mlo_str text;
        mlo_str_init(&text, MLO_STR_MAX);
        must(forms[i](r, &text, &err) == 0);
        mlo_str_release(&text);
    }
}

static void compare(const struct mlo_profile *a, const struct mlo_profile *b)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_drift_opts opts = {.threads = 1};
    struct mlo_drift_report *r = NULL;
    must(mlo_drift_compare(a, b, &opts, &r, &err) == 0);
    must(*r->sentence && r->share_drifted >= 0 && r->share_drifted <= 1);
    show(r);
    mlo_drift_report_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_profile *p = NULL, *again = NULL;
    int rc = mlo_profile_read((const char *)data, n, &p, &err);
    must(rc == 0 || (rc == err.code && err.msg[0]));
    if (rc != 0)
        return 0;
    struct mlo_str first, second;
    write_profile(p, &first);
    must(mlo_profile_read(first.ptr, first.len, &again, &err) == 0);
    write_profile(again, &second);
    must(strcmp(first.ptr, second.ptr) == 0);
    compare(p, again);
    if (mlo_profile_merge(again, p, &err) == 0)
        compare(p, again);
    else
        must(err.msg[0]);
    mlo_str_release(&first);
    mlo_str_release(&second);
    mlo_profile_free(p);
    mlo_profile_free(again);
    return 0;
}
