/*
 * cli/verify_facts.c - step 2 of the verifier: what the entries say, and whether they fit each other
 *
 * 1 Every entry is canonical, of a known kind, with known members, and not older than two minutes before its predecessor's time. 2 A participant applies once, and is decided after it applied. 3 A
 * plan's text has the hash that names it. 4 An order's versions ascend by one through the states that follow each other. 5 An agreement is reported by the party of its role. 6 A
 * batch is signed by its reporter, and the lines in the log, accepted and refused, give the bytes that were signed. 7 A receipt belongs to such a batch, comes from the party of
 * its role, and occurs once per event and role, and once per number. Numbers that are missing are counted, not held against the log: their receipts have not come.
 */
#include "cli/verify_private.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"

#include "lib/base/banned.h"

#define BACKWARDS_US                                                                               \
    (2 *                                                                                           \
     US_PER_MIN) /* entries of concurrent transactions are sealed in the order of their commits */

struct str verify__text(struct verify *v, const struct entry *entry, const char *member)
{
    const struct str text = jval_str(jval_get(entry->body, member));

    return str_present(text) ? arena_str(v->arena, text) : STR_NONE;
}

int64_t verify__number(const struct entry *entry, const char *member)
{
    int64_t n = 0;

    return jval_i64(jval_get(entry->body, member), &n) ? n : 0;
}

int64_t verify__time(const struct entry *entry, const char *member)
{
    int64_t us = 0;

    return time_parse(jval_str(jval_get(entry->body, member)), &us) ? us : 0;
}

/* A new zeroed value under a key that is in the arena; NULL without memory. */
static void *add(struct facts *f, struct strmap *map, struct str key, size_t size)
{
    void *value = arena_alloc(f->v->arena, size);

    return value != NULL && strmap_add(map, key, value) ? value : NULL;
}

static struct str pair(struct facts *f, struct str a, struct str b)
{
    return arena_printf(f->v->arena, "%.*s\n%.*s", STR_ARG(a), STR_ARG(b));
}

/* -- participants and plans ---------------------------------------------------------------------- */

static void participant_applied(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__text(f->v, e, "participant");
    struct known_participant *p;
    struct err err = {0};

    if (strmap_find(&f->participants, id) != NULL) {
        verify_find(f->v, at, "entry", "participant %.*s applies a second time", STR_ARG(id));
        return;
    }
    p = add(f, &f->participants, id, sizeof(*p));
    if (p == NULL)
        return;
    p->participant = id;
    p->did = verify__text(f->v, e, "did");
    if (key_from_jwk(jval_get(e->body, "jwk"), &p->key, &err) < 0)
        verify_find(f->v, at, "entry", "the key of participant %.*s cannot be read", STR_ARG(id));
}

static void participant_decided(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__text(f->v, e, "participant");
    struct known_participant *p = strmap_find(&f->participants, id);

    if (p == NULL)
        verify_find(f->v, at, "entry", "participant %.*s is decided but never applied",
                    STR_ARG(id));
    else
        p->active = str_eq(verify__text(f->v, e, "state"), STR("active"));
}

static void plan_registered(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str hash = verify__text(f->v, e, "plan");
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    struct known_plan *plan;
    uint8_t own[SHA256_LEN];
    struct err err = {0};

    jval_canonical(&text, jval_get(e->body, "text"));
    sha256(text.p != NULL ? text.p : "", text.n, own);
    if (!str_eq_c(hash, hash_hex(own).c))
        verify_find(f->v, at, "plan", "plan %.*s: its text has another hash", STR_ARG(hash));
    if (strmap_find(&f->plans, hash) != NULL)
        return;
    plan = add(f, &f->plans, hash, sizeof(*plan));
    if (plan == NULL)
        return;
    plan->hash = hash;
    if (plan_parse(buf_str(&text), f->v->arena, &plan->plan, &err) < 0)
        verify_find(f->v, at, "plan", "plan %.*s cannot be read: %s", STR_ARG(hash), err.text);
}

/* -- orders and agreements ----------------------------------------------------------------------- */

/* What may follow a state; the first version is `open`. */
static const struct {
    const char *from, *to;
} steps[] = {
    {"open",       "contracted"},
    {"open",       "cancelled" },
    {"contracted", "active"    },
    {"contracted", "disputed"  },
    {"contracted", "ended"     },
    {"active",     "ended"     },
    {"active",     "disputed"  },
    {"disputed",   "active"    },
    {"disputed",   "ended"     },
};

