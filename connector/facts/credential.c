/*
 * connector/facts/credential.c - membership, framework agreements, business partner number and
 * region of a partner: what the data bank says of it, and what our operator has recorded
 *
 * The data bank's word is the membership credential that the partner showed. It counts while it has
 * not expired, is not revoked (which is looked up here, in each decision), and is not older than
 * credential.max_age: its age runs from its issue, or from when the data bank told us last what it
 * has revoked. What our operator recorded counts until the end that he set; within it its age is
 * zero. What nobody said is unknown, not absent: another issuer may know it. Only of a revoked
 * membership it is certain that there is none.
 */
#include "connector/facts/facts_private.h"
#include "lib/wire/wire.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define RECORDED_MAX 1000 /* values of one partner */

const char *const facts_credential_names[FACTS_CREDENTIAL__COUNT + 1] = {
    [FACTS_MEMBERSHIP] = "membership",
    [FACTS_FRAMEWORK_AGREEMENT] = "framework-agreement",
    [FACTS_BUSINESS_PARTNER_NUMBER] = "business-partner-number",
    [FACTS_REGION] = "region",
};

/* clang-format off */
static const struct {
    enum policy_operand operand;
    int attestation; /* enum attestation_kind; -1: none */
} kinds[FACTS_CREDENTIAL__COUNT] = {
    [FACTS_MEMBERSHIP]              = {POLICY_OP_MEMBERSHIP,              -1},
    [FACTS_FRAMEWORK_AGREEMENT]     = {POLICY_OP_FRAMEWORK_AGREEMENT,     ATTEST_FRAMEWORK_AGREEMENT},
    [FACTS_BUSINESS_PARTNER_NUMBER] = {POLICY_OP_BUSINESS_PARTNER_NUMBER, ATTEST_BUSINESS_PARTNER_NUMBER},
    [FACTS_REGION]                  = {POLICY_OP_SPATIAL,                 -1},
};

/* clang-format on */

/* What the issuer of a credential has told us since. */
struct since {
    int64_t checked_us, max_age_us, revoked_us;
    struct str reason;
};

struct said {
    struct list attestations; /* struct wire_attestation */
};
/* clang-format off */
static const struct field since_fields[] = {
    FIELD(struct since, checked_us, "checked_us", F_REQUIRED),
    FIELD(struct since, max_age_us, "max_age_us", F_REQUIRED),
    FIELD(struct since, revoked_us, "revoked_us", F_REQUIRED),
    FIELD(struct since, reason,     "reason",     0),
};
static OBJECT(since_row, struct since, since_fields, OPEN);
static const struct field recorded_fields[] = {
    FIELD(struct facts_recorded, type,        "credential_type", F_REQUIRED),
    FIELD(struct facts_recorded, value,       "value",           F_REQUIRED),
    FIELD(struct facts_recorded, issuer,      "issuer",          F_REQUIRED),
    FIELD(struct facts_recorded, recorded_us, "recorded_us",     F_REQUIRED),
    FIELD(struct facts_recorded, expires_us,  "expires_us",      F_REQUIRED),
};
OBJECT(facts_recorded_row, struct facts_recorded, recorded_fields, OPEN);
static const struct field said_fields[] = {
    FIELD_LIST(struct said, attestations, "attestations", F_REQUIRED, &wire_attestation_object),
};
/* clang-format on */
static OBJECT(said_object, struct said, said_fields, CLOSED);

/* What both sources say; values as many as there are. */
struct words {
    struct facts_shown shown;
    struct list attestations; /* struct wire_attestation, of what was shown */
    struct list recorded;     /* struct facts_recorded */
};

/* -- what was shown ---------------------------------------------------------------------------- */

static struct policy_source from_credential(const struct peer *peer, enum policy_source_kind kind,
                                            int64_t at_us)
{
    return (struct policy_source){
        .kind = kind, .by = peer->issuer, .id = peer->credential_id, .at_us = at_us};
}

int facts_shown(struct db *db, const struct peer *peer, int64_t now_us, struct arena *arena,
                struct facts_shown *ret, struct err *err)
{
    struct since since = {0};
    int64_t confirmed_us;

