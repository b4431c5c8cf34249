/*
 * server/registry/auth.c - bearer tokens and participants' JWTs (docs/exchange.md §1)
 *
 * A JWT of a participant is checked in this order: form and header; iss = sub; kid names a key of
 * iss; aud is ours; times; the registered key's signature; single use: inserting (iss, jti) is the
 * check. The state of the participant decides what is left of its roles, here and nowhere else.
 */
#include "server/registry/auth.h"

#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "lib/crypto/secret.h"
#include "server/registry/registry.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define JWT_SKEW_US US_PER_MIN
#define PURGE_EVERY 1024 /* uses of signed tokens between two purges of those that have expired */
#define JWT_LIFE_US (5 * US_PER_MIN + JWT_SKEW_US)

static const struct {
    const char *role;
    unsigned bits;
} role_bits[] = {
    {"operator",  W_OPERATOR                     },
    {"admin",     W_ADMIN | W_PUBLISHER | W_BUYER},
    {"publisher", W_PUBLISHER                    },
    {"buyer",     W_BUYER                        },
    {"auditor",   W_AUDITOR                      },
};

struct token_row {
    struct str role, label;
    struct uuid participant_id;
    struct str did, state;
};
/* clang-format off */
static const struct field token_fields[] = {
    FIELD(struct token_row, role,           "role",           F_REQUIRED),
    FIELD(struct token_row, label,          "label",          F_REQUIRED),
    FIELD(struct token_row, participant_id, "participant_id", 0),
    FIELD(struct token_row, did,            "did",            0),
    FIELD(struct token_row, state,          "state",          0),
};
/* clang-format on */
static OBJECT(token_object, struct token_row, token_fields, OPEN);

unsigned auth_role_bits(struct str role)
{
    for (size_t i = 0; i < ARRAY_LEN(role_bits); i++) {
        if (str_eq_c(role, role_bits[i].role))
            return role_bits[i].bits;
    }
    return 0;
}

/* What a participant's state leaves of its roles. */
static unsigned roles_in_state(unsigned roles, struct str state)
{
    return str_eq(state, STR("active")) ? roles | W_APPLICANT : W_APPLICANT;
}

static int opaque_token(struct rq *rq, struct str token, struct principal *who, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct token_row row = {0};
    uint8_t hash[SHA256_LEN];

    sha256(token.p, token.n, hash);
    switch (db_one(worker->db, &q_access_token_find,
                   DB_ARGS(DB_BYTES(str_n(hash, sizeof(hash))), DB_TIME(env_wall_us(rq->env))),
                   &token_object, rq->arena, &row, err)) {
    case DB_ROW: break;
    case DB_NONE:
        return err_tell(err, E_TOKEN, "Authorization",
                        "the token is not known, expired or revoked");
    case DB_FAIL: return err_ret(err);
    }
    *who = (struct principal){
        .roles = auth_role_bits(row.role),
        .participant = row.participant_id,
        .did = row.did,
        .label = row.label,
    };
    if (!uuid_is_zero(row.participant_id))
        who->roles = roles_in_state(who->roles, row.state);
    return 0;
}

static int check_claims(const struct app *app, const struct jws *jws,
                        const struct jwt_claims *claims, struct err *err)
{
    if (claims->iss.n == 0 || !str_eq(claims->iss, claims->sub))
        return err_tell(err, E_TOKEN, "/sub", "'sub' must equal 'iss'");
    if (!str_present(jws->kid) || jws->kid.n <= claims->iss.n ||
        !str_starts(jws->kid, claims->iss) || jws->kid.p[claims->iss.n] != '#')
        return err_tell(err, E_TOKEN, "kid", "'kid' must be a key of 'iss'");
    if (!str_eq(claims->aud, app->settings->did))
        return err_tell(err, E_TOKEN, "/aud", "expected '%.*s'", STR_ARG(app->settings->did));
    if (claims->jti.n == 0 || claims->jti.n > 200)
        return err_tell(err, E_TOKEN, "/jti", "expected 1 to 200 characters");
    return 0;
}

