/*
 * --since last: what is new in files since a check saw them.
 *
 * Of each file a check remembers how far it read, its time, and digests of its head and of the bytes before
 * that place. A file that still has both and is longer has grown: what follows is new. A file that is as long
 * and as old as it was is known; anything else is a new file, be it under the old name. A file that was
 * renamed (a log that was rotated) is known by the same digests, once its former name is gone or another
 * file's.
 *
 * Text alone grows. What was added is copied, below the header where there is one, so that the table is read
 * as ever. When the last line had no end it is read again with what was added to it: no row is lost, and one
 * may be counted twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "watch.h"

#define HEAD_BYTES ((uint64_t)64 << 10)
#define TAIL_BYTES ((uint64_t)4 << 10)
#define STATE_MAX  ((size_t)64 << 20)
#define FILES_MAX  ((size_t)100000) /* remembered */
#define TEXT_MAX   32

struct seen {   /* of a file, as far as it was read */
    char *path; /* owned: absolute */
    uint64_t size;
    int64_t mtime_ns;
    struct mlo_digest head, tail; /* of the first HEAD_BYTES, of the last TAIL_BYTES before `size` */
    bool taken;                   /* its file was found again */
};
enum news { NEWS_NONE, NEWS_WHOLE, NEWS_ADDED };
struct found {
    struct seen now;
    enum news news;
    uint64_t from; /* of ADDED */
    char *copy;    /* owned: of what was added; NULL: the file itself is read */
};
struct mlo_since {
    struct seen *before;
    size_t n_before, cap_before;
    struct found *files;
    size_t n_files;
};

void mlo_since_free(struct mlo_since *s)
{
    for (size_t i = 0; s && i < s->n_before; i++)
        free(s->before[i].path);
    for (size_t i = 0; s && i < s->n_files; i++) {
        free(s->files[i].now.path);
        free(s->files[i].copy);
    }
    if (s) {
        free(s->before);
        free(s->files);
    }
    free(s);
}

/* ---- a file as it is ---- */

static int digest_of(int fd, uint64_t from, uint64_t to, struct mlo_digest *ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = mlo_calloc(1, HEAD_BYTES, err);
    if (!buf)
        return MLO_EIO;
    int rc = mlo_read_exact_at(fd, buf, (size_t)(to - from), from, err);
    return rc == 0 ? mlo_sha256(buf, (size_t)(to - from), ret, err) : rc;
}

/* Head and tail of the first `size` bytes. */
static int look_at(int fd, uint64_t size, struct seen *ret, struct mlo_err *err)
{
    int rc = digest_of(fd, 0, size < HEAD_BYTES ? size : HEAD_BYTES, &ret->head, err);
    if (rc == 0)
        rc = digest_of(fd, size < TAIL_BYTES ? 0 : size - TAIL_BYTES, size, &ret->tail, err);
    ret->size = size;
    return rc;
}

static int same_so_far(int fd, const struct seen *old, uint64_t size, bool *ret, struct mlo_err *err)
{
    struct seen now = {0};
    *ret = false;
    if (old->size > size)
        return 0;
    int rc = look_at(fd, old->size, &now, err);
    if (rc == 0)
        *ret = mlo_digest_eq(&now.head, &old->head) && mlo_digest_eq(&now.tail, &old->tail);
    return rc;
}

/* Bytes can be added to it that mean something by themselves. */
static int grows(int fd, uint64_t size, bool *ret, struct mlo_err *err)
{
    static const char *const others[] = {"\x1f\x8b", "\x28\xb5\x2f\xfd", "PAR1", "ARROW1"};
    char head[4096];
    size_t n = 0;
    int rc = mlo_read_at(fd, head, size < sizeof head ? (size_t)size : sizeof head, 0, &n, err);
    *ret = rc == 0 && !memchr(head, '\0', n);
    for (size_t i = 0; i < MLO_COUNT(others); i++)
        *ret &= n < strlen(others[i]) || memcmp(head, others[i], strlen(others[i])) != 0;
    return rc;
}

