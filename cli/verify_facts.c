/*
 * cli/verify_facts.c - step 2 of the verifier: what the entries say, and whether they fit each other
 *
 * 1 Every entry is canonical, of a known kind, with known members, and not more than two minutes
 *   older than an entry before it.
 * 2 A participant applies once, and is decided after it applied. Credentials are given to members
 *   only, and revoked once; of a member that is suspended none is left. What was checked about a
 *   company is recorded once and withdrawn once. Revocations are numbered without gap.
 * 3 A plan's text has the hash that names it.
 * 4 A dataset's versions ascend, belong to one provider and offer plans of the log.
 * 5 An order is of a plan that its dataset offers, holds what the plan's quote says, and its versions
 *   ascend by one through states that follow each other.
 * 6 An agreement is reported once by each party, which names the other one; an order is active only
 *   if both of its parties' reports are equal, and from the instant that its provider reported. What
 *   others report under the same id is another agreement.
 * 7 An order ends when its provider's report says, or when the agreement was ended before: by the
 *   provider from the instant it names, by the consumer from that of the entry; the first one counts.
 * Batches, receipts and matching: verify_usage.c. Ledger: verify_ledger.c. Documents:
 * verify_documents.c.
 */
#include "cli/verify_private.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define PLAN_TEXT     KIB(64)
#define SCRATCH_BYTES KIB(16)
#define PROGRESS_STEP 16384
#define SKEW_US       (5 * US_PER_MIN)

/* -- helpers ------------------------------------------------------------------------------------- */

struct str verify__text(const struct entry *entry, const char *member)
{
    const struct entry_member *m;

    if (entry->flat == NULL)
        return jval_str(jval_get(entry->body, member));
    m = entry_flat_get(entry->flat, member);
    return m != NULL && m->is_text ? m->text : STR_NONE;
}

int64_t verify__number(const struct entry *entry, const char *member)
{
    const struct entry_member *m;
    int64_t n = 0;

    if (entry->flat == NULL)
        return jval_i64(jval_get(entry->body, member), &n) ? n : 0;
    m = entry_flat_get(entry->flat, member);
    return m != NULL ? m->number : 0;
}

int64_t verify__time(const struct entry *entry, const char *member)
{
    int64_t us = 0;

    return time_parse(verify__text(entry, member), &us) ? us : 0;
}

bool verify__has(const struct entry *entry, const char *member)
{
    return entry->flat != NULL ? entry_flat_get(entry->flat, member) != NULL
                               : jval_get(entry->body, member) != NULL;
}

struct str verify__keep(struct facts *f, struct str text)
{
    return str_present(text) ? arena_str(f->v->arena, text) : STR("");
}

struct str verify__pair(struct facts *f, struct str a, struct str b)
{
    buf_reset(&f->scratch);
    buf_add_str(&f->scratch, a);
    buf_add_char(&f->scratch, '\n');
    buf_add_str(&f->scratch, b);
    return buf_str(&f->scratch);
}

void *verify__add(struct facts *f, struct strmap *map, struct str key, size_t size)
{
    void *value = arena_alloc(f->v->arena, size);

    return value != NULL && str_present(key) && strmap_add(map, key, value) ? value : NULL;
}

struct str verify__derive(struct facts *f, struct str a, struct str b, struct str c)
{
    const struct str parts[] = {a, STR("|"), b, STR("|"), c};
    struct hash *hash = hash_begin();
    uint8_t digest[SHA256_LEN];

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        hash_add(hash, parts[i].p, parts[i].n);
    hash_end(&hash, digest);
    return arena_str(f->v->arena, str_c(uuid_format(uuid_v8_from(digest)).c));
}

struct str verify__account_id(struct facts *f, struct str owner, struct str code,
                              struct str currency)
{
    static const struct uuid operator_id; /* zero */

    return verify__derive(f, owner.n > 0 ? owner : str_c(uuid_format(operator_id).c), code,
                          currency);
}

/* The deal of these two (DIDs) under this id, made if it is new. NULL without memory. */
static struct known_agreement *agreement_of(struct facts *f, struct str provider,
                                            struct str consumer, struct str id)
{
    struct known_agreement *a;

