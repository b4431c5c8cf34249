/*
 * connector/app.h - the connector's parts, made by main and passed to everything
 *
 * Threads: HTTP threads (each with a struct worker), one writer, one fetcher, one outbox timer, one
 * timer thread. Parts are made in the order of the members and ended in the reverse order.
 */
#pragma once

#include "connector/settings.h"
#include "lib/base/env.h"
#include "lib/base/str.h"
#include "lib/crypto/key.h"
#include "lib/crypto/secret.h"
#include "lib/db/db.h"
#include "lib/db/writer.h"
#include "lib/http/http.h"
#include "lib/net/fetch.h"
#include "lib/sm/outbox.h"
#include "lib/sm/timer.h"

struct events;
struct identity;
struct exchange;
struct dataplane;
struct dsp;
struct mgmt;
struct policies;
struct replica;

struct app {
    const struct env *env;
    _Atomic(const struct settings *) settings; /* exchanged on SIGHUP; older ones stay readable */
    struct db_cfg db;                          /* for further connections */
    struct key *key;
    struct secret *api_key;
    struct policies *policies; /* compiled, by their text */
    struct replica *replica;   /* NULL on SQLite: we are alone */
    struct writer *writer;
    struct fetcher *fetcher;
    struct identity *identity;
    struct timers *timers;
    struct events *events; /* what has happened, for callbacks and followers */
    struct outbox *outbox;
    struct dsp *dsp;             /* catalogue cache, state of the protocol unit */
    struct dataplane *dataplane; /* sources, token key, access cache */
    struct exchange *exchange;   /* link to the broker */
    struct mgmt *mgmt;
    struct http *public_http;
    struct http *management_http;
    struct str public_url; /* "https://host:port", ours, without trailing slash */
    struct str dsp_root;   /* "https://host:port/dsp", ours; a version follows */
    struct str dsp_url;    /* "https://host:port/dsp/2025-1", the best version that we speak */
    struct str data_url;   /* "https://host:port/data", ours */
};

/* Who may call: the value of a route's `who`, judged by mgmt_authorise. */
enum mgmt_who { W_PUBLIC, W_KEY };

/* Per HTTP thread: rq->thread. */
struct worker {
    struct db *db; /* read connection */
};

/* Ends what has been made so far; *app fields are NULL afterwards. */
void app_stop(struct app *app);
