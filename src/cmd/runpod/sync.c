/*
 * mlopsctl runpod sync: brings the files below a path on a network volume here, when the pod that wrote them
 * may be long gone.
 *
 * A file is fetched beside its place (.mlopsctl-sync), goes on after a cut where it stopped, and gets its
 * name when it is whole. What is here already and is the same there stays; what is here and is another is
 * never overwritten without --force. Nothing is written outside the folder: names from there are checked,
 * links are not followed. The S3 service gives no digest that could be trusted, so "the same" means: the same
 * size, and the same bytes at eight places.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/thread.h>

#include "pod_record.h"
#include "runpod.h"
#include "cmd/undo/undo.h"
#include "cmd/shared/workspace.h"

#define PARTS_FOLDER ".mlopsctl-sync"
#define FILES_MAX    ((size_t)1000000)
#define SAMPLES      8
#define SAMPLE       ((uint64_t)16 << 10)
#define OVERLAP                                                                                              \
    ((uint64_t)1 << 20) /* of what a cut fetch left is read again, to see that it is the same file */
#define BATCH 8

struct opts {
    bool force, dry_run;
};

static const struct mlo_opt opts_table[] = {
    {.name = "force",
     .letter = 'f',
     .type = MLO_OPT_FLAG,
     .help = "overwrite files here that differ; this cannot be undone",
     .offset = offsetof(struct opts, force)},
    {.name = "dry-run",
     .letter = 'n',
     .type = MLO_OPT_FLAG,
     .help = "say what would be fetched, fetch nothing",
     .offset = offsetof(struct opts, dry_run)},
    {0},
};

struct file {
    char *key;  /* on the volume */
    char *path; /* below the folder */
    uint64_t size;
    enum { FILE_NEW, FILE_SAME, FILE_DIFFERS } state;
    struct mlo_digest digest; /* of what was fetched */
};
struct sync {
    struct mlo_ctx *ctx;
    const struct opts *o;
    struct mlo_workspace ws;
    char *volume, *prefix; /* id; folder or file on it, "" for all */
    struct mlo_transport t;
    void *self; /* the transport's; NULL before it is open */
    char *address;
    char *folder; /* absolute */
    int dirfd;    /* of it; -1: not there yet */
    int parts_fd;
    struct file *files;
    size_t n, cap;
    size_t batch; /* the first of those that are being fetched */
    uint64_t bytes, fetched;
    struct mlo_progress *progress;
};

/* ---- what is meant ---- */

/* "/workspace/out" in a pod that mounts the volume at /workspace is "out". */
static int path_on_volume(const struct mlo_runpod_pod *pod, const char *path, const char **ret,
                          struct mlo_err *err)
{
    size_t n = pod->volume_path ? strlen(pod->volume_path) : 0;
    while (n > 0 && pod->volume_path[n - 1] == '/')
        n--;
    if (path[0] != '/') {
        *ret = path;
        return 0;
    }
    if (n == 0 || strncmp(path, pod->volume_path, n) != 0 || (path[n] != '/' && path[n])) {
        mlo_fail(err, MLO_EUSAGE, "'%s' is not on the volume, which is mounted at %s", path,
                 pod->volume_path ? pod->volume_path : "?");
        return mlo_hint(
            err, "what is on a pod's own disk can be copied with ssh alone: `mlopsctl runpod pod exec`");
    }
    *ret = path + n;
    return 0;
}

static int no_volume(const struct mlo_runpod_pod *pod, struct mlo_err *err)
{
    mlo_fail(err, MLO_EUNAVAIL, "pod '%s' has no network volume", pod->id);
    return mlo_hint(
        err, "what is on its own disk can be copied with ssh alone: `mlopsctl runpod pod exec %s`", pod->id);
}

static int of_pod(struct sync *s, struct mlo_runpod *c, const char **path, struct mlo_err *err)
{
    struct mlo_runpod_pod pod = {0};
    int rc = mlo_pod_find(c, s->ctx->args[0], &pod, err);
    if (rc == 0 && !pod.volume)
        rc = no_volume(&pod, err);
    if (rc == 0)
        rc = path_on_volume(&pod, *path, path, err);
    if (rc == 0)
        s->volume = mlo_steal(&pod.volume);
    mlo_runpod_pod_release(&pod);
    return rc;
}

