/* Keeps secrets out of whatever is recorded. When in doubt it hides: a lost word in a log costs less than a
 * leaked key. */
#include <mlopsctl/base/secret.h>

#include <ctype.h>
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#define HIDDEN "[redacted]"

static bool ends_word(char c)
{
    return c == '\0' || isspace((unsigned char)c) || strchr("&\"',;", c) != NULL;
}

/* "--accept-secrets", "--no-token": an option that speaks of secrets and takes none. */
static bool is_flag_name(const char *name, size_t n)
{
    return (n > 7 && memcmp(name, "accept-", 7) == 0) || (n > 3 && memcmp(name, "no-", 3) == 0);
}

/* Is `name` (of an option, variable or query parameter) one whose value is secret? "token-file" names a file,
 * not a secret. */
static bool is_secret_name(const char *name, size_t n)
{
    static const char *const parts[] = {"token",      "password",   "passwd",         "secret",
                                        "apikey",     "api-key",    "api_key",        "accesskey",
                                        "access-key", "access_key", "private-key",    "private_key",
                                        "credential", "signature",  "x-amz-security", "webhook"};
    char low[64];
    if (n == 0 || is_flag_name(name, n))
        return false;
    if (n >= 4 && memcmp(name + n - 4, "_KEY", 4) == 0) /* of an environment; --key names a file */
        return true;
    if (n >= sizeof low) { /* the end of a name says what it is */
        name += n - (sizeof low - 1);
        n = sizeof low - 1;
    }
    for (size_t i = 0; i <= n; i++)
        low[i] = (char)(i < n ? tolower((unsigned char)name[i]) : 0);
    if ((n > 5 && strcmp(low + n - 5, "-file") == 0) || (n > 5 && strcmp(low + n - 5, "_file") == 0))
        return false;
    for (size_t i = 0; i < MLO_COUNT(parts); i++)
        if (strstr(low, parts[i]))
            return true;
    return strcmp(low, "auth") == 0 || strcmp(low, "sig") == 0 || strcmp(low, "pass") == 0;
}

static bool name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* After "scheme://": the end of "user:password@", or 0 when there is none before the path. */
static size_t userinfo_end(const char *text, size_t n, size_t at)
{
    size_t last = 0;
    for (size_t i = at; i < n && !isspace((unsigned char)text[i]) && !strchr("/?#\"'", text[i]); i++)
        if (text[i] == '@')
            last = i;
    return last;
}

/* "name=value" with a secret name ending at the '=': hides the value. Returns the position after it, or 0. */
static size_t hide_value(struct mlo_str *out, const char *text, size_t n, size_t at)
{
    size_t start = at;
    while (start > 0 && name_byte(text[start - 1]))
        start--;
    while (start < at && text[start] == '-')
        start++;
    if (!is_secret_name(text + start, at - start))
        return 0;
    size_t end = at + 1;
    char quote = end < n && (text[end] == '"' || text[end] == '\'') ? text[end++] : 0;
    while (end < n && (quote ? text[end] != quote : !ends_word(text[end])))
        end++;
    mlo_str_add(out, "=" HIDDEN);
    return end + (quote && end < n);
}

/* At the blank after a word: "--password hunter2", "Bearer abc". Hides the next word and returns its end, or
 * 0. */
static size_t hide_next_word(struct mlo_str *out, const char *text, size_t n, size_t at)
{
    size_t start = at, word = at, end;
    while (start > 0 && name_byte(text[start - 1]))
        start--;
    bool bearer = at - start == 6 && strncasecmp(text + start, "bearer", 6) == 0;
    bool option = at - start > 2 && text[start] == '-';
    while (start < at && text[start] == '-')
        start++;
    if (!bearer && !(option && is_secret_name(text + start, at - start)))
        return 0;
    while (word < n && (text[word] == ' ' || text[word] == '\t'))
        word++;
    char quote = word < n && (text[word] == '"' || text[word] == '\'') ? text[word] : 0;
    for (end = word + (quote != 0); end < n && (quote ? text[end] != quote : !ends_word(text[end]));)
        end++;
    if (end == word)
        return 0;
    mlo_str_addn(out, text + at, word - at);
    mlo_str_add(out, HIDDEN);
    return end + (quote && end < n);
}

