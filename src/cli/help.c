/* -h of a command and the overview of all, from the tables. */
#include <limits.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define HELP_COLUMN 28 /* where an option's text begins; a longer left part puts it on the next line */

const struct mlo_exit_status mlo_exit_statuses[] = {
    {0, "done"},
    {1, "the answer is no: it differs, it is not there, the check failed"},
    {2, "wrong use of the command line"},
    {3, "not found"},
    {4, "invalid data, or a digest that does not match"},
    {5, "a remote or the network failed"},
    {6, "conflict, or a lock is held"},
    {7, "a feature or device is not available here"},
    {8, "input, output, memory or system failure"},
    {9, "a fault of this program"},
};
const size_t mlo_n_exit_statuses = MLO_COUNT(mlo_exit_statuses);

/* Prints words from column `at`, broken before MLO_HELP_WIDTH, further lines indented by `indent`; ends the
 * line. */
static void wrap(FILE *out, const char *text, size_t at, size_t indent)
{
    while (*text) {
        size_t len = strcspn(text, " \n");
        if (at > indent && at + 1 + len > MLO_HELP_WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, len, out);
        at += len;
        text += len;
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

/* A left part and its text in two columns. */
static void print_pair(FILE *out, const char *left, const char *text)
{
    size_t len = strlen(left);
    if (len + 2 > HELP_COLUMN)
        fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
    else
        fprintf(out, "%-*s", HELP_COLUMN, left);
    wrap(out, text, HELP_COLUMN, HELP_COLUMN);
}

static void add_option_text(const struct mlo_command *cmd, const struct mlo_opt *o, struct mlo_str *text)
{
    MLO_AUTOSTR struct mlo_str def;
    mlo_str_init(&def, 256);
    mlo_str_add(text, o->help);
    if (o->choices)
        mlo_str_addf(text, " (one of %s)", o->choices);
    if (cmd && mlo_opt_default(cmd, o, &def))
        mlo_str_addf(text, " (default %s)", def.ptr);
    if (o->type == MLO_OPT_LIST)
        mlo_str_add(text, " (may be given again)");
    if (o->flags & MLO_OPTF_REQUIRED)
        mlo_str_add(text, " (required)");
}

static void print_options(FILE *out, const struct mlo_command *cmd, const struct mlo_opt *table)
{
    for (const struct mlo_opt *o = table; o && o->name; o++) {
        if (o->flags & MLO_OPTF_HIDDEN)
            continue;
        MLO_AUTOSTR struct mlo_str left, text;
        mlo_str_init(&left, 256);
        mlo_str_init(&text, 4096);
        if (o->letter)
            mlo_str_addf(&left, "  -%c, ", o->letter);
        else
            mlo_str_add(&left, "      ");
        mlo_str_addf(&left, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        add_option_text(cmd, o, &text);
        print_pair(out, left.ptr, text.ptr);
    }
}

bool mlo_has_options(const struct mlo_command *cmd)
{
    for (const struct mlo_opt *o = cmd->opts; o && o->name; o++)
        if (!(o->flags & MLO_OPTF_HIDDEN))
            return true;
    return false;
}

static void print_usage(FILE *out, const struct mlo_command *cmd, const char *prefix)
{
    if (cmd->subs) {
        fprintf(out, "usage: %s %s VERB ...\n", prefix, cmd->name);
        return;
    }
    fprintf(out, "usage: %s %s [options]%s%s\n", prefix, cmd->name,
            cmd->synopsis && *cmd->synopsis ? " " : "", cmd->synopsis ? cmd->synopsis : "");
}

static void print_description(FILE *out, const char *text)
{
    fputc('\n', out);
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        fprintf(out, "%.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

void mlo_help_print(FILE *out, const struct mlo_command *cmd, const char *prefix)
{
    fprintf(out, "%s\n\n", cmd->summary);
    print_usage(out, cmd, prefix);
    if (cmd->description && *cmd->description)
        print_description(out, cmd->description);
    if (cmd->subs) {
        fputs("\nverbs:\n", out);
        for (const struct mlo_command *const *s = cmd->subs; *s; s++) {
            char left[64];
            snprintf(left, sizeof left, "  %s", (*s)->name);
            print_pair(out, left, (*s)->summary);
        }
        fprintf(out, "\nSee `%s help %s VERB`.\n", prefix, cmd->name);
        return;
    }
    if (mlo_has_options(cmd)) {
        fputs("\noptions:\n", out);
        print_options(out, cmd, cmd->opts);
    }
    if (cmd->examples && cmd->examples->what) {
        fputs("\nexamples:\n", out);
        for (const struct mlo_example *e = cmd->examples; e->what; e++)
            fprintf(out, "  # %s\n  %s\n", e->what, e->line);
    }
    fputs("\noptions of every command:\n", out);
    print_options(out, NULL, mlo_global_opts);
}

const struct mlo_command *mlo_find_command(const struct mlo_command *const *table, const char *name)
{
    for (; table && *table; table++)
        if (strcmp((*table)->name, name) == 0)
            return *table;
    return NULL;
}

static bool is_first_of_group(const struct mlo_command *const *table, const struct mlo_command *const *at)
{
    for (; table < at; table++)
        if (!((*table)->flags & MLO_CMDF_HIDDEN) && strcmp((*table)->group, (*at)->group) == 0)
            return false;
    return true;
}

void mlo_each_visible(const struct mlo_command *const *table,
                      void (*fn)(void *ctx, const struct mlo_command *cmd), void *ctx)
{
    for (const struct mlo_command *const *first = table; *first; first++) {
        if (((*first)->flags & MLO_CMDF_HIDDEN) || !is_first_of_group(table, first))
            continue;
        for (const struct mlo_command *const *c = first; *c; c++)
            if (!((*c)->flags & MLO_CMDF_HIDDEN) && strcmp((*c)->group, (*first)->group) == 0)
                fn(ctx, *c);
    }
}

struct overview {
    FILE *out;
    const char *group;
};

static void print_command(void *ctx, const struct mlo_command *cmd)
{
    struct overview *v = ctx;
    if (!v->group || strcmp(v->group, cmd->group) != 0)
        fprintf(v->out, "\n%s\n", cmd->group);
    v->group = cmd->group;
    fprintf(v->out, "  %-12s  %s\n", cmd->name, cmd->summary);
}

void mlo_help_overview(FILE *out, const struct mlo_command *const *table)
{
    struct overview v = {.out = out};
    fprintf(out, "Packs, moves, checks and serves models, and takes any of it back.\n\n"
                 "usage: " MLO_PROGRAM " COMMAND [options] [arguments]\n");
    mlo_each_visible(table, print_command, &v);
    fputs("\noptions of every command\n", out);
    print_options(out, NULL, mlo_global_opts);
    fputs("\nSee `" MLO_PROGRAM " help COMMAND` for one of them, and mlopsctl(1).\n", out);
}
