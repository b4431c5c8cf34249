/*
 * connector/events/deliver.c - callbacks leave
 *
 * The outbox hands over what is due; here it is queued by the host that is called (struct target). The
 * unit's thread takes from the queues, reads the event, writes and signs its body, and gives it to the
 * fetcher. A host begins with one request at a time, and may have twice as many with each answer, up
 * to TARGET_FLYING. One that does not answer, or says that it cannot (502, 503, 504, 429), is tried
 * with one request again, after 0.1, 0.2, 0.4 … 60 s; meanwhile its queue costs neither connections
 * nor writes. All of them together take no more than FLYING_MAX of the fetcher's requests. The outbox
 * repeats what came back, with its own back-off per stream, until the deadline.
 */
#include "connector/events/events_private.h"
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "lib/wire/wire.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TARGET_FLYING 32
#define FLYING_MAX    64
#define RETRY_MIN_US  (US_PER_S / 10)
#define RETRY_MAX_US  (60 * US_PER_S)
#define SEND_TIME_US  (30 * US_PER_S)
#define BODY_MAX      MIB(4)
#define ARENA_MAX     MIB(16)

struct parked {
    const struct outbox_msg *msg;
    struct parked *next;
};

/* One host that is called. */
struct target {
    struct parked *first, *last;
    int64_t flying, window;
    int64_t failures; /* in a row */
    int64_t retry_us; /* monotonic */
    struct target *next;
    char key[]; /* scheme://host:port */
};

struct sending {
    struct events *events;
    struct target *target;
    const struct outbox_msg *msg;
    struct buf body; /* owned */
};

static void lock(struct events *events)
{
    CHECK(pthread_mutex_lock(&events->lock) == 0);
}

static void unlock(struct events *events)
{
    CHECK(pthread_mutex_unlock(&events->lock) == 0);
}

/* -- targets, under the lock ------------------------------------------------------------------- */

static struct target *target_of(struct events *events, struct str key)
{
    struct target *target;

    for (target = events->targets; target != NULL; target = target->next) {
        if (str_eq_c(key, target->key))
            return target;
    }
    target = calloc(1, sizeof(*target) + key.n + 1);
    if (target == NULL)
        return NULL;
    memcpy(target->key, key.p, key.n);
    target->window = 1;
    target->next = events->targets;
    events->targets = target;
    return target;
}

/* A target that has nothing to do is forgotten once its retry time, if any, has passed. */
static void sweep_targets(struct events *events, int64_t now_us)
{
    for (struct target **p = &events->targets; *p != NULL;) {
        struct target *target = *p;

        if (target->first == NULL && target->flying == 0 && target->retry_us <= now_us) {
            *p = target->next;
            free(target);
        } else {
            p = &target->next;
        }
    }
}

static bool may_leave(const struct target *target, int64_t now_us)
{
    if (target->first == NULL)
        return false;
    return target->failures == 0 ? target->flying < target->window
                                 : target->flying == 0 && target->retry_us <= now_us;
}

static const struct outbox_msg *take_first(struct target *target)
{
    struct parked *parked = target->first;
    const struct outbox_msg *msg = parked->msg;

    target->first = parked->next;
    free(parked);
    return msg;
}

void events__targets_free(struct events *events)
{
    while (events->targets != NULL) {
        struct target *target = events->targets;

        events->targets = target->next;
        while (target->first != NULL)
            (void)take_first(target);
        free(target);
    }
}

/* -- ends -------------------------------------------------------------------------------------- */

/* What an attempt tells of the host. */
enum landing { HOST_ANSWERS, HOST_AWAY, HOST_UNKNOWN };

/* What was taken has come to its end. */
static void landed(struct events *events, struct target *target, enum landing landing)
{
    lock(events);
    target->flying--;
    events->flying--;
    if (landing == HOST_ANSWERS) {
        target->window = target->window * 2 < TARGET_FLYING ? target->window * 2 : TARGET_FLYING;
        target->failures = 0;
        target->retry_us = 0;
    } else if (landing == HOST_AWAY) {
        const int64_t wait_us = RETRY_MIN_US << (target->failures < 10 ? target->failures : 10);

        target->window = 1;
        target->failures++;
        target->retry_us =
            env_mono_us(events->app->env) + (wait_us < RETRY_MAX_US ? wait_us : RETRY_MAX_US);
    }
    CHECK(pthread_cond_signal(&events->wake) == 0);
    unlock(events);
}

/* Not admitted, not found: a receiver may be set up later; other refusals are about the message. */
static enum outbox_result meaning(int status)
{
    if (status >= 200 && status < 300)
        return OUTBOX_SENT;
    if (status >= 500 || status == 401 || status == 403 || status == 404 || status == 408 ||
        status == 425 || status == 429)
        return OUTBOX_AGAIN;
    return OUTBOX_REFUSED;
}

