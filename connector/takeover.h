/*
 * connector/takeover.h - what a replica has left that is gone: its messages, its accesses, its
 * wishes, the instants that it watched
 */
#pragma once

#include "connector/app.h"

/* Takes all of it, unless the replica lives after all; not in the writer's thread. */
MUST_CHECK int replica_take_over(struct app *app, int64_t replica_id, struct str name,
                                 struct err *err);
