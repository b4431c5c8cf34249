/*
 * connector/facts/performed.c - duties that were done, or found not done, as facts
 *
 * Every duty of an agreement has its row (connector/duty), so what is not in the list was not done, and
 * a row says nothing of another duty with the same action.
 */
#include "connector/facts/performed.h"

#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct done {
    struct str action, debtor, state, rule_key;
    int64_t state_us;
};
/* clang-format off */
static const struct field done_fields[] = {
    FIELD(struct done, action,   "action",   F_REQUIRED),
    FIELD(struct done, debtor,   "debtor",   F_REQUIRED),
    FIELD(struct done, state,    "state",    F_REQUIRED),
    FIELD(struct done, state_us, "state_us", F_REQUIRED),
    FIELD(struct done, rule_key, "rule_key", 0),
};
/* clang-format on */
static OBJECT(done_row, struct done, done_fields, OPEN);

/* Which duty a row is; NULL: a program before this one did not note it. */
static int read_key(const struct done *row, struct arena *arena, const uint8_t **ret_key,
                    struct err *err)
{
    AUTO(buf_done) struct buf bytes = buf_init(2 * POLICY_HASH_LEN);
    struct str key;

    *ret_key = NULL;
    if (!str_present(row->rule_key))
        return 0;
    if (!decode_hex(&bytes, row->rule_key) || buf_str(&bytes).n != POLICY_HASH_LEN)
        return err_set(err, E_CORRUPT, "duty.rule_key", "'%.*s'", STR_ARG(row->rule_key));
    key = arena_str(arena, buf_str(&bytes));
    if (!str_present(key))
        return err_set(err, E_NO_MEMORY, "", "facts");
    *ret_key = (const uint8_t *)key.p;
    return 0;
}

int facts_performed(struct db *db, const struct agreement *a, struct arena *arena,
                    struct policy_facts *facts, struct err *err)
{
    struct list rows = {0};
    struct policy_performed *items;
    size_t n = 0;

    if (db_list(db, &q_facts_performed,
                DB_ARGS(DB_TEXT(a->agreement_id), DB_I64(LIMIT_POLICY_NODES)), &done_row, arena,
                LIMIT_POLICY_NODES, &rows, err) < 0)
        return err_ret(err);
    items = ARENA_ARRAY(arena, struct policy_performed, rows.n);
    if (items == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    for (size_t i = 0; i < rows.n; i++) {
        const struct done *row = &LIST_ITEMS(struct done, rows)[i];

        items[n] = (struct policy_performed){
            .target = a->asset_id,
            .assignee = str_eq(row->debtor, STR("provider")) ? a->provider_id : a->consumer_id,
            .at_us = row->state_us,
            .violated = str_eq(row->state, STR("overdue")),
        };
        if (read_key(row, arena, &items[n].duty, err) < 0)
            return err_ret(err);
        n += policy_action_find(row->action, &items[n].action);
    }
    facts->performed_known = true;
    facts->performed = items;
    facts->n_performed = n;
    return 0;
}
