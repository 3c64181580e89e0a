/*
 * mlopsctl doctor: what this machine, its settings and its state are like, and what to do about each finding.
 * It changes nothing, and what it cannot look at is a finding, not a failure of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/device.h>
#include <mlopsctl/host.h>

#include "cmd/shared/network.h"
#include "cmd/shared/remotes.h"
#include "table.h"
#include "cmd/shared/workspace.h"

#define FREE_WARN (UINT64_C(2) << 30) /* less room than this is worth a word */
#define FREE_FAIL (UINT64_C(64) << 20)
#define SQLITE_FIXED                                                                                         \
    3052000 /* the first version without the WAL-reset bug, as sqlite3_libversion_number counts */
#define TEXT_MAX 1024

enum status { OK, NOTE, WARN, FAIL };
static const char *const status_names[] = {"ok", "note", "warn", "fail"};

struct findings {
    struct mlo_ctx *ctx;
    unsigned count[FAIL + 1];
    struct mlo_str advice; /* of the text report: lines below the table, which would be too wide with them */
};

static void find(struct findings *f, const char *check, enum status status, const char *advice,
                 const char *fmt, ...) MLO_PRINTF(5, 6);
static void find(struct findings *f, const char *check, enum status status, const char *advice,
                 const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    f->count[status]++;
    mlo_cell_text(f->ctx->report, check);
    mlo_cell_text(f->ctx->report, status_names[status]);
    mlo_cell_text(f->ctx->report, text);
    if (f->ctx->json)
        mlo_cell_text(f->ctx->report, status == OK ? NULL : advice);
    else if (status != OK)
        mlo_str_addf(&f->advice, "\n  %s: %s", check, advice);
}

static void find_err(struct findings *f, const char *check, const struct mlo_err *e, const char *advice)
{
    find(f, check, FAIL, *e->hint ? e->hint : advice, "%s", e->msg);
}

/* ---- state ---- */

struct tally {
    uint64_t n, bytes;
};

static int count_blob(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err)
{
    struct tally *t = ctx;
    (void)d, (void)err;
    t->n++;
    t->bytes += size;
    return 0;
}

static void check_ledger(struct findings *f, const struct mlo_workspace *ws)
{
    struct mlo_ledger_head head;
    struct mlo_err err = MLO_ERR_INIT;
    if (!ws->ledger)
        find(f, "ledger", OK, NULL, "none yet: the first command that changes something makes it");
    else if (mlo_ledger_head(ws->ledger, &head, &err) < 0)
        find_err(f, "ledger", &err, "restore a backup: mlopsctl ledger restore FILE");
    else
        find(f, "ledger", OK, NULL, "%lld runs; `mlopsctl ledger verify` checks every row",
             (long long)head.seq);
}

static void check_store(struct findings *f, const struct mlo_workspace *ws)
{
    struct tally t = {0};
    struct mlo_err err = MLO_ERR_INIT;
    char size[MLO_HUMAN_MAX];
    if (!ws->store)
        find(f, "store", OK, NULL, "none yet: the first pack makes it");
    else if (mlo_store_each(ws->store, count_blob, &t, &err) < 0)
        find_err(f, "store", &err, "look at the folder's owner and permissions");
    else
        find(f, "store", OK, NULL, "%llu blobs, %s; `mlopsctl verify --all` reads them",
             (unsigned long long)t.n, mlo_human_size(t.bytes, size));
}

static void check_home(struct findings *f, const char *home)
{
    struct stat st;
    if (stat(home, &st) != 0) {
        if (errno == ENOENT)
            find(f, "home", OK, NULL, "%s, not made yet", home);
        else
            find(f, "home", FAIL, "name another folder with --home", "%s: %s", home, strerror(errno));
    } else if (!S_ISDIR(st.st_mode)) {
        find(f, "home", FAIL, "name another folder with --home", "%s is not a folder", home);
    } else if (access(home, R_OK | W_OK | X_OK) != 0) {
        find(f, "home", FAIL, "give it back to yourself, or name another folder with --home", "%s: %s", home,
             strerror(errno));
    } else if (st.st_mode & 077) {
        find(f, "home", WARN, "chmod go-rwx on it: packed models may be confidential",
             "%s can be entered by others", home);
    } else {
        find(f, "home", OK, NULL, "%s", home);
    }
}

static void check_room(struct findings *f, const struct mlo_host_fs *fs)
{
    char room[MLO_HUMAN_MAX], total[MLO_HUMAN_MAX];
    enum status status = fs->free_bytes < FREE_FAIL ? FAIL : fs->free_bytes < FREE_WARN ? WARN : OK;
    find(f, "free space", status, "free some, or see what `mlopsctl gc --dry-run` would remove", "%s of %s",
         mlo_human_size(fs->free_bytes, room), mlo_human_size(fs->total_bytes, total));
}

