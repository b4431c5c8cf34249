/*
 * connector/mgmt/policy_definition.c - /v3/policydefinitions: create, update, read, query, delete,
 * validate
 *
 * A policy is compiled when it arrives; what the engine does not understand is refused with its
 * place. It is kept in its expanded form, which means the same whatever context stood around it. It
 * may inherit from other policy definitions, which it names by their ids (connector/store/lineage.h).
 */
#include "connector/mgmt/mgmt_private.h"
#include "connector/store/lineage.h"
#include "connector/store/property.h"
#include "lib/crypto/hash.h"
#include "policy/policy.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TYPE "PolicyDefinition"

struct policy_in {
    struct str id;
    const struct jval *policy, *private_properties;
};
/* clang-format off */
static const struct form_row policy_rows[] = {
    FORM_ROW(struct policy_in, id,                 "@id",                      FORM_ID,   false),
    FORM_ROW(struct policy_in, policy,             LD_EDC "policy",            FORM_NODE, true),
    FORM_ROW(struct policy_in, private_properties, LD_EDC "privateProperties", FORM_NODE, false),
};
FORM(policy_form, policy_rows);

/* clang-format on */

struct policy_change {
    struct change change;
    struct str id, policy, hash, private_properties;
};

static int keep_policy(struct policy_change *c, struct db *db, const struct jval *node,
                       struct arena *arena, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    if (lineage_compile(db, c->id, node, &policy, err) < 0)
        return mgmt__policy_place(err);
    if (policy_type(policy) != POLICY_SET)
        return err_tell(err, E_INVALID, "/" LD_EDC "policy/@type",
                        "@type was expected to be 'http://www.w3.org/ns/odrl/2/Set'");
    jval_write(&text, node);
    c->policy = arena_str(arena, buf_str(&text));
    c->hash = arena_str(arena, str_c(hash_hex(policy_hash(policy)).c));
    return 0;
}

/* `path_id` counts if it is there, else the document's; which is needed unless it is to be created. */
static int read_policy(struct rq *rq, bool create, struct str path_id, struct policy_change **ret,
                       struct err *err)
{
    const struct worker *worker = rq->thread;
    struct policy_change *c = ARENA_NEW(rq->arena, struct policy_change);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;
    struct policy_in in = {0};

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->change.now_us = env_wall_us(rq->env);
    c->change.catalogue = true;
    if (mgmt__expand(rq, &v4_policy_definition, false, &doc, &node, err) < 0 ||
        form_decode(&policy_form, node, rq->arena, &in, err) < 0)
        return err_ret(err);
    if (!create && !str_present(in.id))
        return form_missing(err, "value", "@id");
    c->id = str_present(path_id) ? path_id : mgmt__id_or_new(rq, in.id);
    if (keep_policy(c, worker->db, in.policy, rq->arena, err) < 0 ||
        mgmt__properties(in.private_properties, rq->arena, &c->private_properties, err) < 0)
        return err_ret(err);
    *ret = c;
    return 0;
}

/* After the row was written. */
static int written(struct db *tx, const struct policy_change *c, enum event_id event,
                   struct err *err)
{
    if (lineage_put(tx, c->id, c->policy, err) < 0)
        return mgmt__policy_place(err);
    if (property_clear(tx, ENTITY_POLICY, c->id, err) < 0 ||
        property_put(tx, ENTITY_POLICY, c->id, "privateProperties.", c->private_properties, err) <
            0)
        return err_ret(err);
    return mgmt__event(&c->change, tx, event, c->id, err);
}

static int insert_policy(struct db *tx, void *arg, struct err *err)
{
    const struct policy_change *c = arg;
    int64_t changed = 0;

    if (db_exec(tx, &q_mgmt_policy_insert,
                DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->policy), DB_TEXT(c->hash),
                        DB_TEXT(c->private_properties), DB_I64(c->change.now_us)),
                &changed, err) < 0)
        return err_ret(err);
    return changed > 0 ? written(tx, c, EV_POLICY_CREATED, err) : mgmt__exists(err, TYPE, c->id);
}

static int update_policy(struct db *tx, void *arg, struct err *err)
{
    const struct policy_change *c = arg;
    int64_t changed = 0;

    if (mgmt__match(tx, &c->change, &q_mgmt_policy_get, c->id, err) < 0 ||
        db_exec(tx, &q_mgmt_policy_update,
                DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->policy), DB_TEXT(c->hash),
                        DB_TEXT(c->private_properties)),
                &changed, err) < 0)
        return err_ret(err);
    return changed > 0 ? written(tx, c, EV_POLICY_UPDATED, err) : mgmt__not_found(err, TYPE, c->id);
}

int mgmt_policy_create(struct rq *rq, struct err *err)
{
    struct policy_change *c;

    if (read_policy(rq, true, STR_NONE, &c, err) < 0)
        return err_ret(err);
    c->change.id = c->id;
    return mgmt__change(rq, &c->change, "policy create", insert_policy, err);
}

