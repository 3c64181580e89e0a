/* The only list of settings, and what their values must look like. */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

const struct mlo_setting mlo_settings[] = {
    {"color", MLO_SET_CHOICE, "auto", "whether the result is coloured; auto: on a terminal",
     "auto|always|never"},
    {"gc.retention", MLO_SET_DURATION, "90d",
     "how long gc keeps what a name pointed at before it was moved, so that the move can be undone", NULL},
    {"net.allow-plain", MLO_SET_BOOL, "false",
     "talk plain http to other hosts than this one too; credentials then cross the network in the clear",
     NULL},
    {"net.ca-file", MLO_SET_STRING, NULL,
     "certificates to trust besides the system's; when not set, SSL_CERT_FILE or CURL_CA_BUNDLE", NULL},
    {"net.connections", MLO_SET_U64, "16", "transfers at once, over all hosts", NULL},
    {"net.patience", MLO_SET_DURATION, "120s", "how long an answer may take to begin once a request is sent",
     NULL},
    {"net.proxy", MLO_SET_STRING, NULL,
     "the proxy for all hosts that no_proxy does not name; when not set, https_proxy, http_proxy or "
     "all_proxy",
     NULL},
    {"net.stall", MLO_SET_DURATION, "30s",
     "a transfer that moves less than 1 KiB/s for so long is broken off and tried again", NULL},
    {"pack.accept-unknown", MLO_SET_BOOL, "false",
     "pack PyTorch files whose pickles call code that is not on the list of known code", NULL},
    {"pack.license", MLO_SET_STRING, NULL,
     "the licence (SPDX expression) of bundles packed without --license", NULL},
    {"pack.threads", MLO_SET_U64, "0", "threads that hash while packing; 0: one for each CPU", NULL},
    {"progress", MLO_SET_CHOICE, "auto", "how progress is shown, as with --progress",
     "auto|bar|plain|json|none"},
    {"remote.default", MLO_SET_STRING, NULL, "the remote of push and pull when none is named", NULL},
    {"runpod.api", MLO_SET_STRING, NULL,
     "base address of RunPod's REST API; when not set, https://api.runpod.io/v2", NULL},
    {"runpod.balancer", MLO_SET_STRING, NULL,
     "address of load balancing endpoints, with {id} for the endpoint; when not set, "
     "https://{id}.api.runpod.ai",
     NULL},
    {"runpod.jobs", MLO_SET_STRING, NULL,
     "base address of RunPod's jobs; when not set, https://api.runpod.ai/v2", NULL},
    {"runpod.mount", MLO_SET_STRING, NULL,
     "inside a pod, where its network volume is mounted; when not set, /runpod-volume and /workspace are "
     "tried",
     NULL},
    {"runpod.poll", MLO_SET_DURATION, "3s", "the pause between two looks at what is being waited for", NULL},
    {"runpod.proxy", MLO_SET_STRING, "https://{id}-{port}.proxy.runpod.net",
     "address of the HTTP ports of pods, with {id} and {port}", NULL},
    {"runpod.s3", MLO_SET_STRING, NULL,
     "address of the S3 service of volumes, with {dc} for the data centre in lower case; when not set, "
     "https://s3api-{dc}.runpod.io",
     NULL},
    {"runpod.s3-data-centers", MLO_SET_STRING, NULL,
     "the data centres whose volumes have S3, with spaces between, * for all; when not set, the list this "
     "version knows",
     NULL},
    {"s3.endpoint", MLO_SET_STRING, NULL,
     "the S3 service of s3:// remotes; when not set, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or Amazon's",
     NULL},
    {"s3.profile", MLO_SET_STRING, NULL, "which section of the credentials files s3:// remotes use", NULL},
    {"s3.region", MLO_SET_STRING, NULL,
     "the region of s3:// remotes; when not set, AWS_REGION, AWS_DEFAULT_REGION, that of the credentials or "
     "us-east-1",
     NULL},
    {"s3.style", MLO_SET_CHOICE, "auto",
     "whether the bucket stands in the path or in the host name of an address; auto: in the host name at "
     "Amazon's",
     "auto|path|virtual-host"},
    {"user.name", MLO_SET_STRING, NULL, "who runs are recorded as; when not set, the login name", NULL},
};
const size_t mlo_n_settings = MLO_COUNT(mlo_settings);

const struct mlo_section mlo_sections[] = {
    {"drift", "limits and columns of the drift report, hooks of checks: DRIFT below lists the keys"},
    {"remotes", "remotes by name: remotes.NAME.url says where it is; endpoint, region, profile and style of "
                "an s3:// remote are stronger than the settings s3.*"},
    {"validate", "what the columns of a data set must hold"},
};
const size_t mlo_n_sections = MLO_COUNT(mlo_sections);

const struct mlo_setting *mlo_setting_find(const char *key)
{
    for (size_t i = 0; i < mlo_n_settings; i++)
        if (strcmp(mlo_settings[i].key, key) == 0)
            return &mlo_settings[i];
    return NULL;
}

static int parse_bool(const char *value, uint64_t *ret)
{
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (strcmp(words[i], value) == 0) {
            *ret = i >= MLO_COUNT(words) / 2;
            return 0;
        }
    return MLO_EUSAGE;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strncmp(p, value, len) == 0 && (p[len] == '|' || p[len] == '\0'))
            return len > 0;
    return false;
}

int mlo_setting_check(const struct mlo_setting *s, const char *value, const char *origin, uint64_t *ret_u64,
                      struct mlo_err *err)
{
    uint64_t number = 0;
    int rc = 0;
    switch (s->type) {
    case MLO_SET_STRING:
        break;
    case MLO_SET_BOOL:
        rc = parse_bool(value, &number);
        if (rc < 0)
            mlo_fail(err, MLO_EUSAGE, "%s must be true or false", s->key);
        break;
    case MLO_SET_U64:
        rc = mlo_parse_u64(value, 0, UINT64_MAX, s->key, &number, err);
        break;
    case MLO_SET_SIZE:
        rc = mlo_parse_size(value, s->key, &number, err);
        break;
    case MLO_SET_DURATION:
        rc = mlo_parse_duration(value, s->key, &number, err);
        break;
    case MLO_SET_CHOICE:
        if (!is_choice(s->choices, value))
            rc = mlo_fail(err, MLO_EUSAGE, "%s must be one of %s", s->key, s->choices);
        break;
    }
    if (rc < 0)
        return mlo_wrap(err, "%s", origin);
    if (ret_u64)
        *ret_u64 = number;
    return 0;
}
