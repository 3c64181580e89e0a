/*
 * The chain: hash = SHA-256(previous hash, canonical bytes of the run). The canonical bytes are the stored
 * values of the run's row (MLO_RUN_HASHED), its effects, metrics and artifacts, each row led by a letter and
 * each value by its type and, for text, its length: no two different runs have the same bytes. docs/ledger.md
 * shows the check by hand.
 *
 * Writing and verifying use the same encoder over the same columns, so what is hashed is what is stored.
 */
#include "chain.h"

#include <string.h>

static void put_u64(struct mlo_str *out, uint64_t v)
{
    unsigned char b[8];
    for (int i = 7; i >= 0; i--, v >>= 8)
        b[i] = (unsigned char)v;
    mlo_str_addn(out, b, sizeof b);
}

static void put_bytes(struct mlo_str *out, char tag, const void *p, int n)
{
    mlo_str_addc(out, tag);
    put_u64(out, (uint64_t)n);
    if (n > 0)
        mlo_str_addn(out, p, (size_t)n);
}

static void put_column(struct mlo_str *out, sqlite3_stmt *s, int col)
{
    double real;
    uint64_t bits;
    switch (sqlite3_column_type(s, col)) {
    case SQLITE_INTEGER:
        mlo_str_addc(out, 'i');
        put_u64(out, (uint64_t)sqlite3_column_int64(s, col));
        break;
    case SQLITE_FLOAT:
        real = sqlite3_column_double(s, col);
        memcpy(&bits, &real, sizeof bits);
        mlo_str_addc(out, 'd');
        put_u64(out, bits);
        break;
    case SQLITE_TEXT: {
        const void *text = sqlite3_column_text(s, col);
        put_bytes(out, 't', text, sqlite3_column_bytes(s, col));
        break;
    }
    case SQLITE_BLOB: {
        const void *blob = sqlite3_column_blob(s, col);
        put_bytes(out, 'b', blob, sqlite3_column_bytes(s, col));
        break;
    }
    default:
        mlo_str_addc(out, 'n');
    }
}

void mlo_chain_put(struct mlo_str *out, char tag, const struct mlo_stmt *s, int first, int n)
{
    mlo_str_addc(out, tag);
    for (int i = 0; i < n; i++)
        put_column(out, s->h, first + i);
}

int mlo_chain_digest(struct mlo_sha256 *h, const struct mlo_str *text, struct mlo_digest *ret,
                     struct mlo_err *err)
{
    int rc = mlo_str_check(text, err);
    if (!rc)
        rc = mlo_sha256_begin(h, err);
    if (!rc)
        rc = mlo_sha256_update(h, text->ptr, text->len, err);
    return rc ? rc : mlo_sha256_end(h, ret, err);
}

static int put_rows(struct mlo_ledger *l, enum mlo_sql id, int64_t run, char tag, int first, int n,
                    struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(l, id, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    while (!rc && row) {
        rc = mlo_stmt_step(&s, &row, err);
        if (!rc && row)
            mlo_chain_put(out, tag, &s, first, n);
    }
    return rc;
}

int mlo_chain_hash(struct mlo_ledger *l, int64_t run, const struct mlo_digest *prev, struct mlo_digest *ret,
                   struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_addn(&text, prev->b, sizeof prev->b);
    int rc = put_rows(l, MLO_SQL_RUN_ROW, run, 'R', 0, MLO_CHAIN_RUN, &text, err);
    if (!rc)
        rc = put_rows(l, MLO_SQL_EFFECTS, run, 'E', 1, MLO_CHAIN_EFFECT, &text, err);
    if (!rc)
        rc = put_rows(l, MLO_SQL_METRICS, run, 'M', 1, MLO_CHAIN_METRIC, &text, err);
    if (!rc)
        rc = put_rows(l, MLO_SQL_ARTIFACTS, run, 'A', 1, MLO_CHAIN_ARTIFACT, &text, err);
    if (!rc)
        rc = mlo_str_check(&text, err);
    return rc ? rc : mlo_sha256(text.ptr, text.len, ret, err);
}

int mlo_ledger_head(struct mlo_ledger *l, struct mlo_ledger_head *ret, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = false;
    int rc = mlo_stmt_get(l, MLO_SQL_HEAD, &s, err);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (rc)
        return rc;
    if (!row)
        return mlo_fail(err, MLO_EINVALID, "ledger: its head is missing");
    *ret = (struct mlo_ledger_head){.seq = mlo_stmt_i64(&s, 0), .hash = mlo_stmt_digest(&s, 1)};
    return 0;
}