/* The file system of home, or of the nearest folder above it that exists. */
static void check_fs(struct findings *f, const char *home)
{
    struct mlo_host_fs fs;
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *folder = strdup(home);
    while (folder && access(folder, F_OK) != 0 && strrchr(folder, '/') > folder)
        *strrchr(folder, '/') = '\0';
    if (!folder || mlo_host_fs(access(folder, F_OK) == 0 ? folder : "/", &fs, &err) < 0) {
        find(f, "file system", WARN, "look at its mount", "%s", *err.msg ? err.msg : "out of memory");
        return;
    }
    if (fs.network)
        find(f, "file system", WARN,
             "keep .mlops on a local disk and push to the network: locks and SQLite are not safe there",
             "%s, a network file system", fs.type);
    else if (fs.reflink)
        find(f, "file system", OK, NULL, "%s, copies share their blocks", fs.type);
    else
        find(f, "file system", NOTE, "none needed; on xfs or btrfs, unpack and pack would share blocks",
             "%s, every copy takes its own room", fs.type);
    check_room(f, &fs);
}

static void check_state(struct findings *f)
{
    struct mlo_workspace ws;
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *home = NULL;
    if (mlo_home_find(f->ctx, &home, &err) < 0) {
        find_err(f, "home", &err, "name a folder with --home");
        return;
    }
    check_home(f, home);
    check_fs(f, home);
    if (mlo_workspace_read(f->ctx, &ws, &err) < 0) {
        find_err(f, "state", &err, "restore a backup of the ledger, or name another folder with --home");
        return;
    }
    check_ledger(f, &ws);
    check_store(f, &ws);
    mlo_workspace_close(&ws);
}

static void check_settings(struct findings *f)
{
    const struct mlo_config *c = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    if (mlo_ctx_config(f->ctx, &c, &err) < 0)
        find_err(f, "settings", &err, "mend that line; see mlops.yaml(5)");
    else
        find(f, "settings", OK, NULL, "read; `mlopsctl config --show-origin` lists them");
}

/* ---- machine ---- */

static void check_cpu(struct findings *f)
{
    struct mlo_host_cpu cpu;
    mlo_host_cpu(&cpu);
    find(f, "processor", OK, NULL, "%u usable, %s", cpu.cpus, *cpu.model ? cpu.model : "model unknown");
    if (cpu.sha_ni)
        find(f, "processor features", OK, NULL, "%s", cpu.features);
    else
        find(f, "processor features", NOTE,
             "none needed; hashing, and so packing, takes several times as long",
             "no SHA-256 instructions; %s", *cpu.features ? cpu.features : "none known");
}

static void check_clock(struct findings *f)
{
    struct mlo_host_clock clock;
    char now[MLO_RFC3339_MAX];
    mlo_host_clock(&clock);
    mlo_time_rfc3339(mlo_time_now(), now);
    if (!clock.plausible)
        find(f, "clock", FAIL, "set it: the ledger records times, and TLS refuses to work",
             "%s, before this program was written", now);
    else if (clock.known && !clock.synchronised)
        find(f, "clock", NOTE, "run an NTP service, so that times in ledgers can be compared",
             "%s, not kept in step", now);
    else
        find(f, "clock", OK, NULL, "%s", now);
}

static void check_sqlite(struct findings *f, const char *version)
{
    unsigned v[3] = {0};
    if (sscanf(version, "%u.%u.%u", &v[0], &v[1], &v[2]) < 2)
        return;
    if (v[0] * 1000000 + v[1] * 1000 + v[2] < SQLITE_FIXED)
        find(f, "sqlite3", NOTE,
             "none needed here: writers take .mlops/lock; let no other program write to ledger.db",
             "%s has the WAL-reset bug unless its packager took the fix", version);
}

static void check_libraries(struct findings *f)
{
    for (size_t i = 0; i < mlo_n_host_libraries; i++) {
        const struct mlo_host_library *lib = &mlo_host_libraries[i];
        char version[MLO_LIBRARY_VERSION], advice[128];
        snprintf(advice, sizeof advice, "install %s: needed for %s", lib->soname, lib->use);
        if (!mlo_host_library_version(lib, true, version))
            find(f, lib->name, WARN, advice, "%s cannot be opened", lib->soname);
        else if (strcmp(lib->name, "sqlite3") == 0)
            find(f, lib->name, OK, NULL, "%s", version), check_sqlite(f, version);
        else
            find(f, lib->name, OK, NULL, "%s", version);
    }
}

