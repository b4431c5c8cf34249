/*
 * server/registry/revoke.c - what the data bank no longer stands for: telling all connectors; GET
 * /v1/revocations
 *
 * A revocation is a signed, numbered document that names credentials of one company (docs/exchange.md
 * §2). It leaves through the outbox to every member's connector and to the company's own, and is
 * sent until it is taken, or until what it names has expired anyway. Numbers follow the order of the
 * commits, so a connector that asks for those after the last one that it knows misses none.
 */
#include "lib/base/timefmt.h"
#include "lib/sm/outbox.h"
#include "server/audit/audit.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct revoked {
    struct uuid credential_id;
    int64_t expires_us;
};

struct last {
    int64_t number;
};

struct reach {
    struct uuid participant_id;
    struct str did, connector_url;
};

struct made {
    int64_t number;
    struct str document;
};
/* clang-format off */
static const struct field revoked_fields[] = {
    FIELD(struct revoked, credential_id, "credential_id", F_REQUIRED),
    FIELD(struct revoked, expires_us,    "expires_at",    F_REQUIRED | F_TIME),
};
static OBJECT(revoked_row, struct revoked, revoked_fields, OPEN);
static const struct field last_fields[] = {FIELD(struct last, number, "number", F_REQUIRED)};
static OBJECT(last_row, struct last, last_fields, OPEN);
static const struct field reach_fields[] = {
    FIELD(struct reach, participant_id, "participant_id", F_REQUIRED),
    FIELD(struct reach, did,            "did",            F_REQUIRED),
    FIELD(struct reach, connector_url,  "connector_url",  F_REQUIRED),
};
static OBJECT(reach_row, struct reach, reach_fields, OPEN);
static const struct field made_fields[] = {
    FIELD(struct made, number,   "number",   F_REQUIRED),
    FIELD(struct made, document, "document", F_REQUIRED),
};
/* clang-format on */
static OBJECT(made_row, struct made, made_fields, OPEN);

/* -- telling ----------------------------------------------------------------------------------- */

static int room_for(struct registry_delivery *d, size_t n, struct arena *arena, struct err *err)
{
    struct outbox_msg *grown = ARENA_ARRAY(arena, struct outbox_msg, d->n + n);

    if (grown == NULL)
        return err_set(err, E_NO_MEMORY, "", "deliveries");
    if (d->n > 0)
        memcpy(grown, d->msg, d->n * sizeof(*grown));
    d->msg = grown;
    return 0;
}

static int put(struct app *app, struct db *tx, const struct reach *to, const char *kind,
               struct str body, int64_t deadline_us, struct arena *arena,
               struct registry_delivery *d, struct err *err)
{
    struct outbox_msg *msg = &d->msg[d->n];

    *msg = (struct outbox_msg){
        .id = outbox_next_id(app->outbox),
        .stream = arena_printf(arena, "%s/%s", kind, uuid_format(to->participant_id).c),
        .kind = str_c(kind),
        .url = arena_printf(arena, "%.*s/exchange/v1/%s", STR_ARG(to->connector_url), kind),
        .audience = to->did,
        .body = body,
        .deadline_us = deadline_us,
        .due_us = env_wall_us(app->env),
    };
    if (arena_failed(arena))
        return err_set(err, E_NO_MEMORY, "", "deliveries");
    if (outbox_put(app->outbox, tx, msg, err) < 0)
        return err_ret(err);
    d->n++;
    return 0;
}

int registry__renew(struct app *app, struct db *tx, const struct participant *p,
                    struct arena *arena, struct registry_delivery *delivery, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(32));
    const struct reach own = {p->participant_id, p->did, p->connector_url};
    struct credential credential = {0};
    struct jw w = jw_init(&body);
    struct str text;

    if (registry__issue(app, tx, p, arena, &credential, err) < 0)
        return err_ret(err);
    if (p->connector_url.n == 0)
        return 0;
    registry__write_credential(&credential, &w);
    text = arena_str(arena, buf_str(&body));
    if (!str_present(text) || room_for(delivery, 1, arena, err) < 0)
        return err_set(err, E_NO_MEMORY, "", "deliveries");
    return put(app, tx, &own, "membership", text, credential.expires_us, arena, delivery, err);
}

void registry__deliver(struct app *app, const struct registry_delivery *delivery)
{
    for (size_t i = 0; i < delivery->n; i++)
        outbox_wake(app->outbox, &delivery->msg[i]);
}

/* -- revoking ---------------------------------------------------------------------------------- */

