/* mlopsctl predict: rows of a table through a model. Writes no state: what it makes is the user's file. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/number.h>
#include <mlopsctl/base/text.h>

#include "cmd/shared/backend.h"
#include "predict.h"
#include "cmd/table.h"
#include "cmd/shared/tables.h"

static const struct mlo_opt opts_table[] = {
    {.name = "output",
     .letter = 'o',
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "where the answers go, whole or not at all; as a rule standard output",
     .offset = offsetof(struct mlo_predict_args, output),
     .flags = MLO_OPTF_FILE},
    {.name = "output-format",
     .type = MLO_OPT_CHOICE,
     .arg = "FORM",
     .help = "the form of the answers; as a rule by the name of the file, else as the input, else CSV",
     .offset = offsetof(struct mlo_predict_args, output_form),
     .choices = "csv|tsv|jsonl|npy|parquet|arrow|arrows"},
    {.name = "proba",
     .letter = 'p',
     .type = MLO_OPT_FLAG,
     .help = "also the probability of each class, in columns proba_CLASS",
     .offset = offsetof(struct mlo_predict_args, probabilities)},
    {.name = "margin",
     .type = MLO_OPT_FLAG,
     .help = "also what XGBoost and LightGBM call raw scores, before they become probabilities",
     .offset = offsetof(struct mlo_predict_args, margins)},
    {.name = "keep",
     .letter = 'k',
     .type = MLO_OPT_LIST,
     .arg = "COLUMN",
     .help = "copy this column of the input to the answers, such as an identifier",
     .offset = offsetof(struct mlo_predict_args, keep)},
    {.name = "features",
     .type = MLO_OPT_LIST,
     .arg = "COLUMN",
     .help =
         "the columns that the model takes, in its order, when it does not name them; COLUMN,... or again",
     .offset = offsetof(struct mlo_predict_args, features)},
    {.name = "by-position",
     .type = MLO_OPT_FLAG,
     .help = "the first columns are what the model takes, whatever they are called",
     .offset = offsetof(struct mlo_predict_args, by_position)},
    {.name = "strict",
     .type = MLO_OPT_FLAG,
     .help = "refuse a table with columns that the model does not take",
     .offset = offsetof(struct mlo_predict_args, strict)},
    {.name = "text",
     .type = MLO_OPT_LIST,
     .arg = "TEXT",
     .help = "a text for an encoder, instead of rows",
     .offset = offsetof(struct mlo_predict_args, texts)},
    {.name = "text-column",
     .type = MLO_OPT_STRING,
     .arg = "COLUMN",
     .help = "the column that holds a text for an encoder",
     .offset = offsetof(struct mlo_predict_args, text_column)},
    {.name = "pool",
     .type = MLO_OPT_CHOICE,
     .arg = "HOW",
     .help = "how the vectors of a text's tokens become one; as a rule what the files beside the model say, "
             "else mean",
     .offset = offsetof(struct mlo_predict_args, pool),
     .choices = "mean|cls|max|none"},
    {.name = "normalize",
     .type = MLO_OPT_FLAG,
     .help = "bring each text's vector to length 1",
     .offset = offsetof(struct mlo_predict_args, normalize)},
    {.name = "explain-missing",
     .type = MLO_OPT_FLAG,
     .help = "also tell how many cells of each column had no value, and what the model does with them",
     .offset = offsetof(struct mlo_predict_args, explain)},
    {.name = "limit",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "only the first N rows",
     .offset = offsetof(struct mlo_predict_args, limit),
     .min = 1},
    {.name = "batch",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "rows that the model is given at once, at most (4096; of texts 256)",
     .offset = offsetof(struct mlo_predict_args, batch),
     .min = 1,
     .max = 1 << 20},
    {.name = "model-file",
     .type = MLO_OPT_STRING,
     .arg = "PATH",
     .help = "which file of the bundle is the model, when it holds several",
     .offset = offsetof(struct mlo_predict_args, model_file)},
    {.name = "rounds",
     .type = MLO_OPT_STRING,
     .arg = "WHICH",
     .help = "of XGBoost and LightGBM: N, the first N rounds of trees; FIRST:END, those from FIRST on below "
             "END, counted from 0; or all. As a rule those up to the best of early stopping",
     .offset = offsetof(struct mlo_predict_args, rounds)},
    MLO_BACKEND_OPTION(struct mlo_predict_args),
    {.name = "precision",
     .type = MLO_OPT_CHOICE,
     .arg = "TYPE",
     .help = "what a GPU computes in; as a rule fp32",
     .offset = offsetof(struct mlo_predict_args, precision),
     .choices = MLO_PRECISIONS},
    MLO_TABLE_OPTIONS(struct mlo_predict_args),
    {0},
};
static uint64_t missing_of(const struct mlo_predict *p, size_t feature)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < p->n_workers; i++)
        n += mlo_feed_missing(p->workers[i].feed)[feature];
    return n;
}

/* In the report, or beside the answers on stderr. */
static void explain_missing(struct mlo_ctx *ctx, const struct mlo_predict *p)
{
    static const struct mlo_column columns[] = {{"column", "COLUMN", MLO_CELL_TEXT},
                                                {"missing", "MISSING", MLO_CELL_U64},
                                                {"then", "WHAT IS MISSING", MLO_CELL_TEXT}};
    char text[MLO_MISSING_TEXT];
    if (p->out.path)
        mlo_report_table(ctx->report, "missing", NULL, columns, MLO_COUNT(columns), "no columns");
    for (size_t i = 0; i < p->match.n_features; i++) {
        const char *name = p->match.columns[p->match.feature[i]].name;
        mlo_missing_text(&p->features, i, text);
        if (!p->out.path) {
            mlo_note(ctx, "'%s': %llu of %llu are missing; what is missing %s", name,
                     (unsigned long long)missing_of(p, i), (unsigned long long)p->rows, text);
            continue;
        }
        mlo_cell_text(ctx->report, name);
        mlo_cell_u64(ctx->report, missing_of(p, i));
        mlo_cell_text(ctx->report, text);
    }
}

