/* See pod_wait.h. RUNNING says that a container was started, not that anything in it works: hence the probes.
 */
#include "pod_wait.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#define PROBE_PATIENCE_NS (10 * MLO_NS_PER_S)
#define CONNECT_MS        5000
#define GONE_LOOKS        100 /* until a removed pod must be gone */

/* ---- what to probe ---- */

/* "8000/http": the number, and whether it is of this type. */
static bool port_is(const char *text, const char *type, uint64_t *ret)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (end == text || *end != '/' || strcmp(end + 1, type) != 0)
        return false;
    *ret = port;
    return true;
}

static bool first_of_type(const struct mlo_runpod_words *ports, const char *type, uint64_t *ret)
{
    for (size_t i = 0; i < ports->n; i++)
        if (port_is(ports->items[i], type, ret))
            return true;
    return false;
}

static bool has_port(const struct mlo_runpod_words *ports, const char *type, uint64_t port)
{
    for (size_t i = 0; i < ports->n; i++) {
        uint64_t p;
        if (port_is(ports->items[i], type, &p) && p == port)
            return true;
    }
    return false;
}

int mlo_pod_probe_parse(const char *text, const struct mlo_runpod_words *ports, struct mlo_pod_probe *ret,
                        struct mlo_err *err)
{
    struct mlo_pod_probe p = {.path = "/"};
    if (!text) {
        if (!first_of_type(ports, "http", &p.port))
            p.tcp = first_of_type(ports, "tcp", &p.port);
        *ret = p;
        return 0;
    }
    char number[8] = "";
    size_t n = strcspn(text, "/");
    memcpy(number, text, n < sizeof number ? n : 0);
    if (mlo_parse_u64(number, 1, 65535, "--probe", &p.port, err))
        return mlo_hint(err, "--probe is PORT or PORT/PATH: 8000/health");
    if (text[n])
        p.path = text + n;
    p.tcp = has_port(ports, "tcp", p.port);
    if (!p.tcp && !has_port(ports, "http", p.port)) {
        mlo_fail(err, MLO_EUSAGE, "port %llu of --probe is not open", (unsigned long long)p.port);
        return mlo_hint(err, "open it with --port %llu/http", (unsigned long long)p.port);
    }
    if (p.tcp && text[n])
        return mlo_fail(err, MLO_EUSAGE, "port %llu is a TCP port: a path can only be asked for over HTTP",
                        (unsigned long long)p.port);
    *ret = p;
    return 0;
}

/* ---- probing ---- */

int mlo_pod_url(struct mlo_ctx *ctx, const char *id, uint64_t port, const char *path, struct mlo_str *out,
                struct mlo_err *err)
{
    const struct mlo_config *c = NULL;
    if (mlo_ctx_config(ctx, &c, err))
        return err->code;
    const char *p = mlo_config_get(c, "runpod.proxy");
    while (*p)
        if (strncmp(p, "{id}", 4) == 0) {
            mlo_url_encode(out, id, strlen(id), false);
            p += 4;
        } else if (strncmp(p, "{port}", 6) == 0) {
            mlo_str_addf(out, "%llu", (unsigned long long)port);
            p += 6;
        } else {
            mlo_str_addc(out, *p++);
        }
    if (out->len && out->ptr[out->len - 1] == '/' && *path == '/')
        path++;
    mlo_str_add(out, path);
    return mlo_str_check(out, err);
}

/* The proxy itself answers 404 or 502 while nothing listens behind it. */
static int probe_http(struct mlo_ctx *ctx, const char *id, const struct mlo_pod_probe *p, struct mlo_err *err)
{
    struct mlo_http *http = NULL;
    struct mlo_http_response r = {0};
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, 4096);
    int rc = mlo_pod_url(ctx, id, p->port, p->path, &url, err);
    if (rc == 0)
        rc = mlo_ctx_http(ctx, &http, err);
    if (rc != 0)
        return rc;
    struct mlo_http_request q = {.method = "GET",
                                 .url = url.ptr,
                                 .flags = MLO_HTTP_REPEATABLE | MLO_HTTP_ONCE,
                                 .attempts = 1,
                                 .patience_ns = PROBE_PATIENCE_NS};
    rc = mlo_http_do(http, &q, &r, err);
    if (rc == 0 && (r.status >= 500 || r.status == 404))
        rc = mlo_fail(err, MLO_EREMOTE, "port %llu answers %d", (unsigned long long)p->port, r.status);
    mlo_http_response_release(&r);
    return rc;
}

static const struct mlo_runpod_port *public_port(const struct mlo_runpod_pod *pod, uint64_t port)
{
    for (size_t i = 0; i < pod->runtime_ports.n; i++) {
        const struct mlo_runpod_port *p = &pod->runtime_ports.items[i];
        if (p->private_port == port && p->public_port && p->ip)
            return p;
    }
    return NULL;
}

static bool finish_connect(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};
    int failed = 0;
    socklen_t n = sizeof failed;
    return poll(&pfd, 1, CONNECT_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n) == 0 &&
           !failed;
}