static int log_revoked(struct db *tx, const struct wire_revocation *r, struct uuid participant,
                       struct err *err)
{
    for (size_t i = 0; i < r->credentials.n; i++) {
        AUTO(buf_done) struct buf body = buf_init(KIB(1));
        struct jw w = jw_init(&body);

        jw_object(&w);
        jw_ki64(&w, "revocation", r->number);
        jw_kstr(&w, "credential", r->credentials.items[i]);
        jw_kc(&w, "participant", uuid_format(participant).c);
        jw_kc(&w, "reason", revocation_reason_names[r->reason]);
        jw_object_end(&w);
        if (audit_append(tx, ENTRY_CREDENTIAL_REVOKED, r->at_us, buf_str(&body), err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* Signs, stores and logs; *ret_body is what the connectors get. */
static int make(struct app *app, struct db *tx, const struct wire_revocation *r,
                struct uuid participant, struct arena *arena, struct str *ret_body, struct err *err)
{
    AUTO(buf_done) struct buf payload = buf_init(LIMIT_DOCUMENT);
    AUTO(buf_done) struct buf body = buf_init(2 * LIMIT_DOCUMENT);
    struct str document;
    size_t from;

    object_canonical(&wire_revocation_object, r, &payload);
    buf_add_c(&body, "{\"revocation\":\"");
    from = body.n;
    if (buf_failed(&payload) ||
        broker_sign(app, WIRE_TYP_REVOCATION, buf_str(&payload), &body, err) < 0)
        return err->code == E_OK ? err_set(err, E_LIMIT, "", "revocation") : err_ret(err);
    document = arena_str(arena, str_from(buf_str(&body), from));
    buf_add_c(&body, "\"}");
    *ret_body = arena_str(arena, buf_str(&body));
    if (buf_failed(&body) || arena_failed(arena))
        return err_set(err, E_NO_MEMORY, "", "revocation");
    if (db_exec(tx, &q_revocation_insert,
                DB_ARGS(DB_I64(r->number), DB_UUID(participant), DB_TEXT(document),
                        DB_TIME(r->at_us), DB_TIME(r->until_us)),
                NULL, err) < 0)
        return err_ret(err);
    return log_revoked(tx, r, participant, err);
}

static int next_number(struct db *tx, struct arena *arena, int64_t *ret_number, struct err *err)
{
    struct last last = {0};

    if (db_exec(tx, &q_revocation_turn, DB_NO_ARGS, NULL, err) < 0 ||
        db_one(tx, &q_revocation_last, DB_NO_ARGS, &last_row, arena, &last, err) != DB_ROW)
        return err_ret(err);
    *ret_number = last.number + 1;
    return 0;
}

/* Names the credentials that had not expired; their last instant is *ret->until_us. */
static int name_credentials(const struct list *revoked, struct arena *arena,
                            struct wire_revocation *r, struct err *err)
{
    r->credentials.items = ARENA_ARRAY(arena, struct str, revoked->n);
    if (r->credentials.items == NULL)
        return err_set(err, E_NO_MEMORY, "", "revocation");
    for (size_t i = 0; i < revoked->n; i++) {
        const struct revoked *one = &LIST_ITEMS(struct revoked, *revoked)[i];

        r->credentials.items[r->credentials.n++] =
            arena_str(arena, str_c(uuid_format(one->credential_id).c));
        if (one->expires_us > r->until_us)
            r->until_us = one->expires_us;
    }
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "revocation") : 0;
}

int registry__revoke(struct app *app, struct db *tx, const struct participant *p,
                     enum revocation_reason reason, struct arena *arena,
                     struct registry_delivery *delivery, struct err *err)
{
    struct wire_revocation r = {
        .issuer = app->settings->did,
        .subject = p->did,
        .at_us = env_wall_us(app->env),
        .reason = (int)reason,
    };
    struct list revoked = {0}, members = {0};
    struct str body;

    if (db_list(tx, &q_credential_revoke, DB_ARGS(DB_UUID(p->participant_id), DB_TIME(r.at_us)),
                &revoked_row, arena, 0, &revoked, err) < 0)
        return err_ret(err);
    if (revoked.n == 0)
        return 0; /* there is nothing that anybody could believe */
    if (name_credentials(&revoked, arena, &r, err) < 0 ||
        next_number(tx, arena, &r.number, err) < 0 ||
        make(app, tx, &r, p->participant_id, arena, &body, err) < 0 ||
        db_list(tx, &q_participant_reach, DB_ARGS(DB_UUID(p->participant_id)), &reach_row, arena, 0,
                &members, err) < 0 ||
        room_for(delivery, members.n + 1, arena, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < members.n; i++) {
        if (put(app, tx, &LIST_ITEMS(struct reach, members)[i], "revocations", body, r.until_us,
                arena, delivery, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* -- asking ------------------------------------------------------------------------------------ */

int registry_revocations(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    const struct made *items;
    struct last last = {0};
    struct list list = {0};
    struct jw w = jw_init(&out);
    int64_t since, most;

    /* the last number first: what comes after it is asked for the next time */
    if (rq_query_i64(rq, "since", 0, 0, INT64_MAX, &since, err) < 0 ||
        rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &most, err) < 0 ||
        db_one(worker->db, &q_revocation_last, DB_NO_ARGS, &last_row, rq->arena, &last, err) !=
            DB_ROW ||
        db_list(worker->db, &q_revocation_list,
                DB_ARGS(DB_I64(since), DB_TIME(env_wall_us(rq->env)), DB_I64(most)), &made_row,
                rq->arena, (size_t)most, &list, err) < 0)
        return err_ret(err);
    items = list.items;
    if (list.n == (size_t)most)
        last.number = items[list.n - 1].number;
    else if (list.n > 0 && items[list.n - 1].number > last.number)
        last.number = items[list.n - 1].number;
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++)
        jw_str(&w, items[i].document);
    jw_array_end(&w);
    jw_ki64(&w, "next", last.number > since ? last.number : since);
    jw_kbool(&w, "complete", list.n < (size_t)most);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
