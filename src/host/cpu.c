/* The processor by /proc/cpuinfo, the clock by the kernel's own opinion of it. */
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define CPUINFO_MAX ((size_t)4 << 20)                    /* the features of some hundred CPUs */
#define CLOCK_FLOOR (INT64_C(1767225600) * MLO_NS_PER_S) /* 2026-01-01: this program is younger */

char *mlo_host_read(const char *path, size_t max)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    size_t cap = 0, n = 0;
    MLO_AUTOFREE char *text = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    while (n < max && mlo_grow(&text, &cap, n + 4096, 1, &err) == 0) {
        size_t got = fread(text + n, 1, cap - n - 1, f);
        n += got;
        if (!got)
            break;
    }
    fclose(f);
    if (!text || err.code)
        return NULL;
    text[n < max ? n : max] = '\0';
    return mlo_steal(&text);
}

/* Value of the first line "key : value"; false when there is none. */
static bool find_value(const char *text, const char *key, const char **ret, size_t *ret_len)
{
    size_t key_len = strlen(key);
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        size_t after = key_len + strspn(line + (len >= key_len ? key_len : 0), " \t");
        if (len > after && strncmp(line, key, key_len) == 0 && line[after] == ':') {
            const char *value = line + after + 1;
            value += strspn(value, " \t");
            *ret = value;
            *ret_len = strcspn(value, "\n");
            return true;
        }
        line += len + (line[len] == '\n');
    }
    return false;
}

static bool has_word(const char *words, size_t n, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= n; i++) {
        bool starts = i == 0 || words[i - 1] == ' ', ends = i + len == n || words[i + len] == ' ';
        if (starts && ends && memcmp(words + i, word, len) == 0)
            return true;
    }
    return false;
}

void mlo_host_cpuinfo(const char *text, struct mlo_host_cpu *ret)
{
    static const char *const interesting[] = {
        "sse4_2", "avx",   "fma", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile",
        "sha_ni", "asimd", "sve", "sve2", "sha2",    "asimddp",     "i8mm",        "bf16"};
    const char *value = "";
    size_t len = 0, used = 0;
    ret->model[0] = ret->features[0] = '\0';
    if (find_value(text, "model name", &value, &len) || find_value(text, "CPU implementer", &value, &len))
        snprintf(ret->model, sizeof ret->model, "%.*s",
                 (int)(len < sizeof ret->model ? len : sizeof ret->model), value);
    if (!find_value(text, "flags", &value, &len) && !find_value(text, "Features", &value, &len))
        len = 0;
    for (size_t i = 0; i < MLO_COUNT(interesting); i++)
        if (has_word(value, len, interesting[i]) && used + strlen(interesting[i]) + 2 < sizeof ret->features)
            used += (size_t)snprintf(ret->features + used, sizeof ret->features - used, "%s%s",
                                     used ? " " : "", interesting[i]);
    ret->sha_ni = has_word(value, len, "sha_ni") || has_word(value, len, "sha2");
}

void mlo_host_cpu(struct mlo_host_cpu *ret)
{
    MLO_AUTOFREE char *text = mlo_host_read("/proc/cpuinfo", CPUINFO_MAX);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    *ret = (struct mlo_host_cpu){.cpus = mlo_cpu_count(), .online = online > 0 ? (unsigned)online : 1};
    mlo_host_cpuinfo(text ? text : "", ret);
}

void mlo_host_clock(struct mlo_host_clock *ret)
{
    struct timex t = {0};
    int state = adjtimex(&t);
    *ret = (struct mlo_host_clock){.known = state >= 0,
                                   .synchronised = state >= 0 && state != TIME_ERROR,
                                   .plausible = mlo_time_now() >= CLOCK_FLOOR};
}
