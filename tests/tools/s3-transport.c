/*
 * The S3 transport by itself, for tests of what no command does with small files: objects in parts, listings.
 *
 *     s3-transport ENDPOINT BUCKET[/PREFIX] put KEY FILE
 *     s3-transport ENDPOINT BUCKET[/PREFIX] get|stat|rm KEY
 *     s3-transport ENDPOINT BUCKET[/PREFIX] ls [FOLDER]
 *
 * Options before: --runpod (its gateway's rules), --home DIR (journals), --region NAME, --virtual-host. The
 * key comes from RGW_KEY and RGW_SECRET. Ends as mlopsctl does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "../../src/remote/internal.h"

static int read_file(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    return mlo_read_at(*(int *)ctx, buf, cap, offset, ret_n, err);
}

static int hash_file(int fd, struct mlo_body *body, struct mlo_err *err)
{
    static char buf[1 << 20];
    struct mlo_sha256 hash = {0};
    size_t n = sizeof buf;
    int rc = mlo_sha256_new(&hash, err);
    while (rc == 0 && n == sizeof buf) {
        rc = mlo_read_at(fd, buf, sizeof buf, body->size, &n, err);
        if (rc == 0)
            rc = mlo_sha256_update(&hash, buf, n, err);
        body->size += n;
    }
    if (rc == 0)
        rc = mlo_sha256_end(&hash, &body->digest, err);
    mlo_sha256_free(&hash);
    return rc;
}

static int put(struct mlo_transport *t, void *self, const char *key, const char *path, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct mlo_body body = {.read = read_file, .ctx = &fd};
    uint64_t size = 0;
    if (fd < 0)
        return mlo_fail_errno(err, "'%s'", path);
    int rc = hash_file(fd, &body, err);
    if (rc == 0)
        rc = t->put(self, key, &body, err);
    if (rc == 0)
        rc = t->stat(self, key, &size, err);
    return rc == 0 && size != body.size ? mlo_fail(err, MLO_EINVALID, "stored with another size") : rc;
}

static int to_stdout(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    (void)ctx;
    return mlo_write_all(STDOUT_FILENO, p, n, err);
}

static int show(void *ctx, const char *key, uint64_t size, struct mlo_err *err)
{
    (void)ctx, (void)err;
    printf("%llu %s\n", (unsigned long long)size, key);
    return 0;
}

static int act(struct mlo_transport *t, void *self, const char *verb, const char *key, const char *file,
               struct mlo_err *err)
{
    uint64_t size = 0;
    if (strcmp(verb, "put") == 0 && file)
        return put(t, self, key, file, err);
    if (strcmp(verb, "get") == 0)
        return t->get(self, key, 0, UINT64_MAX, (uint64_t)1 << 40, to_stdout, NULL, err);
    if (strcmp(verb, "rm") == 0)
        return t->remove(self, key, err);
    if (strcmp(verb, "ls") == 0)
        return t->list(self, key, show, NULL, err);
    if (strcmp(verb, "stat") != 0)
        return mlo_fail(err, MLO_EUSAGE, "no such verb");
    int rc = t->stat(self, key, &size, err);
    if (rc == 0)
        printf("%llu\n", (unsigned long long)size);
    return rc;
}

static int run(struct mlo_s3_place *p, char **words, struct mlo_err *err)
{
    struct mlo_http_opts opts = {.stall_ns = 1000000000LL, .backoff_ns = 50000000LL};
    struct mlo_http *http = NULL;
    struct mlo_transport t;
    void *self = NULL;
    int rc = mlo_http_new(&opts, &http, err);
    if (rc == 0)
        rc = mlo_s3_open_place(p, http, &t, &self, err);
    if (rc == 0) {
        rc = act(&t, self, words[0], words[1] ? words[1] : "", words[1] ? words[2] : NULL, err);
        t.close(self);
    }
    mlo_http_free(http);
    return rc;
}

int main(int argc, char **argv)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_s3_place p = {.region = "us-east-1", .prefix = ""};
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++)
        if (strcmp(argv[i], "--runpod") == 0)
            p.runpod = true;
        else if (strcmp(argv[i], "--virtual-host") == 0)
            p.virtual_host = true;
        else if (strcmp(argv[i], "--home") == 0 && i + 1 < argc)
            p.home = argv[++i];
        else if (strcmp(argv[i], "--region") == 0 && i + 1 < argc)
            p.region = argv[++i];
    if (argc - i < 3)
        return 2;
    char *slash = strchr(argv[i + 1], '/');
    if (slash) {
        *slash = '\0';
        p.prefix = slash + 1;
    }
    p.endpoint = argv[i];
    p.bucket = argv[i + 1];
    p.key = (struct mlo_s3_key){
        .access_key = getenv("RGW_KEY"), .secret_key = getenv("RGW_SECRET"), .origin = "the test"};
    int rc = run(&p, argv + i + 2, &err);
    if (rc != 0)
        fprintf(stderr, "%s\n%s\n", err.msg, err.hint);
    return -rc;
}
