/*
 * A container image as a program that speaks lines. No daemon: the image's files are unpacked into a folder
 * of our own, a configuration is written beside them, and runc or crun runs it for each caller, by its own
 * standard streams. The folder is locked while it is used; one that nobody holds was left by a process that
 * was killed, and is swept with its containers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/process.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/bundle.h>

#include "internal.h"

#define CONFIG       "config.json"
#define CONFIG_MAX   ((size_t)4 << 20)
#define STATE        "state" /* the runtime's, a folder for each container */
#define PREFIX       "image-"
#define MODEL_FOLDER "/model"
#define SWEEP_MAX    1000
#define NAMES_MAX    100
#define ACCOUNTS_MAX ((size_t)1 << 20)
#define DELETE_LIMIT (10 * MLO_NS_PER_S)

struct runtime {
    const char *name, *option; /* said before its command; NULL: nothing */
};
struct mlo_container {
    const struct runtime *kind;
    char *runtime, *folder, *line, *model; /* owned; the runtime's path */
    char *const *env;
    int base, lock;
    char name[64]; /* of the folder in base */
};

/* ---- the runtime ---- */

/* A container has no limits of its own, so crun need not make it a control group, which fails where none may
 * be made. */
static const struct runtime runtimes[] = {{"runc", NULL}, {"crun", "--cgroup-manager=disabled"}};

static int find_runtime(struct mlo_container *c, struct mlo_err *err)
{
    for (size_t i = 0; i < MLO_COUNT(runtimes); i++) {
        c->kind = &runtimes[i];
        int rc = mlo_process_find(c->env, runtimes[i].name, &c->runtime, err);
        if (rc != MLO_EUNAVAIL)
            return rc;
    }
    mlo_fail(err, MLO_EUNAVAIL, "no container runtime is installed: neither runc nor crun is in PATH");
    return mlo_hint(
        err, "install one (apt-get install runc, or crun), or run the image yourself and give --target its "
             "URL, or command: with what runs it");
}

static void delete_container(const struct mlo_container *c, char *state, char *id)
{
    char root[] = "--root", word[] = "delete", force[] = "--force";
    char *argv[] = {c->runtime, root, state, word, force, id, NULL, NULL};
    if (c->kind->option) {
        memmove(argv + 2, argv + 1, (MLO_COUNT(argv) - 2) * sizeof *argv);
        argv[1] = (char *)(uintptr_t)c->kind->option;
    }
    const struct mlo_process_opts o = {
        .path = c->runtime, .argv = argv, .env = c->env, .in = -1, .out = -1, .message = -1, .group = true};
    struct mlo_err ignored = MLO_ERR_INIT;
    pid_t pid;
    int status;
    if (mlo_process_start(&o, &pid, &ignored) == 0 &&
        !mlo_process_wait(pid, mlo_time_mono() + DELETE_LIMIT, NULL, &status))
        mlo_process_kill(pid, true);
}

/* Every container whose state is there. */
static void delete_all(const struct mlo_container *c, const char *folder)
{
    char state[PATH_MAX];
    int n = snprintf(state, sizeof state, "%s/" STATE, folder);
    DIR *dir = n > 0 && n < (int)sizeof state ? opendir(state) : NULL;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (e->d_name[0] != '.')
            delete_container(c, state, e->d_name);
    if (dir)
        closedir(dir);
}

/* ---- folders ---- */

/* Whether the lock on fd is one on what has this name now: who locked a folder that has gone meanwhile, while
 * another process has made its own of that name, holds nothing. */
static bool is_named(int base, const char *name, int fd)
{
    struct stat there, held;
    return fstatat(base, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &held) == 0 &&
           there.st_dev == held.st_dev && there.st_ino == held.st_ino;
}

/* One that nobody holds, with its containers. */
static void sweep_one(int base, const char *folder, const char *name, const struct mlo_container *c)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    char path[PATH_MAX];
    MLO_AUTOCLOSE int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (fd < 0 || n >= (int)sizeof path || mlo_lock_fd(fd, true, 0, NULL, NULL, &ignored) != 0 ||
        !is_named(base, name, fd))
        return;
    delete_all(c, path);
    (void)!mlo_purge_tree_at(base, name, &ignored); /* else the next one tries again */
}

