/*
 * connector/mgmt/contract_definition.c - /v3/contractdefinitions: create, update, read, query,
 * delete
 *
 * An empty selector offers every asset, and policies need not be there yet, both as in EDC; what is
 * offered to nobody for lack of a policy is logged.
 */
#include "connector/mgmt/mgmt_private.h"
#include "connector/store/property.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TYPE "ContractDefinition"

struct definition_in {
    struct str id, access_policy_id, contract_policy_id;
    const struct jval *selector, *private_properties;
};
/* clang-format off */
static const struct form_row definition_rows[] = {
    FORM_ROW(struct definition_in, id,                 "@id",                      FORM_ID,   false),
    FORM_ROW(struct definition_in, access_policy_id,   LD_EDC "accessPolicyId",    FORM_TEXT, true),
    FORM_ROW(struct definition_in, contract_policy_id, LD_EDC "contractPolicyId",  FORM_TEXT, true),
    FORM_ROW(struct definition_in, selector,           LD_EDC "assetsSelector",    FORM_LIST, false),
    FORM_ROW(struct definition_in, private_properties, LD_EDC "privateProperties", FORM_NODE, false),
};
FORM(definition_form, definition_rows);

/* clang-format on */

struct definition_change {
    struct change change;
    struct str id, access_policy_id, contract_policy_id, selector, private_properties;
};

static int read_definition(struct rq *rq, bool create, struct definition_change **ret,
                           struct err *err)
{
    struct definition_change *c = ARENA_NEW(rq->arena, struct definition_change);
    AUTO(buf_done) struct buf selector = buf_init(KIB(256));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;
    struct definition_in in = {0};

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    if (mgmt__expand(rq, &v4_contract_definition, false, &doc, &node, err) < 0 ||
        form_decode(&definition_form, node, rq->arena, &in, err) < 0)
        return err_ret(err);
    if (!create && !str_present(in.id))
        return form_missing(err, "value", "@id");
    if (criteria_write(in.selector, rq->arena, &selector, err) < 0)
        return form_at(err, LD_EDC "assetsSelector");
    if (mgmt__properties(in.private_properties, rq->arena, &c->private_properties, err) < 0)
        return err_ret(err);
    c->change.now_us = env_wall_us(rq->env);
    c->change.catalogue = true;
    c->change.rq = rq;
    c->id = mgmt__id_or_new(rq, in.id);
    c->access_policy_id = in.access_policy_id;
    c->contract_policy_id = in.contract_policy_id;
    c->selector = arena_str(rq->arena, buf_str(&selector));
    *ret = c;
    return 0;
}

static int warn_policy(struct db *tx, const struct definition_change *c, struct str policy_id,
                       struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    struct policy_definition row = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "policy");
    switch (db_one(tx, &q_mgmt_policy_get, DB_ARGS(DB_TEXT(policy_id)), &policy_definition_row,
                   arena, &row, err)) {
    case DB_ROW: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_NONE:
        log_warning(&c->change.rq->log, "contract definition names a policy that does not exist",
                    L_STR("definition", c->id), L_STR("policy", policy_id));
        return 0;
    }
    return 0;
}

static int warn_policies(struct db *tx, const struct definition_change *c, struct err *err)
{
    if (warn_policy(tx, c, c->access_policy_id, err) < 0)
        return err_ret(err);
    return warn_policy(tx, c, c->contract_policy_id, err);
}

/* After the row was written. */
static int written(struct db *tx, const struct definition_change *c, enum event_id event,
                   struct err *err)
{
    if (property_clear(tx, ENTITY_DEFINITION, c->id, err) < 0 ||
        property_put(tx, ENTITY_DEFINITION, c->id, "privateProperties.", c->private_properties,
                     err) < 0 ||
        property_put(tx, ENTITY_DEFINITION, c->id, "assetsSelector.", c->selector, err) < 0 ||
        mgmt__event(&c->change, tx, event, c->id, err) < 0)
        return err_ret(err);
    return warn_policies(tx, c, err);
}

static int insert_definition(struct db *tx, void *arg, struct err *err)
{
    const struct definition_change *c = arg;
    int64_t changed = 0;

    if (db_exec(tx, &q_mgmt_definition_insert,
                DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->access_policy_id),
                        DB_TEXT(c->contract_policy_id), DB_TEXT(c->selector),
                        DB_TEXT(c->private_properties), DB_I64(c->change.now_us)),
                &changed, err) < 0)
        return err_ret(err);
    return changed > 0 ? written(tx, c, EV_DEFINITION_CREATED, err)
                       : mgmt__exists(err, TYPE, c->id);
}

