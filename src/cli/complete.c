/*
 * Completion scripts for bash, zsh and fish from the tables: commands, verbs, options, choices, files. One
 * walk over all commands; each shell says how a command and an option are written down.
 */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define MAX_PATH_WORDS 256

/* Where completion of a value comes from. */
enum source { FROM_NOTHING, FROM_CHOICES, FROM_FILES, FROM_FOLDERS, FROM_REFS, FROM_COMMANDS, FROM_KEYS };

static enum source source_of(unsigned flags, const char *choices)
{
    if (choices)
        return FROM_CHOICES;
    if (flags & MLO_OPTF_REF)
        return FROM_REFS;
    if (flags & MLO_OPTF_FOLDER)
        return FROM_FOLDERS;
    if (flags & MLO_OPTF_FILE)
        return FROM_FILES;
    if (flags & MLO_OPTF_COMMAND)
        return FROM_COMMANDS;
    return flags & MLO_OPTF_KEY ? FROM_KEYS : FROM_NOTHING;
}

static bool is_hidden(const struct mlo_command *cmd)
{
    return (cmd->flags & MLO_CMDF_HIDDEN) != 0;
}

/* Calls fn for every visible command and verb with its words, "ledger verify". */
typedef void (*visit_fn)(FILE *out, const struct mlo_command *cmd, const char *path);
static void walk(FILE *out, const struct mlo_command *const *table, const char *parent, visit_fn fn)
{
    for (; *table; table++) {
        char path[MAX_PATH_WORDS];
        if (is_hidden(*table))
            continue;
        snprintf(path, sizeof path, "%s%s%s", parent, *parent ? " " : "", (*table)->name);
        fn(out, *table, path);
        if ((*table)->subs)
            walk(out, (*table)->subs, path, fn);
    }
}

static void put_names(FILE *out, const struct mlo_command *const *table)
{
    const char *space = "";
    for (; *table; table++) {
        if (is_hidden(*table))
            continue;
        fprintf(out, "%s%s", space, (*table)->name);
        space = " ";
    }
}

static void put_choice(void *out, const char *word, size_t len)
{
    fprintf(out, " %.*s", (int)len, word);
}

/* Options of a command and, with NULL as command, the global ones. */
static const struct mlo_opt *options_of(const struct mlo_command *cmd)
{
    return cmd ? cmd->opts : mlo_global_opts;
}

static bool is_shown(const struct mlo_opt *o)
{
    return !(o->flags & MLO_OPTF_HIDDEN);
}

/* ---- bash ---- */

static void bash_source(FILE *out, enum source source, const char *choices)
{
    static const char *const words[] = {
        [FROM_NOTHING] = "none",    [FROM_CHOICES] = "words", [FROM_FILES] = "files",
        [FROM_FOLDERS] = "folders", [FROM_REFS] = "refs",     [FROM_COMMANDS] = "commands",
        [FROM_KEYS] = "keys"};
    fputs(words[source], out);
    if (source == FROM_CHOICES)
        mlo_each_choice(choices, put_choice, out);
}

static void bash_option_names(FILE *out, const struct mlo_command *cmd)
{
    for (const struct mlo_opt *o = options_of(cmd); o && o->name; o++)
        if (is_shown(o))
            fprintf(out, " --%s%s", o->name, o->arg ? "=" : "");
}

static void bash_command(FILE *out, const struct mlo_command *cmd, const char *path)
{
    fprintf(out, "    '%s')\n        verbs='", path);
    if (cmd->subs)
        put_names(out, cmd->subs);
    fputs("'\n        options='", out);
    bash_option_names(out, cmd);
    fputs("'\n        arguments='", out);
    bash_source(out, source_of(cmd->args.complete, cmd->args.choices), cmd->args.choices);
    fputs("' ;;\n", out);
}

static void bash_values(FILE *out, const struct mlo_command *cmd, const char *path)
{
    for (const struct mlo_opt *o = options_of(cmd); o && o->name; o++) {
        if (!is_shown(o) || !o->arg)
            continue;
        fprintf(out, "    '%s --%s'", path, o->name);
        if (o->letter)
            fprintf(out, " | '%s -%c'", path, o->letter);
        fputs(") value='", out);
        bash_source(out, source_of(o->flags, o->choices), o->choices);
        fputs("' ;;\n", out);
    }
}

static const char bash_head[] = "# bash completion for mlopsctl, made by `mlopsctl completion bash`.\n"
                                "\n"
                                "# What follows the words $1: verbs, options, arguments.\n"
                                "_mlopsctl_command()\n"
                                "{\n"
                                "    verbs='' options='' arguments=none\n"
                                "    case $1 in\n";
