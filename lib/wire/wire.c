/*
 * lib/wire/wire.c - field tables of docs/exchange.md §2, and the rules that belong to a document
 * alone
 *
 * Event id (§2): UUIDv7 whose time is the start of the access in milliseconds; the other bits are
 * the first ten bytes of SHA-256(agreement 0x0A transfer 0x0A decimal access number), version and
 * variant overwritten.
 */
#include "lib/wire/wire.h"

#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define SAMPLE_MAX   8192
#define KEYWORDS_MAX 64
#define COLUMNS_MAX  256
#define TITLE_MAX    512
#define VISIBLE_MAX  1024

const char *const party_role_names[PARTY__COUNT + 1] = {
    [PARTY_PROVIDER] = "provider",
    [PARTY_CONSUMER] = "consumer",
};
const char *const order_state_names[ORDER__COUNT + 1] = {
    [ORDER_OPEN] = "open",   [ORDER_CONTRACTED] = "contracted", [ORDER_ACTIVE] = "active",
    [ORDER_ENDED] = "ended", [ORDER_CANCELLED] = "cancelled",   [ORDER_DISPUTED] = "disputed",
};
const char *const data_domain_names[DOMAIN__COUNT + 1] = {
    [DOMAIN_CARBON] = "carbon",
    [DOMAIN_PROCESS] = "process",
    [DOMAIN_SUPPLY_CHAIN] = "supply-chain",
};
const char *const visibility_names[VISIBLE__COUNT + 1] = {
    [VISIBLE_OPEN] = "open",
    [VISIBLE_GROUP] = "group",
    [VISIBLE_BILATERAL] = "bilateral",
    [VISIBLE_ON_REQUEST] = "on_request",
};

const char *const attestation_kind_names[ATTEST__COUNT + 1] = {
    [ATTEST_BUSINESS_PARTNER_NUMBER] = "business_partner_number",
    [ATTEST_FRAMEWORK_AGREEMENT] = "framework_agreement",
};
const char *const revocation_reason_names[REVOKED__COUNT + 1] = {
    [REVOKED_SUSPENDED] = "suspended",
    [REVOKED_ATTESTATION_WITHDRAWN] = "attestation_withdrawn",
};

/* clang-format off */
static const struct field text_fields[] = {
    FIELD(struct wire_text, ko, "ko", F_OMIT),
    FIELD(struct wire_text, en, "en", F_OMIT),
};
static OBJECT(text_object, struct wire_text, text_fields, CLOSED);

static const struct field column_fields[] = {
    FIELD(struct wire_column, name, "name", F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_column, type, "type", F_REQUIRED),
    FIELD(struct wire_column, unit, "unit", F_OMIT),
    FIELD(struct wire_column, text, "text", F_OMIT),
};
static OBJECT(column_object, struct wire_column, column_fields, CLOSED);

static const struct field quality_fields[] = {
    FIELD(struct wire_quality, rows,    "rows", F_NATURAL | F_OMIT),
    FIELD(struct wire_quality, from_us, "from", F_TIME | F_OMIT),
    FIELD(struct wire_quality, to_us,   "to",   F_TIME | F_OMIT),
    FIELD(struct wire_quality, note,    "note", F_OMIT),
};
static OBJECT(quality_object, struct wire_quality, quality_fields, CLOSED);