static int use_once(struct rq *rq, const struct jwt_claims *claims, struct err *err)
{
    struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    int64_t changed = 0;

    if (atomic_fetch_add_explicit(&app->registry->uses, 1, memory_order_relaxed) % PURGE_EVERY ==
            0 &&
        db_exec(worker->db, &q_token_used_purge, DB_ARGS(DB_TIME(env_wall_us(rq->env))), NULL,
                err) < 0)
        return err_ret(err);
    if (db_exec(worker->db, &q_token_use,
                DB_ARGS(DB_TEXT(claims->iss), DB_TEXT(claims->jti),
                        DB_TIME(claims->exp_us + JWT_SKEW_US)),
                &changed, err) < 0)
        return err_ret(err);
    return changed == 1 ? 0 : err_tell(err, E_TOKEN, "/jti", "the token was used before");
}

static int signed_token(struct rq *rq, struct str token, struct principal *who, struct err *err)
{
    struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(key_free) struct key *key = NULL;
    struct participant participant = {0};
    struct jwt_claims claims;
    struct jws jws;

    if (jws_parse(token, rq->arena, &jws, err) < 0 ||
        jdoc_parse(jws.payload, &jlimits_default, &doc, err) < 0 ||
        jwt_claims_read(jdoc_root(doc), env_wall_us(rq->env), JWT_SKEW_US, JWT_LIFE_US, &claims,
                        err) < 0) {
        err->code = E_TOKEN;
        return err_ret(err);
    }
    if (check_claims(app, &jws, &claims, err) < 0)
        return err_ret(err);
    if (participant_by_did(worker->db, claims.iss, rq->arena, &participant, err) < 0)
        return err->code == E_NOT_FOUND ? err_tell(err, E_TOKEN, "/iss", "not a participant")
                                        : err_ret(err);
    if (participant_jwk(&participant, &key, err) < 0 || jws_verify(&jws, key, err) < 0 ||
        use_once(rq, &claims, err) < 0)
        return err_ret(err);
    *who = (struct principal){
        .roles = roles_in_state(W_CONNECTOR | W_ADMIN | W_PUBLISHER | W_BUYER, participant.state),
        .participant = participant.participant_id,
        .did = participant.did,
        .label = STR("connector"),
    };
    return 0;
}

/* Who a token speaks for. The operator's token comes first: its form is the operator's choice. */
static int identify(struct rq *rq, struct str token, struct principal *who, struct err *err)
{
    const struct app *app = rq->app;

    if (secret_eq(app->registry->operator_token, token)) {
        *who = (struct principal){.roles = W_OPERATOR, .label = STR("operator")};
        return 0;
    }
    return memchr(token.p, '.', token.n) != NULL ? signed_token(rq, token, who, err)
                                                 : opaque_token(rq, token, who, err);
}

int auth_check(struct rq *rq, unsigned who, struct err *err)
{
    struct str token = rq_header(rq, "Authorization");
    struct principal *principal = ARENA_NEW(rq->arena, struct principal);

    if (who == W_PUBLIC)
        return 0;
    if (principal == NULL)
        return err_set(err, E_NO_MEMORY, "", "principal");
    if (token.n <= 7 || token.n > LIMIT_TOKEN || !str_eq_nocase(str_n(token.p, 7), STR("Bearer ")))
        return err_tell(err, E_UNAUTHENTICATED, "Authorization", "expected 'Bearer' and a token");
    if (identify(rq, str_trim(str_from(token, 7)), principal, err) < 0)
        return err_ret(err);
    if ((principal->roles & who) == 0)
        return err_tell(err, E_FORBIDDEN, "", "%s",
                        principal->roles == W_APPLICANT ? "the participant is not active"
                                                        : "the token's role does not allow this");
    rq->principal = principal;
    if (!uuid_is_zero(principal->participant))
        log_ctx_add(&rq->log, L_UUID("participant", principal->participant));
    return 0;
}
