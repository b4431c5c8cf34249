/*
 * server/audit/audit.c - appends entries in the transaction of their fact
 */
#include "server/audit/audit.h"

#include "lib/base/limits.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

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
    return db_exec(tx, &q_audit_append, DB_ARGS(DB_ARRAY(DBT_TEXT_ARRAY, entries, n)), NULL, err);
}
