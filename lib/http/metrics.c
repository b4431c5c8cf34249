/*
 * lib/http/metrics.c - GET /metrics
 */
#include <errno.h>

#include "lib/http/http_private.h"
#include "lib/log/counters.h"

#include "lib/base/banned.h"

int http_metrics(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(MIB(1));

    counters_render(&body, program_invocation_short_name);
    if (buf_failed(&body))
        return err_set(err, E_NO_MEMORY, "", "metrics");
    rq_reply_buf(rq, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", &body);
    return 0;
}