static int nothing_called(const char *word, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    mlo_fail(err, MLO_ENOTFOUND, "there is no volume and no pod '%s'", mlo_shown(word, strlen(word), shown));
    return mlo_hint(
        err, "a pod that is gone is known no more: name its volume; `mlopsctl runpod volume ls` lists them");
}

static int resolve(struct sync *s, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_volume v = {0};
    const char *path = s->ctx->args[1];
    int rc = mlo_ctx_runpod(s->ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_volume_find(c, s->ctx->args[0], &v, err);
    if (rc == 0) {
        s->volume = mlo_steal(&v.id);
    } else if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        rc = of_pod(s, c, &path, err);
        if (rc == MLO_ENOTFOUND)
            rc = nothing_called(s->ctx->args[0], err);
    }
    mlo_runpod_volume_release(&v);
    if (rc != 0)
        return rc;
    path += strspn(path, "/");
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    s->prefix = mlo_memdup0(path, strcmp(path, ".") == 0 ? 0 : n, err);
    if (!s->prefix)
        return MLO_EIO;
    return *s->prefix && mlo_path_check(s->prefix, strlen(s->prefix), err) ? (err->code = MLO_EUSAGE) : 0;
}

static int open_volume(struct sync *s, struct mlo_err *err)
{
    struct mlo_remote_opts opts = {0};
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_STR_MAX);
    mlo_str_addf(&url, "runpod://%s", s->volume);
    int rc = mlo_str_check(&url, err);
    if (rc == 0)
        rc = mlo_ctx_remote_opts(s->ctx, url.ptr, NULL, &opts, err);
    if (rc == 0)
        rc = mlo_transport_open(url.ptr, &opts, &s->t, &s->self, &s->address, err);
    return rc;
}

/* ---- what is there ---- */

static int add_file(void *ctx, const char *key, uint64_t size, struct mlo_err *err)
{
    struct sync *s = ctx;
    size_t n = strlen(s->prefix);
    const char *path = n && strncmp(key, s->prefix, n) == 0 && key[n] == '/' ? key + n + 1 : n ? NULL : key;
    char shown[MLO_SHOWN];
    if (!path || !*path || key[strlen(key) - 1] == '/' ||
        strncmp(path, PARTS_FOLDER "/", sizeof PARTS_FOLDER) == 0)
        return 0;
    if (mlo_path_check(path, strlen(path), err))
        return mlo_wrap(err, "on the volume: '%s'", mlo_shown(key, strlen(key), shown));
    if (s->n == FILES_MAX)
        return mlo_fail(err, MLO_EINVALID, "more than %zu files below '%s'", FILES_MAX, s->prefix);
    if (mlo_grow(&s->files, &s->cap, s->n + 1, sizeof *s->files, err))
        return err->code;
    struct file f = {.key = mlo_strdup(key, err), .path = mlo_strdup(path, err), .size = size};
    s->files[s->n++] = f;
    s->bytes += size;
    return f.key && f.path ? 0 : MLO_EIO;
}

