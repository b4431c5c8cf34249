/*
 * server/registry/read.c - GET /v1/participants, /v1/participants/{id}, /v1/participants/me
 */
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct step {
    struct str step, result, detail;
    int64_t done_us;
};
/* clang-format off */
static const struct field step_fields[] = {
    FIELD(struct step, step,    "step",    F_REQUIRED),
    FIELD(struct step, result,  "result",  F_REQUIRED),
    FIELD(struct step, detail,  "detail",  F_REQUIRED),
    FIELD(struct step, done_us, "done_at", F_REQUIRED | F_TIME),
};
/* clang-format on */
static OBJECT(step_object, struct step, step_fields, OPEN);

static int write_checks(struct db *db, struct rq *rq, struct uuid id, struct jw *w, struct err *err)
{
    struct list steps = {0};

    if (db_list(db, &q_check_step_list, DB_ARGS(DB_UUID(id)), &step_object, rq->arena, 0, &steps,
                err) < 0)
        return err_ret(err);
    jw_key(w, "checks");
    jw_array(w);
    for (size_t i = 0; i < steps.n; i++)
        object_encode(&step_object, &LIST_ITEMS(struct step, steps)[i], w);
    jw_array_end(w);
    return 0;
}

static int write_attestations(struct db *db, struct rq *rq, struct uuid id, struct jw *w,
                              struct err *err)
{
    struct list list = {0};

    if (registry__attestations(db, id, rq->arena, &list, err) < 0)
        return err_ret(err);
    registry__write_attestations(&list, w);
    return 0;
}

static int reply_one(struct rq *rq, struct uuid id, bool own, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(32));
    struct participant participant = {0};
    struct jw w = jw_init(&out);

    if (participant_get(worker->db, id, rq->arena, &participant, err) < 0)
        return err_ret(err);
    if (!own && !str_eq(participant.state, STR("active")))
        return err_tell(err, E_NOT_FOUND, "", "no such participant");
    registry__write(&participant, own, &w);
    if (own && (write_checks(worker->db, rq, id, &w, err) < 0 ||
                write_attestations(worker->db, rq, id, &w, err) < 0))
        return err_ret(err);
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

int registry_me(struct rq *rq, struct err *err)
{
    return reply_one(rq, rq_principal(rq)->participant, true, err);
}

int registry_get(struct rq *rq, struct err *err)
{
    const struct principal *who = rq_principal(rq);
    struct uuid id;

    if (!uuid_parse(rq_param(rq, "id"), &id))
        return err_tell(err, E_NOT_FOUND, "", "no such participant");
    return reply_one(rq, id, (who->roles & W_OPERATOR) != 0 || uuid_eq(id, who->participant), err);
}

int registry_list(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    const bool by_operator = (rq_principal(rq)->roles & W_OPERATOR) != 0;
    const struct str state = by_operator ? rq_query(rq, "state") : STR("active");
    const struct str after = rq_query(rq, "after");
    AUTO(buf_done) struct buf out = buf_init(MIB(8));
    struct list list = {0};
    struct jw w = jw_init(&out);
    struct uuid after_id;
    int64_t most;

    if (rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &most, err) < 0)
        return err_ret(err);
    if (str_present(after) && !uuid_parse(after, &after_id))
        return err_tell(err, E_INVALID, "?after", "expected an id");
    if (db_list(worker->db, &q_participant_list,
                DB_ARGS(DB_TEXT(state), str_present(after) ? DB_UUID(after_id) : DB_NULL(DBT_UUID),
                        DB_I64(most)),
                &participant_row, rq->arena, (size_t)most, &list, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++) {
        registry__write(&LIST_ITEMS(struct participant, list)[i], by_operator, &w);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    if (list.n == (size_t)most)
        jw_kc(&w, "next",
              uuid_format(LIST_ITEMS(struct participant, list)[list.n - 1].participant_id).c);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