/* ---- what was seen ---- */

static int digest_member(const cJSON *o, const char *key, struct mlo_digest *ret, struct mlo_err *err)
{
    const char *text = mlo_json_text(o, key);
    return text ? mlo_digest_parse(text, ret, err) : mlo_fail(err, MLO_EINVALID, "no '%s'", key);
}

/* Nanoseconds do not fit a number of JSON. */
static int time_member(const cJSON *o, const char *key, int64_t *ret, struct mlo_err *err)
{
    const char *text = mlo_json_text(o, key);
    char *end = NULL;
    errno = 0;
    long long ns = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text || *end || errno)
        return mlo_fail(err, MLO_EINVALID, "no '%s'", key);
    *ret = ns;
    return 0;
}

static int read_file(struct mlo_since *s, const cJSON *o, struct mlo_err *err)
{
    struct seen f = {0};
    const char *path = mlo_json_text(o, "path");
    int rc = mlo_grow(&s->before, &s->cap_before, s->n_before + 1, sizeof *s->before, err);
    if (rc == 0 && !path)
        rc = mlo_fail(err, MLO_EINVALID, "no 'path'");
    if (rc == 0)
        rc = mlo_json_u64(o, "size", &f.size, err);
    if (rc == 0)
        rc = time_member(o, "mtime_ns", &f.mtime_ns, err);
    if (rc == 0)
        rc = digest_member(o, "head", &f.head, err);
    if (rc == 0)
        rc = digest_member(o, "tail", &f.tail, err);
    if (rc == 0 && !(f.path = mlo_strdup(path, err)))
        rc = MLO_EIO;
    if (rc == 0)
        s->before[s->n_before++] = f;
    return rc;
}

static int read_state(struct mlo_since *s, const char *text, size_t n, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = mlo_json_parse(text, n, STATE_MAX, &doc, err);
    const cJSON *files = rc == 0 ? cJSON_GetObjectItemCaseSensitive(doc, "files") : NULL;
    for (const cJSON *o = files ? files->child : NULL; rc == 0 && o; o = o->next)
        rc = read_file(s, o, err);
    return rc != 0 ? mlo_wrap(err, "what the last check saw") : 0;
}

struct latest {
    struct mlo_ledger *ledger;
    char kind[96];
    bool found;
    struct mlo_digest digest;
};

static int take_artifact(void *ctx, const char *kind, const struct mlo_digest *d, uint64_t size,
                         struct mlo_err *err)
{
    struct latest *l = ctx;
    (void)size, (void)err;
    if (strcmp(kind, l->kind) == 0) {
        l->found = true;
        l->digest = *d;
    }
    return 0;
}

static int take_run(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct latest *l = ctx;
    int rc = mlo_artifact_each(l->ledger, row->id, take_artifact, l, err);
    return rc == 0 && l->found ? 1 : rc;
}

static int load(struct mlo_ctx *ctx, struct mlo_since *s, const struct mlo_workspace *ws, const char *name,
                struct mlo_err *err)
{
    const struct mlo_run_filter f = {.command = "drift", .status = "done"};
    struct latest l = {.ledger = ws->ledger};
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    snprintf(l.kind, sizeof l.kind, MLO_SINCE_KIND "%s", name);
    int rc = ws->ledger ? mlo_run_each(ws->ledger, &f, take_run, &l, err) : 0;
    if (rc < 0 || !l.found)
        return rc < 0 ? rc : 0;
    if (!mlo_store_has(ws->store, &l.digest, NULL)) {
        mlo_warn(ctx, "what the last check saw is no longer in the store: everything counts as new");
        return 0;
    }
    rc = mlo_store_read(ws->store, &l.digest, STATE_MAX, &text, &n, err);
    return rc == 0 ? read_state(s, text, n, err) : rc;
}