    buf_reset(&f->scratch);
    buf_add_str(&f->scratch, provider);
    buf_add_char(&f->scratch, '\n');
    buf_add_str(&f->scratch, consumer);
    buf_add_char(&f->scratch, '\n');
    buf_add_str(&f->scratch, id);
    a = strmap_find(&f->agreements, buf_str(&f->scratch));
    if (a == NULL) {
        const struct str key = verify__keep(f, buf_str(&f->scratch));

        a = verify__add(f, &f->agreements, key, sizeof(*a));
        if (a == NULL)
            return NULL;
        a->key = key;
        a->agreement = verify__keep(f, id);
    }
    return a;
}

struct known_agreement *verify__reported(struct facts *f, struct str agreement, struct str reporter)
{
    return strmap_find(&f->reported, verify__pair(f, agreement, reporter));
}

static struct str did_of(struct facts *f, struct str participant)
{
    const struct known_participant *p = strmap_find(&f->participants, participant);

    return p != NULL ? p->did : STR("");
}

int64_t verify__active_end(const struct known_order *o, int64_t at_us, bool *ret_unsure)
{
    const int64_t ends_us =
        o->agreement != NULL ? o->agreement->reports[PARTY_PROVIDER].ends_us : 0;

    *ret_unsure = o->changed_us > at_us - VERIFY_OVERLAP_US;
    if (o->ended_us == 0 || (ends_us != 0 && ends_us < o->ended_us))
        return ends_us;
    return o->ended_us;
}

/* -- participants --------------------------------------------------------------------------------- */

static void participant_applied(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__keep(f, verify__text(e, "participant"));
    struct known_participant *p;
    struct err err = {0};

    if (strmap_find(&f->participants, id) != NULL) {
        verify_find(f->v, at, "participant", "participant %.*s applies a second time", STR_ARG(id));
        return;
    }
    p = verify__add(f, &f->participants, id, sizeof(*p));
    if (p == NULL)
        return;
    p->participant = id;
    p->did = verify__keep(f, verify__text(e, "did"));
    if (key_from_jwk(jval_get(e->body, "jwk"), &p->key, &err) < 0)
        verify_find(f->v, at, "participant", "the key of participant %.*s cannot be read",
                    STR_ARG(id));
}

static struct known_participant *participant_of(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__text(e, "participant");
    struct known_participant *p = strmap_find(&f->participants, id);

    if (p == NULL)
        verify_find(f->v, at, "participant", "participant %.*s has never applied", STR_ARG(id));
    return p;
}

static void participant_decided(struct facts *f, int64_t at, const struct entry *e)
{
    struct known_participant *p = participant_of(f, at, e);

    if (p == NULL)
        return;
    p->state = verify__keep(f, verify__text(e, "state"));
    if (str_eq(p->state, STR("suspended"))) {
        p->suspended = at;
        p->suspended_us = e->at_us;
    }
}

/* -- what is said of participants ---------------------------------------------------------------- */

static void add_word(struct facts *f, int64_t at, struct strmap *map, const char *what,
                     const struct entry *e)
{
    const struct str id = verify__keep(f, verify__text(e, what));
    struct known_word *word;

    if (strmap_find(map, id) != NULL) {
        verify_find(f->v, at, what, "%s %.*s stands in the log twice", what, STR_ARG(id));
        return;
    }
    word = verify__add(f, map, id, sizeof(*word));
    if (word == NULL)
        return;
    word->id = id;
    word->participant = verify__keep(f, verify__text(e, "participant"));
    word->expires_us = verify__time(e, "expires_at");
}

/* Ends a credential or an attestation: of this company, known, and not over yet. */
static void end_word(struct facts *f, int64_t at, struct strmap *map, const char *what,
                     const struct entry *e)
{
    const struct str id = verify__text(e, what);
    struct known_word *word = strmap_find(map, id);

    if (word == NULL || !str_eq(word->participant, verify__text(e, "participant")))
        verify_find(f->v, at, what, "%s %.*s was never given to this participant", what,
                    STR_ARG(id));
    else if (word->over)
        verify_find(f->v, at, what, "%s %.*s is over already", what, STR_ARG(id));
    else
        word->over = true;
}

