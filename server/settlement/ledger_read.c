/*
 * server/settlement/ledger_read.c - GET /v1/ledger/trial-balance, GET /v1/ledger/accounts
 *
 * The trial balance puts two independent sums side by side: what the balances say, by kind of
 * account, and what the transfers say. `balanced` is true if debits, credits and transfers agree.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/settlement/settlement_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct sum_row {
    struct str currency, code, side;
    int64_t accounts, debits, credits, held_debits, held_credits;
};

struct posted_row {
    struct str currency;
    int64_t transfers, posted;
};

struct account_row {
    struct uuid account_id, owner_id;
    struct str did, code, currency, side;
    int64_t limit_minor, debits, credits, held_debits, held_credits, opened_us;
};
/* clang-format off */
static const struct field sum_fields[] = {
    FIELD(struct sum_row, currency,     "currency",     F_REQUIRED),
    FIELD(struct sum_row, code,         "code",         F_REQUIRED),
    FIELD(struct sum_row, side,         "side",         F_REQUIRED),
    FIELD(struct sum_row, accounts,     "accounts",     F_REQUIRED),
    FIELD(struct sum_row, debits,       "debits",       F_REQUIRED),
    FIELD(struct sum_row, credits,      "credits",      F_REQUIRED),
    FIELD(struct sum_row, held_debits,  "held_debits",  F_REQUIRED),
    FIELD(struct sum_row, held_credits, "held_credits", F_REQUIRED),
};
static OBJECT(sum_object, struct sum_row, sum_fields, CLOSED);
static const struct field posted_fields[] = {
    FIELD(struct posted_row, currency,  "currency",  F_REQUIRED),
    FIELD(struct posted_row, transfers, "transfers", F_REQUIRED),
    FIELD(struct posted_row, posted,    "posted",    0),
};
static OBJECT(posted_object, struct posted_row, posted_fields, CLOSED);
static const struct field account_fields[] = {
    FIELD(struct account_row, account_id,   "account_id",   F_REQUIRED),
    FIELD(struct account_row, owner_id,     "owner_id",     0),
    FIELD(struct account_row, did,          "did",          0),
    FIELD(struct account_row, code,         "code",         F_REQUIRED),
    FIELD(struct account_row, currency,     "currency",     F_REQUIRED),
    FIELD(struct account_row, side,         "side",         F_REQUIRED),
    FIELD(struct account_row, limit_minor,  "limit_minor",  0),
    FIELD(struct account_row, debits,       "debits",       F_REQUIRED),
    FIELD(struct account_row, credits,      "credits",      F_REQUIRED),
    FIELD(struct account_row, held_debits,  "held_debits",  F_REQUIRED),
    FIELD(struct account_row, held_credits, "held_credits", F_REQUIRED),
    FIELD(struct account_row, opened_us,    "opened_at",    F_REQUIRED | F_TIME),
};
static OBJECT(account_object, struct account_row, account_fields, CLOSED);

/* clang-format on */

/* -- trial balance ----------------------------------------------------------------------------- */

struct trial {
    struct arena *arena;
    struct list sums;   /* struct sum_row, by currency */
    struct list posted; /* struct posted_row, by currency */
};

static int read_trial(struct db *db, void *arg, struct err *err)
{
    struct trial *trial = arg;

    if (db_list(db, &q_ledger_trial_balance, DB_NO_ARGS, &sum_object, trial->arena, 0, &trial->sums,
                err) < 0)
        return err_ret(err);
    return db_list(db, &q_ledger_posted, DB_NO_ARGS, &posted_object, trial->arena, 0,
                   &trial->posted, err);
}

static struct posted_row posted_in(const struct trial *trial, struct str currency)
{
    for (size_t i = 0; i < trial->posted.n; i++) {
        if (str_eq(LIST_ITEMS(struct posted_row, trial->posted)[i].currency, currency))
            return LIST_ITEMS(struct posted_row, trial->posted)[i];
    }
    return (struct posted_row){0};
}

static void write_sum(const struct sum_row *sum, struct jw *w)
{
    const int64_t net = sum->debits - sum->credits;

    jw_object(w);
    jw_kstr(w, "code", sum->code);
    jw_kstr(w, "side", sum->side);
    jw_ki64(w, "accounts", sum->accounts);
    settlement__amount(w, "debits", sum->debits, sum->currency);
    settlement__amount(w, "credits", sum->credits, sum->currency);
    settlement__amount(w, "balance", str_eq(sum->side, STR("debit")) ? net : -net, sum->currency);
    settlement__amount(w, "held_debits", sum->held_debits, sum->currency);
    settlement__amount(w, "held_credits", sum->held_credits, sum->currency);
    jw_object_end(w);
}

