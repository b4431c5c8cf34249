/*
 * connector/store/store.c - tables of rows, and the names of states
 */
#include "connector/store/store.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct { int64_t code; const char *name; } negotiation_states[] = {
#define NEGOTIATION_STATE(id, code, name) {code, name},
#include "connector/store/negotiation_state.def"
#undef NEGOTIATION_STATE
};
static const struct { int64_t code; const char *name; } transfer_states[] = {
#define TRANSFER_STATE(id, code, name) {code, name},
#include "connector/store/transfer_state.def"
#undef TRANSFER_STATE
};

#define COLUMN(type, member) FIELD(struct type, member, #member, 0)

static const struct field asset_fields[] = {
    COLUMN(asset, asset_id),
    COLUMN(asset, properties),
    COLUMN(asset, private_properties),
    COLUMN(asset, data_address),
    COLUMN(asset, version),
    COLUMN(asset, created_us),
    COLUMN(asset, changed_us),
};
OBJECT(asset_row, struct asset, asset_fields, OPEN);

static const struct field policy_definition_fields[] = {
    COLUMN(policy_definition, policy_id),
    COLUMN(policy_definition, policy),
    COLUMN(policy_definition, own_policy),
    COLUMN(policy_definition, policy_hash),
    COLUMN(policy_definition, private_properties),
    COLUMN(policy_definition, version),
    COLUMN(policy_definition, created_us),
};
OBJECT(policy_definition_row, struct policy_definition, policy_definition_fields, OPEN);

static const struct field contract_definition_fields[] = {
    COLUMN(contract_definition, definition_id),
    COLUMN(contract_definition, access_policy_id),
    COLUMN(contract_definition, contract_policy_id),
    COLUMN(contract_definition, selector),
    COLUMN(contract_definition, private_properties),
    COLUMN(contract_definition, version),
    COLUMN(contract_definition, created_us),
};
OBJECT(contract_definition_row, struct contract_definition, contract_definition_fields, OPEN);

static const struct field negotiation_fields[] = {
    COLUMN(negotiation, negotiation_id),
    COLUMN(negotiation, role),
    COLUMN(negotiation, peer_pid),
    COLUMN(negotiation, peer_id),
    COLUMN(negotiation, peer_address),
    COLUMN(negotiation, protocol),
    COLUMN(negotiation, state),
    COLUMN(negotiation, state_us),
    COLUMN(negotiation, asset_id),
    COLUMN(negotiation, offer_id),
    COLUMN(negotiation, policy_hash),
    COLUMN(negotiation, policy),
    COLUMN(negotiation, agreement_id),
    COLUMN(negotiation, error),
    COLUMN(negotiation, callbacks),
    COLUMN(negotiation, created_us),
};
OBJECT(negotiation_row, struct negotiation, negotiation_fields, OPEN);

static const struct field agreement_fields[] = {
    COLUMN(agreement, agreement_id),
    COLUMN(agreement, negotiation_id),
    COLUMN(agreement, role),
    COLUMN(agreement, provider_id),
    COLUMN(agreement, consumer_id),
    COLUMN(agreement, asset_id),
    COLUMN(agreement, policy_hash),
    COLUMN(agreement, policy),
    COLUMN(agreement, agreed_us),
    COLUMN(agreement, ends_us),
    COLUMN(agreement, ended_us),
    COLUMN(agreement, end_reason),
    COLUMN(agreement, order_id),
    COLUMN(agreement, next_access),
    COLUMN(agreement, next_seq),
    COLUMN(agreement, retired_us),
    COLUMN(agreement, retire_reason),
};
OBJECT(agreement_row, struct agreement, agreement_fields, OPEN);

static const struct field transfer_fields[] = {
    COLUMN(transfer, transfer_id),
    COLUMN(transfer, role),
    COLUMN(transfer, peer_pid),
    COLUMN(transfer, peer_id),
    COLUMN(transfer, peer_address),
    COLUMN(transfer, protocol),
    COLUMN(transfer, state),
    COLUMN(transfer, state_us),
    COLUMN(transfer, agreement_id),
    COLUMN(transfer, asset_id),
    COLUMN(transfer, format),
    COLUMN(transfer, data_address),
    COLUMN(transfer, error),
    COLUMN(transfer, callbacks),
    COLUMN(transfer, private_properties),
    COLUMN(transfer, next_access),
    COLUMN(transfer, created_us),
};
OBJECT(transfer_row, struct transfer, transfer_fields, OPEN);

static const struct field edr_fields[] = {
    COLUMN(edr, transfer_id),
    COLUMN(edr, endpoint),
    COLUMN(edr, token),
    COLUMN(edr, refresh_endpoint),
    COLUMN(edr, refresh_token),
    COLUMN(edr, expires_us),
    COLUMN(edr, received_us),
};
OBJECT(edr_row, struct edr, edr_fields, OPEN);

static const struct field purchase_fields[] = {
    COLUMN(purchase, order_id),
    COLUMN(purchase, role),
    COLUMN(purchase, peer_id),
    COLUMN(purchase, asset_id),
    COLUMN(purchase, plan_hash),
    COLUMN(purchase, purpose),
    COLUMN(purchase, state),
    COLUMN(purchase, version),
    COLUMN(purchase, document),
    COLUMN(purchase, signed_document),
    COLUMN(purchase, agreement_id),
    COLUMN(purchase, valid_until_us),
    COLUMN(purchase, received_us),
};
OBJECT(purchase_row, struct purchase, purchase_fields, OPEN);

/* clang-format on */

const char *negotiation_state_name(int64_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(negotiation_states); i++) {
        if (negotiation_states[i].code == code)
            return negotiation_states[i].name;
    }
    return NULL;
}

const char *transfer_state_name(int64_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(transfer_states); i++) {
        if (transfer_states[i].code == code)
            return transfer_states[i].name;
    }
    return NULL;
}

int64_t negotiation_state_code(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(negotiation_states); i++) {
        if (str_eq_c(name, negotiation_states[i].name))
            return negotiation_states[i].code;
    }
    return 0;
}

int64_t transfer_state_code(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(transfer_states); i++) {
        if (str_eq_c(name, transfer_states[i].name))
            return transfer_states[i].code;
    }
    return 0;
}
