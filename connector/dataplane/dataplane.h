/*
 * connector/dataplane/dataplane.h - provider: sources, pull tokens, access checks, pushes, receipts;
 * consumer: EDRs, pull proxy
 *
 * Provider: GET|HEAD /data/{path…} with `Authorization: <token>` (with or without "Bearer "). Each
 * access checks: token signature and binding (transfer, agreement, consumer) -> transfer STARTED ->
 * agreement in force -> policy decision (kept until valid_until) -> then streams, counts, and
 * writes the provider's receipt when the last byte has left. Consumer: the management listener's
 * /naru/v1/edrs/{transfer}/data pulls through us, checks the digest, counts, and writes the
 * consumer's receipt for the same event. A push is an access as well, whose answer goes to the
 * destination that the consumer has named: docs/data-plane.md §5.
 */
#pragma once

#include "connector/app.h"
#include "connector/store/store.h"

struct jval;

MUST_CHECK int dataplane_open(struct app *app, struct dataplane **ret_dataplane, struct err *err);
/* When the listeners have closed, and before the outbox does: waits until what was delivered is
 * counted. NULL allowed. */
void dataplane_finish(struct dataplane *dataplane);
void dataplane_close(struct dataplane **dataplane);
/* Public listener: /data/…, /data/token (refresh). */
extern const struct http_route dataplane_public_routes[];
/* Management listener: /naru/v1/edrs/{transfer}/data. */
extern const struct http_route dataplane_management_routes[];

/* True if we can serve this asset in this format: source driver exists, address well-formed. Errors
 * say what is wrong with the data address. */
MUST_CHECK int dataplane_check_address(struct app *app, struct str data_address, struct str format,
                                       struct err *err);
/* Opens the file of a `File` address below the operator's folders: a descriptor for the caller, or
 * a negative error (E_INVALID, E_NOT_FOUND, E_IO) with at = "/path". */
MUST_CHECK int dataplane_open_file(struct app *app, struct str path, struct err *err);
/* Formats that an asset's address can be served in, as DSP distribution formats: "HttpData-PULL",
 * and "HttpData-PUSH" for what is one file, answer or table. */
struct str_list dataplane_formats(const struct app *app, struct str data_address);
/* The types of all sources, and the formats in which any of them is served; in the arena. */
MUST_CHECK int dataplane_abilities(struct arena *arena, struct str_list *ret_sources,
                                   struct str_list *ret_formats, struct err *err);
/* True if transfers of this format bring the data to a destination of the consumer's. */
bool dataplane_is_push(struct str format);

/*
 * Consumer: a destination in the form of the management API ({"type":"HttpData","baseUrl":…}) as the
 * dataAddress of a TransferRequest, appended. Errors: E_INVALID, E_LIMIT, with `at` below the
 * destination.
 */
MUST_CHECK int dataplane_destination_write(struct str destination, struct buf *out,
                                           struct err *err);
/*
 * Provider: reads the dataAddress of a TransferRequest for a push (NULL: there is none), in the
 * protocol's or EDC's form; the form of the management API is appended. Errors: E_INVALID, E_LIMIT,
 * with `at` below "/dataAddress".
 */
MUST_CHECK int dataplane_destination_read(struct app *app, const struct jval *address,
                                          struct buf *out, struct err *err);

/*
 * How the data plane ends a transfer of ours as provider: completed, or terminated with a reason. The
 * protocol's unit does it (dsp_transfer_end); `done` is called once after the commit, from any
 * thread, unless an error is returned. E_CONFLICT: its state has changed meanwhile.
 */
typedef void dataplane_ended_fn(void *cls, struct str id, const struct err *err);
typedef int dataplane_end_fn(struct app *app, struct str id, bool complete, struct str reason,
                             dataplane_ended_fn *done, void *cls, struct err *err);
/* Begins with the pushes that are due. When what `end` needs is open. */
MUST_CHECK int dataplane_start(struct app *app, dataplane_end_fn *end, struct err *err);
/* A transfer as provider has become STARTED: after the commit. NULL allowed. */
void dataplane_push_due(struct dataplane *dataplane);

/*
 * Makes the DSP DataAddress (JSON text, appended) that a consumer gets with TransferStart:
 * endpoint, authorization token (JWT by our key, bound to transfer, agreement and consumer; life
 * settings->token_life_us, never beyond the agreement's end nor until_us, at which its policy's
 * decision turns), expiresIn, refresh endpoint and token.
 */
MUST_CHECK int dataplane_grant(struct app *app, const struct transfer *transfer,
                               const struct agreement *agreement, int64_t until_us, struct buf *out,
                               struct err *err);
/* A transfer or agreement changed: drops what the access cache knows of it; what is under way and has
 * lost its right is cut, of pulls as consumer, too. After the commit. */
void dataplane_forget(struct dataplane *dataplane, struct str transfer_id, struct str agreement_id);

/* The same of all transfers. */
void dataplane_forget_all(struct dataplane *dataplane);

/* Inside an operation: receipts of accesses that a process with this number (connector/replica.h) has
 * left between their first byte and their receipt, at most LIMIT_PAGE. */
MUST_CHECK int dataplane_settle_left(struct db *tx, struct dataplane *dataplane, int64_t owner,
                                     size_t *ret_n, struct err *err);

/* Consumer, inside the writer's operation that accepts TransferStart: keeps the EDR. `address` is
 * the message's dataAddress. */
MUST_CHECK int dataplane_edr_store(struct db *tx, struct str transfer_id,
                                   const struct jval *address, int64_t now_us, struct err *err);

/*
 * Consumer: asks the provider for a fresh token of a transfer and keeps it, unless the kept one is
 * good for a while or cannot be renewed (with `force` always, or E_CONFLICT). `done` is called
 * once, perhaps at once, from any thread, unless an error is returned. Errors: E_NOT_FOUND,
 * E_CONFLICT.
 */
typedef void dataplane_renewed_fn(void *cls, const struct err *err);
MUST_CHECK int dataplane_edr_renew(struct app *app, struct db *db, struct str transfer_id,
                                   bool force, dataplane_renewed_fn *done, void *cls,
                                   struct err *err);
