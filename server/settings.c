/*
 * server/settings.c - settings of naru-broker: one table (naru-broker.conf(5) is made from it)
 */
#include "server/settings.h"

#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define AT(member) offsetof(struct settings, member)
#define S          US_PER_S

/* clang-format off */
static const struct conf_key keys[] = {
    /* name                  type              member                  default            min      max           choices reload help */
    {"listen",               CONF_STR,         AT(listen),             "127.0.0.1:9443",  0,       0,            NULL, false, "address and port of the API for companies, buyers and auditors"},
    {"url",                  CONF_STR,         AT(url),                "",                0,       0,            NULL, false, "base URL under which others reach listen; empty: https://localhost and the port"},
    {"operator.listen",      CONF_STR,         AT(operator_listen),    "127.0.0.1:9444",  0,       0,            NULL, false, "address and port for operator commands and metrics"},
    {"operator.token",       CONF_SECRET_FILE, AT(operator_token_file), "operator-token", 0,       0,            NULL, false, "file with the bearer token of the first operator"},
    {"operator.name",        CONF_STR,         AT(operator_name),      "Naru data bank",  0,       0,            NULL, false, "name of the operator on invoices and statements"},
    {"tls.certificate",      CONF_PATH,        AT(tls_cert),           "",                0,       0,            NULL, true,  "TLS certificate chain, PEM; empty: plain HTTP, allowed on loopback only"},
    {"tls.key",              CONF_PATH,        AT(tls_key),            "",                0,       0,            NULL, true,  "private key of tls.certificate"},
    {"http.threads",         CONF_INT,         AT(threads),            "8",               1,       256,          NULL, false, "threads of the API listener; each holds one database connection"},
    {"database",             CONF_STR,         AT(database),           NULL,              0,       0,            NULL, false, "PostgreSQL connection: postgresql://… or host=… dbname=…"},
    {"did",                  CONF_STR,         AT(did),                NULL,              0,       0,            NULL, false, "DID of the broker, did:web:…"},
    {"key",                  CONF_PATH,        AT(key_file),           "broker.pem",      0,       0,            NULL, false, "private key (P-256) for tokens, credentials and orders"},
    {"key_id",               CONF_STR,         AT(key_id),             "key-1",           0,       0,            NULL, false, "fragment that names the key in the DID document"},
    {"log.key",              CONF_PATH,        AT(log_key_file),       "log.pem",         0,       0,            NULL, false, "private key (Ed25519) that signs checkpoints of the audit log"},
    {"log.origin",           CONF_STR,         AT(log_origin),         "naru.audit/1",    0,       0,            NULL, false, "name of the audit log: first line of its checkpoints"},
    {"fetch.ca",             CONF_PATH,        AT(ca_file),            "",                0,       0,            NULL, false, "CA certificates for outbound connections; empty: the system's"},
    {"fetch.allow",          CONF_LIST,        AT(allow_addresses),    "",                0,       0,            NULL, false, "address blocks that may be contacted although they are not public"},
    {"fetch.http",           CONF_BOOL,        AT(allow_http),         "false",           0,       0,            NULL, false, "allow outbound plain HTTP (tests)"},
    {"did.http",             CONF_BOOL,        AT(did_http),           "false",           0,       0,            NULL, false, "resolve did:web over plain HTTP (conformance suites)"},
    {"membership.life",      CONF_DURATION,    AT(membership_life_us), "24h",             60 * S,  30 * 86400 * S, NULL, true, "life of a membership credential; a suspended member is out by then at the latest"},
    {"order.life",           CONF_DURATION,    AT(order_life_us),      "7d",              S,       365 * 86400 * S, NULL, true, "an order without agreement is cancelled after this time and its hold released; one that only one side has reported is disputed"},
    {"credit.limit",         CONF_INT,         AT(credit_limit_minor), "10000000",        0,       INT64_MAX,    NULL, true,  "credit of a new consumer in minor units of settlement.currency"},
    {"settlement.currency",  CONF_STR,         AT(currency),           "KRW",             0,       0,            NULL, false, "currency of accounts and documents"},
    {"settlement.account",   CONF_STR,         AT(pay_from),           "",                0,       0,            NULL, false, "bank account that pays providers (debtor account of the payment file)"},
    {"log.level",            CONF_ENUM,        AT(log_level),          "info",            0,       0,            "debug|info|warning|error|alarm", true, "least level that is written"},
    {"log.format",           CONF_ENUM,        AT(log_format),         "logfmt",          0,       0,            "logfmt|json", false, "form of log lines"},
    {"shutdown.grace",       CONF_DURATION,    AT(grace_us),           "10s",             0,       300 * S,      NULL, true,  "time for requests in flight when stopping"},
};
/* clang-format on */

const struct conf_table broker_settings = {
    .program = "naru-broker",
    .env_prefix = "NARU_BROKER",
    .keys = keys,
    .n = ARRAY_LEN(keys),
};