static const struct field dataset_fields[] = {
    FIELD(struct wire_dataset, asset,          "asset",       F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_dataset, issued_us,      "issued_at",   F_REQUIRED | F_TIME),
    FIELD(struct wire_dataset, version,        "version",     F_REQUIRED | F_POSITIVE),
    FIELD(struct wire_dataset, provider,       "provider",    F_REQUIRED | F_NONEMPTY),
    FIELD_SUB(struct wire_dataset, title,      "title",       F_REQUIRED, &text_object),
    FIELD_SUB(struct wire_dataset, description, "description", F_OMIT, &text_object),
    FIELD_ENUM(struct wire_dataset, domain,    "domain",      F_REQUIRED, data_domain_names),
    FIELD(struct wire_dataset, keywords,       "keywords",    F_OMIT),
    FIELD(struct wire_dataset, semantic_id,    "semantic_id", F_OMIT),
    FIELD(struct wire_dataset, media_type,     "media_type",  F_OMIT),
    FIELD(struct wire_dataset, bytes,          "bytes",       F_NATURAL | F_OMIT),
    FIELD(struct wire_dataset, digest,         "digest",      F_OMIT),
    FIELD_LIST(struct wire_dataset, schema,    "schema",      F_OMIT, &column_object),
    FIELD(struct wire_dataset, sample,         "sample",      F_OMIT),
    FIELD_SUB(struct wire_dataset, quality,    "quality",     F_OMIT, &quality_object),
    FIELD(struct wire_dataset, policy,         "policy",      F_REQUIRED),
    FIELD(struct wire_dataset, plans,          "plans",       F_REQUIRED),
    FIELD_ENUM(struct wire_dataset, visibility, "visibility", F_REQUIRED, visibility_names),
    FIELD(struct wire_dataset, visible_to,     "visible_to",  F_OMIT),
    FIELD(struct wire_dataset, endpoint,       "endpoint",    F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_dataset, formats,        "formats",     F_OMIT),
};
OBJECT(wire_dataset_object, struct wire_dataset, dataset_fields, CLOSED);

static const struct field matching_fields[] = {
    FIELD(struct wire_matching, rule,          "rule",          F_REQUIRED),
    FIELD(struct wire_matching, tolerance_ppm, "tolerance_ppm", F_REQUIRED | F_NATURAL),
};
static OBJECT(matching_object, struct wire_matching, matching_fields, CLOSED);

static const struct field order_fields[] = {
    FIELD(struct wire_order, order,           "order",           F_REQUIRED),
    FIELD(struct wire_order, version,         "version",         F_REQUIRED | F_POSITIVE),
    FIELD_ENUM(struct wire_order, state,      "state",           F_REQUIRED, order_state_names),
    FIELD(struct wire_order, dataset,         "dataset",         F_REQUIRED),
    FIELD(struct wire_order, asset,           "asset",           F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_order, dataset_version, "dataset_version", F_REQUIRED | F_POSITIVE),
    FIELD(struct wire_order, provider,        "provider",        F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_order, consumer,        "consumer",        F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_order, plan,            "plan",            F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_order, purpose,         "purpose",         F_REQUIRED),
    FIELD(struct wire_order, issued_us,       "issued_at",       F_REQUIRED | F_TIME),
    FIELD(struct wire_order, valid_until_us,  "valid_until",     F_REQUIRED | F_TIME),
    FIELD(struct wire_order, agreement,       "agreement",       F_OMIT),
    FIELD(struct wire_order, endpoint,        "endpoint",        F_REQUIRED),
    FIELD_SUB(struct wire_order, matching,    "matching",        F_REQUIRED, &matching_object),
};
OBJECT(wire_order_object, struct wire_order, order_fields, CLOSED);

static const struct field receipt_fields[] = {
    FIELD(struct wire_receipt, agreement, "agreement", F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_receipt, bytes,     "bytes",     F_REQUIRED | F_NATURAL),
    FIELD(struct wire_receipt, calls,     "calls",     F_REQUIRED | F_NATURAL),
    FIELD(struct wire_receipt, event,     "event",     F_REQUIRED),
    FIELD_ENUM(struct wire_receipt, role, "role",      F_REQUIRED, party_role_names),
    FIELD(struct wire_receipt, rows,      "rows",      F_REQUIRED | F_NATURAL),
    FIELD(struct wire_receipt, seq,       "seq",       F_REQUIRED | F_POSITIVE),
    FIELD(struct wire_receipt, since_us,  "since",     F_REQUIRED | F_TIME),
    FIELD(struct wire_receipt, transfer,  "transfer",  F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_receipt, until_us,  "until",     F_REQUIRED | F_TIME),
};
OBJECT(wire_receipt_object, struct wire_receipt, receipt_fields, CLOSED);

