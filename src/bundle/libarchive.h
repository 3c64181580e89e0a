/*
 * libarchive behind a table of functions, opened at first use: commands that touch no archive start without
 * it. Included by this folder only.
 */
#ifndef MLO_BUNDLE_LIBARCHIVE_H
#define MLO_BUNDLE_LIBARCHIVE_H

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <mlopsctl/base/mem.h>

/* Name without its "archive_" prefix. */
#define MLO_LIBARCHIVE_FUNCTIONS(X)                                                                          \
    X(error_string)                                                                                          \
    X(write_new)                                                                                             \
    X(write_set_format_pax_restricted)                                                                       \
    X(write_add_filter_none)                                                                                 \
    X(write_set_bytes_in_last_block)                                                                         \
    X(write_open)                                                                                            \
    X(write_header)                                                                                          \
    X(write_data)                                                                                            \
    X(write_finish_entry)                                                                                    \
    X(write_close)                                                                                           \
    X(write_free)                                                                                            \
    X(read_new)                                                                                              \
    X(read_support_filter_gzip)                                                                              \
    X(read_support_filter_zstd)                                                                              \
    X(read_support_format_raw)                                                                               \
    X(read_support_format_tar)                                                                               \
    X(read_open)                                                                                             \
    X(read_next_header)                                                                                      \
    X(read_data)                                                                                             \
    X(read_data_skip)                                                                                        \
    X(read_free)                                                                                             \
    X(entry_new)                                                                                             \
    X(entry_clear)                                                                                           \
    X(entry_free)                                                                                            \
    X(entry_set_pathname)                                                                                    \
    X(entry_set_size)                                                                                        \
    X(entry_set_mode)                                                                                        \
    X(entry_set_mtime)                                                                                       \
    X(entry_pathname)                                                                                        \
    X(entry_hardlink)                                                                                        \
    X(entry_symlink)                                                                                         \
    X(entry_filetype)                                                                                        \
    X(entry_perm)                                                                                            \
    X(entry_uid)                                                                                             \
    X(entry_gid)                                                                                             \
    X(entry_size)                                                                                            \
    X(entry_sparse_count)

struct mlo_libarchive {
#define MLO_LIBARCHIVE_MEMBER(name) __typeof__(&archive_##name) name;
    MLO_LIBARCHIVE_FUNCTIONS(MLO_LIBARCHIVE_MEMBER)
#undef MLO_LIBARCHIVE_MEMBER
};

/* The table, opened once in this process; MLO_EUNAVAIL with the loader's reason. */
int mlo_libarchive(const struct mlo_libarchive **ret, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * libarchive translates names by the thread's locale, so the same bundle would differ from user to user.
 * While one of these is in scope, the thread's character set is UTF-8, whatever the environment says.
 */
#define MLO_UTF8_SCOPE MLO_AUTO(mlo_utf8_leave) __attribute__((unused)) locale_t
locale_t mlo_utf8_enter(void);
void mlo_utf8_leave(locale_t *before);

#endif
