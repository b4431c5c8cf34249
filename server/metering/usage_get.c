/*
 * server/metering/usage_get.c - GET /v1/usage?agreement=&from=&to=&after=&limit=
 *
 * With an agreement: its events with both meters, what the plan's rule makes of them (match.h), the
 * period that billed them, and the sequence numbers that have not come. Without one: the agreements
 * of the caller with what each side has reported. Only the parties of an agreement see it; to
 * others it does not exist. What others report under the same id is another agreement: operator and
 * auditor name one of the parties (?participant=) where there are several.
 */
#include "lib/base/limits.h"
#include "lib/rating/rating.h"
#include "server/metering/metering_private.h"
#include "server/registry/auth.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define MISSING_MAX 100

struct deal {
    struct uuid deal_id;
    struct str provider, consumer; /* DIDs */
    struct str plan_text;          /* STR_NONE: without order */
};

struct used {
    struct usage_event event;
    struct str period;
};

struct gap {
    struct str role;
    int64_t from_seq, to_seq;
};

struct summary {
    struct str agreement_id;
    struct uuid deal_id;
    struct str provider, consumer;
    int64_t provider_events, consumer_events, provider_bytes, consumer_bytes, provider_rows,
        consumer_rows, first_us, last_us;
};
/* clang-format off */
static const struct field deal_fields[] = {
    FIELD(struct deal, deal_id,   "deal_id",   F_REQUIRED),
    FIELD(struct deal, provider,  "provider",  F_REQUIRED),
    FIELD(struct deal, consumer,  "consumer",  F_REQUIRED),
    FIELD(struct deal, plan_text, "plan_text", 0),
};
static OBJECT(deal_row, struct deal, deal_fields, CLOSED);
static const struct field used_fields[] = {
    FIELD(struct used, event.event_id,       "event_id",       F_REQUIRED),
    FIELD(struct used, event.deal_id,        "deal_id",        F_REQUIRED),
    FIELD(struct used, event.since_us,       "since_at",       F_REQUIRED | F_TIME),
    FIELD(struct used, event.has_provider,   "has_provider",   F_REQUIRED),
    FIELD(struct used, event.has_consumer,   "has_consumer",   F_REQUIRED),
    FIELD(struct used, event.provider_calls, "provider_calls", 0),
    FIELD(struct used, event.provider_bytes, "provider_bytes", 0),
    FIELD(struct used, event.provider_rows,  "provider_rows",  0),
    FIELD(struct used, event.consumer_calls, "consumer_calls", 0),
    FIELD(struct used, event.consumer_bytes, "consumer_bytes", 0),
    FIELD(struct used, event.consumer_rows,  "consumer_rows",  0),
    FIELD(struct used, period,               "period",         0),
};
static OBJECT(used_row, struct used, used_fields, CLOSED);
static const struct field gap_fields[] = {
    FIELD(struct gap, role,     "role",     F_REQUIRED),
    FIELD(struct gap, from_seq, "from_seq", F_REQUIRED),
    FIELD(struct gap, to_seq,   "to_seq",   F_REQUIRED),
};
static OBJECT(gap_row, struct gap, gap_fields, CLOSED);
static const struct field summary_fields[] = {
    FIELD(struct summary, agreement_id,    "agreement_id",    F_REQUIRED),
    FIELD(struct summary, deal_id,         "deal_id",         F_REQUIRED),
    FIELD(struct summary, provider,        "provider",        F_REQUIRED),
    FIELD(struct summary, consumer,        "consumer",        F_REQUIRED),
    FIELD(struct summary, provider_events, "provider_events", F_REQUIRED),
    FIELD(struct summary, consumer_events, "consumer_events", F_REQUIRED),
    FIELD(struct summary, provider_bytes,  "provider_bytes",  F_REQUIRED),
    FIELD(struct summary, consumer_bytes,  "consumer_bytes",  F_REQUIRED),
    FIELD(struct summary, provider_rows,   "provider_rows",   F_REQUIRED),
    FIELD(struct summary, consumer_rows,   "consumer_rows",   F_REQUIRED),
    FIELD(struct summary, first_us,        "first_at",        F_TIME),
    FIELD(struct summary, last_us,         "last_at",         F_TIME),
};
static OBJECT(summary_row, struct summary, summary_fields, CLOSED);

/* clang-format on */

struct view {
    struct str agreement;
    struct db_arg party, from, to, after;
    int64_t most;
    struct arena *arena;
    struct deal deal;
    enum match_rule rule;
    int64_t tolerance_ppm;
    struct list events, gaps; /* struct used, struct gap */
};