static void sweep(const struct mlo_container *c, const char *folder)
{
    int fd = openat(c->base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0)
        close(fd);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && n < SWEEP_MAX; e = readdir(dir), n++)
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0)
            sweep_one(c->base, folder, e->d_name, c);
    if (dir)
        closedir(dir);
}

/* A name that is there is another's, or what could not be swept. Whoever sweeps between the making and the
 * lock removes an empty folder: then the next name is tried. */
static int make_own(struct mlo_container *c, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        snprintf(c->name, sizeof c->name, PREFIX "%ld-%u", (long)getpid(), i);
        if (mkdirat(c->base, c->name, 0700) != 0) {
            if (errno == EEXIST)
                continue;
            return mlo_fail_errno(err, "cannot make a folder for a container");
        }
        c->lock = openat(c->base, c->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (c->lock >= 0 && mlo_lock_fd(c->lock, true, 0, NULL, NULL, &ignored) == 0 &&
            is_named(c->base, c->name, c->lock))
            return 0;
        mlo_cleanup_close(&c->lock);
    }
    return mlo_fail(err, MLO_EIO, "cannot make a folder for a container: %d names are taken", NAMES_MAX);
}

static int open_folder(struct mlo_container *c, const char *folder, struct mlo_err *err)
{
    int rc = mlo_mkdirs_at(AT_FDCWD, folder, 0700, err);
    if (rc != 0)
        return rc;
    c->base = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->base < 0)
        return mlo_fail_errno(err, "cannot open '%s'", folder);
    sweep(c, folder);
    rc = make_own(c, err);
    size_t n = strlen(folder) + strlen(c->name) + 2;
    c->folder = rc == 0 ? mlo_calloc(n, 1, err) : NULL;
    if (!c->folder)
        return err->code;
    snprintf(c->folder, n, "%s/%s", folder, c->name);
    return 0;
}

/* ---- what the image asks for ---- */

struct wanted {
    cJSON *args, *env; /* owned */
    char cwd[PATH_MAX], root[PATH_MAX];
    uint64_t uid, gid;
    bool read_only;
};

static const cJSON *member(const cJSON *of, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(of, key);
}

static int add_words(cJSON *to, const cJSON *from, struct mlo_err *err)
{
    const cJSON *word;
    cJSON_ArrayForEach(word, from)
    {
        if (!cJSON_IsString(word))
            return mlo_fail(err, MLO_EINVALID, "the image's command is no list of words");
        if (!cJSON_AddItemToArray(to, cJSON_CreateString(word->valuestring)))
            return mlo_fail_nomem(err);
    }
    return 0;
}

/* "name:x:1000:1000:..." of the image's own list; *ret_gid untouched where the list has none. */
static bool find_account(const char *text, const char *name, size_t n, uint64_t *ret_id, uint64_t *ret_gid)
{
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        unsigned long long id, gid;
        if (strncmp(line, name, n) != 0 || line[n] != ':')
            continue;
        const char *rest = strchr(line + n + 1, ':');
        int got = rest ? sscanf(rest, ":%llu:%llu", &id, &gid) : 0;
        if (got < 1)
            return false;
        *ret_id = id;
        if (got == 2 && ret_gid)
            *ret_gid = gid;
        return true;
    }
    return false;
}

static int look_up(const char *root, const char *list, const char *name, size_t n, uint64_t *ret_id,
                   uint64_t *ret_gid, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOCLOSE int fd = -1;
    char *end, shown[MLO_SHOWN];
    size_t len = 0;
    unsigned long long id = strtoull(name, &end, 10);
    if (n > 0 && end == name + n && id < UINT32_MAX) {
        *ret_id = id;
        return 0;
    }
    fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOCLOSE int file = -1;
    text = mlo_calloc(ACCOUNTS_MAX + 1, 1, err);
    if (!text)
        return err->code;
    if (fd >= 0 && mlo_open_beneath(fd, list, O_RDONLY | O_NONBLOCK, 0, &file, &ignored) == 0 &&
        mlo_read_at(file, text, ACCOUNTS_MAX, 0, &len, &ignored) == 0 &&
        find_account(text, name, n, ret_id, ret_gid))
        return 0;
    return mlo_fail(err, MLO_EINVALID, "the image has no user or group '%s'", mlo_shown(name, n, shown));
}

