/*
 * connector/mgmt/mgmt_private.h - what the endpoints of the management API share
 *
 * Every request: expand the body (mgmt__expand), decode it by a form, change the database in one
 * operation of the writer (mgmt__change) or read it, answer in the compact form that EDC gives:
 * terms of EDC without prefix, single-element arrays as their element. That is version 3 of the
 * API. Version 4 is the same with another form: bodies are checked first (v4.h), and what is answered
 * is compacted once more in its context (answer.c). Which version it is, the route says.
 */
#pragma once

#include <stdatomic.h>

#include "connector/events/events.h"
#include "connector/mgmt/criteria.h"
#include "connector/mgmt/form.h"
#include "connector/mgmt/mgmt.h"
#include "connector/mgmt/v4.h"
#include "connector/store/store.h"
#include "lib/base/limits.h"
#include "lib/db/writer.h"
#include "lib/jdoc/jdoc.h"
#include "lib/ld/ld.h"

struct mgmt {
    struct app *app;
    struct ld *ld;
    struct ld_context *edc;       /* of answers */
    struct ld_context *catalogue; /* of catalogues: dcat, dct and dspace too */
    struct ld_context *v4;        /* of answers of version 4 */
    struct ld_context *catalogue_v4;
    struct ld_context *v4_more;         /* terms that EDC's context of version 4 forgets */
    struct ld_context *odrl;            /* in which policies are read that name no context */
    struct policy_templates *templates; /* of clauses; immutable */
    atomic_llong wishes;                /* rows of one_shot */
    atomic_bool sweeping; /* an operation that will look at all wishes has not begun */
    atomic_llong live;    /* operations of one_shot.c that have not ended */
    atomic_bool closing;
};

#define ANSWER_MAX MIB(64)
#define MGMT_TX    "https://w3id.org/tractusx/v0.0.1/ns/" /* Tractus-X */

/* -- requests ---------------------------------------------------------------------------------- */

/* The version of the API that a route belongs to, among its flags. */
#define MGMT_V4 HTTP_APP_FLAG

static inline bool mgmt__is_v4(const struct rq *rq)
{
    return (rq->route->flags & MGMT_V4) != 0;
}

/*
 * Expands the request's body; *ret_node is its only node, NULL if nothing is left of it. On routes
 * of version 4 it must be of `type` (NULL: anything). An empty body is an error unless `optional`.
 * Errors: E_INVALID, E_SYNTAX with a public detail.
 */
MUST_CHECK int mgmt__expand(struct rq *rq, const struct v4_type *type, bool optional,
                            struct jdoc **ret_doc, const struct jval **ret_node, struct err *err);
/* `id` of the request, or a new one. */
struct str mgmt__id_or_new(struct rq *rq, struct str id);

/*
 * The members of a node but "@id", "@type" as JSON text, for columns of properties; NULL gives
 * "{}".
 */
MUST_CHECK int mgmt__properties(const struct jval *node, struct arena *arena, struct str *ret_text,
                                struct err *err);
/* An expanded DataAddress as JSON object of strings without EDC's namespace; "{}" if NULL. */
MUST_CHECK int mgmt__data_address(const struct jval *node, struct arena *arena,
                                  struct str *ret_text, struct err *err);
/* Expanded callback addresses, checked, as JSON array; STR_NONE if there are none. */
MUST_CHECK int mgmt__callbacks(struct rq *rq, const struct jval *nodes, struct str *ret_text,
                               struct err *err);

struct policy;
/* Compiles a policy of the request; errors carry the expanded path and are public. */
MUST_CHECK int mgmt__compile(const struct app *app, const struct jval *node,
                             struct policy **ret_policy, struct err *err);
/* Gives an error of the policy in a request its place in the request, as EDC tells it; errors that
 * are not about the request stay as they are. Returns -(int)err->code. */
int mgmt__policy_place(struct err *err);

/* -- changes ----------------------------------------------------------------------------------- */

/*
 * First member of what a change needs; in arena memory. Answered by an IdResponse if `id` is set,
 * else by 204. `catalogue`: the offers may have changed.
 */
struct change {
    struct writer_op op;
    db_tx_fn *fn;
    struct rq *rq;
    struct err err;
    struct str id;
    int64_t now_us;
    bool catalogue;                       /* changes what the catalogue says */
    void (*after)(struct change *change); /* NULL, or once committed, in the writer's thread */
    struct str if_match;                  /* STR_NONE: the entity may be in any state */
};

