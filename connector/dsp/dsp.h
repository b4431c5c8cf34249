/*
 * connector/dsp/dsp.h - Dataspace Protocol 2025-1 and 2024-1: catalogue, negotiation, transfer, both roles
 *
 * Commands are what an operator or the management API may ask. Each checks, writes state, outbox
 * row and (where due) agreement in one operation of the writer, and calls `done` after the commit
 * (in the writer's thread). The protocol's HTTP handlers are in dsp/routes.def.
 */
#pragma once

#include "connector/app.h"
#include "connector/store/store.h"
#include "lib/db/writer.h"

MUST_CHECK int dsp_open(struct app *app, struct dsp **ret_dsp, struct err *err);
void dsp_close(struct dsp **dsp);
/*
 * <root>/<version>, the best of dsp.versions. Errors: E_CONFIG (it is empty).
 */
MUST_CHECK int dsp_best_url(const struct settings *settings, struct str root, struct arena *arena,
                            struct str *ret_url, struct err *err);
/* The i-th of dsp.versions, the best first, as "dataspace-protocol-http:2025-1"; or STR_NONE. */
struct str dsp_protocol(const struct settings *settings, size_t i);
/* A version document's name for a version ("2024-1", "2024/1") means that of the protocol. */
bool dsp_is_version(struct str protocol, struct str version);
/* Public routes: <base>/dsp/{version}/…, /.well-known/dspace-version. */
extern const struct http_route dsp_routes[];
/* Management listener: an operator's words, /naru/v1/negotiations/… and /naru/v1/transfers/…. */
extern const struct http_route dsp_management_routes[];

/* Tells the catalogue cache that assets, policies or contract definitions have changed (after the
 * commit). */
void dsp_catalogue_changed(struct dsp *dsp);

/* Forgets ids of messages so old that nobody repeats them, a piece at a time, and sets when to go
 * on; any thread. */
void dsp_messages_prune(struct app *app);

/* http_cfg.render_error of the public listener: typed errors of the protocol below /dsp, RFC 9457
 * elsewhere. */
void dsp_render_error(struct rq *rq, const struct err *err);

/* Outbox messages of kinds "dsp.…": leaving, and what their end means (connector/send.h). */
void dsp_send(struct app *app, const struct outbox_msg *msg);
int dsp_ended(struct db *tx, struct app *app, const struct outbox_msg *msg,
              enum outbox_result result, struct str answer, struct err *err);
/* What dsp_ended asks first of a message that was SENT (lib/db/db.h, db_ask). */
int dsp_ask_ended(struct db *tx, struct app *app, const struct outbox_msg *msg, struct str answer,
                  struct err *err);
void dsp_after(struct app *app, const struct outbox_msg *msg, enum outbox_result result);

/* Calls `agreed` after each commit that finalises a negotiation, in the writer's thread. Before the
 * listeners open. */
void dsp_on_agreed(struct dsp *dsp, void (*agreed)(void *cls), void *cls);

typedef void dsp_done_fn(void *cls, struct str id, const struct err *err);

struct dsp_negotiate {
    struct str peer_id;
    struct str peer_address, protocol; /* which version: dsp__choose */
    struct str offer_id, asset_id;
    struct str policy; /* offer as JSON text (DSP compact form), as the peer's catalogue gave it */
    struct str callbacks; /* JSON array or STR_NONE */
};

/* Starts a negotiation as consumer; `id` in done is our pid. Texts are copied. */
MUST_CHECK int dsp_negotiate(struct app *app, const struct dsp_negotiate *request,
                             dsp_done_fn *done, void *cls, struct err *err);
/* Ends a negotiation from our side; E_NOT_FOUND, E_CONFLICT (final already). */
MUST_CHECK int dsp_negotiation_terminate(struct app *app, struct str id, struct str reason,
                                         dsp_done_fn *done, void *cls, struct err *err);

/*
 * DSP_ACCEPT: as consumer, the provider's offer. The others wait only where operator.decides names
 * them - DSP_AGREE: as provider, to a request or an acceptance; DSP_VERIFY: as consumer, an
 * agreement; DSP_FINALIZE: as provider, a verified agreement. E_NOT_FOUND, E_CONFLICT (not in that
 * state).
 */
enum dsp_negotiation_act { DSP_AGREE, DSP_ACCEPT, DSP_VERIFY, DSP_FINALIZE };

MUST_CHECK int dsp_negotiation_act(struct app *app, struct str id, enum dsp_negotiation_act act,
                                   dsp_done_fn *done, void *cls, struct err *err);

/* Other rules than those on the table: as provider an offer, as consumer a counter-request.
 * `policy` is JSON text in any form that policy/ reads. Errors as above; E_INVALID. */
