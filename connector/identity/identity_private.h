/*
 * connector/identity/identity_private.h - what the modes share
 */
#pragma once

#include <pthread.h>

#include "connector/app.h"
#include "connector/identity/identity.h"
#include "lib/did/did.h"

enum identity_verdict {
    IDENTITY_OK,
    IDENTITY_REFUSED, /* err is set */
    IDENTITY_FETCH,   /* ret_did must be looked up first */
};

/* One mode. Tokens come without "Bearer ". */
struct identity_ops {
    /* Checks settings and reads files; NULL: nothing to do. */
    int (*open)(struct identity *identity, struct err *err);
    int (*token)(struct identity *identity, struct str audience, struct buf *out, struct err *err);
    /*
     * expected: the only participant id that may pass, STR_NONE for any. Texts of *ret_peer live in
     * the arena.
     */
    enum identity_verdict (*verify)(struct identity *identity, struct str token,
                                    struct str expected, struct arena *arena, struct peer *ret_peer,
                                    struct str *ret_did, struct err *err);
};
extern const struct identity_ops identity_naru_ops;
extern const struct identity_ops identity_static_ops;  /* fixed tokens */
extern const struct identity_ops identity_claimed_ops; /* what a peer claims is believed */

struct known_token {
    char *token, *id; /* owned */
};

struct own_token {
    char *audience, *token; /* owned */
    int64_t until_us;
};

struct seen_token {
    uint8_t hash[32];
    struct peer peer; /* texts in `texts` */
    char *texts;      /* owned */
    int64_t until_us;
};

#define OWN_TOKENS  256
#define SEEN_TOKENS 4096

struct identity {
    struct app *app;
    const struct identity_ops *ops;
    struct did_cache *dids;
    struct str key_url; /* "<did>#<key id>" */
    char *key_url_text; /* owned */
    /* static: fixed after open */
    struct known_token *known;
    size_t n_known;
    /* guards what follows; never held over signing, verifying or I/O */
    pthread_mutex_t lock;
    char *membership; /* owned; NULL: none */
    int64_t membership_until_us;
    struct own_token own[OWN_TOKENS];    /* direct-mapped by audience */
    struct seen_token seen[SEEN_TOKENS]; /* direct-mapped by token hash */
};

/* E_CONFIG unless both listeners are loopback: for modes that prove nothing. */
MUST_CHECK int identity__loopback_only(const struct identity *identity, struct err *err);

/*
 * Verified tokens by their SHA-256, until valid_until_us of their peer. Finding copies the texts
 * into the arena.
 */
bool identity__seen_find(struct identity *identity, const uint8_t hash[static 32], int64_t now_us,
                         struct arena *arena, struct peer *ret_peer);
void identity__seen_keep(struct identity *identity, const uint8_t hash[static 32],
                         const struct peer *peer);

/*
 * A peer whose id is believed, in the modes that prove nothing: kept under its token for a minute, and
 * remembered. Borrows id.
 */
void identity__believe(struct identity *identity, const uint8_t hash[static 32], struct str id,
                       int64_t now_us, struct peer *ret_peer);

/* A peer with its texts in one piece of memory of identity__peer_bytes(). */
size_t identity__peer_bytes(const struct peer *peer);
struct peer identity__peer_copy(const struct peer *peer, char *memory);

/* Keeps a freshly verified peer in the database (table peer), soon; any thread. */
void identity__remember(struct identity *identity, const struct peer *peer);
