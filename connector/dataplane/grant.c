/*
 * connector/dataplane/grant.c - what a consumer gets with TransferStart, and POST /data/token,
 * which renews it
 *
 * Refresh (RFC 6749 §6, as Tractus-X does it): grant_type=refresh_token and refresh_token in the
 * query or as a form, and the consumer's own token as Authorization, so that a refresh token alone
 * is worth nothing. A refresh token is retired only when a newer one is used: an answer that got
 * lost costs nothing (table pull_grant).
 */
#include "connector/dataplane/dataplane_private.h"
#include "connector/identity/identity.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define EDC_NS          "https://w3id.org/edc/v0.0.1/ns/"
#define AUTH_NS         "https://w3id.org/tractusx/auth/"
#define HTTP_ENDPOINT   "https://w3id.org/idsa/v4.1/HTTP"
#define REFRESH_LIFE_US (30 * US_PER_DAY)

struct grant {
    struct buf access, refresh;
    int64_t life_us;
    int64_t until_us; /* the access token is good until then at most */
};

static void grant_done(struct grant *grant)
{
    buf_done(&grant->access);
    buf_done(&grant->refresh);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int make_tokens(struct dataplane *dp, struct str transfer_id,
                       const struct agreement *agreement, struct grant *grant, struct err *err)
{
    const int64_t now_us = env_wall_us(dp->app->env);
    const int64_t end_us = agreement->ends_us > 0 ? agreement->ends_us : INT64_MAX;
    struct pull_token token = {
        .transfer = transfer_id,
        .agreement = agreement->agreement_id,
        .consumer = agreement->consumer_id,
        .issued_us = now_us,
        .expires_us =
            earlier(now_us + dp->app->settings->token_life_us, earlier(end_us, grant->until_us)),
    };

    grant->life_us = token.expires_us - now_us;
    if (grant->life_us < US_PER_S)
        return err_tell(err, E_NOT_IN_FORCE, "agreement", "the agreement has expired");
    if (dataplane__token_make(dp, TYP_PULL, &token, &grant->access, err) < 0)
        return err_ret(err);
    token.expires_us = earlier(now_us + REFRESH_LIFE_US, end_us);
    if (dataplane__token_make(dp, TYP_REFRESH, &token, &grant->refresh, err) < 0)
        return err_ret(err);
    if (buf_failed(&grant->access) || buf_failed(&grant->refresh))
        return err_set(err, E_LIMIT, "", "tokens of transfer '%.*s'", STR_ARG(transfer_id));
    return 0;
}

static void property(struct jw *w, const char *name, struct str value)
{
    jw_object(w);
    jw_kc(w, "@type", "EndpointProperty");
    jw_kc(w, "name", name);
    jw_kstr(w, "value", value);
    jw_object_end(w);
}

/*
 * What stock EDC looks for: it takes names as full IRIs only and, where one of these is missing,
 * shows its user an address without it.
 */
static void edc_properties(struct jw *w, struct str endpoint, struct str token)
{
    property(w, EDC_NS "endpoint", endpoint);
    property(w, EDC_NS "endpointType", STR(HTTP_ENDPOINT));
    property(w, EDC_NS "authType", STR("bearer"));
    property(w, EDC_NS "authorization", token);
}

int dataplane_grant(struct app *app, const struct transfer *transfer,
                    const struct agreement *agreement, int64_t until_us, struct buf *out,
                    struct err *err)
{
    AUTO(grant_done)
    struct grant grant = {
        .access = buf_init(LIMIT_TOKEN), .refresh = buf_init(LIMIT_TOKEN), .until_us = until_us};
    AUTO(buf_done) struct buf seconds = buf_init(32);
    AUTO(buf_done) struct buf endpoint = buf_init(LIMIT_URL);
    struct jw w = jw_init(out);

    if (make_tokens(app->dataplane, transfer->transfer_id, agreement, &grant, err) < 0)
        return err_ret(err);
    buf_add_i64(&seconds, grant.life_us / US_PER_S);
    buf_add_str(&endpoint, app->data_url);
    buf_add_c(&endpoint, "/token");
    jw_object(&w);
    jw_kc(&w, "@type", "DataAddress");
    jw_kc(&w, "endpointType", HTTP_ENDPOINT);
    jw_kstr(&w, "endpoint", app->data_url);
    jw_key(&w, "endpointProperties");
    jw_array(&w);
    property(&w, "authorization", buf_str(&grant.access));
    property(&w, "authType", STR("bearer"));
    edc_properties(&w, app->data_url, buf_str(&grant.access));
    property(&w, AUTH_NS "expiresIn", buf_str(&seconds));
    property(&w, AUTH_NS "refreshEndpoint", buf_str(&endpoint));
    property(&w, AUTH_NS "refreshToken", buf_str(&grant.refresh));
    property(&w, AUTH_NS "refreshAudience", app->settings->participant_did);
    jw_array_end(&w);
    jw_object_end(&w);
    return 0;
}

/* -- POST /data/token -------------------------------------------------------------------------- */

struct renewal {
    struct writer_op op;
    struct rq *rq;
    struct pull_token token;
    struct grant grant;
    struct err err;
};

/* A member of an application/x-www-form-urlencoded body; STR_NONE if absent or malformed. */
static struct str form_value(struct rq *rq, const char *name)
{
    struct str rest = rq->body;

    while (str_present(rest)) {
        struct str value = str_cut(&rest, '&');
        const struct str key = str_cut(&value, '=');
        AUTO(buf_done) struct buf text = buf_init(LIMIT_TOKEN);

        if (!str_eq_c(key, name) || !str_present(value))
            continue;
        return decode_percent(&text, value) ? arena_str(rq->arena, buf_str(&text)) : STR_NONE;
    }
    return STR_NONE;
}

static struct str parameter(struct rq *rq, const char *name)
{
    const struct str value = rq_query(rq, name);

    return str_present(value) ? value : form_value(rq, name);
}

static int use_grant(struct db *tx, void *arg, struct err *err)
{
    const struct renewal *r = arg;
    int64_t changed = 0;

    if (db_exec(tx, &q_grant_use, DB_ARGS(DB_TEXT(r->token.transfer), DB_I64(r->token.issued_us)),
                &changed, err) < 0)
        return err_ret(err);
    if (changed == 0)
        return err_tell(err, E_PULL_TOKEN, "refresh_token", "a newer refresh token has been used");
    return 0;
}

static void grant_used(void *arg, const struct err *err)
{
    struct renewal *r = arg;

    r->err = *err;
    rq_resume(r->rq);
}

static int renewed(struct rq *rq, struct err *err)
{
    struct renewal *r = rq->cls;
    AUTO(buf_done) struct buf out = buf_init(2 * LIMIT_TOKEN + KIB(1));
    struct jw w = jw_init(&out);

    if (r->err.code != E_OK) {
        *err = r->err;
    } else {
        jw_object(&w);
        jw_kstr(&w, "access_token", buf_str(&r->grant.access));
        jw_kstr(&w, "refresh_token", buf_str(&r->grant.refresh));
        jw_ki64(&w, "expires_in", r->grant.life_us / US_PER_S);
        jw_kc(&w, "token_type", "bearer");
        jw_object_end(&w);
        rq_reply_json(rq, 200, buf_str(&out));
    }
    return err_ret(err);
}

/* The tokens are on the heap, the request's end frees them. */
static void renewal_end(void *cls, uint64_t sent, bool complete)
{
    struct renewal *r = cls;

    (void)sent;
    (void)complete;
    grant_done(&r->grant);
}

static int check_renewal(struct rq *rq, const struct peer *peer, struct renewal *r, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    const struct str refresh_token = parameter(rq, "refresh_token");
    AUTO(view_unref) struct view *view = NULL;

    if (!str_eq(parameter(rq, "grant_type"), STR("refresh_token")))
        return err_tell(err, E_INVALID, "?grant_type", "expected 'refresh_token'");
    if (refresh_token.n == 0)
        return err_tell(err, E_INVALID, "?refresh_token", "a refresh token is required");
    if (dataplane__token_read(app->dataplane, TYP_REFRESH, refresh_token, rq->arena, &r->token,
                              err) < 0)
        return err_ret(err);
    if (!str_eq(r->token.consumer, peer->id))
        return err_tell(err, E_PULL_TOKEN, "refresh_token", "the token is for somebody else");
    if (dataplane__view_get(app->dataplane, worker->db, r->token.transfer, &view, err) < 0)
        return err_ret(err);
    if (!str_eq(view->agreement.agreement_id, r->token.agreement))
        return err_tell(err, E_PULL_TOKEN, "refresh_token", "the token is for another agreement");
    if (view->refusal.code != E_OK) {
        *err = view->refusal;
        return err_ret(err);
    }
    r->grant.until_us = view->decided_until_us;
    return make_tokens(app->dataplane, view->transfer_id, &view->agreement, &r->grant, err);
}

int dataplane_token(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    struct peer peer;
    const int waiting = identity_authenticate(rq, dataplane_token, &peer, err);
    struct renewal *r;

    if (waiting != 0)
        return waiting < 0 ? err_ret(err) : 0;
    r = ARENA_NEW(rq->arena, struct renewal);
    if (r == NULL)
        return err_set(err, E_NO_MEMORY, "", "token");
    r->rq = rq;
    r->grant.access = buf_init(LIMIT_TOKEN);
    r->grant.refresh = buf_init(LIMIT_TOKEN);
    rq_on_sent(rq, renewal_end, r);
    if (check_renewal(rq, &peer, r, err) < 0)
        return err_ret(err);
    r->op = (struct writer_op){
        .name = "pull_token_renew", .fn = use_grant, .arg = r, .done = grant_used};
    rq->cls = r;
    rq_suspend(rq, renewed);
    if (writer_submit(app->writer, &r->op, &r->err) < 0)
        rq_resume(rq);
    return 0;
}
