/*
 * connector/dsp/message.c - field tables of the messages and the rules that the schemas add to
 * types
 */
#include "connector/dsp/message.h"

#include <assert.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define REASON_MAX  512
#define FORMAT_MAX  256
#define CONTEXT_MAX 16

/* clang-format off */
#define M(member, name, flags) FIELD(struct message, member, name, flags)
#define NEEDED   (F_REQUIRED | F_NONEMPTY)
#define COMMON   M(context, "@context", F_REQUIRED), M(type, "@type", F_REQUIRED), M(id, "@id", F_NONEMPTY)
#define BOTH     M(provider_pid, "providerPid", NEEDED), M(consumer_pid, "consumerPid", NEEDED)
#define REASONED M(code, "code", 0), M(reason, "reason", 0)

static const struct field catalog_request_fields[] = {COMMON, M(filter, "filter", 0)};
static const struct field request_fields[] = {
    COMMON, M(consumer_pid, "consumerPid", NEEDED), M(provider_pid, "providerPid", F_NONEMPTY),
    M(callback, "callbackAddress", F_NONEMPTY), M(offer, "offer", F_REQUIRED)};
static const struct field offer_fields[] = {
    COMMON, M(provider_pid, "providerPid", NEEDED), M(consumer_pid, "consumerPid", F_NONEMPTY),
    M(callback, "callbackAddress", F_NONEMPTY), M(offer, "offer", F_REQUIRED)};
static const struct field agreement_fields[] = {COMMON, BOTH, M(agreement, "agreement", F_REQUIRED)};
static const struct field plain_fields[] = {COMMON, BOTH};
static const struct field event_fields[] = {COMMON, BOTH, M(event, "eventType", F_REQUIRED)};
static const struct field reasoned_fields[] = {COMMON, BOTH, REASONED};
static const struct field process_fields[] = {COMMON, BOTH, M(event, "state", F_REQUIRED)};
static const struct field transfer_request_fields[] = {
    COMMON, M(consumer_pid, "consumerPid", NEEDED), M(agreement_id, "agreementId", NEEDED),
    M(format, "format", NEEDED), M(callback, "callbackAddress", NEEDED),
    M(data_address, "dataAddress", 0)};
static const struct field start_fields[] = {COMMON, BOTH, M(data_address, "dataAddress", 0)};
static const struct field catalog_error_fields[] = {COMMON, REASONED};

#define TABLE(name) static OBJECT(name##_object, struct message, name##_fields, OPEN)
TABLE(catalog_request);
TABLE(request);
TABLE(offer);
TABLE(agreement);
TABLE(plain);
TABLE(event);
TABLE(reasoned);
TABLE(process);
TABLE(transfer_request);
TABLE(start);
TABLE(catalog_error);

static const struct {
    const char *type;
    const struct object *object;
} forms[] = {
    [MF_CATALOG_REQUEST]         = {"CatalogRequestMessage",                  &catalog_request_object},
    [MF_REQUEST]                 = {"ContractRequestMessage",                 &request_object},
    [MF_OFFER]                   = {"ContractOfferMessage",                   &offer_object},
    [MF_AGREEMENT]               = {"ContractAgreementMessage",               &agreement_object},
    [MF_VERIFICATION]            = {"ContractAgreementVerificationMessage",   &plain_object},
    [MF_EVENT]                   = {"ContractNegotiationEventMessage",        &event_object},
    [MF_NEGOTIATION_TERMINATION] = {"ContractNegotiationTerminationMessage",  &reasoned_object},
    [MF_NEGOTIATION]             = {"ContractNegotiation",                    &process_object},
    [MF_NEGOTIATION_ERROR]       = {"ContractNegotiationError",               &reasoned_object},
    [MF_TRANSFER_REQUEST]        = {"TransferRequestMessage",                 &transfer_request_object},
    [MF_START]                   = {"TransferStartMessage",                   &start_object},
    [MF_SUSPENSION]              = {"TransferSuspensionMessage",              &reasoned_object},
    [MF_COMPLETION]              = {"TransferCompletionMessage",              &plain_object},
    [MF_TRANSFER_TERMINATION]    = {"TransferTerminationMessage",             &reasoned_object},
    [MF_TRANSFER]                = {"TransferProcess",                        &process_object},
    [MF_TRANSFER_ERROR]          = {"TransferError",                          &reasoned_object},
    [MF_CATALOG_ERROR]           = {"CatalogError",                           &catalog_error_object},
};
static_assert(ARRAY_LEN(forms) == MF__COUNT, "one row per form");

