/*
 * connector/dsp/agreement.c - offers and agreements as they are kept, compared and reported
 *
 * An offer is kept under the hash of its text, so that it can be repeated to the letter. An
 * agreement is kept without id and time under its policy hash, which both sides compute alike and
 * report to the broker.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/exchange/exchange.h"
#include "connector/store/policies.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

static void keep(struct effect *effect, struct str hash, struct str text)
{
    CHECK(effect->n_texts < ARRAY_LEN(effect->texts));
    effect->texts[effect->n_texts++] = (struct kept_text){hash, text};
}

struct offer_text dsp__offer_of(const struct jval *offer, struct arena *arena)
{
    return (struct offer_text){
        .id = jval_str(jval_get(offer, "@id")),
        .target = jval_str(jval_get(offer, "target")),
        .assigner = jval_str(jval_get(offer, "assigner")),
        .assignee = jval_str(jval_get(offer, "assignee")),
        .rules = message_rules_of(offer, arena),
    };
}

int dsp__keep_offer(struct effect *effect, struct process *process, const struct offer_text *offer,
                    struct arena *arena, struct err *err)
{
    struct offer_text form = *offer;
    struct str text;
    uint8_t hash[SHA256_LEN];

    form.id = STR_NONE;
    text = str_present(form.rules) ? message_offer(&form, arena) : STR_NONE;
    if (!str_present(text))
        return err_set(err, E_NO_MEMORY, "", "offer");
    sha256(text.p, text.n, hash);
    process->asset_id = offer->target;
    process->offer_id = effect->offer_id = offer->id;
    process->policy = text;
    process->policy_hash = effect->policy_hash = arena_str(arena, str_c(hash_hex(hash).c));
    keep(effect, process->policy_hash, text);
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "offer") : 0;
}

/* The hash that both sides report: of the agreement's normal form. */
static int agreement_hash(const struct app *app, struct str text, struct arena *arena,
                          struct str *ret_hash, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;

    if (policies_get(app->policies, text, &policy, err) < 0)
        return err_ret(err);
    *ret_hash = arena_str(arena, str_c(hash_hex(policy_hash(policy)).c));
    return str_present(*ret_hash) ? 0 : err_set(err, E_NO_MEMORY, "", "agreement");
}

int dsp__make_agreement(struct app *app, struct effect *effect, const struct process *process,
                        const struct agreeing *agreeing, struct arena *arena, struct str *ret_text,
                        struct err *err)
{
    const bool provider = dsp__is_provider(process);
    const struct str own = app->settings->participant_did;
    struct agreement *a = ARENA_NEW(arena, struct agreement);
    struct agreement_text form = {
        .target = process->asset_id,
        .assigner = provider ? own : process->peer_id,
        .assignee = provider ? process->peer_id : own,
        .rules = agreeing->rules,
        .agreed_us = agreeing->agreed_us,
    };

    if (a == NULL)
        return err_set(err, E_NO_MEMORY, "", "agreement");
    *a = (struct agreement){
        .agreement_id = str_present(agreeing->id) ? agreeing->id : dsp__new_id(app, arena),
        .negotiation_id = process->id,
        .role = process->role,
        .provider_id = form.assigner,
        .consumer_id = form.assignee,
        .asset_id = process->asset_id,
        .policy = message_agreement(&form, arena),
        .agreed_us = agreeing->agreed_us,
        .ends_us = agreeing->ends_us,
        .order_id = agreeing->order_id,
    };
    form.id = a->agreement_id;
    *ret_text = message_agreement(&form, arena);
    if (!str_present(a->policy) || !str_present(*ret_text))
        return err_set(err, E_NO_MEMORY, "", "agreement");
    if (agreement_hash(app, a->policy, arena, &a->policy_hash, err) < 0)
        return err_ret(err);
    keep(effect, a->policy_hash, a->policy);
    effect->agreement = a;
    return 0;
}

/* clang-format off */
static const struct field open_order_fields[] = {
    FIELD(struct open_order, order_id, "order_id", F_REQUIRED),
    FIELD(struct open_order, plan_hash, "plan_hash", F_REQUIRED),
    FIELD(struct open_order, purpose, "purpose", F_REQUIRED),
};
static OBJECT(open_order_row, struct open_order, open_order_fields, OPEN);

