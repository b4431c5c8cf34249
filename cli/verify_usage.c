/*
 * cli/verify_usage.c - receipts: were they signed, do they fit, were they billed as both sides say
 *
 * 1 A batch is signed by its reporter, and the lines in the log, accepted and refused, are the bytes
 *   that were signed. Its id is derived from reporter and hash.
 * 2 A receipt belongs to what its reporter has reported under this agreement's id, in the same role;
 *   its access lies in the agreement's time; (event, role, reporter) and (agreement, role, reporter, seq) occur once. Numbers that are missing are counted, not held against the log: their receipts have not come.
 * 3 An event is billed once per order, with what lib/rating/match.h makes of both parties' reports under the rule
 *   and tolerance of the order's plan.
 * What a close may have left open is summed up here and judged in verify_documents.c.
 */
#include "cli/verify_private.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"

#include "lib/base/banned.h"

#define REACH_US (800 * US_PER_DAY) /* how far back a close looks for events */

/* -- batches ------------------------------------------------------------------------------------- */

static void check_signature(struct facts *f, int64_t at, const struct known_batch *b,
                            struct str signature)
{
    const struct known_participant *p = strmap_find(&f->participants, b->reporter);
    AUTO(arena_free) struct arena *arena = arena_new(KIB(256));
    struct wire_batch said = {0};
    struct err err = {0};
    struct jws jws;

    if (p == NULL || p->key == NULL) {
        verify_find(f->v, at, "batch", "its reporter has never applied");
        return;
    }
    if (arena == NULL)
        return;
    if (jws_parse(signature, arena, &jws, &err) < 0 || jws_verify(&jws, p->key, &err) < 0) {
        verify_find(f->v, at, "batch", "the signature is not that of %.*s", STR_ARG(p->did));
        return;
    }
    if (object_parse(&wire_batch_object, jws.payload, &jlimits_default, arena, &said, &err) < 0 ||
        !str_eq(said.batch, b->hash) || !str_eq(said.reporter, p->did) || said.lines != b->lines ||
        !str_eq(jws.typ, STR(WIRE_TYP_BATCH)))
        verify_find(f->v, at, "batch", "%.*s has signed another batch", STR_ARG(p->did));
}

void verify__batch_accepted(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__keep(f, verify__text(e, "batch"));
    const int64_t lines = verify__number(e, "lines");
    struct known_batch *b;

    if (strmap_find(&f->batches, id) != NULL) {
        verify_find(f->v, at, "batch", "it was accepted before");
        return;
    }
    if (lines < 1 || lines > LIMIT_BATCH_LINES) {
        verify_find(f->v, at, "batch", "it has %lld lines", (long long)lines);
        return;
    }
    b = verify__add(f, &f->batches, id, sizeof(*b));
    if (b == NULL)
        return;
    b->batch = id;
    b->hash = verify__keep(f, verify__text(e, "hash"));
    b->reporter = verify__keep(f, verify__text(e, "reporter"));
    if (!str_starts(b->hash, STR("sha256:")) ||
        !str_eq(id, verify__derive(f, STR("batch"), b->reporter, str_from(b->hash, 7))))
        verify_find(f->v, at, "batch", "its id is not that of its reporter and hash");
    b->lines = lines;
    b->entry = at;
    b->texts = ARENA_ARRAY(f->v->arena, struct str, (size_t)lines);
    check_signature(f, at, b, verify__text(e, "signature"));
}

static void check_bytes(struct facts *f, const struct known_batch *b)
{
    struct hash *hash = hash_begin();
    uint8_t sum[SHA256_LEN];

    for (int64_t i = 0; i < b->lines; i++) {
        hash_add(hash, b->texts[i].p, b->texts[i].n);
        hash_add(hash, "\n", 1);
    }
    hash_end(&hash, sum);
    if (!str_starts(b->hash, STR("sha256:")) || !str_eq_c(str_from(b->hash, 7), hash_hex(sum).c))
        verify_find(f->v, b->entry, "batch",
                    "its lines are not the bytes that the reporter signed");
}

