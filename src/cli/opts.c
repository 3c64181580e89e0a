/*
 * Parsing of the command line by tables. Options may stand anywhere, "--" ends them, a later one wins over an
 * earlier one (lists collect). Long names are never abbreviated: a script must not change its meaning when a
 * new option comes.
 *
 * Each way of being wrong is a `enum fault` and is put into words in one place, say_fault.
 */
#include <limits.h>
#include <math.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

const struct mlo_opt mlo_global_opts[] = {
    {.name = "json",
     .type = MLO_OPT_FLAG,
     .help = "print one JSON document instead of text; errors too, on stderr",
     .offset = offsetof(struct mlo_globals, json)},
    {.name = "quiet",
     .letter = 'q',
     .type = MLO_OPT_FLAG,
     .help = "say nothing but the result",
     .offset = offsetof(struct mlo_globals, quiet)},
    {.name = "verbose",
     .letter = 'v',
     .type = MLO_OPT_COUNT,
     .help = "say more on stderr; twice for still more",
     .offset = offsetof(struct mlo_globals, verbose)},
    {.name = "progress",
     .type = MLO_OPT_CHOICE,
     .arg = "HOW",
     .help = "how progress is shown on stderr: auto takes a bar on a terminal and plain lines elsewhere",
     .choices = "auto|bar|plain|json|none",
     .offset = offsetof(struct mlo_globals, progress)},
    {.name = "no-color",
     .type = MLO_OPT_FLAG,
     .help = "no colour, as with NO_COLOR in the environment",
     .offset = offsetof(struct mlo_globals, no_color)},
    {.name = "home",
     .type = MLO_OPT_STRING,
     .arg = "DIR",
     .help = "the folder of ledger and store, instead of the .mlops found upward",
     .flags = MLO_OPTF_FOLDER,
     .offset = offsetof(struct mlo_globals, home)},
    {.name = "token-file",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help =
         "the file with the RunPod API key, instead of those places where it is looked for; - is standard "
         "input",
     .flags = MLO_OPTF_FILE,
     .offset = offsetof(struct mlo_globals, token_file)},
    {.name = "message",
     .letter = 'm',
     .type = MLO_OPT_STRING,
     .arg = "TEXT",
     .help = "why: recorded with the run in the ledger",
     .offset = offsetof(struct mlo_globals, note)},
    {.name = "yes",
     .letter = 'y',
     .type = MLO_OPT_FLAG,
     .help = "go ahead with what else would be refused without a person to ask",
     .offset = offsetof(struct mlo_globals, yes)},
    {.name = "help",
     .letter = 'h',
     .type = MLO_OPT_FLAG,
     .help = "show help and do nothing",
     .offset = offsetof(struct mlo_globals, help)},
    {0},
};

enum fault {
    UNKNOWN_LONG,
    UNKNOWN_LETTER,
    NO_VALUE,
    EXTRA_VALUE,
    BAD_CHOICE,
    MISSING_OPTION,
    TOO_FEW_WORDS,
    TOO_MANY_WORDS,
};

struct parser {
    const struct mlo_command *cmd; /* NULL: global options only */
    int argc, at;                  /* argv[at] is looked at */
    char **argv;
    void *opts; /* of cmd */
    struct mlo_globals globals;
    struct mlo_ctx *ctx;
    uint64_t seen; /* bit i: cmd->opts[i] was given */
    struct mlo_err *err;
};

static bool is_last(const struct mlo_opt *o)
{
    return !o || !o->name;
}

static const char *command_name(const struct parser *p)
{
    if (p->ctx->cmd_name)
        return p->ctx->cmd_name;
    return p->cmd ? p->cmd->name : NULL;
}

static int hint_help(const struct parser *p)
{
    const char *name = command_name(p);
    return name ? mlo_hint(p->err, "see `" MLO_PROGRAM " %s -h`", name)
                : mlo_hint(p->err, "see `" MLO_PROGRAM " help`");
}

static int hint_near_option(const struct parser *p, const char *word)
{
    struct mlo_nearest near = {.word = word};
    for (const struct mlo_opt *o = p->cmd ? p->cmd->opts : NULL; !is_last(o); o++)
        if (!(o->flags & MLO_OPTF_HIDDEN))
            mlo_nearest_offer(&near, o->name);
    for (const struct mlo_opt *o = mlo_global_opts; !is_last(o); o++)
        mlo_nearest_offer(&near, o->name);
    return near.best ? mlo_hint(p->err, "did you mean --%s?", near.best) : hint_help(p);
}

