/*
 * connector/settings.c - settings of naru-connector: one table (naru-connector.conf(5) is made from
 * it)
 */
#include "connector/settings.h"

#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define AT(member) offsetof(struct settings, member)
#define S          US_PER_S

/* clang-format off */
static const struct conf_key keys[] = {
    /* name                   type              member                    default            min       max      choices reload help */
    {"participant.did",       CONF_STR,         AT(participant_did),      NULL,              0,        0,       NULL, false, "DID of the company, did:web:… (static identity: any participant id)"},
    {"identity.mode",         CONF_ENUM,        AT(identity_mode),        "naru",            0,        0,       "naru|static", false, "naru: signed tokens and membership credential; static: fixed tokens for tests, loopback only"},
    {"identity.key",          CONF_PATH,        AT(key_file),             "company.pem",     0,        0,       NULL, false, "private key of the company, PKCS#8 PEM, readable by this program only"},
    {"identity.key_id",       CONF_STR,         AT(key_id),               "key-1",           0,        0,       NULL, false, "fragment that names the key in the DID document"},
    {"identity.static_form",  CONF_ENUM,        AT(static_form),          "token",           0,        0,       "token|json", false, "identity.mode = static: fixed tokens, or the JSON of other connectors' mock identities, whose clientId is believed"},
    {"identity.static_tokens", CONF_PATH,       AT(static_token),         "",                0,        0,       NULL, false, "identity.mode = static: file of lines 'token participant-id', our own first"},
    {"identity.fresh_tokens", CONF_BOOL,        AT(fresh_tokens),         "false",           0,        0,       NULL, true,  "identity.mode = naru: sign a token for every message, for parties that take each token once; otherwise one is used until a minute before it expires"},
    {"public.listen",         CONF_STR,         AT(public_listen),        "127.0.0.1:8443",  0,        0,       NULL, false, "address and port for other connectors, pulls and the broker"},
    {"public.url",            CONF_STR,         AT(public_url),           "",                0,        0,       NULL, false, "base URL under which others reach public.listen; empty: https://localhost and the port"},
    {"public.certificate",    CONF_PATH,        AT(tls_cert),             "",                0,        0,       NULL, true,  "TLS certificate chain, PEM; empty: plain HTTP, allowed on loopback only"},
    {"public.key",            CONF_PATH,        AT(tls_key),              "",                0,        0,       NULL, true,  "private key of public.certificate"},
    {"management.listen",     CONF_STR,         AT(management_listen),    "127.0.0.1:8444",  0,        0,       NULL, false, "address and port of the management API (company side)"},
    {"management.certificate", CONF_PATH,       AT(management_tls_cert),  "",                0,        0,       NULL, true,  "TLS certificate chain of the management API; empty: plain HTTP, allowed on loopback only"},
    {"management.key",        CONF_PATH,        AT(management_tls_key),   "",                0,        0,       NULL, true,  "private key of management.certificate"},
    {"management.api_key",    CONF_SECRET_FILE, AT(api_key_file),         "api-key",         0,        0,       NULL, false, "file with the key that clients send as X-Api-Key"},
    {"management.threads",    CONF_INT,         AT(management_threads),   "1",               1,        64,      NULL, false, "threads of the management API; one answers thousands of requests per second, more help where the database is far away"},
    {"http.threads",          CONF_INT,         AT(threads),              "2",               1,        64,      NULL, false, "threads of the public listener; more than one or two per two cores cost more than they give"},
    {"database",              CONF_STR,         AT(database),             "sqlite:connector.db", 0,    0,       NULL, false, "sqlite:PATH (relative to the working directory) or postgresql://…"},
    {"data.dir",              CONF_PATH,        AT(data_dir),             ".",               0,        0,       NULL, false, "folder for published uploads"},
    {"data.roots",            CONF_LIST,        AT(source_roots),         "",                0,        0,       NULL, true,  "folders that file sources may read; empty: none but data.dir"},
    {"data.token_life",       CONF_DURATION,    AT(token_life_us),        "5m",              10 * S,   600 * S, NULL, true,  "life of a pull token; refreshed by the consumer"},
    {"fetch.ca",              CONF_PATH,        AT(ca_file),              "",                0,        0,       NULL, false, "CA certificates for outbound connections; empty: the system's"},
    {"fetch.allow",           CONF_LIST,        AT(allow_addresses),      "",                0,        0,       NULL, false, "address blocks that may be contacted although they are not public (10.0.0.0/8, 127.0.0.0/8)"},
    {"push.allow",            CONF_LIST,        AT(push_addresses),       "",                0,        0,       NULL, false, "address blocks that consumers may have data pushed to although they are not public; fetch.allow does not count for these"},
    {"fetch.http",            CONF_BOOL,        AT(allow_http),           "false",           0,        0,       NULL, false, "allow outbound plain HTTP (tests)"},
    {"did.http",              CONF_BOOL,        AT(did_http),             "false",           0,        0,       NULL, false, "resolve did:web over plain HTTP (conformance suites)"},
    {"broker.url",            CONF_STR,         AT(broker_url),           "",                0,        0,       NULL, false, "base URL of the data bank; empty: trade without one"},
    {"broker.did",            CONF_STR,         AT(broker_did),           "",                0,        0,       NULL, false, "DID of the data bank"},
    {"credential.max_age",    CONF_DURATION,    AT(credential_age_us),    "24h",             S,        86400 * S, NULL, false, "how long the data bank's word on a partner counts after it has told us last what it has revoked; it is asked four times in it, and at least once an hour"},
    {"dsp.versions",          CONF_SET,         AT(dsp_versions),         "2025-1, 2024-1",  0,        0,       "2025-1|2024-1", false, "versions of the Dataspace Protocol that are spoken"},
    {"operator.decides",      CONF_SET,         AT(operator_decides),     "",                0,        0,       "agree|verify|finalize|start", true, "steps that wait for an operator instead of following by themselves; empty: none"},
    {"negotiation.accept_stricter", CONF_BOOL,  AT(accept_stricter),      "false",           0,        0,       NULL, true,  "agree to a consumer's own rules if they permit nothing that our offer does not, and bind nobody else"},
    {"negotiation.limit",     CONF_DURATION,    AT(negotiation_limit_us), "15m",             S,        86400 * S, NULL, true, "a message that nobody acknowledges, or a push that nobody takes, for so long ends its process"},
    {"policy.templates",      CONF_PATH,        AT(policy_templates),     "",                0,        0,       NULL, false, "folder of clause templates (*.json) besides those that are compiled in; empty: none"},
    {"events.callbacks",      CONF_PATH,        AT(event_callbacks),      "",                0,        0,       NULL, false, "JSON file of addresses that events are sent to; empty: only those of the processes"},
    {"events.keep",           CONF_DURATION,    AT(event_keep_us),        "30d",             172800 * S, 31536000 * S, NULL, true, "how long events can be read again"},
    {"duty.time",             CONF_DURATION,    AT(duty_time_us),         "3d",              S,        31536000 * S, NULL, true, "time to delete and confirm what was due with the end of use, where the policy names no date"},
    {"log.level",             CONF_ENUM,        AT(log_level),            "info",            0,        0,       "debug|info|warning|error|alarm", true, "least level that is written"},
    {"log.format",            CONF_ENUM,        AT(log_format),           "logfmt",          0,        0,       "logfmt|json", false, "form of log lines"},
    {"shutdown.grace",        CONF_DURATION,    AT(grace_us),             "10s",             0,        300 * S, NULL, true,  "time for requests in flight when stopping"},
};
/* clang-format on */

const struct conf_table connector_settings = {
    .program = "naru-connector",
    .env_prefix = "NARU_CONNECTOR",
    .keys = keys,
    .n = ARRAY_LEN(keys),
};
