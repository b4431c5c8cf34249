/*
 * connector/exchange/exchange.c - messages to the broker, membership, the unit's start and end
 */
#include "connector/exchange/exchange.h"

#include "connector/exchange/exchange_private.h"
#include "connector/identity/identity.h"
#include "connector/replica.h"
#include "connector/timed.h"
#include "lib/base/encode.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define SEND_TIME_US      (60 * US_PER_S)
#define MEMBERSHIP_MIN_US US_PER_S
#define MEMBERSHIP_MAX_US (60 * US_PER_S)

/* clang-format off */
#define ROUTE HTTP_ROUTE_ROW
const struct http_route exchange_management_routes[] = {
#include "connector/exchange/routes.def"
    {0},
};
#undef ROUTE
const struct http_route exchange_public_routes[] = {
    {.method = "POST", .path = "/exchange/v1/orders", .handler = exchange_order, .max_body = KIB(64), .name = "exchange_order"},
    {.method = "POST", .path = "/exchange/v1/revocations", .handler = exchange_revocation, .max_body = LIMIT_DOCUMENT, .name = "exchange_revocation"},
    {.method = "POST", .path = "/exchange/v1/membership", .handler = exchange_membership_pushed, .max_body = KIB(64), .name = "exchange_membership_pushed"},
    {0},
};

/* clang-format on */

bool exchange_enabled(const struct app *app)
{
    return app->settings->broker_url.n > 0 && app->settings->broker_did.n > 0;
}

void exchange_close(struct exchange **exchange)
{
    if (*exchange != NULL)
        pthread_mutex_destroy(&(*exchange)->lock);
    free(*exchange);
    *exchange = NULL;
}

/* -- messages to the broker -------------------------------------------------------------------- */

struct kind {
    const char *kind, *method, *content_type;
    bool is_signed; /* the body goes with header Naru-Signature */
    int (*ended)(struct db *tx, const struct outbox_msg *msg, bool accepted, struct str answer,
                 struct err *err); /* NULL: nothing to record */
};
static const struct kind kinds[] = {
    {"broker.dataset.put",    "PUT",    "application/json",     false, exchange__published     },
    {"broker.dataset.delete", "DELETE", NULL,                   false, NULL                    },
    {"broker.agreement",      "POST",   "application/json",     false, NULL                    },
    {"broker.agreement.end",  "POST",   "application/json",     false, NULL                    },
    {"broker.deletion",       "POST",   "application/json",     false, exchange__duty_told     },
    {"broker.duty",           "POST",   "application/json",     false, exchange__duty_told     },
    {"broker.usage",          "POST",   "application/x-ndjson", true,  exchange__batch_answered},
};

static const struct kind *kind_of(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq_c(name, kinds[i].kind))
            return &kinds[i];
    }
    return NULL;
}

void exchange_message(struct app *app, struct outbox_msg *msg, const char *stream, const char *kind,
                      struct str url, struct str body)
{
    const int64_t now_us = env_wall_us(app->env);

    *msg = (struct outbox_msg){
        .id = outbox_next_id(app->outbox),
        .stream = str_c(stream),
        .kind = str_c(kind),
        .url = url,
        .audience = app->settings->broker_did,
        .body = body,
        .deadline_us = now_us + BROKER_DEADLINE_US,
        .due_us = now_us,
    };
}

/* JWS over {"batch","issued_at","lines","reporter"} (docs/exchange.md §2). */
static int sign_batch(struct app *app, struct str body, struct buf *out, struct err *err)
{
    AUTO(buf_done) struct buf payload = buf_init(KIB(4));
    AUTO(buf_done) struct buf digest = buf_init(128);
    struct wire_batch batch = {
        .issued_us = env_wall_us(app->env) / US_PER_S * US_PER_S,
        .reporter = app->settings->participant_did,
    };
    uint8_t hash[SHA256_LEN];

    for (size_t i = 0; i < body.n; i++)
        batch.lines += body.p[i] == '\n';
    sha256(body.p, body.n, hash);
    buf_printf(&digest, "sha256:%s", hash_hex(hash).c);
    batch.batch = buf_str(&digest);
    object_canonical(&wire_batch_object, &batch, &payload);
    return identity_sign(app->identity, WIRE_TYP_BATCH, buf_str(&payload), out, err);
}

struct sending {
    struct app *app;
    const struct outbox_msg *msg;
};

/*
 * The answer's meaning: not being admitted now (401, 403) is the link's state, not the message's
 * fault.
 */
