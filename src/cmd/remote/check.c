/*
 * mlopsctl remote check: can this remote be used, and is all there that its names lead to? Whether it can be
 * written to, and how fast it is, is found out with one object of its own, which is taken away again; of a
 * registry, with an upload that is begun and cancelled.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "cmd/shared/network.h"
#include "remote.h"
#include "cmd/shared/remotes.h"

#define PROBE_SIZE     ((size_t)8 << 20)
#define CLOCK_CLOSE_NS (2 * MLO_NS_PER_S) /* a Date header says whole seconds */

struct opts {
    bool deep, read_only;
};

static const struct mlo_opt table[] = {
    {.name = "deep",
     .type = MLO_OPT_FLAG,
     .help = "read and hash every chunk, not sizes alone",
     .offset = offsetof(struct opts, deep)},
    {.name = "read-only",
     .type = MLO_OPT_FLAG,
     .help = "write nothing: neither whether it can be written to nor its speed is looked at",
     .offset = offsetof(struct opts, read_only)},
    {0},
};

/* ---- who we are there ---- */

static bool is_a(const char *url, const char *scheme)
{
    return strncmp(url, scheme, strlen(scheme)) == 0;
}

static int say_registry(struct mlo_ctx *ctx, struct mlo_credentials *c, const char *url, struct mlo_err *err)
{
    struct mlo_login login = {0};
    const char *host = url + strlen("oci://");
    MLO_AUTOFREE char *name = mlo_memdup0(host, strcspn(host, "/"), err);
    int rc = name ? mlo_credentials_registry(c, name, &login, err) : MLO_EIO;
    if (rc == 0)
        mlo_report_text(ctx->report, "credentials", "credentials",
                        login.origin ? login.origin : "none: anonymous");
    return rc;
}

/* Where the keys come from that this kind needs; never what they are. */
static int say_credentials(struct mlo_ctx *ctx, const char *url, const struct mlo_remote_opts *o,
                           struct mlo_err *err)
{
    struct mlo_s3_key pair = {0};
    const char *key = NULL, *origin = NULL;
    int rc = 0;
    if (is_a(url, "oci://"))
        return say_registry(ctx, o->credentials, url, err);
    if (is_a(url, "s3://"))
        rc = mlo_credentials_s3(o->credentials, o->s3.profile, &pair, err);
    else if (is_a(url, "runpod://"))
        rc = mlo_credentials_runpod_s3(o->credentials, &pair, err);
    if (rc == 0 && pair.origin)
        mlo_report_text(ctx->report, "credentials", "credentials", pair.origin);
    if (rc == 0 && is_a(url, "runpod://")) {
        rc = mlo_credentials_runpod(o->credentials, &key, &origin, err);
        mlo_report_text(ctx->report, "api_credentials", "API credentials", origin);
    }
    return rc;
}

/* ---- one object there and back ---- */

struct probe {
    struct mlo_transport t;
    void *self;
    char key[32];
    char *bytes; /* PROBE_SIZE of them, which no compression on the way makes smaller */
    struct mlo_digest digest;
    struct mlo_sha256 hash; /* of what came back */
    int64_t put_ns, get_ns;
};

static int probe_read(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    const struct probe *p = ctx;
    size_t left = PROBE_SIZE - (size_t)offset;
    (void)err;
    *ret_n = cap < left ? cap : left;
    memcpy(buf, p->bytes + offset, *ret_n);
    return 0;
}

static int probe_sink(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    struct probe *p = ctx;
    return mlo_sha256_update(&p->hash, bytes, n, err);
}

static int random_bytes(char *out, size_t n, struct mlo_err *err)
{
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);
        if (got < 0 && errno != EINTR)
            return mlo_fail_errno(err, "random bytes");
        out += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static int probe_begin(struct probe *p, struct mlo_err *err)
{
    unsigned char name[8];
    p->bytes = mlo_calloc(1, PROBE_SIZE, err);
    int rc = p->bytes ? random_bytes(p->bytes, PROBE_SIZE, err) : MLO_EIO;
    if (rc == 0)
        rc = mlo_sha256(p->bytes, PROBE_SIZE, &p->digest, err);
    memcpy(name, p->digest.b, sizeof name);
    snprintf(p->key, sizeof p->key, "probe-");
    for (size_t i = 0; i < sizeof name; i++)
        snprintf(p->key + 6 + 2 * i, 3, "%02x", name[i]);
    return rc;
}

