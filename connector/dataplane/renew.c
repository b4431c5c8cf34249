/*
 * connector/dataplane/renew.c - consumer: a fresh pull token, asked for once however many wait for
 * it
 *
 * The provider's answer is kept in the database before anybody uses it: a crash after the answer
 * finds the new refresh token there. If the answer is lost, the old refresh token still counts at a
 * provider that retires on use.
 */
#include "connector/dataplane/edr.h"
#include "connector/identity/identity.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct renewal {
    struct renewal *next;         /* dataplane->renewals */
    struct renewal_waiter *first; /* guarded by dataplane->lock */
    struct dataplane *dp;
    struct arena *arena; /* owned, with all texts */
    struct str transfer_id, body;
    struct str token, refresh_token;
    int64_t expires_us, now_us;
    int64_t received_us; /* of the refresh token that is used */
    struct err refused;  /* what the provider said, while the database is asked */
    struct writer_op op;
};

struct token_answer {
    struct str access_token, refresh_token;
    int64_t expires_in;
};
/* clang-format off */
static const struct field answer_fields[] = {
    FIELD(struct token_answer, access_token,  "access_token",  F_REQUIRED | F_NONEMPTY),
    FIELD(struct token_answer, refresh_token, "refresh_token", 0),
    FIELD(struct token_answer, expires_in,    "expires_in",    F_NATURAL),
};
/* clang-format on */
static OBJECT(answer_object, struct token_answer, answer_fields, OPEN);

/* Tells all who wait, and forgets the renewal. */
static void finish(struct renewal *r, const struct err *err)
{
    struct dataplane *dp = r->dp;
    struct renewal_waiter *w;

    pthread_mutex_lock(&dp->lock);
    for (struct renewal **at = &dp->renewals; *at != NULL; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            break;
        }
    }
    w = r->first;
    pthread_mutex_unlock(&dp->lock);
    while (w != NULL) {
        struct renewal_waiter *next = w->next;

        w->err = *err;
        if (err->code == E_OK)
            w->token = arena_str(w->arena, r->token);
        if (err->code == E_OK && !str_present(w->token))
            (void)err_set(&w->err, E_NO_MEMORY, "", "token");
        w->done(w);
        w = next;
    }
    arena_free(&r->arena);
    free(r);
    dataplane__live(dp, -1);
}

static int keep(struct db *tx, void *arg, struct err *err)
{
    const struct renewal *r = arg;

    return db_exec(tx, &q_edr_renew,
                   DB_ARGS(DB_TEXT(r->transfer_id), DB_TEXT(r->token), DB_TEXT(r->refresh_token),
                           DB_I64(r->expires_us), DB_I64(r->now_us)),
                   NULL, err);
}

static void kept(void *arg, const struct err *err)
{
    finish(arg, err);
}

/* A provider that takes a refresh token once refuses who comes second: has another replica got it? */
static int find_other(struct db *tx, void *arg, struct err *err)
{
    struct renewal *r = arg;
    struct endpoint e = {0};

    if (dataplane__endpoint_get(tx, r->transfer_id, r->arena, &e, err) < 0)
        return err_ret(err);
    r->token = e.received_us > r->received_us ? e.token : STR_NONE;
    return 0;
}

static void looked(void *arg, const struct err *err)
{
    struct renewal *r = arg;

    if (err->code == E_OK && str_present(r->token)) {
        finish(r, err);
        return;
    }
    log_err(NULL, "a pull token could not be renewed", &r->refused);
    finish(r, &r->refused);
}

static int read_answer(struct renewal *r, const struct fetch_response *response, struct err *err)
{
    struct token_answer answer = {0};

    if (response->status != 200)
        return err_set(err, E_PEER_REFUSED, "", "the provider answered %d to a token renewal",
                       response->status);
    if (object_parse(&answer_object, response->body, &jlimits_default, r->arena, &answer, err) < 0)
        return err_ret(err);
    if (answer.access_token.n > LIMIT_TOKEN || answer.refresh_token.n > LIMIT_TOKEN ||
        answer.expires_in > 1000000000)
        return err_set(err, E_PEER_SYNTAX, "", "the provider's token is too long");
    r->now_us = env_wall_us(r->dp->app->env);
    r->token = answer.access_token;
    r->refresh_token = answer.refresh_token;
    r->expires_us = answer.expires_in > 0 ? r->now_us + answer.expires_in * US_PER_S : 0;
    return 0;
}

static void answered(void *cls, const struct fetch_response *response, const struct err *failed)
{
    struct renewal *r = cls;
    struct err err = *failed;

    if (err.code == E_OK && read_answer(r, response, &err) == 0) {
        r->op = (struct writer_op){.name = "edr_renew", .fn = keep, .arg = r, .done = kept};
        if (writer_submit(r->dp->app->writer, &r->op, &err) == 0)
            return;
    }
    if (r->dp->app->replica != NULL && err.code == E_PEER_REFUSED) {
        struct err busy = {0};

        r->refused = err;
        r->op = (struct writer_op){.name = "edr_other", .fn = find_other, .arg = r, .done = looked};
        if (writer_submit(r->dp->app->writer, &r->op, &busy) == 0)
            return;
    }
    log_err(NULL, "a pull token could not be renewed", &err);
    finish(r, &err);
}