static void credential_issued(struct facts *f, int64_t at, const struct entry *e)
{
    const struct known_participant *p = participant_of(f, at, e);

    if (p != NULL && !str_eq(p->state, STR("active")))
        verify_find(f->v, at, "credential", "it is issued to participant %.*s, who is no member",
                    STR_ARG(p->participant));
    add_word(f, at, &f->credentials, "credential", e);
}

static void credential_revoked(struct facts *f, int64_t at, const struct entry *e)
{
    const int64_t number = verify__number(e, "revocation");

    if (number != f->last_revocation && number != f->last_revocation + 1)
        verify_find(f->v, at, "credential", "revocation %lld follows %lld", (long long)number,
                    (long long)f->last_revocation);
    f->last_revocation = number;
    end_word(f, at, &f->credentials, "credential", e);
}

static void attestation_recorded(struct facts *f, int64_t at, const struct entry *e)
{
    if (participant_of(f, at, e) != NULL)
        add_word(f, at, &f->attestations, "attestation", e);
}

static void attestation_withdrawn(struct facts *f, int64_t at, const struct entry *e)
{
    end_word(f, at, &f->attestations, "attestation", e);
}

/* Whoever is suspended at the end of the log has no credential that others would still believe. */
static void check_suspended(struct facts *f)
{
    const struct known_word *word;

    for (size_t pos = 0; (word = strmap_next(&f->credentials, &pos)) != NULL;) {
        const struct known_participant *p = strmap_find(&f->participants, word->participant);

        if (p != NULL && str_eq(p->state, STR("suspended")) && !word->over &&
            word->expires_us > p->suspended_us)
            verify_find(f->v, p->suspended, "credential",
                        "participant %.*s is suspended, and credential %.*s is not revoked",
                        STR_ARG(p->participant), STR_ARG(word->id));
    }
}

/* -- plans, datasets ------------------------------------------------------------------------------ */

static void plan_registered(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str hash = verify__keep(f, verify__text(e, "plan"));
    AUTO(buf_done) struct buf text = buf_init(PLAN_TEXT);
    struct known_plan *plan;
    uint8_t own[SHA256_LEN];
    struct err err = {0};

    jval_canonical(&text, jval_get(e->body, "text"));
    sha256(buf_str(&text).p, text.n, own);
    if (!str_eq_c(hash, hash_hex(own).c))
        verify_find(f->v, at, "plan", "plan %.*s: its text has the hash %s", STR_ARG(hash),
                    hash_hex(own).c);
    if (strmap_find(&f->plans, hash) != NULL) {
        verify_find(f->v, at, "plan", "plan %.*s is registered twice", STR_ARG(hash));
        return;
    }
    plan = verify__add(f, &f->plans, hash, sizeof(*plan));
    if (plan == NULL)
        return;
    plan->hash = hash;
    if (plan_parse(buf_str(&text), f->v->arena, &plan->plan, &err) < 0)
        verify_find(f->v, at, "plan", "plan %.*s cannot be read: %s", STR_ARG(hash), err.text);
}

static void offer(struct facts *f, int64_t at, struct known_dataset *d, struct str plan)
{
    const struct str key = verify__pair(f, d->dataset, plan);

    if (strmap_find(&f->plans, plan) == NULL)
        verify_find(f->v, at, "dataset", "plan %.*s is not in the log", STR_ARG(plan));
    if (strmap_find(&f->offers, key) != NULL)
        return;
    if (!strmap_add(&f->offers, verify__keep(f, key), d))
        verify_find(f->v, at, "dataset", "out of memory");
}

static void dataset_published(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__text(e, "dataset");
    const struct jval *plans = jval_get(e->body, "plans");
    struct known_dataset *d = strmap_find(&f->datasets, id);

    if (d == NULL) {
        const struct str key = verify__keep(f, id);

        d = verify__add(f, &f->datasets, key, sizeof(*d));
        if (d == NULL)
            return;
        d->dataset = key;
        d->provider = verify__keep(f, verify__text(e, "provider"));
        if (strmap_find(&f->participants, d->provider) == NULL)
            verify_find(f->v, at, "dataset", "its provider has never applied");
    }
    if (!str_eq(d->provider, verify__text(e, "provider")))
        verify_find(f->v, at, "dataset", "dataset %.*s belongs to another provider", STR_ARG(id));
    for (size_t i = 0; i < jval_len(plans); i++)
        offer(f, at, d, jval_str(jval_at(plans, i)));
}

