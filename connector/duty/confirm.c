/*
 * connector/duty/confirm.c - POST /naru/v1/duties/{id}/done, …/waive: people's word
 *
 * Whose duty it is says that it is done; to whom it is owed waives it. The same word again is answered
 * as before, another one is a conflict: it was signed and has left.
 */
#include "connector/duty/duty_private.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct word {
    struct str statement;
    int by;
};
/* clang-format off */
static const struct field done_fields[] = {
    FIELD(struct word, statement, "statement", F_REQUIRED | F_NONEMPTY),
    FIELD_ENUM(struct word, by,   "by",        0, duty_by_names),
};
static OBJECT(done_object, struct word, done_fields, CLOSED);
static const struct field waive_fields[] = {FIELD(struct word, statement, "reason", F_REQUIRED | F_NONEMPTY)};
/* clang-format on */
static OBJECT(waive_object, struct word, waive_fields, CLOSED);

struct confirming {
    struct writer_op op;
    struct rq *rq;
    struct word word;
    enum duty_state state; /* DUTY_DONE, DUTY_WAIVED */
    struct str id;
    struct list copies; /* struct copy, removed before */
    struct duty_out out;
    struct err err;
};

/* What was said before: the same is well. */
static int said_before(const struct confirming *c, const struct duty *d, struct err *err)
{
    const bool waived = str_eq_c(d->state, duty_state_names[DUTY_WAIVED]);

    if (waived == (c->state == DUTY_WAIVED) && str_eq(d->statement, c->word.statement) &&
        str_eq_c(d->done_by, duty_by_names[c->word.by]))
        return 0;
    return err_tell(err, E_CONFLICT, "", "the duty is '%.*s' already", STR_ARG(d->state));
}

static int check(const struct confirming *c, const struct duty *d, struct err *err)
{
    if (c->state == DUTY_DONE && !duty__is_ours(d))
        return err_tell(err, E_CONFLICT, "", "it is the other side's duty, not ours");
    if (c->state == DUTY_WAIVED && duty__is_ours(d))
        return err_tell(err, E_CONFLICT, "", "only the side to whom it is owed waives it");
    if (d->provide != 0)
        return err_tell(err, E_CONFLICT, "", "to provide ends with its date, by itself");
    if (c->state == DUTY_DONE && d->at_end != 0 && d->ended_us == 0 &&
        (d->act_us == 0 || d->act_us > env_wall_us(c->rq->env)))
        return err_tell(err, E_CONFLICT, "", "use has not ended: more data may come");
    return 0;
}

static int run(struct db *tx, void *arg, struct err *err)
{
    struct confirming *c = arg;
    struct app *app = c->rq->app;
    const struct settling settling = {
        .state = c->state,
        .by = (enum duty_by)c->word.by,
        .text = c->word.statement,
        .now_us = env_wall_us(c->rq->env),
    };
    struct duty duty;
    bool done;

    c->out.n = 0;
    if (duty__get(tx, c->id, c->rq->arena, &duty, err) < 0 || check(c, &duty, err) < 0)
        return err_ret(err);
    if (!duty__waits(&duty))
        return said_before(c, &duty, err);
    if (duty__copies_gone(tx, &c->copies, settling.now_us, err) < 0 ||
        (c->state == DUTY_DONE && duty__is(&duty, POLICY_ACT_DELETE) &&
         duty__act(tx, &duty, settling.now_us, c->rq->arena, &done, err) < 0))
        return err_ret(err);
    return duty__settle(app, tx, &duty, &settling, c->rq->arena, &c->out, err);
}

static void committed(void *arg, const struct err *err)
{
    struct confirming *c = arg;

    c->err = *err;
    if (err->code == E_OK) {
        duty__settled(c->rq->app, &c->out);
        duty_wake(c->rq->app); /* counts */
    }
    rq_resume(c->rq);
}

static int answer(struct rq *rq, struct err *err)
{
    const struct confirming *c = rq->cls;

    if (c->err.code != E_OK) {
        *err = c->err;
        return err_ret(err);
    }
    return duty__reply(rq, c->id, err);
}

/* The copies that the connector can remove go before the word that says so. */
static int remove_copies(struct confirming *c, struct err *err)
{
    const struct worker *worker = c->rq->thread;

    if (db_list(worker->db, &q_copy_of_duty,
                DB_ARGS(DB_TEXT(c->id), DB_TEXT(str_c(policy_action_iri(POLICY_ACT_DELETE))),
                        DB_I64(COPIES_MAX)),
                &duty__copy_row, c->rq->arena, COPIES_MAX, &c->copies, err) < 0)
        return err_ret(err);
    duty__copies_remove(c->rq->app, &c->copies);
    return 0;
}

static int confirm(struct rq *rq, enum duty_state state, const struct object *object,
                   struct err *err)
{
    struct app *app = rq->app;
    struct confirming *c = ARENA_NEW(rq->arena, struct confirming);

    if (c == NULL)
        return err_set(err, E_NO_MEMORY, "", "duty");
    c->rq = rq;
    c->state = state;
    c->id = rq_param(rq, "id");
    c->word.by = DUTY_BY_OPERATOR;
    if (rq_decode(rq, object, &c->word, err) < 0)
        return err_ret(err);
    if (c->word.statement.n > WIRE_DUTY_TEXT)
        return err_tell(err, E_LIMIT, state == DUTY_DONE ? "/statement" : "/reason",
                        "at most %d bytes", WIRE_DUTY_TEXT);
    if (c->word.by == DUTY_BY_CONNECTOR)
        return err_tell(err, E_INVALID, "/by", "expected operator or system");
    if (state == DUTY_DONE && remove_copies(c, err) < 0)
        return err_ret(err);
    c->op = (struct writer_op){.name = "duty confirm", .fn = run, .arg = c, .done = committed};
    rq->cls = c;
    rq_suspend(rq, answer);
    if (writer_submit(app->writer, &c->op, &c->err) < 0)
        rq_resume(rq);
    return 0;
}

int duty_done(struct rq *rq, struct err *err)
{
    return confirm(rq, DUTY_DONE, &done_object, err);
}

int duty_waive(struct rq *rq, struct err *err)
{
    return confirm(rq, DUTY_WAIVED, &waive_object, err);
}
