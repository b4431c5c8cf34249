/*
 * connector/identity/remember.c - keeps what a member's credential said, for decisions after its
 * message
 *
 * Pulls carry a token of ours, not the peer's credential; whether the consumer is a member, and
 * where, must survive a restart. Only members get a row, so a stranger cannot make the table grow;
 * a member that loses its membership is marked. If it shows another credential than before, its
 * facts have changed. Where a mode of identity has no credentials, they are only known again; that
 * matters to transfers of the peer that were held for want of them.
 */
#include "connector/identity/identity_private.h"
#include "connector/timed.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define KNOWN_PART 4 /* of the age at which facts are too old */

struct remember {
    struct writer_op op;
    struct app *app;
    bool changed;     /* it shows another credential than before, or none any more */
    bool known;       /* nothing is new but the instant, and the old one is good for a while */
    bool awaited;     /* a transfer of its is held, and has to be decided again */
    struct peer peer; /* texts in `texts` */
    char texts[];
};

struct shown {
    int64_t member;
    struct str credential_id;
    int64_t verified_us;
};
/* clang-format off */
static const struct field shown_fields[] = {
    FIELD(struct shown, member,        "member",        F_REQUIRED),
    FIELD(struct shown, credential_id, "credential_id", 0),
    FIELD(struct shown, verified_us,   "verified_us",   F_REQUIRED),
};
/* clang-format on */
static OBJECT(shown_row, struct shown, shown_fields, OPEN);

struct waits {
    bool held;
};
/* clang-format off */
static const struct field waits_fields[] = {FIELD(struct waits, held, "held", F_REQUIRED)};
/* clang-format on */
static OBJECT(waits_row, struct waits, waits_fields, OPEN);

/* A column that is not null. */
static struct str text(struct str s)
{
    return str_present(s) ? s : STR("");
}

static int compare(struct db *tx, struct remember *r, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    struct shown before = {0};
    struct waits waits = {0};
    struct str was, is;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "peer");
    if (db_one(tx, &q_peer_shown, DB_ARGS(DB_TEXT(r->peer.id)), &shown_row, arena, &before, err) ==
            DB_FAIL ||
        db_one(tx, &q_peer_waits, DB_ARGS(DB_TEXT(r->peer.id)), &waits_row, arena, &waits, err) ==
            DB_FAIL)
        return err_ret(err);
    r->awaited = waits.held;
    was = before.member != 0 ? text(before.credential_id) : STR("");
    is = r->peer.member ? text(r->peer.credential_id) : STR("");
    r->changed = !str_eq(was, is);
    r->known =
        !r->changed && !r->awaited && before.member != 0 && !str_present(r->peer.credential_id) &&
        r->peer.verified_us - before.verified_us < r->app->settings->credential_age_us / KNOWN_PART;
    return 0;
}

static int store(struct db *tx, void *arg, struct err *err)
{
    struct remember *r = arg;
    const struct peer *peer = &r->peer;

    if (compare(tx, r, err) < 0)
        return err_ret(err);
    if (r->known)
        return 0;
    if (!peer->member)
        return db_exec(tx, &q_peer_no_member, DB_ARGS(DB_TEXT(peer->id), DB_I64(peer->verified_us)),
                       NULL, err);
    return db_exec(tx, &q_peer_put,
                   DB_ARGS(DB_TEXT(peer->id), DB_TEXT(text(peer->name)),
                           DB_TEXT(text(peer->country)), DB_TEXT(text(peer->participant)),
                           DB_I64(peer->verified_us), DB_TEXT(peer->credential_id),
                           DB_TEXT(peer->issuer), DB_I64(peer->issued_us), DB_I64(peer->expires_us),
                           DB_TEXT(peer->attestations)),
                   NULL, err);
}

static void stored(void *arg, const struct err *err)
{
    struct remember *r = arg;

    if (err->code != E_OK)
        log_err(NULL, "what is known of a peer could not be kept", err);
    else if (r->changed) /* what was decided by the one before is decided again */
        timed_set(r->app, "facts", r->peer.id, env_wall_us(r->app->env));
    else if (r->awaited)
        timed_set(r->app, "reconsider", r->peer.id, env_wall_us(r->app->env));
    free(r);
}

void identity__remember(struct identity *identity, const struct peer *peer)
{
    struct remember *r = calloc(1, sizeof(*r) + identity__peer_bytes(peer));
    struct err err = {0};

    if (r == NULL)
        return; /* the peer's next token tries again */
    r->app = identity->app;
    r->peer = identity__peer_copy(peer, r->texts);
    r->op = (struct writer_op){
        .name = "peer_remember", .fn = store, .arg = r, .done = stored, .lazy = true};
    if (writer_submit(identity->app->writer, &r->op, &err) < 0)
        stored(r, &err);
}