static const struct field batch_fields[] = {
    FIELD(struct wire_batch, batch,     "batch",     F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_batch, issued_us, "issued_at", F_REQUIRED | F_TIME),
    FIELD(struct wire_batch, lines,     "lines",     F_REQUIRED | F_POSITIVE),
    FIELD(struct wire_batch, reporter,  "reporter",  F_REQUIRED | F_NONEMPTY),
};
OBJECT(wire_batch_object, struct wire_batch, batch_fields, CLOSED);

static const struct field agreement_fields[] = {
    FIELD(struct wire_agreement, agreement,   "agreement", F_REQUIRED | F_NONEMPTY),
    FIELD_ENUM(struct wire_agreement, role,   "role",      F_REQUIRED, party_role_names),
    FIELD(struct wire_agreement, order,       "order",     F_OMIT),
    FIELD(struct wire_agreement, asset,       "asset",     F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_agreement, provider,    "provider",  F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_agreement, consumer,    "consumer",  F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_agreement, hash,        "hash",      F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_agreement, agreed_us,   "agreed_at", F_REQUIRED | F_TIME),
    FIELD(struct wire_agreement, ends_us,     "ends_at",   F_TIME | F_OMIT),
    FIELD(struct wire_agreement, reporter,    "reporter",  F_REQUIRED | F_NONEMPTY),
};
OBJECT(wire_agreement_object, struct wire_agreement, agreement_fields, CLOSED);

static const struct field end_fields[] = {
    FIELD(struct wire_agreement_end, agreement, "agreement", F_REQUIRED | F_NONEMPTY),
    FIELD_ENUM(struct wire_agreement_end, role, "role",      F_REQUIRED, party_role_names),
    FIELD(struct wire_agreement_end, provider,  "provider",  F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_agreement_end, consumer,  "consumer",  F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_agreement_end, ended_us,  "ended_at",  F_REQUIRED | F_TIME),
    FIELD(struct wire_agreement_end, reason,    "reason",    F_OMIT),
};
OBJECT(wire_agreement_end_object, struct wire_agreement_end, end_fields, CLOSED);

static const struct field attestation_fields[] = {
    FIELD_ENUM(struct wire_attestation, kind,      "kind",        F_REQUIRED, attestation_kind_names),
    FIELD(struct wire_attestation, value,          "value",       F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_attestation, valid_until_us, "valid_until", F_TIME | F_OMIT),
};
OBJECT(wire_attestation_object, struct wire_attestation, attestation_fields, CLOSED);

static const struct field membership_fields[] = {
    FIELD(struct wire_membership, participant,          "participant",          F_REQUIRED),
    FIELD(struct wire_membership, status,               "status",               F_REQUIRED),
    FIELD(struct wire_membership, name,                 "name",                 F_REQUIRED),
    FIELD(struct wire_membership, country,              "country",              F_REQUIRED),
    FIELD(struct wire_membership, business_number_kind, "business_number_kind", F_OMIT),
    FIELD(struct wire_membership, roles,                "roles",                F_OMIT),
    FIELD_LIST(struct wire_membership, attestations,    "attestations",         F_OMIT, &wire_attestation_object),
};
OBJECT(wire_membership_object, struct wire_membership, membership_fields, CLOSED);

static const struct field revocation_fields[] = {
    FIELD(struct wire_revocation, number,      "number",      F_REQUIRED | F_POSITIVE),
    FIELD(struct wire_revocation, issuer,      "issuer",      F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_revocation, subject,     "subject",     F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_revocation, credentials, "credentials", F_REQUIRED | F_NONEMPTY),
    FIELD(struct wire_revocation, at_us,       "at",          F_REQUIRED | F_TIME),
    FIELD(struct wire_revocation, until_us,    "until",       F_REQUIRED | F_TIME),
    FIELD_ENUM(struct wire_revocation, reason, "reason",      F_REQUIRED, revocation_reason_names),
};
OBJECT(wire_revocation_object, struct wire_revocation, revocation_fields, CLOSED);

/* clang-format on */

static int check_texts(const struct wire_text *t, const char *at, size_t max, struct err *err)
{
    if (t->ko.n == 0 && t->en.n == 0)
        return err_tell(err, E_INVALID, at, "expected a text in 'ko' or 'en'");
    if (t->ko.n > max || t->en.n > max)
        return err_tell(err, E_LIMIT, at, "a text is longer than %zu bytes", max);
    return 0;
}