/* Suspends the request, runs `fn` (its arg is `change`) in the writer, answers. */
MUST_CHECK int mgmt__change(struct rq *rq, struct change *change, const char *name, db_tx_fn *fn,
                            struct err *err);
/*
 * Inside `fn`, before it changes an entity: E_PRECONDITION if the caller named states of it in
 * If-Match and it is in none of them. `get` is the query that reads it by id. What does not exist is
 * left to `fn`.
 */
MUST_CHECK int mgmt__match(struct db *tx, const struct change *change, const struct query *get,
                           struct str id, struct err *err);
/* Inside the operation: notes the event of a change that was made. */
MUST_CHECK int mgmt__event(const struct change *change, struct db *tx, enum event_id id,
                           struct str subject, struct err *err);
/* E_NOT_FOUND, E_CONFLICT in EDC's words. */
int mgmt__not_found(struct err *err, const char *type, struct str id);
int mgmt__exists(struct err *err, const char *type, struct str id);
/* A count, for "is it in use". */
MUST_CHECK int mgmt__count(struct db *db, const struct query *q, struct str id, int64_t *ret_n,
                           struct err *err);

/* A command of the protocol unit that answers in its own thread. */
struct command_wait {
    struct rq *rq;
    struct err err;
    char id[128]; /* of the new process */
};
/*
 * Suspends; the result and mgmt__done go to the command. Answers by an IdResponse or by 204. NULL:
 * no memory, not suspended.
 */
struct command_wait *mgmt__wait(struct rq *rq, bool answer_id, struct err *err);
void mgmt__wait_in(struct rq *rq, struct command_wait *wait, bool answer_id);
void mgmt__done(void *cls, struct str id, const struct err *err);

/* -- answers ----------------------------------------------------------------------------------- */

/* Ends the object that is open with "@context"; the other one has Tractus-X's prefix too. */
void mgmt__context(struct jw *w);
void mgmt__context_tx(struct jw *w);
/* Answers with an object, or a list of them, as version 3 has it; version 4 gets it in its own form. */
MUST_CHECK int mgmt__reply(struct rq *rq, struct buf *body, struct err *err);
MUST_CHECK int mgmt__reply_id(struct rq *rq, struct str id, int64_t created_us, struct err *err);
/* Sends the header ETag with the answer to GET …/{id}; the same in both versions of the API. */
void mgmt__etag(struct rq *rq, int64_t created_us, int64_t version);
/* A member if it is there. */
void mgmt__optional(struct jw *w, const char *key, struct str value);
/* `key` and the compact form of an expanded JSON object (or of an array of them: a list). */
MUST_CHECK int mgmt__compact(struct mgmt *mgmt, struct jw *w, const char *key, struct str expanded,
                             struct err *err);
/* `key` and a kept policy in compact form; `id` is its "@id" if it has none, or STR_NONE. */
MUST_CHECK int mgmt__policy(const struct rq *rq, struct jw *w, const char *key, struct str text,
                            struct str id, struct err *err);
/* "callbackAddresses" as they were kept. */
MUST_CHECK int mgmt__write_callbacks(struct jw *w, struct str text, struct err *err);
/* `key` and a kept DataAddress. */
MUST_CHECK int mgmt__write_address(struct jw *w, const char *key, struct str text, struct err *err);

/* Writes one entity, or nothing with *ret_found false. */
typedef int mgmt__write_fn(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                           bool *ret_found, struct err *err);
/* GET …/{id} */
MUST_CHECK int mgmt__read(struct rq *rq, enum entity_kind kind, struct str id,
                          mgmt__write_fn *write, struct err *err);
/* POST …/request */
MUST_CHECK int mgmt__query(struct rq *rq, enum entity_kind kind, mgmt__write_fn *write,
                           struct err *err);

struct dsp_negotiate;
/* A ContractRequest; texts in the request's arena. */
MUST_CHECK int mgmt__read_contract_request(struct rq *rq, struct dsp_negotiate *ret_request,
                                           struct err *err);
/*
 * A contract was made: starts the transfers that were wished; the writer's thread. cls is the mgmt.
 */
void mgmt__agreed(void *cls);
mgmt__write_fn mgmt__write_negotiation, mgmt__write_agreement;
/* "reason" of a termination or suspension; the body may be empty. */
MUST_CHECK int mgmt__reason(struct rq *rq, const struct v4_type *type, struct str *ret_reason,
                            struct err *err);

/* clang-format off */
#define ROUTE HTTP_ROUTE_PROTO
#include "connector/mgmt/resources.def"
#include "connector/mgmt/routes.def"
#undef ROUTE
/* clang-format on */
