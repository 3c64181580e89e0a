/*
 * Man pages from the tables. A page is made of generated sections between two marker comments, which
 * scripts/gen-man renews, and of prose that is written by hand and never touched again.
 */
#include <string.h>
#include <time.h>

#include "internal.h"

static void begin(FILE *out, const char *section)
{
    fprintf(out, ".\\\" BEGIN GENERATED %s\n.SH %s\n", section, section);
}

static void end(FILE *out)
{
    fputs(".\\\" END GENERATED\n", out);
}

/* Text with what roff would read as its own made harmless. */
static void put(FILE *out, const char *text, bool line_start)
{
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        line_start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\'')
            fputs("\\(aq", out);
        else if (*text == '`')
            fputs("\\(ga", out);
        else if (*text == '^')
            fputs("\\(ha", out);
        else if (*text == '~')
            fputs("\\(ti", out);
        else if (*text == '"')
            fputs("\\(dq", out);
        else
            fputc(*text, out);
    }
}

void mlo_man_text(FILE *out, const char *text)
{
    put(out, text, true);
}

/* Help text is lower case without full stop; a page has sentences. */
static void put_sentence(FILE *out, const char *text)
{
    if (*text >= 'a' && *text <= 'z') {
        fputc(*text - 'a' + 'A', out);
        text++;
    }
    put(out, text, true);
    fputs(".\n", out);
}

/* A line of text at the beginning of a line. */
static void put_line(FILE *out, const char *text)
{
    put(out, text, true);
    fputc('\n', out);
}

static void put_upper(FILE *out, const char *name)
{
    for (; *name; name++)
        fputc(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name == ' ' ? '-' : *name, out);
}

static void put_title(FILE *out, const char *name)
{
    char date[16];
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &tm));
    fputs(".TH ", out);
    put_upper(out, name);
    fprintf(out, " 1 %s mlopsctl \"User Commands\"\n", date);
}

/* "mlopsctl pack" -> "mlopsctl-pack" */
static void put_page_name(FILE *out, const char *prefix, const char *name)
{
    for (const char *p = prefix; *p; p++)
        fputc(*p == ' ' ? '-' : *p, out);
    fprintf(out, "-%s", name);
}

/* ---- sections ---- */

/* Calls fn for every command that does something, in order: cmd, or its verbs and theirs; `words` stand
 * before its name. */
struct leaves {
    FILE *out;
    size_t n; /* before this one */
};
typedef void (*leaf_fn)(const struct leaves *l, const struct mlo_command *cmd, const char *words);
static void each_leaf(struct leaves *l, const struct mlo_command *cmd, const char *words, leaf_fn fn)
{
    char family[256];
    snprintf(family, sizeof family, "%s%s%s", words, *words ? " " : "", cmd->name);
    for (const struct mlo_command *const *s = cmd->subs; s && *s; s++)
        each_leaf(l, *s, family, fn);
    if (!cmd->subs) {
        fn(l, cmd, words);
        l->n++;
    }
}

static void put_synopsis_line(const struct leaves *l, const struct mlo_command *cmd, const char *prefix)
{
    FILE *out = l->out;
    fputs(l->n ? ".br\n.B " : ".B ", out);
    put(out, prefix, false);
    fputc(' ', out);
    put(out, cmd->name, false);
    fputs("\n[\\fIoptions\\fR]\n", out);
    if (cmd->synopsis && *cmd->synopsis)
        put_line(out, cmd->synopsis);
}

static void put_synopsis(FILE *out, const struct mlo_command *cmd, const char *prefix)
{
    begin(out, "SYNOPSIS");
    each_leaf(&(struct leaves){out, 0}, cmd, prefix, put_synopsis_line);
    end(out);
}

