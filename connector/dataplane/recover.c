/*
 * connector/dataplane/recover.c - at start: accesses that a crash has cut off get their receipts
 *
 * They are found as rows of `access` and in the journal. A slot of the journal may have outlived its
 * receipt, by a kill right after the commit; a row never does.
 */
#include "connector/dataplane/dataplane_private.h"
#include "connector/replica.h"
#include "lib/base/limits.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct left {
    struct str event_id, role, agreement_id, transfer_id;
    int64_t since_us, reserved_bytes, reserved_rows, bytes, row_count, seen_us;
};
/* clang-format off */
static const struct field left_fields[] = {
    FIELD(struct left, event_id,       "event_id",       F_REQUIRED),
    FIELD(struct left, role,           "role",           F_REQUIRED),
    FIELD(struct left, agreement_id,   "agreement_id",   F_REQUIRED),
    FIELD(struct left, transfer_id,    "transfer_id",    F_REQUIRED),
    FIELD(struct left, since_us,       "since_us",       F_REQUIRED),
    FIELD(struct left, reserved_bytes, "reserved_bytes", F_REQUIRED),
    FIELD(struct left, reserved_rows,  "reserved_rows",  F_REQUIRED),
    FIELD(struct left, bytes,          "bytes",          F_REQUIRED),
    FIELD(struct left, row_count,      "row_count",      F_REQUIRED),
    FIELD(struct left, seen_us,        "seen_us",        F_REQUIRED),
};
/* clang-format on */
static OBJECT(left_row, struct left, left_fields, OPEN);

struct recovery {
    struct dataplane *dp;
    size_t n;
};

/* -- rows -------------------------------------------------------------------------------------- */

static int recover_row(struct db *tx, struct dataplane *dp, const struct left *left,
                       struct err *err)
{
    struct meter m = {
        .dp = dp,
        .role = str_eq(left->role, STR("provider")) ? PARTY_PROVIDER : PARTY_CONSUMER,
        .agreement = left->agreement_id,
        .transfer = left->transfer_id,
        .since_us = left->since_us,
        .until_us = left->seen_us,
        .bytes = left->bytes,
        .rows = left->row_count,
        .rows_used = left->row_count + (left->bytes > 0), /* the last one may have begun */
        .reserved = left->reserved_bytes,
        .rows_reserved = left->reserved_rows,
        .slot = -1,
        .counts = true,
    };

    if (!uuid_parse(left->event_id, &m.event))
        return err_set(err, E_CORRUPT, "", "access '%.*s'", STR_ARG(left->event_id));
    return dataplane__settle_now(tx, &m, 1, err);
}

int dataplane_settle_left(struct db *tx, struct dataplane *dp, int64_t owner, size_t *ret_n,
                          struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(16));
    struct list rows = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "accesses");
    if (db_list(tx, &q_access_left, DB_ARGS(DB_I64(owner), DB_I64(LIMIT_PAGE)), &left_row, arena,
                LIMIT_PAGE, &rows, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < rows.n; i++) {
        if (recover_row(tx, dp, &LIST_ITEMS(struct left, rows)[i], err) < 0)
            return err_ret(err);
    }
    *ret_n = rows.n;
    return 0;
}

static int recover_rows(struct db *tx, void *arg, struct err *err)
{
    struct recovery *r = arg;

    return dataplane_settle_left(tx, r->dp, replica_id(r->dp->app->replica), &r->n, err);
}

/* -- slots ------------------------------------------------------------------------------------- */

static int recover_slot(struct db *tx, struct dataplane *dp, int slot,
                        const struct journal_entry *left, struct err *err)
{
    const struct uuid_text event = uuid_format(left->event);
    struct meter_known known = {0};
    struct meter m = {
        .dp = dp,
        .role = (enum party_role)left->role,
        .agreement = left->agreement,
        .transfer = left->transfer,
        .event = left->event,
        .slot = slot,
        .since_us = left->since_us,
        .until_us = left->seen_us,
        .bytes = left->bytes,
        .rows = left->rows,
        .rows_used = left->rows,
        .counts = true,
    };

    if (dataplane__meter_known(tx, &m, &known, err) < 0)
        return err_ret(err);
    if (!known.agreement) /* an older database was put in place */
        log_error(NULL, "the journal has an access to an agreement that is not in the database",
                  L_STR("agreement", left->agreement), L_C("event", event.c));
    if (!known.agreement || known.receipt)
        return 0;
    return dataplane__settle_now(tx, &m, 1, err);
}

static int recover_slots(struct db *tx, void *arg, struct err *err)
{
    struct recovery *r = arg;
    struct journal_entry left;

    r->n = 0;
    for (int slot = 0; slot < JOURNAL_SLOTS; slot++) {
        if (!journal_left(r->dp->journal, slot, &left))
            continue;
        if (recover_slot(tx, r->dp, slot, &left, err) < 0)
            return err_ret(err);
        r->n++;
    }
    return 0;
}

static void free_slots(struct journal *journal)
{
    struct journal_entry left;

    for (int slot = 0; slot < JOURNAL_SLOTS; slot++) {
        if (journal_left(journal, slot, &left))
            journal_free(journal, slot);
    }
}

int dataplane__recover(struct dataplane *dp, struct err *err)
{
    struct recovery r = {.dp = dp};
    size_t all = 0;

    do {
        if (writer_call(dp->app->writer, "access_recover", recover_rows, &r, err) < 0)
            return err_ret(err);
        all += r.n;
    } while (r.n == LIMIT_PAGE);
    if (dp->journal != NULL && journal_any_left(dp->journal)) {
        if (writer_call(dp->app->writer, "journal_recover", recover_slots, &r, err) < 0)
            return err_ret(err);
        all += r.n;
        free_slots(dp->journal);
    }
    if (all > 0)
        log_warning(NULL, "accesses that were cut off have their receipts now",
                    L_I64("accesses", (int64_t)all));
    return 0;
}