static void check_gpu(struct findings *f)
{
    struct mlo_gpu_driver gpu;
    mlo_gpu_driver(&gpu);
    find(f, "GPU", gpu.works ? OK : NOTE,
         "none needed to pack and move models; to compute on a GPU, install its driver", "%s", gpu.detail);
}

/* ---- surroundings ---- */

/* What was found, or why not: none at all is worth a note, one that cannot be used a warning. */
static void find_key(struct findings *f, const char *check, int rc, const char *origin,
                     const struct mlo_err *e)
{
    if (rc == 0)
        find(f, check, OK, NULL, "%s", origin);
    else
        find(f, check, rc == MLO_ENOTFOUND ? NOTE : WARN, *e->hint ? e->hint : "see mlopsctl-credentials(5)",
             "%s", rc == MLO_ENOTFOUND ? "none" : e->msg);
}

static void check_runpod_keys(struct findings *f, struct mlo_credentials *c)
{
    struct mlo_err err = MLO_ERR_INIT, pair_err = MLO_ERR_INIT;
    struct mlo_s3_key pair = {0};
    const char *key = NULL, *origin = NULL;
    int rc = mlo_credentials_runpod(c, &key, &origin, &err);
    find_key(f, "RunPod credentials", rc, origin, &err);
    int pair_rc = mlo_credentials_runpod_s3(c, &pair, &pair_err);
    if (rc == 0 || pair_rc != MLO_ENOTFOUND) /* of no use to somebody without RunPod */
        find_key(f, "RunPod S3 credentials", pair_rc, pair.origin, &pair_err);
}

