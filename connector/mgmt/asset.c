/*
 * connector/mgmt/asset.c - /v3/assets: create, update, read, query, delete
 *
 * Properties are kept as they were expanded. Each scalar among them, or element of a list of
 * scalars, is a row of asset_property too, for selectors and queries; private ones as
 * "private:<IRI>", which no selector of a peer's catalogue names.
 */
#include "connector/dataplane/dataplane.h"
#include "connector/mgmt/mgmt_private.h"
#include "connector/store/property.h"
#include "lib/base/check.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define PROPERTIES_MAX 1000 /* rows of one asset */

struct asset_in {
    struct str id;
    const struct jval *properties, *private_properties, *data_address;
};
/* clang-format off */
static const struct form_row asset_rows[] = {
    FORM_ROW(struct asset_in, id,                 "@id",                       FORM_ID,   false),
    FORM_ROW(struct asset_in, properties,         LD_EDC "properties",         FORM_NODE, true),
    FORM_ROW(struct asset_in, private_properties, LD_EDC "privateProperties",  FORM_NODE, false),
    FORM_ROW(struct asset_in, data_address,       LD_EDC "dataAddress",        FORM_NODE, false),
};
FORM(asset_form, asset_rows);

/* clang-format on */

struct property {
    struct str name, value;
};

struct asset_change {
    struct change change;
    struct str id, properties, private_properties, data_address;
    struct property rows[PROPERTIES_MAX];
    size_t n_rows;
};

static int add_rows(struct asset_change *c, const struct jval *node, const char *prefix,
                    struct err *err)
{
    struct arena *arena = c->change.rq->arena;

    for (const struct jiter *it = jiter_first(node); it != NULL; it = jiter_next(node, it)) {
        const struct str name = arena_printf(arena, "%s%.*s", prefix, STR_ARG(jiter_key(it)));
        const struct jval *values = ld_values(node, arena_cstr(arena, jiter_key(it)));

        if (name.n == 0 || jiter_key(it).p[0] == '@' || str_eq(name, STR(LD_EDC "id")))
            continue;
        for (size_t i = 0; i < jval_len(values); i++) {
            const struct str value = form_scalar(jval_at(values, i), arena);

            if (!str_present(value))
                continue;
            if (c->n_rows == PROPERTIES_MAX)
                return err_tell(err, E_LIMIT, "/" LD_EDC "properties", "more than %d properties",
                                PROPERTIES_MAX);
            c->rows[c->n_rows++] = (struct property){name, value};
        }
    }
    return 0;
}