/* clang-format on */

const char *message_type(enum message_form form)
{
    return forms[form].type;
}

/* common/context-schema.json: an array of strings that contains the context of this version */
static int check_context(const struct jval *context, struct err *err)
{
    bool found = false;

    if (jtype_of(context) != J_ARRAY || jval_len(context) > CONTEXT_MAX)
        return err_tell(err, E_PEER_SYNTAX, "/@context", "expected an array of strings");
    for (size_t i = 0; i < jval_len(context); i++) {
        if (jtype_of(jval_at(context, i)) != J_STR)
            return err_tell(err, E_PEER_SYNTAX, "/@context", "expected an array of strings");
        found = found || str_eq_c(jval_str(jval_at(context, i)), DSP_CONTEXT);
    }
    if (!found)
        return err_tell(err, E_PEER_SYNTAX, "/@context", "expected '%s' among the contexts",
                        DSP_CONTEXT);
    return 0;
}

static int check_lengths(const struct message *m, struct err *err)
{
    const struct {
        struct str text;
        const char *at;
        size_t max;
    } limits[] = {
        {m->id,           "/@id",             LIMIT_ID  },
        {m->provider_pid, "/providerPid",     LIMIT_ID  },
        {m->consumer_pid, "/consumerPid",     LIMIT_ID  },
        {m->agreement_id, "/agreementId",     LIMIT_ID  },
        {m->callback,     "/callbackAddress", LIMIT_URL },
        {m->format,       "/format",          FORMAT_MAX},
        {m->code,         "/code",            LIMIT_ID  },
    };

    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        if (limits[i].text.n > limits[i].max)
            return err_tell(err, E_INVALID, limits[i].at, "longer than %zu bytes", limits[i].max);
    }
    return 0;
}

/* An opaque text of a nested object: a string of 1 to LIMIT_ID bytes. */
static int check_text(const struct jval *object, const char *at, const char *name, struct err *err)
{
    const struct str text = jval_str(jval_get(object, name));
    char here[64];

    if (text.n > 0 && text.n <= LIMIT_ID)
        return 0;
    (void)snprintf(here, sizeof(here), "%s/%s", at, name);
    return err_tell(err, E_PEER_SYNTAX, here, "expected a string of 1 to %d bytes", LIMIT_ID);
}

static int check_type(const struct jval *object, const char *at, const char *type, struct err *err)
{
    char here[64];

    if (jtype_of(object) != J_OBJECT)
        return err_tell(err, E_PEER_SYNTAX, at, "expected an object");
    if (str_eq_c(jval_str(jval_get(object, "@type")), type))
        return 0;
    (void)snprintf(here, sizeof(here), "%s/@type", at);
    return err_tell(err, E_PEER_SYNTAX, here, "expected '%s'", type);
}

/*
 * negotiation/contract-schema.json: what every offer and agreement in a message has; the rules are
 * policy's business
 */
static int check_policy(const struct jval *policy, const char *at, const char *type,
                        struct err *err)
{
    return check_type(policy, at, type, err) < 0 || check_text(policy, at, "@id", err) < 0 ||
                   check_text(policy, at, "target", err) < 0
               ? err_ret(err)
               : 0;
}

static int check_agreement(const struct jval *agreement, struct err *err)
{
    static const char at[] = "/agreement";

    return check_policy(agreement, at, "Agreement", err) < 0 ||
                   check_text(agreement, at, "assigner", err) < 0 ||
                   check_text(agreement, at, "assignee", err) < 0
               ? err_ret(err)
               : 0;
}

/* transfer/data-address-schema.json; a value may be empty, its length is the store's business */
static int check_properties(const struct jval *properties, struct err *err)
{
    char at[64];

    if (properties == NULL)
        return 0;
    if (jtype_of(properties) != J_ARRAY || jval_len(properties) == 0)
        return err_tell(err, E_PEER_SYNTAX, "/dataAddress/endpointProperties",
                        "expected an array that is not empty");
    for (size_t i = 0; i < jval_len(properties); i++) {
        const struct jval *property = jval_at(properties, i);

        (void)snprintf(at, sizeof(at), "/dataAddress/endpointProperties/%zu", i);
        if (!str_present(jval_str(jval_get(property, "name"))) ||
            !str_present(jval_str(jval_get(property, "value"))))
            return err_tell(err, E_PEER_SYNTAX, at, "expected 'name' and 'value', both strings");
    }
    return 0;
}

