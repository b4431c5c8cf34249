/*
 * connector/dsp/effect.c - what an operation writes for a process, and what follows its commit
 */
#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp_private.h"
#include "connector/duty/duty.h"
#include "connector/events/events.h"
#include "connector/replica.h"
#include "connector/store/property.h"
#include "connector/timed.h"
#include "lib/log/counters.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

static int write_agreement(struct db *tx, const struct agreement *a, struct err *err)
{
    return db_exec(tx, &q_dsp_agreement_insert,
                   DB_ARGS(DB_TEXT(a->agreement_id), DB_TEXT(a->negotiation_id), DB_TEXT(a->role),
                           DB_TEXT(a->provider_id), DB_TEXT(a->consumer_id), DB_TEXT(a->asset_id),
                           DB_TEXT(a->policy_hash), DB_I64(a->agreed_us),
                           a->ends_us > 0 ? DB_I64(a->ends_us) : DB_NULL(DBT_I64),
                           DB_TEXT(a->order_id)),
                   NULL, err);
}

static int bind_order(struct db *tx, const struct agreement *a, struct err *err)
{
    int64_t changed = 0;

    if (db_exec(tx, &q_dsp_purchase_bind, DB_ARGS(DB_TEXT(a->order_id), DB_TEXT(a->agreement_id)),
                &changed, err) < 0)
        return err_ret(err);
    if (changed != 1)
        return err_tell(err, E_BUSY, "", "the order was used by another negotiation meanwhile");
    return 0;
}

static struct db_arg decide_arg(const struct effect *e)
{
    const bool over = machine_is_final(&transfer_machine, e->state);

    return e->decide_us != 0 && !over ? DB_I64(e->decide_us) : DB_NULL(DBT_I64);
}

static int advance(struct db *tx, const struct process_kind *kind, struct str id,
                   const struct effect *e, int64_t now_us, struct err *err)
{
    if (kind == &transfer_kind)
        return db_exec(tx, &q_dsp_transfer_advance,
                       DB_ARGS(DB_TEXT(id), DB_I64(e->state), DB_I64(now_us), DB_TEXT(e->peer_pid),
                               DB_TEXT(e->error), decide_arg(e), DB_TEXT(e->held)),
                       NULL, err);
    return db_exec(tx, &q_dsp_negotiation_advance,
                   DB_ARGS(DB_TEXT(id), DB_I64(e->state), DB_I64(now_us), DB_TEXT(e->peer_pid),
                           DB_TEXT(e->agreement != NULL ? e->agreement->agreement_id : STR_NONE),
                           DB_TEXT(e->offer_id), DB_TEXT(e->policy_hash), DB_TEXT(e->error)),
                   NULL, err);
}

/*
 * A negotiation that ends before FINALIZED: its agreement never counted, the order is free again.
 */
