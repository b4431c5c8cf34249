/*
 * server/registry/registry_private.h - shared inside the registry
 */
#pragma once

#include <stdatomic.h>

#include "lib/base/check.h"
#include "lib/crypto/secret.h"
#include "lib/did/did.h"
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

int registry_apply(struct rq *rq, struct err *err);
int registry_me(struct rq *rq, struct err *err);
int registry_list(struct rq *rq, struct err *err);
int registry_get(struct rq *rq, struct err *err);
int registry_decide_approve(struct rq *rq, struct err *err);
int registry_decide_refuse(struct rq *rq, struct err *err);
int registry_decide_suspend(struct rq *rq, struct err *err);
int registry_credential(struct rq *rq, struct err *err);
int registry_token_add(struct rq *rq, struct err *err);
int registry_token_delete(struct rq *rq, struct err *err);
int registry_did_broker(struct rq *rq, struct err *err);
int registry_did_hosted(struct rq *rq, struct err *err);
