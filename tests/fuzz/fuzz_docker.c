/* Any bytes as docker's config.json and as the answer of a helper: refused with a reason, or read to a login
 * that is no longer than the file. */
#include <stdint.h>
#include <string.h>

#include "../../src/credentials/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_entry(const struct mlo_docker_entry *e, int rc, const struct mlo_err *err, size_t n)
{
    const struct mlo_str *all[] = {&e->helper, &e->store, &e->user, &e->password, &e->identity_token};
    if (rc != 0 && (rc != MLO_EINVALID || !*err->msg))
        __builtin_trap();
    for (size_t i = 0; i < MLO_COUNT(all); i++)
        if (all[i]->len > n || strlen(all[i]->ptr) > all[i]->len)
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const hosts[] = {"ghcr.io", "docker.io", "h:5000"};
    struct mlo_docker_entry e;
    for (size_t i = 0; i < MLO_COUNT(hosts); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        int rc = mlo_docker_find((const char *)data, n, hosts[i], &e, &err);
        check_entry(&e, rc, &err, n);
        mlo_docker_release(&e);
    }
    struct mlo_err err = MLO_ERR_INIT;
    int rc = mlo_docker_answer((const char *)data, n, &e, &err);
    check_entry(&e, rc, &err, n);
    mlo_docker_release(&e);
    return 0;
}