static int by_path(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

/* PATH is a folder, or one file. */
static int list_files(struct sync *s, struct mlo_err *err)
{
    uint64_t size = 0;
    int rc = s->t.list(s->self, s->prefix, add_file, s, err);
    if ((rc == 0 || rc == MLO_ENOTFOUND) && s->n == 0 && *s->prefix) {
        *err = MLO_ERR_INIT;
        rc = s->t.stat(s->self, s->prefix, &size, err);
        const char *name = strrchr(s->prefix, '/');
        name = name ? name + 1 : s->prefix;
        if (rc == 0 && mlo_grow(&s->files, &s->cap, 1, sizeof *s->files, err) == 0) {
            s->files[s->n++] = (struct file){
                .key = mlo_strdup(s->prefix, err), .path = mlo_strdup(name, err), .size = size};
            s->bytes = size;
            rc = s->files[0].key && s->files[0].path ? 0 : MLO_EIO;
        }
        if (rc == MLO_ENOTFOUND)
            mlo_fail(err, MLO_ENOTFOUND, "nothing is at '%s' on volume %s", s->prefix, s->volume);
    }
    if (rc == 0 && s->n)
        qsort(s->files, s->n, sizeof *s->files, by_path);
    return rc;
}

/* ---- what is here ---- */

struct sink {
    char *buf;
    size_t n, cap;
};

static int take(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct sink *k = ctx;
    if (n > k->cap - k->n)
        return mlo_fail(err, MLO_EINVALID, "more bytes than were asked for");
    memcpy(k->buf + k->n, p, n);
    k->n += n;
    return 0;
}

/* Are these bytes of the file behind fd the ones of the object? */
static int same_at(struct sync *s, const char *key, int fd, uint64_t offset, uint64_t length, bool *ret,
                   struct mlo_err *err)
{
    MLO_AUTOFREE char *there = mlo_calloc(1, length + 1, err);
    MLO_AUTOFREE char *here = there ? mlo_calloc(1, length + 1, err) : NULL;
    struct sink k = {there, 0, length};
    size_t n = 0;
    if (!here)
        return MLO_EIO;
    int rc = s->t.get(s->self, key, offset, length, length, take, &k, err);
    if (rc == 0)
        rc = mlo_read_at(fd, here, length, offset, &n, err);
    if (rc == 0)
        *ret = n == length && k.n == length && memcmp(here, there, length) == 0;
    return rc;
}

static int looks_same(struct sync *s, const struct file *f, int fd, bool *ret, struct mlo_err *err)
{
    uint64_t step = f->size / SAMPLES;
    *ret = true;
    if (f->size <= SAMPLES * SAMPLE)
        return f->size ? same_at(s, f->key, fd, 0, f->size, ret, err) : 0;
    for (uint64_t i = 0; *ret && i < SAMPLES; i++) {
        uint64_t at = i + 1 == SAMPLES ? f->size - SAMPLE : i * step;
        if (same_at(s, f->key, fd, at, SAMPLE, ret, err))
            return err->code;
    }
    return 0;
}

static int judge_one(void *ctx, size_t i, struct mlo_err *err)
{
    struct sync *s = ctx;
    struct file *f = &s->files[i];
    struct stat st;
    bool same = false;
    MLO_AUTOCLOSE int fd = -1;
    if (s->dirfd < 0)
        return 0;
    int rc = mlo_open_beneath(s->dirfd, f->path, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc != 0)
        return rc;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_ECONFLICT, "'%s/%s' is not a file", s->folder, f->path);
    if ((uint64_t)st.st_size == f->size)
        rc = looks_same(s, f, fd, &same, err);
    f->state = same ? FILE_SAME : FILE_DIFFERS;
    return rc;
}

static int refuse_overwriting(const struct sync *s, struct mlo_err *err)
{
    size_t n = 0;
    const char *first = NULL;
    for (size_t i = 0; i < s->n; i++)
        if (s->files[i].state == FILE_DIFFERS && n++ == 0)
            first = s->files[i].path;
    if (n == 0 || s->o->force)
        return 0;
    mlo_fail(err, MLO_ECONFLICT, "%zu file%s in '%s' differ%s from the volume's, the first '%s'", n,
             n == 1 ? "" : "s", s->folder, n == 1 ? "s" : "", first);
    return mlo_hint(err, "--force overwrites, which cannot be undone; another folder keeps both");
}

static int open_folder(struct sync *s, struct mlo_err *err)
{
    char cwd[PATH_MAX];
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    if (!getcwd(cwd, sizeof cwd))
        return mlo_fail_errno(err, "current folder");
    mlo_str_addf(&path, "%s%s%s", s->ctx->args[2][0] == '/' ? "" : cwd, s->ctx->args[2][0] == '/' ? "" : "/",
                 s->ctx->args[2]);
    if (mlo_str_check(&path, err) || (!s->o->dry_run && mlo_mkdirs_at(AT_FDCWD, path.ptr, 0777, err)))
        return err->code;
    s->folder = mlo_str_detach(&path, NULL);
    s->dirfd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0 && !(s->o->dry_run && errno == ENOENT))
        return mlo_fail_errno(err, "'%s'", s->folder);
    return 0;
}