/* "1000", "user", "user:group" */
static int read_user(const char *user, struct wanted *w, struct mlo_err *err)
{
    size_t n = user ? strcspn(user, ":") : 0;
    if (n == 0)
        return 0;
    int rc = look_up(w->root, "etc/passwd", user, n, &w->uid, &w->gid, err);
    if (rc == 0 && user[n] == ':')
        rc = look_up(w->root, "etc/group", user + n + 1, strlen(user + n + 1), &w->gid, NULL, err);
    return rc;
}

static int take_folder(const char *cwd, struct wanted *w, struct mlo_err *err)
{
    int n = snprintf(w->cwd, sizeof w->cwd, "%s", cwd && *cwd == '/' ? cwd : "/");
    return n < (int)sizeof w->cwd ? 0 : mlo_fail(err, MLO_EINVALID, "the image's working folder is too long");
}

static int take_image(const cJSON *config, const char *folder, struct wanted *w, struct mlo_err *err)
{
    const cJSON *c = member(config, "config");
    snprintf(w->root, sizeof w->root, "%s/rootfs", folder);
    int rc = add_words(w->args, member(c, "Entrypoint"), err);
    if (rc == 0)
        rc = add_words(w->args, member(c, "Cmd"), err);
    if (rc == 0)
        rc = add_words(w->env, member(c, "Env"), err);
    if (rc == 0)
        rc = take_folder(mlo_json_text(c, "WorkingDir"), w, err);
    return rc == 0 ? read_user(mlo_json_text(c, "User"), w, err) : rc;
}

static int take_bundle(const char *path, const char *text, size_t n, struct wanted *w, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *config = NULL;
    char whole[PATH_MAX];
    int rc = mlo_json_parse(text, n, CONFIG_MAX, &config, err);
    if (rc != 0)
        return rc;
    const cJSON *process = member(config, "process"), *user = member(process, "user");
    const char *root = mlo_json_text(member(config, "root"), "path");
    w->read_only = true; /* it is not ours */
    if (!root)
        return mlo_fail(err, MLO_EINVALID, "no root file system is named");
    snprintf(whole, sizeof whole, "%s%s%s", *root == '/' ? "" : path, *root == '/' ? "" : "/", root);
    if (!realpath(whole, w->root))
        return mlo_fail_errno(err, "root file system '%s'", whole);
    struct mlo_err ignored = MLO_ERR_INIT; /* absent: 0 */
    if (mlo_json_u64(user, "uid", &w->uid, &ignored) != 0 ||
        mlo_json_u64(user, "gid", &w->gid, &ignored) != 0)
        w->uid = w->gid = 0;
    rc = add_words(w->args, member(process, "args"), err);
    if (rc == 0)
        rc = add_words(w->env, member(process, "env"), err);
    return rc == 0 ? take_folder(mlo_json_text(process, "cwd"), w, err) : rc;
}

/* ---- the configuration (OCI runtime specification 1.0) ---- */

static void add_list(struct mlo_jb *b, cJSON *to, const char *key, const char *const *words)
{
    cJSON *list = mlo_jb_array(b, to, key);
    for (; *words; words++)
        mlo_jb_text(b, list, NULL, *words);
}

static void add_mount(struct mlo_jb *b, cJSON *to, const char *where, const char *type, const char *source,
                      const char *const *options)
{
    cJSON *mount = mlo_jb_object(b, to, NULL);
    mlo_jb_text(b, mount, "destination", where);
    mlo_jb_text(b, mount, "type", type);
    mlo_jb_text(b, mount, "source", source);
    add_list(b, mount, "options", options);
}

static void add_mounts(struct mlo_jb *b, const struct mlo_container *c, const char *model, cJSON *to)
{
    static const char *const proc[] = {"nosuid", "noexec", "nodev", NULL},
                             *const dev[] = {"nosuid", "mode=755", "size=65536k", NULL},
                             *const tmp[] = {"nosuid", "nodev", "mode=1777", NULL},
                             *const bind[] = {"bind", "ro", "nosuid", "nodev", NULL};
    cJSON *list = mlo_jb_array(b, to, "mounts");
    add_mount(b, list, "/proc", "proc", "proc", proc);
    add_mount(b, list, "/dev", "tmpfs", "tmpfs", dev);
    add_mount(b, list, "/dev/shm", "tmpfs", "shm", tmp);
    add_mount(b, list, "/tmp", "tmpfs", "tmpfs", tmp);
    if (!model)
        return;
    add_mount(b, list, MODEL_FOLDER, "tmpfs", "tmpfs", tmp);
    add_mount(b, list, c->model, "bind", model, bind);
}

