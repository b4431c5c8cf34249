/*
 * server/order/duty_list.c - GET /v1/duties: what was said of duties, one row each
 *
 * The parties see theirs, operator and auditor all of them. A duty of which nobody has said anything
 * is not here: policies are the parties' affair.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/order/order_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct listed {
    struct uuid duty_id;
    struct str agreement_id, provider, consumer, debtor, action, state, said;
    int64_t due_us, first_us;
};

/* clang-format off */
static const struct field listed_fields[] = {
    FIELD(struct listed, duty_id,      "duty_id",      F_REQUIRED),
    FIELD(struct listed, agreement_id, "agreement_id", F_REQUIRED),
    FIELD(struct listed, provider,     "provider",     F_REQUIRED),
    FIELD(struct listed, consumer,     "consumer",     F_REQUIRED),
    FIELD(struct listed, debtor,       "debtor",       F_REQUIRED),
    FIELD(struct listed, action,       "action",       F_REQUIRED),
    FIELD(struct listed, due_us,       "due_at",       F_TIME),
    FIELD(struct listed, first_us,     "first_at",     F_REQUIRED | F_TIME),
    FIELD(struct listed, state,        "state",        F_REQUIRED),
    FIELD(struct listed, said,         "said",         F_REQUIRED),
};
/* clang-format on */
static OBJECT(listed_row, struct listed, listed_fields, OPEN);

static void write_duty(struct jw *w, const struct listed *d)
{
    jw_object(w);
    jw_kc(w, "duty", uuid_format(d->duty_id).c);
    jw_kstr(w, "agreement", d->agreement_id);
    jw_kstr(w, "provider", d->provider);
    jw_kstr(w, "consumer", d->consumer);
    jw_kstr(w, "debtor", d->debtor);
    jw_kstr(w, "action", d->action);
    if (d->due_us != 0)
        jw_kc(w, "due_at", time_format(d->due_us).c);
    jw_kstr(w, "state", d->state);
    jw_kraw(w, "said", d->said);
    jw_object_end(w);
}

/* "?after=<time>,<id>" of the page before. */
static int read_after(struct str text, int64_t *ret_us, struct uuid *ret_id, struct err *err)
{
    struct str rest = text;

    if (!str_present(text))
        return 0;
    if (!time_parse(str_cut(&rest, ','), ret_us) || !uuid_parse(rest, ret_id))
        return err_tell(err, E_INVALID, "?after", "expected the 'next' of the page before");
    return 0;
}

static int check_state(struct str state, struct err *err)
{
    for (int i = DUTY_OVERDUE; str_present(state) && i < DUTY__COUNT; i++) {
        if (str_eq_c(state, duty_state_names[i]))
            return 0;
    }
    return str_present(state)
               ? err_tell(err, E_INVALID, "?state", "expected overdue, done, late or waived")
               : 0;
}

/* STR_NONE: all parties' duties. */
static int read_party(const struct rq *rq, struct str *ret_did, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct principal *who = rq_principal(rq);
    struct participant me = {0};

    *ret_did = STR_NONE;
    if ((who->roles & (W_OPERATOR | W_AUDITOR)) != 0)
        return 0;
    if (participant_get(worker->db, who->participant, rq->arena, &me, err) < 0)
        return err_ret(err);
    *ret_did = me.did;
    return 0;
}

int order_duties(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(32));
    struct jw w = jw_init(&out);
    struct list list = {0};
    struct uuid after_id = {0};
    int64_t most, after_us = 0;
    struct str party;

    if (rq_query_i64(rq, "limit", 50, 1, LIMIT_PAGE, &most, err) < 0 ||
        check_state(rq_query(rq, "state"), err) < 0 ||
        read_after(rq_query(rq, "after"), &after_us, &after_id, err) < 0 ||
        read_party(rq, &party, err) < 0 ||
        db_list(worker->db, &q_duty_list,
                DB_ARGS(DB_TEXT(party), DB_TEXT(rq_query(rq, "state")),
                        DB_TEXT(rq_query(rq, "agreement")),
                        after_us != 0 ? DB_TIME(after_us) : DB_NULL(DBT_TIME), DB_UUID(after_id),
                        DB_I64(most)),
                &listed_row, rq->arena, (size_t)most, &list, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++)
        write_duty(&w, &LIST_ITEMS(struct listed, list)[i]);
    jw_array_end(&w);
    if (list.n == (size_t)most) {
        const struct listed *last = &LIST_ITEMS(struct listed, list)[list.n - 1];

        jw_kstr(&w, "next",
                arena_printf(rq->arena, "%s,%s", time_format(last->first_us).c,
                             uuid_format(last->duty_id).c));
    }
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