static int plan(struct sync *s, struct mlo_err *err)
{
    int rc = list_files(s, err);
    if (rc == 0)
        rc = open_folder(s, err);
    if (rc == 0)
        rc = mlo_parallel(s->n, s->t.parallel ? s->t.parallel : 1, judge_one, s, err);
    return rc != 0 ? rc : refuse_overwriting(s, err);
}

/* ---- fetching ---- */

struct writing {
    int fd;
    uint64_t at;
};

static int write_piece(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct writing *w = ctx;
    int rc = mlo_write_all_at(w->fd, p, n, w->at, err);
    w->at += n;
    return rc;
}

/* The part's name is made of what is fetched, so another object or size never goes on in it. */
static int part_name(const struct sync *s, const struct file *f, char buf[MLO_DIGEST_HEX + 1],
                     struct mlo_err *err)
{
    struct mlo_digest d;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_addf(&text, "%s\n%s\n%llu", s->volume, f->key, (unsigned long long)f->size);
    int rc = mlo_str_check(&text, err);
    if (rc == 0)
        rc = mlo_sha256(text.ptr, text.len, &d, err);
    if (rc == 0)
        mlo_digest_hex(&d, buf);
    return rc;
}

/* How much of a part that an earlier run left can stay. */
static int resume_at(struct sync *s, const struct file *f, int fd, uint64_t *ret, struct mlo_err *err)
{
    struct stat st;
    bool same = false;
    *ret = 0;
    if (fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "a part of '%s'", f->path);
    uint64_t have = (uint64_t)st.st_size, back = have < OVERLAP ? have : OVERLAP;
    if (have == 0 || have > f->size)
        return 0;
    int rc = same_at(s, f->key, fd, have - back, back, &same, err);
    if (rc == 0 && same)
        *ret = have;
    return rc;
}

