/*
 * connector/identity/identity.h - who we are to a peer, and who a peer is
 *
 * Modes (a table of ops): `naru` - JWT signed with the company's key, peer's key by did:web
 * (cached, bounded, negative cache), membership credential of the broker checked (docs/exchange.md
 * §1, §3); `static` - opaque tokens from a file, or the JSON of mock identities, for tests and conformance
 * suites, loopback only.
 * Thread-safe. Tokens are made per audience and reused until a minute before they expire;
 * verifications are cached by token hash until expiry.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/http/http.h"

struct app;
struct identity;

struct peer {
    struct str id; /* participant id (DID) */
    bool member;   /* membership credential valid */
    struct str name;
    struct str country;     /* ISO 3166-1 alpha-2, STR_NONE if unknown */
    struct str participant; /* the broker's uuid text, STR_NONE if unknown */
    int64_t verified_us;    /* when its claims were checked */
    int64_t valid_until_us;
    /* its membership credential; STR_NONE and 0: this identity mode has none */
    struct str credential_id, issuer;
    struct str attestations; /* JSON array of struct wire_attestation; STR_NONE: none */
    int64_t issued_us, expires_us;
};

MUST_CHECK int identity_open(struct app *app, struct identity **ret_identity, struct err *err);
void identity_close(struct identity **identity);

/* Authorization header value for messages to `audience` (a participant id, or the broker's DID).
 * Appends. May sign (25 µs). */
MUST_CHECK int identity_token(struct identity *identity, struct str audience, struct buf *out,
                              struct err *err);

/*
 * Verifies the Authorization header of a request. Returns 0 with *ret_peer (arena), a negative
 * error (E_TOKEN, E_UNAUTHENTICATED), or 1 after it has suspended the request to look up the peer's
 * key: return 0 from the handler then; `again` runs when it is known.
 */
MUST_CHECK int identity_authenticate(struct rq *rq, http_handler *again, struct peer *ret_peer,
                                     struct err *err);
/* As above, but accepts only the broker (POST /exchange/…). */
MUST_CHECK int identity_authenticate_broker(struct rq *rq, http_handler *again, struct err *err);

/* Verifies a JWS of a known issuer (an order signed by the broker): key from the DID document,
 * blocking at most 5 s; not for HTTP threads' hot paths. */
MUST_CHECK int identity_verify_document(struct identity *identity, struct str compact,
                                        const char *typ, struct str issuer, struct arena *arena,
                                        struct str *ret_payload, struct err *err);

/*
 * Signs a document of ours as compact JWS (docs/exchange.md §2): kid is our key, typ from wire.h.
 * Appends.
 */
MUST_CHECK int identity_sign(struct identity *identity, const char *typ, struct str payload,
                             struct buf *out, struct err *err);

/* Looks the participant's keys up in advance: its host may be away when they are needed. Never waits. */
void identity_expect(struct identity *identity, struct str did);

/*
 * Where a participant's DID document (did:web) says that its connectors are: endpoints of its
 * services of the types DataService and CatalogService, in the arena. Returns 0, a negative error
 * (E_INVALID: no did:web; E_PEER_REFUSED, E_PEER_DOWN), or 1 after it has suspended the request:
 * return 0 from the handler then; `again` runs when the document is known.
 */
MUST_CHECK int identity_connectors(struct rq *rq, struct str did, http_handler *again,
                                   struct str_list *ret_endpoints, struct err *err);

/*
 * Makes sure that the keys of this issuer are known or are known to be out of reach, so that
 * identity_verify_document does not wait. Returns 0, or 1: `go_on` runs when they are, perhaps
 * before this returns; or a negative error.
 */
MUST_CHECK int identity_keys(struct identity *identity, struct str issuer, void (*go_on)(void *cls),
                             void *cls, struct err *err);

/* Installs a fresh membership credential (exchange). */
void identity_set_membership(struct identity *identity, struct str credential, int64_t expires_us);
/* Ours no longer counts: from now on we show none. */
void identity_drop_membership(struct identity *identity);

/* Public listener: GET /.well-known/did.json, for companies that host their own. */
extern const struct http_route identity_routes[];
