/*
 * connector/dataplane/view.c - what an access must know of its transfer, kept for at most five
 * seconds
 *
 * The policy is decided when the view is loaded, and the view lives no longer than that decision.
 * Policies that count uses are decided in the writer for each access instead. State is checked a
 * last time where the access number is taken (take.c), and a view whose transfer or agreement
 * changes is forgotten, so an old view delays a refusal of a policy, never one of a state.
 */
#include "connector/dataplane/dataplane_private.h"
#include "connector/facts/facts.h"
#include "connector/replica.h"
#include "connector/store/policies.h"
#include "lib/base/limits.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define USE_MAX (INT64_C(1) << 60) /* a policy that permits so much has no upper bound */

struct view_columns {
    struct str transfer_id;
    int64_t state;
    struct str agreement_id, asset_id, provider_id, consumer_id;
    int64_t agreed_us, ends_us, ended_us;
    struct str order_id, policy, data_address;
};
/* clang-format off */
static const struct field view_fields[] = {
    FIELD(struct view_columns, transfer_id,  "transfer_id",  F_REQUIRED),
    FIELD(struct view_columns, state,        "state",        F_REQUIRED),
    FIELD(struct view_columns, agreement_id, "agreement_id", F_REQUIRED),
    FIELD(struct view_columns, asset_id,     "asset_id",     F_REQUIRED),
    FIELD(struct view_columns, provider_id,  "provider_id",  F_REQUIRED),
    FIELD(struct view_columns, consumer_id,  "consumer_id",  F_REQUIRED),
    FIELD(struct view_columns, agreed_us,    "agreed_us",    F_REQUIRED),
    FIELD(struct view_columns, ends_us,      "ends_us",      0),
    FIELD(struct view_columns, ended_us,     "ended_us",     0),
    FIELD(struct view_columns, order_id,     "order_id",     0),
    FIELD(struct view_columns, policy,       "policy",       F_REQUIRED),
    FIELD(struct view_columns, data_address, "data_address", 0),
};
/* clang-format on */
static OBJECT(view_row, struct view_columns, view_fields, OPEN);

struct view *view_ref(struct view *view)
{
    atomic_fetch_add(&view->refs, 1);
    return view;
}

void view_unref(struct view **view_address)
{
    struct view *view = MOVE(*view_address);

    if (view == NULL || atomic_fetch_sub(&view->refs, 1) > 1)
        return;
    struct kept_file *file = atomic_load(&view->file);

    kept_file_free(&file);
    policy_unref(&view->policy);
    jdoc_free(&view->address);
    arena_free(&view->arena);
    free(view);
}

static int compile(const struct dataplane *dp, struct view *view, struct str text, struct err *err)
{
    if (policies_get(dp->app->policies, text, &view->policy, err) < 0) {
        err->code = E_CORRUPT; /* it was understood when the agreement was made */
        return err_prefix(err, "policy of agreement '%.*s'", STR_ARG(view->agreement.agreement_id));
    }
    view->counts = (policy_needs(view->policy, POLICY_AT_ACCESS) & POLICY_NEEDS_COUNTERS) != 0;
    return 0;
}

/*
 * The consumer has the token as soon as our start message has arrived, which may be before its
 * acknowledgement is recorded here: a transfer on its way to STARTED counts as started.
 */
static bool is_started(int64_t state)
{
    return state == TP_STARTING || state == TP_STARTED || state == TP_RESUMING;
}

/* State and time, without the policy. */
static int check_force(const struct view *view, int64_t now_us, struct err *err)
{
    const struct agreement *a = &view->agreement;
    const char *state = transfer_state_name(view->state);

    if (a->ended_us > 0)
        return err_tell(err, E_NOT_IN_FORCE, "agreement", "the agreement has been ended");
    if (a->ends_us > 0 && a->ends_us <= now_us)
        return err_tell(err, E_NOT_IN_FORCE, "agreement", "the agreement has expired");
    if (!is_started(view->state))
        return err_tell(err, E_NOT_IN_FORCE, "transfer", "the transfer is %s, not STARTED",
                        state != NULL ? state : "unknown");
    return 0;
}

/* A policy's question about one more access, with its facts. */
struct question {
    struct policy_question ask;
    struct policy_facts facts;
    struct policy_decision decision;
    int64_t facts_until_us;
    struct peer peer;
};

static int prepare(struct db *db, const struct view *view, struct taking_of taking, int64_t now_us,
                   struct arena *arena, struct question **ret_question, struct err *err)
{
    const struct agreement *a = &view->agreement;
    struct question *q = ARENA_NEW(arena, struct question);

    if (q == NULL)
        return err_set(err, E_NO_MEMORY, "", "decision");

    const struct facts_about about = {.peer = &q->peer,
                                      .asset_id = a->asset_id,
                                      .agreement = a,
                                      .bytes = taking.bytes,
                                      .rows = taking.rows};

