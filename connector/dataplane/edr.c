/*
 * connector/dataplane/edr.c - EDRs: kept when the transfer starts; GET /naru/v1/edrs/{transfer}
 */
#include "connector/dataplane/edr.h"

#include "lib/base/limits.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct field endpoint_fields[] = {
    FIELD(struct endpoint, transfer_id,      "transfer_id",      F_REQUIRED),
    FIELD(struct endpoint, state,            "state",            F_REQUIRED),
    FIELD(struct endpoint, peer_id,          "peer_id",          F_REQUIRED),
    FIELD(struct endpoint, peer_pid,         "peer_pid",         0),
    FIELD(struct endpoint, agreement_id,     "agreement_id",     F_REQUIRED),
    FIELD(struct endpoint, asset_id,         "asset_id",         F_REQUIRED),
    FIELD(struct endpoint, endpoint,         "endpoint",         0),
    FIELD(struct endpoint, token,            "token",            0),
    FIELD(struct endpoint, refresh_endpoint, "refresh_endpoint", 0),
    FIELD(struct endpoint, refresh_token,    "refresh_token",    0),
    FIELD(struct endpoint, expires_us,       "expires_us",       0),
    FIELD(struct endpoint, received_us,      "received_us",      0),
    FIELD(struct endpoint, held,             "held",             0),
};
/* clang-format on */
static OBJECT(endpoint_row, struct endpoint, endpoint_fields, OPEN);

/*
 * "https://w3id.org/tractusx/auth/refreshToken", "tx-auth:refreshToken" and "refreshToken" are one
 * name.
 */
static struct str last_part(struct str name)
{
    for (size_t i = name.n; i > 0; i--) {
        if (name.p[i - 1] == '/' || name.p[i - 1] == '#' || name.p[i - 1] == ':')
            return str_from(name, i);
    }
    return name;
}

static struct str find_property(const struct jval *address, const char *name)
{
    const struct jval *list = jval_get(address, "endpointProperties");

    for (size_t i = 0; i < jval_len(list); i++) {
        const struct jval *property = jval_at(list, i);

        if (str_eq_c(last_part(jval_str(jval_get(property, "name"))), name))
            return jval_str(jval_get(property, "value"));
    }
    return STR_NONE;
}

int dataplane_edr_store(struct db *tx, struct str transfer_id, const struct jval *address,
                        int64_t now_us, struct err *err)
{
    const struct str member = jval_str(jval_get(address, "endpoint"));
    /* stock EDC names it among the properties only */
    const struct str endpoint = str_present(member) ? member : find_property(address, "endpoint");
    const struct str token = find_property(address, "authorization");
    const struct str refresh_endpoint = find_property(address, "refreshEndpoint");
    const struct str refresh_token = find_property(address, "refreshToken");
    const struct str life = find_property(address, "expiresIn");
    int64_t seconds = 0;

    if (endpoint.n == 0 || endpoint.n > LIMIT_URL)
        return err_tell(err, E_PEER_SYNTAX, "/dataAddress/endpoint", "expected a URL");
    if (token.n > LIMIT_TOKEN || refresh_token.n > LIMIT_TOKEN || refresh_endpoint.n > LIMIT_URL)
        return err_tell(err, E_PEER_SYNTAX, "/dataAddress/endpointProperties",
                        "a property is too long");
    if (life.n > 0 && (!str_to_i64(life, &seconds) || seconds < 0 || seconds > 1000000000))
        seconds = 0;
    return db_exec(tx, &q_edr_store,
                   DB_ARGS(DB_TEXT(transfer_id), DB_TEXT(endpoint),
                           DB_TEXT(str_present(token) ? token : STR("")), DB_TEXT(refresh_endpoint),
                           DB_TEXT(refresh_token),
                           DB_I64(seconds > 0 ? now_us + seconds * US_PER_S : 0), DB_I64(now_us)),
                   NULL, err);
}

int dataplane__endpoint_get(struct db *db, struct str transfer_id, struct arena *arena,
                            struct endpoint *ret_endpoint, struct err *err)
{
    switch (db_one(db, &q_edr_view, DB_ARGS(DB_TEXT(transfer_id)), &endpoint_row, arena,
                   ret_endpoint, err)) {
    case DB_ROW: return 0;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no transfer of ours has this id");
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

int dataplane__endpoint_check(const struct endpoint *e, struct err *err)
{
    if (e->state != TP_STARTED)
        return err_tell(err, E_CONFLICT, "transfer", "the transfer is %s, not STARTED",
                        transfer_state_name(e->state));
    if (str_present(e->held))
        return err_tell(err, E_POLICY, "policy", "%.*s", STR_ARG(e->held));
    return 0;
}

int dataplane_edr(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(32));
    struct endpoint e = {0};
    struct jw w = jw_init(&out);

    if (dataplane__endpoint_get(worker->db, rq_param(rq, "transfer"), rq->arena, &e, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kstr(&w, "transfer", e.transfer_id);
    jw_kc(&w, "state", transfer_state_name(e.state));
    jw_kstr(&w, "agreement", e.agreement_id);
    jw_kstr(&w, "asset", e.asset_id);
    jw_kstr(&w, "provider", e.peer_id);
    jw_kstr(&w, "provider_pid", e.peer_pid);
    if (str_present(e.held))
        jw_kstr(&w, "held", e.held);
    jw_kstr(&w, "endpoint", e.endpoint);
    jw_kbool(&w, "refreshable", e.refresh_token.n > 0 && e.refresh_endpoint.n > 0);
    if (e.received_us > 0)
        jw_kc(&w, "received_at", time_format(e.received_us).c);
    if (e.expires_us > 0)
        jw_kc(&w, "expires_at", time_format(e.expires_us).c);
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}
