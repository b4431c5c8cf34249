/*
 * server/registry/registry_private.h - shared inside the registry
 */
#pragma once

#include <stdatomic.h>

#include "lib/base/check.h"
#include "lib/crypto/secret.h"
#include "lib/did/did.h"
#include "lib/sm/outbox.h"
#include "lib/wire/wire.h"
#include "server/registry/auth.h"
#include "server/registry/registry.h"

struct registry {
    struct app *app;
    struct secret *operator_token;
    struct did_cache *dids; /* documents of companies that host their own */
    _Atomic unsigned uses;  /* of signed tokens; now and then the expired ones are purged */
};

/* W_ bits of a role name, 0 if unknown. */
unsigned auth_role_bits(struct str role);
/* The registered key. */
MUST_CHECK int participant_jwk(const struct participant *participant, struct key **ret_key,
                               struct err *err);
/* Records the result of one check of an application ("number", "key", "did", "connector"). */
MUST_CHECK int registry__step(struct rq *rq, struct db *tx, struct uuid participant,
                              const char *step, const char *result, const char *detail,
                              struct err *err);
/* A new opaque token for a participant (zero: none), stored as hash. */
MUST_CHECK int registry__new_token(struct rq *rq, struct db *tx, struct uuid participant,
                                   struct str role, struct str label, int64_t expires_us,
                                   struct token_text *ret_token, struct err *err);
/* Writes the public record of a participant; `own` adds number, key and what was decided. */
void registry__write(const struct participant *participant, bool own, struct jw *w);

/* What the operator has checked about a company, and not withdrawn. */
struct attestation {
    struct uuid attestation_id;
    int kind; /* enum attestation_kind */
    struct str value;
    int64_t valid_until_us; /* 0: until it is withdrawn */
    int64_t recorded_us;
};

/* struct attestation, the oldest first. */
MUST_CHECK int registry__attestations(struct db *db, struct uuid participant, struct arena *arena,
                                      struct list *ret_list, struct err *err);
/* Member "attestations" of the object that is open. */
void registry__write_attestations(const struct list *list, struct jw *w);

struct credential {
    struct str token;
    int64_t expires_us;
};

/* {"credential","expires_at"} */
void registry__write_credential(const struct credential *credential, struct jw *w);

/* Inside a transaction: locks the participant's row until its end. Errors: E_NOT_FOUND; E_CONFLICT:
 * it is not active (*ret_participant is filled all the same). */
MUST_CHECK int registry__lock_active(struct db *tx, struct uuid id, struct arena *arena,
                                     struct participant *ret_participant, struct err *err);
/* With the row locked: issues, stores and logs a credential that says what is known now. */
MUST_CHECK int registry__issue(struct app *app, struct db *tx,
                               const struct participant *participant, struct arena *arena,
                               struct credential *ret_credential, struct err *err);

/* Messages to connectors, in the arena; wake them after the commit. */
struct registry_delivery {
    struct outbox_msg *msg;
    size_t n;
};

/* With the row locked: issues a credential and sends it to the company's connector. */
MUST_CHECK int registry__renew(struct app *app, struct db *tx,
                               const struct participant *participant, struct arena *arena,
                               struct registry_delivery *delivery, struct err *err);
/* With the row locked: all its credentials that have not expired no longer count, and everybody is
 * told. */
MUST_CHECK int registry__revoke(struct app *app, struct db *tx,
                                const struct participant *participant,
                                enum revocation_reason reason, struct arena *arena,
                                struct registry_delivery *delivery, struct err *err);
void registry__deliver(struct app *app, const struct registry_delivery *delivery);

int registry_apply(struct rq *rq, struct err *err);
int registry_me(struct rq *rq, struct err *err);
int registry_list(struct rq *rq, struct err *err);
int registry_get(struct rq *rq, struct err *err);
int registry_decide_approve(struct rq *rq, struct err *err);
int registry_decide_refuse(struct rq *rq, struct err *err);
int registry_decide_suspend(struct rq *rq, struct err *err);
int registry_attest(struct rq *rq, struct err *err);
int registry_attest_withdraw(struct rq *rq, struct err *err);
int registry_revocations(struct rq *rq, struct err *err);
int registry_credential(struct rq *rq, struct err *err);
int registry_token_add(struct rq *rq, struct err *err);
int registry_token_delete(struct rq *rq, struct err *err);
int registry_did_broker(struct rq *rq, struct err *err);
int registry_did_hosted(struct rq *rq, struct err *err);