/* -- one agreement ----------------------------------------------------------------------------- */

/* Without an order nothing is billed; the events are then compared as strictly as can be. */
static int read_deal(struct db *db, struct view *v, struct err *err)
{
    struct list deals = {0};
    const struct plan *plan;

    v->rule = MATCH_RULE_LOWER;
    v->tolerance_ppm = 0;
    if (db_list(db, &q_usage_deal, DB_ARGS(DB_TEXT(v->agreement), v->party), &deal_row, v->arena, 2,
                &deals, err) < 0)
        return err_ret(err);
    if (deals.n == 0)
        return err_tell(err, E_NOT_FOUND, "?agreement", "no such agreement");
    if (deals.n > 1)
        return err_tell(err, E_CONFLICT, "?participant",
                        "several companies use this id: name one of the parties");
    v->deal = LIST_ITEMS(struct deal, deals)[0];
    if (!str_present(v->deal.plan_text))
        return 0;
    if (plan_parse(v->deal.plan_text, v->arena, &plan, err) < 0)
        return err_set(err, E_CORRUPT, "cat.plan", "plan of agreement '%.*s'",
                       STR_ARG(v->agreement));
    v->rule = plan->match_rule;
    v->tolerance_ppm = plan->tolerance_ppm;
    return 0;
}

static int read_view(struct db *db, void *arg, struct err *err)
{
    struct view *v = arg;

    if (read_deal(db, v, err) < 0 ||
        db_list(db, &q_usage_events,
                DB_ARGS(DB_UUID(v->deal.deal_id), v->from, v->to, v->after, DB_I64(v->most)),
                &used_row, v->arena, (size_t)v->most, &v->events, err) < 0)
        return err_ret(err);
    return db_list(db, &q_usage_missing, DB_ARGS(DB_UUID(v->deal.deal_id), DB_I64(MISSING_MAX)),
                   &gap_row, v->arena, MISSING_MAX, &v->gaps, err);
}

static void write_counts(struct jw *w, const char *key, const struct match_counts *counts)
{
    jw_key(w, key);
    jw_object(w);
    jw_ki64(w, "calls", counts->calls);
    jw_ki64(w, "bytes", counts->bytes);
    jw_ki64(w, "rows", counts->rows);
    jw_object_end(w);
}

static void write_event(const struct view *v, const struct used *u, struct jw *w)
{
    const struct usage_event *e = &u->event;
    const struct match_counts provider = {e->provider_calls, e->provider_rows, e->provider_bytes};
    const struct match_counts consumer = {e->consumer_calls, e->consumer_rows, e->consumer_bytes};
    const struct match_result r =
        match_event(e->has_provider ? &provider : NULL, e->has_consumer ? &consumer : NULL, v->rule,
                    v->tolerance_ppm);

    jw_object(w);
    jw_kc(w, "event", uuid_format(e->event_id).c);
    jw_kc(w, "since", time_format(e->since_us).c);
    jw_kc(w, "state", match_state_names[r.state]);
    if (e->has_provider)
        write_counts(w, "provider", &provider);
    if (e->has_consumer)
        write_counts(w, "consumer", &consumer);
    write_counts(w, "billable", &r.billable);
    write_counts(w, "disputed", &r.disputed);
    if (str_present(u->period))
        jw_kstr(w, "billed_in", u->period);
    jw_object_end(w);
}

static void write_view(const struct view *v, struct jw *w)
{
    const struct used *events = LIST_ITEMS(struct used, v->events);

    jw_object(w);
    jw_kstr(w, "agreement", v->agreement);
    jw_kstr(w, "provider", v->deal.provider);
    jw_kstr(w, "consumer", v->deal.consumer);
    jw_kc(w, "rule", match_rule_names[v->rule]);
    jw_ki64(w, "tolerance_ppm", v->tolerance_ppm);
    jw_key(w, "events");
    jw_array(w);
    for (size_t i = 0; i < v->events.n; i++)
        write_event(v, &events[i], w);
    jw_array_end(w);
    jw_key(w, "missing");
    jw_array(w);
    for (size_t i = 0; i < v->gaps.n; i++) {
        const struct gap *gap = &LIST_ITEMS(struct gap, v->gaps)[i];

        jw_object(w);
        jw_kstr(w, "role", gap->role);
        jw_ki64(w, "from", gap->from_seq);
        jw_ki64(w, "to", gap->to_seq);
        jw_object_end(w);
    }
    jw_array_end(w);
    if (v->events.n == (size_t)v->most)
        jw_kc(w, "next", uuid_format(events[v->events.n - 1].event.event_id).c);
    jw_object_end(w);
}