/* ---- what is new ---- */

static int absolute(const char *path, char **ret, struct mlo_err *err)
{
    char *whole = realpath(path, NULL);
    if (!whole)
        return mlo_fail_errno(err, "'%s' cannot be read", path);
    *ret = whole;
    return 0;
}

static int decide(int fd, struct found *f, struct seen *old, struct mlo_err *err)
{
    bool same = false, text = false;
    int rc = same_so_far(fd, old, f->now.size, &same, err);
    if (rc == 0 && same)
        rc = grows(fd, f->now.size, &text, err);
    if (rc != 0 || !same)
        return rc;
    bool grew = f->now.size > old->size;
    if (grew ? !text : f->now.mtime_ns != old->mtime_ns)
        return 0; /* written anew */
    old->taken = true;
    f->news = grew ? NEWS_ADDED : NEWS_NONE;
    f->from = old->size;
    return 0;
}

static int open_found(struct found *f, int *ret_fd, struct mlo_err *err)
{
    struct stat st;
    MLO_AUTOCLOSE int fd = open(f->now.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "'%s' cannot be read", f->now.path);
    if (!S_ISREG(st.st_mode)) {
        mlo_fail(err, MLO_EUSAGE, "'%s' is no file", f->now.path);
        return mlo_hint(err, "--since last remembers files; what comes through a pipe cannot be seen again");
    }
    f->now.mtime_ns = (int64_t)st.st_mtim.tv_sec * MLO_NS_PER_S + st.st_mtim.tv_nsec;
    *ret_fd = mlo_steal_fd(&fd);
    return look_at(*ret_fd, (uint64_t)st.st_size, &f->now, err);
}

/* By its own name; an empty file has nothing new, and none to remember it by. */
static int compare_named(struct mlo_since *s, struct found *f, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    int rc = open_found(f, &fd, err);
    f->news = f->now.size > 0 ? NEWS_WHOLE : NEWS_NONE;
    for (size_t i = 0; rc == 0 && f->news == NEWS_WHOLE && i < s->n_before; i++)
        if (strcmp(s->before[i].path, f->now.path) == 0)
            rc = decide(fd, f, &s->before[i], err);
    return rc;
}

/* By what it holds, among those whose name is gone or another file's. */
static int compare_renamed(struct mlo_since *s, struct found *f, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = open(f->now.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = fd < 0 ? mlo_fail_errno(err, "'%s' cannot be read", f->now.path) : 0;
    for (size_t i = 0; rc == 0 && f->news == NEWS_WHOLE && i < s->n_before; i++)
        if (!s->before[i].taken && s->before[i].size > 0)
            rc = decide(fd, f, &s->before[i], err);
    return rc;
}

/* Those that are still where they were, though nobody asked for them now, are not free to be found elsewhere.
 */
static void claim_others(struct mlo_since *s)
{
    for (size_t i = 0; i < s->n_before; i++) {
        bool asked = false;
        for (size_t k = 0; k < s->n_files && !asked; k++)
            asked = strcmp(s->files[k].now.path, s->before[i].path) == 0;
        s->before[i].taken |= !asked && access(s->before[i].path, F_OK) == 0;
    }
}

static int compare_all(struct mlo_since *s, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->n_files; i++)
        rc = compare_named(s, &s->files[i], err);
    claim_others(s);
    for (size_t i = 0; rc == 0 && i < s->n_files; i++)
        if (s->files[i].news == NEWS_WHOLE)
            rc = compare_renamed(s, &s->files[i], err);
    return rc;
}

static int take_files(struct mlo_since *s, char *const *paths, size_t n, struct mlo_err *err)
{
    s->files = mlo_calloc(n, sizeof *s->files, err);
    if (!s->files)
        return MLO_EIO;
    for (size_t i = 0; i < n; i++) {
        int rc = absolute(paths[i], &s->files[s->n_files].now.path, err);
        if (rc != 0)
            return rc;
        s->n_files++;
    }
    return 0;
}