static int check_address(const struct jval *address, struct err *err)
{
    static const char at[] = "/dataAddress";
    const struct jval *endpoint = jval_get(address, "endpoint");

    if (check_type(address, at, "DataAddress", err) < 0 ||
        check_text(address, at, "endpointType", err) < 0)
        return err_ret(err);
    if (endpoint != NULL && jtype_of(endpoint) != J_STR)
        return err_tell(err, E_PEER_SYNTAX, "/dataAddress/endpoint", "expected a string");
    return check_properties(jval_get(address, "endpointProperties"), err);
}

static int check_members(enum message_form form, const struct message *m, struct err *err)
{
    /*
     * oneOf in the request's and the offer's schema: a first message says where to answer, a later
     * one to what it belongs
     */
    if (form == MF_REQUEST && str_present(m->provider_pid) == str_present(m->callback))
        return err_tell(err, E_PEER_SYNTAX, "",
                        "expected either 'providerPid' or 'callbackAddress'");
    if (form == MF_OFFER && str_present(m->consumer_pid) == str_present(m->callback))
        return err_tell(err, E_PEER_SYNTAX, "",
                        "expected either 'consumerPid' or 'callbackAddress'");
    if (m->offer != NULL && check_policy(m->offer, "/offer", "Offer", err) < 0)
        return err_ret(err);
    if (m->agreement != NULL && check_agreement(m->agreement, err) < 0)
        return err_ret(err);
    if (m->data_address != NULL && check_address(m->data_address, err) < 0)
        return err_ret(err);
    if (m->reason != NULL &&
        (jtype_of(m->reason) != J_ARRAY || (jval_len(m->reason) == 0 && form != MF_CATALOG_ERROR)))
        return err_tell(err, E_PEER_SYNTAX, "/reason", "expected an array that is not empty");
    if (m->filter != NULL && jtype_of(m->filter) != J_ARRAY)
        return err_tell(err, E_PEER_SYNTAX, "/filter", "expected an array");
    return 0;
}

int message_decode(enum message_form form, const struct jval *root, struct arena *arena,
                   struct message *ret_message, struct err *err)
{
    struct message m = {0};

    if (object_decode(forms[form].object, root, arena, &m, err) < 0 ||
        check_context(m.context, err) < 0)
        return err_ret(err);
    if (!str_eq_c(m.type, forms[form].type))
        return err_tell(err, E_PEER_SYNTAX, "/@type", "expected '%s'", forms[form].type);
    if (check_lengths(&m, err) < 0 || check_members(form, &m, err) < 0)
        return err_ret(err);
    *ret_message = m;
    return 0;
}

/* At most max bytes, whole characters. */
static struct str cut(struct str text, size_t max)
{
    if (text.n <= max)
        return text;
    text.n = max;
    while (text.n > 0 && ((unsigned char)text.p[text.n] & 0xC0) == 0x80)
        text.n--;
    return text;
}

struct str message_reason(const struct message *message, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(REASON_MAX);
    const bool list = jtype_of(message->reason) == J_ARRAY;
    const size_t n = list ? jval_len(message->reason) : message->reason != NULL;

    if (message->code.n > 0)
        buf_add_str(&out, cut(message->code, REASON_MAX / 4));
    for (size_t i = 0; i < n && !buf_failed(&out); i++) {
        const struct jval *item = list ? jval_at(message->reason, i) : message->reason;
        /* items are unconstrained: strings in the specification's examples, objects elsewhere */
        const struct str text =
            jtype_of(item) == J_OBJECT
                ? jval_str(jval_get(item, jval_get(item, "message") != NULL ? "message" : "@value"))
                : jval_str(item);

        if (text.n == 0)
            continue;
        if (out.n > 0)
            buf_add_c(&out, i == 0 ? ": " : "; ");
        buf_add_str(&out, cut(text, REASON_MAX - out.n));
    }
    return out.n > 0 ? arena_str(arena, buf_str(&out)) : STR_NONE;
}

bool message_address_ok(struct str address, bool allow_http)
{
    struct str rest;

    if (str_starts(address, STR("https://")))
        rest = str_from(address, 8);
    else if (allow_http && str_starts(address, STR("http://")))
        rest = str_from(address, 7);
    else
        return false;
    if (rest.n == 0 || rest.p[0] == '/' || address.n > LIMIT_URL)
        return false;
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] <= ' ' || rest.p[i] > '~' || strchr("?#@\\\"<>^`{|}", rest.p[i]) != NULL)
            return false;
    }
    return true;
}

struct str message_address_base(struct str address)
{
    while (address.n > 0 && address.p[address.n - 1] == '/')
        address.n--;
    return address;
}