static void add_mapping(struct mlo_jb *b, cJSON *linux_part, const char *key, uint64_t host)
{
    cJSON *one = mlo_jb_object(b, mlo_jb_array(b, linux_part, key), NULL);
    mlo_jb_u64(b, one, "containerID", 0);
    mlo_jb_u64(b, one, "hostID", host);
    mlo_jb_u64(b, one, "size", 1);
}

/* Who is not root maps himself to the container's. */
static void add_isolation(struct mlo_jb *b, cJSON *to)
{
    static const char *const kinds[] = {"pid", "mount", "ipc", "uts", "network", "user"},
                             *const masked[] = {"/proc/kcore", "/proc/keys",        "/proc/timer_list",
                                                "/proc/acpi",  "/proc/sched_debug", "/proc/scsi",
                                                NULL},
                             *const fixed[] = {"/proc/bus",           "/proc/fs", "/proc/irq", "/proc/sys",
                                               "/proc/sysrq-trigger", NULL};
    bool rootless = geteuid() != 0;
    cJSON *l = mlo_jb_object(b, to, "linux"), *spaces = mlo_jb_array(b, l, "namespaces");
    for (size_t i = 0; i + !rootless < MLO_COUNT(kinds); i++)
        mlo_jb_text(b, mlo_jb_object(b, spaces, NULL), "type", kinds[i]);
    if (rootless) {
        add_mapping(b, l, "uidMappings", geteuid());
        add_mapping(b, l, "gidMappings", getegid());
    }
    add_list(b, l, "maskedPaths", masked);
    add_list(b, l, "readonlyPaths", fixed);
}

static void add_process(struct mlo_jb *b, struct wanted *w, cJSON *to)
{
    bool rootless = geteuid() != 0;
    cJSON *process = mlo_jb_object(b, to, "process"), *user = mlo_jb_object(b, process, "user");
    mlo_jb_u64(b, user, "uid", rootless ? 0 : w->uid);
    mlo_jb_u64(b, user, "gid", rootless ? 0 : w->gid);
    mlo_jb_node(b, process, "args", mlo_steal(&w->args));
    mlo_jb_node(b, process, "env", mlo_steal(&w->env));
    mlo_jb_text(b, process, "cwd", w->cwd);
    mlo_jb_true(b, process, "noNewPrivileges", true);
}

static int write_config(const struct mlo_container *c, struct wanted *w, const char *model,
                        struct mlo_err *err)
{
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *doc = mlo_jb_object(&b, NULL, NULL);
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    mlo_jb_text(&b, doc, "ociVersion", "1.0.2");
    cJSON *root = mlo_jb_object(&b, doc, "root");
    mlo_jb_text(&b, root, "path", w->root);
    mlo_jb_true(&b, root, "readonly", w->read_only);
    add_process(&b, w, doc);
    add_mounts(&b, c, model, doc);
    add_isolation(&b, doc);
    int rc = mlo_jb_check(&b, err);
    if (rc == 0)
        rc = mlo_json_print(doc, &text, &n, err);
    return rc == 0 ? mlo_write_file_at(c->lock, CONFIG, text, n, 0600, err) : rc;
}

/* ---- all of it ---- */

/* "oci:PATH:TAG"; the whole is a path when there is one of that name. */
static int split(const char *image, char **ret_path, const char **ret_tag, struct mlo_err *err)
{
    image += strncmp(image, "oci:", 4) == 0 ? 4 : 0;
    char *path = *ret_path = mlo_strdup(image, err);
    if (!path)
        return err->code;
    char *colon = strrchr(path, ':');
    *ret_tag = NULL;
    if (access(path, F_OK) == 0 || !colon || strchr(colon, '/'))
        return 0;
    *colon = '\0';
    *ret_tag = colon + 1;
    return 0;
}