static const char bash_middle[] =
    "    *) return 1 ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "# The value that option $2 takes after the words $1; fails when it takes none.\n"
    "_mlopsctl_value()\n"
    "{\n"
    "    case \"$1 $2\" in\n";
static const char bash_globals[] = "    *)\n"
                                   "        case \" $2\" in\n";
static const char bash_tail[] =
    "        *) return 1 ;;\n"
    "        esac ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_mlopsctl_candidates()\n"
    "{\n"
    "    local cur=$2\n"
    "    case $1 in\n"
    "    words*) compgen -W \"${1#words}\" -- \"$cur\" ;;\n"
    "    files) compgen -f -- \"$cur\" ;;\n"
    "    folders) compgen -d -- \"$cur\" ;;\n"
    "    refs | keys) compgen -W \"$(\"${COMP_WORDS[0]}\" __complete \"$1\" 2>/dev/null)\" -- \"$cur\" ;;\n"
    "    commands) _mlopsctl_command '' && compgen -W \"$verbs\" -- \"$cur\" ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "# bash breaks words at : and =, a model reference has both: the line is split again at spaces only.\n"
    "_mlopsctl()\n"
    "{\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words cur path='' verbs options arguments value='' source trim "
    "i\n"
    "    local globals='";
static const char bash_function[] =
    "'\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    cur=${words[${#words[@]} - 1]}\n"
    "    for ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
    "        local word=${words[i]}\n"
    "        if [[ -n $value ]]; then\n"
    "            value=''\n"
    "        elif [[ $word == -* ]]; then\n"
    "            [[ $word != *=* ]] && _mlopsctl_value \"$path\" \"$word\"\n"
    "        elif _mlopsctl_command \"$path${path:+ }$word\"; then\n"
    "            path=\"$path${path:+ }$word\"\n"
    "        fi\n"
    "    done\n"
    "    _mlopsctl_command \"$path\"\n"
    "    if [[ -n $value ]]; then\n"
    "        source=$value\n"
    "    elif [[ $cur == --*=* ]]; then\n"
    "        _mlopsctl_value \"$path\" \"${cur%%=*}\" && source=$value cur=${cur#*=}\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        source=\"words$options$globals\"\n"
    "    elif [[ -n $verbs ]]; then\n"
    "        source=\"words $verbs\"\n"
    "    else\n"
    "        source=$arguments\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(_mlopsctl_candidates \"$source\" \"$cur\")\n"
    "    case $source in files | folders) compopt -o filenames 2>/dev/null ;; esac\n"
    "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n"
    "    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then\n"
    "        trim=${cur%\"${cur##*:}\"}\n"
    "        COMPREPLY=(\"${COMPREPLY[@]#\"$trim\"}\")\n"
    "    fi\n"
    "}\n"
    "complete -F _mlopsctl mlopsctl\n";

static void bash_script(FILE *out, const struct mlo_command *const *table)
{
    fputs(bash_head, out);
    fputs("    '')\n        verbs='", out);
    put_names(out, table);
    fputs("' ;;\n", out);
    walk(out, table, "", bash_command);
    fputs(bash_middle, out);
    walk(out, table, "", bash_values);
    fputs(bash_globals, out);
    bash_values(out, NULL, "");
    fputs(bash_tail, out);
    bash_option_names(out, NULL);
    fputs(bash_function, out);
}

/* ---- zsh ---- */