MUST_CHECK int dsp_negotiation_offer_rules(struct app *app, struct str id, struct str policy,
                                           dsp_done_fn *done, void *cls, struct err *err);

struct dsp_transfer {
    struct str agreement_id, format;
    struct str peer_address, protocol; /* STR_NONE: as in the negotiation */
    struct str data_address;           /* JSON, push only */
    struct str private_properties, callbacks;
};

MUST_CHECK int dsp_transfer_request(struct app *app, const struct dsp_transfer *request,
                                    dsp_done_fn *done, void *cls, struct err *err);

/*
 * DSP_START: as provider, a request that waits (operator.decides = start). The policy is decided
 * again at a start and a resumption of ours; what it refuses is E_CONFLICT with its reason, and
 * nothing has changed.
 */
enum dsp_transfer_act { DSP_START, DSP_SUSPEND, DSP_RESUME, DSP_COMPLETE, DSP_TERMINATE };

MUST_CHECK int dsp_transfer_act(struct app *app, struct str id, enum dsp_transfer_act act,
                                struct str reason, dsp_done_fn *done, void *cls, struct err *err);

/*
 * Inside an operation: EDC's last state, of a transfer that has ended or is about to. The protocol does
 * not know it, the other party is not told. events_committed after the commit. E_NOT_FOUND,
 * E_CONFLICT (it runs, or was deprovisioned before).
 */
MUST_CHECK int dsp_transfer_deprovision(struct app *app, struct db *tx, struct str id,
                                        int64_t now_us, struct err *err);

/* dataplane_end_fn: a push has come to its end. */
MUST_CHECK int dsp_transfer_end(struct app *app, struct str id, bool complete, struct str reason,
                                dsp_done_fn *done, void *cls, struct err *err);

/*
 * The policy of running transfers (reconsider.c). dsp_reconsider: after the commit, something has
 * happened that may turn decisions about this peer (STR_NONE: about any); each of its transfers that
 * runs or rests is decided again soon, and suspended, started again or terminated; any thread. What
 * stands below this unit says the same with timed_set(app, "reconsider", peer_id, now).
 */
void dsp_reconsider(struct app *app, struct str peer_id);
/* The timers' (timed.c): makes the transfers of a peer due; decides those that are due. */
void dsp_doubt(struct app *app, struct str peer_id);
void dsp_decide_due(struct app *app);
/* At the start, and when another replica has gone: decides all. */
void dsp_decide_all(struct app *app);

/* An agreement's time is over (ends_us): as dsp_agreement_end, its policy says why. E_BUSY: not yet. */
MUST_CHECK int dsp_agreement_expire(struct app *app, struct str agreement_id, dsp_done_fn *done,
                                    void *cls, struct err *err);

/* Ends an agreement before its time: its transfers are terminated, the next access is refused, the
 * peer is told. */
MUST_CHECK int dsp_agreement_end(struct app *app, struct str agreement_id, struct str reason,
                                 dsp_done_fn *done, void *cls, struct err *err);

/*
 * Retires an agreement: as provider it gives nothing any more, until it is taken back, and its
 * transfers are terminated, with this reason; they do not come back. E_NOT_FOUND; E_CONFLICT (it is
 * retired).
 */
MUST_CHECK int dsp_agreement_retire(struct app *app, struct str agreement_id, struct str reason,
                                    dsp_done_fn *done, void *cls, struct err *err);

struct policy;
/*
 * The policy under which we offer an asset now, with one more reference. Errors: E_NOT_FOUND (we do
 * not offer it); E_CONFLICT (under more than one).
 */
MUST_CHECK int dsp_asset_policy(const struct app *app, struct db *db, struct str asset_id,
                                struct policy **ret_policy, struct err *err);

/*
 * Asks a peer for its catalogue (or one dataset) and gives the JSON answer, in the words of 2025-1,
 * to `done` (fetcher's thread). `query` is a DSP filter array as JSON text or STR_NONE; pages that
 * the peer links are followed until `wanted` datasets have come. Which version: dsp__choose.
 * Errors: E_PEER_*.
 */
typedef void dsp_catalogue_fn(void *cls, struct str json, const struct err *err);

struct dsp_ask {
    struct str peer_id, peer_address, protocol;
    struct str query, dataset_id;
    size_t wanted;
};

MUST_CHECK int dsp_catalogue_request(struct app *app, const struct dsp_ask *request,
                                     dsp_catalogue_fn *done, void *cls, struct err *err);
MUST_CHECK int dsp_dataset_request(struct app *app, const struct dsp_ask *request,
                                   dsp_catalogue_fn *done, void *cls, struct err *err);
/* The same for the versions that a peer speaks: <base_address>/.well-known/dspace-version. */
MUST_CHECK int dsp_version_request(struct app *app, struct str base_address, dsp_catalogue_fn *done,
                                   void *cls, struct err *err);