static bool may_follow(struct str from, struct str to)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (str_eq_c(from, steps[i].from) && str_eq_c(to, steps[i].to))
            return true;
    }
    return false;
}

static void order_first(struct facts *f, int64_t at, const struct entry *e, struct str id)
{
    struct known_order *o = add(f, &f->orders, id, sizeof(*o));

    if (o == NULL)
        return;
    o->order = id;
    o->plan = verify__text(f->v, e, "plan");
    o->provider = verify__text(f->v, e, "provider");
    o->consumer = verify__text(f->v, e, "consumer");
    o->state = verify__text(f->v, e, "state");
    o->version = verify__number(e, "version");
    o->hold_minor = verify__number(e, "hold_minor");
    o->matching_rule = verify__text(f->v, e, "matching_rule");
    o->tolerance_ppm = verify__number(e, "tolerance_ppm");
    o->entry = at;
    if (!str_eq(o->state, STR("open")) || o->version != 1)
        verify_find(f->v, at, "order", "order %.*s begins as version %lld, '%.*s'", STR_ARG(id),
                    (long long)o->version, STR_ARG(o->state));
    if (strmap_find(&f->plans, o->plan) == NULL)
        verify_find(f->v, at, "order", "order %.*s names a plan that is not in the log",
                    STR_ARG(id));
}

static void order_changed(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__text(f->v, e, "order");
    const struct str state = verify__text(f->v, e, "state");
    const struct str agreement = verify__text(f->v, e, "agreement");
    struct known_order *o = strmap_find(&f->orders, id);

    if (o == NULL) {
        order_first(f, at, e, id);
        return;
    }
    if (verify__number(e, "version") != o->version + 1)
        verify_find(f->v, at, "order", "order %.*s: version %lld after %lld", STR_ARG(id),
                    (long long)verify__number(e, "version"), (long long)o->version);
    if (!may_follow(o->state, state))
        verify_find(f->v, at, "order", "order %.*s: '%.*s' cannot follow '%.*s'", STR_ARG(id),
                    STR_ARG(state), STR_ARG(o->state));
    if (!str_eq(verify__text(f->v, e, "plan"), o->plan) ||
        !str_eq(verify__text(f->v, e, "consumer"), o->consumer) ||
        !str_eq(verify__text(f->v, e, "provider"), o->provider))
        verify_find(f->v, at, "order", "order %.*s: plan or parties changed", STR_ARG(id));
    o->version = verify__number(e, "version");
    o->state = state;
    if (verify__time(e, "active_at") != 0)
        o->active_us = verify__time(e, "active_at");
    if (verify__time(e, "ended_at") != 0)
        o->ended_us = verify__time(e, "ended_at");
    if (agreement.n > 0 && o->agreement.n == 0) {
        o->agreement = agreement;
        if (strmap_find(&f->agreements_of_orders, agreement) != NULL)
            verify_find(f->v, at, "order", "agreement %.*s is bound to two orders",
                        STR_ARG(agreement));
        else if (!strmap_add(&f->agreements_of_orders, agreement, o))
            verify_find(f->v, at, "order", "out of memory");
    }
}

static void agreement_reported(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str role = verify__text(f->v, e, "role");
    const struct str key = pair(f, verify__text(f->v, e, "agreement"), role);
    const struct known_order *o = strmap_find(&f->orders, verify__text(f->v, e, "order"));
    struct known_report *r;

    if (strmap_find(&f->reports, key) != NULL) {
        verify_find(f->v, at, "agreement", "reported twice by its %.*s", STR_ARG(role));
        return;
    }
    r = add(f, &f->reports, key, sizeof(*r));
    if (r == NULL)
        return;
    r->key = key;
    r->participant = verify__text(f->v, e, "participant");
    r->hash = verify__text(f->v, e, "hash");
    r->agreed_us = verify__time(e, "agreed_at");
    r->ends_us = verify__time(e, "ends_at");
    if (strmap_find(&f->participants, r->participant) == NULL)
        verify_find(f->v, at, "agreement", "its reporter is no participant");
    if (o != NULL &&
        !str_eq(r->participant, str_eq(role, STR("provider")) ? o->provider : o->consumer))
        verify_find(f->v, at, "agreement", "its reporter is not the %.*s of the order",
                    STR_ARG(role));
}

/* -- batches and receipts ------------------------------------------------------------------------ */

static void check_signature(struct facts *f, int64_t at, const struct known_batch *b,
                            struct str signature)
{
    const struct known_participant *p = strmap_find(&f->participants, b->reporter);
    AUTO(arena_free) struct arena *arena = arena_new(KIB(256));
    struct wire_batch said = {0};
    struct err err = {0};
    struct jws jws;

