#include "blocks.h"

#include <string.h>

#include <mlopsctl/base/io.h>

#include "delimit.h"

void mlo_blocks_init(struct mlo_blocks *b, struct mlo_input *in, const struct mlo_table_opts *opts)
{
    *b = (struct mlo_blocks){.input = *in,
                             .block_bytes = opts->block_bytes ? opts->block_bytes : MLO_BLOCK_BYTES};
    pthread_mutex_init(&b->lock, NULL);
    pthread_mutex_init(&b->count_lock, NULL);
}

/* *ret_size: of the file, when it can be read from any place. */
static bool is_seekable(const struct mlo_blocks *b, uint64_t *ret_size)
{
    struct stat st;
    if (mlo_input_is_compressed(&b->input) || fstat(b->input.fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    *ret_size = (uint64_t)st.st_size;
    return true;
}

void mlo_blocks_begin_after(struct mlo_blocks *b, const char *head, size_t n)
{
    b->preamble = n;
    b->line = mlo_count_lines(head, n);
}

static int skip_preamble(struct mlo_blocks *b, struct mlo_err *err)
{
    char skipped[4096];
    while (b->counted.bytes < b->preamble) {
        size_t left = b->preamble - (size_t)b->counted.bytes, got;
        int rc = mlo_input_read(&b->input, skipped, left < sizeof skipped ? left : sizeof skipped, &got, err);
        if (rc == 0 && got == 0)
            rc = mlo_fail(err, MLO_EINVALID, "'%s' became shorter while it was read", b->input.name);
        if (rc != 0)
            return rc;
        b->counted.bytes += got;
    }
    return 0;
}

static int reserve(char **text, size_t *cap, size_t n, struct mlo_err *err)
{
    return mlo_grow(text, cap, n + MLO_DELIMIT_PADDING, 1, err);
}

static size_t whole_records(const struct mlo_blocks *b, const char *text, size_t n)
{
    if (b->separator || b->ended)
        return mlo_delimit_whole(text, n, b->separator, b->ended);
    const char *nl = memrchr(text, '\n', n);
    return nl ? (size_t)(nl - text) + 1 : 0;
}

/* The record does not end in what was read: more, unless it is too long. */
static int read_more(struct mlo_blocks *b, struct mlo_block *k, size_t want, struct mlo_err *err)
{
    size_t got = 0;
    if (k->n > MLO_TABLE_LINE_MAX)
        return mlo_fail(err, MLO_EINVALID,
                        "'%s' line %llu: a record of more than %zu MiB, or a quote that is never closed",
                        b->input.name, (unsigned long long)b->line + 1, MLO_TABLE_LINE_MAX >> 20);
    int rc = reserve(&k->text, &k->cap, k->n + want, err);
    if (rc == 0)
        rc = mlo_input_come(&b->input, 0, k->text + k->n, want, &got, &b->ended, err);
    k->n += got;
    return rc;
}

static int save_carry(struct mlo_blocks *b, const char *text, size_t n, struct mlo_err *err)
{
    int rc = reserve(&b->carry, &b->cap_carry, n, err);
    if (rc == 0)
        memcpy(b->carry, text, n);
    b->n_carry = rc == 0 ? n : 0;
    return rc;
}

static int take(struct mlo_blocks *b, struct mlo_block *k, struct mlo_err *err)
{
    size_t whole = 0;
    int rc = skip_preamble(b, err);
    if (rc == 0)
        rc = reserve(&k->text, &k->cap, b->n_carry, err);
    if (rc != 0)
        return rc;
    memcpy(k->text, b->carry ? b->carry : "", b->n_carry);
    k->n = b->n_carry;
    while (whole == 0 && !b->ended) {
        rc = read_more(b, k, k->n > b->block_bytes ? k->n : b->block_bytes, err);
        if (rc != 0)
            return rc;
        whole = whole_records(b, k->text, k->n);
    }
    rc = save_carry(b, k->text + whole, k->n - whole, err);
    k->n = whole;
    k->sequence = b->sequence;
    k->line = b->line;
    k->sampled = false;
    b->line += mlo_count_lines(k->text, whole);
    b->sequence += whole > 0;
    b->counted.bytes += whole;
    return rc;
}

int mlo_blocks_take(struct mlo_blocks *b, struct mlo_block *ret, struct mlo_err *err)
{
    pthread_mutex_lock(&b->lock);
    int rc = take(b, ret, err);
    pthread_mutex_unlock(&b->lock);
    return rc;
}

/* From the first record that begins in the text; whether a newline stands within quotes cannot be told. */
static void cut_to_records(const struct mlo_blocks *b, struct mlo_block *k, bool first, bool last)
{
    const char *nl = first ? NULL : memchr(k->text, '\n', k->n);
    size_t from = first ? 0 : nl ? (size_t)(nl - k->text) + 1 : k->n;
    k->n -= from;
    memmove(k->text, k->text + from, k->n);
    if (!last)
        k->n = whole_records(b, k->text, k->n);
}

int mlo_blocks_sample(struct mlo_blocks *b, size_t part, size_t parts, struct mlo_block *ret,
                      struct mlo_err *err)
{
    uint64_t size;
    size_t n = b->block_bytes / 2;
    ret->n = 0;
    if (!is_seekable(b, &size))
        return 0;
    uint64_t share = size / parts, from = share * part;
    from += share > n ? (share - n) / 2 : 0;
    from = from > b->preamble ? from : b->preamble;
    int rc = reserve(&ret->text, &ret->cap, n, err);
    if (rc == 0)
        rc = mlo_read_at(b->input.fd, ret->text, n, from, &ret->n, err);
    if (rc != 0)
        return rc;
    cut_to_records(b, ret, from == b->preamble, ret->n < n);
    ret->sequence = part;
    ret->line = 0;
    ret->sampled = true;
    return 0;
}

/* The first ones by line, whichever thread met them first. */
void mlo_blocks_ragged(struct mlo_blocks *b, const struct mlo_block *from, uint64_t line, size_t fields)
{
    struct mlo_scan_result *st = &b->counted;
    if (from->sampled)
        return;
    pthread_mutex_lock(&b->count_lock);
    size_t n = st->ragged < MLO_COUNT(st->first_ragged) ? st->ragged : MLO_COUNT(st->first_ragged), at = n;
    while (at > 0 && st->first_ragged[at - 1].line > line + 1)
        at--;
    if (at < MLO_COUNT(st->first_ragged)) {
        size_t moved = n < MLO_COUNT(st->first_ragged) ? n - at : n - at - 1;
        memmove(&st->first_ragged[at + 1], &st->first_ragged[at], moved * sizeof *st->first_ragged);
        st->first_ragged[at] = (struct mlo_ragged){b->input.name, line + 1, (unsigned)fields};
    }
    st->ragged++;
    pthread_mutex_unlock(&b->count_lock);
}

void mlo_blocks_describe(struct mlo_blocks *b, const struct mlo_block *from, uint64_t line,
                         struct mlo_batch *batch)
{
    batch->sequence = from->sequence;
    batch->first_row = UINT64_MAX;
    batch->first_line = line + 1;
    if (from->sampled)
        return;
    pthread_mutex_lock(&b->count_lock);
    b->counted.rows += batch->n_rows;
    pthread_mutex_unlock(&b->count_lock);
}

void mlo_blocks_close(struct mlo_blocks *b, struct mlo_scan_result *st)
{
    if (st)
        mlo_scan_result_add(st, &b->counted);
    mlo_input_close(&b->input);
    pthread_mutex_destroy(&b->lock);
    pthread_mutex_destroy(&b->count_lock);
    free(b->carry);
}

size_t mlo_bom_length(const char *text, size_t n)
{
    return n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* What files that are taken for tables begin with, and what makes a table of them. */
static const struct {
    const char *head;
    size_t n;
    const char *hint;
} foreign[] = {
    {"\x93NUMPY", 6, "an .npy file is given by its name, ending in .npy, one at a time"},
    {"PK\x03\x04", 4, "save a workbook's sheet as CSV; unzip an archive"},
    {"\xff\xfe", 2, "it may be UTF-16: iconv -f UTF-16 -t UTF-8 makes text of it that is read"},
    {"\xfe\xff", 2, "it may be UTF-16: iconv -f UTF-16 -t UTF-8 makes text of it that is read"},
    {"SQLite format 3", 15, "sqlite3 -csv -header FILE 'select ...' makes CSV of a database"},
    {"BZh", 3, "bzip2 -dc FILE | ... gives it; gzip and zstd are read as they are"},
    {"\xfd"
     "7zXZ",
     5, "xz -dc FILE | ... gives it; gzip and zstd are read as they are"},
};

static bool is_json_array(const char *text, size_t n)
{
    size_t at = mlo_bom_length(text, n), bracket;
    while (at < n && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    for (bracket = at++; at < n && strchr(" \t\r\n", text[at]) && text[at];)
        at++;
    return at < n && text[bracket] == '[' && text[at] == '{';
}

int mlo_text_only(const char *name, const char *text, size_t n, struct mlo_err *err)
{
    if (is_json_array(text, n)) {
        mlo_fail(err, MLO_EINVALID, "'%s' is one array of JSON, not a row a line", name);
        return mlo_hint(err, "jq -c '.[]' makes JSON Lines of it");
    }
    if (!memchr(text, '\0', n))
        return 0;
    mlo_fail(err, MLO_EINVALID, "'%s' is no table: it holds binary data", name);
    for (size_t i = 0; i < MLO_COUNT(foreign); i++)
        if (n >= foreign[i].n && memcmp(text, foreign[i].head, foreign[i].n) == 0)
            return mlo_hint(err, "%s", foreign[i].hint);
    return mlo_hint(err, "tables are CSV, TSV, JSON Lines, Parquet or Arrow files, plain, gzip or zstd");
}
