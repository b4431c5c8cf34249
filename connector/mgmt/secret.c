/*
 * connector/mgmt/secret.c - /v3/secrets: values that data addresses and callbacks name by alias
 */
#include "connector/mgmt/mgmt_private.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TYPE      "Secret"
#define VALUE_MAX KIB(64)

struct secret_in {
    struct str id, value;
};
/* clang-format off */
static const struct form_row secret_rows[] = {
    FORM_ROW(struct secret_in, id,    "@id",          FORM_ID,   false),
    FORM_ROW(struct secret_in, value, LD_EDC "value", FORM_TEXT, true),
};
FORM(secret_form, secret_rows);

struct secret_kept {
    struct str secret_id, value;
    int64_t created_us;
};
static const struct field secret_fields[] = {
    FIELD(struct secret_kept, secret_id,  "secret_id",  F_REQUIRED),
    FIELD(struct secret_kept, value,      "value",      F_REQUIRED | F_SECRET),
    FIELD(struct secret_kept, created_us, "created_us", F_REQUIRED),
};
/* clang-format on */
static OBJECT(secret_row, struct secret_kept, secret_fields, OPEN);

struct secret_change {
    struct change change;
    struct str id, value;
};

static int read_secret(struct rq *rq, bool create, struct secret_change **ret, struct err *err)
{
    struct secret_change *c = ARENA_NEW(rq->arena, struct secret_change);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;
    struct secret_in in = {0};

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    if (mgmt__expand(rq, &v4_secret, false, &doc, &node, err) < 0 ||
        form_decode(&secret_form, node, rq->arena, &in, err) < 0)
        return err_ret(err);
    if (in.value.n > VALUE_MAX)
        return err_tell(err, E_LIMIT, "/" LD_EDC "value", "at most %zu bytes", VALUE_MAX);
    if (!create && !str_present(in.id))
        return form_missing(err, "value", "@id");
    c->change.now_us = env_wall_us(rq->env);
    c->id = mgmt__id_or_new(rq, in.id);
    c->value = in.value;
    *ret = c;
    return 0;
}

static int insert_secret(struct db *tx, void *arg, struct err *err)
{
    const struct secret_change *c = arg;
    int64_t n = 0;

    if (db_exec(tx, &q_mgmt_secret_insert,
                DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->value), DB_I64(c->change.now_us)), &n, err) < 0)
        return err_ret(err);
    return n > 0 ? mgmt__event(&c->change, tx, EV_SECRET_CREATED, c->id, err)
                 : mgmt__exists(err, TYPE, c->id);
}

static int update_secret(struct db *tx, void *arg, struct err *err)
{
    const struct secret_change *c = arg;
    int64_t n = 0;

    if (db_exec(tx, &q_mgmt_secret_update, DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->value)), &n, err) < 0)
        return err_ret(err);
    return n > 0 ? mgmt__event(&c->change, tx, EV_SECRET_UPDATED, c->id, err)
                 : mgmt__not_found(err, TYPE, c->id);
}

static int delete_secret(struct db *tx, void *arg, struct err *err)
{
    const struct secret_change *c = arg;
    int64_t n = 0;

    if (db_exec(tx, &q_mgmt_secret_delete, DB_ARGS(DB_TEXT(c->id)), &n, err) < 0)
        return err_ret(err);
    return n > 0 ? mgmt__event(&c->change, tx, EV_SECRET_DELETED, c->id, err)
                 : mgmt__not_found(err, TYPE, c->id);
}

int mgmt_secret_create(struct rq *rq, struct err *err)
{
    struct secret_change *c;

    if (read_secret(rq, true, &c, err) < 0)
        return err_ret(err);
    c->change.id = c->id;
    return mgmt__change(rq, &c->change, "secret create", insert_secret, err);
}

int mgmt_secret_update(struct rq *rq, struct err *err)
{
    struct secret_change *c;

    if (read_secret(rq, false, &c, err) < 0)
        return err_ret(err);
    return mgmt__change(rq, &c->change, "secret update", update_secret, err);
}

int mgmt_secret_delete(struct rq *rq, struct err *err)
{
    struct secret_change *c = ARENA_NEW(rq->arena, struct secret_change);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->id = rq_param(rq, "id");
    return mgmt__change(rq, &c->change, "secret delete", delete_secret, err);
}

int mgmt_secret_get(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf body = buf_init(KIB(512));
    struct secret_kept row = {0};
    struct jw w = jw_init(&body);

    switch (db_one(worker->db, &q_mgmt_secret_get, DB_ARGS(DB_TEXT(rq_param(rq, "id"))),
                   &secret_row, rq->arena, &row, err)) {
    case DB_NONE: return mgmt__not_found(err, TYPE, rq_param(rq, "id"));
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    jw_object(&w);
    jw_kstr(&w, "@id", row.secret_id);
    jw_kc(&w, "@type", TYPE);
    jw_kstr(&w, "value", row.value);
    mgmt__context(&w);
    return mgmt__reply(rq, &body, err);
}
