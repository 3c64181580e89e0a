/*
 * What secrets look like. Tables of first bytes let the scan pass over ordinary text at memory speed; only
 * where a rule's prefix may begin is anything compared. Rules are facts of the services' own key formats.
 *
 * The text is a stranger's: every look ahead is bounded, so that no text makes the scan take quadratic time.
 */
#include <mlopsctl/base/secret.h>

#include <ctype.h>
#include <math.h>
#include <string.h>

enum charset { UPPER_DIGIT, ALNUM, TOKEN };
struct rule {
    const char *name, *prefix;
    enum charset charset;
    size_t min, max; /* bytes after the prefix */
};
static const struct rule rules[] = {
    {"aws-access-key", "AKIA", UPPER_DIGIT, 16, 16},
    {"aws-access-key", "ASIA", UPPER_DIGIT, 16, 16},
    {"github-token", "ghp_", ALNUM, 36, 255},
    {"github-token", "gho_", ALNUM, 36, 255},
    {"github-token", "ghs_", ALNUM, 36, 255},
    {"github-token", "ghu_", ALNUM, 36, 255},
    {"github-token", "ghr_", ALNUM, 36, 255},
    {"github-token", "github_pat_", TOKEN, 60, 255},
    {"gitlab-token", "glpat-", TOKEN, 20, 255},
    {"hugging-face-token", "hf_", ALNUM, 30, 64},
    {"runpod-key", "rpa_", ALNUM, 30, 128},
    {"runpod-s3-secret", "rps_", ALNUM, 30, 128},
    {"runpod-s3-key", "user_", ALNUM, 24, 48},
    {"openai-key", "sk-proj-", TOKEN, 40, 255},
    {"anthropic-key", "sk-ant-", TOKEN, 40, 255},
    {"openai-key", "sk-svcacct-", TOKEN, 40, 255},
    {"openrouter-key", "sk-or-v1-", ALNUM, 40, 128},
    {"openai-key", "sk-", ALNUM, 40, 64},
    {"slack-token", "xoxb-", TOKEN, 20, 255},
    {"slack-token", "xoxp-", TOKEN, 20, 255},
    {"slack-token", "xoxa-", TOKEN, 20, 255},
    {"slack-token", "xoxr-", TOKEN, 20, 255},
    {"slack-token", "xoxs-", TOKEN, 20, 255},
    {"google-api-key", "AIza", TOKEN, 35, 35},
    {"npm-token", "npm_", ALNUM, 36, 36},
    {"pypi-token", "pypi-AgE", TOKEN, 50, 512},
    {"stripe-key", "sk_live_", ALNUM, 20, 255},
};

static bool in_charset(unsigned char c, enum charset set)
{
    switch (set) {
    case UPPER_DIGIT:
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    case ALNUM:
        return isalnum(c);
    case TOKEN:
        break;
    }
    return isalnum(c) || c == '_' || c == '-';
}

/* Bytes of the set at p, counted up to `most`. */
static size_t run_length(const char *p, size_t n, enum charset set, size_t most)
{
    size_t i = 0;
    while (i < n && i < most && in_charset((unsigned char)p[i], set))
        i++;
    return i;
}

static bool word_before(const char *text, size_t at)
{
    return at > 0 && (isalnum((unsigned char)text[at - 1]) || text[at - 1] == '_');
}

static bool match_prefix_rule(const char *text, size_t n, size_t at, struct mlo_secret_hit *ret)
{
    if (word_before(text, at))
        return false;
    for (size_t i = 0; i < MLO_COUNT(rules); i++) {
        const struct rule *r = &rules[i];
        if (text[at] != r->prefix[0] || text[at + 1] != r->prefix[1])
            continue;
        size_t len = strlen(r->prefix);
        if (n - at < len || memcmp(text + at, r->prefix, len) != 0)
            continue;
        size_t tail = run_length(text + at + len, n - at - len, r->charset, r->max + 1);
        if (tail >= r->min && tail <= r->max) {
            *ret = (struct mlo_secret_hit){.rule = r->name, .offset = at, .length = len + tail};
            return true;
        }
    }
    return false;
}

static bool match_private_key(const char *text, size_t n, size_t at, struct mlo_secret_hit *ret)
{
    static const char begin[] = "-----BEGIN ", key[] = "PRIVATE KEY-----", end[] = "-----END ";
    const char *p = text + at;
    if (n - at < sizeof begin - 1 || memcmp(p, begin, sizeof begin - 1) != 0)
        return false;
    size_t head = n - at < 100 ? n - at : 100;
    const char *found = memmem(p, head, key, sizeof key - 1);
    if (!found)
        return false;
    const char *stop = memmem(found, n - (size_t)(found - text), end, sizeof end - 1);
    const char *line_end = stop ? memchr(stop, '\n', n - (size_t)(stop - text)) : NULL;
    size_t length = line_end ? (size_t)(line_end - p) : n - at;
    *ret = (struct mlo_secret_hit){.rule = "private-key", .offset = at, .length = length};
    return true;
}

