/*
 * server/registry/registry.h - participants: applications, approval, credentials, DID documents
 */
#pragma once

#include "lib/base/uuid.h"
#include "lib/crypto/key.h"
#include "server/app.h"

MUST_CHECK int registry_open(struct app *app, struct registry **ret_registry, struct err *err);
void registry_close(struct registry **registry);
extern const struct http_route registry_routes[];          /* API listener */
extern const struct http_route registry_operator_routes[]; /* operator listener */

struct participant {
    struct uuid participant_id;
    struct str did, slug, name_ko, name_en, country;
    struct str number_kind, number;
    struct str connector_url; /* exchange base of its connector: <url>/exchange/v1/… */
    struct str protocol_url;  /* DSP base */
    struct str public_jwk;
    bool hosted_did;
    struct str state;
    struct str reason; /* of the newest decision; STR_NONE if none was given */
    int64_t applied_us, decided_us;
};
extern const struct object participant_row; /* columns of reg.participant */

/* By id or DID. Errors: E_NOT_FOUND (also for DIDs never seen), E_DB. */
MUST_CHECK int participant_get(struct db *db, struct uuid id, struct arena *arena,
                               struct participant *ret_participant, struct err *err);
MUST_CHECK int participant_by_did(struct db *db, struct str did, struct arena *arena,
                                  struct participant *ret_participant, struct err *err);

/*
 * Verifies a signed document of a participant: form, typ, kid = <did>#…, signature with its
 * registered key. *ret_payload lives in the arena. Errors: E_TOKEN.
 */
MUST_CHECK int participant_verify(const struct participant *who, struct str compact,
                                  const char *typ, struct arena *arena, struct str *ret_payload,
                                  struct err *err);

/* Signs with the broker's key; `typ` from wire.h. Appends the compact form. */
MUST_CHECK int broker_sign(const struct app *app, const char *typ, struct str payload,
                           struct buf *out, struct err *err);
/* JWT of the broker for `audience` (5 minutes). Appends "Bearer …". */
MUST_CHECK int broker_token(const struct app *app, struct str audience, struct buf *out,
                            struct err *err);