    *ret = (struct facts_shown){.source = {.kind = POLICY_FROM_NO_CREDENTIAL}};
    if (!peer->member)
        return 0;
    if (!str_present(peer->credential_id)) { /* the mode of identity has none */
        ret->knowledge = POLICY_KNOWN;
        ret->source.kind = POLICY_FROM_IDENTITY;
        ret->age_us = now_us > peer->verified_us ? now_us - peer->verified_us : 0;
        return 0;
    }
    if (db_one(db, &q_facts_credential,
               DB_ARGS(DB_TEXT(peer->issuer), DB_TEXT(peer->credential_id)), &since_row, arena,
               &since, err) == DB_FAIL)
        return err_ret(err);
    confirmed_us = since.checked_us > peer->issued_us ? since.checked_us : peer->issued_us;
    ret->age_us = now_us > confirmed_us ? now_us - confirmed_us : 0;
    ret->revoked_us = since.revoked_us;
    ret->until_us = peer->expires_us;
    if (since.max_age_us > 0 && confirmed_us + since.max_age_us < ret->until_us)
        ret->until_us = confirmed_us + since.max_age_us;
    if (since.revoked_us > 0) {
        ret->knowledge = POLICY_ABSENT;
        ret->source = from_credential(peer, POLICY_FROM_CREDENTIAL_REVOKED, since.revoked_us);
        ret->source.reason = since.reason;
    } else if (peer->expires_us <= now_us) {
        ret->source = from_credential(peer, POLICY_FROM_CREDENTIAL_EXPIRED, peer->expires_us);
    } else if (ret->until_us <= now_us) {
        ret->source = from_credential(peer, POLICY_FROM_CREDENTIAL_UNCONFIRMED, confirmed_us);
    } else {
        ret->knowledge = POLICY_KNOWN;
        ret->source = from_credential(peer, POLICY_FROM_CREDENTIAL, 0);
    }
    return 0;
}

static int read_attestations(const struct peer *peer, struct arena *arena, struct list *ret,
                             struct err *err)
{
    struct said said = {0};
    struct str text;

    *ret = (struct list){0};
    if (!str_present(peer->attestations))
        return 0;
    text = arena_printf(arena, "{\"attestations\":%.*s}", STR_ARG(peer->attestations));
    if (!str_present(text))
        return err_set(err, E_NO_MEMORY, "", "facts");
    if (object_parse(&said_object, text, &jlimits_default, arena, &said, err) < 0) {
        err->code = E_CORRUPT; /* it was understood when it was shown */
        return err_prefix(err, "attestations of '%.*s'", STR_ARG(peer->id));
    }
    *ret = said.attestations;
    return 0;
}

int facts_recorded(struct db *db, struct str peer_id, int64_t now_us, struct arena *arena,
                   struct list *ret_list, struct err *err)
{
    return db_list(db, &q_facts_recorded,
                   DB_ARGS(DB_TEXT(peer_id), DB_I64(now_us), DB_I64(RECORDED_MAX)),
                   &facts_recorded_row, arena, RECORDED_MAX, ret_list, err);
}

static int hear(struct db *db, const struct peer *peer, int64_t now_us, struct arena *arena,
                struct words *ret, struct err *err)
{
    if (facts_shown(db, peer, now_us, arena, &ret->shown, err) < 0 ||
        facts_recorded(db, peer->id, now_us, arena, &ret->recorded, err) < 0)
        return err_ret(err);
    ret->attestations = (struct list){0};
    if (ret->shown.knowledge != POLICY_KNOWN)
        return 0;
    return read_attestations(peer, arena, &ret->attestations, err);
}

/* -- facts ------------------------------------------------------------------------------------- */

static void add_once(struct policy_value *values, size_t *n, struct str text)
{
    if (text.n == 0)
        return;
    for (size_t i = 0; i < *n; i++) {
        if (str_eq(values[i].text, text))
            return;
    }
    values[(*n)++] = (struct policy_value){.text = text};
}

/* What the credential that counts says of this kind. */
static void add_shown(const struct gather *g, const struct words *words, enum facts_credential kind,
                      struct policy_value *values, size_t *n)
{
    const struct wire_attestation *a = words->attestations.items;