/* What came back must be what went there. */
static int probe_get(struct probe *p, struct mlo_err *err)
{
    struct mlo_digest got;
    int rc = mlo_sha256_new(&p->hash, err);
    if (rc != 0)
        return rc;
    int64_t start = mlo_time_mono();
    rc = p->t.get(p->self, p->key, 0, PROBE_SIZE, PROBE_SIZE, probe_sink, p, err);
    p->get_ns = mlo_time_mono() - start;
    if (rc == 0)
        rc = mlo_sha256_end(&p->hash, &got, err);
    mlo_sha256_free(&p->hash);
    if (rc == 0 && !mlo_digest_eq(&got, &p->digest))
        rc = mlo_fail(err, MLO_EINVALID, "an object came back with other bytes than were sent");
    return rc;
}

static int probe_stat(struct probe *p, struct mlo_err *err)
{
    uint64_t size = 0;
    int rc = p->t.stat(p->self, p->key, &size, err);
    if (rc == MLO_ENOTFOUND || (rc == 0 && size != PROBE_SIZE))
        rc = mlo_fail(err, MLO_EREMOTE, "it said that an object was stored, but it is not there whole");
    return rc;
}

/* *ret_writable false with the reason in err, which is no failure then. */
static int probe_run(struct probe *p, bool *ret_writable, struct mlo_err *err)
{
    struct mlo_body body = {.size = PROBE_SIZE, .digest = p->digest, .read = probe_read, .ctx = p};
    struct mlo_err late = MLO_ERR_INIT;
    int64_t start = mlo_time_mono();
    int rc = p->t.put(p->self, p->key, &body, err);
    p->put_ns = mlo_time_mono() - start;
    *ret_writable = rc == 0;
    if (rc == 0)
        rc = probe_stat(p, err);
    if (rc == 0)
        rc = probe_get(p, err);
    int removed = p->t.remove(p->self, p->key, &late);
    if (rc == 0 && removed != 0) {
        *err = late;
        rc = mlo_wrap(err, "'%s' is left there: it cannot be removed", p->key);
    }
    return *ret_writable || mlo_interrupted() ? rc : 0;
}

static uint64_t per_second(int64_t ns)
{
    return (uint64_t)((double)PROBE_SIZE / ((double)(ns > 0 ? ns : 1) / (double)MLO_NS_PER_S));
}

static void say_rate(struct mlo_report *r, bool json, const char *key, const char *title, int64_t ns)
{
    char size[MLO_HUMAN_MAX], text[MLO_HUMAN_MAX + 4];
    if (json) {
        mlo_report_u64(r, key, title, per_second(ns));
        return;
    }
    snprintf(text, sizeof text, "%s/s", mlo_human_size(per_second(ns), size));
    mlo_report_text(r, key, title, text);
}

static void say_writable(struct mlo_ctx *ctx, bool writable, const struct mlo_err *why)
{
    mlo_report_bool(ctx->report, "writable", "writable", writable);
    if (!writable)
        mlo_report_text(ctx->report, "write_error", "because", why->msg);
}

static int say_probe(struct mlo_ctx *ctx, struct probe *p, struct mlo_err *err)
{
    struct mlo_err why = MLO_ERR_INIT;
    bool writable = false;
    int rc = probe_begin(p, err);
    if (rc == 0)
        rc = probe_run(p, &writable, &why);
    if (rc != 0) {
        if (why.code)
            *err = why;
        return rc;
    }
    say_writable(ctx, writable, &why);
    if (writable) {
        say_rate(ctx->report, ctx->json, "upload_bytes_per_second", "up", p->put_ns);
        say_rate(ctx->report, ctx->json, "download_bytes_per_second", "down", p->get_ns);
    }
    return 0;
}

static int say_upload(struct mlo_ctx *ctx, struct mlo_remote *r, struct mlo_err *err)
{
    struct mlo_err why = MLO_ERR_INIT;
    int rc = mlo_remote_try_write(r, &why);
    if (rc != 0 && mlo_interrupted()) {
        *err = why;
        return rc;
    }
    say_writable(ctx, rc == 0, &why);
    return 0;
}

/* ---- what the place says of itself ---- */