#define JWT_PART_MAX 4096

/* header.payload.signature of base64url, the first two JSON objects. */
static bool match_jwt(const char *text, size_t n, size_t at, struct mlo_secret_hit *ret)
{
    size_t pos = at;
    if (at > 0 && in_charset((unsigned char)text[at - 1], TOKEN))
        return false;
    for (int part = 0; part < 3; part++) {
        size_t len = run_length(text + pos, n - pos, TOKEN, JWT_PART_MAX);
        if (len < 16 || (part < 2 && (n - pos < 3 || memcmp(text + pos, "eyJ", 3) != 0)))
            return false;
        pos += len;
        if (part < 2 && (pos == n || text[pos++] != '.'))
            return false;
    }
    *ret = (struct mlo_secret_hit){.rule = "json-web-token", .offset = at, .length = pos - at};
    return true;
}

/* ---- assignments: password = "..." ---- */

static const char *const secret_words[] = {"password",   "passwd",      "secret",   "token",
                                           "api_key",    "apikey",      "api-key",  "access_key",
                                           "secret_key", "private_key", "auth_key", "client_secret"};

/* Shannon entropy in bits a byte. */
static double entropy(const char *p, size_t n)
{
    unsigned count[256] = {0};
    double bits = 0;
    for (size_t i = 0; i < n; i++)
        count[(unsigned char)p[i]]++;
    for (size_t i = 0; i < 256; i++)
        if (count[i]) {
            double share = (double)count[i] / (double)n;
            bits -= share * log2(share);
        }
    return bits;
}

#define VALUE_MAX 512

/* "/run/secrets/db2/token", "./keys/1.pem": where a secret is, not what. One slash alone may be base64. */
static bool is_path(const char *p, size_t n)
{
    size_t slashes = 0;
    for (size_t i = 0; i < n; i++)
        slashes += p[i] == '/';
    return slashes > 1 && (p[0] == '/' || ((p[0] == '.' || p[0] == '~') && (p[1] == '/' || p[1] == '.')));
}

