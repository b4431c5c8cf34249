/*
 * lib/wire/wire.h - documents that connector, broker and verifier must agree on (docs/exchange.md)
 *
 * Pure: field tables, and the rules that belong to a document alone. Signatures are made and
 * checked by the caller with lib/crypto over the canonical form (object_canonical). Texts are
 * borrowed from the parsed document or the arena.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/uuid.h"
#include "lib/codec/codec.h"

#define WIRE_TYP_DATASET    "naru-dataset+jws"
#define WIRE_TYP_ORDER      "naru-order+jws"
#define WIRE_TYP_MEMBERSHIP "naru-membership+jwt"
#define WIRE_TYP_BATCH      "naru-batch+jws"
#define WIRE_TYP_AGREEMENT  "naru-agreement+jws"
#define WIRE_TYP_END        "naru-agreement-end+jws"
#define WIRE_TYP_REVOCATION "naru-revocation+jws"

/* header names */
#define WIRE_EVENT_HEADER "Naru-Event"
#define WIRE_ROWS_HEADER  "Naru-Rows"
#define WIRE_DIGEST_HEADER                                                                         \
    "Repr-Digest" /* RFC 9530: sha-256=:base64: of the whole representation */
#define WIRE_SIGNATURE_HEADER "Naru-Signature"

enum party_role { PARTY_PROVIDER, PARTY_CONSUMER, PARTY__COUNT };

extern const char *const party_role_names[PARTY__COUNT + 1];

enum order_state {
    ORDER_OPEN,
    ORDER_CONTRACTED,
    ORDER_ACTIVE,
    ORDER_ENDED,
    ORDER_CANCELLED,
    ORDER_DISPUTED,
    ORDER__COUNT
};

extern const char *const order_state_names[ORDER__COUNT + 1];

enum data_domain { DOMAIN_CARBON, DOMAIN_PROCESS, DOMAIN_SUPPLY_CHAIN, DOMAIN__COUNT };

extern const char *const data_domain_names[DOMAIN__COUNT + 1];

enum visibility {
    VISIBLE_OPEN,
    VISIBLE_GROUP,
    VISIBLE_BILATERAL,
    VISIBLE_ON_REQUEST,
    VISIBLE__COUNT
};

extern const char *const visibility_names[VISIBLE__COUNT + 1];

struct wire_text {
    struct str ko, en;
};

struct wire_column {
    struct str name, type, unit, text;
};

struct wire_quality {
    int64_t rows;
    int64_t from_us, to_us;
    struct str note;
};

/* catalogue entry */
struct wire_dataset {
    struct str asset;
    int64_t issued_us;
    int64_t version;
    struct str provider; /* DID */
    struct wire_text *title;
    struct wire_text *description; /* NULL if absent */
    int domain;                    /* enum data_domain */
    struct str_list keywords;
    struct str semantic_id;
    struct str media_type;
    int64_t bytes;      /* 0: unknown */
    struct str digest;  /* "sha256:<hex>", STR_NONE if not one file */
    struct list schema; /* struct wire_column */
    struct str sample;
    struct wire_quality *quality; /* NULL if absent */
    const struct jval *policy;
    const struct jval *plans; /* array; each is parsed by lib/rating */
    int visibility;           /* enum visibility */
    struct str_list visible_to;
    struct str endpoint;
    struct str_list formats;
};
extern const struct object wire_dataset_object; /* CLOSED */
/* Rules beyond types: title in one language at least, digest form, at least one plan, sizes (sample
 * ≤ 8 KiB, 64 keywords, 256 columns). */
MUST_CHECK int wire_dataset_check(const struct wire_dataset *dataset, struct err *err);

struct wire_matching {
    struct str rule; /* provider, consumer, lower, both */
    int64_t tolerance_ppm;
};