/* What the operator's queries, but no peer's, may ask of the address. */
static int add_address(struct asset_change *c, struct err *err)
{
    struct arena *arena = c->change.rq->arena;
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (jdoc_parse(c->data_address, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "data address");
    for (const struct jiter *it = jiter_first(jdoc_root(doc)); it != NULL;
         it = jiter_next(jdoc_root(doc), it)) {
        const struct str value = jval_str(jiter_value(it));

        if (property_is_secret(jiter_key(it)) || !str_present(value))
            continue;
        if (c->n_rows == PROPERTIES_MAX)
            return err_tell(err, E_LIMIT, "/" LD_EDC "dataAddress", "more than %d properties",
                            PROPERTIES_MAX);
        c->rows[c->n_rows++] = (struct property){
            arena_printf(arena, "private:dataAddress.%.*s", STR_ARG(jiter_key(it))),
            arena_str(arena, value)};
    }
    return arena_failed(arena) ? err_set(err, E_LIMIT, "", "memory of the request") : 0;
}

static int check_twice(const struct asset_in *in, struct err *err)
{
    for (const struct jiter *it = jiter_first(in->private_properties); it != NULL;
         it = jiter_next(in->private_properties, it)) {
        const struct str key = jiter_key(it);

        if (key.n > 0 && key.p[0] != '@' && jval_get_str(in->properties, key) != NULL)
            return err_tell(err, E_INVALID, "/" LD_EDC "properties",
                            "Duplicate keys in properties and private properties are not allowed: "
                            "%.*s",
                            STR_ARG(key));
    }
    return 0;
}

/* Publishing what cannot be served is allowed, as in EDC, but should not go unnoticed. */
static void warn_address(struct rq *rq, const struct asset_change *c)
{
    struct err err = {0};

    if (!str_eq(c->data_address, STR("{}")) &&
        dataplane_check_address(rq->app, c->data_address, STR("HttpData-PULL"), &err) < 0)
        log_warning(&rq->log, "asset cannot be pulled", L_STR("asset", c->id),
                    L_C("reason", err.text));
}

static int read_asset(struct rq *rq, bool create, struct asset_change **ret, struct err *err)
{
    struct asset_change *c = ARENA_NEW(rq->arena, struct asset_change);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;
    struct asset_in in = {0};

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->change = (struct change){.rq = rq, .now_us = env_wall_us(rq->env), .catalogue = true};
    if (mgmt__expand(rq, &v4_asset, false, &doc, &node, err) < 0 ||
        form_decode(&asset_form, node, rq->arena, &in, err) < 0 || check_twice(&in, err) < 0)
        return err_ret(err);
    if (!create && !str_present(in.id))
        return form_missing(err, "value", "@id");
    c->id = mgmt__id_or_new(rq, in.id);
    if (mgmt__data_address(in.data_address, rq->arena, &c->data_address, err) < 0)
        return form_at(err, LD_EDC "dataAddress");
    if (mgmt__properties(in.properties, rq->arena, &c->properties, err) < 0 ||
        mgmt__properties(in.private_properties, rq->arena, &c->private_properties, err) < 0 ||
        add_rows(c, in.properties, "", err) < 0 ||
        add_rows(c, in.private_properties, "private:", err) < 0 || add_address(c, err) < 0)
        return err_ret(err);
    warn_address(rq, c);
    *ret = c;
    return 0;
}

static int store_rows(struct db *tx, const struct asset_change *c, struct err *err)
{
    if (db_exec(tx, &q_mgmt_property_clear, DB_ARGS(DB_TEXT(c->id)), NULL, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < c->n_rows; i++) {
        if (db_exec(tx, &q_mgmt_property_insert,
                    DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->rows[i].name), DB_TEXT(c->rows[i].value)),
                    NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int store(struct db *tx, const struct asset_change *c, const struct query *query,
                 int64_t *ret_changed, struct err *err)
{
    if (db_exec(tx, query,
                DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->properties), DB_TEXT(c->private_properties),
                        DB_TEXT(c->data_address), DB_I64(c->change.now_us)),
                ret_changed, err) < 0)
        return err_ret(err);
    return *ret_changed > 0 ? store_rows(tx, c, err) : 0;
}

static int insert_asset(struct db *tx, void *arg, struct err *err)
{
    const struct asset_change *c = arg;
    int64_t changed = 0;

    if (store(tx, c, &q_mgmt_asset_insert, &changed, err) < 0)
        return err_ret(err);
    return changed > 0 ? mgmt__event(&c->change, tx, EV_ASSET_CREATED, c->id, err)
                       : mgmt__exists(err, "Asset", c->id);
}

static int update_asset(struct db *tx, void *arg, struct err *err)
{
    const struct asset_change *c = arg;
    int64_t changed = 0;

    if (mgmt__match(tx, &c->change, &q_mgmt_asset_get, c->id, err) < 0 ||
        store(tx, c, &q_mgmt_asset_update, &changed, err) < 0)
        return err_ret(err);
    return changed > 0 ? mgmt__event(&c->change, tx, EV_ASSET_UPDATED, c->id, err)
                       : mgmt__not_found(err, "Asset", c->id);
}

int mgmt_asset_create(struct rq *rq, struct err *err)
{
    struct asset_change *c;

    if (read_asset(rq, true, &c, err) < 0)
        return err_ret(err);
    c->change.id = c->id;
    return mgmt__change(rq, &c->change, "asset create", insert_asset, err);
}

int mgmt_asset_update(struct rq *rq, struct err *err)
{
    struct asset_change *c;

    if (read_asset(rq, false, &c, err) < 0)
        return err_ret(err);
    return mgmt__change(rq, &c->change, "asset update", update_asset, err);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* The properties with "id", which EDC repeats there. */
static struct str with_id(const struct asset *asset, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(2));
    struct str rest = str_from(asset->properties, 1);

    buf_add_c(&out, "{\"" LD_EDC "id\":[{\"@value\":");
    json_quote(&out, asset->asset_id);
    buf_add_c(&out, str_trim(rest).n > 1 ? "}]," : "}]");
    buf_add_str(&out, rest);
    return arena_str(arena, buf_str(&out));
}

static int write_asset(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                       bool *ret_found, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct app *app = rq->app;
    struct asset asset = {0};

    switch (db_one(worker->db, &q_mgmt_asset_get, DB_ARGS(DB_TEXT(id)), &asset_row, arena, &asset,
                   err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    *ret_found = true;
    mgmt__etag(rq, asset.created_us, asset.version);
    jw_object(w);
    jw_kstr(w, "@id", asset.asset_id);
    jw_kc(w, "@type", "Asset");
    if (mgmt__compact(app->mgmt, w, "properties", with_id(&asset, arena), err) < 0)
        return err_ret(err);
    if (!str_eq(asset.private_properties, STR("{}")) &&
        mgmt__compact(app->mgmt, w, "privateProperties", asset.private_properties, err) < 0)
        return err_ret(err);
    if (mgmt__write_address(w, "dataAddress", asset.data_address, err) < 0)
        return err_ret(err);
    jw_ki64(w, "createdAt", asset.created_us / 1000);
    mgmt__context(w);
    return 0;
}

int mgmt_asset_get(struct rq *rq, struct err *err)
{
    return mgmt__read(rq, ENTITY_ASSET, rq_param(rq, "id"), write_asset, err);
}

int mgmt_asset_query(struct rq *rq, struct err *err)
{
    return mgmt__query(rq, ENTITY_ASSET, write_asset, err);
}

/* -- deleting ---------------------------------------------------------------------------------- */

struct asset_delete {
    struct change change;
    struct str id;
};

static int delete_asset(struct db *tx, void *arg, struct err *err)
{
    const struct asset_delete *c = arg;
    int64_t n = 0;

    if (mgmt__match(tx, &c->change, &q_mgmt_asset_get, c->id, err) < 0 ||
        mgmt__count(tx, &q_mgmt_asset_agreements, c->id, &n, err) < 0)
        return err_ret(err);
    if (n > 0)
        return err_tell(
            err, E_IN_USE, "",
            "Asset %.*s cannot be deleted as it is referenced by %lld contract agreement(s)",
            STR_ARG(c->id), (long long)n);
    if (db_exec(tx, &q_mgmt_property_clear, DB_ARGS(DB_TEXT(c->id)), NULL, err) < 0 ||
        db_exec(tx, &q_mgmt_asset_delete, DB_ARGS(DB_TEXT(c->id)), &n, err) < 0)
        return err_ret(err);
    return n > 0 ? mgmt__event(&c->change, tx, EV_ASSET_DELETED, c->id, err)
                 : mgmt__not_found(err, "Asset", c->id);
}

int mgmt_asset_delete(struct rq *rq, struct err *err)
{
    struct asset_delete *c = ARENA_NEW(rq->arena, struct asset_delete);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->change.catalogue = true;
    c->id = rq_param(rq, "id");
    return mgmt__change(rq, &c->change, "asset delete", delete_asset, err);
}
