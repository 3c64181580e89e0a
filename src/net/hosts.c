/* What is known of the origins that this process talked to: their clock, their wish to be left alone. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define HOSTS_MAX 256 /* beyond it nothing new is remembered */

void mlo_hosts_init(struct mlo_hosts *t)
{
    *t = (struct mlo_hosts){0};
    pthread_mutex_init(&t->lock, NULL);
}

void mlo_hosts_release(struct mlo_hosts *t)
{
    free(t->list);
    pthread_mutex_destroy(&t->lock);
}

static void name_origin(const struct mlo_url *u, char origin[static sizeof(((struct mlo_host *)0)->origin)])
{
    snprintf(origin, sizeof(((struct mlo_host *)0)->origin), "%s://%s:%s", u->scheme, u->host,
             u->port ? u->port : "");
}

static struct mlo_host *find(struct mlo_hosts *t, const struct mlo_url *u)
{
    char origin[sizeof t->list->origin];
    name_origin(u, origin);
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->list[i].origin, origin) == 0)
            return &t->list[i];
    return NULL;
}

/* NULL when it cannot be remembered; that costs a hint, no result. */
static struct mlo_host *find_or_add(struct mlo_hosts *t, const struct mlo_url *u)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_host *h = find(t, u);
    if (h || t->n == HOSTS_MAX || mlo_grow(&t->list, &t->cap, t->n + 1, sizeof *t->list, &ignored))
        return h;
    h = &t->list[t->n++];
    *h = (struct mlo_host){0};
    name_origin(u, h->origin);
    return h;
}

struct mlo_host mlo_hosts_get(struct mlo_hosts *t, const struct mlo_url *u)
{
    pthread_mutex_lock(&t->lock);
    struct mlo_host *h = find(t, u), copy = {0};
    if (h)
        copy = *h;
    pthread_mutex_unlock(&t->lock);
    return copy;
}

static int64_t wanted_pause(const struct mlo_http_headers *head, int64_t server_now)
{
    int64_t wait = 0, window = 0;
    const char *after = mlo_headers_get(head, "retry-after"), *limit = mlo_headers_get(head, "ratelimit");
    if (after && mlo_status_is_transient(head->status) && !mlo_retry_after(after, server_now, &wait))
        wait = 0;
    if (limit)
        window = mlo_rate_limit_wait(limit);
    return wait > window ? wait : window;
}

void mlo_hosts_learn(struct mlo_hosts *t, const struct mlo_url *u, const struct mlo_http_headers *head,
                     const char **ret_sunset)
{
    int64_t now = mlo_time_now(), date;
    const char *text = mlo_headers_get(head, "date"), *sunset = mlo_headers_get(head, "sunset");
    bool dated = text && !mlo_headers_get(head, "age") && mlo_http_date(text, &date); /* Age: from a cache */
    *ret_sunset = NULL;
    pthread_mutex_lock(&t->lock);
    struct mlo_host *h = find_or_add(t, u);
    if (h) {
        h->reached = true;
        if (dated) {
            h->dated = true;
            h->ahead_ns = date - now;
        }
        int64_t wait = wanted_pause(head, now + (dated ? h->ahead_ns : 0));
        if (wait && mlo_time_mono() + wait > h->not_before)
            h->not_before = mlo_time_mono() + wait;
        if (sunset && !h->sunset_told) {
            h->sunset_told = true;
            *ret_sunset = sunset;
        }
    }
    pthread_mutex_unlock(&t->lock);
}

bool mlo_hosts_wait_is_news(struct mlo_hosts *t, const struct mlo_url *u, int64_t not_before)
{
    pthread_mutex_lock(&t->lock);
    struct mlo_host *h = find(t, u);
    bool news = h && h->wait_told != not_before;
    if (news)
        h->wait_told = not_before;
    pthread_mutex_unlock(&t->lock);
    return news;
}
