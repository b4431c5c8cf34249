/*
 * connector/app.c - ends what main has made, in the reverse order of its making
 */
#include "connector/app.h"

#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp.h"
#include "connector/exchange/exchange.h"
#include "connector/identity/identity.h"
#include "connector/mgmt/mgmt.h"

#include "lib/base/banned.h"

void app_stop(struct app *app)
{
    const int64_t grace_us = app->settings->grace_us;

    http_close(&app->management_http, grace_us);
    http_close(&app->public_http, grace_us);
    dataplane_finish(app->dataplane);
    timers_close(&app->timers);
    outbox_close(&app->outbox, grace_us);
    exchange_close(&app->exchange);
    mgmt_close(&app->mgmt);
    dataplane_close(&app->dataplane);
    dsp_close(&app->dsp);
    fetcher_close(&app->fetcher);
    writer_close(&app->writer);
    identity_close(&app->identity);
    secret_free(&app->api_key);
    key_free(&app->key);
}
