/*
 * The libraries of this program as they are on this machine. Asked by name at run time, so that the answer is
 * what runs and not what was compiled, and so that this module needs none of their headers.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/host.h>

#define OPENSSL_VERSION_TEXT 0 /* OPENSSL_VERSION of <openssl/crypto.h>: the whole text */

const struct mlo_host_library mlo_host_libraries[] = {
    {"libcrypto", "libcrypto.so.3", "OpenSSL_version", MLO_LIBVER_TEXT_OF_INT, true, "hashes and signatures"},
    {"sqlite3", "libsqlite3.so.0", "sqlite3_libversion", MLO_LIBVER_TEXT, true, "the ledger"},
    {"libcjson", "libcjson.so.1", "cJSON_Version", MLO_LIBVER_TEXT, true, "JSON"},
    {"libyaml", "libyaml-0.so.2", "yaml_get_version_string", MLO_LIBVER_TEXT, true, "mlops.yaml"},
    {"libarchive", "libarchive.so.13", "archive_version_string", MLO_LIBVER_TEXT, false,
     "pack, export and import"},
    {"libgit2", "libgit2.so.1.5", "git_libgit2_version", MLO_LIBVER_THREE_INTS, false, "provenance from git"},
    {"libcurl", "libcurl.so.4", "curl_version", MLO_LIBVER_WORD, false, "remotes and RunPod"},
    {"expat", "libexpat.so.1", "XML_ExpatVersion", MLO_LIBVER_TEXT, true, "answers of S3"},
};
const size_t mlo_n_host_libraries = MLO_COUNT(mlo_host_libraries);

/* POSIX lets an object pointer of dlsym be a function; C wants it said through a union. */
union symbol {
    void *object;
    const char *(*text)(void);
    const char *(*text_of_int)(int what);
    int (*three_ints)(int *major, int *minor, int *patch);
};

static bool ask(const struct mlo_host_library *lib, union symbol s, char ret[MLO_LIBRARY_VERSION])
{
    const char *text = NULL;
    int v[3] = {0};
    switch (lib->how) {
    case MLO_LIBVER_TEXT:
    case MLO_LIBVER_WORD:
        text = s.text();
        break;
    case MLO_LIBVER_TEXT_OF_INT:
        text = s.text_of_int(OPENSSL_VERSION_TEXT);
        break;
    case MLO_LIBVER_THREE_INTS:
        s.three_ints(&v[0], &v[1], &v[2]);
        snprintf(ret, MLO_LIBRARY_VERSION, "%d.%d.%d", v[0], v[1], v[2]);
        return true;
    }
    if (!text)
        return false;
    snprintf(ret, MLO_LIBRARY_VERSION, "%s", text);
    if (lib->how == MLO_LIBVER_WORD)
        ret[strcspn(ret, " ")] = '\0';
    return true;
}

bool mlo_host_library_version(const struct mlo_host_library *lib, bool load, char ret[MLO_LIBRARY_VERSION])
{
    /* Kept once open: what libcurl pulls in leaks when it is unloaded. */
    void *handle = dlopen(lib->soname, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE | (load ? 0 : RTLD_NOLOAD));
    if (!handle)
        return false;
    union symbol s = {.object = dlsym(handle, lib->symbol)};
    bool known = s.object && ask(lib, s, ret);
    dlclose(handle);
    return known;
}