/* PUT …/{id} */
int mgmt_policy_update(struct rq *rq, struct err *err)
{
    struct policy_change *c;

    if (read_policy(rq, true, rq_param(rq, "id"), &c, err) < 0)
        return err_ret(err);
    return mgmt__change(rq, &c->change, "policy update", update_policy, err);
}

/* PUT without an id in the path, as some clients send it */
int mgmt_policy_update_body(struct rq *rq, struct err *err)
{
    struct policy_change *c;

    if (read_policy(rq, false, STR_NONE, &c, err) < 0)
        return err_ret(err);
    return mgmt__change(rq, &c->change, "policy update", update_policy, err);
}

/* -- reading ----------------------------------------------------------------------------------- */

static int write_definition(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                            bool *ret_found, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct app *app = rq->app;
    struct policy_definition row = {0};

    switch (db_one(worker->db, &q_mgmt_policy_get, DB_ARGS(DB_TEXT(id)), &policy_definition_row,
                   arena, &row, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    *ret_found = true;
    mgmt__etag(rq, row.created_us, row.version);
    jw_object(w);
    jw_kstr(w, "@id", row.policy_id);
    jw_kc(w, "@type", TYPE);
    jw_ki64(w, "createdAt", row.created_us / 1000);
    if (mgmt__policy(rq, w, "policy", str_present(row.own_policy) ? row.own_policy : row.policy,
                     STR_NONE, err) < 0)
        return err_ret(err);
    if (!str_eq(row.private_properties, STR("{}")) &&
        mgmt__compact(app->mgmt, w, "privateProperties", row.private_properties, err) < 0)
        return err_ret(err);
    mgmt__context(w);
    return 0;
}

int mgmt_policy_get(struct rq *rq, struct err *err)
{
    return mgmt__read(rq, ENTITY_POLICY, rq_param(rq, "id"), write_definition, err);
}

int mgmt_policy_query(struct rq *rq, struct err *err)
{
    return mgmt__query(rq, ENTITY_POLICY, write_definition, err);
}

/*
 * What is kept was understood when it came; validating again shows whether this version still does.
 */
int mgmt_policy_validate(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct policy_definition row = {0};
    struct jw w = jw_init(&body);
    struct err refused = {0};

    switch (db_one(worker->db, &q_mgmt_policy_get, DB_ARGS(DB_TEXT(rq_param(rq, "id"))),
                   &policy_definition_row, rq->arena, &row, err)) {
    case DB_NONE: return mgmt__not_found(err, TYPE, rq_param(rq, "id"));
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    if (jdoc_parse(row.policy, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "policy '%.*s'", STR_ARG(row.policy_id));
    IGNORE(policy_compile(jdoc_root(doc), &policy, &refused), "its error is the answer");
    jw_object(&w);
    jw_kc(&w, "@type", "PolicyValidationResult");
    jw_kbool(&w, "isValid", policy != NULL);
    jw_key(&w, "errors");
    jw_array(&w);
    if (policy == NULL)
        jw_c(&w, refused.detail);
    jw_array_end(&w);
    mgmt__context(&w);
    return mgmt__reply(rq, &body, err);
}

/* -- deleting ---------------------------------------------------------------------------------- */

static int delete_policy(struct db *tx, void *arg, struct err *err)
{
    const struct policy_change *c = arg;
    int64_t n = 0;

    if (mgmt__match(tx, &c->change, &q_mgmt_policy_get, c->id, err) < 0 ||
        mgmt__count(tx, &q_mgmt_policy_definitions, c->id, &n, err) < 0)
        return err_ret(err);
    if (n > 0)
        return err_tell(err, E_IN_USE, "",
                        "PolicyDefinition %.*s cannot be deleted as it is used by %lld contract "
                        "definition(s)",
                        STR_ARG(c->id), (long long)n);
    if (lineage_count_heirs(tx, c->id, &n, err) < 0)
        return err_ret(err);
    if (n > 0)
        return err_tell(err, E_IN_USE, "",
                        "PolicyDefinition %.*s cannot be deleted as %lld policy definition(s) "
                        "inherit from it",
                        STR_ARG(c->id), (long long)n);
    if (property_clear(tx, ENTITY_POLICY, c->id, err) < 0 || lineage_clear(tx, c->id, err) < 0 ||
        db_exec(tx, &q_mgmt_policy_delete, DB_ARGS(DB_TEXT(c->id)), &n, err) < 0)
        return err_ret(err);
    return n > 0 ? mgmt__event(&c->change, tx, EV_POLICY_DELETED, c->id, err)
                 : mgmt__not_found(err, TYPE, c->id);
}

int mgmt_policy_delete(struct rq *rq, struct err *err)
{
    struct policy_change *c = ARENA_NEW(rq->arena, struct policy_change);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->id = rq_param(rq, "id");
    return mgmt__change(rq, &c->change, "policy delete", delete_policy, err);
}
