/*
 * connector/store/store.h - rows of the connector's database as structs
 *
 * One struct and one object (field table by column name) per table of sql/schema/connector. Texts
 * are borrowed (arena). Queries stand in sql/query/connector/<table>.sql; callers use
 * db_one/db_list/db_exec with them. States are the EDC codes (reference: state names and codes), so
 * that management API and database agree.
 */
#pragma once

#include "lib/codec/codec.h"
#include "lib/db/db.h"

enum negotiation_state {

#define NEGOTIATION_STATE(id, code, name) id = code,
#include "connector/store/negotiation_state.def"
#undef NEGOTIATION_STATE
};

enum transfer_state {

#define TRANSFER_STATE(id, code, name) id = code,
#include "connector/store/transfer_state.def"
#undef TRANSFER_STATE
};
/* "REQUESTED", … ; NULL for an unknown code */
const char *negotiation_state_name(int64_t code);
const char *transfer_state_name(int64_t code);
/* 0 if unknown */
int64_t negotiation_state_code(struct str name);
int64_t transfer_state_code(struct str name);

struct asset {
    struct str asset_id;
    struct str properties; /* JSON object: expanded IRI -> value as in JSON-LD expansion, without
                              @id/@type */
    struct str private_properties; /* same */
    struct str data_address; /* JSON object: {"type":"HttpData","baseUrl":…}; keys without the EDC
                                namespace */
    int64_t version;
    int64_t created_us, changed_us;
};
extern const struct object asset_row;

struct policy_definition {
    struct str policy_id;
    struct str policy;      /* JSON text: what it means, rules of its ancestors included */
    struct str own_policy;  /* JSON text as given, if it inherits (lineage.h); else STR_NONE */
    struct str policy_hash; /* policy_hash() of its normal form, hex */
    struct str private_properties;
    int64_t version;
    int64_t created_us;
};
extern const struct object policy_definition_row;

struct contract_definition {
    struct str definition_id, access_policy_id, contract_policy_id;
    struct str selector; /* JSON array of {"operandLeft","operator","operandRight"} */
    struct str private_properties;
    int64_t version;
    int64_t created_us;
};
extern const struct object contract_definition_row;

struct negotiation {
    struct str negotiation_id; /* our pid: consumerPid or providerPid by role */
    struct str role;           /* "consumer" | "provider": our side */
    struct str peer_pid;       /* STR_NONE until known */
    struct str peer_id;        /* participant id of the other side */
    struct str peer_address;   /* its DSP base URL, without trailing slash */
    struct str protocol;       /* "dataspace-protocol-http:2025-1" */
    int64_t state;
    int64_t state_us;
    struct str asset_id, offer_id;
    struct str policy_hash, policy; /* policy: joined from policy_text where the query has it */
    struct str agreement_id;
    struct str error;
    struct str callbacks; /* JSON array or STR_NONE */
    int64_t created_us;
};
extern const struct object negotiation_row;

struct agreement {
    struct str agreement_id, negotiation_id;
    struct str role;
    struct str provider_id, consumer_id;
    struct str asset_id;
    struct str policy_hash, policy;
    int64_t agreed_us;
    int64_t ends_us;  /* 0: no end known */
    int64_t ended_us; /* 0: in force */
    struct str end_reason;
    struct str order_id;
    int64_t next_access, next_seq;
    int64_t retired_us; /* 0: not retired */
    struct str retire_reason;
};
extern const struct object agreement_row;

struct transfer {
    struct str transfer_id;
    struct str role;
    struct str peer_pid, peer_id, peer_address, protocol;
    int64_t state;
    int64_t state_us;
    struct str agreement_id, asset_id, format;
    struct str data_address; /* JSON: destination given by the consumer (push) */
    struct str error, callbacks, private_properties;
    int64_t next_access;
    int64_t created_us;
};
extern const struct object transfer_row;

struct edr {
    struct str transfer_id, endpoint, token, refresh_endpoint, refresh_token;
    int64_t expires_us; /* 0: unknown */
    int64_t received_us;
};
extern const struct object edr_row;

/* A signed order as received from the broker; the document's fields are in wire.h. */
struct purchase {
    struct str order_id, role, peer_id, asset_id, plan_hash, purpose, state;
    int64_t version;
    struct str document, signed_document, agreement_id;
    int64_t valid_until_us, received_us;
};
extern const struct object purchase_row;
