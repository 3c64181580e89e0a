/* An image as a program that speaks lines: the configuration and the line, by a runtime that is a script. */
#include <sys/file.h>
#include <sys/wait.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/bench.h>

#include "image_help.h"
#include "tap.h"

/* What a shell, a format and a path could stumble over. */
#define FOLDER "it's a \"folder\" $HOME `id` %s\nof two lines"

static struct mlo_err err;
static char base[256], bin[300], folder[400], layout[300], path_variable[400], odd[400];
static char *env[] = {path_variable, NULL};
static struct layer layer;
static struct mlo_container_opts o = {.folder = folder, .env = env};

/* Everything anew. Without a runtime: PATH leads to an empty folder. */
static void begin(void)
{
    static const char script[] = "#!/bin/sh\n[ \"$3\" = run ] || exit 0\nprintf '<%s>' \"$@\"\n";
    struct mlo_err ignored = MLO_ERR_INIT;
    char program[400];
    snprintf(base, sizeof base, "%s", tap_tmpdir());
    snprintf(bin, sizeof bin, "%s/bin", base);
    snprintf(folder, sizeof folder, "%s/containers", base);
    snprintf(odd, sizeof odd, "%s/%s", base, FOLDER);
    snprintf(layout, sizeof layout, "%s/layout", base);
    snprintf(path_variable, sizeof path_variable, "PATH=%s", bin);
    check_ok(mlo_purge_tree_at(AT_FDCWD, folder, &ignored), &ignored);
    check_ok(mlo_purge_tree_at(AT_FDCWD, layout, &ignored), &ignored);
    mkdir(bin, 0700);
    image_write(bin, "runc", script, strlen(script));
    snprintf(program, sizeof program, "%s/runc", bin);
    chmod(program, 0700);
    err = MLO_ERR_INIT;
    layer.n = 0;
    layer_add(&layer, "etc/passwd", '0', 0644, "root:x:0:0::/:\nservice:x:1001:1002::/:\n");
    layer_add(&layer, "etc/group", '0', 0644, "root:x:0:\nmodels:x:2002:service\n");
    o = (struct mlo_container_opts){.image = layout, .folder = folder, .env = env};
}

static struct mlo_container *opened(const char *config)
{
    struct mlo_container *c = NULL;
    image_make(layout, config, &layer, 1);
    check_ok(mlo_container_open(&o, &c, &err), &err);
    return c;
}

/* The folder that the line names last, which ends in " mlopsctl-$$". */
static cJSON *config_of(const struct mlo_container *c)
{
    char path[1000], *text = NULL;
    cJSON *doc = NULL;
    size_t n = 0;
    const char *from = strstr(mlo_container_line(c), "--bundle '") + strlen("--bundle '"),
               *to = strchr(from, '\'');
    snprintf(path, sizeof path, "%.*s/config.json", (int)(to - from), from);
    check_ok(mlo_slurp_at(AT_FDCWD, path, 1 << 20, &text, &n, &err), &err);
    check_ok(mlo_json_parse(text, n, 1 << 20, &doc, &err), &err);
    free(text);
    return doc;
}

static const cJSON *at(const cJSON *node, const char *a, const char *b)
{
    node = cJSON_GetObjectItemCaseSensitive(node, a);
    return b ? cJSON_GetObjectItemCaseSensitive(node, b) : node;
}

static bool is_word(const cJSON *list, int i, const char *want)
{
    const char *word = cJSON_GetStringValue(cJSON_GetArrayItem(list, i));
    return word && strcmp(word, want) == 0;
}

static bool has_member(const cJSON *list, const char *key, const char *want)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        const char *text = mlo_json_text(one, key);
        if (text && strcmp(text, want) == 0)
            return true;
    }
    return false;
}

/* ---- the configuration ---- */