struct wire_order {
    struct uuid order;
    int64_t version;
    int state; /* enum order_state */
    struct uuid dataset;
    struct str asset;
    int64_t dataset_version;
    struct str provider, consumer; /* DIDs */
    struct str plan;               /* hash */
    struct str purpose;
    int64_t issued_us, valid_until_us;
    struct str agreement; /* STR_NONE while open */
    struct str endpoint;  /* provider's DSP base */
    struct wire_matching *matching;
};
extern const struct object wire_order_object;

struct wire_receipt {
    struct str agreement;
    int64_t bytes, calls;
    struct uuid event;
    int role; /* enum party_role */
    int64_t rows, seq;
    int64_t since_us, until_us;
    struct str transfer;
};
extern const struct object wire_receipt_object; /* CLOSED, canonical order */
/* Event id of the n-th access (docs/exchange.md §2): `hash` is SHA-256 over wire_event_input(). */
void wire_event_input(struct str agreement, struct str transfer, int64_t access, struct buf *out);
struct uuid wire_event_id(int64_t since_us, const uint8_t hash[static 32]);
/*
 * Reads a receipt in canonical form without a parser; texts borrow from the line. False if it is
 * not one, or an unusual one: the parser then decides.
 */
bool wire_receipt_scan(struct str line, struct wire_receipt *ret_receipt);
/* Rules beyond types: since ≤ until, event is version 7 and its time is `since` cut to ms, counts ≥
 * 0, seq > 0. */
MUST_CHECK int wire_receipt_check(const struct wire_receipt *receipt, struct err *err);

struct wire_batch {
    struct str batch; /* "sha256:<hex>" */
    int64_t issued_us;
    int64_t lines;
    struct str reporter; /* DID */
};
extern const struct object wire_batch_object;

struct wire_agreement {
    struct str agreement;
    int role;
    struct str order; /* uuid text; STR_NONE: none */
    struct str asset;
    struct str provider, consumer;
    struct str hash;
    int64_t agreed_us;
    int64_t ends_us; /* 0: no end */
    struct str reporter;
};
extern const struct object wire_agreement_object;

/* One side has ended an agreement before its time. */
struct wire_agreement_end {
    struct str agreement;
    int role;
    struct str provider, consumer;
    int64_t ended_us;
    struct str reason; /* STR_NONE: none; for the parties, never in the log */
};
extern const struct object wire_agreement_end_object;

/* What the data bank has checked about a company. */
enum attestation_kind { ATTEST_BUSINESS_PARTNER_NUMBER, ATTEST_FRAMEWORK_AGREEMENT, ATTEST__COUNT };

extern const char *const attestation_kind_names[ATTEST__COUNT + 1];

struct wire_attestation {
    int kind; /* enum attestation_kind */
    struct str value;
    int64_t valid_until_us; /* 0: as long as the credential */
};
extern const struct object wire_attestation_object;

/* Rules beyond types: a business partner number is "BPNL" and 12 digits or capitals; a framework
 * agreement is 1 to 128 characters without spaces. */
MUST_CHECK int wire_attestation_check(const struct wire_attestation *attestation, struct err *err);

struct wire_membership {
    struct uuid participant;
    struct str status;
    struct str name;
    struct str country;
    struct str business_number_kind;
    struct str_list roles;
    struct list attestations; /* struct wire_attestation */
};
extern const struct object wire_membership_object; /* CLOSED */

/* What the data bank no longer stands for: credentials by their ids. */
struct wire_revocation {
    int64_t number; /* 1, 2, 3 … of this issuer, in the order in which they were made */
    struct str issuer, subject; /* DIDs */
    struct str_list credentials;
    int64_t at_us;
    int64_t until_us; /* after it all of them have expired anyway */
    int reason;       /* enum revocation_reason */
};

enum revocation_reason { REVOKED_SUSPENDED, REVOKED_ATTESTATION_WITHDRAWN, REVOKED__COUNT };

extern const char *const revocation_reason_names[REVOKED__COUNT + 1];
extern const struct object wire_revocation_object; /* CLOSED */