static enum outbox_result meaning(int status)
{
    if (status >= 200 && status < 300)
        return OUTBOX_SENT;
    if (status == 408 || status == 425 || status == 429)
        return OUTBOX_NOT_YET;
    if (status >= 500 || status == 401 || status == 403)
        return OUTBOX_AGAIN;
    return OUTBOX_REFUSED;
}

static void sent(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct sending *sending = cls;
    struct app *app = sending->app;
    const struct outbox_msg *msg = sending->msg;
    enum outbox_result result = OUTBOX_AGAIN;

    free(sending);
    if (response == NULL)
        log_err(NULL, "the broker does not answer", err);
    else
        result = meaning(response->status);
    if (response != NULL && result != OUTBOX_SENT)
        log_warning(NULL, "the broker does not accept a message", L_STR("kind", msg->kind),
                    L_I64("status", response->status), L_STR("answer", response->body));
    outbox_result(app->outbox, msg, result, response != NULL ? response->body : STR_NONE);
}

static int submit(struct app *app, const struct outbox_msg *msg, const struct kind *kind,
                  struct err *err)
{
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    AUTO(buf_done) struct buf signature = buf_init(LIMIT_TOKEN);
    struct fetch_header headers[3];
    struct sending *sending;
    size_t n = 0;

    if (identity_token(app->identity, msg->audience, &token, err) < 0)
        return err_ret(err);
    headers[n++] = (struct fetch_header){STR("Authorization"), buf_str(&token)};
    if (kind->content_type != NULL)
        headers[n++] = (struct fetch_header){STR("Content-Type"), str_c(kind->content_type)};
    if (kind->is_signed) {
        if (sign_batch(app, msg->body, &signature, err) < 0)
            return err_ret(err);
        headers[n++] = (struct fetch_header){STR(WIRE_SIGNATURE_HEADER), buf_str(&signature)};
    }
    sending = malloc(sizeof(*sending));
    if (sending == NULL)
        return err_set(err, E_NO_MEMORY, "", "message to the broker");
    *sending = (struct sending){app, msg};

    const struct fetch_request request = {
        .method = kind->method,
        .url = msg->url,
        .headers = headers,
        .n_headers = n,
        .body = msg->body,
        .max_response = LIMIT_BATCH_BYTES,
        .deadline_mono_us = env_mono_us(app->env) + SEND_TIME_US,
        .done = sent,
        .cls = sending,
    };

    if (fetch_submit(app->fetcher, &request, NULL, err) < 0) {
        free(sending);
        return err_ret(err);
    }
    return 0;
}

void exchange_send(struct app *app, const struct outbox_msg *msg)
{
    const struct kind *kind = kind_of(msg->kind);
    struct err err = {0};

    if (kind == NULL) {
        (void)err_set(&err, E_CORRUPT, "outbox.kind", "unknown kind '%.*s'", STR_ARG(msg->kind));
        log_err(NULL, "message dropped", &err);
        outbox_result(app->outbox, msg, OUTBOX_REFUSED, STR_NONE);
        return;
    }
    if (submit(app, msg, kind, &err) < 0) {
        log_err(NULL, "message to the broker could not be sent", &err);
        outbox_result(app->outbox, msg, OUTBOX_AGAIN, STR_NONE);
    }
}

int exchange_ended(struct db *tx, struct app *app, const struct outbox_msg *msg,
                   enum outbox_result result, struct str answer, struct err *err)
{
    const struct kind *kind = kind_of(msg->kind);

    (void)app;
    if (kind == NULL || kind->ended == NULL)
        return 0;
    return kind->ended(tx, msg, result == OUTBOX_SENT, answer, err);
}

void exchange_after(struct app *app, const struct outbox_msg *msg, enum outbox_result result)
{
    (void)result;
    if (str_eq(msg->kind, STR("broker.usage")))
        exchange__batch_over(app->exchange);
}

/* -- membership -------------------------------------------------------------------------------- */

struct credential_answer {
    struct str credential;
    int64_t expires_us;
};
/* clang-format off */
static const struct field credential_fields[] = {
    FIELD(struct credential_answer, credential, "credential", F_REQUIRED | F_NONEMPTY),
    FIELD(struct credential_answer, expires_us, "expires_at", F_REQUIRED | F_TIME),
};
static OBJECT(credential_object, struct credential_answer, credential_fields, OPEN);
static const struct field membership_row_fields[] = {
    FIELD(struct credential_answer, credential, "credential", F_REQUIRED),
    FIELD(struct credential_answer, expires_us, "expires_us", F_REQUIRED),
};
/* clang-format on */
static OBJECT(membership_row, struct credential_answer, membership_row_fields, OPEN);

