/*
 * connector/mgmt/history.c - GET /v3/contractnegotiations/{id}/history, /v3/transferprocesses/{id}/history: which states a
 * process went through, and when
 *
 * The row carries them (sql/schema/connector/0014-history.sql), so that they live as long as the process, longer than events.
 */
#include "connector/dsp/dsp.h"
#include "connector/mgmt/mgmt_private.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct history {
    struct str history;
};
/* clang-format off */
static const struct field history_fields[] = {FIELD(struct history, history, "history", F_REQUIRED)};
/* clang-format on */
static OBJECT(history_row, struct history, history_fields, CLOSED);

struct kind {
    const struct query *query;
    const char *type;   /* of the process */
    const char *answer; /* "@type" */
    const char *(*state_name)(int64_t code);
};

/* "<code>@<us>"; what a cut has left of one is no state. The instant of a step is that of its decision, which may be a little
 * before that of a step that was written first. */
static void write_step(const struct kind *kind, struct str step, int64_t *last_us, struct jw *w)
{
    const struct str code = str_cut(&step, '@');
    int64_t state, at_us;
    const char *name;

    if (!str_to_i64(code, &state) || !str_to_i64(step, &at_us) ||
        (name = kind->state_name(state)) == NULL)
        return;
    if (at_us > *last_us)
        *last_us = at_us;
    jw_object(w);
    jw_kc(w, "state", name);
    jw_ki64(w, "stateTimestamp", *last_us / 1000);
    jw_object_end(w);
}

static void write_steps(const struct kind *kind, struct str steps, struct jw *w)
{
    int64_t last_us = 0;

    if (steps.n > 0 && steps.p[0] == '!')
        steps = str_from(steps, 1);
    else
        (void)str_cut(&steps, ' '); /* its beginning is lost */
    jw_key(w, "history");
    jw_array(w);
    while (steps.n > 0)
        write_step(kind, str_cut(&steps, ' '), &last_us, w);
    jw_array_end(w);
}

static int answer(struct rq *rq, const struct kind *kind, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(MIB(1));
    const struct worker *worker = rq->thread;
    struct jw w = jw_init(&body);
    struct history row = {0};

    switch (db_one(worker->db, kind->query, DB_ARGS(DB_TEXT(rq_param(rq, "id"))), &history_row,
                   rq->arena, &row, err)) {
    case DB_NONE: return mgmt__not_found(err, kind->type, rq_param(rq, "id"));
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    jw_object(&w);
    jw_kc(&w, "@type", kind->answer);
    write_steps(kind, row.history, &w);
    mgmt__context(&w);
    return mgmt__reply(rq, &body, err);
}

int mgmt_negotiation_history(struct rq *rq, struct err *err)
{
    static const struct kind kind = {&q_mgmt_negotiation_history, "ContractNegotiation",
                                     "NegotiationHistory", negotiation_state_name};

    return answer(rq, &kind, err);
}

int mgmt_transfer_history(struct rq *rq, struct err *err)
{
    static const struct kind kind = {&q_mgmt_transfer_history, "TransferProcess", "TransferHistory",
                                     transfer_state_name};

    return answer(rq, &kind, err);
}