static void dataset_withdrawn(struct facts *f, int64_t at, const struct entry *e)
{
    if (strmap_find(&f->datasets, verify__text(e, "dataset")) == NULL)
        verify_find(f->v, at, "dataset", "a dataset is withdrawn that was never published");
}

/* -- orders -------------------------------------------------------------------------------------- */

/* What may follow a state; the first version is `open`. */
static const struct {
    const char *from, *to;
} steps[] = {
    {"open",       "contracted"},
    {"open",       "active"    }, /* one side had reported the agreement without the order */
    {"open",       "disputed"  },
    {"open",       "cancelled" },
    {"contracted", "active"    },
    {"contracted", "disputed"  },
    {"contracted", "cancelled" },
    {"active",     "ended"     },
    {"disputed",   "active"    },
    {"disputed",   "cancelled" },
};

static bool may_follow(struct str from, struct str to)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (str_eq_c(from, steps[i].from) && str_eq_c(to, steps[i].to))
            return true;
    }
    return false;
}

/* The terms of an order are those of its plan. */
static void check_terms(struct facts *f, int64_t at, const struct entry *e,
                        const struct known_order *o)
{
    const struct rating *quote;
    struct err err = {0};

    if (o->plan == NULL) {
        verify_find(f->v, at, "order", "order %.*s names a plan that is not in the log",
                    STR_ARG(o->order));
        return;
    }
    if (rating_quote(o->plan, f->v->arena, &quote, &err) < 0 || quote->total_minor != o->hold_minor)
        verify_find(f->v, at, "order", "order %.*s holds %lld, its plan's quote is %lld",
                    STR_ARG(o->order), (long long)o->hold_minor,
                    (long long)(err.code == E_OK ? quote->total_minor : -1));
    if (!str_eq_c(o->currency, o->plan->currency->code) ||
        !str_eq_c(verify__text(e, "matching_rule"), match_rule_names[o->plan->match_rule]) ||
        verify__number(e, "tolerance_ppm") != o->plan->tolerance_ppm)
        verify_find(f->v, at, "order", "order %.*s: currency or matching is not its plan's",
                    STR_ARG(o->order));
}

static void order_first(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__keep(f, verify__text(e, "order"));
    struct known_order *o = verify__add(f, &f->orders, id, sizeof(*o));
    const struct str dataset = verify__text(e, "dataset");
    const struct known_dataset *d = strmap_find(&f->datasets, dataset);
    const struct known_plan *plan;

    if (o == NULL)
        return;
    o->order = id;
    o->plan_hash = verify__keep(f, verify__text(e, "plan"));
    o->provider = verify__keep(f, verify__text(e, "provider"));
    o->consumer = verify__keep(f, verify__text(e, "consumer"));
    o->state = verify__keep(f, verify__text(e, "state"));
    o->currency = verify__keep(f, verify__text(e, "currency"));
    o->version = verify__number(e, "version");
    o->hold_minor = verify__number(e, "hold_minor");
    o->entry = at;
    o->changed_us = e->at_us;
    plan = strmap_find(&f->plans, o->plan_hash);
    o->plan = plan != NULL ? plan->plan : NULL;
    if (!str_eq(o->state, STR("open")) || o->version != 1)
        verify_find(f->v, at, "order", "order %.*s begins as version %lld, '%.*s'", STR_ARG(id),
                    (long long)o->version, STR_ARG(o->state));
    if (d == NULL || !str_eq(d->provider, o->provider) ||
        strmap_find(&f->offers, verify__pair(f, dataset, o->plan_hash)) == NULL)
        verify_find(f->v, at, "order", "order %.*s: this provider has not offered this plan",
                    STR_ARG(id));
    if (strmap_find(&f->participants, o->consumer) == NULL)
        verify_find(f->v, at, "order", "order %.*s: its consumer has never applied", STR_ARG(id));
    check_terms(f, at, e, o);
}