static bool digest_ok(struct str digest)
{
    if (digest.n != 7 + 64 || !str_starts(digest, STR("sha256:")))
        return false;
    for (size_t i = 7; i < digest.n; i++) {
        const char c = digest.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

int wire_dataset_check(const struct wire_dataset *d, struct err *err)
{
    const struct {
        const char *at;
        size_t is, max;
    } sizes[] = {
        {"/sample",     d->sample.n,     SAMPLE_MAX       },
        {"/keywords",   d->keywords.n,   KEYWORDS_MAX     },
        {"/schema",     d->schema.n,     COLUMNS_MAX      },
        {"/visible_to", d->visible_to.n, VISIBLE_MAX      },
        {"/asset",      d->asset.n,      (size_t)LIMIT_ID },
        {"/endpoint",   d->endpoint.n,   (size_t)LIMIT_URL},
    };

    if (check_texts(d->title, "/title", TITLE_MAX, err) < 0)
        return err_ret(err);
    if (d->description != NULL && check_texts(d->description, "/description", SAMPLE_MAX, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        if (sizes[i].is > sizes[i].max)
            return err_tell(err, E_LIMIT, sizes[i].at, "at most %zu", sizes[i].max);
    }
    if ((d->visibility == VISIBLE_GROUP || d->visibility == VISIBLE_BILATERAL) &&
        d->visible_to.n == 0)
        return err_tell(err, E_INVALID, "/visible_to", "expected who may see a '%s' dataset",
                        visibility_names[d->visibility]);
    if (d->digest.n > 0 && !digest_ok(d->digest))
        return err_tell(err, E_INVALID, "/digest",
                        "expected 'sha256:' and 64 lower-case hex digits");
    if (jtype_of(d->policy) != J_OBJECT)
        return err_tell(err, E_INVALID, "/policy", "expected an ODRL offer");
    if (jtype_of(d->plans) != J_ARRAY || jval_len(d->plans) == 0 || jval_len(d->plans) > 16)
        return err_tell(err, E_INVALID, "/plans", "expected 1 to 16 price plans");
    return 0;
}

#define BPN_CHARS 16
#define VALUE_MAX 128

static bool is_partner_number(struct str value)
{
    if (value.n != BPN_CHARS || !str_starts(value, STR("BPNL")))
        return false;
    for (size_t i = 4; i < value.n; i++) {
        const char c = value.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')))
            return false;
    }
    return true;
}

static bool is_printable(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        if ((unsigned char)value.p[i] <= ' ' || value.p[i] == 0x7f)
            return false;
    }
    return value.n > 0 && value.n <= VALUE_MAX;
}

int wire_attestation_check(const struct wire_attestation *a, struct err *err)
{
    if (a->kind == ATTEST_BUSINESS_PARTNER_NUMBER && !is_partner_number(a->value))
        return err_tell(err, E_INVALID, "/value",
                        "expected 'BPNL' and 12 digits or capital letters");
    if (!is_printable(a->value))
        return err_tell(err, E_INVALID, "/value", "expected 1 to %d characters without spaces",
                        VALUE_MAX);
    return 0;
}

void wire_event_input(struct str agreement, struct str transfer, int64_t access, struct buf *out)
{
    buf_add_str(out, agreement);
    buf_add_char(out, '\n');
    buf_add_str(out, transfer);
    buf_add_char(out, '\n');
    buf_add_i64(out, access);
}

struct uuid wire_event_id(int64_t since_us, const uint8_t hash[static 32])
{
    return uuid_v7_from(since_us / 1000, hash);
}

int wire_receipt_check(const struct wire_receipt *r, struct err *err)
{
    if (r->since_us > r->until_us)
        return err_tell(err, E_INVALID, "/until", "'until' lies before 'since'");
    if (uuid_version(r->event) != 7)
        return err_tell(err, E_INVALID, "/event", "expected a version 7 UUID");
    if (uuid_v7_ms(r->event) != r->since_us / 1000)
        return err_tell(err, E_INVALID, "/event", "the time of 'event' is not that of 'since'");
    return 0;
}