/* Lines count from 1. The text is not copied: it must stay where it is. */
static struct known_batch *line_of(struct facts *f, int64_t at, const struct entry *e,
                                   struct str text)
{
    const struct str id = verify__text(e, "batch");
    const int64_t line = verify__number(e, "line");
    struct known_batch *b = f->last_batch;

    if (b == NULL || !str_eq(b->batch, id))
        b = strmap_find(&f->batches, id);
    if (b == NULL || b->texts == NULL) {
        verify_find(f->v, at, "receipt", "its batch is not in the log");
        return NULL;
    }
    f->last_batch = b;
    if (line < 1 || line > b->lines || str_present(b->texts[line - 1])) {
        verify_find(f->v, at, "receipt", "line %lld of its batch is there already, or cannot be",
                    (long long)line);
        return NULL;
    }
    b->texts[line - 1] = text;
    if (++b->seen == b->lines)
        check_bytes(f, b);
    return b;
}

void verify__batches_end(struct facts *f)
{
    const struct known_batch *b;
    const struct known_agreement *a;

    for (size_t pos = 0; (b = strmap_next(&f->batches, &pos)) != NULL;) {
        if (b->seen != b->lines)
            verify_find(f->v, b->entry, "batch", "%lld of its %lld lines are in the log",
                        (long long)b->seen, (long long)b->lines);
    }
    for (size_t pos = 0; (a = strmap_next(&f->agreements, &pos)) != NULL;) {
        for (int role = 0; role < PARTY__COUNT; role++)
            f->v->receipts_missing += a->sequences[role].highest - a->sequences[role].count;
    }
}

/* -- receipts ------------------------------------------------------------------------------------ */

/* False if the number was used before. */
static bool take_number(struct facts *f, struct known_sequence *s, int64_t seq)
{
    char text[24];

    if (seq <= s->next)
        return false;
    if (seq == s->next + 1 && s->beyond.n == 0) {
        s->next++;
        return true;
    }
    snprintf(text, sizeof(text), "%lld", (long long)seq);
    if (strmap_find(&s->beyond, str_c(text)) != NULL)
        return false;

    const struct str key = verify__keep(f, str_c(text));

    if (!str_present(key) || !strmap_add(&s->beyond, key, s))
        verify_find(f->v, -1, "receipt", "out of memory");
    for (;;) {
        snprintf(text, sizeof(text), "%lld", (long long)s->next + 1);
        if (strmap_find(&s->beyond, str_c(text)) == NULL)
            return true;
        strmap_remove(&s->beyond, str_c(text));
        s->next++;
    }
}

static void check_number(struct facts *f, int64_t at, const struct entry *e,
                         struct known_sequence *s, int64_t seq)
{
    if (!take_number(f, s, seq)) {
        verify_find(f->v, at, "receipt", "number %lld of its reporter is used twice",
                    (long long)seq);
        return;
    }
    s->count++;
    s->logged_us = e->at_us;
    if (seq > s->highest)
        s->highest = seq;
}

int64_t verify__missing(const struct known_order *o, enum party_role role, int64_t at_us,
                        bool *ret_unsure)
{
    const struct known_sequence *s = &o->agreement->sequences[role];

    *ret_unsure = s->logged_us > at_us - VERIFY_OVERLAP_US;
    return s->highest - s->count;
}

static struct str event_key(const struct uuid *event)
{
    return str_n(event->b, sizeof(event->b));
}

/* The event under this agreement, made if it is new. *ret_twice: its reporter has reported it before in this role, under whatever agreement. */
static struct known_event *event_of(struct facts *f, const struct wire_receipt *r,
                                    struct known_agreement *agreement, bool *ret_twice)
{
    struct known_event *first = strmap_find(&f->events, event_key(&r->event));
    struct known_event *event = NULL;