    if (p == NULL || p->key == NULL) {
        verify_find(f->v, at, "batch", "its reporter is not known");
        return;
    }
    if (arena == NULL)
        return;
    if (jws_parse(signature, arena, &jws, &err) < 0 || jws_verify(&jws, p->key, &err) < 0) {
        verify_find(f->v, at, "batch", "the reporter's signature does not hold");
        return;
    }
    if (object_parse(&wire_batch_object, jws.payload, &jlimits_default, arena, &said, &err) < 0 ||
        !str_eq(said.batch, b->batch) || !str_eq(said.reporter, p->did) || said.lines != b->lines)
        verify_find(f->v, at, "batch", "the reporter signed another batch");
}

static void batch_accepted(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__text(f->v, e, "batch");
    const int64_t lines = verify__number(e, "lines");
    struct known_batch *b;

    if (strmap_find(&f->batches, id) != NULL) {
        verify_find(f->v, at, "batch", "accepted twice");
        return;
    }
    if (lines < 1 || lines > LIMIT_BATCH_LINES) {
        verify_find(f->v, at, "batch", "%lld lines", (long long)lines);
        return;
    }
    b = add(f, &f->batches, id, sizeof(*b));
    if (b == NULL)
        return;
    b->batch = id;
    b->reporter = verify__text(f->v, e, "reporter");
    b->lines = lines;
    b->entry = at;
    b->texts = ARENA_ARRAY(f->v->arena, struct str, (size_t)lines);
    check_signature(f, at, b, jval_str(jval_get(e->body, "signature")));
}

/* Line numbers count from 1. */
static struct known_batch *line_of(struct facts *f, int64_t at, const struct entry *e,
                                   struct str text)
{
    struct known_batch *b = strmap_find(&f->batches, verify__text(f->v, e, "batch"));
    const int64_t line = verify__number(e, "line");

    if (b == NULL || b->texts == NULL) {
        verify_find(f->v, at, "receipt", "its batch is not in the log");
        return NULL;
    }
    if (line < 1 || line > b->lines || str_present(b->texts[line - 1])) {
        verify_find(f->v, at, "receipt", "line %lld of its batch is there already or not at all",
                    (long long)line);
        return NULL;
    }
    b->texts[line - 1] = text;
    b->seen++;
    return b;
}

static void check_number(struct facts *f, int64_t at, const struct wire_receipt *r)
{
    const struct str key = pair(f, r->agreement, str_c(party_role_names[r->role]));
    struct known_sequence *s = strmap_find(&f->sequences, key);
    const struct str seq = arena_printf(f->v->arena, "%lld", (long long)r->seq);

    if (s == NULL && (s = add(f, &f->sequences, key, sizeof(*s))) == NULL)
        return;
    s->key = key;
    if (strmap_find(&s->seen, seq) != NULL) {
        verify_find(f->v, at, "receipt", "number %lld of its reporter is used twice",
                    (long long)r->seq);
        return;
    }
    if (!strmap_add(&s->seen, seq, s))
        return;
    s->count++;
    if (r->seq > s->highest)
        s->highest = r->seq;
}

static void keep_receipt(struct facts *f, int64_t at, const struct known_batch *b,
                         const struct wire_receipt *r)
{
    const struct str key = pair(f, arena_str(f->v->arena, str_c(uuid_format(r->event).c)),
                                str_c(party_role_names[r->role]));
    const struct known_report *report =
        strmap_find(&f->reports, pair(f, r->agreement, str_c(party_role_names[r->role])));
    struct known_receipt *known;

    if (report == NULL || !str_eq(report->participant, b->reporter))
        verify_find(f->v, at, "receipt", "its reporter is not the %s of agreement %.*s",
                    party_role_names[r->role], STR_ARG(r->agreement));
    if (strmap_find(&f->receipts, key) != NULL) {
        verify_find(f->v, at, "receipt", "event %s counted twice for its %s",
                    uuid_format(r->event).c, party_role_names[r->role]);
        return;
    }
    known = add(f, &f->receipts, key, sizeof(*known));
    if (known == NULL)
        return;
    known->key = key;
    known->receipt = *r;
    known->entry = at;
    f->v->receipts++;
    check_number(f, at, r);
}

