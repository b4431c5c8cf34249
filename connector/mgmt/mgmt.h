/*
 * connector/mgmt/mgmt.h - EDC-compatible management API (/v3), health under /api/check, and the
 * parts of /naru/v1 that explain policies
 */
#pragma once

#include "connector/app.h"

MUST_CHECK int mgmt_open(struct app *app, struct mgmt **ret_mgmt, struct err *err);
/* After the writer runs: transfers that were wished before the last stop. */
MUST_CHECK int mgmt_start(struct app *app, struct err *err);
/* Inside an operation: wishes that a process with this number (connector/replica.h) was asking for
 * wait again. */
MUST_CHECK int mgmt_wishes_release(struct db *tx, int64_t owner, struct err *err);
/* Asks for the transfers that wait; any thread. */
void mgmt_wishes_wake(struct mgmt *mgmt);
/* When the listeners have closed, and before the outbox does: waits for operations of its own. NULL
 * allowed. */
void mgmt_finish(struct mgmt *mgmt);
void mgmt_close(struct mgmt **mgmt);
extern const struct http_route mgmt_routes[];
/* GET /healthz for who watches the public listener. */
extern const struct http_route mgmt_public_routes[];
/* http_cfg.authorise of the management listener: X-Api-Key, constant time. */
int mgmt_authorise(struct rq *rq, unsigned who, struct err *err);
/* http_cfg.render_error: EDC's error array for /v3 and /v4, RFC 9457 below /naru. */
void mgmt_render_error(struct rq *rq, const struct err *err);