struct keep {
    struct writer_op op;
    struct app *app;
    struct arena *arena;
    struct credential_answer answer;
};

static int keep_membership(struct db *tx, void *arg, struct err *err)
{
    const struct keep *keep = arg;
    const struct str self = keep->app->settings->participant_did;

    if (db_exec(tx, &q_membership_put,
                DB_ARGS(DB_TEXT(self), DB_TEXT(keep->answer.credential),
                        DB_I64(keep->answer.expires_us)),
                NULL, err) < 0)
        return err_ret(err);
    return replica_tell(tx, keep->app->replica, NEWS_FACTS, self, err);
}

static void membership_kept(void *arg, const struct err *err)
{
    struct keep *keep = arg;
    struct app *app = keep->app;
    const int64_t now_us = env_wall_us(app->env);

    if (err->code != E_OK)
        log_err(NULL, "membership credential could not be stored", err);
    identity_set_membership(app->identity, keep->answer.credential, keep->answer.expires_us);
    log_info(NULL, "membership credential received",
             L_C("expires_at", time_format(keep->answer.expires_us).c));
    timed_set(app, "membership", STR("self"), now_us + (keep->answer.expires_us - now_us) / 2);
    arena_free(&keep->arena);
    free(keep);
}

static void try_again(struct exchange *exchange)
{
    int64_t wait_us;

    pthread_mutex_lock(&exchange->lock);
    wait_us = exchange->membership_wait_us;
    exchange->membership_wait_us =
        wait_us * 2 < MEMBERSHIP_MAX_US ? wait_us * 2 : MEMBERSHIP_MAX_US;
    pthread_mutex_unlock(&exchange->lock);
    timed_set(exchange->app, "membership", STR("self"), env_wall_us(exchange->app->env) + wait_us);
}

int exchange__take_credential(struct app *app, struct str body, struct err *err)
{
    struct keep *keep = calloc(1, sizeof(*keep));

    if (keep == NULL || (keep->arena = arena_new(KIB(64))) == NULL) {
        free(keep);
        return err_set(err, E_NO_MEMORY, "", "credential");
    }
    keep->app = app;
    keep->op = (struct writer_op){.name = "membership",
                                  .fn = keep_membership,
                                  .arg = keep,
                                  .done = membership_kept,
                                  .lazy = true};
    if (object_parse(&credential_object, body, &jlimits_default, keep->arena, &keep->answer, err) <
            0 ||
        writer_submit(app->writer, &keep->op, err) < 0) {
        arena_free(&keep->arena);
        free(keep);
        return err_ret(err);
    }
    return 0;
}

static void credential_came(void *cls, const struct fetch_response *response,
                            const struct err *fetch_err)
{
    struct exchange *exchange = cls;
    struct err err = {0};

    if (response == NULL)
        err = *fetch_err;
    else if (response->status != 200)
        (void)err_set(&err, E_PEER_REFUSED, "", "HTTP status %d: %.*s", response->status,
                      STR_ARG(response->body));
    else
        IGNORE(exchange__take_credential(exchange->app, response->body, &err),
               "err is looked at below");
    if (err.code == E_OK) {
        pthread_mutex_lock(&exchange->lock);
        exchange->membership_wait_us = MEMBERSHIP_MIN_US;
        pthread_mutex_unlock(&exchange->lock);
        return;
    }
    if (err.code != E_SHUTDOWN) {
        log_info(NULL, "no membership credential yet", L_C("reason", err.text));
        try_again(exchange);
    }
}

static int ask_for_credential(struct exchange *exchange, struct err *err)
{
    struct app *app = exchange->app;
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);

    if (identity_token(app->identity, app->settings->broker_did, &token, err) < 0)
        return err_ret(err);
    buf_add_str(&url, app->settings->broker_url);
    buf_add_c(&url, "/v1/participants/me/credential");

    const struct fetch_header header = {STR("Authorization"), buf_str(&token)};
    const struct fetch_request request = {
        .method = "GET",
        .url = buf_str(&url),
        .headers = &header,
        .n_headers = 1,
        .deadline_mono_us = env_mono_us(app->env) + SEND_TIME_US,
        .done = credential_came,
        .cls = exchange,
    };

    return fetch_submit(app->fetcher, &request, NULL, err);
}

void exchange_membership_renew(struct exchange *exchange)
{
    struct err err = {0};

    if (ask_for_credential(exchange, &err) < 0 && err.code != E_SHUTDOWN) {
        log_err(NULL, "membership credential could not be asked for", &err);
        try_again(exchange);
    }
}