static void the_configuration_is_what_the_image_asks_for(void)
{
    begin();
    o.model = "/some where/m.onnx";
    o.model_name = "m.onnx";
    struct mlo_container *c = opened(
        "{\"config\":{\"Entrypoint\":[\"/x\",\"a b\"],\"Cmd\":[\"c\"],\"Env\":[\"A=b\"],"
        "\"WorkingDir\":\"/w\",\"User\":\"service:models\"}}");
    if (!c)
        return;
    MLO_AUTOJSON cJSON *doc = config_of(c);
    const cJSON *process = at(doc, "process", NULL), *words = at(process, "args", NULL);
    check(is_word(words, 0, "/x") && is_word(words, 1, "a b") && is_word(words, 2, "c"));
    check(cJSON_GetArraySize(words) == 3 && is_word(at(process, "env", NULL), 0, "A=b"));
    check_str(mlo_json_text(process, "cwd"), "/w");
    check(mlo_json_true(process, "noNewPrivileges") && !at(process, "capabilities", NULL));
    if (geteuid() == 0) {
        check_int(cJSON_GetNumberValue(at(process, "user", "uid")), 1001);
        check_int(cJSON_GetNumberValue(at(process, "user", "gid")), 2002);
    }
    static const char *const spaces[] = {"pid", "mount", "ipc", "uts", "network"};
    for (size_t i = 0; i < MLO_COUNT(spaces); i++)
        check(has_member(at(doc, "linux", "namespaces"), "type", spaces[i]), "%s", spaces[i]);
    check(has_member(at(doc, "linux", "namespaces"), "type", "user") == (geteuid() != 0));
    check(has_member(at(doc, "mounts", NULL), "source", "/some where/m.onnx"));
    check_str(mlo_container_model(c), "/model/m.onnx");
    check(!mlo_json_true(at(doc, "root", NULL), "readonly"));
    mlo_container_close(c);
}

static void users(void)
{
    static const struct {
        const char *user;
        int uid, gid; /* -1: refused */
    } cases[] = {{"", 0, 0},
                 {"7", 7, 0},
                 {"7:8", 7, 8},
                 {"service", 1001, 1002},
                 {"0:models", 0, 2002},
                 {"servic", -1, 0},
                 {"nobody", -1, 0},
                 {"-1", -1, 0},
                 {"7:none", -1, 0},
                 {"7:", -1, 0},
                 {"4294967295", -1, 0}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        char config[200];
        struct mlo_container *c = NULL;
        begin();
        snprintf(config, sizeof config, "{\"config\":{\"Cmd\":[\"/x\"],\"User\":\"%s\"}}", cases[i].user);
        image_make(layout, config, &layer, 1);
        int rc = mlo_container_open(&o, &c, &err);
        check(rc == (cases[i].uid < 0 ? MLO_EINVALID : 0), "'%s': %d %s", cases[i].user, rc, err.msg);
        if (rc == 0 && geteuid() == 0) {
            MLO_AUTOJSON cJSON *doc = config_of(c);
            const cJSON *user = at(doc, "process", "user");
            check_int(cJSON_GetNumberValue(at(user, "uid", NULL)), cases[i].uid);
            check_int(cJSON_GetNumberValue(at(user, "gid", NULL)), cases[i].gid);
        }
        if (rc == 0)
            mlo_container_close(c);
    }
}

static void images_that_cannot_be_run(void)
{
    static const char *const configs[] = {"{}", "{\"config\":{\"Cmd\":[]}}", "{\"config\":{\"Cmd\":[1]}}"};
    for (size_t i = 0; i < MLO_COUNT(configs); i++) {
        struct mlo_container *c = NULL;
        begin();
        image_make(layout, configs[i], &layer, 1);
        check_err(mlo_container_open(&o, &c, &err), MLO_EINVALID, &err, "command");
        check(!c && rmdir(folder) == 0, "nothing is left");
    }
}

/* ---- the line ---- */