/* -- all agreements ---------------------------------------------------------------------------- */

static void write_time(struct jw *w, const char *key, int64_t us)
{
    if (us != 0)
        jw_kc(w, key, time_format(us).c);
}

static int write_summaries(struct rq *rq, const struct view *v, struct jw *w, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct list list = {0};
    struct str after = rq_query(rq, "after");
    struct uuid after_deal = {0};

    if (str_present(after) && !uuid_parse(str_cut(&after, ','), &after_deal))
        return err_tell(err, E_INVALID, "?after", "expected the 'next' of the page before");
    if (db_list(worker->db, &q_usage_summary,
                DB_ARGS(v->party, DB_TEXT(after), DB_UUID(after_deal), DB_I64(v->most)),
                &summary_row, rq->arena, (size_t)v->most, &list, err) < 0)
        return err_ret(err);
    jw_object(w);
    jw_key(w, "items");
    jw_array(w);
    for (size_t i = 0; i < list.n; i++) {
        const struct summary *s = &LIST_ITEMS(struct summary, list)[i];

        jw_object(w);
        jw_kstr(w, "agreement", s->agreement_id);
        jw_kstr(w, "provider", s->provider);
        jw_kstr(w, "consumer", s->consumer);
        jw_ki64(w, "provider_events", s->provider_events);
        jw_ki64(w, "consumer_events", s->consumer_events);
        jw_ki64(w, "provider_bytes", s->provider_bytes);
        jw_ki64(w, "consumer_bytes", s->consumer_bytes);
        jw_ki64(w, "provider_rows", s->provider_rows);
        jw_ki64(w, "consumer_rows", s->consumer_rows);
        write_time(w, "first", s->first_us);
        write_time(w, "last", s->last_us);
        jw_object_end(w);
    }
    jw_array_end(w);
    if (list.n == (size_t)v->most) {
        const struct summary *last = &LIST_ITEMS(struct summary, list)[list.n - 1];

        jw_kstr(w, "next",
                arena_printf(rq->arena, "%s,%.*s", uuid_format(last->deal_id).c,
                             STR_ARG(last->agreement_id)));
    }
    jw_object_end(w);
    return 0;
}

/* -- the request ------------------------------------------------------------------------------- */

static int read_time(const struct rq *rq, const char *name, const char *at, struct db_arg *ret_arg,
                     struct err *err)
{
    const struct str text = rq_query(rq, name);
    int64_t us;

    *ret_arg = DB_NULL(DBT_TIME);
    if (!str_present(text))
        return 0;
    if (!time_parse(text, &us) && !date_parse(text, &us))
        return err_tell(err, E_INVALID, at, "expected a time (RFC 3339) or a date");
    *ret_arg = DB_TIME(us);
    return 0;
}

static int read_query(struct rq *rq, struct view *v, struct err *err)
{
    const struct principal *who = rq_principal(rq);
    const struct str after = rq_query(rq, "after");
    struct uuid id;

    v->agreement = rq_query(rq, "agreement");
    v->party = (who->roles & (W_OPERATOR | W_AUDITOR)) != 0 ? DB_NULL(DBT_UUID)
                                                            : DB_UUID(who->participant);
    if ((who->roles & (W_OPERATOR | W_AUDITOR)) != 0 && str_present(rq_query(rq, "participant"))) {
        if (!uuid_parse(rq_query(rq, "participant"), &id))
            return err_tell(err, E_INVALID, "?participant", "expected a participant's id");
        v->party = DB_UUID(id);
    }
    v->after = DB_NULL(DBT_UUID);
    v->arena = rq->arena;
    if (str_present(v->agreement) && str_present(after)) {
        if (!uuid_parse(after, &id))
            return err_tell(err, E_INVALID, "?after", "expected the 'next' of the page before");
        v->after = DB_UUID(id);
    }
    if (read_time(rq, "from", "?from", &v->from, err) < 0 ||
        read_time(rq, "to", "?to", &v->to, err) < 0)
        return err_ret(err);
    return rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &v->most, err);
}

int usage_get(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(4));
    struct view v = {0};
    struct jw w = jw_init(&out);

    if (read_query(rq, &v, err) < 0)
        return err_ret(err);
    if (!str_present(v.agreement)) {
        if (write_summaries(rq, &v, &w, err) < 0)
            return err_ret(err);
    } else {
        if (db_snapshot(worker->db, "usage_get", read_view, &v, err) < 0)
            return err_ret(err);
        write_view(&v, &w);
    }
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