    *ret_twice = false;
    for (struct known_event *one = first; one != NULL; one = one->next) {
        *ret_twice = *ret_twice ||
                     (one->reported[r->role] && str_eq(one->agreement->reports[r->role].participant,
                                                       agreement->reports[r->role].participant));
        if (one->agreement == agreement)
            event = one;
    }
    if (event != NULL)
        return event;
    event = ARENA_NEW(f->v->arena, struct known_event);
    if (event == NULL)
        return NULL;
    event->event = r->event;
    event->agreement = agreement;
    event->next_open = f->open_events;
    f->open_events = event;
    if (first != NULL) {
        event->next = first->next;
        first->next = event;
        return event;
    }
    return strmap_add(&f->events, event_key(&event->event), event) ? event : NULL;
}

/* What the reporter of this batch has reported under this id; NULL if nothing. */
static struct known_agreement *reported_in(struct facts *f, const struct known_batch *b,
                                           struct str agreement)
{
    if (f->last_reported == b && f->last_agreement != NULL &&
        str_eq(f->last_agreement->agreement, agreement))
        return f->last_agreement;
    f->last_reported = b;
    f->last_agreement = verify__reported(f, agreement, b->reporter);
    return f->last_agreement;
}

static void keep_receipt(struct facts *f, int64_t at, const struct entry *e,
                         const struct known_batch *b, const struct wire_receipt *r)
{
    const char *role = party_role_names[r->role];
    struct known_agreement *a = reported_in(f, b, r->agreement);
    struct known_event *event;
    bool twice;

    if (a == NULL || !a->reports[r->role].present ||
        !str_eq(a->reports[r->role].participant, b->reporter)) {
        verify_find(f->v, at, "receipt", "its reporter is not the %s of agreement %.*s", role,
                    STR_ARG(r->agreement));
        return;
    }
    event = event_of(f, r, a, &twice);
    if (event == NULL)
        return;
    if (twice) {
        verify_find(f->v, at, "receipt", "event %s is counted twice for its %s",
                    uuid_format(r->event).c, role);
        return;
    }
    if (r->since_us < a->reports[r->role].agreed_us ||
        (a->reports[r->role].ends_us != 0 && r->since_us >= a->reports[r->role].ends_us) ||
        (a->end_us != 0 && r->since_us >= a->end_us &&
         e->at_us > a->end_logged_us + VERIFY_OVERLAP_US))
        verify_find(f->v, at, "receipt", "its access lies outside agreement %.*s",
                    STR_ARG(r->agreement));
    event->reported[r->role] = true;
    event->counts[r->role] = (struct match_counts){r->calls, r->rows, r->bytes};
    event->logged_us[r->role] = e->at_us;
    f->v->receipts++;
    check_number(f, at, e, &a->sequences[r->role], r->seq);
}

/* An unusual one: parsed, and made canonical again for the bytes of its batch. */
static int read_receipt(struct facts *f, const struct entry *e, struct arena *arena,
                        struct str *ret_line, struct wire_receipt *ret, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));

    jval_canonical(&text, jval_get(e->body, "receipt"));
    *ret_line = verify__keep(f, buf_str(&text));
    return object_decode(&wire_receipt_object, jval_get(e->body, "receipt"), arena, ret, err);
}

void verify__receipt_accepted(struct facts *f, int64_t at, const struct entry *e)
{
    const bool flat = e->flat != NULL && str_present(e->flat->receipt_line);
    AUTO(arena_free) struct arena *arena = flat ? NULL : arena_new(KIB(256));
    const struct known_batch *b;
    struct wire_receipt r = {0};
    struct str line = STR("");
    struct err err = {0};

    if (flat) {
        r = e->flat->receipt;
        line = e->flat->receipt_line;
    } else if (arena == NULL || read_receipt(f, e, arena, &line, &r, &err) < 0) {
        IGNORE(err_prefix(&err, "form"), "it becomes a finding");
    }
    b = line_of(f, at, e, line);
    if (b == NULL)
        return;
    if (err.code != E_OK || wire_receipt_check(&r, &err) < 0) {
        verify_find(f->v, at, "receipt", "it breaks the rules of receipts: %s", err.text);
        return;
    }
    keep_receipt(f, at, e, b, &r);
}