static void the_line_is_words_whatever_the_folder_is_called(void)
{
    char got[4000], want[4000];
    begin();
    o.folder = odd;
    struct mlo_container *c = opened("{\"config\":{\"Cmd\":[\"/x\"]}}");
    if (!c)
        return;
    FILE *f = popen(mlo_container_line(c), "r");
    size_t n = f ? fread(got, 1, sizeof got - 1, f) : 0;
    got[n] = '\0';
    int status = f ? pclose(f) : -1;
    char *number = strrchr(got, '-');
    check(status == 0 && number && strtol(number + 1, NULL, 10) > 0, "%s", got);
    if (number)
        *number = '\0';
    snprintf(want, sizeof want, "<--root><%s/image-%ld-0/state><run><--bundle><%s/image-%ld-0><mlopsctl", odd,
             (long)getpid(), odd, (long)getpid());
    check_str(got, want);
    mlo_container_close(c);
    check(rmdir(odd) == 0, "nothing is left");
}

static void without_a_runtime(void)
{
    struct mlo_container *c = NULL;
    begin();
    snprintf(path_variable, sizeof path_variable, "PATH=%s", layout);
    check_err(mlo_container_open(&o, &c, &err), MLO_EUNAVAIL, &err, "no container runtime");
}

/* ---- folders of others ---- */

static void what_nobody_holds_is_swept_and_what_is_held_stays(void)
{
    char path[600];
    struct stat st;
    begin();
    check(mkdir(folder, 0700) == 0);
    static const char *const names[] = {"image-1-0",
                                        "image-1-0/rootfs",
                                        "image-1-0/state",
                                        "image-1-0/state/x",
                                        "image-1-0/rootfs/shut",
                                        "image-1-0/rootfs/shut/in",
                                        "image-2-0",
                                        "other"};
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        check(mkdir(path, 0700) == 0);
    }
    snprintf(path, sizeof path, "%s/image-1-0/rootfs/shut", folder);
    check(chmod(path, 0) == 0);
    snprintf(path, sizeof path, "%s/image-3-0", folder);
    check(symlink(bin, path) == 0);
    snprintf(path, sizeof path, "%s/image-2-0", folder);
    int held = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(flock(held, LOCK_EX) == 0);
    struct mlo_container *c = opened("{\"config\":{\"Cmd\":[\"/x\"]}}");
    if (!c)
        return;
    check(stat(path, &st) == 0, "one that is held stays");
    close(held);
    snprintf(path, sizeof path, "%s/image-1-0", folder);
    check(stat(path, &st) != 0, "one that nobody holds goes");
    snprintf(path, sizeof path, "%s/other", folder);
    check(stat(path, &st) == 0, "what is not a container's stays");
    snprintf(path, sizeof path, "%s/runc", bin);
    check(stat(path, &st) == 0, "links are not followed");
    mlo_container_close(c);
}

/* Of its own number, but held: a process of another namespace. */
static void a_name_that_is_taken_is_not_taken_over(void)
{
    char path[600], want[64];
    begin();
    check(mkdir(folder, 0700) == 0);
    snprintf(path, sizeof path, "%s/image-%ld-0", folder, (long)getpid());
    check(mkdir(path, 0700) == 0);
    int held = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(flock(held, LOCK_EX) == 0);
    struct mlo_container *c = opened("{\"config\":{\"Cmd\":[\"/x\"]}}");
    snprintf(want, sizeof want, "/image-%ld-1'", (long)getpid());
    check(c && strstr(mlo_container_line(c), want), "the next name");
    mlo_container_close(c);
    check(rmdir(path) == 0, "it was left as it is");
    close(held);
}

static int open_and_close(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_container *c = NULL;
    int rc = mlo_container_open(&o, &c, &e);
    if (rc == 0)
        mlo_container_close(c);
    return rc;
}

static void survives_lack_of_memory(void)
{
    begin();
    image_make(layout, "{\"config\":{\"Cmd\":[\"/x\"],\"User\":\"service\"}}", &layer, 1);
    check(each_alloc_failure(open_and_close) > 10);
    check(rmdir(folder) == 0, "nothing is left");
}

int main(void)
{
    run(the_configuration_is_what_the_image_asks_for);
    run(users);
    run(images_that_cannot_be_run);
    run(the_line_is_words_whatever_the_folder_is_called);
    run(without_a_runtime);
    run(what_nobody_holds_is_swept_and_what_is_held_stays);
    run(a_name_that_is_taken_is_not_taken_over);
    run(survives_lack_of_memory);
    return done_testing();
}
