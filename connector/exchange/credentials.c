/*
 * connector/exchange/credentials.c - what the data bank says of credentials after their issue: POST
 * /exchange/v1/revocations, POST /exchange/v1/membership, and asking for what we have missed
 *
 * A revocation that is pushed counts from its commit on. Whether we have heard of all, and so how
 * old the data bank's word is, only our own question tells (GET /v1/revocations?since=): at the
 * start and then four times within credential.max_age. If the data bank cannot be asked, nothing is
 * done: facts from its credentials grow old by themselves (connector/facts). Facts of somebody that
 * have changed are looked at again through timed.c.
 */
#include "connector/exchange/exchange_private.h"
#include "connector/identity/identity.h"
#include "connector/replica.h"
#include "connector/timed.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/jws.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define ASK_TIME_US      (30 * US_PER_S)
#define ASK_WAIT_MIN_US  US_PER_S
#define ASK_WAIT_MAX_US  (60 * US_PER_S)
#define ASK_EVERY_MAX_US US_PER_H
#define SKEW_US          US_PER_MIN
#define MEMBERSHIP_MAX   (64 * US_PER_DAY)
#define PAGE             "100"

/* -- keeping ----------------------------------------------------------------------------------- */

struct word {
    struct wire_revocation said;
    bool ours; /* it names the credential that we show ourselves */
};

struct own {
    struct str credential;
    int64_t expires_us;
};
/* clang-format off */
static const struct field own_fields[] = {
    FIELD(struct own, credential, "credential", F_REQUIRED),
    FIELD(struct own, expires_us, "expires_us", F_REQUIRED),
};
/* clang-format on */
static OBJECT(own_row, struct own, own_fields, OPEN);

static int verify(struct app *app, struct str compact, struct arena *arena,
                  struct wire_revocation *ret, struct err *err)
{
    const struct str broker = app->settings->broker_did;
    struct str payload;

    if (identity_verify_document(app->identity, compact, WIRE_TYP_REVOCATION, broker, arena,
                                 &payload, err) < 0)
        return err_ret(err);
    if (object_parse(&wire_revocation_object, payload, &jlimits_default, arena, ret, err) < 0)
        return err_ret(err);
    if (!str_eq(ret->issuer, broker))
        return err_set(err, E_TOKEN, "/issuer", "'%.*s' is not the data bank",
                       STR_ARG(ret->issuer));
    return 0;
}

static bool names(const struct wire_revocation *r, struct str credential_id)
{
    for (size_t i = 0; i < r->credentials.n; i++) {
        if (str_eq(r->credentials.items[i], credential_id))
            return true;
    }
    return false;
}