static bool takes_connections(const char *ip, uint64_t port)
{
    char service[8];
    struct addrinfo how = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
                    *a = NULL;
    snprintf(service, sizeof service, "%u", (unsigned)(port & 0xffff));
    if (getaddrinfo(ip, service, &how, &a) != 0)
        return false;
    MLO_AUTOCLOSE int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 && (connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
                             (errno == EINPROGRESS && finish_connect(fd)));
    freeaddrinfo(a);
    return there;
}

static int probe_tcp(const struct mlo_runpod_pod *pod, uint64_t port, struct mlo_err *err)
{
    const struct mlo_runpod_port *p = public_port(pod, port);
    if (!p)
        return mlo_fail(err, MLO_EREMOTE, "port %llu has no public address yet", (unsigned long long)port);
    return takes_connections(p->ip, p->public_port)
               ? 0
               : mlo_fail(err, MLO_EREMOTE, "port %llu takes no connections", (unsigned long long)port);
}

static int probe(struct mlo_ctx *ctx, const struct mlo_runpod_pod *pod, const struct mlo_pod_probe *p,
                 struct mlo_err *err)
{
    if (pod->status != MLO_RUNPOD_POD_RUNNING)
        return mlo_fail(err, MLO_EREMOTE, "it is %s", pod->status_text);
    if (!p->port)
        return 0;
    return p->tcp ? probe_tcp(pod, p->port, err) : probe_http(ctx, pod->id, p, err);
}

/* ---- waiting ---- */

static bool has_ended(const struct mlo_runpod_pod *pod)
{
    return pod->status == MLO_RUNPOD_POD_EXITED || pod->status == MLO_RUNPOD_POD_ERROR ||
           pod->status == MLO_RUNPOD_POD_TERMINATED;
}

static int look(struct mlo_runpod *c, struct mlo_runpod_pod *pod, struct mlo_err *err)
{
    struct mlo_runpod_pod now = {0};
    int rc = mlo_runpod_pod_get(c, pod->id, &now, err);
    if (rc != 0)
        return rc;
    mlo_runpod_pod_release(pod);
    *pod = now;
    return 0;
}

static int too_late(const struct mlo_runpod_pod *pod, uint64_t timeout_ns, const struct mlo_err *why,
                    struct mlo_err *err)
{
    char human[MLO_HUMAN_MAX];
    mlo_fail(err, MLO_EREMOTE, "pod '%s' does not answer after %s: %s", pod->id,
             mlo_human_duration(timeout_ns, human), why->msg);
    err->sys_errno = ETIMEDOUT;
    return err->code;
}

int mlo_pod_wait(struct mlo_ctx *ctx, struct mlo_runpod *c, struct mlo_runpod_pod *pod,
                 const struct mlo_pod_probe *p, uint64_t timeout_ns, struct mlo_err *err)
{
    int64_t until = mlo_time_mono() + (int64_t)timeout_ns;
    enum mlo_runpod_pod_status said = pod->status;
    for (;;) {
        struct mlo_err why = MLO_ERR_INIT;
        int rc = look(c, pod, err);
        if (rc != 0)
            return mlo_wrap(err, "pod '%s'", pod->id);
        if (pod->status != said)
            mlo_note(ctx, "pod %s: %s", pod->id, pod->status_text);
        said = pod->status;
        if (has_ended(pod))
            return mlo_fail(err, MLO_EREMOTE, "pod '%s' is %s", pod->id, pod->status_text);
        if (probe(ctx, pod, p, &why) == 0)
            return 0;
        if (mlo_time_mono() >= until)
            return too_late(pod, timeout_ns, &why, err);
        rc = mlo_poll_pause(ctx, err);
        if (rc != 0)
            return rc;
    }
}

int mlo_pod_remove(struct mlo_ctx *ctx, struct mlo_runpod *c, const char *id, struct mlo_err *err)
{
    bool there = false;
    int rc = mlo_runpod_delete(c, MLO_RUNPOD_PODS, id, &there, err);
    for (unsigned i = 0; rc == 0 && i < GONE_LOOKS; i++) {
        struct mlo_runpod_pod pod = {0};
        rc = mlo_runpod_pod_get(c, id, &pod, err);
        bool gone = rc == MLO_ENOTFOUND || (rc == 0 && pod.status == MLO_RUNPOD_POD_TERMINATED);
        mlo_runpod_pod_release(&pod);
        if (gone) {
            *err = MLO_ERR_INIT;
            return 0;
        }
        if (rc == 0)
            rc = mlo_poll_pause(ctx, err);
    }
    if (rc != 0)
        return mlo_wrap(err, "removing pod '%s'", id);
    mlo_fail(err, MLO_EREMOTE, "pod '%s' was told to end, but RunPod still shows it", id);
    return mlo_hint(err, "look again with `mlopsctl runpod pod show %s`: until it is gone it may cost", id);
}