static void say_clock(struct mlo_ctx *ctx, const struct probe *p)
{
    int64_t ahead = p->t.clock_ahead ? p->t.clock_ahead(p->self) : 0, off = ahead < 0 ? -ahead : ahead;
    char duration[MLO_HUMAN_MAX], text[MLO_HUMAN_MAX + 16] = "as ours";
    if (ahead == 0)
        return;
    if (ctx->json) {
        mlo_report_double(ctx->report, "clock_ahead_seconds", "clock", (double)ahead / (double)MLO_NS_PER_S);
        return;
    }
    if (off > CLOCK_CLOSE_NS)
        snprintf(text, sizeof text, "%s %s ours", mlo_human_duration((uint64_t)off, duration),
                 ahead < 0 ? "behind" : "ahead of");
    mlo_report_text(ctx->report, "clock_ahead_seconds", "its clock", text);
}

static int say_place(struct mlo_ctx *ctx, const char *url, struct mlo_remote_opts *o, bool read_only,
                     struct mlo_err *err)
{
    struct probe p = {0};
    MLO_AUTOFREE char *address = NULL;
    int rc = mlo_transport_open(url, o, &p.t, &p.self, &address, err);
    if (rc != 0)
        return rc;
    if (p.t.capacity)
        mlo_report_size(ctx->report, "capacity", "capacity", p.t.capacity);
    if (!read_only)
        rc = say_probe(ctx, &p, err);
    if (rc == 0)
        say_clock(ctx, &p);
    p.t.close(p.self);
    free(p.bytes);
    return rc;
}

/* ---- faults ---- */

static const struct mlo_column columns[] = {
    {"name", "NAME", MLO_CELL_TEXT},
    {"tag", "TAG", MLO_CELL_TEXT},
    {"fault", "FAULT", MLO_CELL_TEXT},
    {"key", "OBJECT", MLO_CELL_TEXT},
};

static int fault_row(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err)
{
    struct mlo_report *r = ctx;
    (void)err;
    mlo_cell_text(r, f->name);
    mlo_cell_text(r, f->tag);
    mlo_cell_text(r, f->what);
    mlo_cell_text(r, f->key);
    return 0;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct mlo_remote *r = NULL;
    struct mlo_remote_opts how = {0};
    MLO_AUTOFREE char *url = NULL, *name = NULL;
    uint64_t refs = 0;
    const char *word = ctx->n_args ? ctx->args[0] : NULL;
    int rc = mlo_remote_find(ctx, word, &url, &name, err);
    if (rc == 0)
        rc = mlo_ctx_remote_opts(ctx, url, name, &how, err);
    if (rc == 0)
        rc = mlo_remote_choose(ctx, word, false, NULL, &r, err);
    if (rc != 0)
        return rc;
    mlo_report_text(ctx->report, "remote", "remote", mlo_remote_url(r));
    rc = say_credentials(ctx, url, &how, err);
    url[is_a(url, "s3://") ? strcspn(url, "?") : strlen(url)] = '\0';
    if (rc == 0 && !is_a(url, "oci://"))
        rc = say_place(ctx, url, &how, o->read_only, err);
    else if (rc == 0 && !o->read_only)
        rc = say_upload(ctx, r, err);
    if (rc == 0) {
        mlo_report_table(ctx->report, "faults", NULL, columns, MLO_COUNT(columns), "no faults");
        rc = mlo_remote_check(r, o->deep, fault_row, ctx->report, &refs, err);
    }
    mlo_remote_close(r);
    return rc;
}

static const struct mlo_example examples[] = {
    {"Can it be used, and is all there that the names lead to?", "mlopsctl remote check ./models"},
    {"And is it undamaged?", "mlopsctl remote check --deep ./models"},
    {"Without writing anything", "mlopsctl remote check --read-only ./models"},
    {0},
};

const struct mlo_command mlo_cmd_remote_check = {
    .name = "check",
    .summary = "look whether a remote can be used and all is there that its names lead to",
    .synopsis = "[REMOTE]",
    .description =
        "Says where the keys for REMOTE were found, how far its clock is off and how much it can hold, as\n"
        "far as its kind tells; puts an object of 8 MiB there, fetches it, compares it and removes it (in a\n"
        "registry: begins an upload and cancels it); then follows every name to its manifest, recipe and\n"
        "packs. Exit 1 when something is missing or damaged; `mlopsctl push --check` sends again what is\n"
        "missing.",
    .opts = table,
    .opts_size = sizeof(struct opts),
    .args = {.max = 1, .complete = MLO_OPTF_FOLDER},
    .examples = examples,
    .run = run,
};
