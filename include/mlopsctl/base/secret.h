/*
 * Secrets: one list of what they look like, used in two ways: to refuse them in files that are packed, and to
 * keep them out of whatever is recorded (argv, URLs, environment).
 */
#ifndef MLOPSCTL_BASE_SECRET_H
#define MLOPSCTL_BASE_SECRET_H

#include <mlopsctl/base/str.h>

struct mlo_secret_hit {
    const char *rule; /* static: "aws-access-key", "private-key", ... */
    size_t offset;    /* of the secret in the text */
    size_t length;
    size_t line; /* from 1 */
};

/* First hit at or after `from`; false when there is none. Binary bytes are fine. */
bool mlo_secret_find(const char *text, size_t n, size_t from, struct mlo_secret_hit *ret);
/* A file that is secret by its name: ".env", "id_rsa", ".netrc", "credentials.json", ... Static rule name or
 * NULL. */
const char *mlo_secret_file_name(const char *path);

/*
 * Append `text` with what must not be recorded replaced by "[redacted]": hits of the list, values after
 * "--token=", "--password ", "...SECRET=", "...KEY=" and the like, user:password in URLs, signed query
 * values.
 */
void mlo_redact(struct mlo_str *out, const char *text, size_t n);
/* A whole argv as one JSON array of redacted strings. An option whose name calls for a secret hides the next
 * word too. */
int mlo_redact_argv(struct mlo_str *out, int argc, char *const argv[], struct mlo_err *err) MLO_MUST_CHECK;

#endif
