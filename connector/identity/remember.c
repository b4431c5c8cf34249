/*
 * connector/identity/remember.c - keeps what a member's credential said, for decisions after its
 * message
 *
 * Pulls carry a token of ours, not the peer's credential; whether the consumer is a member, and
 * where, must survive a restart. Only members get a row, so a stranger cannot make the table grow;
 * a member that loses its membership is marked.
 */
#include "connector/identity/identity_private.h"
#include "connector/timed.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define FRESH_US US_PER_H /* far less than a policy takes a credential for too old */

struct remember {
    struct writer_op op;
    struct app *app;
    bool serving;     /* false: at the start, when all is decided anyway */
    struct peer peer; /* texts in `texts` */
    bool turned;      /* decisions about the peer may be other ones now */
    char texts[];
};

struct known {
    int64_t member, verified_us;
    struct str country, participant;
};
/* clang-format off */
static const struct field known_fields[] = {
    FIELD(struct known, member,      "member",      F_REQUIRED),
    FIELD(struct known, verified_us, "verified_us", F_REQUIRED),
    FIELD(struct known, country,     "country",     0),
    FIELD(struct known, participant, "participant", 0),
};
/* clang-format on */
static OBJECT(known_row, struct known, known_fields, OPEN);

/* Compares with what was known: each fresh token confirms it, few change it. */
static int compare(struct db *tx, struct remember *r, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    struct known known = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "peer");
    if (db_one(tx, &q_facts_peer, DB_ARGS(DB_TEXT(r->peer.id)), &known_row, arena, &known, err) ==
        DB_FAIL)
        return err_ret(err);
    r->turned = (known.member != 0) != r->peer.member ||
                (r->peer.member && (r->peer.verified_us - known.verified_us > FRESH_US ||
                                    !str_eq(known.country, r->peer.country) ||
                                    !str_eq(known.participant, r->peer.participant)));
    return 0;
}

static int store(struct db *tx, void *arg, struct err *err)
{
    struct remember *r = arg;
    const struct peer *peer = &r->peer;

    if (compare(tx, r, err) < 0)
        return err_ret(err);
    if (!peer->member)
        return db_exec(tx, &q_peer_no_member, DB_ARGS(DB_TEXT(peer->id), DB_I64(peer->verified_us)),
                       NULL, err);
    return db_exec(tx, &q_peer_put,
                   DB_ARGS(DB_TEXT(peer->id), DB_TEXT(peer->name), DB_TEXT(peer->country),
                           DB_TEXT(peer->participant), DB_I64(peer->verified_us)),
                   NULL, err);
}

static void stored(void *arg, const struct err *err)
{
    struct remember *r = arg;

    if (err->code != E_OK)
        log_err(NULL, "what is known of a peer could not be kept", err);
    else if (r->turned && r->serving)
        timed_set(r->app, "reconsider", r->peer.id, env_wall_us(r->app->env));
    free(r);
}

static struct str copy_text(char **at, struct str s)
{
    const struct str copy = {*at, s.n};

    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

void identity__remember(struct identity *identity, const struct peer *peer)
{
    const size_t n = peer->id.n + peer->name.n + peer->country.n + peer->participant.n;
    struct remember *r = calloc(1, sizeof(*r) + n + 1);
    struct err err = {0};
    char *at;

    if (r == NULL)
        return; /* the peer's next token tries again */
    at = r->texts;
    r->app = identity->app;
    r->serving = identity->app->identity != NULL;
    r->peer = *peer;
    r->peer.id = copy_text(&at, peer->id);
    r->peer.name = copy_text(&at, peer->name);
    r->peer.country = copy_text(&at, peer->country);
    r->peer.participant = copy_text(&at, peer->participant);
    r->op = (struct writer_op){
        .name = "peer_remember", .fn = store, .arg = r, .done = stored, .lazy = true};
    if (writer_submit(identity->app->writer, &r->op, &err) < 0)
        stored(r, &err);
}
