/*
 * connector/send.c - messages leave: token, request, and what the answer means
 */
#include "connector/send.h"

#include "connector/app.h"
#include "connector/dsp/dsp.h"
#include "connector/duty/duty.h"
#include "connector/events/events.h"
#include "connector/exchange/exchange.h"

#include "lib/base/banned.h"

/* By the beginning of a message's kind; the last row is for all others. */
static const struct {
    struct str kind;
    void (*send)(struct app *app, const struct outbox_msg *msg);
    int (*ended)(struct db *tx, struct app *app, const struct outbox_msg *msg,
                 enum outbox_result result, struct str answer, struct err *err); /* NULL: nothing */
    void (*after)(struct app *app, const struct outbox_msg *msg, enum outbox_result result);
    /* If its end changes rows of its stream only: what it asks first. */
    int (*ask)(struct db *tx, struct app *app, const struct outbox_msg *msg, struct str answer,
               struct err *err);
} units[] = {
    {STR_INIT("dsp."),   dsp_send,      dsp_ended,      dsp_after,      dsp_ask_ended},
    {STR_INIT("duty."),  duty_send,     duty_ended,     duty_after,     NULL         },
    {STR_INIT("event."), events_send,   NULL,           events_after,   NULL         },
    {STR_INIT(""),       exchange_send, exchange_ended, exchange_after, NULL         },
};

static size_t unit_of(const struct outbox_msg *msg)
{
    size_t i = 0;

    while (!str_starts(msg->kind, units[i].kind))
        i++;
    return i;
}

void send_message(void *cls, const struct outbox_msg *msg)
{
    units[unit_of(msg)].send(cls, msg);
}

int send_ended(struct db *tx, void *cls, const struct outbox_msg *msg, enum outbox_result result,
               struct str answer, struct err *err)
{
    const size_t i = unit_of(msg);

    if (units[i].ended != NULL)
        return units[i].ended(tx, cls, msg, result, answer, err);
    err_clear(err); /* E_PEER_TIMEOUT */
    return 0;
}

bool send_ends_alone(const struct outbox_msg *msg)
{
    return units[unit_of(msg)].ask != NULL;
}

int send_ask(struct db *tx, void *cls, const struct outbox_msg *msg, struct str answer,
             struct err *err)
{
    return units[unit_of(msg)].ask(tx, cls, msg, answer, err);
}

void send_after(void *cls, const struct outbox_msg *msg, enum outbox_result result)
{
    units[unit_of(msg)].after(cls, msg, result);
}