/* Inside '...' of zsh, and inside the [...] of _arguments. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_action(FILE *out, enum source source, const char *choices)
{
    static const char *const actions[] = {[FROM_NOTHING] = " ",
                                          [FROM_CHOICES] = "(",
                                          [FROM_FILES] = "_files",
                                          [FROM_FOLDERS] = "_files -/",
                                          [FROM_REFS] = "_mlopsctl_ask refs",
                                          [FROM_COMMANDS] = "_mlopsctl_commands",
                                          [FROM_KEYS] = "_mlopsctl_ask keys"};
    fputs(actions[source], out);
    if (source == FROM_CHOICES) {
        mlo_each_choice(choices, put_choice, out);
        fputs(" )", out);
    }
}

static void zsh_options(FILE *out, const struct mlo_command *cmd)
{
    for (const struct mlo_opt *o = options_of(cmd); o && o->name; o++) {
        if (!is_shown(o))
            continue;
        fputs(" \\\n        ", out);
        if (o->type == MLO_OPT_LIST || o->type == MLO_OPT_COUNT)
            fputs("'*'", out);
        if (o->letter)
            fprintf(out, "{-%c%s,--%s%s}", o->letter, o->arg ? "+" : "", o->name, o->arg ? "=" : "");
        else
            fprintf(out, "--%s%s", o->name, o->arg ? "=" : "");
        fputs("'[", out);
        zsh_text(out, o->help);
        fputc(']', out);
        if (o->arg) {
            fputc(':', out);
            zsh_text(out, o->arg);
            fputc(':', out);
            zsh_action(out, source_of(o->flags, o->choices), o->choices);
        }
        fputc('\'', out);
    }
}

static void zsh_function_name(FILE *out, const char *path)
{
    fputs("_mlopsctl_cmd_", out);
    for (; *path; path++)
        fputc(*path == ' ' || *path == '-' ? '_' : *path, out);
}

static void zsh_list(FILE *out, const struct mlo_command *const *table)
{
    fputs("    local -a list=(", out);
    for (; *table; table++) {
        if (is_hidden(*table))
            continue;
        fprintf(out, "\n        '%s:", (*table)->name);
        zsh_text(out, (*table)->summary);
        fputc('\'', out);
    }
    fputs(")\n    _describe -t commands command list\n", out);
}

/* The function of a family: its verbs, then the function of the verb. */
static void zsh_family(FILE *out, const struct mlo_command *const *table, const char *path)
{
    fputs("    local curcontext=$curcontext state line\n    _arguments -C \"${_mlopsctl_globals[@]}\" '1: :",
          out);
    zsh_function_name(out, path);
    fputs("_verbs' '*:: :->rest'\n    [[ $state == rest ]] || return\n    case $words[1] in\n", out);
    for (; *table; table++) {
        char sub[MAX_PATH_WORDS];
        if (is_hidden(*table))
            continue;
        snprintf(sub, sizeof sub, "%s%s%s", path, *path ? " " : "", (*table)->name);
        fprintf(out, "    %s) ", (*table)->name);
        zsh_function_name(out, sub);
        fputs(" ;;\n", out);
    }
    fputs("    esac\n", out);
}

static void zsh_verbs(FILE *out, const struct mlo_command *const *table, const char *path)
{
    fputc('\n', out);
    zsh_function_name(out, path);
    fputs("_verbs()\n{\n", out);
    zsh_list(out, table);
    fputs("}\n", out);
}

static void zsh_command(FILE *out, const struct mlo_command *cmd, const char *path)
{
    if (cmd->subs)
        zsh_verbs(out, cmd->subs, path);
    fputc('\n', out);
    zsh_function_name(out, path);
    fputs("()\n{\n", out);
    if (cmd->subs) {
        zsh_family(out, cmd->subs, path);
    } else {
        fputs("    _arguments -s -S \"${_mlopsctl_globals[@]}\"", out);
        zsh_options(out, cmd);
        if (cmd->args.max) {
            fputs(" \\\n        '*:", out);
            zsh_text(out, cmd->synopsis);
            fputc(':', out);
            zsh_action(out, source_of(cmd->args.complete, cmd->args.choices), cmd->args.choices);
            fputc('\'', out);
        }
        fputc('\n', out);
    }
    fputs("}\n", out);
}

static const char zsh_head[] = "#compdef mlopsctl\n"
                               "# zsh completion for mlopsctl, made by `mlopsctl completion zsh`.\n"
                               "\n"
                               "_mlopsctl_ask()\n"
                               "{\n"
                               "    local -a found=(${(f)\"$(mlopsctl __complete $1 2>/dev/null)\"})\n"
                               "    compadd -a found\n"
                               "}\n"
                               "\n"
                               "typeset -ga _mlopsctl_globals=(";

static void zsh_script(FILE *out, const struct mlo_command *const *table)
{
    fputs(zsh_head, out);
    zsh_options(out, NULL);
    fputs(")\n\n_mlopsctl_commands()\n{\n", out);
    zsh_list(out, table);
    fputs("}\n", out);
    zsh_verbs(out, table, "");
    walk(out, table, "", zsh_command);
    fputs("\n_mlopsctl()\n{\n", out);
    zsh_family(out, table, "");
    fputs("}\n\nif [[ $funcstack[1] == _mlopsctl ]]; then\n    _mlopsctl \"$@\"\nelse\n    compdef _mlopsctl "
          "mlopsctl\nfi\n",
          out);
}

/* ---- fish ---- */