void verify__receipt_refused(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str text = verify__text(e, "text");

    (void)line_of(f, at, e, e->flat != NULL ? text : verify__keep(f, text));
}

/* -- matching ------------------------------------------------------------------------------------ */

static struct match_result match(const struct known_event *event, const struct plan *plan,
                                 unsigned sides)
{
    const bool provider = event->reported[PARTY_PROVIDER] && (sides & 1u << PARTY_PROVIDER) != 0;
    const bool consumer = event->reported[PARTY_CONSUMER] && (sides & 1u << PARTY_CONSUMER) != 0;

    if (!provider && !consumer)
        return (struct match_result){.state = MATCH_STATE__COUNT};
    return match_event(provider ? &event->counts[PARTY_PROVIDER] : NULL,
                       consumer ? &event->counts[PARTY_CONSUMER] : NULL, plan->match_rule,
                       plan->tolerance_ppm);
}

static bool is_billable(const struct match_result *r)
{
    return r->state == MATCH_MATCHED || r->billable.calls > 0 || r->billable.rows > 0 ||
           r->billable.bytes > 0;
}

/* The sides whose report a close at this time may have missed (bit set). */
static unsigned unsure_sides(const struct known_event *event, int64_t at_us)
{
    unsigned sides = 0;

    for (unsigned role = 0; role < PARTY__COUNT; role++) {
        if (event->reported[role] && event->logged_us[role] > at_us - VERIFY_OVERLAP_US)
            sides |= 1u << role;
    }
    return sides;
}

#define BOTH_SIDES ((1u << PARTY__COUNT) - 1)

static void check_match(struct facts *f, int64_t at, const struct entry *e,
                        const struct known_event *event, const struct plan *plan)
{
    const unsigned unsure = unsure_sides(event, e->at_us);
    const struct match_counts billed = {verify__number(e, "calls"), verify__number(e, "rows"),
                                        verify__number(e, "bytes")};
    const struct match_result all = match(event, plan, BOTH_SIDES);

    for (unsigned sides = 1; sides <= BOTH_SIDES; sides++) {
        const struct match_result r = match(event, plan, sides);

        if (((BOTH_SIDES & ~sides) & ~unsure) == 0 && r.state != MATCH_STATE__COUNT &&
            is_billable(&r) && str_eq_c(verify__text(e, "match"), match_state_names[r.state]) &&
            memcmp(&r.billable, &billed, sizeof(billed)) == 0)
            return;
    }
    verify_find(
        f->v, at, "match",
        "event %.36s is billed as %.*s with %lld calls, %lld rows, %lld bytes; its receipts "
        "give %s with %lld, %lld, %lld",
        uuid_format(event->event).c, STR_ARG(verify__text(e, "match")), (long long)billed.calls,
        (long long)billed.rows, (long long)billed.bytes, match_state_names[all.state],
        (long long)all.billable.calls, (long long)all.billable.rows, (long long)all.billable.bytes);
}

static void add_use(struct facts *f, int64_t at, const struct entry *e, struct known_period *period)
{
    const struct str key = verify__pair(f, period->period, verify__text(e, "order"));
    struct known_use *use = f->last_use != NULL && str_eq(f->last_use->key, key)
                                ? f->last_use
                                : strmap_find(&f->uses, key);
    struct err err = {0};

    if (use == NULL) {
        const struct str kept = verify__keep(f, key);

        use = verify__add(f, &f->uses, kept, sizeof(*use));
        if (use == NULL)
            return;
        use->key = kept;
        use->period = period;
        use->entry = at;
    }
    f->last_use = use;
    use->events++;
    if (money_add(use->counts.calls, verify__number(e, "calls"), &use->counts.calls, &err) < 0 ||
        money_add(use->counts.rows, verify__number(e, "rows"), &use->counts.rows, &err) < 0 ||
        money_add(use->counts.bytes, verify__number(e, "bytes"), &use->counts.bytes, &err) < 0)
        verify_find(f->v, at, "match", "the use of its order is beyond all numbers");
}

