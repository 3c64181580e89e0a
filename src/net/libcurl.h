/* libcurl behind a table of functions: opened at first use, so commands that need no network start without
 * it. */
#ifndef MLOPSCTL_NET_LIBCURL_H
#define MLOPSCTL_NET_LIBCURL_H

#define CURL_DISABLE_TYPECHECK /* its macros take the functions' names, which are members here */
#include <curl/curl.h>

#include <mlopsctl/base/err.h>

#define LIBCURL_FUNCTIONS(X)                                                                                 \
    X(curl_global_init)                                                                                      \
    X(curl_version_info)                                                                                     \
    X(curl_slist_append)                                                                                     \
    X(curl_slist_free_all)                                                                                   \
    X(curl_easy_init)                                                                                        \
    X(curl_easy_setopt)                                                                                      \
    X(curl_easy_getinfo)                                                                                     \
    X(curl_easy_pause)                                                                                       \
    X(curl_easy_strerror)                                                                                    \
    X(curl_easy_cleanup)                                                                                     \
    X(curl_multi_init)                                                                                       \
    X(curl_multi_setopt)                                                                                     \
    X(curl_multi_add_handle)                                                                                 \
    X(curl_multi_remove_handle)                                                                              \
    X(curl_multi_perform)                                                                                    \
    X(curl_multi_info_read)                                                                                  \
    X(curl_multi_poll)                                                                                       \
    X(curl_multi_wakeup)                                                                                     \
    X(curl_multi_cleanup)

struct libcurl {
#define X(fn) __typeof__(&fn) fn;
    LIBCURL_FUNCTIONS(X)
#undef X
};

/* The table, with libcurl initialised; MLO_EUNAVAIL when the library is not installed. */
int mlo_libcurl(const struct libcurl **ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif
