/*
 * server/registry/auth.h - who calls: bearer tokens and participants' signed JWTs (docs/exchange.md
 * §1)
 *
 * The `who` column of a route is a bit set; authorisation happens once, here, before a handler
 * runs. Only participants in state active pass, except where W_APPLICANT is set.
 */
#pragma once

#include "lib/base/uuid.h"
#include "lib/http/http.h"

enum who {
    W_PUBLIC = 0,
    W_OPERATOR = 1,
    W_ADMIN = 2,
    W_PUBLISHER = 4,
    W_BUYER = 8,
    W_AUDITOR = 16,
    W_CONNECTOR = 32, /* a participant's JWT */
    W_APPLICANT = 64, /* also participants that are not active (own record only) */
};

#define W_MEMBER (W_ADMIN | W_PUBLISHER | W_BUYER | W_CONNECTOR)

struct principal {
    unsigned roles;          /* W_ bits */
    struct uuid participant; /* zero for operator and auditor */
    struct str did;          /* STR_NONE for operator and auditor */
    struct str label;        /* token label or "connector" */
};

/* http_cfg.authorise of both listeners. Errors: E_UNAUTHENTICATED, E_TOKEN, E_FORBIDDEN. */
int auth_check(struct rq *rq, unsigned who, struct err *err);

static inline const struct principal *rq_principal(const struct rq *rq)
{
    return rq->principal;
}