/* Puts a fault into words. `word` is what the user typed; it may hold anything and is escaped. */
static int say_fault(const struct parser *p, enum fault fault, const struct mlo_opt *o, const char *word)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_PATH_MAX);
    if (word)
        mlo_escape(&text, word, strlen(word));
    switch (fault) {
    case UNKNOWN_LONG:
        mlo_fail(p->err, MLO_EUSAGE, "unknown option '--%s'", text.ptr);
        return hint_near_option(p, word);
    case UNKNOWN_LETTER:
        mlo_fail(p->err, MLO_EUSAGE, "unknown option '-%s'", text.ptr);
        return hint_help(p);
    case NO_VALUE:
        mlo_fail(p->err, MLO_EUSAGE, "option '--%s' needs a value: %s", o->name, o->arg);
        return hint_help(p);
    case EXTRA_VALUE:
        mlo_fail(p->err, MLO_EUSAGE, "option '--%s' takes no value, got '%s'", o->name, text.ptr);
        return hint_help(p);
    case BAD_CHOICE:
        return mlo_fail(p->err, MLO_EUSAGE, "option '--%s' cannot be '%s': it is one of %s", o->name,
                        text.ptr, o->choices);
    case MISSING_OPTION:
        mlo_fail(p->err, MLO_EUSAGE, "option '--%s %s' is missing", o->name, o->arg);
        return hint_help(p);
    case TOO_FEW_WORDS:
        mlo_fail(p->err, MLO_EUSAGE, "too few arguments: it takes %s", p->cmd->synopsis);
        return hint_help(p);
    case TOO_MANY_WORDS:
        mlo_fail(p->err, MLO_EUSAGE, "one argument too many: '%s'", text.ptr);
        return hint_help(p);
    }
    return mlo_fail(p->err, MLO_EINTERNAL, "fault %d of the command line has no words", (int)fault);
}

/* ---- values ---- */

void mlo_each_choice(const char *choices, void (*fn)(void *ctx, const char *word, size_t len), void *ctx)
{
    for (const char *p = choices; p;) {
        const char *bar = strchr(p, '|');
        fn(ctx, p, bar ? (size_t)(bar - p) : strlen(p));
        p = bar ? bar + 1 : NULL;
    }
}

struct choice_match {
    const char *word;
    bool found;
};

static void match_choice(void *ctx, const char *word, size_t len)
{
    struct choice_match *m = ctx;
    m->found |= strlen(m->word) == len && memcmp(m->word, word, len) == 0;
}

static bool is_choice(const char *choices, const char *word)
{
    struct choice_match m = {.word = word};
    mlo_each_choice(choices, match_choice, &m);
    return m.found;
}

static int add_to_list(struct mlo_strings *list, const char *value, struct mlo_err *err)
{
    int rc = mlo_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items, err);
    if (rc == 0)
        list->items[list->n++] = value;
    return rc;
}

/* Stores one value at its place. `value` is NULL for flags. */
static int store(struct parser *p, const struct mlo_opt *o, void *base, const char *value)
{
    void *field = (char *)base + o->offset;
    char what[64];
    snprintf(what, sizeof what, "--%s", o->name);
    switch (o->type) {
    case MLO_OPT_FLAG:
        *(bool *)field = true;
        return 0;
    case MLO_OPT_COUNT:
        ++*(unsigned *)field;
        return 0;
    case MLO_OPT_CHOICE:
        if (!is_choice(o->choices, value))
            return say_fault(p, BAD_CHOICE, o, value);
        *(const char **)field = value;
        return 0;
    case MLO_OPT_STRING:
        *(const char **)field = value;
        return 0;
    case MLO_OPT_LIST:
        return add_to_list(field, value, p->err);
    case MLO_OPT_U64:
        return mlo_parse_u64(value, o->min, o->max ? o->max : UINT64_MAX, what, field, p->err);
    case MLO_OPT_DOUBLE:
        return mlo_parse_double(value, what, field, p->err);
    case MLO_OPT_SIZE:
        return mlo_parse_size(value, what, field, p->err);
    case MLO_OPT_DURATION:
        return mlo_parse_duration(value, what, field, p->err);
    }
    return mlo_fail(p->err, MLO_EINTERNAL, "option '--%s' has no known type", o->name);
}