/* Their rows have no answer, so answers do not stand beside the lines of the input any more. */
static void warn_ragged(struct mlo_ctx *ctx, const struct mlo_scan_result *st)
{
    enum { NAMED = 3 };
    MLO_AUTOSTR struct mlo_str lines;
    bool json = true; /* only lines that are no objects */
    mlo_str_init(&lines, MLO_STR_MAX);
    for (size_t i = 0; i < st->ragged && i < NAMED; i++) {
        const struct mlo_ragged *r = &st->first_ragged[i];
        mlo_str_addf(&lines, "%s'%s' line %llu", i ? ", " : "", r->path, (unsigned long long)r->line);
        if (r->fields)
            mlo_str_addf(&lines, " (%u)", r->fields);
        json = json && r->fields == 0;
    }
    mlo_warn(ctx, "%llu line%s %s got no answer: %s%s", (unsigned long long)st->ragged,
             st->ragged == 1 ? "" : "s", json ? "without a JSON object" : "of another number of fields",
             lines.ptr, st->ragged > NAMED ? ", and more" : "");
}

static void tell(struct mlo_ctx *ctx, const struct mlo_predict *p, const struct mlo_scan_result *st)
{
    struct mlo_report *r = ctx->report;
    if (p->texts)
        mlo_predict_texts_tell(p, ctx);
    if (st->ragged)
        warn_ragged(ctx, st);
    if (p->args->explain && !p->texts && (!ctx->json || p->out.path))
        explain_missing(ctx, p);
    if (!p->out.path) { /* the rows are the result */
        mlo_report_stream(r, stdout);
        return;
    }
    if (ctx->json) {
        mlo_report_u64(r, "rows", "rows", p->rows);
        mlo_report_u64(r, "ragged", "ragged", st->ragged);
        mlo_report_text(r, "file", "file", p->out.path);
        return;
    }
    mlo_report_say(r, "predicted %llu rows into %s", (unsigned long long)p->rows, p->out.path);
}

static bool takes_tokens(const struct mlo_plan *p)
{
    size_t n;
    const struct mlo_port_type *in = mlo_plan_inputs(p, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(in[i].name, "input_ids") == 0)
            return true;
    return false;
}

/* Their names: as the user says, else as the bundle does, else the model. */
static int find_features(struct mlo_predict *p, const struct mlo_model *m, struct mlo_err *err)
{
    const struct mlo_strings *given = &p->args->features;
    MLO_AUTOFREE const char **names = NULL;
    size_t n = 0;
    int rc = m->in_bundle && given->n == 0 ? mlo_model_features(&m->bundle, m->file, &names, &n, err) : 0;
    if (rc != 0)
        return rc;
    rc = given->n ? mlo_features_find(p->plan, given->items, given->n, &p->features, err)
                  : mlo_features_find(p->plan, names, n, &p->features, err);
    if (rc == MLO_EUNAVAIL && takes_tokens(p->plan))
        return mlo_hint(
            err, "it is an encoder of texts: --text-column COLUMN says where these are, --text gives one");
    return rc;
}

