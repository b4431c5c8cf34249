/*
 * connector/dsp/event.c - which event a state is
 *
 * A state is reached when the other party's message is accepted, or when it acknowledges ours; if it
 * answers ours before it acknowledges, then with the answer. Each state is told once, in order.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/events/events.h"

#include "lib/base/banned.h"

static const enum event_id negotiation_events[NS__COUNT] = {
    [NS_NONE] = EV_NEGOTIATION_INITIATED,      [NS_REQUESTED] = EV_NEGOTIATION_REQUESTED,
    [NS_OFFERED] = EV_NEGOTIATION_OFFERED,     [NS_ACCEPTED] = EV_NEGOTIATION_ACCEPTED,
    [NS_AGREED] = EV_NEGOTIATION_AGREED,       [NS_VERIFIED] = EV_NEGOTIATION_VERIFIED,
    [NS_FINALIZED] = EV_NEGOTIATION_FINALIZED, [NS_TERMINATED] = EV_NEGOTIATION_TERMINATED,
};

static const enum event_id transfer_events[TS__COUNT] = {
    [TS_NONE] = EV_TRANSFER_INITIATED,      [TS_REQUESTED] = EV_TRANSFER_REQUESTED,
    [TS_STARTED] = EV_TRANSFER_STARTED,     [TS_SUSPENDED] = EV_TRANSFER_SUSPENDED,
    [TS_COMPLETED] = EV_TRANSFER_COMPLETED, [TS_TERMINATED] = EV_TRANSFER_TERMINATED,
};

/* Reasons belong to ends and suspensions; elsewhere the row's error is of an earlier state. */
static bool has_reason(enum event_id event)
{
    return event == EV_NEGOTIATION_TERMINATED || event == EV_TRANSFER_TERMINATED ||
           event == EV_TRANSFER_SUSPENDED;
}

int dsp__event_reached(struct app *app, struct db *tx, const struct process_kind *kind,
                       struct str id, int state, struct str reason, bool listened, int64_t now_us,
                       struct err *err)
{
    const enum event_id event =
        kind == &transfer_kind ? transfer_events[state] : negotiation_events[state];
    const struct str detail = has_reason(event) && reason.n > 0 ? reason : STR_NONE;

    return events_put(app, tx, event, id, detail, listened, now_us, err);
}

int dsp__event_begun(struct app *app, struct db *tx, const struct process_kind *kind, struct str id,
                     bool listened, int64_t now_us, struct err *err)
{
    return dsp__event_reached(app, tx, kind, id, kind == &transfer_kind ? TS_NONE : NS_NONE,
                              STR_NONE, listened, now_us, err);
}