static void bind(struct facts *f, int64_t at, struct known_order *o, struct str agreement)
{
    struct known_agreement *a;

    if (agreement.n == 0 || (o->agreement != NULL && str_eq(agreement, o->agreement->agreement)))
        return;
    if (o->agreement != NULL) {
        verify_find(f->v, at, "order", "order %.*s changes its agreement", STR_ARG(o->order));
        return;
    }
    a = agreement_of(f, did_of(f, o->provider), did_of(f, o->consumer), agreement);
    if (a == NULL)
        return;
    o->agreement = a;
    if (a->order != NULL)
        verify_find(f->v, at, "order", "agreement %.*s is bound to two orders", STR_ARG(agreement));
    else
        a->order = o;
}

/* Rule 6, once the order has become active. */
static void check_active(struct facts *f, int64_t at, const struct known_order *o)
{
    static const struct known_agreement none;
    const struct known_agreement *a = o->agreement != NULL ? o->agreement : &none;
    const struct known_report *provider = &a->reports[PARTY_PROVIDER];
    const struct known_report *consumer = &a->reports[PARTY_CONSUMER];

    if (!provider->present || !consumer->present || !str_eq(provider->hash, consumer->hash))
        verify_find(f->v, at, "order", "order %.*s is active without two equal reports",
                    STR_ARG(o->order));
    else if (o->active_us != provider->agreed_us)
        verify_find(f->v, at, "order", "order %.*s is active from another instant than reported",
                    STR_ARG(o->order));
}

/* Rule 7, once the order has ended. */
static void check_ended(struct facts *f, int64_t at, const struct known_order *o)
{
    const struct known_agreement *a = o->agreement;
    const int64_t ends_us = a != NULL ? a->reports[PARTY_PROVIDER].ends_us : 0;
    int64_t end_us = a != NULL ? a->end_us : 0;

    if (ends_us != 0 && (end_us == 0 || ends_us < end_us))
        end_us = ends_us;
    if (end_us == 0)
        verify_find(f->v, at, "order", "order %.*s ends without an end of its agreement",
                    STR_ARG(o->order));
    else if (o->ended_us != (end_us < o->active_us ? o->active_us : end_us))
        verify_find(f->v, at, "order", "order %.*s ends at another instant than its agreement",
                    STR_ARG(o->order));
}

static void order_changed(struct facts *f, int64_t at, const struct entry *e)
{
    struct known_order *o = strmap_find(&f->orders, verify__text(e, "order"));
    const struct str state = verify__text(e, "state");
    const int64_t version = verify__number(e, "version");

    if (o == NULL) {
        order_first(f, at, e);
        return;
    }
    if (version != o->version + 1)
        verify_find(f->v, at, "order", "order %.*s: version %lld after %lld", STR_ARG(o->order),
                    (long long)version, (long long)o->version);
    if (!may_follow(o->state, state))
        verify_find(f->v, at, "order", "order %.*s: '%.*s' cannot follow '%.*s'", STR_ARG(o->order),
                    STR_ARG(state), STR_ARG(o->state));
    if (!str_eq(verify__text(e, "plan"), o->plan_hash) ||
        !str_eq(verify__text(e, "consumer"), o->consumer) ||
        !str_eq(verify__text(e, "provider"), o->provider) ||
        !str_eq(verify__text(e, "currency"), o->currency) ||
        verify__number(e, "hold_minor") != o->hold_minor)
        verify_find(f->v, at, "order", "order %.*s: plan, parties or hold changed",
                    STR_ARG(o->order));
    o->version = version;
    o->state = verify__keep(f, state);
    o->changed_us = e->at_us;
    if (verify__time(e, "active_at") != 0)
        o->active_us = verify__time(e, "active_at");
    if (verify__time(e, "ended_at") != 0)
        o->ended_us = verify__time(e, "ended_at");
    bind(f, at, o, verify__text(e, "agreement"));
    if (str_eq(state, STR("active")))
        check_active(f, at, o);
    if (str_eq(state, STR("ended")))
        check_ended(f, at, o);
}