static int fetch(struct sync *s, struct file *f, struct mlo_err *err)
{
    char name[MLO_DIGEST_HEX + 1];
    struct stat st;
    struct writing w = {.fd = -1};
    if (part_name(s, f, name, err))
        return err->code;
    MLO_AUTOCLOSE int fd = openat(s->parts_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return mlo_fail_errno(err, "'%s/%s/%s'", s->folder, PARTS_FOLDER, name);
    int rc = resume_at(s, f, fd, &w.at, err);
    if (rc == 0 && ftruncate(fd, (off_t)w.at) != 0)
        rc = mlo_fail_errno(err, "a part of '%s'", f->path);
    w.fd = fd;
    if (rc == 0 && w.at < f->size)
        rc = s->t.get(s->self, f->key, w.at, f->size - w.at, f->size - w.at, write_piece, &w, err);
    if (rc == 0)
        rc = mlo_fsync(fd, f->path, err);
    if (rc == 0 && (fstat(fd, &st) != 0 || (uint64_t)st.st_size != f->size))
        rc = mlo_fail(err, MLO_EREMOTE, "'%s' has another size than it was listed with", f->key);
    return rc != 0 ? rc : mlo_sha256_fd(fd, &f->digest, err);
}

static int fetch_one(void *ctx, size_t i, struct mlo_err *err)
{
    struct sync *s = ctx;
    struct file *f = &s->files[s->batch + i];
    if (f->state == FILE_SAME)
        return 0;
    int rc = fetch(s, f, err);
    return rc != 0 ? mlo_wrap(err, "'%s'", f->path) : 0;
}

/* ---- its name ---- */

static int make_parents(struct sync *s, const char *path, struct mlo_err *err)
{
    const char *slash = strrchr(path, '/');
    MLO_AUTOFREE char *folder = slash ? mlo_memdup0(path, (size_t)(slash - path), err) : NULL;
    if (!slash)
        return 0;
    return folder ? mlo_mkdirs_at(s->dirfd, folder, 0777, err) : MLO_EIO;
}

static int open_parent(struct sync *s, const char *path, int *ret, const char **ret_name, struct mlo_err *err)
{
    const char *slash = strrchr(path, '/');
    MLO_AUTOFREE char *folder = mlo_memdup0(slash ? path : ".", slash ? (size_t)(slash - path) : 1, err);
    *ret_name = slash ? slash + 1 : path;
    if (!folder)
        return MLO_EIO;
    if (!slash) {
        *ret = fcntl(s->dirfd, F_DUPFD_CLOEXEC, 0);
        return *ret < 0 ? mlo_fail_errno(err, "'%s'", s->folder) : 0;
    }
    return mlo_open_beneath(s->dirfd, folder, O_RDONLY | O_DIRECTORY, 0, ret, err);
}

static int rename_part(struct sync *s, const struct file *f, const char *part, struct mlo_err *err)
{
    const char *name = NULL;
    MLO_AUTOCLOSE int parent = -1;
    int rc = make_parents(s, f->path, err);
    if (rc == 0)
        rc = open_parent(s, f->path, &parent, &name, err);
    if (rc != 0)
        return rc;
    unsigned how = f->state == FILE_NEW ? RENAME_NOREPLACE : 0;
    if (renameat2(s->parts_fd, part, parent, name, how) != 0) {
        if (errno == EEXIST)
            return mlo_fail(err, MLO_ECONFLICT, "'%s/%s' has come to be meanwhile", s->folder, f->path);
        return mlo_fail_errno(err, "'%s/%s'", s->folder, f->path);
    }
    return mlo_fsync(parent, s->folder, err);
}

/* What it replaces cannot be had back: only a new file can be undone. */
static int name_it(struct sync *s, const struct file *f, struct mlo_err *err)
{
    char part[MLO_DIGEST_HEX + 1], digest[MLO_DIGEST_TEXT];
    int ordinal = 0;
    MLO_AUTOSTR struct mlo_str target;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_addf(&target, "%s/%s", s->folder, f->path);
    int rc = mlo_str_check(&target, err);
    if (rc == 0)
        rc = part_name(s, f, part, err);
    if (rc == 0)
        rc = mlo_run_intend(s->ws.run, MLO_EFFECT_FILE, target.ptr, NULL, mlo_digest_text(&f->digest, digest),
                            &ordinal, err);
    if (rc == 0)
        rc = rename_part(s, f, part, err);
    if (rc == 0)
        rc = f->state == FILE_NEW ? mlo_run_done(s->ws.run, ordinal, err)
                                  : mlo_run_done_irreversible(s->ws.run, ordinal, err);
    return rc != 0 ? rc : mlo_run_artifact(s->ws.run, "file", &f->digest, f->size, err);
}

static int fetch_batch(struct sync *s, struct mlo_err *err)
{
    size_t n = s->n - s->batch < BATCH ? s->n - s->batch : BATCH;
    unsigned threads = s->t.parallel && s->t.parallel < BATCH ? s->t.parallel : BATCH;
    int rc = mlo_parallel(n, threads, fetch_one, s, err);
    for (size_t i = s->batch; rc == 0 && i < s->batch + n; i++) {
        if (s->files[i].state != FILE_SAME)
            rc = name_it(s, &s->files[i], err);
        s->fetched += s->files[i].size;
    }
    s->batch += n;
    mlo_progress_update(s->progress, s->fetched, s->bytes);
    return rc;
}

/* One sync at a time works in a folder. */
static int open_parts(struct sync *s, struct mlo_err *err)
{
    int rc = mlo_mkdirs_at(s->dirfd, PARTS_FOLDER, 0700, err);
    if (rc == 0)
        rc = mlo_open_beneath(s->dirfd, PARTS_FOLDER, O_RDONLY | O_DIRECTORY, 0, &s->parts_fd, err);
    if (rc == 0)
        rc = mlo_lock_fd(s->parts_fd, true, 0, NULL, NULL, err);
    return rc == MLO_ECONFLICT ? mlo_fail(err, MLO_ECONFLICT, "another sync works in '%s'", s->folder) : rc;
}

static int fetch_all(struct sync *s, struct mlo_err *err)
{
    int rc = open_parts(s, err);
    s->progress = mlo_progress_start(s->ctx, "fetching", s->bytes);
    while (rc == 0 && s->batch < s->n)
        rc = mlo_interrupted() ? mlo_fail(err, MLO_EIO, "interrupted; the same command goes on")
                               : fetch_batch(s, err);
    mlo_progress_end(s->progress);
    if (rc == 0) /* what an older sync left there of other files stays */
        (void)unlinkat(s->dirfd, PARTS_FOLDER, AT_REMOVEDIR);
    return rc;
}

/* ---- the result ---- */

static const struct mlo_column columns[] = {
    {"path", "FILE", MLO_CELL_TEXT}, {"size", "SIZE", MLO_CELL_SIZE}, {"outcome", "OUTCOME", MLO_CELL_TEXT}};

static void report(const struct sync *s)
{
    static const char *const done[] = {"fetched", "same", "overwritten"};
    static const char *const would[] = {"to fetch", "same", "to overwrite"};
    struct mlo_report *r = s->ctx->report;
    char human[MLO_HUMAN_MAX];
    uint64_t bytes = 0;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->files[i].state != FILE_SAME) {
            n++;
            bytes += s->files[i].size;
        }
    if (s->ctx->json || s->o->dry_run) {
        mlo_report_table(r, "files", NULL, columns, MLO_COUNT(columns), "nothing is there");
        for (size_t i = 0; i < s->n; i++) {
            mlo_cell_text(r, s->files[i].path);
            mlo_cell_u64(r, s->files[i].size);
            mlo_cell_text(r, (s->o->dry_run ? would : done)[s->files[i].state]);
        }
    }
    mlo_report_say(r, "%s %zu of %zu files, %s, %s %s", s->o->dry_run ? "would fetch" : "fetched", n, s->n,
                   mlo_human_size(bytes, human), s->o->dry_run ? "into" : "in", s->folder);
}

