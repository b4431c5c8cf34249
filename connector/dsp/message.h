/*
 * connector/dsp/message.h - messages of DSP 2025-1: what a peer sends, and the texts that we send
 *
 * The JSON schemas of the specification are normative and plain JSON is allowed, so messages are
 * decoded by field tables; unknown members are ignored (OPEN). Policies inside messages stay views
 * and go to policy/, which knows no such leniency. Texts that are written live in the arena;
 * STR_NONE when it is full.
 */
#pragma once

#include "connector/store/store.h"
#include "lib/base/arena.h"

#define DSP_CONTEXT "https://w3id.org/dspace/2025/1/context.jsonld"

/* All members that any message has; absent ones are STR_NONE or NULL. */
struct message {
    const struct jval *context;
    struct str type, id;
    struct str provider_pid, consumer_pid;
    struct str callback, event;
    struct str agreement_id, format;
    struct str code;
    const struct jval *offer, *agreement, *reason, *data_address, *filter;
};

enum message_form {
    MF_CATALOG_REQUEST,
    MF_REQUEST,
    MF_OFFER,
    MF_AGREEMENT,
    MF_VERIFICATION,
    MF_EVENT,
    MF_NEGOTIATION_TERMINATION,
    MF_NEGOTIATION,
    MF_NEGOTIATION_ERROR,
    MF_TRANSFER_REQUEST,
    MF_START,
    MF_SUSPENSION,
    MF_COMPLETION,
    MF_TRANSFER_TERMINATION,
    MF_TRANSFER,
    MF_TRANSFER_ERROR,
    MF_CATALOG_ERROR,
    MF__COUNT
};

/* "ContractRequestMessage" */
const char *message_type(enum message_form form);
/*
 * Decodes and checks one message of the given form. Errors: E_PEER_SYNTAX, E_INVALID, E_LIMIT with
 * `at` = JSON pointer and public detail.
 */
MUST_CHECK int message_decode(enum message_form form, const struct jval *root, struct arena *arena,
                              struct message *ret_message, struct err *err);
/*
 * Code and reasons of a termination, suspension or error as one line for people, at most 512 bytes;
 * of an answer that was not decoded the reason may also be a single text or object.
 */
struct str message_reason(const struct message *message, struct arena *arena);
/* True if `address` is an http(s) URL without query, fragment, user or control characters. */
bool message_address_ok(struct str address, bool allow_http);
/* Without trailing slashes. */
struct str message_address_base(struct str address);

/*
 * -- what we send --------------------------------------------------------------------------------
 */

struct pids {
    struct str provider, consumer;
};

/* A policy's rules as members without the braces around: `"permission":[…]`, "" if it has none. */
struct str message_rules_of(const struct jval *policy, struct arena *arena);

struct offer_text {
    struct str id, target;
    struct str assigner, assignee; /* STR_NONE: left out */
    struct str rules;              /* as message_rules_of gives them */
};

struct agreement_text {
    struct str id; /* STR_NONE: the form that is stored, without id and time */
    struct str target, assigner, assignee, rules;
    int64_t agreed_us;
};
/* ODRL objects, alone. */
struct str message_offer(const struct offer_text *offer, struct arena *arena);
struct str message_agreement(const struct agreement_text *agreement, struct arena *arena);

/* A whole message body. Members of pids, and the others, are left out when absent. */
struct message_text {
    enum message_form form;
    struct str id; /* message id */
    struct pids pids;
    struct str callback, event, agreement_id, format, state, code, reason;
    struct str offer, agreement, data_address; /* JSON */
};
struct str message_write(const struct message_text *text, struct arena *arena);
