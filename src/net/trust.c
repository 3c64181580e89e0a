/*
 * Which certificates are believed: the system's, as libcurl was built to find them, and those of a file that
 * the user names beside them.
 *
 * libcurl keeps the parsed bundle for later connections only when no folder of certificates is set, and
 * parsing it costs some 20 ms of CPU time; so the folder is left out where there is a bundle.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#define PEM_MAX ((size_t)4 << 20)

int mlo_trust_init(struct mlo_trust *t, const char *ca_file, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    *t = (struct mlo_trust){0};
    if (!ca_file)
        return 0;
    if (mlo_slurp_at(AT_FDCWD, ca_file, PEM_MAX, &t->pem, &t->n, err))
        return mlo_wrap(err, "CA file");
    if (strstr(t->pem, "-----BEGIN CERTIFICATE-----"))
        return 0;
    mlo_trust_release(t);
    mlo_fail(err, MLO_EINVALID, "CA file '%s' holds no certificate",
             mlo_shown(ca_file, strlen(ca_file), shown));
    return mlo_hint(err, "it must hold certificates in PEM form");
}

void mlo_trust_release(struct mlo_trust *t)
{
    free(t->pem);
    *t = (struct mlo_trust){0};
}

/* The system's bundle behind the user's own. */
static int append(struct mlo_trust *t, const char *bundle, struct mlo_err *err)
{
    MLO_AUTOFREE char *system = NULL;
    size_t n;
    if (mlo_slurp_at(AT_FDCWD, bundle, PEM_MAX, &system, &n, err))
        return mlo_wrap(err, "the system's certificates");
    char *both = realloc(t->pem, t->n + 1 + n + 1);
    if (!both)
        return mlo_fail_nomem(err);
    both[t->n] = '\n';
    memcpy(both + t->n + 1, system, n + 1);
    t->pem = both;
    t->n += 1 + n;
    return 0;
}

int mlo_trust_complete(struct mlo_trust *t, const struct libcurl *curl, struct mlo_err *err)
{
    const char *bundle = curl->curl_version_info(CURLVERSION_NOW)->cainfo;
    if (t->complete)
        return 0;
    t->bundle = bundle && access(bundle, R_OK) == 0;
    if (t->pem && t->bundle && append(t, bundle, err))
        return err->code;
    t->complete = true;
    return 0;
}

CURLcode mlo_trust_set(const struct mlo_trust *t, const struct libcurl *curl, CURL *easy)
{
    CURLcode rc = curl->curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    if (!rc)
        rc = curl->curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!rc && t->bundle)
        rc = curl->curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (rc || !t->pem)
        return rc;
    struct curl_blob blob = {t->pem, t->n, CURL_BLOB_NOCOPY};
    return curl->curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
}