static int find_files(struct mlo_since *s, const struct mlo_strings *words, struct mlo_err *err)
{
    char **paths = NULL;
    size_t n = 0;
    for (size_t i = 0; i < words->n; i++)
        if (strcmp(words->items[i], "-") == 0)
            return mlo_fail(err, MLO_EUSAGE, "--since last remembers files: standard input is none");
    int rc = mlo_table_files(words->items, words->n, &paths, &n, err);
    if (rc == 0)
        rc = take_files(s, paths, n, err);
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
    free(paths);
    return rc;
}

int mlo_since_plan(struct mlo_ctx *ctx, const struct mlo_workspace *ws, const char *name,
                   const struct mlo_strings *words, struct mlo_since **ret, struct mlo_err *err)
{
    struct mlo_since *s = mlo_calloc(1, sizeof *s, err);
    if (!s)
        return MLO_EIO;
    int rc = find_files(s, words, err);
    if (rc == 0)
        rc = load(ctx, s, ws, name, err);
    if (rc == 0)
        rc = compare_all(s, err);
    if (rc != 0)
        mlo_since_free(s);
    else
        *ret = s;
    return rc;
}

size_t mlo_since_new(const struct mlo_since *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_files; i++)
        n += s->files[i].news != NEWS_NONE;
    return n;
}

/* ---- what was added, as a file of its own ---- */

/* JSON Lines have none; of other text it is the first line. */
static int header_of(int fd, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOFREE char *head = mlo_calloc(1, HEAD_BYTES, err);
    size_t n = 0;
    if (!head)
        return MLO_EIO;
    int rc = mlo_read_at(fd, head, HEAD_BYTES, 0, &n, err);
    const char *nl = rc == 0 ? memchr(head, '\n', n) : NULL;
    if (rc == 0 && n > 0 && head[strspn(head, " \t\r\n")] != '{' && nl)
        mlo_str_addn(out, head, (size_t)(nl - head) + 1);
    return rc == 0 ? mlo_str_check(out, err) : rc;
}

/* Where the first line begins that was not read to its end. */
static int line_start(int fd, uint64_t from, uint64_t *ret, struct mlo_err *err)
{
    char buf[TAIL_BYTES + 1];
    uint64_t at = from < TAIL_BYTES ? 0 : from - TAIL_BYTES;
    size_t n = 0;
    *ret = from;
    int rc = mlo_read_at(fd, buf, (size_t)(from - at) + 1, at, &n, err);
    if (rc != 0 || n <= from - at || buf[n - 1] == '\n' || buf[n - 1] == '\r' || buf[n - 2] == '\n')
        return rc;
    const char *nl = memrchr(buf, '\n', n - 1);
    *ret = nl ? at + (uint64_t)(nl - buf) + 1 : from;
    return 0;
}

static int copy_range(int from_fd, uint64_t from, uint64_t to, int to_fd, struct mlo_err *err)
{
    char buf[1 << 16];
    int rc = 0;
    while (rc == 0 && from < to) {
        size_t n = to - from < sizeof buf ? (size_t)(to - from) : sizeof buf;
        rc = mlo_read_exact_at(from_fd, buf, n, from, err);
        if (rc == 0)
            rc = mlo_write_all(to_fd, buf, n, err);
        from += n;
    }
    return rc;
}