static void fish_text(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void fish_source(FILE *out, enum source source, const char *choices)
{
    switch (source) {
    case FROM_NOTHING:
        break;
    case FROM_CHOICES:
        fputs(" -a '", out);
        mlo_each_choice(choices, put_choice, out);
        fputc('\'', out);
        break;
    case FROM_FILES:
        fputs(" -F", out);
        break;
    case FROM_FOLDERS:
        fputs(" -a '(__fish_complete_directories)'", out);
        break;
    case FROM_REFS:
        fputs(" -a '(mlopsctl __complete refs 2>/dev/null)'", out);
        break;
    case FROM_COMMANDS:
        fputs(" -a '(__mlopsctl_commands)'", out);
        break;
    case FROM_KEYS:
        fputs(" -a '(mlopsctl __complete keys 2>/dev/null)'", out);
        break;
    }
}

static void fish_option(FILE *out, const struct mlo_opt *o, const char *path)
{
    fputs("complete -c mlopsctl", out);
    if (path)
        fprintf(out, " -n '__mlopsctl_at %s'", path);
    fprintf(out, " -l %s", o->name);
    if (o->letter)
        fprintf(out, " -s %c", o->letter);
    if (o->arg) {
        fputs(" -r", out);
        fish_source(out, source_of(o->flags, o->choices), o->choices);
    }
    fputs(" -d ", out);
    fish_text(out, o->help);
    fputc('\n', out);
}

static void fish_verb(FILE *out, const struct mlo_command *cmd, const char *parent)
{
    fprintf(out, "complete -c mlopsctl -n '__mlopsctl_wants_verb %s' -a %s -d ", parent, cmd->name);
    fish_text(out, cmd->summary);
    fputc('\n', out);
}

static void fish_command(FILE *out, const struct mlo_command *cmd, const char *path)
{
    for (const struct mlo_command *const *s = cmd->subs; s && *s; s++)
        if (!is_hidden(*s))
            fish_verb(out, *s, path);
    for (const struct mlo_opt *o = cmd->opts; o && o->name; o++)
        if (is_shown(o))
            fish_option(out, o, path);
    enum source source = source_of(cmd->args.complete, cmd->args.choices);
    if (source == FROM_NOTHING)
        return;
    fprintf(out, "complete -c mlopsctl -n '__mlopsctl_at %s'", path);
    fish_source(out, source, cmd->args.choices);
    fputc('\n', out);
}

static const char fish_head[] = "# fish completion for mlopsctl, made by `mlopsctl completion fish`.\n"
                                "\n"
                                "# The words before the cursor that are no options.\n"
                                "function __mlopsctl_words\n"
                                "    for word in (commandline -opc)[2..-1]\n"
                                "        string match -q -- '-*' $word; or echo $word\n"
                                "    end\n"
                                "end\n"
                                "\n"
                                "# True after the command $argv, whatever follows it.\n"
                                "function __mlopsctl_at\n"
                                "    set -l words (__mlopsctl_words)\n"
                                "    set -l n (count $argv)\n"
                                "    test (count $words) -ge $n; and test \"$words[1..$n]\" = \"$argv\"\n"
                                "end\n"
                                "\n"
                                "# True right after the words $argv.\n"
                                "function __mlopsctl_wants_verb\n"
                                "    test \"$(__mlopsctl_words | string join ' ')\" = \"$argv\"\n"
                                "end\n"
                                "\n"
                                "function __mlopsctl_commands\n"
                                "    mlopsctl help --names\n"
                                "end\n"
                                "\n"
                                "complete -c mlopsctl -f\n";

static void fish_script(FILE *out, const struct mlo_command *const *table)
{
    fputs(fish_head, out);
    for (const struct mlo_command *const *c = table; *c; c++)
        if (!is_hidden(*c))
            fish_verb(out, *c, "");
    for (const struct mlo_opt *o = mlo_global_opts; o->name; o++)
        fish_option(out, o, NULL);
    walk(out, table, "", fish_command);
}

int mlo_completion_script(FILE *out, const struct mlo_command *const *table, const char *shell,
                          struct mlo_err *err)
{
    static const struct {
        const char *name;
        void (*write)(FILE *out, const struct mlo_command *const *table);
    } shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    for (size_t i = 0; i < MLO_COUNT(shells); i++)
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].write(out, table);
            return 0;
        }
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, sizeof err->msg);
    mlo_escape(&shown, shell, strlen(shell));
    return mlo_fail(err, MLO_EUSAGE, "there is no completion for '%s': it is one of bash, zsh, fish",
                    shown.ptr);
}