static void receipt_accepted(struct facts *f, int64_t at, const struct entry *e)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    const struct known_batch *b;
    struct wire_receipt r = {0};
    struct err err = {0};
    struct str line;

    jval_canonical(&text, jval_get(e->body, "receipt"));
    line = arena_str(f->v->arena, buf_str(&text));
    b = line_of(f, at, e, line);
    if (b == NULL)
        return;
    if (object_parse(&wire_receipt_object, line, &jlimits_default, f->v->arena, &r, &err) < 0 ||
        wire_receipt_check(&r, &err) < 0) {
        verify_find(f->v, at, "receipt", "not a valid receipt: %s", err.text);
        return;
    }
    keep_receipt(f, at, b, &r);
}

static void receipt_refused(struct facts *f, int64_t at, const struct entry *e)
{
    (void)line_of(f, at, e, verify__text(f->v, e, "text"));
}

/* -- all ----------------------------------------------------------------------------------------- */

static const struct {
    enum entry_kind kind;
    void (*check)(struct facts *f, int64_t at, const struct entry *e);
} checks[] = {
    {ENTRY_PARTICIPANT_APPLIED, participant_applied},
    {ENTRY_PARTICIPANT_DECIDED, participant_decided},
    {ENTRY_PLAN_REGISTERED,     plan_registered    },
    {ENTRY_ORDER_CHANGED,       order_changed      },
    {ENTRY_AGREEMENT_REPORTED,  agreement_reported },
    {ENTRY_BATCH_ACCEPTED,      batch_accepted     },
    {ENTRY_RECEIPT_ACCEPTED,    receipt_accepted   },
    {ENTRY_RECEIPT_REFUSED,     receipt_refused    },
};

static void check_batches(struct facts *f)
{
    const struct known_batch *b;
    size_t pos = 0;

    while ((b = strmap_next(&f->batches, &pos)) != NULL) {
        struct hash *hash;
        uint8_t sum[SHA256_LEN];
        struct str said = b->batch;

        if (b->texts == NULL || b->seen != b->lines) {
            verify_find(f->v, b->entry, "batch", "%lld of its %lld lines are in the log",
                        (long long)b->seen, (long long)b->lines);
            continue;
        }
        hash = hash_begin();
        for (int64_t i = 0; i < b->lines; i++) {
            hash_add(hash, b->texts[i].p, b->texts[i].n);
            hash_add(hash, "\n", 1);
        }
        hash_end(&hash, sum);
        (void)str_cut(&said, ':');
        if (!str_eq_c(str_present(said) ? said : b->batch, hash_hex(sum).c))
            verify_find(f->v, b->entry, "batch",
                        "its lines are not the bytes that the reporter signed");
    }
}

static void count_missing(struct facts *f)
{
    const struct known_sequence *s;
    size_t pos = 0;

    while ((s = strmap_next(&f->sequences, &pos)) != NULL)
        f->v->receipts_missing += s->highest - s->count;
}

int verify_facts(struct verify *v, struct facts *f, struct err *err)
{
    int64_t newest_us = INT64_MIN;

    *f = (struct facts){.v = v};
    for (uint64_t i = 0; i < v->size && v->lines != NULL; i++) {
        AUTO(jdoc_free) struct jdoc *doc = NULL;
        struct entry entry;
        struct err why = {0};

        if (!str_present(v->lines[i]))
            continue; /* step 1 has said that it is missing */
        if (entry_read(v->lines[i], &doc, &entry, &why) < 0) {
            verify_find(v, (int64_t)i, "entry", "%s", why.text);
            continue;
        }
        if (entry.at_us < newest_us - BACKWARDS_US)
            verify_find(v, (int64_t)i, "entry",
                        "its time lies before that of entries sealed earlier");
        newest_us = entry.at_us > newest_us ? entry.at_us : newest_us;
        for (size_t c = 0; c < ARRAY_LEN(checks); c++) {
            if (checks[c].kind == entry.kind)
                checks[c].check(f, (int64_t)i, &entry);
        }
    }
    check_batches(f);
    count_missing(f);
    return arena_failed(v->arena) ? err_set(err, E_NO_MEMORY, "",
                                            "the log is larger than this machine's memory allows")
                                  : 0;
}

void verify__facts_done(struct facts *f)
{
    struct known_participant *p;
    struct known_sequence *s;
    size_t pos = 0;

    while ((p = strmap_next(&f->participants, &pos)) != NULL)
        key_free(&p->key);
    for (pos = 0; (s = strmap_next(&f->sequences, &pos)) != NULL;)
        strmap_done(&s->seen);

    struct strmap *const maps[] = {
        &f->participants, &f->plans,   &f->orders,   &f->agreements_of_orders,
        &f->reports,      &f->batches, &f->receipts, &f->sequences};

    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        strmap_done(maps[i]);
}
