/*
 * server/app.h - the broker's parts, made by main and passed to everything
 *
 * HTTP threads handle ordinary requests on connections of their own (struct worker, role naru_app).
 * One writer (role naru_app) takes receipts and outbox acknowledgements, one sealer thread (role
 * naru_sealer) seals the log. The process holds no state: any number of replicas may run.
 */
#pragma once

#include "lib/base/env.h"
#include "lib/base/str.h"
#include "lib/crypto/key.h"
#include "lib/db/db.h"
#include "lib/db/writer.h"
#include "lib/http/http.h"
#include "lib/net/fetch.h"
#include "lib/sm/outbox.h"
#include "lib/sm/timer.h"
#include "server/settings.h"

struct registry;
struct sealer;

struct app {
    const struct env *env;
    _Atomic(const struct settings *) settings; /* exchanged on SIGHUP; older ones stay readable */
    struct str url;                            /* public base URL without trailing slash */
    struct db_cfg db;                          /* role naru_app */
    struct key *key;                           /* ES256 */
    struct key *log_key;                       /* Ed25519 */
    struct fetcher *fetcher;
    struct writer *writer;
    struct timers *timers; /* ends of orders; old answers (idempotency.h) */
    struct outbox *outbox;
    struct registry *registry; /* key and token caches */
    struct sealer *sealer;
    struct http *http;
    struct http *operator_http;
};

/* Per HTTP thread: rq->thread. */
struct worker {
    struct db *db;
};
