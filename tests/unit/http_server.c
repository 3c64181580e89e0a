#include "http_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 256

struct connection {
    struct http_server *server;
    int fd;
    unsigned number;
};

bool http_send(struct http_exchange *x, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        ssize_t sent = send(x->fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            x->close = true;
            return false;
        }
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool http_text(struct http_exchange *x, const char *text)
{
    return http_send(x, text, strlen(text));
}

void http_answer(struct http_exchange *x, const char *status, const char *headers, const char *body)
{
    char head[4096];
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status, strlen(body),
             headers);
    if (http_text(x, head) && strcmp(x->method, "HEAD") != 0)
        http_text(x, body);
}

void http_reset(struct http_exchange *x)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    x->close = true;
}

void http_wait_gone(struct http_exchange *x)
{
    char byte;
    while (recv(x->fd, &byte, 1, 0) > 0)
        ;
    x->close = true;
}

const char *http_header_of(const struct http_exchange *x, const char *name, char *buf, size_t n)
{
    size_t len = strlen(name);
    for (const char *line = strchr(x->head, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        if (strncasecmp(line + 1, name, len) != 0 || line[1 + len] != ':')
            continue;
        const char *value = line + 2 + len + strspn(line + 2 + len, " ");
        snprintf(buf, n, "%.*s", (int)strcspn(value, "\r\n"), value);
        return buf;
    }
    return NULL;
}

/* Head into x->head; what came after it stays in the socket. */
static bool read_head(struct http_exchange *x)
{
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(x->fd, x->head + n, sizeof x->head - 1 - n, MSG_PEEK);
        if (got <= 0)
            return false;
        x->head[n + (size_t)got] = '\0';
        char *from = x->head + (n < 3 ? 0 : n - 3), *end = strstr(from, "\r\n\r\n");
        size_t use = end ? (size_t)(end + 4 - x->head) - n : (size_t)got;
        if (recv(x->fd, x->head + n, use, 0) != (ssize_t)use)
            return false;
        n += use;
        x->head[n] = '\0';
        if (end)
            return sscanf(x->head, "%15s %2047s", x->method, x->target) == 2;
        if (n + 1 >= sizeof x->head)
            return false;
    }
}

static bool read_body(struct http_exchange *x)
{
    char buf[65536], length[32];
    uint64_t size = http_header_of(x, "Content-Length", length, sizeof length) ? strtoull(length, NULL, 10)
                                                                               : 0;
    x->body = calloc(1, (size_t)(size < HTTP_SERVER_KEPT ? size : HTTP_SERVER_KEPT) + 1);
    for (x->body_n = 0; x->body_n < size;) {
        size_t want = size - x->body_n < sizeof buf ? (size_t)(size - x->body_n) : sizeof buf;
        ssize_t got = recv(x->fd, buf, want, 0);
        if (got <= 0)
            return false;
        if (x->body_n + (size_t)got <= HTTP_SERVER_KEPT)
            memcpy(x->body + x->body_n, buf, (size_t)got);
        x->body_n += (size_t)got;
    }
    return true;
}

static void count(struct http_server *s, struct http_exchange *x)
{
    pthread_mutex_lock(&s->lock);
    x->number = ++s->requests;
    pthread_mutex_unlock(&s->lock);
}

static void *serve_connection(void *arg)
{
    struct connection *c = arg;
    struct http_server *s = c->server;
    struct http_exchange *x = calloc(1, sizeof *x);
    *x = (struct http_exchange){.server = s, .ctx = s->ctx, .fd = c->fd, .connection = c->number};
    if (s->raw) {
        count(s, x);
        s->handler(x);
        x->close = true;
    }
    while (!x->close && read_head(x)) {
        bool whole = read_body(x);
        count(s, x);
        if (whole)
            s->handler(x);
        else
            x->close = true;
        free(x->body);
        x->body = NULL;
    }
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < sizeof s->fds / sizeof s->fds[0]; i++)
        if (s->fds[i] == c->fd)
            s->fds[i] = -1;
    close(c->fd);
    s->open--;
    pthread_mutex_unlock(&s->lock);
    free(x);
    free(c);
    return NULL;
}

static void welcome(struct http_server *s, int fd)
{
    struct connection *c = malloc(sizeof *c);
    pthread_t id;
    pthread_mutex_lock(&s->lock);
    *c = (struct connection){s, fd, ++s->connections};
    s->open++;
    s->open_most = s->open > s->open_most ? s->open : s->open_most;
    for (size_t i = 0; i < sizeof s->fds / sizeof s->fds[0]; i++)
        if (s->fds[i] < 0) {
            s->fds[i] = fd;
            break;
        }
    pthread_mutex_unlock(&s->lock);
    if (pthread_create(&id, NULL, serve_connection, c) != 0)
        abort();
    pthread_detach(id);
}

static void *serve(void *arg)
{
    struct http_server *s = arg;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0)
        welcome(s, fd);
    return NULL;
}

void http_server_start(struct http_server *s, http_handler handler, void *ctx)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    *s = (struct http_server){
        .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .handler = handler, .ctx = ctx};
    memset(s->fds, -1, sizeof s->fds);
    pthread_mutex_init(&s->lock, NULL);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof a) || listen(s->fd, BACKLOG) ||
        getsockname(s->fd, (struct sockaddr *)&a, &n))
        abort();
    s->port = ntohs(a.sin_port);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", s->port);
    if (pthread_create(&s->thread, NULL, serve, s) != 0)
        abort();
}

unsigned http_server_requests(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->requests;
    pthread_mutex_unlock(&s->lock);
    return n;
}

unsigned http_server_connections(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->connections;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void http_server_stop(struct http_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (bool busy = true; busy;) {
        pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < sizeof s->fds / sizeof s->fds[0]; i++)
            if (s->fds[i] >= 0)
                shutdown(s->fds[i], SHUT_RDWR);
        busy = s->open > 0;
        pthread_mutex_unlock(&s->lock);
        poll(NULL, 0, busy ? 2 : 0);
    }
    pthread_mutex_destroy(&s->lock);
}
