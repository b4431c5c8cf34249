/*
 * connector/exchange/agreement.c - signed reports of agreements, and of their early end
 */
#include "connector/exchange/exchange_private.h"
#include "connector/identity/identity.h"
#include "lib/base/limits.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

int exchange_agreement_report(struct app *app, const struct agreement *agreement,
                              struct arena *arena, struct outbox_msg *ret_msg, struct err *err)
{
    AUTO(buf_done) struct buf payload = buf_init(KIB(16));
    AUTO(buf_done) struct buf body = buf_init(KIB(32));
    const struct wire_agreement report = {
        .agreement = agreement->agreement_id,
        .role = str_eq(agreement->role, STR("provider")) ? PARTY_PROVIDER : PARTY_CONSUMER,
        .order = agreement->order_id,
        .asset = agreement->asset_id,
        .provider = agreement->provider_id,
        .consumer = agreement->consumer_id,
        .hash = agreement->policy_hash,
        .agreed_us = agreement->agreed_us,
        .ends_us = agreement->ends_us,
        .reporter = app->settings->participant_did,
    };

    *ret_msg = (struct outbox_msg){0};
    if (!exchange_enabled(app))
        return 0;
    object_canonical(&wire_agreement_object, &report, &payload);
    buf_add_c(&body, "{\"report\":\"");
    if (identity_sign(app->identity, WIRE_TYP_AGREEMENT, buf_str(&payload), &body, err) < 0)
        return err_ret(err);
    buf_add_c(&body, "\"}");
    exchange_message(app, ret_msg, BROKER_RECORD, "broker.agreement",
                     arena_printf(arena, "%.*s/v1/agreements", STR_ARG(app->settings->broker_url)),
                     arena_str(arena, buf_str(&body)));
    if (buf_failed(&payload) || buf_failed(&body) || arena_failed(arena))
        return err_set(err, E_LIMIT, "", "report of agreement '%.*s'",
                       STR_ARG(agreement->agreement_id));
    return 0;
}

struct over {
    struct str agreement_id;
};
/* clang-format off */
static const struct field over_fields[] = {FIELD(struct over, agreement_id, "agreement_id", F_REQUIRED)};
/* clang-format on */
static OBJECT(over_row, struct over, over_fields, OPEN);

int exchange_agreement_end(struct app *app, struct db *tx, const struct agreement *agreement,
                           int64_t ended_us, struct str reason, struct arena *arena,
                           struct outbox_msg *ret_msg, struct err *err)
{
    AUTO(buf_done) struct buf payload = buf_init(KIB(16));
    AUTO(buf_done) struct buf body = buf_init(KIB(32));
    const struct wire_agreement_end end = {
        .agreement = agreement->agreement_id,
        .role = str_eq(agreement->role, STR("provider")) ? PARTY_PROVIDER : PARTY_CONSUMER,
        .provider = agreement->provider_id,
        .consumer = agreement->consumer_id,
        .ended_us = ended_us,
        .reason = reason,
    };
    struct over over = {0};

    *ret_msg = (struct outbox_msg){0};
    if (!exchange_enabled(app))
        return 0;
    switch (db_one(tx, &q_agreement_over, DB_ARGS(DB_TEXT(agreement->agreement_id)), &over_row,
                   arena, &over, err)) {
    case DB_ROW: return 0;
    case DB_NONE: break;
    case DB_FAIL: return err_ret(err);
    }
    object_canonical(&wire_agreement_end_object, &end, &payload);
    buf_add_c(&body, "{\"end\":\"");
    if (identity_sign(app->identity, WIRE_TYP_END, buf_str(&payload), &body, err) < 0)
        return err_ret(err);
    buf_add_c(&body, "\"}");
    exchange_message(
        app, ret_msg, BROKER_RECORD, "broker.agreement.end",
        arena_printf(arena, "%.*s/v1/agreements/end", STR_ARG(app->settings->broker_url)),
        arena_str(arena, buf_str(&body)));
    if (buf_failed(&payload) || buf_failed(&body) || arena_failed(arena))
        return err_set(err, E_LIMIT, "", "end of agreement '%.*s'",
                       STR_ARG(agreement->agreement_id));
    return 0;
}