    q->ask = (struct policy_question){
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_ACCESS,
        .now_us = now_us,
        .agreement_us = a->agreed_us,
        .target = a->asset_id,
        .assignee = a->consumer_id,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };
    if (facts_peer(db, a->consumer_id, arena, &q->peer, err) < 0 ||
        facts_gather_until(db, view->policy, &about, now_us, arena, &q->facts, &q->facts_until_us,
                           err) < 0)
        return err_ret(err);
    *ret_question = q;
    return 0;
}

static bool permits(const struct view *view, struct question *q)
{
    policy_decide(view->policy, &q->ask, &q->facts, &q->decision);
    return q->decision.verdict == POLICY_PERMIT;
}

static int refuse(const struct question *q, struct err *err)
{
    AUTO(buf_done) struct buf reason = buf_init(KIB(2));

    policy_reason(&q->decision, POLICY_EN, &reason);
    return err_tell(err, E_POLICY, "policy", "%.*s", STR_ARG(buf_str(&reason)));
}

int dataplane__decide(struct db *db, const struct view *view, struct taking_of taking,
                      int64_t now_us, struct arena *arena, int64_t *ret_until_us, struct err *err)
{
    struct question *q;

    if (prepare(db, view, taking, now_us, arena, &q, err) < 0)
        return err_ret(err);
    if (!permits(view, q))
        return refuse(q, err);
    *ret_until_us = q->decision.valid_until_us < q->facts_until_us ? q->decision.valid_until_us
                                                                   : q->facts_until_us;
    return 0;
}

/* The largest number of this operand that the policy still permits, by halving: constraints on what
 * grows are bounds. `least` of it is asked about. */
static int64_t most_of(const struct view *view, struct question *q, enum policy_operand operand,
                       int64_t least, struct policy_value *value)
{
    struct policy_fact *fact = &q->facts.of[operand];
    int64_t low = least, high = USE_MAX;

    if (fact->n_values != 1) /* it plays no part */
        return INT64_MAX;

    const int64_t used = fact->values[0].number - least;

    fact->values = value;
    while (low < high) {
        const int64_t middle = low + (high - low + 1) / 2;

        value->number = used + middle;
        if (permits(view, q))
            low = middle;
        else
            high = middle - 1;
    }
    value->number = used + low;
    return low < USE_MAX ? low : INT64_MAX;
}

int dataplane__room(struct db *db, const struct view *view, int64_t now_us, struct arena *arena,
                    struct taking_of *room, struct err *err)
{
    const struct taking_of least = {room->bytes < 0 ? 1 : room->bytes,
                                    room->rows < 0 ? 1 : room->rows};
    struct policy_value *values = ARENA_ARRAY(arena, struct policy_value, 2);
    struct question *q;

    if (values == NULL)
        return err_set(err, E_NO_MEMORY, "", "decision");
    if (prepare(db, view, least, now_us, arena, &q, err) < 0)
        return err_ret(err);
    if (!permits(view, q))
        return refuse(q, err);
    if (room->bytes < 0)
        room->bytes = most_of(view, q, POLICY_OP_VOLUME_BYTES, least.bytes, &values[0]);
    if (room->rows < 0)
        room->rows = most_of(view, q, POLICY_OP_ROWS, least.rows, &values[1]);
    return 0;
}

static int judge(struct dataplane *dp, struct db *db, struct view *view, struct err *err)
{
    const int64_t now_us = env_wall_us(dp->app->env);
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    int64_t decided_until_us = POLICY_FOREVER;

    view->decided_until_us = POLICY_FOREVER;
    view->loaded_us = now_us;
    view->until_us = now_us + VIEW_US;
    if (view->agreement.ends_us > 0 && view->agreement.ends_us < view->until_us)
        view->until_us = view->agreement.ends_us;
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "decision");
    if (check_force(view, now_us, &view->refusal) < 0 || view->counts)
        return 0;
    if (dataplane__decide(db, view, (struct taking_of){0}, now_us, arena, &decided_until_us,
                          &view->refusal) < 0 &&
        view->refusal.code != E_POLICY) {
        *err = view->refusal;
        return err_ret(err);
    }
    view->decided_until_us = decided_until_us;
    if (decided_until_us < view->until_us)
        view->until_us = decided_until_us;
    return 0;
}

static int fill(const struct dataplane *dp, struct view *view, const struct view_columns *c,
                struct err *err)
{
    view->transfer_id = c->transfer_id;
    view->state = c->state;
    view->agreement = (struct agreement){
        .agreement_id = c->agreement_id,
        .role = STR("provider"),
        .provider_id = c->provider_id,
        .consumer_id = c->consumer_id,
        .asset_id = c->asset_id,
        .agreed_us = c->agreed_us,
        .ends_us = c->ends_us,
        .ended_us = c->ended_us,
        .order_id = c->order_id,
    };
    if (compile(dp, view, c->policy, err) < 0)
        return err_ret(err);
    if (!str_present(c->data_address))
        return 0;
    if (jdoc_parse(c->data_address, &jlimits_default, &view->address, err) < 0) {
        err->code = E_CORRUPT;
        return err_prefix(err, "data address of '%.*s'", STR_ARG(c->asset_id));
    }
    view->ops = dataplane__source(jdoc_root(view->address));
    return 0;
}

