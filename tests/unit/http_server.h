/*
 * An HTTP/1.1 server for tests: plain sockets on a free port of the loopback, one thread a connection, and a
 * function of the test that answers each request as well or as badly as it likes.
 */
#ifndef TESTS_UNIT_HTTP_SERVER_H
#define TESTS_UNIT_HTTP_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_SERVER_KEPT                                                                                     \
    ((size_t)1 << 20) /* bytes of a request's body that are kept; more is only counted                       \
                       */

struct http_server;

struct http_exchange {
    struct http_server *server;
    void *ctx; /* the test's */
    int fd;
    unsigned number;     /* of this request over all connections, from 1 */
    unsigned connection; /* from 1 */
    char method[16], target[2048];
    char head[70000]; /* request line and headers as they came */
    char *body;       /* NUL added */
    uint64_t body_n;  /* all of it, also what was not kept */
    bool close;       /* set it to end the connection after this answer */
};
typedef void (*http_handler)(struct http_exchange *x);

struct http_server {
    int fd, port;
    char url[64]; /* "http://127.0.0.1:PORT" */
    http_handler handler;
    void *ctx;
    bool raw; /* set before the first connection: the handler gets the socket with nothing read */
    pthread_t thread;
    pthread_mutex_t lock;
    unsigned requests, connections, open; /* open: connections now */
    unsigned open_most;
    int fds[1024];
};

void http_server_start(struct http_server *s, http_handler handler, void *ctx);
unsigned http_server_requests(struct http_server *s);
unsigned http_server_connections(struct http_server *s);
/* Ends every connection; returns when all threads have ended. */
void http_server_stop(struct http_server *s);

/* Value of a request's header into buf (at most n bytes); NULL when there is none. */
const char *http_header_of(const struct http_exchange *x, const char *name, char *buf, size_t n);
/* Status line, Content-Length, the given header lines (each with its line break; may be ""), the body. */
void http_answer(struct http_exchange *x, const char *status, const char *headers, const char *body);
/* Bytes as they are; false when the client is gone. */
bool http_send(struct http_exchange *x, const void *bytes, size_t n);
bool http_text(struct http_exchange *x, const char *text);
/* Closes with a reset instead of an orderly end. */
void http_reset(struct http_exchange *x);
/* Returns when the client has closed its side. */
void http_wait_gone(struct http_exchange *x);

#endif
