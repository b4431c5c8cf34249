/*
 * server/settings.h - settings of naru-broker (table in settings.c)
 */
#pragma once

#include "lib/conf/conf.h"

struct settings {
    struct str listen, url;     /* API, portal, audit; public base URL */
    struct str operator_listen; /* operator commands and metrics; company side */
    struct str tls_cert, tls_key;
    int64_t threads;
    struct str database;         /* conninfo or postgresql:// URL; a member of naru_owner, naru_app,
                                    naru_sealer, naru_auditor */
    struct str did;              /* did:web of the broker */
    struct str key_file, key_id; /* ES256: tokens, credentials, orders */
    struct str log_key_file;     /* Ed25519: checkpoints */
    struct str log_origin;       /* first line of checkpoints */
    struct str operator_token_file; /* bearer token of the first operator */
    struct str operator_name;
    struct str ca_file;
    struct conf_list allow_addresses;
    bool allow_http;
    bool did_http;
    int64_t membership_life_us;
    int64_t order_life_us;      /* an open order without contract ends by then */
    int64_t credit_limit_minor; /* of a new consumer, in KRW */
    struct str currency;        /* settlement currency */
    struct str pay_from;        /* operator's account for pain.001 (IBAN or local form) */
    int64_t log_level, log_format;
    int64_t grace_us;
};
extern const struct conf_table broker_settings;
