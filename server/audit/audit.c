/*
 * server/audit/audit.c - appends entries in the transaction of their fact
 */
#include "server/audit/audit.h"

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define ROW_BYTES 65535 /* of aud.pending */

static void free_sizes(size_t **p)
{
    free(*p);
    *p = NULL;
}

static void free_strs(struct str **p)
{
    free(*p);
    *p = NULL;
}

int audit_append(struct db *tx, enum entry_kind kind, int64_t at_us, struct str body,
                 struct err *err)
{
    return audit_append_many(tx, kind, at_us, &body, 1, err);
}

int audit_append_many(struct db *tx, enum entry_kind kind, int64_t at_us, const struct str *bodies,
                      size_t n, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_BATCH_BYTES * 2);
    AUTO(free_sizes) size_t *ends = calloc(n + 1, sizeof(*ends));
    AUTO(free_strs) struct str *entries = calloc(n + 1, sizeof(*entries));

    if (ends == NULL || entries == NULL)
        return err_set(err, E_NO_MEMORY, "", "log entries");
    for (size_t i = 0; i < n; i++) {
        if (entry_write(kind, at_us, bodies[i], &text, err) < 0)
            return err_ret(err);
        ends[i + 1] = text.n;
    }
    for (size_t i = 0; i < n; i++)
        entries[i] = str_n(text.p + ends[i], ends[i + 1] - ends[i]);
    return audit_append_canonical(tx, entries, n, err);
}

static inline bool reads_back(struct str line)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct entry entry;
    struct err err = {0};

    return entry_read(line, &doc, &entry, &err) == 0;
}

/* How many entries from the first on fit into one row, and their bytes with a line feed between. */
static size_t fitting(const struct str *entries, size_t n, size_t *ret_bytes)
{
    size_t bytes = entries[0].n, count = 1;

    for (; count < n && bytes + 1 + entries[count].n <= ROW_BYTES; count++)
        bytes += 1 + entries[count].n;
    *ret_bytes = bytes;
    return count;
}

int audit_append_canonical(struct db *tx, const struct str *entries, size_t n, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_BATCH_BYTES * 4);
    AUTO(free_strs) struct str *rows = calloc(n + 1, sizeof(*rows));
    size_t n_rows = 0, at = 0;

    if (rows == NULL)
        return err_set(err, E_NO_MEMORY, "", "log entries");
    for (size_t i = 0, count; i < n; i += count) {
        count = fitting(&entries[i], n - i, &rows[n_rows++].n);
        for (size_t k = i; k < i + count; k++) {
            CHECK_SLOW(reads_back(entries[k]));
            if (k > i)
                buf_add_char(&text, '\n');
            buf_add_str(&text, entries[k]);
        }
    }
    if (buf_failed(&text))
        return err_set(err, E_LIMIT, "", "log entries");
    for (size_t i = 0; i < n_rows; at += rows[i++].n)
        rows[i].p = text.p + at;
    return db_exec(tx, &q_audit_append, DB_ARGS(DB_ARRAY(DBT_TEXT_ARRAY, rows, n_rows)), NULL, err);
}