static bool is_file_at(struct mlo_ctx *ctx, const char *variable, const char *below)
{
    const char *folder = mlo_env_get(ctx->env, variable);
    char path[MLO_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", folder ? folder : "", below);
    return folder && *folder && n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0;
}

/* Logins are by host: only whether there are any. No program that keeps passwords is run. */
static void check_logins(struct findings *f)
{
    static const char *const places[][2] = {{"DOCKER_CONFIG", "config.json"},
                                            {"HOME", ".docker/config.json"},
                                            {"XDG_RUNTIME_DIR", "containers/auth.json"}};
    const char *auth_file = mlo_env_get(f->ctx->env, "REGISTRY_AUTH_FILE");
    bool there = auth_file && access(auth_file, R_OK) == 0;
    for (size_t i = 0; i < MLO_COUNT(places); i++)
        there |= is_file_at(f->ctx, places[i][0], places[i][1]);
    find(f, "registry credentials", there ? OK : NOTE,
         "needed for private registries only: `docker login` or `skopeo login`", "%s",
         there ? "there" : "none");
}

/* Whether they are there and where; no value is shown, nobody is asked. */
static void check_credentials(struct findings *f)
{
    struct mlo_credentials *c = NULL;
    struct mlo_s3_key pair = {0};
    struct mlo_err err = MLO_ERR_INIT;
    if (mlo_ctx_credentials(f->ctx, &c, &err) < 0) {
        find_err(f, "credentials", &err, "see mlopsctl-credentials(5)");
        return;
    }
    int rc = mlo_credentials_s3(c, NULL, &pair, &err);
    find_key(f, "S3 credentials", rc, pair.origin, &err);
    check_runpod_keys(f, c);
    check_logins(f);
}

/* ---- with --online ---- */

static void check_runpod_online(struct findings *f)
{
    struct mlo_runpod *client = NULL;
    struct mlo_runpod_volumes volumes = {0};
    struct mlo_err err = MLO_ERR_INIT;
    int rc = mlo_ctx_runpod(f->ctx, &client, &err);
    if (rc == MLO_ENOTFOUND)
        return;
    if (rc == 0)
        rc = mlo_runpod_volume_list(client, &volumes, &err);
    if (rc == 0)
        find(f, "RunPod online", OK, NULL, "the API key is taken; %zu volumes", volumes.n);
    else
        find_err(f, "RunPod online", &err, "look at the key and at the network");
    mlo_runpod_volumes_release(&volumes);
}

/* Asks for a name that nobody has: the answer "not there" shows that the remote answers and knows us. */
static int check_remote_online(void *ctx, const char *name, const char *url, struct mlo_err *err)
{
    struct findings *f = ctx;
    struct mlo_ref nobody = {0};
    struct mlo_remote_ref ref;
    struct mlo_remote *r = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str check;
    mlo_str_init(&check, TEXT_MAX);
    mlo_str_addf(&check, "remote %s", name);
    int rc = mlo_ref_parse("mlopsctl-doctor:online", &nobody, err);
    if (rc == 0)
        rc = mlo_str_check(&check, err);
    if (rc != 0)
        return rc;
    rc = mlo_remote_at(f->ctx, url, name, false, NULL, &r, &why);
    bool opened = rc == 0;
    if (opened)
        rc = mlo_remote_ref_get(r, &nobody, &ref, &why);
    if (rc == 0 || (opened && rc == MLO_ENOTFOUND))
        find(f, check.ptr, OK, NULL, "%s answers; `mlopsctl remote check %s` tells more", mlo_remote_url(r),
             name);
    else
        find_err(f, check.ptr, &why, "see mlopsctl-remote(1)");
    mlo_remote_close(r);
    return 0;
}

static void check_online(struct findings *f)
{
    struct mlo_err err = MLO_ERR_INIT;
    check_runpod_online(f);
    if (mlo_remote_names(f->ctx, check_remote_online, f, &err) != 0)
        find_err(f, "remotes", &err, "see mlops.yaml(5)");
}

static void check_place(struct findings *f)
{
    struct mlo_host_place place;
    mlo_host_place(f->ctx->env, &place);
    if (*place.runpod)
        find(f, "RunPod", NOTE, "keep .mlops off the network volume (--home), push to the volume", "%s",
             place.runpod);
    if (*place.kubernetes)
        find(f, "Kubernetes", NOTE, "keep .mlops on a persistent volume, or push before the pod ends",
             "found by %s", place.kubernetes);
    if (*place.container)
        find(f, "container", NOTE, "keep .mlops on a volume: the container's own files go with it",
             "found by %s", place.container);
    if (*place.ci)
        find(f, "CI", NOTE, "push what must stay: the work folder goes with the job", "%s", place.ci);
    if (!*place.runpod && !*place.kubernetes && !*place.container && !*place.ci)
        find(f, "place", OK, NULL, "no container, pod or CI job");
}

struct opts {
    bool online;
};

static const struct mlo_column columns[] = {
    {"check", "CHECK", MLO_CELL_TEXT},
    {"status", "STATUS", MLO_CELL_TEXT},
    {"finding", "FINDING", MLO_CELL_TEXT},
    {"advice", "WHAT TO DO", MLO_CELL_TEXT},
};

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct findings f = {.ctx = ctx};
    mlo_str_init(&f.advice, MLO_STR_MAX);
    mlo_report_table(ctx->report, "checks", NULL, columns, MLO_COUNT(columns) - !ctx->json, NULL);
    check_state(&f);
    check_settings(&f);
    check_cpu(&f);
    check_clock(&f);
    check_libraries(&f);
    check_gpu(&f);
    check_credentials(&f);
    check_place(&f);
    if (o->online)
        check_online(&f);
    int rc = mlo_str_check(&f.advice, err);
    if (f.advice.len)
        mlo_report_note(ctx->report, "what to do:%s\n", f.advice.ptr);
    mlo_report_note(ctx->report, "%u ok, %u to note, %u warnings, %u failures", f.count[OK], f.count[NOTE],
                    f.count[WARN], f.count[FAIL]);
    if (ctx->json)
        mlo_report_bool(ctx->report, "healthy", "healthy", f.count[FAIL] == 0);
    mlo_str_release(&f.advice);
    return rc < 0 ? rc : f.count[FAIL] ? MLO_NO : 0;
}

static const struct mlo_opt opts_table[] = {
    {.name = "online",
     .type = MLO_OPT_FLAG,
     .help = "ask RunPod and every remote of the settings whether they answer and take our keys",
     .offset = offsetof(struct opts, online)},
    {0},
};

static const struct mlo_example examples[] = {
    {"look at everything", "mlopsctl doctor"},
    {"and at everything elsewhere", "mlopsctl doctor --online"},
    {"only what needs attention", "mlopsctl doctor --json | jq '.checks[] | select(.status != \"ok\")'"},
    {0},
};

const struct mlo_command mlo_cmd_doctor = {
    .name = "doctor",
    .group = "start",
    .summary = "check state, settings, machine and surroundings, and say what to do",
    .description =
        "Looks at the ledger and the store, the file system they are on, settings, processor, clock,\n"
        "libraries, GPU driver, credentials (whether they are there, never what they are) and at where\n"
        "it runs. Nothing leaves the machine without --online. Exit status 1 when a check fails; notes and\n"
        "warnings do not count.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .examples = examples,
    .run = run,
};