int exchange_membership(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(32));
    struct credential_answer row = {0};
    struct jw w = jw_init(&out);
    const enum db_result found =
        db_one(worker->db, &q_membership_get, DB_ARGS(DB_TEXT(app->settings->participant_did)),
               &membership_row, rq->arena, &row, err);

    if (found == DB_FAIL)
        return err_ret(err);
    jw_object(&w);
    jw_kstr(&w, "participant", app->settings->participant_did);
    jw_kstr(&w, "broker", app->settings->broker_did);
    jw_kbool(&w, "member", found == DB_ROW && row.expires_us > env_wall_us(rq->env));
    if (found == DB_ROW)
        jw_kc(&w, "expires_at", time_format(row.expires_us).c);
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

/* Asks at once: after an approval nobody waits for the next turn of the back-off. */
int exchange_membership_ask(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;

    if (!exchange_enabled(app))
        return err_tell(err, E_NOT_FOUND, "", "no data bank is configured");
    exchange_membership_renew(app->exchange);
    rq_reply_empty(rq, 202);
    return 0;
}

int exchange_membership_load(const struct app *app, struct db *db, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    struct credential_answer row = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "membership");
    switch (db_one(db, &q_membership_get, DB_ARGS(DB_TEXT(app->settings->participant_did)),
                   &membership_row, arena, &row, err)) {
    case DB_ROW: identity_set_membership(app->identity, row.credential, row.expires_us); return 0;
    case DB_NONE: identity_drop_membership(app->identity); return 0;
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

/* -- start ------------------------------------------------------------------------------------- */

struct count {
    int64_t n;
};
/* clang-format off */
static const struct field count_fields[] = {FIELD(struct count, n, "n", F_REQUIRED)};
/* clang-format on */
static OBJECT(count_row, struct count, count_fields, OPEN);

int exchange__batches(struct db *db, struct arena *arena, int64_t *ret_n, struct err *err)
{
    struct count count = {0};

    if (db_one(db, &q_outbox_count_kind, DB_ARGS(DB_TEXT(STR("broker.usage"))), &count_row, arena,
               &count, err) == DB_FAIL)
        return err_ret(err);
    *ret_n = count.n;
    return 0;
}

/*
 * A batch that was in flight before a restart is still in the outbox; read before that starts to
 * send.
 */
static int load_state(struct exchange *exchange, struct err *err)
{
    const struct app *app = exchange->app;
    struct db_cfg cfg = app->db;
    AUTO(db_close) struct db *db = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    int64_t batches = 0;

    cfg.read_only = true;
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "exchange");
    if (db_open(&cfg, &db, err) < 0 || exchange__batches(db, arena, &batches, err) < 0)
        return err_ret(err);
    exchange->batch_in_flight = batches > 0 && app->replica == NULL; /* else it may be another's */
    return exchange_membership_load(app, db, err);
}

int exchange_open(struct app *app, struct exchange **ret_exchange, struct err *err)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange == NULL)
        return err_set(err, E_NO_MEMORY, "", "exchange");
    CHECK(pthread_mutex_init(&exchange->lock, NULL) == 0);
    exchange->app = app;
    exchange->membership_wait_us = MEMBERSHIP_MIN_US;
    exchange->ask_wait_us = US_PER_S;
    if (exchange_enabled(app) && load_state(exchange, err) < 0) {
        exchange_close(&exchange);
        return err_ret(err);
    }
    *ret_exchange = exchange;
    return 0;
}

struct party {
    struct str peer_id;
};

static const struct field party_fields[] = {FIELD(struct party, peer_id, "peer_id", F_REQUIRED)};
static OBJECT(party_row, struct party, party_fields, OPEN);

static int expect_party(void *cls, const void *row, struct err *err)
{
    const struct party *party = row;
    struct app *app = cls;

    (void)err;
    identity_expect(app->identity, party->peer_id);
    return 0;
}

/* Keys that trades under way will need, in case the data bank that hosts them goes away. */
static int expect_parties(struct app *app, struct err *err)
{
    AUTO(db_close) struct db *db = NULL;

    identity_expect(app->identity, app->settings->broker_did);
    if (db_open(&app->db, &db, err) < 0)
        return err_ret(err);
    return db_each(db, &q_purchase_parties, DB_NO_ARGS, &party_row, expect_party, app, err);
}

int exchange_start(struct app *app, struct err *err)
{
    if (!exchange_enabled(app))
        return 0;
    if (expect_parties(app, err) < 0 || exchange__revocations_start(app, err) < 0)
        return err_ret(err);
    exchange_membership_renew(app->exchange);
    exchange_receipts_wake(app->exchange);
    return 0;
}
