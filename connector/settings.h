/*
 * connector/settings.h - settings of naru-connector (table in settings.c)
 */
#pragma once

#include "lib/conf/conf.h"

/* Steps that may wait for an operator, in the order of the choices of operator.decides. */
enum operator_step {
    OPERATOR_AGREES = 1,    /* provider: to a request or an acceptance */
    OPERATOR_VERIFIES = 2,  /* consumer: an agreement */
    OPERATOR_FINALIZES = 4, /* provider: a verified agreement */
    OPERATOR_STARTS = 8,    /* provider: a transfer that was requested */
};

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
    int64_t threads, management_threads;
    /* management */
    struct str api_key_file;
    /* state */
    struct str database; /* sqlite:… or postgresql:… */
    struct str data_dir; /* consumer's downloads, reserved for the data plane */
    /* outbound */
    struct str ca_file;
    struct conf_list allow_addresses;
    struct conf_list push_addresses; /* for destinations that consumers name */
    bool allow_http;
    bool fresh_tokens;    /* never two messages with one token */
    bool accept_stricter; /* than our offer: rules of a consumer */
    bool did_http;
    /* broker */
    struct str broker_url, broker_did;
    struct str broker_token_file;
    int64_t credential_age_us; /* older facts from credentials are unknown */
    /* behaviour */
    int64_t dsp_versions;          /* bits in the order of the codecs (connector/dsp/codec.c) */
    int64_t token_life_us;         /* data-plane token */
    int64_t negotiation_limit_us;  /* a process that does not end by then is terminated */
    int64_t operator_decides;      /* of enum operator_step */
    struct conf_list source_roots; /* folders that file sources may read */
    struct str policy_templates;   /* folder of clause templates */
    struct str event_callbacks;    /* file of callback addresses */
    int64_t event_keep_us;
    int64_t duty_time_us; /* to confirm what was due with the end of use */
    /* log */
    int64_t log_level, log_format;
    int64_t grace_us;
};
extern const struct conf_table connector_settings;
