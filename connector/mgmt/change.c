/*
 * connector/mgmt/change.c - one operation of the writer, or one command of the protocol, and its
 * answer
 */
#include "connector/dsp/dsp.h"
#include "connector/mgmt/mgmt_private.h"

#include "lib/base/banned.h"

static int answer_change(struct rq *rq, struct err *err)
{
    const struct change *change = rq->cls;

    if (change->err.code != E_OK) {
        *err = change->err;
        return err_ret(err);
    }
    if (str_present(change->id))
        return mgmt__reply_id(rq, change->id, change->now_us, err);
    rq_reply_empty(rq, 204);
    return 0;
}

static void changed(void *arg, const struct err *err)
{
    struct change *change = arg;
    struct app *app = change->rq->app;

    change->err = *err;
    if (err->code == E_OK && change->catalogue)
        dsp_catalogue_changed(app->dsp);
    if (err->code == E_OK && change->after != NULL)
        change->after(change);
    if (err->code == E_OK)
        events_committed(app);
    rq_resume(change->rq);
}

int mgmt__change(struct rq *rq, struct change *change, const char *name, db_tx_fn *fn,
                 struct err *err)
{
    const struct str if_match = rq_header(rq, "If-Match");
    struct app *app = rq->app;

    if (str_present(if_match)) /* the connection may be gone when it is compared */
        change->if_match = arena_str(rq->arena, if_match);
    if (arena_failed(rq->arena))
        return err_set(err, E_LIMIT, "", "memory of the request");
    change->op = (struct writer_op){.name = name, .fn = fn, .arg = change, .done = changed};
    change->rq = rq;
    rq->cls = change;
    rq_suspend(rq, answer_change);
    return writer_submit(app->writer, &change->op, err);
}

/* -- states of an entity ----------------------------------------------------------------------- */

#define ETAG_BYTES 48

struct state {
    int64_t created_us, version;
};
/* clang-format off */
static const struct field state_fields[] = {
    FIELD(struct state, created_us, "created_us", F_REQUIRED),
    FIELD(struct state, version,    "version",    F_REQUIRED),
};
/* clang-format on */
static OBJECT(state_row, struct state, state_fields, OPEN);

/* With the time of creation, since a version comes again when an entity is deleted and made anew. */
static void etag_of(const struct state *state, char out[static ETAG_BYTES])
{
    (void)snprintf(out, ETAG_BYTES, "\"%llx-%llx\"", (unsigned long long)state->created_us,
                   (unsigned long long)state->version);
}

void mgmt__etag(struct rq *rq, int64_t created_us, int64_t version)
{
    char etag[ETAG_BYTES];

    etag_of(&(const struct state){created_us, version}, etag);
    if (str_eq(rq->method, STR("GET")))
        rq_reply_header(rq, "ETag", str_c(etag));
}

int mgmt__match(struct db *tx, const struct change *change, const struct query *get, struct str id,
                struct err *err)
{
    AUTO(arena_free) struct arena *arena = NULL;
    char etag[ETAG_BYTES];
    struct state state = {0};

    if (!str_present(change->if_match))
        return 0;
    arena = arena_new(MIB(4));
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "state");
    switch (db_one(tx, get, DB_ARGS(DB_TEXT(id)), &state_row, arena, &state, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    etag_of(&state, etag);
    return http_etag_match(change->if_match, str_c(etag), false)
               ? 0
               : err_tell(err, E_PRECONDITION, "", "%.*s is not in the state that If-Match names",
                          STR_ARG(id));
}

int mgmt__event(const struct change *change, struct db *tx, enum event_id id, struct str subject,
                struct err *err)
{
    struct app *app = change->rq->app;

    return events_put(app, tx, id, subject, STR_NONE, false, env_wall_us(app->env), err);
}

int mgmt__not_found(struct err *err, const char *type, struct str id)
{
    return err_tell(err, E_NOT_FOUND, "", "Object of type %s with ID=%.*s was not found", type,
                    STR_ARG(id));
}

int mgmt__exists(struct err *err, const char *type, struct str id)
{
    return err_tell(err, E_CONFLICT, "", "%s with ID %.*s already exists", type, STR_ARG(id));
}

struct counted {
    int64_t n;
};
/* clang-format off */
static const struct field counted_fields[] = {FIELD(struct counted, n, "n", F_REQUIRED)};
/* clang-format on */
static OBJECT(counted_row, struct counted, counted_fields, OPEN);

int mgmt__count(struct db *db, const struct query *q, struct str id, int64_t *ret_n,
                struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    struct counted counted = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "count");
    if (db_one(db, q, DB_ARGS(DB_TEXT(id)), &counted_row, arena, &counted, err) == DB_FAIL)
        return err_ret(err);
    *ret_n = counted.n;
    return 0;
}

/* -- commands of the protocol unit ------------------------------------------------------------- */

static int answer_command(struct rq *rq, struct err *err)
{
    const struct command_wait *wait = rq->cls;

    if (wait->err.code != E_OK) {
        *err = wait->err;
        return err_ret(err);
    }
    rq_reply_empty(rq, 204);
    return 0;
}

static int answer_process(struct rq *rq, struct err *err)
{
    const struct command_wait *wait = rq->cls;

    if (wait->err.code != E_OK) {
        *err = wait->err;
        return err_ret(err);
    }
    return mgmt__reply_id(rq, str_c(wait->id), env_wall_us(rq->env), err);
}

struct command_wait *mgmt__wait(struct rq *rq, bool answer_id, struct err *err)
{
    struct command_wait *wait = ARENA_NEW(rq->arena, struct command_wait);

    if (wait == NULL) {
        (void)err_set(err, E_LIMIT, "", "memory of the request");
        return NULL;
    }
    mgmt__wait_in(rq, wait, answer_id);
    return wait;
}

void mgmt__wait_in(struct rq *rq, struct command_wait *wait, bool answer_id)
{
    wait->rq = rq;
    rq->cls = wait;
    rq_suspend(rq, answer_id ? answer_process : answer_command);
}

void mgmt__done(void *cls, struct str id, const struct err *err)
{
    struct command_wait *wait = cls;

    wait->err = *err;
    if (id.n < sizeof(wait->id) && id.n > 0)
        memcpy(wait->id, id.p, id.n);
    rq_resume(wait->rq);
}
