/*
 * connector/settings.h - settings of naru-connector (table in settings.c)
 */
#pragma once

#include "lib/conf/conf.h"

struct settings {
    /* who we are */
    struct str participant_did;
    struct str key_file;   /* company key, PKCS#8 PEM */
    struct str key_id;     /* fragment of the verification method: "key-1" */
    int64_t identity_mode; /* 0 naru, 1 static */
    int64_t static_form;   /* identity.mode = static: 0 fixed tokens, 1 JSON that is believed */
    struct str
        static_token; /* identity.mode = static: file with "token participant-id" lines; the first is ours */
    /* listeners */
    struct str public_listen, public_url; /* DSP, public data, exchange */
    struct str management_listen;
    struct str tls_cert, tls_key;
    struct str management_tls_cert,
        management_tls_key; /* empty: as public; "none" only on loopback */
    int64_t threads;
    /* management */
    struct str api_key_file;
    /* state */
    struct str database; /* sqlite:… or postgresql:… */
    struct str data_dir; /* consumer's downloads, reserved for the data plane */
    /* outbound */
    struct str ca_file;
    struct conf_list allow_addresses;
    bool allow_http;
    bool did_http;
    /* broker */
    struct str broker_url, broker_did;
    struct str broker_token_file;
    /* behaviour */
    int64_t token_life_us;        /* data-plane token */
    int64_t negotiation_limit_us; /* a process that does not end by then is terminated */
    bool auto_agree;
    struct conf_list source_roots; /* folders that file sources may read */
    /* log */
    int64_t log_level, log_format;
    int64_t grace_us;
};
extern const struct conf_table connector_settings;
