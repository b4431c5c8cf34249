/*
 * connector/events/body.c - bodies of events: EDC's envelope, CloudEvents 1.0 (structured JSON)
 *
 * Payloads have EDC's members; "state", "seq" and the other party of a transfer are ours. Policies
 * are the texts that were negotiated. A token is written only where the row has one.
 */
#include "connector/events/events_private.h"
#include "connector/identity/identity.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define EDC_NS    "https://w3id.org/edc/v0.0.1/ns/"
#define HTTP_TYPE "https://w3id.org/idsa/v4.1/HTTP"

/* clang-format off */
#define COLUMN(member) FIELD(struct event_row, member, #member, 0)
static const struct field event_row_fields[] = {
    COLUMN(seq), COLUMN(type), COLUMN(subject), COLUMN(detail), COLUMN(at_us),
    COLUMN(role), COLUMN(peer_id), COLUMN(peer_address), COLUMN(protocol), COLUMN(asset_id),
    COLUMN(offer_id), COLUMN(callbacks), COLUMN(policy), COLUMN(agreement_id), COLUMN(provider_id),
    COLUMN(consumer_id), COLUMN(agreed_us), COLUMN(agreed_policy), COLUMN(endpoint), COLUMN(token),
};
OBJECT(event_row_object, struct event_row, event_row_fields, OPEN);

/* Member of the payload that names what a plain event is about. */
static const char *const id_members[] = {
    [EVENT_ASSET] = "assetId",
    [EVENT_POLICY] = "policyDefinitionId",
    [EVENT_DEFINITION] = "contractDefinitionId",
    [EVENT_NEGOTIATION] = "contractNegotiationId",
    [EVENT_TRANSFER] = "transferProcessId",
    [EVENT_SECRET] = "secretId",
    [EVENT_DUTY] = "dutyId",
};

/* clang-format on */

struct uuid events__uuid(const struct event_row *row, struct str participant)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_ID + KIB(1));
    uint8_t hash[SHA256_LEN];

    buf_printf(&text, "%lld %lld ", (long long)row->seq, (long long)row->at_us);
    buf_add_str(&text, row->type);
    buf_add_char(&text, ' ');
    buf_add_str(&text, participant);
    sha256(buf_str(&text).p, text.n, hash);
    return uuid_v8_from(hash);
}

/* -- payloads ---------------------------------------------------------------------------------- */

static void add_policy(struct jw *w, struct str policy)
{
    if (str_present(policy))
        jw_kraw(w, "policy", policy);
}

static void add_callbacks(struct jw *w, struct str callbacks)
{
    jw_kraw(w, "callbackAddresses", callbacks.n > 0 ? callbacks : STR("[]"));
}

static void add_agreement(struct jw *w, const struct event_row *row)
{
    jw_key(w, "contractAgreement");
    jw_object(w);
    jw_kstr(w, "id", row->agreement_id);
    jw_kstr(w, "agreementId", row->agreement_id);
    jw_kstr(w, "providerId", row->provider_id);
    jw_kstr(w, "consumerId", row->consumer_id);
    jw_ki64(w, "contractSigningDate", row->agreed_us / US_PER_S);
    jw_kstr(w, "assetId", row->asset_id);
    add_policy(w, row->agreed_policy);
    jw_object_end(w);
}

static void add_negotiation(struct jw *w, const struct event_kind *kind,
                            const struct event_row *row)
{
    /* the row shows the process of today, which may have gone further than the event */
    const bool agreed = str_eq_c(row->type, "contract.negotiation.agreed") ||
                        str_eq_c(row->type, "contract.negotiation.verified") ||
                        str_eq_c(row->type, "contract.negotiation.finalized");

    jw_kstr(w, "counterPartyAddress", row->peer_address);
    jw_kstr(w, "counterPartyId", row->peer_id);
    add_callbacks(w, row->callbacks);
    jw_key(w, "contractOffers");
    jw_array(w);
    jw_object(w);
    jw_kstr(w, "id", row->offer_id);
    jw_kstr(w, "assetId", row->asset_id);
    add_policy(w, row->policy);
    jw_object_end(w);
    jw_array_end(w);
    jw_kstr(w, "protocol", row->protocol);
    jw_kc(w, "state", kind->state);
    if (agreed && str_present(row->agreement_id))
        add_agreement(w, row);
}

static void add_property(struct jw *w, const char *name, struct str value)
{
    if (str_present(value))
        jw_kstr(w, name, value);
}