static void release(struct sync *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->files[i].key);
        free(s->files[i].path);
    }
    free(s->files);
    mlo_cleanup_close(&s->parts_fd);
    mlo_cleanup_close(&s->dirfd);
    if (s->self)
        s->t.close(s->self);
    free(s->address);
    free(s->folder);
    free(s->volume);
    free(s->prefix);
}

static int sync_all(struct sync *s, struct mlo_err *err)
{
    int rc = resolve(s, err);
    if (rc == 0)
        rc = open_volume(s, err);
    if (rc == 0)
        rc = plan(s, err);
    if (rc == 0 && !s->o->dry_run) {
        rc = mlo_workspace_begin(s->ctx, &s->ws, 0, err);
        if (rc == 0)
            rc = mlo_workspace_end(&s->ws, fetch_all(s, err), err);
    }
    if (rc == 0)
        report(s);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct sync s = {.ctx = ctx, .o = options, .dirfd = -1, .parts_fd = -1};
    int rc = sync_all(&s, err);
    release(&s);
    return rc;
}

static const struct mlo_example examples[] = {
    {"What a pod left on its volume", "mlopsctl runpod sync models checkpoints ./checkpoints --dry-run"},
    {"Bring it here", "mlopsctl runpod sync models checkpoints ./checkpoints"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_sync = {
    .name = "sync",
    .summary = "bring files from a network volume here",
    .synopsis = "POD|VOLUME PATH FOLDER",
    .description =
        "PATH is a folder or a file on the volume; with POD it may be the path in the pod: /workspace/out. "
        "What is\n"
        "here already and is the same stays, a cut is gone on with, files here that differ are kept unless "
        "--force.\n"
        "Each file is an effect of the run: `mlopsctl rollback` removes those that are new and unchanged.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 3, .max = 3, .complete = MLO_OPTF_FOLDER},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};