static void agreement_reported(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str role = verify__text(e, "role");
    const enum party_role side = str_eq(role, STR("provider")) ? PARTY_PROVIDER : PARTY_CONSUMER;
    const struct known_order *o = strmap_find(&f->orders, verify__text(e, "order"));
    const struct str id = verify__text(e, "agreement"), peer = verify__text(e, "peer");
    const struct str reporter = verify__text(e, "participant"), did = did_of(f, reporter);
    struct known_agreement *a =
        side == PARTY_PROVIDER ? agreement_of(f, did, peer, id) : agreement_of(f, peer, did, id);
    struct known_report *r = a != NULL ? &a->reports[side] : NULL;

    if (r == NULL)
        return;
    if (r->present || verify__reported(f, id, reporter) != NULL ||
        !str_eq_c(role, party_role_names[side])) {
        verify_find(f->v, at, "agreement", "it is reported twice by its %.*s", STR_ARG(role));
        return;
    }
    if (!strmap_add(&f->reported, verify__keep(f, verify__pair(f, id, reporter)), a))
        verify_find(f->v, at, "agreement", "out of memory");
    r->present = true;
    r->participant = verify__keep(f, reporter);
    r->hash = verify__keep(f, verify__text(e, "hash"));
    r->agreed_us = verify__time(e, "agreed_at");
    r->ends_us = verify__time(e, "ends_at");
    if (strmap_find(&f->participants, r->participant) == NULL)
        verify_find(f->v, at, "agreement", "its reporter has never applied");
    if (o != NULL && !str_eq(r->participant, side == PARTY_PROVIDER ? o->provider : o->consumer))
        verify_find(f->v, at, "agreement", "its reporter is not the %.*s of order %.*s",
                    STR_ARG(role), STR_ARG(o->order));
    if (o != NULL && !str_eq(peer, did_of(f, side == PARTY_PROVIDER ? o->consumer : o->provider)))
        verify_find(f->v, at, "agreement", "it names another counterparty than order %.*s",
                    STR_ARG(o->order));
    if (o == NULL && verify__text(e, "order").n > 0)
        verify_find(f->v, at, "agreement", "its order is not in the log");
}

static void agreement_ended(struct facts *f, int64_t at, const struct entry *e)
{
    const enum party_role side =
        str_eq(verify__text(e, "role"), STR("provider")) ? PARTY_PROVIDER : PARTY_CONSUMER;
    const struct str reporter = verify__text(e, "participant");
    struct known_agreement *a = verify__reported(f, verify__text(e, "agreement"), reporter);
    const int64_t said_us = verify__time(e, "ended_at");
    const int64_t effective_us = verify__time(e, "effective_at");
    int64_t own_us;

    if (a == NULL || !str_eq(a->reports[side].participant, reporter)) {
        verify_find(f->v, at, "agreement", "it is ended by somebody who is not its %s",
                    party_role_names[side]);
        return;
    }
    if (a->ended[side])
        verify_find(f->v, at, "agreement", "it is ended twice by its %s", party_role_names[side]);
    a->ended[side] = true;
    own_us = side == PARTY_PROVIDER ? said_us : e->at_us;
    if (effective_us != (a->end_us != 0 ? a->end_us : own_us) ||
        (side == PARTY_PROVIDER && said_us < a->reports[side].agreed_us) ||
        said_us > e->at_us + SKEW_US)
        verify_find(f->v, at, "agreement", "it ends at an instant that its %s cannot choose",
                    party_role_names[side]);
    if (a->end_us != 0)
        return;
    a->end_us = effective_us;
    a->end_logged_us = e->at_us;
}

/* -- all ----------------------------------------------------------------------------------------- */