    if (words->shown.knowledge != POLICY_KNOWN)
        return;
    if (kind == FACTS_MEMBERSHIP)
        add_once(values, n, STR("active"));
    else if (kind == FACTS_REGION)
        add_once(values, n, g->about->peer->country);
    for (size_t i = 0; i < words->attestations.n; i++) {
        if (a[i].kind == kinds[kind].attestation &&
            (a[i].valid_until_us == 0 || a[i].valid_until_us > g->now_us))
            add_once(values, n, a[i].value);
    }
}

/* What our operator has recorded of this kind; whether there is any, and the source of the first. */
static bool add_recorded(const struct words *words, enum facts_credential kind,
                         struct policy_value *values, size_t *n, struct policy_source *ret_source)
{
    const struct facts_recorded *r = words->recorded.items;
    bool any = false;

    for (size_t i = 0; i < words->recorded.n; i++) {
        if (!str_eq_c(r[i].type, facts_credential_names[kind]))
            continue;
        add_once(values, n, r[i].value);
        if (!any)
            *ret_source = (struct policy_source){
                .kind = POLICY_FROM_RECORD, .by = r[i].issuer, .at_us = r[i].recorded_us};
        any = true;
    }
    return any;
}

/* Both where both speak; what was shown also where it does not count, for it says why. */
static const struct policy_source *join_sources(bool shown, bool recorded,
                                                struct policy_source sources[static 2])
{
    if (!recorded)
        return &sources[0];
    if (shown)
        sources[0].also = &sources[1];
    return shown ? &sources[0] : &sources[1];
}

static int set_one(struct gather *g, const struct words *words, enum facts_credential kind,
                   struct err *err)
{
    struct policy_source *sources = ARENA_ARRAY(g->arena, struct policy_source, 2);
    struct policy_fact fact = {0};
    struct policy_value *values;
    size_t n = 0, n_shown;
    bool recorded;

    values =
        ARENA_ARRAY(g->arena, struct policy_value, words->attestations.n + words->recorded.n + 1);
    if (values == NULL || sources == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    add_shown(g, words, kind, values, &n);
    n_shown = n;
    sources[0] = words->shown.source;
    recorded = add_recorded(words, kind, values, &n, &sources[1]);
    fact.source = join_sources(n_shown > 0, recorded, sources);
    if (n > 0)
        fact.knowledge = POLICY_KNOWN;
    else if (kind == FACTS_MEMBERSHIP)
        fact.knowledge = words->shown.knowledge;
    if (n_shown > 0)
        fact.age_us = words->shown.age_us;
    return facts__set(g, kinds[kind].operand, &fact, values, n, err);
}

/* -- when they change -------------------------------------------------------------------------- */

static void sooner(int64_t *until_us, int64_t now_us, int64_t us)
{
    if (us > now_us && us < *until_us)
        *until_us = us;
}

static int64_t until_of(const struct words *words, int64_t now_us)
{
    const struct wire_attestation *a = words->attestations.items;
    const struct facts_recorded *r = words->recorded.items;
    int64_t until_us = POLICY_FOREVER;

    if (words->shown.knowledge == POLICY_KNOWN)
        sooner(&until_us, now_us, words->shown.until_us);
    for (size_t i = 0; i < words->attestations.n; i++)
        sooner(&until_us, now_us, a[i].valid_until_us);
    for (size_t i = 0; i < words->recorded.n; i++)
        sooner(&until_us, now_us, r[i].expires_us);
    return until_us;
}

int facts_until(struct db *db, struct str peer_id, int64_t now_us, struct arena *arena,
                int64_t *ret_until_us, struct err *err)
{
    struct words words = {0};
    struct peer peer;

    if (facts_peer(db, peer_id, arena, &peer, err) < 0 ||
        hear(db, &peer, now_us, arena, &words, err) < 0)
        return err_ret(err);
    *ret_until_us = until_of(&words, now_us);
    return 0;
}

int facts__credentials(struct gather *g, struct err *err)
{
    struct words words = {0};

    if (hear(g->db, g->about->peer, g->now_us, g->arena, &words, err) < 0)
        return err_ret(err);
    facts__ends_at(g, until_of(&words, g->now_us));
    for (int kind = 0; kind < FACTS_CREDENTIAL__COUNT; kind++) {
        if (policy_needs_operand(g->needs, kinds[kind].operand) &&
            set_one(g, &words, (enum facts_credential)kind, err) < 0)
            return err_ret(err);
    }
    return 0;
}
