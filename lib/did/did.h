/*
 * lib/did/did.h - did:web: documents of others, fetched through lib/net, cached
 *
 * A document is at most 64 KiB, comes within 3 s without redirects, and its `id` must equal the DID
 * that was asked for, byte for byte. Documents are kept for 10 minutes, failures for 10 seconds (a
 * host that is away: E_PEER_DOWN, one second); the cache is bounded. While its host is away, a
 * document that we have had serves on for up to 24 hours, so that a trade does not stop with the data
 * bank that hosts its parties' keys; a host that answers (also with 404) is believed at once. A
 * document in use is reference counted. Thread-safe.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/env.h"
#include "lib/base/err.h"
#include "lib/crypto/key.h"
#include "lib/net/fetch.h"

struct did_cache;
struct did_document;

/* Relationships of a verification method (DID Core §5.3). */
enum did_relationship {
    DID_AUTHENTICATION = 1,
    DID_ASSERTION = 2,
    DID_CAPABILITY_INVOCATION = 4,
};

MUST_CHECK int did_cache_open(const struct env *env, struct fetcher *fetcher, bool allow_http,
                              struct did_cache **ret_cache, struct err *err);
void did_cache_close(struct did_cache **cache);

/*
 * did:web:host%3Aport:a:b -> https://host:port/a/b/did.json; without path /.well-known/did.json.
 * Only the first segment may hold an escape (%3A and a port). Errors: E_TOKEN for anything else.
 */
MUST_CHECK int did_web_url(struct str did, bool http, struct buf *out, struct err *err);

enum did_result {
    DID_FOUND,
    DID_FETCH,  /* not known yet: call did_fetch */
    DID_FAILED, /* err says why (kept for 10 s) */
};
/* Looks in the cache; *ret_document is a new reference. */
enum did_result did_get(struct did_cache *cache, struct str did, struct did_document **ret_document,
                        struct err *err);
void did_document_unref(struct did_document **document);
/* What is known of this DID is not used any more: the next one who asks fetches. */
void did_forget(struct did_cache *cache, struct str did);

/*
 * Fetches (once, however many ask); `wake` runs when the answer is in the cache, perhaps before
 * this returns.
 */
MUST_CHECK int did_fetch(struct did_cache *cache, struct str did, void (*wake)(void *cls),
                         void *cls, struct err *err);

/*
 * Looks in the cache, else fetches and waits until the answer is there or the wall-clock time is
 * over. For rare calls. Errors: E_TOKEN, E_PEER_TIMEOUT, E_BUSY.
 */
MUST_CHECK int did_resolve(struct did_cache *cache, struct str did, int64_t wait_us,
                           struct did_document **ret_document, struct err *err);

/*
 * The key that `kid` (a DID URL of this document, or STR_NONE if there is exactly one method)
 * names, listed under one of `relationships`. Borrowed from the document; NULL if there is none.
 */
const struct key *did_document_key(const struct did_document *document, struct str kid,
                                   unsigned relationships);

/* True if the document holds this key (by thumbprint) for signing or authentication. */
bool did_document_has_key(const struct did_document *document, const struct key *key);

/* A service (DID Core §5.4) whose type and endpoint are texts. Borrowed from the document. */
struct did_service {
    struct str type, endpoint;
};

/* The i-th of at most 16; both texts are STR_NONE after the last. */
struct did_service did_document_service(const struct did_document *document, size_t i);

/*
 * Reads a document from JSON text (tests, cache). *ret_document has one reference. Errors: E_TOKEN.
 */
MUST_CHECK int did_document_parse(struct str did, struct str json,
                                  struct did_document **ret_document, struct err *err);
