/*
 * connector/duty/duty.c - rows of duties, and the unit's routes
 */
#include "connector/duty/duty_private.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

/* clang-format off */
#define ROUTE HTTP_ROUTE_ROW
const struct http_route duty_management_routes[] = {
#include "connector/duty/routes.def"
    {0},
};
#undef ROUTE
const struct http_route duty_public_routes[] = {
    {.method = "POST", .path = "/exchange/v1/duties", .handler = duty_receive, .max_body = KIB(64), .name = "duty_receive"},
    {0},
};

#define COLUMN(member) FIELD(struct duty, member, #member, 0)
static const struct field duty_fields[] = {
    COLUMN(duty_id), COLUMN(agreement_id), COLUMN(role), COLUMN(debtor), COLUMN(action), COLUMN(rule),
    COLUMN(rule_key), COLUMN(follows),
    COLUMN(provide), COLUMN(at_end), COLUMN(state), COLUMN(state_us), COLUMN(created_us), COLUMN(due_us),
    COLUMN(act_us), COLUMN(acted_us), COLUMN(tokens), COLUMN(files), COLUMN(bytes), COLUMN(digests),
    COLUMN(done_by), COLUMN(statement), COLUMN(document), COLUMN(peer_told), COLUMN(broker_told),
    COLUMN(provider_id), COLUMN(consumer_id), COLUMN(asset_id), COLUMN(order_id), COLUMN(peer_address),
    COLUMN(agreed_us), COLUMN(ended_us),
};
OBJECT(duty__row, struct duty, duty_fields, OPEN);
static const struct field count_fields[] = {FIELD(struct count, n, "n", F_REQUIRED)};
OBJECT(duty__count_row, struct count, count_fields, OPEN);
static const struct field counts_fields[] = {
    FIELD(struct duty_counts, open,         "open",         F_REQUIRED),
    FIELD(struct duty_counts, overdue,      "overdue",      F_REQUIRED),
    FIELD(struct duty_counts, ours_overdue, "ours_overdue", F_REQUIRED),
};
/* clang-format on */
static OBJECT(counts_row, struct duty_counts, counts_fields, OPEN);

bool duty__is_ours(const struct duty *duty)
{
    return str_eq(duty->role, duty->debtor);
}

bool duty__waits(const struct duty *duty)
{
    return str_eq_c(duty->state, duty_state_names[DUTY_OPEN]) ||
           str_eq_c(duty->state, duty_state_names[DUTY_OVERDUE]);
}

bool duty__is(const struct duty *duty, enum policy_action action)
{
    return str_eq_c(duty->action, policy_action_iri(action));
}

struct str duty__peer(const struct duty *duty)
{
    return duty__role(duty->role) == PARTY_PROVIDER ? duty->consumer_id : duty->provider_id;
}

enum party_role duty__role(struct str role)
{
    return str_eq_c(role, party_role_names[PARTY_PROVIDER]) ? PARTY_PROVIDER : PARTY_CONSUMER;
}

int duty__get(struct db *db, struct str id, struct arena *arena, struct duty *ret_duty,
              struct err *err)
{
    struct duty duty = {0};

    switch (db_one(db, &q_duty_get, DB_ARGS(DB_TEXT(id)), &duty__row, arena, &duty, err)) {
    case DB_ROW: *ret_duty = duty; return 0;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such duty: '%.*s'", STR_ARG(id));
    case DB_FAIL: break;
    }
    return err_ret(err);
}

int duty_count(struct db *db, struct arena *arena, struct duty_counts *ret_counts, struct err *err)
{
    struct duty_counts counts = {0};

    if (db_one(db, &q_duty_counts, DB_NO_ARGS, &counts_row, arena, &counts, err) == DB_FAIL)
        return err_ret(err);
    *ret_counts = counts;
    return 0;
}