static int copy_added(struct found *f, const char *folder, size_t number, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name, header;
    MLO_AUTOCLOSE int in = open(f->now.path, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return mlo_fail_errno(err, "'%s' cannot be read", f->now.path);
    const char *slash = strrchr(f->now.path, '/');
    mlo_str_init(&name, MLO_PATH_MAX);
    mlo_str_init(&header, HEAD_BYTES);
    mlo_str_addf(&name, "%s/since-%zu-%s", folder, number, slash ? slash + 1 : f->now.path);
    int rc = mlo_str_check(&name, err);
    if (rc == 0)
        rc = header_of(in, &header, err);
    if (rc == 0)
        rc = line_start(in, f->from, &f->from, err);
    if (rc != 0)
        return rc;
    MLO_AUTOCLOSE int out = open(name.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return mlo_fail_errno(err, "'%s' cannot be written", name.ptr);
    rc = mlo_write_all(out, header.ptr, header.len, err);
    if (rc == 0)
        rc = copy_range(in, f->from, f->now.size, out, err);
    if (rc == 0)
        f->copy = mlo_str_detach(&name, NULL);
    return rc;
}

int mlo_since_files(struct mlo_since *s, const char *folder, struct mlo_strings *ret, struct mlo_err *err)
{
    int rc = 0;
    ret->n = 0;
    for (size_t i = 0; rc == 0 && i < s->n_files; i++) {
        struct found *f = &s->files[i];
        if (f->news == NEWS_NONE)
            continue;
        if (f->news == NEWS_ADDED)
            rc = copy_added(f, folder, i, err);
        if (rc == 0)
            rc = mlo_grow(&ret->items, &ret->cap, ret->n + 1, sizeof *ret->items, err);
        if (rc == 0)
            ret->items[ret->n++] = f->copy ? f->copy : f->now.path;
    }
    return rc;
}

int mlo_since_name(const struct mlo_since *s, struct mlo_str *ret, struct mlo_err *err)
{
    size_t n = mlo_since_new(s), first = 0;
    while (s->files[first].news == NEWS_NONE)
        first++;
    mlo_str_clear(ret);
    mlo_str_addf(ret, "%s%s", s->files[first].now.path,
                 s->files[first].news == NEWS_ADDED ? ", what was added" : "");
    if (n > 1)
        mlo_str_addf(ret, " and %zu more", n - 1);
    return mlo_str_check(ret, err);
}

/* ---- for the next check ---- */

static cJSON *file_json(const struct seen *f)
{
    char text[MLO_DIGEST_TEXT], ns[TEXT_MAX];
    cJSON *o = cJSON_CreateObject();
    snprintf(ns, sizeof ns, "%" PRId64, f->mtime_ns);
    cJSON_AddStringToObject(o, "path", f->path);
    mlo_json_add_u64(o, "size", f->size);
    cJSON_AddStringToObject(o, "mtime_ns", ns);
    cJSON_AddStringToObject(o, "head", mlo_digest_text(&f->head, text));
    if (!cJSON_AddStringToObject(o, "tail", mlo_digest_text(&f->tail, text))) {
        cJSON_Delete(o);
        return NULL;
    }
    return o;
}

/* Files that were not asked for now stay known while they are there. */
static bool is_kept(const struct mlo_since *s, const struct seen *old)
{
    for (size_t i = 0; i < s->n_files; i++)
        if (strcmp(s->files[i].now.path, old->path) == 0)
            return false;
    return access(old->path, F_OK) == 0;
}

int mlo_since_write(const struct mlo_since *s, char **ret, size_t *ret_n, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    mlo_json_add_u64(doc, "schema", 1);
    cJSON *list = cJSON_AddArrayToObject(doc, "files");
    bool good = list;
    size_t n = 0;
    for (size_t i = 0; good && i < s->n_files; i++, n++)
        good = cJSON_AddItemToArray(list, file_json(&s->files[i].now));
    for (size_t i = 0; good && i < s->n_before; i++)
        if (is_kept(s, &s->before[i])) {
            good = cJSON_AddItemToArray(list, file_json(&s->before[i]));
            n++;
        }
    if (!good)
        return mlo_fail_nomem(err);
    if (n > FILES_MAX) {
        mlo_fail(err, MLO_EUSAGE, "more than %zu files to remember", FILES_MAX);
        return mlo_hint(err, "narrow the pattern, or move away what was checked");
    }
    return mlo_json_print(doc, ret, ret_n, err);
}
