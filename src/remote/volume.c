/*
 * A RunPod network volume as a remote: runpod://VOLUME[/prefix], VOLUME an id or a name.
 *
 * RunPod's REST API says which volume that is and in which data centre, and that gives S3 endpoint and
 * region. In a pod that has the volume mounted it is a folder instead: no S3, no S3 key, and no network when
 * the id was given. Both ways lead to the same layout and, since the id is what stands in the canonical URL,
 * to the same volume after it has been renamed.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define SCHEME       "runpod://"
#define NAME_MAX_LEN ((size_t)256)

/* A volume's size is told in GB. Which GB is not told: the larger one refuses nothing that would fit. */
#define GB_BYTES ((uint64_t)1 << 30)

/* A volume that was just made does not answer on S3 at once; others were seen to wait up to three minutes. */
#define NEW_VOLUME_NS (180 * MLO_NS_PER_S)
#define ASK_AGAIN_NS  (5 * MLO_NS_PER_S)

/* ---- the address ---- */

struct address {
    char *volume; /* id or name */
    char *prefix; /* without slashes at its ends; "" */
};

static void address_release(struct address *a)
{
    free(a->volume);
    free(a->prefix);
}

/* The gateway keeps the parts of uploads in .s3compat_uploads of every volume. */
static int check_prefix(const char *prefix, size_t n, struct mlo_err *err)
{
    static const char taken[] = ".s3compat_uploads";
    int rc = n > 0 ? mlo_path_check(prefix, n, err) : 0;
    if (rc != 0)
        return mlo_fail(err, MLO_EUSAGE, "the folder in the address is none: %s", err->msg);
    if (strncmp(prefix, taken, sizeof taken - 1) == 0)
        return mlo_fail(err, MLO_EUSAGE, "'%s' is where RunPod keeps unfinished uploads", taken);
    return 0;
}

static int address_parse(const char *url, struct address *ret, struct mlo_err *err)
{
    const char *volume = url + strlen(SCHEME), *prefix = volume + strcspn(volume, "/");
    size_t n = (size_t)(prefix - volume);
    if (n == 0 || n > NAME_MAX_LEN) {
        mlo_fail(err, MLO_EUSAGE, "the address names no volume");
        return mlo_hint(err, "runpod://VOLUME[/FOLDER]; `mlopsctl runpod volume ls` lists the volumes");
    }
    prefix += strspn(prefix, "/");
    size_t length = strlen(prefix);
    while (length > 0 && prefix[length - 1] == '/')
        length--;
    int rc = check_prefix(prefix, length, err);
    if (rc != 0)
        return rc;
    ret->volume = mlo_memdup0(volume, n, err);
    ret->prefix = mlo_memdup0(prefix, length, err);
    return ret->volume && ret->prefix ? 0 : MLO_EIO;
}

static int canonical(const char *id, const char *prefix, char **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_PATH_MAX);
    mlo_str_addf(&url, SCHEME "%s%s%s", id, *prefix ? "/" : "", prefix);
    int rc = mlo_str_check(&url, err);
    if (rc == 0)
        *ret = mlo_str_detach(&url, NULL);
    return rc;
}

/* ---- inside a pod ---- */

static bool is_mount_point(const char *path)
{
    struct stat here, above;
    char parent[64];
    snprintf(parent, sizeof parent, "%s/..", path);
    return stat(path, &here) == 0 && stat(parent, &above) == 0 && S_ISDIR(here.st_mode) &&
           here.st_dev != above.st_dev;
}

/* Where this pod has its volume; NULL when this is no pod, or its volume cannot be found in it. */
static const char *mount_of(const struct mlo_remote_opts *o)
{
    static const char *const habits[] = {"/runpod-volume", "/workspace"};
    if (!o->mounted_volume || !*o->mounted_volume)
        return NULL;
    if (o->mount)
        return o->mount;
    for (size_t i = 0; i < MLO_COUNT(habits); i++)
        if (is_mount_point(habits[i]))
            return habits[i];
    return NULL;
}

static int open_mounted(const char *mount, const char *prefix, bool create, struct mlo_transport *ret,
                        void **ret_self, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    MLO_AUTOFREE char *url = NULL;
    mlo_str_init(&path, MLO_PATH_MAX);
    mlo_str_addf(&path, "%s%s%s", mount, *prefix ? "/" : "", prefix);
    int rc = mlo_str_check(&path, err);
    if (rc == 0)
        rc = mlo_directory_open(path.ptr, create && *prefix, ret, ret_self, &url, err);
    return rc != 0 ? mlo_wrap(err, "mounted at '%s'", path.ptr) : 0;
}

/* ---- a volume that does not answer yet ---- */

