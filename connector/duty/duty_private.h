/*
 * connector/duty/duty_private.h - what the files of the unit share
 */
#pragma once

#include "connector/duty/duty.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/wire/wire.h"
#include "policy/policy.h"

#define ROUTE HTTP_ROUTE_PROTO
#include "connector/duty/routes.def"
#undef ROUTE

int duty_receive(struct rq *rq, struct err *err);

/* A duty with its agreement, as it is read. */
struct duty {
    struct str duty_id, agreement_id, role, debtor, action, rule;
    struct str rule_key; /* policy_owed.key, hexadecimal */
    struct str follows;  /* of a consequence: the duty that was violated; STR_NONE: it is none */
    int64_t provide, at_end;
    struct str state;
    int64_t state_us, created_us;
    int64_t due_us, act_us, acted_us; /* 0: none */
    int64_t tokens, files, bytes;     /* that the connector has deleted */
    struct str digests;               /* JSON array */
    struct str done_by, statement, document, peer_told, broker_told;
    struct str provider_id, consumer_id, asset_id, order_id, peer_address;
    int64_t agreed_us, ended_us;
};
extern const struct object duty__row;

bool duty__is_ours(const struct duty *duty);
bool duty__waits(const struct duty *duty); /* open or overdue */
bool duty__is(const struct duty *duty, enum policy_action action);
struct str duty__peer(const struct duty *duty);
enum party_role duty__role(struct str role);

/* Errors: E_NOT_FOUND. */
MUST_CHECK int duty__get(struct db *db, struct str id, struct arena *arena, struct duty *ret_duty,
                         struct err *err);

/* Answers a request with a duty as it is now. */
MUST_CHECK int duty__reply(struct rq *rq, struct str id, struct err *err);

/*
 * Inside the operation in which a duty turns out to be violated: rows for its consequences, if they are
 * not there. Errors: E_DB, E_NO_MEMORY.
 */
MUST_CHECK int duty__violated(struct app *app, struct db *tx, const struct duty *duty,
                              int64_t now_us, struct err *err);

struct count {
    int64_t n;
};
extern const struct object duty__count_row;

/* -- settling (settle.c) ----------------------------------------------------------------------- */

#define DUTY_OUT_MAX 2 /* messages of one change: to the other side and to the data bank */

struct duty_out {
    struct outbox_msg msg[DUTY_OUT_MAX];
    size_t n;
    struct str peer; /* whose transfers have to be decided again */
};

struct settling {
    enum duty_state state; /* DUTY_DONE becomes late by itself */
    enum duty_by by;
    struct str text;     /* what an operator says of it, or STR_NONE */
    struct str document; /* what the other side has signed of it; STR_NONE: we sign */
    bool quiet;          /* nobody has to be told, nothing is signed */
    int64_t now_us;
};

/*
 * Inside an operation: changes the state of a duty that waits. What we say is signed and put into the
 * outbox (*ret_out, which the caller wakes after the commit); the event is noted. Texts live in the
 * arena.
 */
MUST_CHECK int duty__settle(struct app *app, struct db *tx, const struct duty *duty,
                            const struct settling *settling, struct arena *arena,
                            struct duty_out *ret_out, struct err *err);
/* After the commit. */
void duty__settled(struct app *app, const struct duty_out *out);

/* -- what the connector does itself (act.c) ---------------------------------------------------- */

/*
 * Inside an operation: does it. *ret_done: nothing is left for others to do. Updates *duty and its
 * row.
 */
MUST_CHECK int duty__act(struct db *tx, struct duty *duty, int64_t now_us, struct arena *arena,
                         bool *ret_done, struct err *err);
/* The instant at which somebody has to look again; 0: none. */
int64_t duty__next(const struct duty *duty);
/* How long before its date the connector does what is left of a duty: the other side is to hear of it
 * in time. */
int64_t duty__lead(const struct duty *duty);

/* -- copies (copies.c) ------------------------------------------------------------------------- */

#define COPIES_MAX 256 /* that are looked at in one go */
#define STAMP_MAX  96

struct copy {
    struct str copy_id, agreement_id, path, digest;
    struct str stamp; /* STR_NONE: not for the connector to delete */
    int64_t bytes, noted_us, deleted_us;
};
extern const struct object duty__copy_row;

/*
 * Removes those of the copies (struct copy) that lie below data.dir and are still what was noted;
 * deleted_us is set for those that are gone. Touches files: not inside an operation.
 */
void duty__copies_remove(struct app *app, struct list *copies);
/* Inside an operation: notes which are gone, and that the others are left to people. */
MUST_CHECK int duty__copies_gone(struct db *tx, const struct list *copies, int64_t now_us,
                                 struct err *err);
