/*
 * server/settlement/period_close.c - POST /v1/periods/{period}/close: rules 1 and 9 of settlement.c
 *
 * The body is empty for a calendar month, {"from","to"} for a named range. A period that was closed
 * before answers as it did then, if the range is the same.
 */
#include "lib/base/limits.h"
#include "lib/log/log.h"
#include "server/audit/audit.h"
#include "server/settlement/settlement_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define CLOSE_ARENA MIB(512)
#define NAME_MAX_N  32

struct listed_unbilled {
    struct uuid order_id;
    struct str reason;
};

struct range {
    struct str name;
    int64_t from_us, to_us;
};
/* clang-format off */
static const struct field period_fields[] = {
    FIELD(struct period, period_id, "period_id", F_REQUIRED),
    FIELD(struct period, name,      "name",      F_REQUIRED),
    FIELD(struct period, from_us,   "from_at",   F_REQUIRED | F_TIME),
    FIELD(struct period, to_us,     "to_at",     F_REQUIRED | F_TIME),
    FIELD(struct period, closed_us, "closed_at", F_REQUIRED | F_TIME),
};
OBJECT(period_row, struct period, period_fields, CLOSED);
static const struct field unbilled_fields[] = {
    FIELD(struct listed_unbilled, order_id, "order_id", F_REQUIRED),
    FIELD(struct listed_unbilled, reason,   "reason",   F_REQUIRED),
};
static OBJECT(unbilled_row, struct listed_unbilled, unbilled_fields, CLOSED);
static const struct field range_fields[] = {
    FIELD(struct range, name,    "name", F_NONEMPTY),
    FIELD(struct range, from_us, "from", F_REQUIRED | F_TIME),
    FIELD(struct range, to_us,   "to",   F_REQUIRED | F_TIME),
};
static OBJECT(range_object, struct range, range_fields, CLOSED);

/* clang-format on */

/* -- which period ------------------------------------------------------------------------------ */

/* "YYYY-MM": the month in the accounting zone. */
static bool read_month(struct str name, struct period *p)
{
    char first[16];
    int64_t from_us;

    if (name.n != 7 || name.p[4] != '-')
        return false;
    snprintf(first, sizeof(first), "%.*s-01", STR_ARG(name));
    if (!date_parse(str_c(first), &from_us))
        return false;
    p->from_us = from_us - ZONE_MIN * US_PER_MIN;
    p->to_us = time_add_months(from_us, 1) - ZONE_MIN * US_PER_MIN;
    return true;
}

static bool is_name(struct str name)
{
    if (name.n == 0 || name.n > NAME_MAX_N)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        const char c = name.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '-'))
            return false;
    }
    return true;
}

static int read_period(struct rq *rq, struct period *p, struct err *err)
{
    struct range range = {0};
    char span[96];

    p->name = rq_param(rq, "name");
    if (!is_name(p->name))
        return err_tell(err, E_INVALID, "", "a period's name is 1 to %d letters, digits or '-'",
                        NAME_MAX_N);
    if (rq->body.n > 0 && rq_decode(rq, &range_object, &range, err) < 0)
        return err_ret(err);
    if (str_present(range.name) && !str_eq(range.name, p->name))
        return err_tell(err, E_INVALID, "/name", "is not the name in the path");
    p->from_us = range.from_us;
    p->to_us = range.to_us;
    if (read_month(p->name, p)) {
        if (rq->body.n > 0 && (p->from_us != range.from_us || p->to_us != range.to_us))
            return err_tell(err, E_INVALID, "", "'%.*s' is a calendar month (UTC+9)",
                            STR_ARG(p->name));
    } else if (rq->body.n == 0) {
        return err_tell(err, E_INVALID, "", "expected YYYY-MM, or 'from' and 'to'");
    }
    if (p->from_us < 0 || p->from_us >= p->to_us)
        return err_tell(err, E_INVALID, "/to", "expected a time after 'from'");
    snprintf(span, sizeof(span), "%s/%s", time_format(p->from_us).c, time_format(p->to_us).c);
    p->period_id = ledger_derive("period", arena_cstr(rq->arena, p->name), span);
    return 0;
}

/* -- the transaction --------------------------------------------------------------------------- */