static void put_option(FILE *out, const struct mlo_command *cmd, const struct mlo_opt *o)
{
    MLO_AUTOSTR struct mlo_str def;
    mlo_str_init(&def, 256);
    fputs(".TP\n", out);
    if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    put(out, o->name, false);
    fputs("\\fR", out);
    if (o->arg) {
        fputs(" \\fI", out);
        put(out, o->arg, false);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    put_sentence(out, o->help);
    if (o->choices) {
        fputs("One of ", out);
        put(out, o->choices, false);
        fputs(".\n", out);
    }
    if (cmd && mlo_opt_default(cmd, o, &def)) {
        fputs("The default is ", out);
        put(out, def.ptr, false);
        fputs(".\n", out);
    }
    if (o->type == MLO_OPT_LIST)
        fputs("May be given again.\n", out);
    if (o->flags & MLO_OPTF_REQUIRED)
        fputs("Required.\n", out);
}

static void put_options(FILE *out, const struct mlo_command *cmd)
{
    for (const struct mlo_opt *o = cmd->opts; o && o->name; o++)
        if (!(o->flags & MLO_OPTF_HIDDEN))
            put_option(out, cmd, o);
}

static void put_verb(const struct leaves *l, const struct mlo_command *cmd, const char *words)
{
    FILE *out = l->out;
    fputs(".SS ", out);
    put(out, words, false);
    fputc(' ', out);
    put_line(out, cmd->name);
    put_sentence(out, cmd->summary);
    put_options(out, cmd);
}

static void put_options_section(FILE *out, const struct mlo_command *cmd)
{
    begin(out, "OPTIONS");
    if (cmd->subs)
        each_leaf(&(struct leaves){out, 0}, cmd, "", put_verb);
    else
        put_options(out, cmd);
    if (cmd->subs)
        fputs(".SS Every verb\n", out);
    else if (mlo_has_options(cmd))
        fputs(".PP\n", out);
    fputs("The options of every command, such as\n.B \\-\\-json\nand\n.BR \\-\\-quiet ,\nare described in\n"
          ".BR mlopsctl (1).\n",
          out);
    end(out);
}

static void put_examples_of(FILE *out, const struct mlo_command *cmd)
{
    for (const struct mlo_example *e = cmd->examples; e && e->what; e++) {
        fputs(".TP\n", out);
        put_sentence(out, e->what);
        fputs(".EX\n", out);
        put_line(out, e->line);
        fputs(".EE\n", out);
    }
}

static bool has_examples(const struct mlo_command *cmd)
{
    bool any = cmd->examples && cmd->examples->what;
    for (const struct mlo_command *const *s = cmd->subs; s && *s; s++)
        any |= has_examples(*s);
    return any;
}

static void put_examples_below(FILE *out, const struct mlo_command *cmd)
{
    put_examples_of(out, cmd);
    for (const struct mlo_command *const *s = cmd->subs; s && *s; s++)
        put_examples_below(out, *s);
}

static void put_examples(FILE *out, const struct mlo_command *cmd)
{
    if (!has_examples(cmd))
        return;
    begin(out, "EXAMPLES");
    put_examples_below(out, cmd);
    end(out);
}

static void put_exit_status(FILE *out)
{
    begin(out, "EXIT STATUS");
    for (size_t i = 0; i < mlo_n_exit_statuses; i++) {
        fprintf(out, ".TP\n.B %d\n", mlo_exit_statuses[i].status);
        put_sentence(out, mlo_exit_statuses[i].meaning);
    }
    end(out);
}

void mlo_man_page(FILE *out, const struct mlo_command *cmd, const char *prefix)
{
    char title[256];
    snprintf(title, sizeof title, "%s %s", prefix, cmd->name);
    put_title(out, title);
    begin(out, "NAME");
    put_page_name(out, prefix, cmd->name);
    fputs(" \\- ", out);
    put_line(out, cmd->summary);
    end(out);
    put_synopsis(out, cmd, prefix);
    fputs(".SH DESCRIPTION\n", out);
    put_line(out, cmd->description && *cmd->description ? cmd->description : cmd->summary);
    put_options_section(out, cmd);
    put_exit_status(out);
    put_examples(out, cmd);
    fputs(".SH SEE ALSO\n.BR mlopsctl (1)\n", out);
}

/* ---- the program's own page ---- */

struct list {
    FILE *out;
    const char *group;
};

static void put_command(void *ctx, const struct mlo_command *cmd)
{
    struct list *l = ctx;
    if (!l->group || strcmp(l->group, cmd->group) != 0) {
        fputs(".SS ", l->out);
        put_line(l->out, cmd->group);
    }
    l->group = cmd->group;
    fputs(".TP\n.BR ", l->out);
    put_page_name(l->out, MLO_PROGRAM, cmd->name);
    fputs(" (1)\n", l->out);
    put_sentence(l->out, cmd->summary);
}

void mlo_man_overview(FILE *out, const struct mlo_command *const *table)
{
    struct list l = {.out = out};
    put_title(out, MLO_PROGRAM);
    begin(out, "NAME");
    fputs(MLO_PROGRAM " \\- pack, move, check and serve models, and take any of it back\n", out);
    end(out);
    begin(out, "SYNOPSIS");
    fputs(".B " MLO_PROGRAM "\n.I command\n[\\fIoptions\\fR] [\\fIarguments\\fR]\n", out);
    end(out);
    begin(out, "COMMANDS");
    mlo_each_visible(table, put_command, &l);
    end(out);
    begin(out, "OPTIONS");
    fputs("These are understood by every command and may stand before or after it.\n", out);
    for (const struct mlo_opt *o = mlo_global_opts; o->name; o++)
        put_option(out, NULL, o);
    end(out);
    put_exit_status(out);
}
