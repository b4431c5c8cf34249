/*
 * connector/duty/read.c - GET /naru/v1/duties, GET /naru/v1/duties/{id}
 */
#include "connector/duty/duty_private.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define ANSWER_MAX MIB(16)

static void write_time(struct jw *w, const char *name, int64_t us)
{
    if (us > 0)
        jw_kc(w, name, time_format(us).c);
}

static void write_text(struct jw *w, const char *name, struct str text)
{
    if (text.n > 0)
        jw_kstr(w, name, text);
}

static void write_action(struct jw *w, struct str iri)
{
    enum policy_action action;

    jw_kstr(w, "action", iri);
    jw_key(w, "text");
    jw_object(w);
    if (policy_action_find(iri, &action)) {
        jw_kc(w, "ko", policy_action_text(action, POLICY_KO));
        jw_kc(w, "en", policy_action_text(action, POLICY_EN));
    }
    jw_object_end(w);
}

/* What the connector itself has deleted. */
static void write_deleted(struct jw *w, const struct duty *d)
{
    jw_key(w, "deleted");
    jw_object(w);
    jw_ki64(w, "tokens", d->tokens);
    jw_ki64(w, "files", d->files);
    jw_ki64(w, "bytes", d->bytes);
    jw_kraw(w, "digests", d->digests.n > 0 ? d->digests : STR("[]"));
    jw_object_end(w);
}

static void write_told(struct jw *w, const struct duty *d)
{
    jw_key(w, "told");
    jw_object(w);
    write_text(w, "counterparty", d->peer_told);
    write_text(w, "data_bank", d->broker_told);
    jw_object_end(w);
}

static void write_duty(struct jw *w, const struct duty *d)
{
    jw_object(w);
    jw_kstr(w, "id", d->duty_id);
    jw_kstr(w, "agreement", d->agreement_id);
    jw_kstr(w, "asset", d->asset_id);
    jw_kstr(w, "counterparty", duty__peer(d));
    jw_kstr(w, "debtor", d->debtor);
    jw_kbool(w, "ours", duty__is_ours(d));
    write_action(w, d->action);
    jw_kstr(w, "rule", d->rule);
    write_text(w, "follows", d->follows);
    jw_kstr(w, "state", d->state);
    jw_kc(w, "created_at", time_format(d->created_us).c);
    jw_kc(w, "state_at", time_format(d->state_us).c);
    write_time(w, "due_at", d->due_us);
    jw_kbool(w, "at_end_of_use", d->at_end != 0);
    if (duty__is_ours(d) && duty__is(d, POLICY_ACT_DELETE)) {
        write_time(w, "deletes_at", d->act_us);
        write_time(w, "deleted_at", d->acted_us);
        write_deleted(w, d);
    }
    write_text(w, "by", d->done_by);
    write_text(w, "statement", d->statement);
    write_text(w, "document", d->document);
    write_told(w, d);
    jw_object_end(w);
}

int duty__reply(struct rq *rq, struct str id, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    struct jw w = jw_init(&out);
    struct duty duty;

    if (duty__get(worker->db, id, rq->arena, &duty, err) < 0)
        return err_ret(err);
    write_duty(&w, &duty);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

int duty_show(struct rq *rq, struct err *err)
{
    return duty__reply(rq, rq_param(rq, "id"), err);
}

/* "?after=" is the `next` of the page before: "<µs>,<id>". */
static int read_after(struct str text, int64_t *ret_us, struct str *ret_id, struct err *err)
{
    *ret_us = 0;
    *ret_id = STR("");
    if (!str_present(text))
        return 0;
    *ret_id = text;
    if (!str_to_i64(str_cut(ret_id, ','), ret_us) || !str_present(*ret_id))
        return err_tell(err, E_INVALID, "?after", "expected the 'next' of the page before");
    return 0;
}

static int check_state(struct str state, struct err *err)
{
    if (!str_present(state))
        return 0;
    for (int i = 0; i < DUTY__COUNT; i++) {
        if (str_eq_c(state, duty_state_names[i]))
            return 0;
    }
    return err_tell(err, E_INVALID, "?state", "expected open, overdue, done, late or waived");
}

int duty_list(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(ANSWER_MAX);
    struct jw w = jw_init(&out);
    struct list list = {0};
    int64_t most, after_us;
    struct str after_id;

    if (rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &most, err) < 0 ||
        check_state(rq_query(rq, "state"), err) < 0 ||
        read_after(rq_query(rq, "after"), &after_us, &after_id, err) < 0 ||
        db_list(worker->db, &q_duty_list,
                DB_ARGS(DB_TEXT(rq_query(rq, "state")), DB_TEXT(rq_query(rq, "agreement")),
                        DB_I64(after_us), DB_TEXT(after_id), DB_I64(most)),
                &duty__row, rq->arena, (size_t)most, &list, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++)
        write_duty(&w, &LIST_ITEMS(struct duty, list)[i]);
    jw_array_end(&w);
    if (list.n == (size_t)most) {
        const struct duty *last = &LIST_ITEMS(struct duty, list)[list.n - 1];

        jw_kstr(&w, "next",
                arena_printf(rq->arena, "%lld,%.*s", (long long)last->created_us,
                             STR_ARG(last->duty_id)));
    }
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