static void add_data_address(struct jw *w, const struct event_row *row)
{
    jw_key(w, "dataAddress");
    jw_object(w);
    jw_key(w, "properties");
    jw_object(w);
    jw_kc(w, EDC_NS "type", HTTP_TYPE);
    jw_kc(w, EDC_NS "endpointType", HTTP_TYPE);
    jw_kstr(w, EDC_NS "endpoint", row->endpoint);
    jw_kc(w, EDC_NS "authType", "bearer");
    jw_kstr(w, EDC_NS "authorization", row->token);
    jw_kc(w, "flow_type", "PULL");
    jw_kstr(w, "process_id", row->subject);
    add_property(w, "participant_id", row->peer_id);
    add_property(w, "asset_id", row->asset_id);
    add_property(w, "agreement_id", row->agreement_id);
    jw_object_end(w);
    jw_object_end(w);
}

static void add_transfer(struct jw *w, const struct event_kind *kind, const struct event_row *row)
{
    add_callbacks(w, row->callbacks);
    jw_kstr(w, "assetId", row->asset_id);
    jw_kc(w, "type", str_eq(row->role, STR("provider")) ? "PROVIDER" : "CONSUMER");
    jw_kstr(w, "contractId", row->agreement_id);
    jw_kstr(w, "counterPartyId", row->peer_id);
    jw_kstr(w, "protocol", row->protocol);
    jw_kc(w, "state", kind->state);
    if (str_present(row->endpoint) && str_present(row->token))
        add_data_address(w, row);
}

static void add_payload(struct jw *w, const struct event_kind *kind, const struct event_row *row,
                        struct str participant)
{
    jw_object(w);
    jw_kstr(w, id_members[kind->about], row->subject);
    if (kind->about == EVENT_NEGOTIATION || kind->about == EVENT_TRANSFER)
        jw_kstr(w, "participantContextId", participant);
    if (str_present(row->detail))
        jw_kstr(w, "reason", row->detail);
    if (kind->about == EVENT_NEGOTIATION)
        add_negotiation(w, kind, row);
    else if (kind->about == EVENT_TRANSFER)
        add_transfer(w, kind, row);
    jw_object_end(w);
}

/* -- envelopes --------------------------------------------------------------------------------- */

static void add_envelope(struct jw *w, const struct event_kind *kind, const struct event_row *row,
                         const struct event_source *source)
{
    jw_kc(w, "id", uuid_format(events__uuid(row, source->participant)).c);
    jw_ki64(w, "at", row->at_us / 1000);
    jw_key(w, "payload");
    add_payload(w, kind, row, source->participant);
    jw_kc(w, "type", kind->type);
}

static void add_cloud_event(struct jw *w, const struct event_kind *kind,
                            const struct event_row *row, const struct event_source *source)
{
    char sequence[24];

    (void)snprintf(sequence, sizeof(sequence), "%lld", (long long)row->seq);
    jw_kc(w, "specversion", "1.0");
    jw_kc(w, "id", uuid_format(events__uuid(row, source->participant)).c);
    jw_kstr(w, "source", source->url);
    jw_kc(w, "type", kind->name);
    jw_kstr(w, "subject", row->subject);
    jw_kc(w, "time", time_format(row->at_us).c);
    jw_kc(w, "sequence", sequence);
    jw_kc(w, "datacontenttype", "application/json");
    jw_key(w, "data");
    add_payload(w, kind, row, source->participant);
}

void events__body(const struct event_row *row, enum event_format format,
                  const struct event_source *source, struct buf *out)
{
    const struct event_kind *kind = events__kind(row->type);
    struct jw w = jw_init(out);

    jw_object(&w);
    if (kind != NULL && format == EVENT_CLOUD)
        add_cloud_event(&w, kind, row, source);
    else if (kind != NULL)
        add_envelope(&w, kind, row, source);
    jw_object_end(&w);
}

void events__element(const struct event_row *row, const struct event_source *source, struct jw *w)
{
    const struct event_kind *kind = events__kind(row->type);

    jw_object(w);
    jw_ki64(w, "seq", row->seq);
    jw_kstr(w, "name", row->type);
    if (kind != NULL)
        add_envelope(w, kind, row, source);
    jw_object_end(w);
}

int events__sign(const struct app *app, struct str body, struct buf *out, struct err *err)
{
    AUTO(buf_done) struct buf compact = buf_init(MIB(3));
    struct str rest;

    if (identity_sign(app->identity, EVENTS_TYP, body, &compact, err) < 0)
        return err_ret(err);
    rest = buf_str(&compact);
    buf_add_str(out, str_cut(&rest, '.'));
    buf_add_c(out, "..");
    (void)str_cut(&rest, '.');
    buf_add_str(out, rest);
    return buf_failed(out) ? err_set(err, E_NO_MEMORY, "", "signature of an event") : 0;
}
