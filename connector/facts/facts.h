/*
 * connector/facts/facts.h - gathers what a policy needs to know before policy_decide
 *
 * Sources: identity (participant), the membership credential and our operator's records (membership,
 * framework agreements, business partner number, region), orders of the broker (paid order, plan,
 * declared purpose), the agreement (time, counters of use), the clock. Each fact carries its source
 * and its age. What is not known stays unknown: the engine denies. Table: docs/policy.md, Facts.
 */
#pragma once

#include "connector/identity/identity.h"
#include "connector/store/store.h"
#include "policy/policy.h"

/* What a decision is about. agreement is NULL before there is one; its uses are counted together
 * with the one that is asked about. */
struct facts_about {
    const struct peer *peer;
    struct str asset_id;
    const struct agreement *agreement;
    int64_t bytes; /* that this use will take, 0 if that is not known */
    int64_t rows;  /* the same */
    bool running;  /* no further use: may those that were let through go on? */
};

/* Fills *ret_facts for the operands that `policy` needs. Errors: E_DB, E_NO_MEMORY. */
MUST_CHECK int facts_gather(struct db *db, const struct policy *policy,
                            const struct facts_about *about, int64_t now_us, struct arena *arena,
                            struct policy_facts *ret_facts, struct err *err);

/* The same; *ret_until_us is the instant at which the first of these facts ends by itself
 * (POLICY_FOREVER: none does). What grows too old is the engine's to know. */
MUST_CHECK int facts_gather_until(struct db *db, const struct policy *policy,
                                  const struct facts_about *about, int64_t now_us,
                                  struct arena *arena, struct policy_facts *ret_facts,
                                  int64_t *ret_until_us, struct err *err);

/* The operands for which there is a source of facts, one bit each; others stay unknown. */
uint64_t facts_known(void);

/* The other party as its last credential told us, for decisions long after its message; somebody
 * who never showed one is known by id only. */
MUST_CHECK int facts_peer(struct db *db, struct str peer_id, struct arena *arena,
                          struct peer *ret_peer, struct err *err);

/* -- credentials of a partner ------------------------------------------------------------------- */

/* What may be recorded of a partner, by name in the management API. */
enum facts_credential {
    FACTS_MEMBERSHIP,
    FACTS_FRAMEWORK_AGREEMENT,
    FACTS_BUSINESS_PARTNER_NUMBER,
    FACTS_REGION,
    FACTS_CREDENTIAL__COUNT
};

extern const char *const facts_credential_names[FACTS_CREDENTIAL__COUNT + 1];

/* How the membership credential of a peer stands. */
struct facts_shown {
    enum policy_knowledge knowledge; /* KNOWN: it counts now; ABSENT: it is revoked */
    struct policy_source source;     /* whose it is, and why it does not count */
    int64_t age_us;                  /* since its issuer last stood for it */
    int64_t until_us;                /* when it ends by itself; 0: no credential */
    int64_t revoked_us;              /* 0: it is not */
};

MUST_CHECK int facts_shown(struct db *db, const struct peer *peer, int64_t now_us,
                           struct arena *arena, struct facts_shown *ret_shown, struct err *err);

/* One value that our operator has recorded (table partner_credential). */
struct facts_recorded {
    struct str type, value, issuer;
    int64_t recorded_us, expires_us;
};
extern const struct object facts_recorded_row;

/* Those of a partner that count now; items are struct facts_recorded. */
MUST_CHECK int facts_recorded(struct db *db, struct str peer_id, int64_t now_us,
                              struct arena *arena, struct list *ret_list, struct err *err);

/* The next instant at which something that is known of a peer by credentials ends by itself, or
 * POLICY_FOREVER. */
MUST_CHECK int facts_until(struct db *db, struct str peer_id, int64_t now_us, struct arena *arena,
                           int64_t *ret_until_us, struct err *err);