/* Others refuse it: we show none until a new one is here. */
static int drop_own(struct db *tx, const struct app *app, struct word *word, struct err *err)
{
    const struct db_arg self = DB_TEXT(app->settings->participant_did);
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct own own = {0};
    struct jws jws;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "membership");
    switch (db_one(tx, &q_membership_get, DB_ARGS(self), &own_row, arena, &own, err)) {
    case DB_ROW: break;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    if (jws_parse(own.credential, arena, &jws, err) < 0 ||
        jdoc_parse(jws.payload, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "our membership credential");
    word->ours = names(&word->said, jval_str(jval_get(jdoc_root(doc), "jti")));
    return word->ours ? db_exec(tx, &q_membership_drop, DB_ARGS(self), NULL, err) : 0;
}

/* Inside an operation. */
static int keep(struct db *tx, const struct app *app, struct word *word, struct err *err)
{
    const struct wire_revocation *r = &word->said;
    const int64_t now_us = env_wall_us(app->env);

    if (db_exec(tx, &q_credential_forget, DB_ARGS(DB_I64(now_us)), NULL, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < r->credentials.n; i++) {
        if (db_exec(tx, &q_credential_revoke,
                    DB_ARGS(DB_TEXT(r->issuer), DB_TEXT(r->credentials.items[i]),
                            DB_TEXT(r->subject), DB_TEXT(str_c(revocation_reason_names[r->reason])),
                            DB_I64(r->at_us), DB_I64(r->until_us)),
                    NULL, err) < 0)
            return err_ret(err);
    }
    word->ours = false;
    if (str_eq(r->subject, app->settings->participant_did) && drop_own(tx, app, word, err) < 0)
        return err_ret(err);
    return replica_tell(tx, app->replica, NEWS_FACTS, r->subject, err);
}

/* After the commit: everything that was decided about this partner is decided again. */
static void act(struct app *app, const struct word *word)
{
    const struct wire_revocation *r = &word->said;

    log_info(NULL, "credentials of a partner are revoked", L_STR("partner", r->subject),
             L_C("reason", revocation_reason_names[r->reason]), L_I64("number", r->number));
    timed_set(app, "facts", r->subject, env_wall_us(app->env));
    if (!word->ours)
        return;
    identity_drop_membership(app->identity);
    exchange_membership_renew(app->exchange);
}

/* -- what is pushed ---------------------------------------------------------------------------- */

struct delivery {
    struct str revocation;
};
/* clang-format off */
static const struct field delivery_fields[] = {FIELD(struct delivery, revocation, "revocation", F_REQUIRED | F_NONEMPTY)};
/* clang-format on */
static OBJECT(delivery_object, struct delivery, delivery_fields, CLOSED);

struct arrival {
    struct writer_op op;
    struct rq *rq;
    struct word word;
    struct err err;
};

static int store_arrival(struct db *tx, void *arg, struct err *err)
{
    struct arrival *a = arg;

    return keep(tx, a->rq->app, &a->word, err);
}

static void arrival_stored(void *arg, const struct err *err)
{
    struct arrival *a = arg;

    a->err = *err;
    if (err->code == E_OK)
        act(a->rq->app, &a->word);
    rq_resume(a->rq);
}

static int arrival_answer(struct rq *rq, struct err *err)
{
    const struct arrival *a = rq->cls;

    if (a->err.code != E_OK) {
        *err = a->err;
        return err_ret(err);
    }
    rq_reply_empty(rq, 204);
    return 0;
}

int exchange_revocation(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    const int waiting = identity_authenticate_broker(rq, exchange_revocation, err);
    struct delivery delivery = {0};
    struct arrival *a;

    if (waiting != 0)
        return waiting < 0 ? err_ret(err) : 0;
    a = ARENA_NEW(rq->arena, struct arrival);
    if (a == NULL)
        return err_set(err, E_NO_MEMORY, "", "revocation");
    if (rq_decode(rq, &delivery_object, &delivery, err) < 0)
        return err_ret(err);
    if (verify(app, delivery.revocation, rq->arena, &a->word.said, err) < 0)
        return err_tell(err, E_TOKEN, "/revocation", "not a revocation signed by the data bank");
    a->rq = rq;
    a->op = (struct writer_op){
        .name = "revocation", .fn = store_arrival, .arg = a, .done = arrival_stored};
    rq->cls = a;
    rq_suspend(rq, arrival_answer);
    if (writer_submit(app->writer, &a->op, &a->err) < 0)
        rq_resume(rq);
    return 0;
}

/* A fresh credential of ours: it must be for us, and signed by the data bank. */
static int check_own(struct app *app, struct str credential, struct arena *arena, struct err *err)
{
    const struct settings *s = app->settings;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jwt_claims claims;
    struct str payload;

    if (identity_verify_document(app->identity, credential, WIRE_TYP_MEMBERSHIP, s->broker_did,
                                 arena, &payload, err) < 0 ||
        jdoc_parse(payload, &jlimits_default, &doc, err) < 0 ||
        jwt_claims_read(jdoc_root(doc), env_wall_us(app->env), SKEW_US, MEMBERSHIP_MAX, &claims,
                        err) < 0)
        return err_ret(err);
    if (!str_eq(claims.iss, s->broker_did) || !str_eq(claims.sub, s->participant_did))
        return err_set(err, E_TOKEN, "/credential", "it is for somebody else");
    return 0;
}

int exchange_membership_pushed(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    const int waiting = identity_authenticate_broker(rq, exchange_membership_pushed, err);
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (waiting != 0)
        return waiting < 0 ? err_ret(err) : 0;
    if (jdoc_parse(rq->body, &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    if (check_own(app, jval_str(jval_get(jdoc_root(doc), "credential")), rq->arena, err) < 0)
        return err_tell(err, E_TOKEN, "/credential",
                        "not a membership credential of ours, signed by the data bank");
    if (exchange__take_credential(app, rq->body, err) < 0)
        return err_ret(err);
    rq_reply_empty(rq, 204);
    return 0;
}

/* -- what we ask for --------------------------------------------------------------------------- */

struct page {
    struct str_list items;
    int64_t next;
    bool complete;
};

struct feed {
    int64_t number, checked_us, max_age_us;
};
/* clang-format off */
static const struct field page_fields[] = {
    FIELD(struct page, items,    "items",    F_REQUIRED),
    FIELD(struct page, next,     "next",     F_REQUIRED | F_NATURAL),
    FIELD(struct page, complete, "complete", F_REQUIRED),
};
static OBJECT(page_object, struct page, page_fields, OPEN);
static const struct field feed_fields[] = {
    FIELD(struct feed, number,     "number",     F_REQUIRED),
    FIELD(struct feed, checked_us, "checked_us", F_REQUIRED),
    FIELD(struct feed, max_age_us, "max_age_us", F_REQUIRED),
};
/* clang-format on */
static OBJECT(feed_row, struct feed, feed_fields, OPEN);

/* One question to the data bank; one at a time. */
struct asking {
    struct writer_op op;
    struct app *app;
    struct arena *arena;
    int64_t asked_us;
    struct feed feed; /* as it was before */
    struct str body;
    struct page page;
    struct word *words; /* as many as items */
};

static int64_t ask_every(const struct app *app)
{
    const int64_t quarter = app->settings->credential_age_us / 4;

    return quarter < ASK_EVERY_MAX_US ? quarter : ASK_EVERY_MAX_US;
}

/* Sets the next question: at once if there is more, after a while, or sooner if this one failed. */
static void asked(struct asking *asking, const struct err *err)
{
    struct app *app = asking->app;
    struct exchange *exchange = app->exchange;
    int64_t wait_us = ask_every(app);

    if (err->code == E_SHUTDOWN) {
        arena_free(&asking->arena);
        free(asking);
        return;
    }
    pthread_mutex_lock(&exchange->lock);
    exchange->asking = false;
    if (err->code != E_OK) {
        wait_us = exchange->ask_wait_us < wait_us ? exchange->ask_wait_us : wait_us;
        exchange->ask_wait_us *= 2;
        if (exchange->ask_wait_us > ASK_WAIT_MAX_US)
            exchange->ask_wait_us = ASK_WAIT_MAX_US;
    } else {
        exchange->ask_wait_us = ASK_WAIT_MIN_US;
    }
    pthread_mutex_unlock(&exchange->lock);
    if (err->code == E_OK && !asking->page.complete)
        wait_us = 0;
    if (err->code != E_OK)
        log_info(NULL, "the data bank does not tell what it has revoked", L_C("reason", err->text));
    timed_set(app, "revocations", STR("ask"), env_wall_us(app->env) + wait_us);
    arena_free(&asking->arena);
    free(asking);
}

static int store_page(struct db *tx, void *arg, struct err *err)
{
    struct asking *asking = arg;
    const struct app *app = asking->app;
    const int64_t checked_us = asking->page.complete ? asking->asked_us : asking->feed.checked_us;

    for (size_t i = 0; i < asking->page.items.n; i++) {
        if (keep(tx, app, &asking->words[i], err) < 0)
            return err_ret(err);
    }
    return db_exec(
        tx, &q_credential_feed_move,
        DB_ARGS(DB_TEXT(app->settings->broker_did), DB_I64(asking->page.next), DB_I64(checked_us)),
        NULL, err);
}

/* After the commit: what had grown too old to count, counts again. */
static void refresh(const struct asking *asking)
{
    const int64_t now_us = env_wall_us(asking->app->env);

    if (asking->page.complete && asking->feed.checked_us + asking->feed.max_age_us <= now_us)
        timed_set(asking->app, "facts", STR_NONE, now_us);
}

static void page_stored(void *arg, const struct err *err)
{
    struct asking *asking = arg;

    for (size_t i = 0; err->code == E_OK && i < asking->page.items.n; i++)
        act(asking->app, &asking->words[i]);
    if (err->code == E_OK)
        refresh(asking);
    asked(asking, err);
}

/* One that cannot be read stops all: what it says would be missed. */
static int read_page(struct asking *asking, struct err *err)
{
    const size_t most = LIMIT_PAGE;

    if (object_parse(&page_object, asking->body, &jlimits_default, asking->arena, &asking->page,
                     err) < 0)
        return err_ret(err);
    if (asking->page.items.n > most)
        return err_set(err, E_LIMIT, "/items", "more than %zu", most);
    asking->words = ARENA_ARRAY(asking->arena, struct word, asking->page.items.n + 1);
    if (asking->words == NULL)
        return err_set(err, E_NO_MEMORY, "", "revocations");
    for (size_t i = 0; i < asking->page.items.n; i++) {
        if (verify(asking->app, asking->page.items.items[i], asking->arena, &asking->words[i].said,
                   err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* The data bank's keys are at hand: nothing waits here. */
static void take_page(void *cls)
{
    struct asking *asking = cls;
    struct err err = {0};

    asking->op = (struct writer_op){
        .name = "revocations", .fn = store_page, .arg = asking, .done = page_stored};
    if (read_page(asking, &err) < 0 || writer_submit(asking->app->writer, &asking->op, &err) < 0)
        asked(asking, &err);
}

static void page_came(void *cls, const struct fetch_response *response, const struct err *fetch_err)
{
    struct asking *asking = cls;
    struct app *app = asking->app;
    struct err err = {0};
    int waiting;

    if (response == NULL) {
        asked(asking, fetch_err);
        return;
    }
    if (response->status != 200) {
        (void)err_set(&err, E_PEER_REFUSED, "", "HTTP status %d", response->status);
        asked(asking, &err);
        return;
    }
    asking->body = arena_str(asking->arena, response->body);
    if (!str_present(asking->body)) {
        (void)err_set(&err, E_NO_MEMORY, "", "revocations");
        asked(asking, &err);
        return;
    }
    waiting = identity_keys(app->identity, app->settings->broker_did, take_page, asking, &err);
    if (waiting < 0)
        asked(asking, &err);
    else if (waiting == 0)
        take_page(asking);
}

static int load_feed(struct asking *asking, struct err *err)
{
    const struct app *app = asking->app;
    struct db_cfg cfg = app->db;
    AUTO(db_close) struct db *db = NULL;

    cfg.read_only = true;
    if (db_open(&cfg, &db, err) < 0)
        return err_ret(err);
    return db_one(db, &q_credential_feed_get, DB_ARGS(DB_TEXT(app->settings->broker_did)),
                  &feed_row, asking->arena, &asking->feed, err) == DB_FAIL
               ? err_ret(err)
               : 0;
}

static int ask(struct asking *asking, struct err *err)
{
    struct app *app = asking->app;
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);

    if (load_feed(asking, err) < 0 ||
        identity_token(app->identity, app->settings->broker_did, &token, err) < 0)
        return err_ret(err);
    buf_add_str(&url, app->settings->broker_url);
    buf_add_c(&url, "/v1/revocations?limit=" PAGE "&since=");
    buf_add_i64(&url, asking->feed.number);

    const struct fetch_header header = {STR("Authorization"), buf_str(&token)};
    const struct fetch_request request = {
        .method = "GET",
        .url = buf_str(&url),
        .headers = &header,
        .n_headers = 1,
        .max_response = LIMIT_BATCH_BYTES,
        .deadline_mono_us = env_mono_us(app->env) + ASK_TIME_US,
        .done = page_came,
        .cls = asking,
    };

    asking->asked_us = env_wall_us(app->env);
    return fetch_submit(app->fetcher, &request, NULL, err);
}

void exchange_revocations_ask(struct app *app)
{
    struct exchange *exchange = app->exchange;
    struct asking *asking;
    struct err err = {0};
    bool busy;

    pthread_mutex_lock(&exchange->lock);
    busy = exchange->asking;
    exchange->asking = true;
    pthread_mutex_unlock(&exchange->lock);
    if (busy)
        return;
    asking = calloc(1, sizeof(*asking));
    if (asking != NULL)
        asking->arena = arena_new(MIB(16));
    if (asking == NULL || asking->arena == NULL) {
        free(asking);
        pthread_mutex_lock(&exchange->lock);
        exchange->asking = false;
        pthread_mutex_unlock(&exchange->lock);
        timed_set(app, "revocations", STR("ask"), env_wall_us(app->env) + ASK_WAIT_MAX_US);
        return;
    }
    asking->app = app;
    if (ask(asking, &err) < 0)
        asked(asking, &err);
}

/* -- start ------------------------------------------------------------------------------------- */

static int set_limit(struct db *tx, void *arg, struct err *err)
{
    const struct settings *s = ((const struct app *)arg)->settings;

    return db_exec(tx, &q_credential_feed_limit,
                   DB_ARGS(DB_TEXT(s->broker_did), DB_I64(s->credential_age_us)), NULL, err);
}

int exchange__revocations_start(struct app *app, struct err *err)
{
    if (writer_call(app->writer, "credential_limit", set_limit, app, err) < 0)
        return err_ret(err);
    exchange_revocations_ask(app);
    return 0;
}