/* clang-format on */

static bool mentions(struct str rules, struct str text)
{
    return text.n > 0 && memmem(rules.p, rules.n, text.p, text.n) != NULL;
}

/*
 * A plan is named by the hash of its content: where that stands in the rules, the plan is meant.
 * Both sides must bind the same order: the one with a purpose that the rules name first, else the
 * oldest (ids ascend with time).
 */
int dsp__find_orders(struct db *db, const struct process *process, struct str rules, int64_t now_us,
                     struct arena *arena, struct list *ret_orders, struct err *err)
{
    struct list found = {0}, orders = {0};
    struct open_order *items;

    *ret_orders = orders;
    if (!mentions(rules, STR("order\"")))
        return 0;
    if (db_list(db, &q_dsp_purchase_open,
                DB_ARGS(DB_TEXT(process->role), DB_TEXT(process->peer_id),
                        DB_TEXT(process->asset_id), DB_I64(now_us)),
                &open_order_row, arena, 0, &found, err) < 0)
        return err_ret(err);
    items = ARENA_ARRAY(arena, struct open_order, found.n);
    if (items == NULL)
        return err_set(err, E_NO_MEMORY, "", "orders");
    for (int named = 1; named >= 0; named--) {
        for (size_t i = 0; i < found.n; i++) {
            const struct open_order *order = &LIST_ITEMS(struct open_order, found)[i];

            if (mentions(rules, order->plan_hash) && mentions(rules, order->purpose) == named)
                items[orders.n++] = *order;
        }
    }
    orders.items = items;
    *ret_orders = orders;
    return 0;
}

struct str dsp__first_order(const struct list *orders)
{
    return orders->n > 0 ? LIST_ITEMS(struct open_order, *orders)[0].order_id : STR_NONE;
}

/* clang-format off */
struct address_row {
    struct str data_address;
};
static const struct field address_fields[] = {FIELD(struct address_row, data_address, "data_address", 0)};
static OBJECT(address_row, struct address_row, address_fields, OPEN);

/* clang-format on */

enum db_result dsp__asset_address(struct db *db, struct str asset_id, struct arena *arena,
                                  struct str *ret_address, struct err *err)
{
    struct address_row row = {0};
    const enum db_result result = db_one(db, &q_dsp_asset_address, DB_ARGS(DB_TEXT(asset_id)),
                                         &address_row, arena, &row, err);

    *ret_address = row.data_address;
    return result;
}

int dsp__read_agreement(struct db *db, struct str agreement_id, struct arena *arena,
                        struct agreement *ret_agreement, struct err *err)
{
    struct agreement a = {0};

    switch (db_one(db, &q_dsp_agreement_get, DB_ARGS(DB_TEXT(agreement_id)), &agreement_row, arena,
                   &a, err)) {
    case DB_ROW: *ret_agreement = a; return 0;
    case DB_NONE:
        return err_set(err, E_CORRUPT, "agreement", "'%.*s' is not there", STR_ARG(agreement_id));
    case DB_FAIL: break;
    }
    return err_ret(err);
}

int dsp__drop_edr(struct db *tx, struct str transfer_id, struct err *err)
{
    return db_exec(tx, &q_dsp_edr_drop, DB_ARGS(DB_TEXT(transfer_id)), NULL, err);
}

int dsp__report(struct app *app, struct db *db, struct effect *effect, struct str agreement_id,
                struct arena *arena, struct err *err)
{
    struct outbox_msg *msg = &effect->out[effect->n_out];
    struct agreement agreement;

    if (!exchange_enabled(app))
        return 0;
    CHECK(effect->n_out < DSP_OUT_MAX);
    if (dsp__read_agreement(db, agreement_id, arena, &agreement, err) < 0 ||
        exchange_agreement_report(app, &agreement, arena, msg, err) < 0)
        return err_ret(err);
    effect->n_out += msg->id != 0;
    return 0;
}