/* Random-looking: long enough, of mixed classes, of high entropy; not a path, a placeholder or a variable. */
static bool looks_random(const char *p, size_t n)
{
    bool digit = false, letter = false;
    if (n < 16 || n > VALUE_MAX || is_path(p, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (!c || (!isalnum(c) && !strchr("+/=_-.!@#%^&*", c)))
            return false;
        digit |= isdigit(c) != 0;
        letter |= isalpha(c) != 0;
    }
    return digit && letter && entropy(p, n) >= 3.5;
}

static size_t skip_blank(const char *text, size_t n, size_t at)
{
    while (at < n && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at;
}

/* At the '=' or ':' after a secret's name: a quoted or bare value that looks random. */
static bool match_value(const char *text, size_t n, size_t at, struct mlo_secret_hit *ret)
{
    size_t start = skip_blank(text, n, at + 1);
    char quote = start < n && (text[start] == '"' || text[start] == '\'') ? text[start] : 0;
    if (quote)
        start++;
    size_t end = start;
    while (end < n && end - start <= VALUE_MAX &&
           (quote ? text[end] != quote && text[end] != '\n'
                  : !isspace((unsigned char)text[end]) && !strchr(",;\"'", text[end])))
        end++;
    if (!looks_random(text + start, end - start))
        return false;
    *ret = (struct mlo_secret_hit){.rule = "assigned-secret", .offset = start, .length = end - start};
    return true;
}

/* At a '=' or ':': does a word for a secret stand right before it? */
static bool match_assignment(const char *text, size_t n, size_t at, struct mlo_secret_hit *ret)
{
    size_t end = at;
    while (end > 0 &&
           (text[end - 1] == ' ' || text[end - 1] == '\t' || text[end - 1] == '"' || text[end - 1] == '\''))
        end--;
    if (end == 0 || !strchr("dtny", text[end - 1] | 32)) /* the last letters of the words */
        return false;
    for (size_t i = 0; i < MLO_COUNT(secret_words); i++) {
        size_t len = strlen(secret_words[i]);
        if (end >= len && strncasecmp(text + end - len, secret_words[i], len) == 0)
            return match_value(text, n, at, ret);
    }
    return false;
}

/* ---- scan ---- */

static bool match_at(const char *text, size_t n, size_t at, struct mlo_secret_hit *ret)
{
    switch (text[at]) {
    case '-':
        return match_private_key(text, n, at, ret);
    case 'e':
        return match_jwt(text, n, at, ret);
    case '=':
    case ':':
        return match_assignment(text, n, at, ret);
    default:
        return match_prefix_rule(text, n, at, ret);
    }
}

/*
 * Three bytes that may begin something: a bit is one beginning, and a position is looked at when one bit
 * stands in the tables of all three. Three loads decide for nearly every position of ordinary text.
 */
enum {
    ASSIGN = 1 << 0, /* decided by the first byte alone */
    PEM = 1 << 1,    /* --- */
    JWT = 1 << 2,    /* eyJ */
    CLOUD = 1 << 3,  /* AKI ASI AIz */
    FORGE = 1 << 4,  /* ghp gho ghs ghu ghr git glp */
    HF = 1 << 5,     /* hf_ */
    RUNPOD = 1 << 6, /* rpa rps */
    SK = 1 << 7,     /* sk- sk_ */
    SLACK = 1 << 8,  /* xox */
    NPM = 1 << 9,    /* npm */
    PYPI = 1 << 10,  /* pyp */
    USER = 1 << 11,  /* use */
};
static const uint16_t first[256] = {
    ['='] = ASSIGN, [':'] = ASSIGN, ['-'] = PEM,   ['e'] = JWT, ['A'] = CLOUD, ['g'] = FORGE, ['h'] = HF,
    ['r'] = RUNPOD, ['s'] = SK,     ['x'] = SLACK, ['n'] = NPM, ['p'] = PYPI,  ['u'] = USER,
};
static const uint16_t second[256] = {
    ['-'] = PEM,   ['y'] = JWT | PYPI,   ['K'] = CLOUD, ['S'] = CLOUD, ['I'] = CLOUD,
    ['h'] = FORGE, ['i'] = FORGE,        ['l'] = FORGE, ['f'] = HF,    ['k'] = SK,
    ['o'] = SLACK, ['p'] = RUNPOD | NPM, ['s'] = USER,
};
static const uint16_t third[256] = {
    ['-'] = PEM | SK, ['J'] = JWT,    ['I'] = CLOUD, ['z'] = CLOUD, ['p'] = FORGE | PYPI,
    ['o'] = FORGE,    ['u'] = FORGE,  ['r'] = FORGE, ['t'] = FORGE, ['s'] = FORGE | RUNPOD,
    ['_'] = HF | SK,  ['a'] = RUNPOD, ['x'] = SLACK, ['m'] = NPM,   ['e'] = USER,
};

static bool may_begin(const unsigned char *p)
{
    return first[p[0]] & ((second[p[1]] & third[p[2]]) | ASSIGN);
}

static size_t count_lines(const char *text, size_t n)
{
    size_t lines = 1;
    for (const char *p = text, *end = text + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        lines++;
    return lines;
}

bool mlo_secret_find(const char *text, size_t n, size_t from, struct mlo_secret_hit *ret)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = from; n >= 3 && i < n - 2; i++) {
        if (!may_begin(bytes + i) || !match_at(text, n, i, ret))
            continue;
        ret->line = count_lines(text, ret->offset);
        return true;
    }
    return false;
}

const char *mlo_secret_file_name(const char *path)
{
    static const struct {
        const char *name, *rule;
    } names[] = {{".env", "environment-file"},
                 {".netrc", "netrc"},
                 {".pgpass", "pgpass"},
                 {".npmrc", "npmrc"},
                 {".pypirc", "pypirc"},
                 {".git-credentials", "git-credentials"},
                 {"id_rsa", "ssh-private-key"},
                 {"id_dsa", "ssh-private-key"},
                 {"id_ecdsa", "ssh-private-key"},
                 {"id_ed25519", "ssh-private-key"},
                 {"credentials.json", "credentials"},
                 {".htpasswd", "htpasswd"},
                 {"service-account.json", "credentials"},
                 {"kubeconfig", "kubeconfig"}};
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (strcmp(base, names[i].name) == 0)
            return names[i].rule;
    if (strncmp(base, ".env.", 5) == 0 && strcmp(base, ".env.example") != 0)
        return "environment-file";
    if (n > 4 && strcmp(base + n - 4, ".env") == 0)
        return "environment-file";
    if (n > 4 && (strcmp(base + n - 4, ".p12") == 0 || strcmp(base + n - 4, ".pfx") == 0 ||
                  strcmp(base + n - 4, ".jks") == 0))
        return "key-store";
    return slash && slash - path >= 4 && strcmp(base, "credentials") == 0 && memcmp(slash - 4, ".aws", 4) == 0
               ? "aws-credentials"
               : NULL;
}
