/*
 * connector/duty/made.c - duties are made with an agreement, or by the violation of another one, and
 * brought forward by the agreement's end
 *
 * Deleting "at the end of use" is for the connector to do at once, and for people to confirm within
 * duty.time: no policy says how long that may take. A duty with a date of its own keeps it; what the
 * connector does itself is done a little before, so that the other side hears of it in time. What
 * follows from a violation is due from then on; deleting, too, whether or not use has ended.
 */
#include "connector/duty/duty_private.h"
#include "connector/store/policies.h"
#include "connector/timed.h"
#include "lib/base/encode.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "policy/owed.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TEXT_MAX MIB(8)

/* Most agreements oblige to nothing; the texts are in the protocol's words (message_rules_of). */
bool duty_may_arise(struct str policy)
{
    static const char *const words[] = {"obligation", "duty", "ContractTermination",
                                        "DataUsageEnd"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (memmem(policy.p, policy.n, words[i], strlen(words[i])) != NULL)
            return true;
    }
    return false;
}

static struct str duty_id(const struct agreement *a, const struct policy_owed *owed,
                          struct arena *arena)
{
    AUTO(buf_done) struct buf text = buf_init(4 * LIMIT_ID);
    uint8_t hash[SHA256_LEN];

    wire_duty_input(a->provider_id, a->consumer_id, a->agreement_id, str_c(hash_hex(owed->key).c),
                    &text);
    if (buf_failed(&text))
        return STR_NONE;
    sha256(text.p, text.n, hash);
    return arena_str(arena, str_c(uuid_format(uuid_v8_from(hash)).c));
}

static int64_t after(int64_t us, int64_t more_us)
{
    return us > INT64_MAX - more_us ? INT64_MAX : us + more_us;
}

/* When it is due and when the connector acts. */
static void plan(const struct app *app, const struct policy_owed *owed, struct duty *duty)
{
    const bool dated = owed->due_us != POLICY_FOREVER;
    const bool erase = owed->consequence && owed->action == POLICY_ACT_DELETE;
    const bool prompt = owed->action == POLICY_ACT_INFORM || erase;

    if (owed->at_end) {
        duty->act_us = dated ? after(owed->due_us, 1) : 0;
        duty->due_us = dated ? after(duty->act_us, app->settings->duty_time_us) : 0;
        return;
    }
    duty->due_us = dated ? owed->due_us : 0;
    if (prompt)
        duty->act_us = owed->from_us > duty->created_us ? owed->from_us : duty->created_us;
    if (erase && !dated)
        duty->due_us = after(duty->act_us, app->settings->duty_time_us);
    if (prompt || !dated)
        return;
    duty->act_us = duty->due_us - duty__lead(duty);
}

static struct db_arg instant(int64_t us)
{
    return us > 0 ? DB_I64(us) : DB_NULL(DBT_I64);
}

static int insert(struct app *app, struct db *tx, const struct agreement *a,
                  const struct policy_owed *owed, struct str follows, int64_t now_us,
                  struct arena *arena, struct err *err)
{
    struct duty duty = {
        .duty_id = duty_id(a, owed, arena),
        .agreement_id = a->agreement_id,
        .role = a->role,
        .debtor = str_c(party_role_names[owed->of_provider ? PARTY_PROVIDER : PARTY_CONSUMER]),
        .action = str_c(policy_action_iri(owed->action)),
        .rule = owed->at,
        .rule_key = arena_str(arena, str_c(hash_hex(owed->key).c)),
        .follows = follows,
        .provide = owed->provide,
        .at_end = owed->at_end,
        .state = str_c(duty_state_names[DUTY_OPEN]),
        .created_us = now_us,
    };

    plan(app, owed, &duty);
    if (!str_present(duty.duty_id) || !str_present(duty.rule_key))
        return err_set(err, E_NO_MEMORY, "", "duties");
    return db_exec(tx, &q_duty_insert,
                   DB_ARGS(DB_TEXT(duty.duty_id), DB_TEXT(duty.agreement_id), DB_TEXT(duty.role),
                           DB_TEXT(duty.debtor), DB_TEXT(duty.action), DB_TEXT(duty.rule),
                           DB_I64(duty.provide), DB_I64(duty.at_end), DB_I64(now_us),
                           instant(duty.due_us), instant(duty.act_us), instant(duty__next(&duty)),
                           DB_TEXT(duty.rule_key), DB_TEXT(duty.follows)),
                   NULL, err);
}

