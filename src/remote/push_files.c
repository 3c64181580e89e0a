/*
 * The layout of plain files: the files of a bundle below files/<name>/<tag>/, for programs that read a
 * folder. They are replaced in place, so a ref that leads to what is being replaced goes away first and the
 * new one comes last; the list (files.c) says at any moment which files are right, so that a push that was
 * cut off, here or elsewhere, sends only the others.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/thread.h>

#include "push.h"

#define SAVE_BYTES ((uint64_t)64 << 20) /* sent between two savings of the list */

struct wanted {
    size_t file;     /* of the recipe */
    bool in_archive; /* else a blob of the store */
};
struct mlo_push_files {
    struct mlo_pusher *pusher;
    bool found;               /* a list that can be read */
    struct mlo_file_list old; /* as found */
    struct mlo_file_list now; /* as it is becoming */
    struct wanted *list;      /* to be sent */
    size_t n, cap;
    char *unpacked; /* folder of files from archives, ours to remove */
    int folder;     /* it, open */
    pthread_mutex_t lock;
    uint64_t unsaved;
};

/* ---- what is there ---- */

/* With o->check: a file that is not there with its size is not what the list says. */
static int check_old(struct mlo_push_files *f, struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    for (size_t i = 0; i < f->old.n; i++) {
        struct mlo_recipe_file *file = &f->old.files[i];
        uint64_t size = 0;
        int rc = mlo_rt_stat(f->pusher->remote, mlo_file_key(f->pusher->ref, file->path, key), &size, err);
        if (rc != 0 && rc != MLO_ENOTFOUND)
            return rc;
        if (rc == 0 && size == file->size)
            continue;
        *err = MLO_ERR_INIT;
        file->digest = mlo_file_unknown;
        f->old.complete = false;
    }
    return 0;
}

int mlo_push_files_new(struct mlo_pusher *p, const struct mlo_digest *manifest, struct mlo_push_files **ret,
                       struct mlo_err *err)
{
    struct mlo_push_files *f = mlo_calloc(1, sizeof *f, err);
    if (!f)
        return MLO_EIO;
    *f = (struct mlo_push_files){.pusher = p, .folder = -1, .lock = PTHREAD_MUTEX_INITIALIZER};
    f->now.manifest = *manifest;
    int rc = mlo_file_list_get(p->remote, p->ref, &f->old, err);
    f->found = rc == 0;
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) { /* then nothing there can be believed */
        *err = MLO_ERR_INIT;
        rc = 0;
    }
    if (rc == 0 && p->opts->check)
        rc = check_old(f, err);
    if (rc != 0) {
        mlo_push_files_free(f);
        return rc;
    }
    *ret = f;
    return 0;
}

void mlo_push_files_free(struct mlo_push_files *f)
{
    if (!f)
        return;
    struct mlo_err ignored = MLO_ERR_INIT;
    mlo_cleanup_close(&f->folder);
    if (f->unpacked)
        (void)!mlo_remove_tree_at(AT_FDCWD, f->unpacked, &ignored); /* else it goes with the run's folder */
    free(f->unpacked);
    mlo_file_list_release(&f->old);
    mlo_file_list_release(&f->now);
    pthread_mutex_destroy(&f->lock);
    free(f->list);
    free(f);
}

bool mlo_push_files_unchanged(const struct mlo_push_files *f)
{
    return f->old.complete && mlo_digest_eq(&f->old.manifest, &f->now.manifest);
}

uint64_t mlo_push_files_bytes(struct mlo_push_files *f)
{
    const struct mlo_recipe *r = &f->pusher->plan.recipe;
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->n_files; i++)
        if (!mlo_file_list_has(&f->old, &r->files[i]))
            bytes += r->files[i].size;
    return bytes;
}

/* ---- what is to be done ---- */

static int want(struct mlo_push_files *f, size_t file, struct mlo_err *err)
{
    struct mlo_pusher *p = f->pusher;
    int rc = mlo_grow(&f->list, &f->cap, f->n + 1, sizeof *f->list, err);
    if (rc == 0)
        f->list[f->n++] = (struct wanted){
            file, !mlo_store_has(p->plan.store, &p->plan.recipe.files[file].digest, NULL)};
    return rc;
}

/* Every path that is or will be there; a digest only where it holds now. */
static int compare(struct mlo_push_files *f, bool *ret_replaces, struct mlo_err *err)
{
    const struct mlo_recipe *r = &f->pusher->plan.recipe;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n_files; i++) {
        const struct mlo_recipe_file *file = &r->files[i];
        bool right = mlo_file_list_has(&f->old, file);
        rc = mlo_file_list_add(&f->now, file->path, right ? &file->digest : &mlo_file_unknown, file->size,
                               err);
        if (rc == 0 && !right)
            rc = want(f, i, err);
    }
    *ret_replaces = !f->found;
    for (size_t i = 0; rc == 0 && i < f->old.n; i++) {
        const struct mlo_recipe_file *file = &f->old.files[i];
        const struct mlo_recipe_file *becomes = mlo_file_list_at(&f->now, file->path);
        if (!becomes)
            rc = mlo_file_list_add(&f->now, file->path, &mlo_file_unknown, file->size, err);
        *ret_replaces = *ret_replaces || !becomes || !mlo_file_list_has(&f->now, file);
    }
    return rc;
}

/* ---- files out of archives ---- */

