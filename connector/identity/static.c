/*
 * connector/identity/static.c - fixed tokens for tests and conformance suites
 *
 * The token proves nothing to a stranger who has seen it, so the mode is refused unless both
 * listeners are loopback.
 */
#include "connector/identity/identity_private.h"
#include "lib/crypto/hash.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

#define FILE_MAX KIB(64)

static int add_line(struct identity *identity, struct str line, struct err *err)
{
    struct known_token *grown;
    struct str id = line;
    const struct str token = str_cut(&id, ' ');

    id = str_trim(id);
    if (token.n == 0 || id.n == 0)
        return err_set(err, E_CONFIG, "identity.static_tokens", "expected 'token participant-id'");
    grown = realloc(identity->known, (identity->n_known + 1) * sizeof(*grown));
    if (grown == NULL)
        return err_set(err, E_NO_MEMORY, "", "tokens");
    identity->known = grown;
    grown[identity->n_known++] =
        (struct known_token){strndup(token.p, token.n), strndup(id.p, id.n)};
    if (grown[identity->n_known - 1].token == NULL || grown[identity->n_known - 1].id == NULL)
        return err_set(err, E_NO_MEMORY, "", "tokens");
    return 0;
}

int identity__loopback_only(const struct identity *identity, struct err *err)
{
    const struct settings *s = identity->app->settings;

    if (!http_is_loopback(s->public_listen) || !http_is_loopback(s->management_listen))
        return err_set(err, E_CONFIG, "identity.mode", "'static' is for loopback listeners only");
    return 0;
}

static int static_open(struct identity *identity, struct err *err)
{
    const struct settings *s = identity->app->settings;
    AUTO(secret_free) struct secret *file = NULL;
    char path[4096];
    struct str rest;

    if (identity__loopback_only(identity, err) < 0)
        return err_ret(err);
    if (s->static_token.n == 0 || s->static_token.n >= sizeof(path))
        return err_set(err, E_CONFIG, "identity.static_tokens", "a file is needed");
    memcpy(path, s->static_token.p, s->static_token.n);
    path[s->static_token.n] = '\0';
    if (secret_load(path, &file, err) < 0)
        return err_ret(err);
    for (rest = secret_reveal(file); str_present(rest);) {
        const struct str line = str_trim(str_cut(&rest, '\n'));

        if (line.n > 0 && line.p[0] != '#' && add_line(identity, line, err) < 0)
            return err_ret(err);
    }
    if (identity->n_known == 0)
        return err_set(err, E_CONFIG, "identity.static_tokens", "'%s' holds no token", path);
    for (size_t i = 0; i < identity->n_known; i++) {
        const struct peer peer = {.id = str_c(identity->known[i].id),
                                  .member = true,
                                  .name = str_c(identity->known[i].id),
                                  .verified_us = env_wall_us(identity->app->env)};

        identity__remember(identity, &peer);
    }
    log_warning(NULL, "static identity: tokens prove nothing, for tests only");
    return 0;
}

static int static_token(struct identity *identity, struct str audience, struct buf *out,
                        struct err *err)
{
    (void)audience;
    (void)err;
    buf_add_c(out, identity->known[0].token);
    return 0;
}

static enum identity_verdict static_verify(struct identity *identity, struct str token,
                                           struct str expected, struct arena *arena,
                                           struct peer *ret_peer, struct str *ret_did,
                                           struct err *err)
{
    const int64_t now_us = env_wall_us(identity->app->env);
    const struct known_token *match = NULL;
    uint8_t hash[32];

    (void)ret_did;
    for (size_t i = 0; i < identity->n_known; i++) {
        if (str_eq_secret(token, str_c(identity->known[i].token)))
            match = &identity->known[i];
    }
    if (match == NULL || (str_present(expected) && !str_eq_c(expected, match->id))) {
        (void)err_tell(err, E_TOKEN, "Authorization", "the token is not known");
        return IDENTITY_REFUSED;
    }
    sha256(token.p, token.n, hash);
    if (!identity__seen_find(identity, hash, now_us, arena, ret_peer))
        identity__believe(identity, hash, str_c(match->id), now_us, ret_peer);
    return IDENTITY_OK;
}

const struct identity_ops identity_static_ops = {
    .open = static_open,
    .token = static_token,
    .verify = static_verify,
};