/* Everything that stands in the text as name=value or in a URL; `out` receives the rest as it is. */
static void redact_names(struct mlo_str *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t next = 0;
        if (text[i] == '=')
            next = hide_value(out, text, n, i);
        else if (text[i] == ' ' && i > 0)
            next = hide_next_word(out, text, n, i);
        if (n - i >= 3 && memcmp(text + i, "://", 3) == 0) {
            size_t end = userinfo_end(text, n, i + 3);
            if (end) {
                mlo_str_add(out, "://" HIDDEN);
                next = end;
            }
        }
        if (next) {
            i = next;
        } else {
            mlo_str_addc(out, text[i++]);
        }
    }
}

void mlo_redact(struct mlo_str *out, const char *text, size_t n)
{
    struct mlo_secret_hit hit;
    size_t at = 0;
    MLO_AUTOSTR struct mlo_str found;
    mlo_str_init(&found, out->max);
    while (mlo_secret_find(text, n, at, &hit)) {
        mlo_str_addn(&found, text + at, hit.offset - at);
        mlo_str_add(&found, HIDDEN);
        at = hit.offset + hit.length;
    }
    mlo_str_addn(&found, text + at, n - at);
    redact_names(out, found.ptr, found.len);
    if (found.failed)
        out->failed = found.failed;
}

/* "--token VALUE": the name alone, the value in the next word. */
static bool hides_next(const char *word)
{
    size_t dashes = strspn(word, "-");
    return dashes > 0 && !strchr(word, '=') && is_secret_name(word + dashes, strlen(word + dashes));
}

static int add_word(cJSON *list, const char *text, struct mlo_err *err)
{
    cJSON *node = cJSON_CreateString(text);
    if (node && cJSON_AddItemToArray(list, node))
        return 0;
    cJSON_Delete(node);
    return mlo_fail_nomem(err);
}

static int redact_word(cJSON *list, const char *word, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str clean, shown;
    mlo_str_init(&clean, MLO_STR_MAX);
    mlo_str_init(&shown, MLO_STR_MAX);
    mlo_redact(&clean, word, strlen(word));
    if (mlo_utf8_valid(clean.ptr, clean.len))
        mlo_str_addn(&shown, clean.ptr, clean.len);
    else
        mlo_escape(&shown, clean.ptr, clean.len);
    if (mlo_str_check(&clean, err) || mlo_str_check(&shown, err))
        return err->code;
    return add_word(list, shown.ptr, err);
}

/* "--env NAME=VALUE", "-e NAME=VALUE", "--env=NAME=VALUE": where NAME begins; NULL when it is none of these.
 * A variable's value is nobody's business whatever its name. */
static const char *variable_of(const char *word, const char *previous)
{
    const char *var = NULL;
    if (previous && (strcmp(previous, "--env") == 0 || strcmp(previous, "-e") == 0))
        var = word;
    else if (strncmp(word, "--env=", 6) == 0)
        var = word + 6;
    else if (word[0] == '-' && word[1] == 'e')
        var = word + 2;
    return var && strchr(var, '=') ? var : NULL;
}

static int redact_variable(cJSON *list, const char *word, const char *var, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_addn(&text, word, (size_t)(strchr(var, '=') + 1 - word));
    mlo_str_add(&text, HIDDEN);
    int rc = mlo_str_check(&text, err);
    return rc != 0 ? rc : redact_word(list, text.ptr, err);
}

int mlo_redact_argv(struct mlo_str *out, int argc, char *const argv[], struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *list = cJSON_CreateArray();
    MLO_AUTOFREE char *text = NULL;
    bool hide = false;
    if (!list)
        return mlo_fail_nomem(err);
    for (int i = 0; i < argc; i++) {
        const char *var = variable_of(argv[i], i > 0 ? argv[i - 1] : NULL);
        if (hide  ? add_word(list, HIDDEN, err)
            : var ? redact_variable(list, argv[i], var, err)
                  : redact_word(list, argv[i], err))
            return err->code;
        hide = !hide && hides_next(argv[i]);
    }
    if (mlo_json_print(list, &text, NULL, err))
        return err->code;
    mlo_str_add(out, text);
    return mlo_str_check(out, err);
}