int dataplane__view_load(struct dataplane *dp, struct db *db, struct str transfer_id,
                         struct view **ret_view, struct err *err)
{
    AUTO(view_unref) struct view *view = calloc(1, sizeof(*view));
    struct view_columns columns = {0};

    if (view == NULL)
        return err_set(err, E_NO_MEMORY, "", "view");
    atomic_init(&view->refs, 1);
    view->arena = arena_new(MIB(4));
    if (view->arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "view");
    switch (db_one(db, &q_access_view, DB_ARGS(DB_TEXT(transfer_id)), &view_row, view->arena,
                   &columns, err)) {
    case DB_ROW: break;
    case DB_NONE:
        return err_tell(err, E_NOT_IN_FORCE, "transfer", "there is no such transfer any more");
    case DB_FAIL: return err_ret(err);
    }
    if (fill(dp, view, &columns, err) < 0 || judge(dp, db, view, err) < 0)
        return err_ret(err);
    *ret_view = MOVE(view);
    return 0;
}

static struct view *find(struct dataplane *dp, struct str transfer_id, int64_t now_us,
                         uint64_t *ret_forgotten)
{
    struct view *found = NULL;

    pthread_mutex_lock(&dp->lock);

    struct view *view = dp->views[str_hash(transfer_id) % VIEWS];

    /* a clock that was set back makes an old view no younger */
    if (view != NULL && now_us >= view->loaded_us && now_us < view->until_us &&
        str_eq(view->transfer_id, transfer_id) && replica_hears(dp->app->replica))
        found = view_ref(view);
    *ret_forgotten = dp->forgotten;
    pthread_mutex_unlock(&dp->lock);
    return found;
}

/* Unless something was forgotten while it was loaded: it might show the state before. */
static void keep(struct dataplane *dp, struct view *view, uint64_t forgotten)
{
    struct view *old = NULL;

    pthread_mutex_lock(&dp->lock);

    struct view **place = &dp->views[str_hash(view->transfer_id) % VIEWS];

    if (dp->forgotten == forgotten) {
        old = *place;
        *place = view_ref(view);
        dp->any_view = true;
        if (!dp->watching)
            pthread_cond_signal(&dp->wake);
    }
    pthread_mutex_unlock(&dp->lock);
    view_unref(&old);
}

void dataplane__views_expire(struct dataplane *dp)
{
    const int64_t now_us = env_wall_us(dp->app->env);
    struct view *dropped[64];
    size_t n;

    do {
        n = 0;
        pthread_mutex_lock(&dp->lock);
        dp->any_view = false;
        for (size_t i = 0; i < VIEWS && n < ARRAY_LEN(dropped); i++) {
            if (dp->views[i] == NULL)
                continue;
            if (now_us < dp->views[i]->until_us)
                dp->any_view = true;
            else
                dropped[n++] = MOVE(dp->views[i]);
        }
        pthread_mutex_unlock(&dp->lock);
        for (size_t i = 0; i < n; i++)
            view_unref(&dropped[i]);
    } while (n == ARRAY_LEN(dropped));
}

int dataplane__view_get(struct dataplane *dp, struct db *db, struct str transfer_id,
                        struct view **ret_view, struct err *err)
{
    uint64_t forgotten;
    struct view *view = find(dp, transfer_id, env_wall_us(dp->app->env), &forgotten);

    if (view == NULL) {
        if (dataplane__view_load(dp, db, transfer_id, &view, err) < 0)
            return err_ret(err);
        if (view->refusal.code == E_OK)
            keep(dp, view, forgotten);
    }
    *ret_view = view;
    return 0;
}

/* Drops the views that are of either; of all if both are STR_NONE. */
static void forget(struct dataplane *dp, struct str transfer_id, struct str agreement_id)
{
    const bool all = !str_present(transfer_id) && !str_present(agreement_id);
    struct view *dropped[8];
    size_t n;

    do {
        n = 0;
        pthread_mutex_lock(&dp->lock);
        dp->forgotten++;
        for (size_t i = 0; i < VIEWS && n < ARRAY_LEN(dropped); i++) {
            struct view *view = dp->views[i];

            if (view == NULL ||
                !(all || (str_present(transfer_id) && str_eq(view->transfer_id, transfer_id)) ||
                  (str_present(agreement_id) &&
                   str_eq(view->agreement.agreement_id, agreement_id))))
                continue;
            view->forgotten = true;
            dropped[n++] = view;
            dp->views[i] = NULL;
        }
        dp->check_now = true;
        pthread_cond_signal(&dp->wake);
        pthread_mutex_unlock(&dp->lock);
        for (size_t i = 0; i < n; i++)
            view_unref(&dropped[i]);
    } while (n == ARRAY_LEN(dropped));
}

void dataplane_forget(struct dataplane *dp, struct str transfer_id, struct str agreement_id)
{
    if (str_present(transfer_id) || str_present(agreement_id))
        forget(dp, transfer_id, agreement_id);
}

void dataplane_forget_all(struct dataplane *dp)
{
    forget(dp, STR_NONE, STR_NONE);
}
