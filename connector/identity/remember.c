/*
 * connector/identity/remember.c - keeps what a member's credential said, for decisions after its
 * message
 *
 * Pulls carry a token of ours, not the peer's credential; whether the consumer is a member, and
 * where, must survive a restart. Only members get a row, so a stranger cannot make the table grow;
 * a member that loses its membership is marked.
 */
#include "connector/identity/identity_private.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct remember {
    struct writer_op op;
    struct peer peer; /* texts in `texts` */
    char texts[];
};

static int store(struct db *tx, void *arg, struct err *err)
{
    const struct peer *peer = &((const struct remember *)arg)->peer;

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
    if (err->code != E_OK)
        log_err(NULL, "what is known of a peer could not be kept", err);
    free(arg);
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