struct patient {
    struct mlo_transport t; /* S3 */
    void *self;
    struct mlo_http *http;
    atomic_bool answered; /* once it has, a failure is a failure */
    char *id;
};

/* May the volume be too new? Then true after a pause. */
static bool is_worth_waiting(struct patient *p, int64_t began, unsigned round, int rc, struct mlo_err *err)
{
    if (rc == 0 || rc == MLO_ENOTFOUND)
        atomic_store(&p->answered, true);
    int64_t now = mlo_time_mono(), pause = MLO_NS_PER_S << (round < 3 ? round : 3);
    if (atomic_load(&p->answered) || (err->sys_errno != ENODEV && err->sys_errno != EACCES))
        return false;
    if (now - began > NEW_VOLUME_NS) {
        mlo_wrap(err, "volume '%s' still does not open after 3 minutes", p->id);
        mlo_hint(
            err,
            "it exists, so the S3 key is of another account or team than the API key, or RunPod's S3 has "
            "trouble");
        return false;
    }
    if (round == 0)
        mlo_http_tell(p->http,
                      "volume '%s' does not answer on S3 yet; a new one takes up to 3 minutes: waiting",
                      p->id);
    *err = MLO_ERR_INIT;
    return mlo_http_pause(p->http, now + (pause < ASK_AGAIN_NS ? pause : ASK_AGAIN_NS), 0, err) == 0;
}

static int patient_stat(void *self, const char *key, uint64_t *ret_size, struct mlo_err *err)
{
    struct patient *p = self;
    return p->t.stat(p->self, key, ret_size, err);
}

static int patient_put(void *self, const char *key, const struct mlo_body *body, struct mlo_err *err)
{
    struct patient *p = self;
    return p->t.put(p->self, key, body, err);
}

static int patient_get(void *self, const char *key, uint64_t offset, uint64_t length, uint64_t max,
                       int (*sink)(void *ctx, const void *bytes, size_t n, struct mlo_err *err), void *ctx,
                       struct mlo_err *err)
{
    struct patient *p = self;
    int64_t began = mlo_time_mono();
    int rc;
    for (unsigned round = 0;; round++) {
        rc = p->t.get(p->self, key, offset, length, max, sink, ctx, err);
        if (!is_worth_waiting(p, began, round, rc, err))
            return rc != 0 ? err->code : 0;
    }
}

static int patient_remove(void *self, const char *key, struct mlo_err *err)
{
    struct patient *p = self;
    return p->t.remove(p->self, key, err);
}

static int patient_list(void *self, const char *prefix,
                        int (*fn)(void *ctx, const char *key, uint64_t size, struct mlo_err *err), void *ctx,
                        struct mlo_err *err)
{
    struct patient *p = self;
    int64_t began = mlo_time_mono();
    int rc;
    for (unsigned round = 0;; round++) {
        rc = p->t.list(p->self, prefix, fn, ctx, err);
        if (!is_worth_waiting(p, began, round, rc, err))
            return rc != 0 ? err->code : 0;
    }
}

static int64_t patient_clock_ahead(void *self)
{
    struct patient *p = self;
    return p->t.clock_ahead(p->self);
}

static void patient_close(void *self)
{
    struct patient *p = self;
    if (p->self)
        p->t.close(p->self);
    free(p->id);
    free(p);
}

static int patient_new(struct mlo_http *http, const char *id, struct patient **ret, struct mlo_err *err)
{
    struct patient *p = mlo_calloc(1, sizeof *p, err);
    if (!p)
        return MLO_EIO;
    p->http = http;
    p->id = mlo_strdup(id, err);
    if (!p->id) {
        free(p);
        return MLO_EIO;
    }
    *ret = p;
    return 0;
}

/* ---- over S3 ---- */

/* What to do about a data centre without S3: the volume is there, but only from inside. */
static int no_s3(const char *id, struct mlo_err *err)
{
    char which[sizeof err->hint];
    snprintf(which, sizeof which, "%s", err->hint);
    return mlo_hint(err, "in a pod that mounts it, " SCHEME "%s is a folder; %s", id, which);
}