static int find_files(struct mlo_container *c, const char *image, struct wanted *w, struct mlo_err *err)
{
    MLO_AUTOFREE char *path = NULL, *text = NULL;
    MLO_AUTOJSON cJSON *config = NULL;
    char bundle[PATH_MAX], shown[MLO_SHOWN];
    const char *tag = NULL;
    size_t n = 0;
    struct mlo_err none = MLO_ERR_INIT;
    int rc = split(image, &path, &tag, err);
    if (rc == 0 && snprintf(bundle, sizeof bundle, "%s/" CONFIG, path) >= (int)sizeof bundle)
        rc = mlo_fail(err, MLO_EUSAGE, "the image's path is too long");
    if (rc != 0)
        return rc;
    rc = mlo_slurp_at(AT_FDCWD, bundle, CONFIG_MAX, &text, &n, &none);
    if (rc == 0) {
        rc = take_bundle(path, text, n, w, err);
    } else if (rc != MLO_ENOTFOUND && none.sys_errno != ENOTDIR) {
        *err = none;
    } else {
        rc = mlo_image_unpack(path, tag, c->folder, &config, err);
        if (rc == 0)
            rc = take_image(config, c->folder, w, err);
    }
    if (rc == 0 && cJSON_GetArraySize(w->args) == 0)
        rc = mlo_fail(err, MLO_EINVALID, "it names no command to run");
    return rc == 0 ? 0 : mlo_wrap(err, "image '%s'", mlo_shown(path, strlen(path), shown));
}

static void add_quoted(struct mlo_str *line, const char *word)
{
    mlo_str_addc(line, '\'');
    for (; *word; word++)
        if (*word == '\'')
            mlo_str_add(line, "'\\''");
        else
            mlo_str_addc(line, *word);
    mlo_str_addc(line, '\'');
}

/* The shell becomes the runtime, so its number is one that no other caller's container has. */
static int make_line(struct mlo_container *c, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, MLO_STR_MAX);
    mlo_str_add(&line, "exec ");
    add_quoted(&line, c->runtime);
    if (c->kind->option)
        mlo_str_addf(&line, " %s", c->kind->option);
    mlo_str_add(&line, " --root ");
    add_quoted(&line, c->folder);
    mlo_str_add(&line, "/" STATE " run --bundle ");
    add_quoted(&line, c->folder);
    mlo_str_add(&line, " mlopsctl-$$");
    int rc = mlo_str_check(&line, err);
    if (rc == 0)
        c->line = mlo_str_detach(&line, NULL);
    return rc;
}

static int name_model(struct mlo_container *c, const struct mlo_container_opts *o, struct mlo_err *err)
{
    size_t n = o->model ? strlen(MODEL_FOLDER) + strlen(o->model_name) + 2 : 0;
    if (!o->model)
        return 0;
    c->model = mlo_calloc(n, 1, err);
    if (!c->model)
        return err->code;
    snprintf(c->model, n, MODEL_FOLDER "/%s", o->model_name);
    return 0;
}

static int open_container(struct mlo_container *c, const struct mlo_container_opts *o, struct wanted *w,
                          struct mlo_err *err)
{
    w->args = cJSON_CreateArray();
    w->env = cJSON_CreateArray();
    int rc = w->args && w->env ? find_runtime(c, err) : mlo_fail_nomem(err);
    if (rc == 0)
        rc = open_folder(c, o->folder, err);
    if (rc == 0)
        rc = name_model(c, o, err);
    if (rc == 0)
        rc = find_files(c, o->image, w, err);
    if (rc == 0)
        rc = write_config(c, w, o->model, err);
    return rc == 0 ? make_line(c, err) : rc;
}

int mlo_container_open(const struct mlo_container_opts *o, struct mlo_container **ret, struct mlo_err *err)
{
    struct wanted w = {.uid = 0};
    struct mlo_container *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return err->code;
    *c = (struct mlo_container){.env = o->env, .base = -1, .lock = -1};
    int rc = open_container(c, o, &w, err);
    cJSON_Delete(w.args);
    cJSON_Delete(w.env);
    if (rc != 0)
        mlo_container_close(c);
    else
        *ret = c;
    return rc;
}

const char *mlo_container_line(const struct mlo_container *c)
{
    return c->line;
}

const char *mlo_container_model(const struct mlo_container *c)
{
    return c->model;
}

void mlo_container_close(struct mlo_container *c)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    if (!c)
        return;
    if (c->folder)
        delete_all(c, c->folder);
    if (c->lock >= 0)
        (void)!mlo_purge_tree_at(c->base, c->name, &ignored); /* what stays is swept by the next */
    mlo_cleanup_close(&c->lock);
    mlo_cleanup_close(&c->base);
    free(c->runtime);
    free(c->folder);
    free(c->line);
    free(c->model);
    free(c);
}