static char *unpack_folder(const struct mlo_push_files *f, struct mlo_err *err)
{
    const char *tmp = mlo_store_tmp(f->pusher->plan.store);
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    if (!tmp)
        mlo_fail(err, MLO_EINTERNAL, "store has no folder for temporaries");
    mlo_str_addf(&path, "%s/" MLO_TMP_PREFIX "plain-%ld", tmp ? tmp : "", (long)getpid());
    return tmp && mlo_str_check(&path, err) == 0 ? mlo_str_detach(&path, NULL) : NULL;
}

static int unpack(struct mlo_push_files *f, struct mlo_err *err)
{
    struct mlo_pusher *p = f->pusher;
    MLO_AUTOFREE const char **select = mlo_calloc(f->n + 1, sizeof(char *), err);
    struct mlo_unpack_opts o = {.select = select, .threads = p->plan.threads};
    uint64_t bytes = 0;
    size_t files = 0;
    if (!select)
        return MLO_EIO;
    for (size_t i = 0; i < f->n; i++)
        if (f->list[i].in_archive)
            select[o.n_select++] = p->plan.recipe.files[f->list[i].file].path;
    if (o.n_select == 0)
        return 0;
    f->unpacked = unpack_folder(f, err);
    if (!f->unpacked)
        return err->code;
    int rc = mlo_bundle_unpack(p->plan.store, &f->now.manifest, f->unpacked, &o, &bytes, &files, err);
    if (rc != 0)
        return rc;
    f->folder = open(f->unpacked, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->folder >= 0 ? 0 : mlo_fail_errno(err, "cannot open '%s'", f->unpacked);
}

/* ---- sending ---- */

struct reading {
    struct mlo_pusher *pusher;
    int fd;
    uint64_t size, counted;
};

static int read_file(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    struct reading *r = ctx;
    size_t n = r->size - offset < cap ? (size_t)(r->size - offset) : cap;
    int rc = mlo_read_exact_at(r->fd, buf, n, offset, err);
    if (rc != 0)
        return rc;
    if (offset + n > r->counted) {
        mlo_push_count(r->pusher, offset + n - r->counted);
        r->counted = offset + n;
    }
    *ret_n = n;
    return 0;
}

static int open_source(struct mlo_push_files *f, const struct wanted *w, int *ret, struct mlo_err *err)
{
    const struct mlo_recipe_file *file = &f->pusher->plan.recipe.files[w->file];
    if (!w->in_archive)
        return mlo_store_open_blob(f->pusher->plan.store, &file->digest, ret, NULL, err);
    return mlo_open_beneath(f->folder, file->path, O_RDONLY, 0, ret, err);
}

/* The file is there. */
static int note(struct mlo_push_files *f, const struct mlo_recipe_file *file, struct mlo_err *err)
{
    struct mlo_pusher *p = f->pusher;
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    p->stats->bytes_sent += file->size;
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_lock(&f->lock);
    mlo_file_list_at(&f->now, file->path)->digest = file->digest;
    f->unsaved += file->size;
    if (f->unsaved >= SAVE_BYTES) {
        f->unsaved = 0;
        rc = mlo_file_list_put(p->remote, p->ref, &f->now, err);
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static int send_file(void *ctx, size_t i, struct mlo_err *err)
{
    struct mlo_push_files *f = ctx;
    struct mlo_pusher *p = f->pusher;
    const struct mlo_recipe_file *file = &p->plan.recipe.files[f->list[i].file];
    MLO_AUTOCLOSE int fd = -1;
    char key[MLO_KEY_MAX];
    int rc = open_source(f, &f->list[i], &fd, err);
    struct reading r = {.pusher = p, .fd = fd, .size = file->size};
    struct mlo_body body = {.size = file->size, .digest = file->digest, .read = read_file, .ctx = &r};
    if (rc == 0)
        rc = mlo_rt_put(p->remote, mlo_file_key(p->ref, file->path, key), &body, err);
    if (rc != 0)
        return mlo_wrap(err, "file '%s'", file->path);
    mlo_push_count(p, file->size - r.counted);
    return note(f, file, err);
}

/* Only the files of the bundle, each with its digest. */
static int finish(struct mlo_push_files *f, struct mlo_err *err)
{
    struct mlo_pusher *p = f->pusher;
    const struct mlo_recipe *r = &p->plan.recipe;
    struct mlo_file_list list = {.manifest = f->now.manifest, .complete = true};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n_files; i++)
        rc = mlo_file_list_add(&list, r->files[i].path, &r->files[i].digest, r->files[i].size, err);
    if (rc == 0)
        rc = mlo_files_remove(p->remote, p->ref, &f->now, &list, err);
    if (rc == 0)
        rc = mlo_file_list_put(p->remote, p->ref, &list, err);
    mlo_file_list_release(&list);
    return rc;
}

int mlo_push_files(struct mlo_push_files *f, struct mlo_err *err)
{
    struct mlo_pusher *p = f->pusher;
    unsigned width = p->opts->parallel ? p->opts->parallel : p->remote->t.parallel;
    bool replaces = false;
    int rc = compare(f, &replaces, err);
    if (rc == 0)
        rc = unpack(f, err);
    if (rc == 0 && replaces && p->has_before && p->before.files) {
        rc = mlo_ref_move(p->remote, p->ref, &p->before, NULL, err);
        p->has_before = false;
    }
    if (rc == 0)
        rc = mlo_file_list_put(p->remote, p->ref, &f->now, err);
    if (rc == 0)
        rc = mlo_parallel(f->n, width ? width : 1, send_file, f, err);
    return rc != 0 ? rc : finish(f, err);
}