static int update_definition(struct db *tx, void *arg, struct err *err)
{
    const struct definition_change *c = arg;
    int64_t changed = 0;

    if (mgmt__match(tx, &c->change, &q_mgmt_definition_get, c->id, err) < 0 ||
        db_exec(tx, &q_mgmt_definition_update,
                DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->access_policy_id),
                        DB_TEXT(c->contract_policy_id), DB_TEXT(c->selector),
                        DB_TEXT(c->private_properties)),
                &changed, err) < 0)
        return err_ret(err);
    return changed > 0 ? written(tx, c, EV_DEFINITION_UPDATED, err)
                       : mgmt__not_found(err, TYPE, c->id);
}

int mgmt_definition_create(struct rq *rq, struct err *err)
{
    struct definition_change *c;

    if (read_definition(rq, true, &c, err) < 0)
        return err_ret(err);
    c->change.id = c->id;
    return mgmt__change(rq, &c->change, "definition create", insert_definition, err);
}

int mgmt_definition_update(struct rq *rq, struct err *err)
{
    struct definition_change *c;

    if (read_definition(rq, false, &c, err) < 0)
        return err_ret(err);
    return mgmt__change(rq, &c->change, "definition update", update_definition, err);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void write_criterion(struct jw *w, const struct jval *criterion)
{
    jw_object(w);
    jw_kc(w, "@type", "Criterion");
    jw_kval(w, "operandLeft", jval_get(criterion, "operandLeft"));
    jw_kval(w, "operator", jval_get(criterion, "operator"));
    jw_kval(w, "operandRight", jval_get(criterion, "operandRight"));
    jw_object_end(w);
}

static int write_selector(struct jw *w, struct str text, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *list;

    if (jdoc_parse(text, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "selector");
    list = jdoc_root(doc);
    jw_key(w, "assetsSelector");
    if (jval_len(list) == 1) {
        write_criterion(w, jval_at(list, 0));
        return 0;
    }
    jw_array(w);
    for (size_t i = 0; i < jval_len(list); i++)
        write_criterion(w, jval_at(list, i));
    jw_array_end(w);
    return 0;
}

static int write_definition(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                            bool *ret_found, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct app *app = rq->app;
    struct contract_definition row = {0};

    switch (db_one(worker->db, &q_mgmt_definition_get, DB_ARGS(DB_TEXT(id)),
                   &contract_definition_row, arena, &row, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    *ret_found = true;
    mgmt__etag(rq, row.created_us, row.version);
    jw_object(w);
    jw_kstr(w, "@id", row.definition_id);
    jw_kc(w, "@type", TYPE);
    jw_ki64(w, "createdAt", row.created_us / 1000);
    jw_kstr(w, "accessPolicyId", row.access_policy_id);
    jw_kstr(w, "contractPolicyId", row.contract_policy_id);
    if (write_selector(w, row.selector, err) < 0)
        return err_ret(err);
    if (!str_eq(row.private_properties, STR("{}")) &&
        mgmt__compact(app->mgmt, w, "privateProperties", row.private_properties, err) < 0)
        return err_ret(err);
    mgmt__context(w);
    return 0;
}

int mgmt_definition_get(struct rq *rq, struct err *err)
{
    return mgmt__read(rq, ENTITY_DEFINITION, rq_param(rq, "id"), write_definition, err);
}

int mgmt_definition_query(struct rq *rq, struct err *err)
{
    return mgmt__query(rq, ENTITY_DEFINITION, write_definition, err);
}

/* -- deleting ---------------------------------------------------------------------------------- */

static int delete_definition(struct db *tx, void *arg, struct err *err)
{
    const struct definition_change *c = arg;
    int64_t n = 0;

    if (mgmt__match(tx, &c->change, &q_mgmt_definition_get, c->id, err) < 0 ||
        property_clear(tx, ENTITY_DEFINITION, c->id, err) < 0 ||
        db_exec(tx, &q_mgmt_definition_delete, DB_ARGS(DB_TEXT(c->id)), &n, err) < 0)
        return err_ret(err);
    return n > 0 ? mgmt__event(&c->change, tx, EV_DEFINITION_DELETED, c->id, err)
                 : mgmt__not_found(err, TYPE, c->id);
}

int mgmt_definition_delete(struct rq *rq, struct err *err)
{
    struct definition_change *c = ARENA_NEW(rq->arena, struct definition_change);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->change.catalogue = true;
    c->id = rq_param(rq, "id");
    return mgmt__change(rq, &c->change, "definition delete", delete_definition, err);
}
