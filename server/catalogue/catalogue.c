/*
 * server/catalogue/catalogue.c - datasets and plans as others see them
 */
#include "server/catalogue/catalogue_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct field dataset_fields[] = {
    FIELD(struct dataset, dataset_id,   "dataset_id",   F_REQUIRED),
    FIELD(struct dataset, provider_id,  "provider_id",  F_REQUIRED),
    FIELD(struct dataset, asset_id,     "asset_id",     F_REQUIRED),
    FIELD(struct dataset, version,      "version",      F_REQUIRED),
    FIELD(struct dataset, entry,        "entry",        0),
    FIELD(struct dataset, state,        "state",        F_REQUIRED),
    FIELD(struct dataset, visibility,   "visibility",   0),
    FIELD(struct dataset, price_kind,   "price_kind",   0),
    FIELD(struct dataset, published_us, "published_at", F_TIME),
    FIELD(struct dataset, changed_us,   "changed_at",   F_TIME),
};
OBJECT(dataset_row, struct dataset, dataset_fields, OPEN);

struct plan_text {
    struct str text;
};
static const struct field plan_text_fields[] = {FIELD(struct plan_text, text, "text", F_REQUIRED)};
static OBJECT(plan_text_row, struct plan_text, plan_text_fields, OPEN);

#define ROUTE HTTP_ROUTE_ROW
const struct http_route catalogue_routes[] = {
#include "server/catalogue/routes.def"
    {0},
};
#undef ROUTE

/* clang-format on */

int dataset_get(struct db *db, struct uuid dataset, struct uuid viewer, struct str viewer_did,
                struct arena *arena, struct dataset *ret_dataset, struct err *err)
{
    switch (
        db_one(db, &q_dataset_visible,
               DB_ARGS(DB_UUID(dataset), uuid_is_zero(viewer) ? DB_NULL(DBT_UUID) : DB_UUID(viewer),
                       DB_TEXT(viewer_did)),
               &dataset_row, arena, ret_dataset, err)) {
    case DB_ROW: return 0;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such dataset");
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

static int stored_plan(struct db *db, struct str hash, struct arena *arena, struct str *ret_text,
                       struct err *err)
{
    struct plan_text row = {0};

    switch (db_one(db, &q_plan_get, DB_ARGS(DB_TEXT(hash)), &plan_text_row, arena, &row, err)) {
    case DB_ROW: *ret_text = row.text; return 0;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such plan");
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

int catalogue_plan(struct db *db, struct str hash, struct arena *arena,
                   const struct plan **ret_plan, struct err *err)
{
    struct str text;

    if (stored_plan(db, hash, arena, &text, err) < 0)
        return err_ret(err);
    if (plan_parse(text, arena, ret_plan, err) < 0)
        return err_set(err, E_CORRUPT, "cat.plan", "plan '%.*s' cannot be read", STR_ARG(hash));
    return 0;
}

int catalogue_plan_text(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct str text;

    if (stored_plan(worker->db, rq_param(rq, "hash"), rq->arena, &text, err) < 0)
        return err_ret(err);
    rq_reply_json(rq, 200, text);
    return 0;
}