static struct known_event *find_event(const struct facts *f, struct str id,
                                      const struct known_agreement *agreement)
{
    struct known_event *event;
    struct uuid uuid;

    if (!uuid_parse(id, &uuid))
        return NULL;
    for (event = strmap_find(&f->events, event_key(&uuid)); event != NULL; event = event->next) {
        if (event->agreement == agreement)
            return event;
    }
    return NULL;
}

void verify__event_billed(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__text(e, "event");
    const struct known_order *o = strmap_find(&f->orders, verify__text(e, "order"));
    struct known_event *event =
        o != NULL && o->agreement != NULL ? find_event(f, id, o->agreement) : NULL;
    struct known_period *period = verify__period(f, at, verify__text(e, "period"));

    if (period == NULL)
        return;
    if (event == NULL || o->plan == NULL) {
        verify_find(f->v, at, "match", "event %.*s is billed without %s", STR_ARG(id),
                    o == NULL || o->plan == NULL ? "an order" : "a receipt");
        return;
    }
    if (event->billed)
        verify_find(f->v, at, "match", "event %.*s is billed a second time", STR_ARG(id));
    event->billed = true;
    if (uuid_v7_ms(event->event) > period->latest_ms)
        period->latest_ms = uuid_v7_ms(event->event);
    check_match(f, at, e, event, o->plan);
    add_use(f, at, e, period);
}

/* -- what a close has left open ------------------------------------------------------------------ */

/* The order that could have been billed for this event; NULL if it could not, or if that is unsure. */
static struct known_order *billable_order(const struct entry *e, const struct known_period *period,
                                          const struct known_event *event)
{
    struct known_order *o = event->agreement->order;
    const int64_t ms = uuid_v7_ms(event->event);
    const int64_t oldest_us = period->to_us - REACH_US;
    int64_t end_us;
    bool unsure;

    if (o == NULL || o->plan == NULL || o->active_us == 0 || o->active_us >= period->to_us ||
        ms >= (period->to_us + 999) / 1000 || ms < oldest_us / 1000 ||
        unsure_sides(event, e->at_us) != 0)
        return NULL;
    end_us = verify__active_end(o, e->at_us, &unsure);
    if (unsure || (end_us != 0 && end_us <= oldest_us && str_present(o->first_period)))
        return NULL;
    return o;
}

static void add_open(struct known_order *o, const struct match_counts *counts)
{
    o->open_events++;
    if (__builtin_add_overflow(o->open.calls, counts->calls, &o->open.calls) ||
        __builtin_add_overflow(o->open.rows, counts->rows, &o->open.rows) ||
        __builtin_add_overflow(o->open.bytes, counts->bytes, &o->open.bytes))
        o->open_too_many = true;
}

void verify__open_events(struct facts *f, const struct entry *e, const struct known_period *period)
{
    struct known_event **link = &f->open_events;
    struct known_order *o;

    for (size_t pos = 0; (o = strmap_next(&f->orders, &pos)) != NULL;) {
        o->open_events = 0;
        o->open = (struct match_counts){0};
        o->open_too_many = false;
    }
    while (*link != NULL) {
        struct known_event *event = *link;
        struct match_result r;

        if (event->billed) {
            *link = event->next_open;
            continue;
        }
        link = &event->next_open;
        o = billable_order(e, period, event);
        if (o == NULL)
            continue;
        r = match(event, o->plan, BOTH_SIDES);
        if (is_billable(&r))
            add_open(o, &r.billable);
    }
}