/* "all", "N" or "FIRST:END", where either may be left out. */
static int parse_rounds(const char *text, struct mlo_booster_opts *ret, struct mlo_err *err)
{
    struct mlo_booster_opts o = {.ranged = true, .end = MLO_BOOSTER_ROUNDS_ALL};
    char first[MLO_WHOLE_TEXT] = "0";
    const char *colon = strchr(text, ':'), *end = colon ? colon + 1 : text;
    int rc = 0;
    if (strcmp(text, "all") == 0)
        end = "";
    else if (colon > text)
        snprintf(first, sizeof first, "%.*s", (int)(colon - text), text);
    if (!colon && *text == '\0')
        rc = mlo_fail(err, MLO_EUSAGE, "--rounds takes 'all', a number, or FIRST:END");
    if (rc == 0)
        rc = mlo_parse_u64(first, 0, MLO_BOOSTER_NODES_MAX, "--rounds", &o.first, err);
    if (rc == 0 && *end)
        rc = mlo_parse_u64(end, 1, MLO_BOOSTER_NODES_MAX, "--rounds", &o.end, err);
    if (rc == 0 && o.first >= o.end)
        rc = mlo_fail(err, MLO_EUSAGE, "--rounds: '%s' holds none", text);
    if (rc != 0)
        return mlo_hint(err, "N, the first N rounds; FIRST:END, those from FIRST on below END; or all");
    *ret = o;
    return 0;
}

/* Texts of the command line. */
static int predict_given(struct mlo_ctx *ctx, struct mlo_predict *p, struct mlo_err *err)
{
    struct mlo_scan_result none = {0};
    int rc = mlo_predict_texts_given(p, ctx, err);
    if (rc == 0)
        tell(ctx, p, &none);
    return rc;
}

/* Neither the model nor a table is where the answers go. */
static int check_output(const struct mlo_ctx *ctx, const struct mlo_predict *p, const char *const *words,
                        struct mlo_err *err)
{
    const char *const model[] = {ctx->args[0]};
    char **paths = NULL;
    size_t n = 0;
    int rc = mlo_predict_output_check(p->args, model, 1, err);
    if (rc == 0 && p->args->output)
        rc = mlo_table_files(words, ctx->n_args > 1 ? ctx->n_args - 1 : 1, &paths, &n, err);
    if (rc == 0)
        rc = mlo_predict_output_check(p->args, (const char *const *)paths, n, err);
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
    free(paths);
    return rc;
}

/* Columns that rows of a stream are asked for, before the first is answered. Categories have names or codes:
 * only a value tells which. */
static int expect(const struct mlo_predict *p, struct mlo_table_expected **ret, size_t *ret_n,
                  struct mlo_err *err)
{
    const struct mlo_predict_args *o = p->args;
    size_t n = 0;
    struct mlo_table_expected *list = mlo_calloc(p->features.n + o->keep.n + 2, sizeof *list, err);
    if (!list)
        return err->code;
    for (size_t i = 0; i < p->features.n && !o->by_position; i++)
        if (p->features.list[i].name)
            list[n++] = (struct mlo_table_expected){p->features.list[i].name,
                                                    p->features.list[i].categories != NULL};
    for (size_t i = 0; i < o->keep.n; i++)
        list[n++] = (struct mlo_table_expected){o->keep.items[i], false};
    if (o->text_column)
        list[n++] = (struct mlo_table_expected){o->text_column, false};
    *ret = list;
    *ret_n = n;
    return 0;
}