static int open_s3(struct mlo_runpod *c, const struct mlo_runpod_volume *v, const char *prefix,
                   const struct mlo_remote_opts *o, struct mlo_transport *ret, void **ret_self,
                   struct mlo_err *err)
{
    static const struct mlo_transport transport = {.kind = "runpod",
                                                   .stat = patient_stat,
                                                   .put = patient_put,
                                                   .get = patient_get,
                                                   .remove = patient_remove,
                                                   .list = patient_list,
                                                   .clock_ahead = patient_clock_ahead,
                                                   .close = patient_close};
    struct mlo_s3_place place = {
        .region = v->data_center, .bucket = v->id, .prefix = prefix, .home = o->home, .runpod = true};
    struct patient *p = NULL;
    MLO_AUTOSTR struct mlo_str endpoint;
    mlo_str_init(&endpoint, MLO_PATH_MAX);
    int rc = mlo_runpod_s3_endpoint(c, v->data_center, &endpoint, err);
    if (rc == MLO_EUNAVAIL)
        return no_s3(v->id, err);
    if (rc == 0)
        rc = mlo_credentials_runpod_s3(o->credentials, &place.key, err);
    place.endpoint = endpoint.ptr;
    if (rc == 0)
        rc = patient_new(o->http, v->id, &p, err);
    if (rc != 0)
        return rc;
    rc = mlo_s3_open_place(&place, o->http, &p->t, &p->self, err);
    if (rc != 0) {
        patient_close(p);
        return rc;
    }
    *ret = transport;
    ret->parallel = p->t.parallel;
    ret->max_put = p->t.max_put;
    ret->capacity = v->size_gb * GB_BYTES;
    *ret_self = p;
    return 0;
}

/* ---- which volume ---- */

static int client_new(const struct mlo_remote_opts *o, struct mlo_runpod **ret, struct mlo_err *err)
{
    struct mlo_runpod_opts opts = o->runpod;
    const char *origin = NULL;
    if (!o->http || !o->credentials)
        return mlo_fail(err, MLO_EUNAVAIL, "RunPod volumes need the network");
    int rc = mlo_credentials_runpod(o->credentials, &opts.key, &origin, err);
    opts.http = o->http;
    return rc != 0 ? rc : mlo_runpod_new(&opts, ret, err);
}

/* In a pod the id leads to the mount without asking anybody. */
static int hint_at_mount(const struct mlo_remote_opts *o, struct mlo_err *err)
{
    if (!o->mounted_volume || !*o->mounted_volume)
        return err->code;
    if (mount_of(o))
        return mlo_hint(err, "this pod has its volume mounted: " SCHEME "%s needs neither key nor network",
                        o->mounted_volume);
    return mlo_hint(
        err,
        "this pod has volume %s, but neither /runpod-volume nor /workspace is a file system of its "
        "own: say where it is mounted with the setting runpod.mount, then no key is needed",
        o->mounted_volume);
}

static int open_found(struct mlo_runpod *c, const struct address *a, const struct mlo_remote_opts *o,
                      struct mlo_transport *ret, void **ret_self, char **ret_id, struct mlo_err *err)
{
    struct mlo_runpod_volume v = {0};
    const char *mount = mount_of(o);
    int rc = mlo_runpod_volume_find(c, a->volume, &v, err);
    if (rc != 0)
        return rc == MLO_EREMOTE ? hint_at_mount(o, err) : rc;
    *ret_id = mlo_strdup(v.id, err);
    if (!*ret_id)
        rc = MLO_EIO;
    else if (mount && strcmp(v.id, o->mounted_volume) == 0)
        rc = open_mounted(mount, a->prefix, o->create, ret, ret_self, err);
    else
        rc = open_s3(c, &v, a->prefix, o, ret, ret_self, err);
    mlo_runpod_volume_release(&v);
    return rc;
}

static int open_address(const struct address *a, const struct mlo_remote_opts *o, struct mlo_transport *ret,
                        void **ret_self, char **ret_id, struct mlo_err *err)
{
    const char *mount = mount_of(o);
    struct mlo_runpod *c = NULL;
    if (mount && strcmp(a->volume, o->mounted_volume) == 0) {
        *ret_id = mlo_strdup(a->volume, err);
        return *ret_id ? open_mounted(mount, a->prefix, o->create, ret, ret_self, err) : MLO_EIO;
    }
    int rc = client_new(o, &c, err);
    if (rc != 0)
        return hint_at_mount(o, err);
    rc = open_found(c, a, o, ret, ret_self, ret_id, err);
    mlo_runpod_free(c);
    return rc;
}

int mlo_volume_open(const char *url, const struct mlo_remote_opts *o, struct mlo_transport *ret,
                    void **ret_self, char **ret_url, struct mlo_err *err)
{
    struct address a = {0};
    struct mlo_transport t = {0};
    void *self = NULL;
    MLO_AUTOFREE char *id = NULL;
    int rc = address_parse(url, &a, err);
    if (rc == 0)
        rc = open_address(&a, o, &t, &self, &id, err);
    if (rc == 0 && canonical(id, a.prefix, ret_url, err)) {
        t.close(self);
        rc = err->code;
    }
    address_release(&a);
    if (rc != 0)
        return rc;
    *ret = t;
    *ret_self = self;
    return 0;
}
