/*
 * connector/identity/claimed.c - the mock identity of other connectors, to try trades with them
 *
 * The Authorization header is a JSON object {"region", "audience", "clientId"}, unsigned; clientId
 * is the participant id and is believed. Stock connectors refuse an object without region, and none
 * looks at audience. Whoever can connect can be anybody, so the mode is refused unless both
 * listeners are loopback.
 */
#include "connector/identity/identity_private.h"
#include "lib/crypto/hash.h"
#include "lib/jdoc/jdoc.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

#define REGION "eu"

static const struct jlimits claim_limits = {.bytes = LIMIT_TOKEN, .depth = 4, .nodes = 64};

static int claimed_open(struct identity *identity, struct err *err)
{
    if (identity__loopback_only(identity, err) < 0)
        return err_ret(err);
    log_warning(NULL, "static identity: peers are who they say they are, for tests only");
    return 0;
}

static int claimed_token(struct identity *identity, struct str audience, struct buf *out,
                         struct err *err)
{
    struct jw w = jw_init(out);

    (void)err;
    jw_object(&w);
    jw_kc(&w, "region", REGION);
    jw_kstr(&w, "audience", audience);
    jw_kstr(&w, "clientId", identity->app->settings->participant_did);
    jw_object_end(&w);
    return 0;
}

static int read_claim(struct str token, struct arena *arena, struct str *ret_id, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct str id;

    if (jdoc_parse(token, &claim_limits, &doc, err) < 0)
        return err_tell(err, E_TOKEN, "Authorization", "a JSON object with clientId is expected");
    id = jval_str(jval_get(jdoc_root(doc), "clientId"));
    if (!str_present(id) || id.n == 0 || id.n > LIMIT_ID)
        return err_tell(err, E_TOKEN, "Authorization", "clientId is missing, empty or too long");
    *ret_id = arena_str(arena, id);
    return 0;
}

static enum identity_verdict claimed_verify(struct identity *identity, struct str token,
                                            struct str expected, struct arena *arena,
                                            struct peer *ret_peer, struct str *ret_did,
                                            struct err *err)
{
    const int64_t now_us = env_wall_us(identity->app->env);
    uint8_t hash[32];

    (void)ret_did;
    sha256(token.p, token.n, hash);
    if (!identity__seen_find(identity, hash, now_us, arena, ret_peer)) {
        struct str id;

        if (read_claim(token, arena, &id, err) < 0)
            return IDENTITY_REFUSED;
        identity__believe(identity, hash, id, now_us, ret_peer);
    }
    if (!str_present(expected) || str_eq(ret_peer->id, expected))
        return IDENTITY_OK;
    (void)err_tell(err, E_TOKEN, "Authorization", "this participant may not call this");
    return IDENTITY_REFUSED;
}

const struct identity_ops identity_claimed_ops = {
    .open = claimed_open,
    .token = claimed_token,
    .verify = claimed_verify,
};