static int find_period(struct db *tx, const struct query *q, const struct db_arg *args, size_t n,
                       struct arena *arena, struct period *ret_period, struct err *err)
{
    switch (db_one(tx, q, args, n, &period_row, arena, ret_period, err)) {
    case DB_ROW: return 1;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    return 0;
}

/* 1: closed before in the same way, 0: it may be closed now. */
static int check_place(struct close *close, struct db *tx, struct err *err)
{
    struct period known = {0}, last = {0};
    int found = find_period(tx, &q_period_find, DB_ARGS(DB_TEXT(close->period.name)), close->arena,
                            &known, err);

    if (found < 0)
        return err_ret(err);
    if (found == 1 && !uuid_eq(known.period_id, close->period.period_id))
        return err_tell(err, E_CONFLICT, "", "the period was closed with another range");
    if (found == 1) {
        close->period = known;
        return 1;
    }
    if (close->period.to_us > close->now_us)
        return err_tell(err, E_CONFLICT, "/to", "the period has not ended yet");
    found = find_period(tx, &q_period_last, DB_NO_ARGS, close->arena, &last, err);
    if (found < 0)
        return err_ret(err);
    if (found == 1 && close->period.from_us < last.to_us)
        return err_tell(err, E_CONFLICT, "/from", "period '%.*s' reaches to %s", STR_ARG(last.name),
                        time_format(last.to_us).c);
    return 0;
}

static int log_closed(const struct close *close, struct db *tx, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(1));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "period", uuid_format(close->period.period_id).c);
    jw_kstr(&w, "name", close->period.name);
    jw_kc(&w, "from", time_format(close->period.from_us).c);
    jw_kc(&w, "to", time_format(close->period.to_us).c);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_PERIOD_CLOSED, close->now_us, buf_str(&body), err);
}

struct closing {
    struct rq *rq;
    struct period period; /* as asked for */
    struct close close;
};

static int close_tx(struct db *tx, void *arg, struct err *err)
{
    struct closing *c = arg;
    struct close *close = &c->close;
    int before;

    arena_reset(close->arena);
    *close = (struct close){
        .app = c->rq->app,
        .arena = close->arena,
        .unbilled = close->unbilled,
        .now_us = env_wall_us(c->rq->env),
        .period = c->period,
    };
    if (db_exec(tx, &q_close_lock, DB_NO_ARGS, NULL, err) < 0)
        return err_ret(err);
    before = check_place(close, tx, err);
    if (before != 0) {
        close->was_closed = before == 1;
        return before < 0 ? err_ret(err) : 0;
    }
    close->period.closed_us = close->now_us;
    if (db_exec(tx, &q_period_insert,
                DB_ARGS(DB_UUID(close->period.period_id), DB_TEXT(close->period.name),
                        DB_TIME(close->period.from_us), DB_TIME(close->period.to_us),
                        DB_TIME(close->now_us)),
                NULL, err) < 0 ||
        close__bill(close, tx, err) < 0 || close__documents(close, tx, err) < 0 ||
        close__post(close, tx, err) < 0)
        return err_ret(err);
    return log_closed(close, tx, err);
}

/* -- answer ------------------------------------------------------------------------------------ */

static void write_period(const struct period *p, struct jw *w)
{
    jw_kc(w, "period", uuid_format(p->period_id).c);
    jw_kstr(w, "name", p->name);
    jw_kc(w, "from", time_format(p->from_us).c);
    jw_kc(w, "to", time_format(p->to_us).c);
    jw_kc(w, "closed_at", time_format(p->closed_us).c);
}

static int write_unbilled(struct rq *rq, struct str period, struct jw *w, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct list list = {0};

    if (db_list(worker->db, &q_unbilled_order_list, DB_ARGS(DB_TEXT(period)), &unbilled_row,
                rq->arena, UNBILLED_MAX, &list, err) < 0)
        return err_ret(err);
    jw_key(w, "not_billed");
    jw_array(w);
    for (size_t i = 0; i < list.n; i++) {
        const struct listed_unbilled *u = &LIST_ITEMS(struct listed_unbilled, list)[i];

        jw_object(w);
        jw_kc(w, "order", uuid_format(u->order_id).c);
        jw_kstr(w, "reason", u->reason);
        jw_object_end(w);
    }
    jw_array_end(w);
    return 0;
}

int period_close(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(arena_free) struct arena *arena = arena_new(CLOSE_ARENA);
    AUTO(buf_done) struct buf out = buf_init(MIB(64));
    struct closing c = {
        .rq = rq,
        .close.arena = arena,
        .close.unbilled = ARENA_ARRAY(rq->arena, struct unbilled, UNBILLED_MAX),
    };
    struct jw w = jw_init(&out);

    if (arena == NULL || c.close.unbilled == NULL)
        return err_set(err, E_NO_MEMORY, "", "close");
    if (read_period(rq, &c.period, err) < 0 ||
        db_tx(worker->db, "period_close", close_tx, &c, err) < 0)
        return err_ret(err);
    if (!c.close.was_closed)
        log_info(&rq->log, "period closed", L_STR("period", c.close.period.name),
                 L_I64("orders", (int64_t)c.close.n),
                 L_I64("not_billed", (int64_t)c.close.n_unbilled));
    jw_object(&w);
    write_period(&c.close.period, &w);
    if (documents__write(worker->db, c.close.period.name, &w, err) < 0 ||
        write_unbilled(rq, c.close.period.name, &w, err) < 0)
        return err_ret(err);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