static int insert_all(struct app *app, struct db *tx, const struct agreement *a,
                      const struct policy_owed_list *list, struct str follows, int64_t now_us,
                      struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        if (insert(app, tx, a, &list->items[i], follows, now_us, arena, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static struct policy_deal deal_of(const struct agreement *a)
{
    return (struct policy_deal){a->asset_id, a->provider_id, a->consumer_id, a->agreed_us};
}

static int compile(struct app *app, const struct agreement *a, struct policy **ret_policy,
                   struct err *err)
{
    if (policies_get(app->policies, a->policy, ret_policy, err) < 0)
        return err_prefix(err, "agreement '%.*s'", STR_ARG(a->agreement_id));
    return 0;
}

static int owe(struct app *app, struct db *tx, const struct agreement *a, int64_t now_us,
               struct arena *arena, bool *ret_any, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    const struct policy_deal deal = deal_of(a);
    struct policy_owed_list list;

    if (compile(app, a, &policy, err) < 0 || policy_owed(policy, &deal, arena, &list, err) < 0)
        return err_ret(err);
    *ret_any = list.n > 0;
    return insert_all(app, tx, a, &list, STR_NONE, now_us, arena, err);
}

int duty_agreed(struct app *app, struct db *tx, struct str negotiation_id, int64_t now_us,
                bool *ret_wake, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(TEXT_MAX);
    struct agreement a = {0};

    *ret_wake = false;
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "duties");
    switch (db_one(tx, &q_duty_agreement, DB_ARGS(DB_TEXT(negotiation_id)), &agreement_row, arena,
                   &a, err)) {
    case DB_ROW: break;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    return duty_may_arise(a.policy) ? owe(app, tx, &a, now_us, arena, ret_wake, err) : 0;
}

/* -- what follows from a violation ------------------------------------------------------------- */

static bool has_consequences(struct str policy)
{
    return memmem(policy.p, policy.n, "consequence", strlen("consequence")) != NULL;
}

static int read_key(const struct duty *duty, uint8_t key[static POLICY_HASH_LEN], struct err *err)
{
    AUTO(buf_done) struct buf bytes = buf_init(2 * POLICY_HASH_LEN);

    if (!decode_hex(&bytes, duty->rule_key) || buf_str(&bytes).n != POLICY_HASH_LEN)
        return err_set(err, E_CORRUPT, "duty.rule_key", "'%.*s'", STR_ARG(duty->rule_key));
    memcpy(key, buf_str(&bytes).p, POLICY_HASH_LEN);
    return 0;
}

static int owe_after(struct app *app, struct db *tx, const struct agreement *a,
                     const struct duty *duty, int64_t now_us, struct arena *arena, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    const struct policy_deal deal = deal_of(a);
    struct policy_owed_list list;
    uint8_t key[POLICY_HASH_LEN];

    if (read_key(duty, key, err) < 0 || compile(app, a, &policy, err) < 0 ||
        policy_owed_after(policy, &deal, key, after(duty->due_us, 1), arena, &list, err) < 0)
        return err_ret(err);
    return insert_all(app, tx, a, &list, duty->duty_id, now_us, arena, err);
}

int duty__violated(struct app *app, struct db *tx, const struct duty *duty, int64_t now_us,
                   struct err *err)
{
    AUTO(arena_free) struct arena *arena = NULL;
    struct agreement a = {0};

    if (!str_present(duty->rule_key) || str_present(duty->follows))
        return 0; /* the one was not noted by an older program, nothing follows from the other */
    arena = arena_new(TEXT_MAX);
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "duties");
    if (db_one(tx, &q_duty_deal, DB_ARGS(DB_TEXT(duty->agreement_id)), &agreement_row, arena, &a,
               err) == DB_FAIL)
        return err_ret(err);
    return has_consequences(a.policy) ? owe_after(app, tx, &a, duty, now_us, arena, err) : 0;
}

int duty_voided(struct db *tx, struct str negotiation_id, struct err *err)
{
    return db_exec(tx, &q_duty_void, DB_ARGS(DB_TEXT(negotiation_id)), NULL, err);
}

int duty_agreement_ended(struct app *app, struct db *tx, struct str agreement_id, int64_t now_us,
                         bool *ret_wake, struct err *err)
{
    int64_t changed = 0;

    if (db_exec(tx, &q_duty_ended,
                DB_ARGS(DB_TEXT(agreement_id), DB_I64(now_us),
                        DB_I64(after(now_us, app->settings->duty_time_us))),
                &changed, err) < 0)
        return err_ret(err);
    *ret_wake = changed > 0;
    return 0;
}

void duty_wake(struct app *app)
{
    timed_set(app, "duty", STR("due"), env_wall_us(app->env));
}
