/*
 * connector/send.c - messages leave: token, request, and what the answer means
 */
#include "connector/send.h"

#include "connector/app.h"
#include "connector/dsp/dsp.h"
#include "connector/exchange/exchange.h"

#include "lib/base/banned.h"

static bool is_dsp(const struct outbox_msg *msg)
{
    return str_starts(msg->kind, STR("dsp."));
}

void send_message(void *cls, const struct outbox_msg *msg)
{
    struct app *app = cls;

    if (is_dsp(msg))
        dsp_send(app, msg);
    else
        exchange_send(app, msg);
}

int send_ended(struct db *tx, void *cls, const struct outbox_msg *msg, enum outbox_result result,
               struct str answer, struct err *err)
{
    struct app *app = cls;

    return is_dsp(msg) ? dsp_ended(tx, app, msg, result, answer, err)
                       : exchange_ended(tx, app, msg, result, answer, err);
}

void send_after(void *cls, const struct outbox_msg *msg, enum outbox_result result)
{
    struct app *app = cls;

    if (is_dsp(msg))
        dsp_after(app, msg, result);
    else
        exchange_after(app, msg, result);
}
