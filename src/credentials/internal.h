/*
 * What the files of this folder share: text that is wiped when it is freed, the INI reader, docker's files
 * and helpers. What is read here is secret: no message shows a value or a line, and no buffer with a value
 * grows, because growing leaves a copy behind.
 */
#ifndef MLO_CREDENTIALS_INTERNAL_H
#define MLO_CREDENTIALS_INTERNAL_H

#include <mlopsctl/base/text.h>
#include <mlopsctl/credentials.h>

#define MLO_CREDENTIALS_FILE_MAX ((size_t)1 << 20)  /* bytes of any file that is read here */
#define MLO_CREDENTIALS_INI_MAX  4096               /* lines with a key or a section */
#define MLO_TOKEN_MAX            ((size_t)16 << 10) /* bytes of a --token-file */
#define MLO_HELPER_ANSWER_MAX    ((size_t)64 << 10) /* bytes that a docker-credential program may say */
#define MLO_HELPER_SECONDS       60                 /* and how long it may take: it may ask a person */

/* ---- secret.c ---- */

/* Wipes, then frees. p may be NULL. */
void mlo_wipe_free(void *p, size_t n);
/* Wipes and releases a string that was made with mlo_secret_room. */
void mlo_wipe_str(struct mlo_str *s);
/* s is empty with room for n bytes, so that appending them moves nothing. */
int mlo_secret_room(struct mlo_str *s, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * A whole file, at most max bytes, NUL added; free with mlo_wipe_free(text, n + 1). `mine`: it must be ours
 * alone, else MLO_EUSAGE with the chmod to run. MLO_ENOTFOUND when it is not there.
 */
int mlo_secret_read(const char *path, size_t max, bool mine, char **ret, size_t *ret_n,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* From an open file, pipe or terminal, which stays open. */
int mlo_secret_read_fd(int fd, size_t max, char **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- ini.c ---- */

/*
 * The INI of AWS's shared files, also ours:
 *
 *   line     = blank | comment | section | setting | nested
 *   comment  = ("#" | ";") text
 *   section  = "[" name "]" [comment]
 *   setting  = key "=" value            blanks around both are not part of them; " #" and " ;" end a value
 *   nested   = a line that is indented deeper than the setting above it; not read
 *
 * Keys do not mind case, section names do. What comes later wins. Control bytes are refused.
 */
struct mlo_ini {
    char *text; /* owned; the entries point into it */
    size_t n;
    struct mlo_ini_entry {
        const char *section, *key, *value; /* section "" before the first; key NULL: the section's own line */
    } * entries;
    size_t n_entries, cap;
};
/* Takes text (mlo_secret_read), also when it fails. `name` stands in messages. */
int mlo_ini_parse(const char *name, char *text, size_t n, struct mlo_ini *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
void mlo_ini_release(struct mlo_ini *ini);
/* NULL when it is not there or empty. */
const char *mlo_ini_get(const struct mlo_ini *ini, const char *section, const char *key);
bool mlo_ini_has(const struct mlo_ini *ini, const char *section);

/* ---- docker.c ---- */

struct mlo_docker_entry {         /* what a file says of one host; each may be empty */
    struct mlo_str helper, store; /* docker-credential-NAME: for this host, for all */
    struct mlo_str user, password, identity_token;
};
/* Of docker's config.json or containers-auth.json(5). Release it after failure too. */
int mlo_docker_find(const char *text, size_t n, const char *host, struct mlo_docker_entry *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The answer of docker-credential-NAME get: user and password, or an identity token. Likewise. */
int mlo_docker_answer(const char *text, size_t n, struct mlo_docker_entry *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
void mlo_docker_release(struct mlo_docker_entry *e);
/* How docker calls a host in its files and to its helpers: the hub has an address of its own. */
const char *mlo_docker_server(const char *host);

/* ---- helper.c ---- */

/*
 * Runs docker-credential-NAME get, found in the PATH of env, with `server` as its input; no shell.
 * MLO_ENOTFOUND when it knows no login, MLO_EUNAVAIL when there is no such program. Free with
 * mlo_wipe_free(text, n + 1).
 */
int mlo_helper_get(char *const *env, const char *name, const char *server, char **ret, size_t *ret_n,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* ---- credentials.c ---- */

struct mlo_kept;
struct mlo_credentials_file { /* read once, when first needed */
    char *path;
    bool asked, there;
    struct mlo_ini ini;
};
struct mlo_credentials {
    struct mlo_credentials_sources from;
    struct mlo_credentials_file ours, aws_keys, aws_config, runpodctl;
    const char *token;     /* of --token-file, once read */
    struct mlo_kept *kept; /* text that was handed out */
};
/* A copy of n bytes that lives as long as c and is wiped then. */
const char *mlo_credentials_keep(struct mlo_credentials *c, const char *text, size_t n,
                                 struct mlo_err *err) MLO_MUST_CHECK;
/* Where something was found: "<file> [<section>]", kept. */
const char *mlo_credentials_place(struct mlo_credentials *c, const char *file, const char *section,
                                  struct mlo_err *err) MLO_MUST_CHECK;
/* A variable that is set and not empty. */
const char *mlo_credentials_env(const struct mlo_credentials *c, const char *name);
/* What $variable says, else $HOME/below; *ret NULL when neither is there. Owner: the caller. */
int mlo_credentials_path(const struct mlo_credentials *c, const char *variable, const char *below, char **ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* Our file; *ret NULL when it is not there. */
int mlo_credentials_ours(struct mlo_credentials *c, const struct mlo_ini **ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* A file of others, at mlo_credentials_path; *ret NULL when it is not there. */
int mlo_credentials_theirs(struct mlo_credentials *c, struct mlo_credentials_file *f, const char *variable,
                           const char *below, const struct mlo_ini **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* A key that can stand in a header: printing ASCII without blanks. `origin` is said, the value is not. */
int mlo_credentials_check(const char *value, const char *origin, struct mlo_err *err) MLO_MUST_CHECK;

#endif
