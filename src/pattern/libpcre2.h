/* PCRE2 behind a table of functions: opened at first use, so that what has no patterns goes without it. */
#ifndef MLO_PATTERN_LIBPCRE2_H
#define MLO_PATTERN_LIBPCRE2_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <mlopsctl/base/err.h>

#define LIBPCRE2_FUNCTIONS(X)                                                                                \
    X(pcre2_compile_8)                                                                                       \
    X(pcre2_code_free_8)                                                                                     \
    X(pcre2_jit_compile_8)                                                                                   \
    X(pcre2_match_8)                                                                                         \
    X(pcre2_dfa_match_8)                                                                                     \
    X(pcre2_match_data_create_8)                                                                             \
    X(pcre2_match_data_free_8)                                                                               \
    X(pcre2_match_context_create_8)                                                                          \
    X(pcre2_match_context_free_8)                                                                            \
    X(pcre2_set_match_limit_8)                                                                               \
    X(pcre2_set_heap_limit_8)                                                                                \
    X(pcre2_get_error_message_8)

struct libpcre2 {
#define X(fn) __typeof__(&fn) fn;
    LIBPCRE2_FUNCTIONS(X)
#undef X
};

/* MLO_EUNAVAIL when the library is not installed. */
int mlo_libpcre2(const struct libpcre2 **ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif
