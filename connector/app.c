/*
 * connector/app.c - ends what main has made, in the reverse order of its making
 */
#include "connector/app.h"

#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp.h"
#include "connector/events/events.h"
#include "connector/exchange/exchange.h"
#include "connector/identity/identity.h"
#include "connector/mgmt/mgmt.h"
#include "connector/replica.h"
#include "connector/store/policies.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

static int nothing(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

/* What the writer was given before has been answered: nobody calls back into a part that goes. */
static void drain(struct app *app)
{
    struct err err = {0};

    if (app->writer != NULL && writer_call(app->writer, "drain", nothing, NULL, &err) < 0)
        log_err(NULL, "the writer could not finish", &err);
}

void app_stop(struct app *app)
{
    const int64_t grace_us = app->settings->grace_us;
    /* answers that come while it closes still find it in *app, until the fetcher has ended */
    struct outbox *outbox = app->outbox;

    events_finish(app->events); /* who waits for an event is answered */
    http_close(&app->management_http, grace_us);
    http_close(&app->public_http, grace_us);
    replica_stop(app->replica);
    dataplane_finish(app->dataplane);
    mgmt_finish(app->mgmt);
    timers_stop(app->timers);
    drain(app);
    outbox_close(&outbox, grace_us);
    drain(app);
    mgmt_close(&app->mgmt);
    dataplane_close(&app->dataplane);
    dsp_close(&app->dsp);
    fetcher_close(&app->fetcher);
    app->outbox = NULL;
    writer_close(&app->writer);
    replica_close(&app->replica);
    exchange_close(&app->exchange); /* answers of the broker come until the fetcher has ended */
    timers_close(&app->timers);
    events_close(&app->events);
    identity_close(&app->identity);
    policies_close(&app->policies);
    secret_free(&app->api_key);
    key_free(&app->key);
}