/* Kinds without a row tell of something that has no consequence in the log. */
static verify__check *const checks[ENTRY__COUNT] = {
    [ENTRY_PARTICIPANT_APPLIED] = participant_applied,
    [ENTRY_PARTICIPANT_DECIDED] = participant_decided,
    [ENTRY_CREDENTIAL_ISSUED] = credential_issued,
    [ENTRY_CREDENTIAL_REVOKED] = credential_revoked,
    [ENTRY_ATTESTATION_RECORDED] = attestation_recorded,
    [ENTRY_ATTESTATION_WITHDRAWN] = attestation_withdrawn,
    [ENTRY_PLAN_REGISTERED] = plan_registered,
    [ENTRY_DATASET_PUBLISHED] = dataset_published,
    [ENTRY_DATASET_WITHDRAWN] = dataset_withdrawn,
    [ENTRY_ORDER_CHANGED] = order_changed,
    [ENTRY_AGREEMENT_REPORTED] = agreement_reported,
    [ENTRY_AGREEMENT_ENDED] = agreement_ended,
    [ENTRY_BATCH_ACCEPTED] = verify__batch_accepted,
    [ENTRY_RECEIPT_ACCEPTED] = verify__receipt_accepted,
    [ENTRY_RECEIPT_REFUSED] = verify__receipt_refused,
    [ENTRY_ACCOUNT_OPENED] = verify__account_opened,
    [ENTRY_TRANSFER_POSTED] = verify__transfer_posted,
    [ENTRY_EVENT_BILLED] = verify__event_billed,
    [ENTRY_DOCUMENT_ISSUED] = verify__document_issued,
    [ENTRY_PAYOUT_ORDERED] = verify__payout_ordered,
    [ENTRY_PERIOD_CLOSED] = verify__period_closed,
};

static void check_entry(struct facts *f, uint64_t i, int64_t *newest_us)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct entry_flat flat;
    struct entry entry = {.flat = &flat};
    struct err why = {0};

    if (!str_present(f->v->lines[i]))
        return; /* step 1 has said that it is missing */
    if (entry_scan(f->v->lines[i], &flat)) {
        entry.kind = flat.kind;
        entry.at_us = flat.at_us;
    } else if (entry_read(f->v->lines[i], &doc, &entry, &why) < 0) {
        verify_find(f->v, (int64_t)i, "entry", "%s", why.text);
        return;
    }
    if (entry.at_us < *newest_us - VERIFY_OVERLAP_US)
        verify_find(f->v, (int64_t)i, "entry",
                    "its time %s lies before that of entries that were sealed earlier",
                    time_format(entry.at_us).c);
    if (entry.at_us > *newest_us)
        *newest_us = entry.at_us;
    if (checks[entry.kind] != NULL)
        checks[entry.kind](f, (int64_t)i, &entry);
}

int verify_facts(struct verify *v, struct facts *f, struct err *err)
{
    int64_t newest_us = 0;

    *f = (struct facts){.v = v, .scratch = buf_init(SCRATCH_BYTES)};
    for (uint64_t i = 0; i < v->size && v->lines != NULL; i++) {
        if (v->progress != NULL && i % PROGRESS_STEP == 0)
            v->progress(v->progress_cls, i, v->size);
        check_entry(f, i, &newest_us);
    }
    if (v->progress != NULL)
        v->progress(v->progress_cls, v->size, v->size);
    verify__batches_end(f);
    check_suspended(f);
    if (arena_failed(v->arena))
        return err_set(err, E_NO_MEMORY, "", "the log does not fit into memory");
    return 0;
}

int verify_money(struct facts *f, struct err *err)
{
    verify__documents_end(f);
    verify__ledger_end(f);
    if (arena_failed(f->v->arena))
        return err_set(err, E_NO_MEMORY, "", "the log does not fit into memory");
    return 0;
}

void verify__facts_done(struct facts *f)
{
    struct strmap *const maps[] = {
        &f->participants, &f->plans,    &f->datasets,    &f->offers,       &f->orders,
        &f->agreements,   &f->batches,  &f->events,      &f->accounts,     &f->transfers,
        &f->journals,     &f->periods,  &f->uses,        &f->parts,        &f->documents,
        &f->billings,     &f->reported, &f->credentials, &f->attestations,
    };
    struct known_participant *p;
    struct known_agreement *a;

    for (size_t pos = 0; (p = strmap_next(&f->participants, &pos)) != NULL;)
        key_free(&p->key);
    for (size_t pos = 0; (a = strmap_next(&f->agreements, &pos)) != NULL;) {
        for (int role = 0; role < PARTY__COUNT; role++)
            strmap_done(&a->sequences[role].beyond);
    }
    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        strmap_done(maps[i]);
    buf_done(&f->scratch);
}