static bool is_away(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* For the log: what follows may be a secret of the receiver. */
static struct str without_query(struct str url)
{
    return str_cut(&url, '?');
}

static void sent(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct sending *s = cls;
    struct events *events = s->events;
    const struct outbox_msg *msg = s->msg;
    struct outbox *outbox = events->app->outbox;
    enum outbox_result result = OUTBOX_AGAIN;
    const int status = response != NULL ? response->status : 0;

    if (response != NULL)
        result = meaning(status);
    else if (err->code == E_PEER_ADDRESS || err->code == E_INVALID)
        result = OUTBOX_REFUSED;
    if (result == OUTBOX_AGAIN && msg->attempts == 0)
        log_warning(NULL, "a callback is not taken, it is repeated",
                    L_STR("url", without_query(msg->url)), L_STR("stream", msg->stream),
                    L_I64("status", status), L_C("error", response == NULL ? err->text : ""));
    landed(events, s->target, response != NULL && !is_away(status) ? HOST_ANSWERS : HOST_AWAY);
    buf_done(&s->body);
    free(s);
    outbox_result(outbox, msg, result, STR_NONE);
}

/* -- leaving; the unit's thread ---------------------------------------------------------------- */

struct secret_value {
    struct str value;
};
/* clang-format off */
static const struct field secret_fields[] = {FIELD(struct secret_value, value, "value", F_REQUIRED | F_SECRET)};
/* clang-format on */
static OBJECT(secret_value_row, struct secret_value, secret_fields, OPEN);

static int read_secret(struct events *events, struct str id, struct arena *arena,
                       struct str *ret_value, struct err *err)
{
    struct secret_value secret = {0};

    switch (db_one(events->db, &q_event_secret, DB_ARGS(DB_TEXT(id)), &secret_value_row, arena,
                   &secret, err)) {
    case DB_ROW: *ret_value = secret.value; return 0;
    case DB_NONE:
        return err_set(err, E_NOT_FOUND, "authCodeId", "there is no secret '%.*s'", STR_ARG(id));
    case DB_FAIL: break;
    }
    return err_ret(err);
}

static int read_event(struct events *events, int64_t seq, struct arena *arena,
                      struct event_row *ret_row, struct err *err)
{
    switch (db_one(events->db, &q_event_get, DB_ARGS(DB_I64(seq)), &event_row_object, arena,
                   ret_row, err)) {
    case DB_ROW: return 0;
    case DB_NONE: return err_set(err, E_INVALID, "event", "event %lld is gone", (long long)seq);
    case DB_FAIL: break;
    }
    return err_ret(err);
}

static enum fetch_flow discard(void *cls, const void *p, size_t n)
{
    (void)cls;
    (void)p;
    (void)n;
    return FETCH_GO;
}

static int submit(struct sending *s, struct arena *arena, struct err *err)
{
    struct events *events = s->events;
    struct app *app = events->app;
    AUTO(buf_done) struct buf signature = buf_init(KIB(16));
    const bool cloud = str_eq(s->msg->kind, STR("event.cloudevents"));
    const struct event_source source = {app->settings->participant_did, app->public_url};
    struct fetch_header headers[3];
    struct event_order order = {0};
    struct event_row row = {0};
    size_t n = 0;

    if (object_parse(&event_order_object, s->msg->body, NULL, arena, &order, err) < 0 ||
        read_event(events, order.event, arena, &row, err) < 0)
        return err_ret(err);
    events__body(&row, cloud ? EVENT_CLOUD : EVENT_EDC, &source, &s->body);
    if (buf_failed(&s->body))
        return err_set(err, E_INVALID, "event", "its body is too large");
    if (events__sign(app, buf_str(&s->body), &signature, err) < 0)
        return err_ret(err);
    headers[n++] = (struct fetch_header){
        STR("Content-Type"), cloud ? STR("application/cloudevents+json") : STR("application/json")};
    headers[n++] = (struct fetch_header){STR(WIRE_SIGNATURE_HEADER), buf_str(&signature)};
    if (order.auth_key.n > 0) {
        headers[n].name = order.auth_key;
        if (read_secret(events, order.auth_code_id, arena, &headers[n++].value, err) < 0)
            return err_ret(err);
    }

    const struct fetch_request request = {
        .method = "POST",
        .url = s->msg->url,
        .headers = headers,
        .n_headers = n,
        .body = buf_str(&s->body),
        .deadline_mono_us = env_mono_us(app->env) + SEND_TIME_US,
        .sink = discard,
        .done = sent,
        .cls = s,
    };

    return fetch_submit(app->fetcher, &request, NULL, err);
}

/* It did not even leave: our fault, or a secret that is not there yet. */
static void not_sent(struct events *events, struct target *target, const struct outbox_msg *msg,
                     const struct err *err)
{
    const bool final = err->code == E_INVALID || err->code == E_PEER_ADDRESS;

    if (final || msg->attempts == 0)
        log_err(NULL, "a callback cannot be sent", err);
    landed(events, target, HOST_UNKNOWN);
    outbox_result(events->app->outbox, msg, final ? OUTBOX_REFUSED : OUTBOX_AGAIN, STR_NONE);
}

static void leave(struct events *events, struct target *target, const struct outbox_msg *msg)
{
    AUTO(arena_free) struct arena *arena = arena_new(ARENA_MAX);
    struct sending *s = calloc(1, sizeof(*s));
    struct err err = {0};

    if (arena == NULL || s == NULL)
        (void)err_set(&err, E_NO_MEMORY, "", "callback");
    if (err.code == E_OK) {
        *s = (struct sending){events, target, msg, buf_init(BODY_MAX)};
        if (submit(s, arena, &err) == 0)
            return;
        buf_done(&s->body);
    }
    free(s);
    not_sent(events, target, msg, &err);
}

/* Starts one; false if none may leave. Under the lock, which it gives up meanwhile. */
static bool start_one(struct events *events)
{
    const int64_t now_us = env_mono_us(events->app->env);
    struct target *target = events->targets;

    while (target != NULL && !may_leave(target, now_us))
        target = target->next;
    if (target == NULL || events->flying >= FLYING_MAX)
        return false;

    const struct outbox_msg *msg = take_first(target);

    target->flying++;
    events->flying++;
    unlock(events);
    if (env_wall_us(events->app->env) >= msg->deadline_us) {
        landed(events, target, HOST_UNKNOWN);
        outbox_result(events->app->outbox, msg, OUTBOX_AGAIN, STR_NONE); /* it finds it late */
    } else {
        leave(events, target, msg);
    }
    lock(events);
    return true;
}

/* When a host that was away is tried again; 0: none waits. */
static int64_t next_retry(const struct events *events)
{
    int64_t first_us = 0;

    for (const struct target *t = events->targets; t != NULL; t = t->next) {
        if (t->first != NULL && t->failures > 0 && t->flying == 0 &&
            (first_us == 0 || t->retry_us < first_us))
            first_us = t->retry_us;
    }
    return first_us;
}

static void wait_until(struct events *events, int64_t until_us)
{
    const struct timespec until = {until_us / US_PER_S, until_us % US_PER_S * 1000};

    if (until_us == 0)
        CHECK(pthread_cond_wait(&events->wake, &events->lock) == 0);
    else
        (void)pthread_cond_timedwait(&events->wake, &events->lock, &until);
}

static int64_t earlier(int64_t a_us, int64_t b_us)
{
    return a_us == 0 || (b_us != 0 && b_us < a_us) ? b_us : a_us;
}

/* What has not left goes back to the outbox, which keeps it for the next start. */
static void give_back(struct events *events)
{
    for (struct target *t = events->targets; t != NULL; t = t->next) {
        while (t->first != NULL) {
            const struct outbox_msg *msg = take_first(t);

            unlock(events);
            outbox_result(events->app->outbox, msg, OUTBOX_AGAIN, STR_NONE);
            lock(events);
        }
    }
}

void *events__run(void *cls)
{
    struct events *events = cls;

    lock(events);
    while (!events->closing) {
        const int64_t now_us = env_mono_us(events->app->env);
        const int64_t followers_us = events__wake_followers(events, now_us);

        if (start_one(events))
            continue;
        sweep_targets(events, now_us);
        wait_until(events, earlier(followers_us, next_retry(events)));
    }
    (void)events__wake_followers(events, 0);
    give_back(events);
    unlock(events);
    return NULL;
}

/* -- the outbox's side ------------------------------------------------------------------------- */

/* Queues it; false when closing or without memory. */
static bool park(struct events *events, struct str key, const struct outbox_msg *msg)
{
    struct parked *parked = malloc(sizeof(*parked));
    struct target *target = NULL;

    lock(events);
    if (parked != NULL && !events->closing)
        target = target_of(events, key);
    if (target != NULL) {
        *parked = (struct parked){msg, NULL};
        if (target->first == NULL)
            target->first = parked;
        else
            target->last->next = parked;
        target->last = parked;
        CHECK(pthread_cond_signal(&events->wake) == 0);
    }
    unlock(events);
    if (target == NULL)
        free(parked);
    return target != NULL;
}

void events_send(struct app *app, const struct outbox_msg *msg)
{
    AUTO(buf_done) struct buf key = buf_init(LIMIT_URL * 2);
    struct err err = {0};

    if (fetch_url_check(app->fetcher, msg->url, &key, &err) < 0) {
        log_err(NULL, "a callback cannot be sent", &err);
        outbox_result(app->outbox, msg, err.code == E_PEER_ADDRESS ? OUTBOX_REFUSED : OUTBOX_AGAIN,
                      STR_NONE);
        return;
    }
    if (!park(app->events, buf_str(&key), msg))
        outbox_result(app->outbox, msg, OUTBOX_AGAIN, STR_NONE);
}

void events_after(struct app *app, const struct outbox_msg *msg, enum outbox_result result)
{
    atomic_fetch_sub(&app->events->backlog, 1);
    if (result == OUTBOX_SENT) {
        COUNT(C_CALLBACKS_SENT);
        return;
    }
    COUNT(C_CALLBACKS_LOST);
    log_warning(NULL, "a callback was not taken and is given up",
                L_STR("url", without_query(msg->url)), L_STR("stream", msg->stream));
}