static int ask(struct renewal *r, const struct endpoint *e, struct err *err)
{
    struct app *app = r->dp->app;
    AUTO(buf_done) struct buf body = buf_init(KIB(64));
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);

    buf_add_c(&body, "grant_type=refresh_token&refresh_token=");
    encode_percent(&body, e->refresh_token);
    if (identity_token(app->identity, e->peer_id, &token, err) < 0)
        return err_ret(err);
    r->body = arena_str(r->arena, buf_str(&body));
    if (buf_failed(&body) || buf_failed(&token) || arena_failed(r->arena))
        return err_set(err, E_NO_MEMORY, "", "renewal");

    const struct fetch_header headers[] = {
        {STR("Authorization"), buf_str(&token)                         },
        {STR("Content-Type"),  STR("application/x-www-form-urlencoded")},
        {STR("Accept"),        STR("application/json")                 },
    };
    const struct fetch_request request = {
        .method = "POST",
        .url = e->refresh_endpoint,
        .headers = headers,
        .n_headers = ARRAY_LEN(headers),
        .body = r->body,
        .max_response = KIB(64),
        .done = answered,
        .cls = r,
    };

    return fetch_submit(app->fetcher, &request, NULL, err);
}

/* Lock held. A renewal of this transfer that is under way. */
static struct renewal *find(struct dataplane *dp, struct str transfer_id)
{
    for (struct renewal *r = dp->renewals; r != NULL; r = r->next) {
        if (str_eq(r->transfer_id, transfer_id))
            return r;
    }
    return NULL;
}

static struct renewal *renewal_new(struct dataplane *dp, struct str transfer_id)
{
    struct renewal *r = calloc(1, sizeof(*r));

    if (r == NULL || (r->arena = arena_new(KIB(256))) == NULL) {
        free(r);
        return NULL;
    }
    r->dp = dp;
    r->transfer_id = arena_str(r->arena, transfer_id);
    return r;
}

void dataplane__renew(struct dataplane *dp, const struct endpoint *endpoint,
                      struct renewal_waiter *waiter)
{
    struct renewal *fresh = renewal_new(dp, endpoint->transfer_id);
    struct renewal *under_way;
    struct err err = {0};

    if (fresh == NULL) {
        (void)err_set(&waiter->err, E_NO_MEMORY, "", "renewal");
        waiter->done(waiter);
        return;
    }
    pthread_mutex_lock(&dp->lock);
    under_way = find(dp, endpoint->transfer_id);
    fresh->received_us = endpoint->received_us;
    if (under_way == NULL) {
        fresh->next = dp->renewals;
        dp->renewals = fresh;
        dp->live++;
    }

    struct renewal *r = under_way != NULL ? under_way : fresh;

    waiter->next = r->first;
    r->first = waiter;
    pthread_mutex_unlock(&dp->lock);
    if (under_way != NULL) {
        arena_free(&fresh->arena);
        free(fresh);
    } else if (ask(fresh, endpoint, &err) < 0) {
        log_err(NULL, "a pull token could not be renewed", &err);
        finish(fresh, &err);
    }
}

/* -- for other units --------------------------------------------------------------------------- */

struct renew_call {
    struct renewal_waiter waiter;
    struct arena *arena; /* owned, with this */
    dataplane_renewed_fn *done;
    void *cls;
};

static void call_done(struct renewal_waiter *waiter)
{
    struct renew_call *call =
        (struct renew_call *)((char *)waiter - offsetof(struct renew_call, waiter));
    struct arena *arena = call->arena;

    call->done(call->cls, &waiter->err);
    arena_free(&arena);
}

static bool is_due(const struct endpoint *e, int64_t now_us)
{
    return e->expires_us > 0 && now_us + RENEW_BEFORE_US > e->expires_us;
}

int dataplane_edr_renew(struct app *app, struct db *db, struct str transfer_id, bool force,
                        dataplane_renewed_fn *done, void *cls, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(256));
    struct renew_call *call = arena != NULL ? ARENA_NEW(arena, struct renew_call) : NULL;
    struct endpoint e = {0};

    if (call == NULL)
        return err_set(err, E_NO_MEMORY, "", "renewal");
    if (dataplane__endpoint_get(db, transfer_id, arena, &e, err) < 0)
        return err_ret(err);
    const bool possible = e.refresh_token.n > 0 && e.refresh_endpoint.n > 0 &&
                          e.state == TP_STARTED && !str_present(e.held);

    if (force && !possible)
        return err_tell(err, E_CONFLICT, "", "the transfer's token cannot be renewed");
    if (!possible || (!force && !is_due(&e, env_wall_us(app->env)))) {
        done(cls, &(const struct err){0});
        return 0;
    }
    call->done = done;
    call->cls = cls;
    call->waiter = (struct renewal_waiter){.arena = arena, .done = call_done};
    call->arena = MOVE(arena);
    dataplane__renew(app->dataplane, &e, &call->waiter);
    return 0;
}