static int void_agreement(struct db *tx, struct str id, const struct effect *e, int64_t now_us,
                          struct err *err)
{
    if (db_exec(tx, &q_dsp_purchase_release, DB_ARGS(DB_TEXT(id)), NULL, err) < 0)
        return err_ret(err);
    if (duty_voided(tx, id, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_dsp_agreement_void,
                   DB_ARGS(DB_TEXT(id), DB_I64(now_us), DB_TEXT(e->end_reason)), NULL, err);
}

/* The agreement that another one takes the place of; it never counted either. */
static int remove_agreement(struct db *tx, struct str id, struct err *err)
{
    if (db_exec(tx, &q_dsp_purchase_release, DB_ARGS(DB_TEXT(id)), NULL, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_dsp_agreement_remove, DB_ARGS(DB_TEXT(id)), NULL, err);
}

/* The contract counts: it is final, also while the message that says so is on its way. */
static bool brings_duties(const struct process_kind *kind, const struct effect *e)
{
    return kind == &negotiation_kind && machine_state(kind->machine, e->state) == NS_FINALIZED &&
           duty_may_arise(e->rules);
}

static int insert(struct db *tx, const struct process_kind *kind, const struct effect *e,
                  int64_t now_us, struct err *err)
{
    const struct process *p = e->first;
    const struct str error = e->error.n > 0 ? e->error : STR_NONE;

    if (kind == &transfer_kind)
        return db_exec(tx, &q_dsp_transfer_insert,
                       DB_ARGS(DB_TEXT(p->id), DB_TEXT(p->role), DB_TEXT(p->peer_pid),
                               DB_TEXT(p->peer_id), DB_TEXT(p->peer_address), DB_TEXT(p->protocol),
                               DB_I64(e->state), DB_I64(now_us), DB_TEXT(p->agreement_id),
                               DB_TEXT(p->asset_id), DB_TEXT(p->format), DB_TEXT(p->data_address),
                               DB_TEXT(e->private_properties), DB_TEXT(e->callbacks),
                               DB_TEXT(error), decide_arg(e)),
                       NULL, err);
    return db_exec(tx, &q_dsp_negotiation_insert,
                   DB_ARGS(DB_TEXT(p->id), DB_TEXT(p->role), DB_TEXT(p->peer_pid),
                           DB_TEXT(p->peer_id), DB_TEXT(p->peer_address), DB_TEXT(p->protocol),
                           DB_I64(e->state), DB_I64(now_us), DB_TEXT(p->asset_id),
                           DB_TEXT(p->offer_id), DB_TEXT(p->policy_hash), DB_TEXT(e->callbacks),
                           DB_TEXT(e->agreement != NULL ? e->agreement->agreement_id : STR_NONE),
                           DB_TEXT(error)),
                   NULL, err);
}

/* What queries of the management API may ask of a new process. */
static int write_properties(struct db *tx, const struct process_kind *kind, const struct effect *e,
                            struct err *err)
{
    const enum entity_kind entity = kind == &transfer_kind ? ENTITY_TRANSFER : ENTITY_NEGOTIATION;
    const struct process *p = e->first;

    if (property_put(tx, entity, p->id, "callbackAddresses.", e->callbacks, err) < 0 ||
        property_put(tx, entity, p->id, "privateProperties.", e->private_properties, err) < 0)
        return err_ret(err);
    return kind == &transfer_kind
               ? property_put(tx, entity, p->id, "dataDestination.", p->data_address, err)
               : 0;
}

static int write_texts(struct app *app, struct db *tx, const struct effect *e, struct err *err)
{
    for (size_t i = 0; i < e->n_texts; i++) {
        if (!dsp__known_text(app->dsp->texts, e->texts[i].hash) &&
            db_exec(tx, &q_dsp_policy_text_insert,
                    DB_ARGS(DB_TEXT(e->texts[i].hash), DB_TEXT(e->texts[i].text)), NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

int dsp__effect_ask(struct app *app, struct db *tx, const struct effect *e, struct err *err)
{
    /* messages that are deleted before would be seen in front of the new ones */
    for (size_t i = 0; i < e->n_out && !e->forget; i++) {
        if (outbox_ask(app->outbox, tx, &e->out[i], err) < 0)
            return err_ret(err);
    }
    return 0;
}

int dsp__effect_write(struct app *app, struct db *tx, const struct process_kind *kind,
                      struct str id, struct effect *e, int64_t now_us, struct err *err)
{
    const struct agreement *a = e->agreement;

    if (write_texts(app, tx, e, err) < 0)
        return err_ret(err);
    if (e->first == NULL
            ? advance(tx, kind, id, e, now_us, err) < 0
            : insert(tx, kind, e, now_us, err) < 0 || write_properties(tx, kind, e, err) < 0)
        return err_ret(err);
    if (e->replaces && remove_agreement(tx, id, err) < 0)
        return err_ret(err);
    if (a != NULL && (write_agreement(tx, a, err) < 0 ||
                      (str_present(a->order_id) && bind_order(tx, a, err) < 0)))
        return err_ret(err);
    if (str_present(e->end_reason) && kind == &negotiation_kind &&
        void_agreement(tx, id, e, now_us, err) < 0)
        return err_ret(err);
    if (brings_duties(kind, e) && duty_agreed(app, tx, id, now_us, &e->owes, err) < 0)
        return err_ret(err);
    if (e->address != NULL && dataplane_edr_store(tx, id, e->address, now_us, err) < 0)
        return err_ret(err);
    if (e->forget && db_exec(tx, &q_dsp_outbox_forget, DB_ARGS(DB_TEXT(id)), NULL, err) < 0)
        return err_ret(err);
    if ((e->forget && replica_tell(tx, app->replica, NEWS_STREAM, id, err) < 0) ||
        (kind == &transfer_kind && replica_tell(tx, app->replica, NEWS_TRANSFER, id, err) < 0))
        return err_ret(err);
    for (size_t i = 0; i < e->n_out; i++) {
        if (outbox_put(app->outbox, tx, &e->out[i], err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* A negotiation counts when it is decided; the message that says so may still be on its way. */
static void count_end(const struct process_kind *kind, const struct effect *e)
{
    if (kind != &negotiation_kind || e->again)
        return;
    switch (machine_state(kind->machine, e->state)) {
    case NS_FINALIZED: COUNT(C_NEGOTIATIONS_FINALIZED); break;
    case NS_TERMINATED: COUNT(C_NEGOTIATIONS_TERMINATED); break;
    default: break;
    }
}

void dsp__effect_committed(struct app *app, const struct process_kind *kind, struct str id)
{
    if (kind == &transfer_kind)
        dataplane_forget(app->dataplane, id, STR_NONE);
    events_committed(app);
}

void dsp__effect_done(struct app *app, const struct process_kind *kind, struct str id,
                      const struct effect *e)
{
    count_end(kind, e);
    for (size_t i = 0; i < e->n_texts; i++)
        dsp__text_committed(app->dsp->texts, e->texts[i].hash);
    if (e->forget)
        outbox_drop_stream(app->outbox, id);
    for (size_t i = 0; i < e->n_out; i++)
        outbox_wake(app->outbox, &e->out[i]);
    if (e->agreement != NULL && e->agreement->ends_us > 0)
        timed_set(app, "agreement", e->agreement->agreement_id, e->agreement->ends_us);
    if (e->decide_us != 0)
        dsp__decide_at(app, e->decide_us);
    if (kind == &transfer_kind && e->state == TP_STARTED)
        dataplane_push_due(app->dataplane);
    if (e->owes)
        duty_wake(app);
    if (kind == &negotiation_kind && e->state == NEG_FINALIZED && app->dsp->agreed != NULL)
        app->dsp->agreed(app->dsp->agreed_cls);
}

void dsp_on_agreed(struct dsp *dsp, void (*agreed)(void *cls), void *cls)
{
    dsp->agreed = agreed;
    dsp->agreed_cls = cls;
}