static int predict(struct mlo_ctx *ctx, struct mlo_predict *p, const struct mlo_model *m, struct mlo_err *err)
{
    static const char *const standard_input[] = {"-"};
    const struct mlo_predict_args *o = p->args;
    struct mlo_table_opts to = mlo_table_opts_of(ctx, o->format, o->limit ? 1 : o->threads);
    const char *const *paths = ctx->n_args > 1 ? (const char *const *)ctx->args + 1 : standard_input;
    MLO_AUTOFREE struct mlo_table_expected *expected = NULL;
    struct mlo_table *t = NULL;
    struct mlo_scan_result st = {0};
    int rc = check_output(ctx, p, paths, err);
    if (rc == 0 && !p->texts)
        rc = find_features(p, m, err);
    if (rc == 0 && !p->texts && ctx->n_args == 2 && mlo_is_npy(ctx->args[1])) {
        rc = mlo_predict_npy(p, ctx, ctx->args[1], err);
        if (rc == 0)
            tell(ctx, p, &st);
        return rc;
    }
    to.live = mlo_predict_output_is_live(o);
    if (rc == 0 && to.live)
        rc = expect(p, &expected, &to.n_expected, err);
    to.expected = expected;
    if (rc == 0)
        rc = mlo_table_open(paths, ctx->n_args > 1 ? ctx->n_args - 1 : 1, &to, &t, err);
    if (rc == 0)
        rc = mlo_predict_table(p, ctx, t, &st, err);
    if (rc == 0)
        tell(ctx, p, &st);
    mlo_table_close(t);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_predict_args o = *(const struct mlo_predict_args *)options;
    struct mlo_predict p = {.args = &o, .out = {.fd = -1, .file = MLO_NEWFILE_INIT}};
    struct mlo_strings features = {0}, keep = {0};
    MLO_AUTOFREE char *features_text = NULL, *keep_text = NULL;
    struct mlo_model m = {0};
    struct mlo_plan_opts po = {0};
    struct mlo_backend backend;
    pthread_mutex_init(&p.lock, NULL);
    int rc = mlo_words_split(&o.features, &features_text, &features, err);
    if (rc == 0)
        rc = mlo_words_split(&o.keep, &keep_text, &keep, err);
    o.features = features;
    o.keep = keep;
    if (rc == 0)
        rc = mlo_backend_find(ctx, o.backend, o.precision, &backend, err);
    if (rc == 0)
        rc = o.rounds ? parse_rounds(o.rounds, &po.booster, err) : 0;
    if (rc == 0)
        rc = mlo_model_open(ctx, ctx->args[0], o.model_file, &po, &m, err);
    p.plan = m.plan;
    if (rc == 0)
        rc = mlo_backend_take(&backend, m.plan, err);
    if (rc == 0)
        rc = mlo_predict_texts_open(&p, ctx, &m, err);
    if (rc == 0)
        rc = o.texts.n ? predict_given(ctx, &p, err) : predict(ctx, &p, &m, err);
    if (rc == 0)
        mlo_backend_tell(&backend, m.plan);
    mlo_predict_release(&p);
    mlo_model_release(&m);
    free(features.items);
    free(keep.items);
    return rc;
}

static const struct mlo_example examples[] = {
    {"Will these loans go bad, and how sure is that?", "mlopsctl predict loans:1.4.0 loans.csv --proba"},
    {"Into a file that appears when it is whole", "mlopsctl predict loans:1.4.0 loans.csv -o answers.csv"},
    {"A model's file and a table with more columns; one of them stands beside the answers",
     "mlopsctl predict credit-1.4.0.onnx current.csv --by-position --keep bad"},
    {"The embedding of a text, by an encoder packed with its tokenizer",
     "mlopsctl predict minilm:1 --text 'Where is the invoice?'"},
    {"Those of a column of texts, with their identifiers, for pandas or DuckDB",
     "mlopsctl predict minilm:1 tickets.csv --text-column subject --keep id -o vectors.parquet"},
    {0},
};

const struct mlo_command mlo_cmd_predict = {
    .name = "predict",
    .group = "run",
    .summary = "run a model on rows: CSV, JSON Lines, Parquet, Arrow or .npy",
    .synopsis = "MODEL [ROWS...]",
    .description =
        "Runs a model (a bundle, or a file) on every row and writes its answers in the same order, with\n"
        "constant memory for any number of rows. Columns are found by name where the model or the bundle\n"
        "names them; what is missing or of another type is told at once. Without ROWS standard input.\n"
        "With --text or --text-column texts go through an encoder with the tokenizer beside it.",
    .opts = opts_table,
    .opts_size = sizeof(struct mlo_predict_args),
    .args = {.min = 1, .max = UINT_MAX, .complete = MLO_OPTF_FILE | MLO_OPTF_REF},
    .examples = examples,
    .run = run,
};