static bool takes_value(const struct mlo_opt *o)
{
    return o->type != MLO_OPT_FLAG && o->type != MLO_OPT_COUNT;
}

/* ---- words ---- */

static const struct mlo_opt *find_long(const struct mlo_opt *table, const char *name, size_t len)
{
    for (const struct mlo_opt *o = table; !is_last(o); o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static const struct mlo_opt *find_letter(const struct mlo_opt *table, char letter)
{
    for (const struct mlo_opt *o = table; !is_last(o); o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

static int store_found(struct parser *p, const struct mlo_opt *o, bool own, const char *value)
{
    if (own)
        p->seen |= UINT64_C(1) << (o - p->cmd->opts);
    return store(p, o, own ? p->opts : &p->globals, value);
}

/* "--name", "--name=value", "--name value". */
static int parse_long(struct parser *p, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct mlo_opt *own = find_long(p->cmd ? p->cmd->opts : NULL, word, len);
    const struct mlo_opt *o = own ? own : find_long(mlo_global_opts, word, len);
    if (!o) {
        MLO_AUTOFREE char *name = mlo_memdup0(word, len, p->err);
        return name ? say_fault(p, UNKNOWN_LONG, NULL, name) : MLO_EIO;
    }
    const char *value = equals ? equals + 1 : NULL;
    if (!takes_value(o))
        return value ? say_fault(p, EXTRA_VALUE, o, value) : store_found(p, o, own, NULL);
    if (!value && p->at + 1 < p->argc)
        value = p->argv[++p->at];
    return value ? store_found(p, o, own, value) : say_fault(p, NO_VALUE, o, NULL);
}

/* "-x", "-xyz", "-xVALUE", "-x VALUE". */
static int parse_letters(struct parser *p, const char *letters)
{
    for (; *letters; letters++) {
        const struct mlo_opt *own = find_letter(p->cmd ? p->cmd->opts : NULL, *letters);
        const struct mlo_opt *o = own ? own : find_letter(mlo_global_opts, *letters);
        if (!o)
            return say_fault(p, UNKNOWN_LETTER, NULL, letters);
        if (!takes_value(o)) {
            int rc = store_found(p, o, own, NULL);
            if (rc < 0)
                return rc;
            continue;
        }
        const char *value = letters[1] ? letters + 1 : NULL;
        if (!value && p->at + 1 < p->argc)
            value = p->argv[++p->at];
        return value ? store_found(p, o, own, value) : say_fault(p, NO_VALUE, o, NULL);
    }
    return 0;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

static int parse_option(struct parser *p)
{
    const char *word = p->argv[p->at];
    return word[1] == '-' ? parse_long(p, word + 2) : parse_letters(p, word + 1);
}

static enum mlo_progress_mode progress_mode(const char *choice)
{
    static const char *const names[] = {[MLO_PROGRESS_AUTO] = "auto",
                                        [MLO_PROGRESS_BAR] = "bar",
                                        [MLO_PROGRESS_PLAIN] = "plain",
                                        [MLO_PROGRESS_JSON] = "json",
                                        [MLO_PROGRESS_NONE] = "none"};
    for (unsigned i = 0; i < MLO_COUNT(names); i++)
        if (strcmp(names[i], choice) == 0)
            return (enum mlo_progress_mode)i;
    return MLO_PROGRESS_AUTO;
}

static void apply_globals(const struct mlo_globals *g, struct mlo_ctx *ctx)
{
    ctx->json |= g->json;
    ctx->quiet |= g->quiet;
    ctx->yes |= g->yes;
    ctx->help |= g->help;
    ctx->verbose += g->verbose;
    if (g->no_color) {
        ctx->color = false;
        ctx->color_given = true;
    }
    if (g->progress) {
        ctx->progress = progress_mode(g->progress);
        ctx->progress_given = true;
    }
    if (g->home)
        ctx->home = g->home;
    if (g->note)
        ctx->note = g->note;
    if (g->token_file)
        ctx->token_file = g->token_file;
}

int mlo_opts_leading(int argc, char **argv, struct mlo_ctx *ctx, int *ret_used, struct mlo_err *err)
{
    struct parser p = {.argc = argc, .argv = argv, .ctx = ctx, .err = err};
    int rc = 0;
    for (; rc == 0 && p.at < argc && is_option(argv[p.at]) && !p.globals.help; p.at++) {
        if (strcmp(argv[p.at], "--") == 0) {
            p.at++;
            break;
        }
        rc = parse_option(&p);
    }
    apply_globals(&p.globals, ctx);
    if (rc == 0)
        *ret_used = p.at;
    return rc;
}

/* ---- a whole command ---- */

static int parse_words(struct parser *p)
{
    bool options = true;
    for (; p->at < p->argc && !p->globals.help; p->at++) {
        char *word = p->argv[p->at];
        int rc = 0;
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && is_option(word))
            rc = parse_option(p);
        else
            p->ctx->args[p->ctx->n_args++] = word;
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_complete(const struct parser *p)
{
    const struct mlo_arg_spec *spec = &p->cmd->args;
    if (p->ctx->n_args > spec->max)
        return say_fault(p, TOO_MANY_WORDS, NULL, p->ctx->args[spec->max]);
    if (p->ctx->n_args < spec->min)
        return say_fault(p, TOO_FEW_WORDS, NULL, NULL);
    for (const struct mlo_opt *o = p->cmd->opts; !is_last(o); o++)
        if ((o->flags & MLO_OPTF_REQUIRED) && !(p->seen >> (o - p->cmd->opts) & 1))
            return say_fault(p, MISSING_OPTION, o, NULL);
    return 0;
}

int mlo_opts_parse(const struct mlo_command *cmd, int argc, char **argv, void *opts, struct mlo_ctx *ctx,
                   struct mlo_err *err)
{
    struct parser p = {.cmd = cmd, .argc = argc, .argv = argv, .opts = opts, .ctx = ctx, .err = err};
    if (cmd->opts_size)
        memset(opts, 0, cmd->opts_size);
    if (cmd->defaults)
        memcpy(opts, cmd->defaults, cmd->opts_size);
    ctx->n_args = 0;
    ctx->args = mlo_calloc((size_t)argc + 1, sizeof *ctx->args, err);
    if (!ctx->args)
        return MLO_EIO;
    int rc = parse_words(&p);
    apply_globals(&p.globals, ctx);
    if (rc < 0 || ctx->help)
        return rc;
    return check_complete(&p);
}

void mlo_opts_release(const struct mlo_command *cmd, void *opts, struct mlo_ctx *ctx)
{
    for (const struct mlo_opt *o = cmd->opts; !is_last(o); o++) {
        if (o->type != MLO_OPT_LIST)
            continue;
        struct mlo_strings *list = (void *)((char *)opts + o->offset);
        free(list->items);
        *list = (struct mlo_strings){0};
    }
    free(ctx->args);
    ctx->args = NULL;
    ctx->n_args = 0;
}

bool mlo_opt_default(const struct mlo_command *cmd, const struct mlo_opt *o, struct mlo_str *out)
{
    if (!cmd->defaults)
        return false;
    const void *field = (const char *)cmd->defaults + o->offset;
    char buf[MLO_HUMAN_MAX];
    size_t before = out->len;
    switch (o->type) {
    case MLO_OPT_STRING:
    case MLO_OPT_CHOICE:
        if (*(const char *const *)field)
            mlo_str_add(out, *(const char *const *)field);
        break;
    case MLO_OPT_U64:
        if (*(const uint64_t *)field)
            mlo_str_addf(out, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case MLO_OPT_DOUBLE:
        if (*(const double *)field != 0 && !isnan(*(const double *)field)) /* NaN: not given */
            mlo_str_addf(out, "%g", *(const double *)field);
        break;
    case MLO_OPT_SIZE:
        if (*(const uint64_t *)field)
            mlo_str_add(out, mlo_human_size(*(const uint64_t *)field, buf));
        break;
    case MLO_OPT_DURATION:
        if (*(const uint64_t *)field)
            mlo_str_add(out, mlo_human_duration(*(const uint64_t *)field, buf));
        break;
    case MLO_OPT_FLAG:
    case MLO_OPT_COUNT:
    case MLO_OPT_LIST:
        break;
    }
    return out->len > before;
}