/* One currency, from row `at` on; returns the row after it. */
static size_t write_currency(const struct trial *trial, size_t at, struct jw *w)
{
    const struct sum_row *sums = LIST_ITEMS(struct sum_row, trial->sums);
    const struct str currency = sums[at].currency;
    const struct posted_row posted = posted_in(trial, currency);
    int64_t debits = 0, credits = 0;

    jw_object(w);
    jw_kstr(w, "currency", currency);
    jw_key(w, "accounts");
    jw_array(w);
    for (; at < trial->sums.n && str_eq(sums[at].currency, currency); at++) {
        debits += sums[at].debits;
        credits += sums[at].credits;
        write_sum(&sums[at], w);
    }
    jw_array_end(w);
    jw_ki64(w, "transfers", posted.transfers);
    settlement__amount(w, "debits", debits, currency);
    settlement__amount(w, "credits", credits, currency);
    settlement__amount(w, "posted", posted.posted, currency);
    jw_kbool(w, "balanced", debits == credits && debits == posted.posted);
    jw_object_end(w);
    return at;
}

int ledger_trial_balance(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    struct trial trial = {.arena = rq->arena};
    struct jw w = jw_init(&out);

    if (db_snapshot(worker->db, "trial_balance", read_trial, &trial, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kc(&w, "at", time_format(env_wall_us(rq->env)).c);
    jw_key(&w, "currencies");
    jw_array(&w);
    for (size_t at = 0; at < trial.sums.n;)
        at = write_currency(&trial, at, &w);
    jw_array_end(&w);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

/* -- accounts ---------------------------------------------------------------------------------- */

static void write_account(const struct account_row *a, struct jw *w)
{
    const int64_t net = a->debits - a->credits;

    jw_object(w);
    jw_kc(w, "account", uuid_format(a->account_id).c);
    if (!uuid_is_zero(a->owner_id)) {
        jw_kc(w, "owner", uuid_format(a->owner_id).c);
        jw_kstr(w, "did", a->did);
    }
    jw_kstr(w, "code", a->code);
    jw_kstr(w, "currency", a->currency);
    jw_kstr(w, "side", a->side);
    if (a->limit_minor >= 0)
        settlement__amount(w, "limit", a->limit_minor, a->currency);
    settlement__amount(w, "debits", a->debits, a->currency);
    settlement__amount(w, "credits", a->credits, a->currency);
    settlement__amount(w, "balance", str_eq(a->side, STR("debit")) ? net : -net, a->currency);
    settlement__amount(w, "held_debits", a->held_debits, a->currency);
    settlement__amount(w, "held_credits", a->held_credits, a->currency);
    jw_kc(w, "opened_at", time_format(a->opened_us).c);
    jw_object_end(w);
}

/* The optional query parameter `name` as an argument. */
static int query_id(const struct rq *rq, const char *name, const char *at, struct db_arg *ret_arg,
                    struct err *err)
{
    const struct str text = rq_query(rq, name);
    struct uuid id;

    *ret_arg = DB_NULL(DBT_UUID);
    if (!str_present(text))
        return 0;
    if (!uuid_parse(text, &id))
        return err_tell(err, E_INVALID, at, "expected an id");
    *ret_arg = DB_UUID(id);
    return 0;
}

int ledger_accounts(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(2));
    struct db_arg owner, after;
    struct list list = {0};
    struct jw w = jw_init(&out);
    int64_t most;

    if (rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &most, err) < 0 ||
        query_id(rq, "owner", "?owner", &owner, err) < 0 ||
        query_id(rq, "after", "?after", &after, err) < 0 ||
        db_list(worker->db, &q_ledger_accounts, DB_ARGS(owner, after, DB_I64(most)),
                &account_object, rq->arena, (size_t)most, &list, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++)
        write_account(&LIST_ITEMS(struct account_row, list)[i], &w);
    jw_array_end(&w);
    if (list.n == (size_t)most)
        jw_kc(&w, "next",
              uuid_format(LIST_ITEMS(struct account_row, list)[list.n - 1].account_id).c);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
