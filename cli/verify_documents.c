/*
 * cli/verify_documents.c - invoices and statements made again, periods, payouts (rules of a close:
 * server/settlement/settlement.c)
 *
 * 1 Ids of documents and payouts are derived as the close derives them; numbers count through the
 *   documents of one kind in a period.
 * 2 Each section of a document is about an order of its party, with the use that the log bills to it
 *   in this period; its rating is what lib/rating makes of that use under the order's plan.
 * 3 The sums of a document are those of its sections, and the entry says the same as the body.
 * 4 A payout pays one statement exactly.
 * 5 Periods are closed in ascending order, without overlap, after their end; then every order that
 *   takes part stands in one invoice and one statement, all use is in a document, and everything is
 *   posted (verify_close.c).
 */
#include "cli/verify_private.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define ZONE_MIN   540 /* accounting zone: Korea */
#define TEXT_BYTES MIB(4)
#define TOTAL_MAX  INT64_C(1000000000000) /* an order above it is not billed */

/* -- periods ------------------------------------------------------------------------------------- */

struct known_period *verify__period(struct facts *f, int64_t at, struct str id)
{
    struct known_period *p = strmap_find(&f->periods, id);

    if (p == NULL) {
        const struct str kept = verify__keep(f, id);

        p = verify__add(f, &f->periods, kept, sizeof(*p));
        if (p == NULL)
            return NULL;
        p->period = kept;
        p->entry = at;
    }
    if (p->closed)
        verify_find(f->v, at, "period", "something is billed to a period that was closed before");
    return p;
}

/* Name and range of a period: its id is derived from them. */
static bool date_period(struct facts *f, int64_t at, struct known_period *p, struct str name,
                        struct str from, struct str to)
{
    const struct str range = arena_printf(f->v->arena, "%.*s/%.*s", STR_ARG(from), STR_ARG(to));

    if (!time_parse(from, &p->from_us) || !time_parse(to, &p->to_us) || p->from_us >= p->to_us ||
        !str_eq(p->period, verify__derive(f, STR("period"), name, range))) {
        verify_find(f->v, at, "period", "period %.*s: its id is not that of its name and range",
                    STR_ARG(p->period));
        return false;
    }
    p->name = verify__keep(f, name);
    p->dated = true;
    return true;
}

/* -- differences --------------------------------------------------------------------------------- */

/* Writes what stands where another value should; false if there is no difference. */
static bool difference(const struct jval *want, const struct jval *got, struct buf *where,
                       struct buf *out)
{
    const size_t base = where->n;

    if (jval_eq(want, got))
        return false;
    if (jtype_of(want) == J_OBJECT && jtype_of(got) == J_OBJECT) {
        for (const struct jiter *it = jiter_first(want); it != NULL; it = jiter_next(want, it)) {
            buf_printf(where, "/%.*s", STR_ARG(jiter_key(it)));
            if (difference(jiter_value(it), jval_get_str(got, jiter_key(it)), where, out))
                return true;
            where->n = base;
        }
    }
    if (jtype_of(want) == J_ARRAY && jtype_of(got) == J_ARRAY && jval_len(want) == jval_len(got)) {
        for (size_t i = 0; i < jval_len(want); i++) {
            buf_printf(where, "/%zu", i);
            if (difference(jval_at(want, i), jval_at(got, i), where, out))
                return true;
            where->n = base;
        }
    }
    buf_printf(out, "%.*s is ", STR_ARG(buf_str(where)));
    jval_write(out, got);
    buf_add_c(out, " instead of ");
    jval_write(out, want);
    return true;
}

/* -- sections ------------------------------------------------------------------------------------ */

/* One document while its entry is read. */
struct reading {
    struct facts *f;
    int64_t at, at_us;
    const struct entry *entry;
    const struct jval *body;
    struct known_document *document;
    struct known_period *period;
    struct str party, currency;
    int64_t subtotal, vat, total, fee, fee_vat, payout;
};

static struct str text_of(const struct jval *object, const char *member)
{
    return jval_str(jval_get(object, member));
}

static int64_t number_of(const struct jval *object, const char *member)
{
    int64_t n = 0;

    return jval_i64(jval_get(object, member), &n) ? n : -1;
}

/* What the section must say about the use; unsure members are taken over from what it says. */
static struct rating_usage expected_use(const struct reading *r, const struct known_order *o,
                                        const struct jval *said)
{
    const struct known_use *use =
        strmap_find(&r->f->uses, verify__pair(r->f, r->period->period, o->order));
    int64_t said_us = 0, end_us;
    bool unsure;
    struct rating_usage u = {
        .period_from_us = r->period->from_us,
        .period_to_us = r->period->to_us,
        .active_from_us = o->active_us,
        .zone_min = ZONE_MIN,
        .first_period = !str_present(o->first_period) || str_eq(o->first_period, r->period->period),
    };

    if (use != NULL) {
        u.calls = use->counts.calls;
        u.rows = use->counts.rows;
        u.bytes = use->counts.bytes;
    }
    end_us = verify__active_end(o, r->at_us, &unsure);
    if (unsure &&
        (jval_get(said, "active_to") == NULL || time_parse(text_of(said, "active_to"), &said_us)))
        end_us = said_us;
    u.active_to_us = end_us == 0 ? INT64_MAX : end_us < o->active_us ? o->active_us : end_us;
    return u;
}

static void check_missing(const struct reading *r, const struct known_order *o,
                          const struct jval *said, enum party_role role, const char *member)
{
    bool unsure;
    const int64_t missing = verify__missing(o, role, r->at_us, &unsure);

    if (!unsure && number_of(said, member) != missing)
        verify_find(r->f->v, r->at, "document",
                    "order %.*s: '%s' is %lld, the log has %lld missing numbers", STR_ARG(o->order),
                    member, (long long)number_of(said, member), (long long)missing);
}

static void check_use(const struct reading *r, const struct known_order *o,
                      const struct rating_usage *u, const struct jval *said)
{
    struct known_use *use =
        strmap_find(&r->f->uses, verify__pair(r->f, r->period->period, o->order));
    int64_t from_us = 0, to_us = INT64_MAX;
    const int64_t events = use != NULL ? use->events : 0;
    const bool has_end = jval_get(said, "active_to") != NULL;

    if (number_of(said, "events") != events || number_of(said, "calls") != u->calls ||
        number_of(said, "rows") != u->rows || number_of(said, "bytes") != u->bytes)
        verify_find(r->f->v, r->at, "document",
                    "order %.*s: %lld events with %lld calls, %lld rows, %lld bytes; the log bills "
                    "%lld with %lld, %lld, %lld",
                    STR_ARG(o->order), (long long)number_of(said, "events"),
                    (long long)number_of(said, "calls"), (long long)number_of(said, "rows"),
                    (long long)number_of(said, "bytes"), (long long)events, (long long)u->calls,
                    (long long)u->rows, (long long)u->bytes);
    if (!time_parse(text_of(said, "active_from"), &from_us) || from_us != u->active_from_us ||
        (has_end && !time_parse(text_of(said, "active_to"), &to_us)) ||
        (to_us < from_us ? from_us : to_us) != u->active_to_us ||
        jval_bool(jval_get(said, "first_period")) != u->first_period ||
        number_of(said, "zone_min") != u->zone_min)
        verify_find(r->f->v, r->at, "document",
                    "order %.*s: activity, first period or zone are not those of the log",
                    STR_ARG(o->order));
    if (use != NULL)
        use->documented = true;
    if (events == 0)
        return;
    check_missing(r, o, said, PARTY_PROVIDER, "missing_provider");
    check_missing(r, o, said, PARTY_CONSUMER, "missing_consumer");
}

/* Long lists of lines stand as their hash; the expected rating is then put into the same form. */
static int in_form_of(const struct jval *said, struct buf *text, struct err *err)
{
    static const struct jlimits limits = {TEXT_BYTES, 8, 32 * LIMIT_RATING_LINES};
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf lines = buf_init(TEXT_BYTES);
    uint8_t hash[SHA256_LEN];
    struct jw w = jw_init(text);
    const struct jval *rating;

    if (jval_get(said, "lines_hash") == NULL)
        return 0;
    if (jdoc_parse(buf_str(text), &limits, &doc, err) < 0)
        return err_ret(err);
    rating = jdoc_root(doc);
    jval_canonical(&lines, jval_get(rating, "lines"));
    sha256(buf_str(&lines).p, lines.n, hash);
    buf_reset(text);
    jw_object(&w);
    for (const struct jiter *it = jiter_first(rating); it != NULL; it = jiter_next(rating, it)) {
        if (!str_eq(jiter_key(it), STR("lines"))) {
            jw_key_str(&w, jiter_key(it));
            jw_val(&w, jiter_value(it));
        }
    }
    buf_reset(&lines);
    buf_printf(&lines, "sha256:%s", hash_hex(hash).c);
    jw_kstr(&w, "lines_hash", buf_str(&lines));
    jw_ki64(&w, "n_lines", (int64_t)jval_len(jval_get(rating, "lines")));
    jw_object_end(&w);
    return 0;
}

static void check_rating(const struct reading *r, const struct known_order *o,
                         const struct rating *rating, const struct jval *said)
{
    static const struct jlimits limits = {TEXT_BYTES, 8, 32 * LIMIT_RATING_LINES};
    AUTO(buf_done) struct buf text = buf_init(TEXT_BYTES);
    AUTO(buf_done) struct buf where = buf_init(LIMIT_URL);
    AUTO(buf_done) struct buf what = buf_init(KIB(64));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw w = jw_init(&text);
    struct err err = {0};

    rating_write(rating, &w);
    if (in_form_of(said, &text, &err) < 0 || jdoc_parse(buf_str(&text), &limits, &doc, &err) < 0) {
        verify_find(r->f->v, r->at, "rating", "order %.*s: %s", STR_ARG(o->order), err.text);
        return;
    }
    if (difference(jdoc_root(doc), said, &where, &what))
        verify_find(r->f->v, r->at, "rating", "order %.*s: %.*s", STR_ARG(o->order),
                    STR_ARG(buf_str(&what)));
}

static void add_up(struct reading *r, const struct rating *rating)
{
    const struct {
        int64_t *sum, minor;
    } sums[] = {
        {&r->subtotal, rating->subtotal_minor},
        {&r->vat,      rating->vat_minor     },
        {&r->total,    rating->total_minor   },
        {&r->fee,      rating->fee_minor     },
        {&r->fee_vat,  rating->fee_vat_minor },
        {&r->payout,   rating->payout_minor  },
    };
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        if (money_add(*sums[i].sum, sums[i].minor, sums[i].sum, &err) < 0)
            verify_find(r->f->v, r->at, "document", "a sum is beyond all numbers");
    }
}

static struct known_billing *billing_of(const struct reading *r, struct known_order *o)
{
    const struct str key = verify__pair(r->f, r->period->period, o->order);
    struct known_billing *b = strmap_find(&r->f->billings, key);

    if (b != NULL)
        return b;

    const struct str kept = verify__keep(r->f, key);

    b = verify__add(r->f, &r->f->billings, kept, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->key = kept;
    b->period = r->period;
    b->order = o;
    b->entry = r->at;
    return b;
}

/* The order whose section this is; NULL if the section cannot be its. */
static struct known_order *order_of(const struct reading *r, const struct jval *section)
{
    struct known_order *o = strmap_find(&r->f->orders, text_of(section, "order"));

    if (o == NULL || o->plan == NULL || o->agreement == NULL || o->active_us == 0) {
        verify_find(r->f->v, r->at, "document", "order %.*s is not in the log, or never was active",
                    STR_ARG(text_of(section, "order")));
        return NULL;
    }
    if (!str_eq(text_of(section, "agreement"), o->agreement->agreement) ||
        !str_eq(text_of(section, "plan"), o->plan_hash) ||
        !str_eq(text_of(section, "provider"), o->provider) ||
        !str_eq(text_of(section, "consumer"), o->consumer) ||
        !str_eq(r->party, r->document->invoice ? o->consumer : o->provider) ||
        !str_eq(r->currency, o->currency)) {
        verify_find(r->f->v, r->at, "document",
                    "order %.*s: agreement, plan, parties or currency are not the order's",
                    STR_ARG(o->order));
        return NULL;
    }
    return o;
}

static void read_section(struct reading *r, const struct jval *section)
{
    struct known_order *o = order_of(r, section);
    struct known_billing *b = o != NULL ? billing_of(r, o) : NULL;
    struct known_document **place;
    struct rating_usage u;
    struct err err = {0};

    if (b == NULL)
        return;
    place = r->document->invoice ? &b->invoice : &b->statement;
    if (*place != NULL)
        verify_find(r->f->v, r->at, "document", "order %.*s stands in two documents of its period",
                    STR_ARG(o->order));
    *place = r->document;
    u = expected_use(r, o, jval_get(section, "usage"));
    check_use(r, o, &u, jval_get(section, "usage"));
    if (rating_rate(o->plan, &u, r->f->v->arena, &b->rating, &err) < 0) {
        verify_find(r->f->v, r->at, "rating", "order %.*s: %s", STR_ARG(o->order), err.text);
        return;
    }
    check_rating(r, o, b->rating, jval_get(section, "rating"));
    add_up(r, b->rating);
    if (!str_present(o->first_period))
        o->first_period = r->period->period;
    o->billing = b;
}

/* -- documents ----------------------------------------------------------------------------------- */

/* Rule 1. The parts of one party and currency count from 1. */
static void check_names(const struct reading *r)
{
    struct facts *f = r->f;
    const char *kind = r->document->invoice ? "invoice" : "statement";
    int64_t *count = r->document->invoice ? &r->period->n_invoices : &r->period->n_statements;
    const struct str number =
        arena_printf(f->v->arena, "%c-%.*s-%05lld", r->document->invoice ? 'I' : 'S',
                     STR_ARG(r->period->name), (long long)++*count);
    struct str series =
        arena_printf(f->v->arena, "%s/%.*s/%.*s/%.*s", kind, STR_ARG(r->period->period),
                     STR_ARG(r->party), STR_ARG(r->currency));
    int64_t *part = strmap_find(&f->parts, series);

    if (part == NULL)
        part = verify__add(f, &f->parts, series, sizeof(*part));
    if (part == NULL)
        return;
    ++*part;
    series = arena_printf(f->v->arena, "%.*s/%.*s/%lld", STR_ARG(r->party), STR_ARG(r->currency),
                          (long long)*part);
    if (!str_eq(r->document->document, verify__derive(f, str_c(kind), r->period->period, series)))
        verify_find(f->v, r->at, "document", "its id is not that of kind, period and party");
    if (!str_eq(verify__text(r->entry, "number"), number))
        verify_find(f->v, r->at, "document", "its number is '%.*s' instead of '%.*s'",
                    STR_ARG(verify__text(r->entry, "number")), STR_ARG(number));
}

/* Members that body and entry both have. */
static void check_same(const struct reading *r)
{
    static const struct {
        const char *in_entry, *in_body;
    } same[] = {
        {"document",      "document"},
        {"document_kind", "kind"    },
        {"number",        "number"  },
        {"participant",   "party"   },
        {"currency",      "currency"},
    };

    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        if (!str_eq(verify__text(r->entry, same[i].in_entry), text_of(r->body, same[i].in_body)))
            verify_find(r->f->v, r->at, "document", "'%s' is another one in its body",
                        same[i].in_entry);
    }
}

static void check_sums(const struct reading *r)
{
    const struct currency *currency = currency_find(r->currency);
    const bool invoice = r->document->invoice;

    const struct {
        const char *member;
        int64_t minor;
        bool on_invoice;
    } texts[] = {
        {"subtotal", r->subtotal, true },
        {"vat",      r->vat,      true },
        {"total",    r->total,    true },
        {"fee",      r->fee,      false},
        {"fee_vat",  r->fee_vat,  false},
        {"payout",   r->payout,   false},
    };

    const struct {
        const char *member;
        int64_t minor;
    } numbers[] = {
        {"net_minor",   r->subtotal                   },
        {"vat_minor",   r->vat                        },
        {"fee_minor",   invoice ? 0 : r->fee          },
        {"total_minor", invoice ? r->total : r->payout},
    };

    if (currency == NULL) {
        verify_find(r->f->v, r->at, "document", "unknown currency");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct money_text want = money_format(texts[i].minor, currency);

        if ((!invoice || texts[i].on_invoice) &&
            !str_eq_c(text_of(r->body, texts[i].member), want.c))
            verify_find(r->f->v, r->at, "document", "'%s' is %.*s, its orders give %s",
                        texts[i].member, STR_ARG(text_of(r->body, texts[i].member)), want.c);
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (verify__number(r->entry, numbers[i].member) != numbers[i].minor)
            verify_find(r->f->v, r->at, "document", "'%s' is %lld, its orders give %lld",
                        numbers[i].member, (long long)verify__number(r->entry, numbers[i].member),
                        (long long)numbers[i].minor);
    }
}

static struct known_document *new_document(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__keep(f, verify__text(e, "document"));
    struct known_document *d;

    if (strmap_find(&f->documents, id) != NULL) {
        verify_find(f->v, at, "document", "document %.*s is issued twice", STR_ARG(id));
        return NULL;
    }
    d = verify__add(f, &f->documents, id, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->document = id;
    d->period = verify__keep(f, verify__text(e, "period"));
    d->invoice = str_eq(verify__text(e, "document_kind"), STR("invoice"));
    d->entry = at;
    f->v->documents++;
    return d;
}

void verify__document_issued(struct facts *f, int64_t at, const struct entry *e)
{
    struct reading r = {
        .f = f,
        .at = at,
        .at_us = e->at_us,
        .entry = e,
        .body = jval_get(e->body, "body"),
        .document = new_document(f, at, e),
        .period = verify__period(f, at, verify__text(e, "period")),
        .party = verify__text(e, "participant"),
        .currency = verify__text(e, "currency"),
    };
    const struct jval *period = jval_get(r.body, "period");
    const struct jval *sections = jval_get(r.body, "orders");

    if (r.document == NULL || r.period == NULL)
        return;
    if (!date_period(f, at, r.period, text_of(period, "name"), text_of(period, "from"),
                     text_of(period, "to")))
        return;
    check_same(&r);
    check_names(&r);
    for (size_t i = 0; i < jval_len(sections); i++)
        read_section(&r, jval_at(sections, i));
    check_sums(&r);
    r.document->payout_minor = r.document->invoice ? 0 : r.payout;
}

/* -- payouts ------------------------------------------------------------------------------------- */

void verify__payout_ordered(struct facts *f, int64_t at, const struct entry *e)
{
    struct known_document *d = strmap_find(&f->documents, verify__text(e, "document"));

    if (d == NULL || d->invoice || d->paid || !str_eq(d->period, verify__text(e, "period")) ||
        !str_eq(verify__text(e, "payout"),
                verify__derive(f, STR("payout"), d->document, STR("")))) {
        verify_find(f->v, at, "payout", "it pays no statement, or one that was paid before");
        return;
    }
    d->paid = true;
    if (verify__number(e, "amount_minor") != d->payout_minor)
        verify_find(f->v, at, "payout", "it is %lld, its statement says %lld",
                    (long long)verify__number(e, "amount_minor"), (long long)d->payout_minor);
}

/* -- the close ----------------------------------------------------------------------------------- */

/*
 * Rules 2 to 4 of a close: must this order stand in the period's documents? One whose amounts cannot
 * be worked out, or are absurd, is left out, with all its events.
 */
static bool takes_part(struct facts *f, const struct entry *e, const struct known_period *p,
                       const struct known_order *o)
{
    const bool before = str_present(o->first_period);
    const struct rating *rating;
    struct err err = {0};
    bool unsure;
    const int64_t end_us = verify__active_end(o, e->at_us, &unsure);
    const struct rating_usage u = {
        .calls = o->open.calls,
        .rows = o->open.rows,
        .bytes = o->open.bytes,
        .period_from_us = p->from_us,
        .period_to_us = p->to_us,
        .active_from_us = o->active_us,
        .active_to_us = end_us == 0             ? INT64_MAX
                        : end_us < o->active_us ? o->active_us
                                                : end_us,
        .zone_min = ZONE_MIN,
        .first_period = !before,
    };

    if (unsure || o->plan == NULL || o->agreement == NULL || o->active_us == 0 ||
        o->active_us >= p->to_us)
        return false;
    if (before && o->open_events == 0 && end_us != 0 && end_us <= p->from_us)
        return false;
    if (o->open_too_many || rating_rate(o->plan, &u, f->v->arena, &rating, &err) < 0 ||
        rating->total_minor > TOTAL_MAX)
        return false;
    return !before || rating->n_lines > 0;
}

static void check_complete(struct facts *f, int64_t at, const struct entry *e,
                           const struct known_period *p)
{
    const struct known_order *o;
    const struct known_use *use;
    const struct known_document *d;

    for (size_t pos = 0; (o = strmap_next(&f->orders, &pos)) != NULL;) {
        if (o->billing != NULL && o->billing->period == p) {
            if (o->open_events > 0)
                verify_find(f->v, at, "match",
                            "order %.*s: %lld events are left open that period %.*s should bill",
                            STR_ARG(o->order), (long long)o->open_events, STR_ARG(p->name));
        } else if (takes_part(f, e, p, o)) {
            verify_find(f->v, at, "period", "order %.*s is left out of period %.*s",
                        STR_ARG(o->order), STR_ARG(p->name));
        }
    }
    for (size_t pos = 0; (use = strmap_next(&f->uses, &pos)) != NULL;) {
        if (use->period == p && !use->documented)
            verify_find(f->v, use->entry, "period", "this event stands in no document");
    }
    for (size_t pos = 0; (d = strmap_next(&f->documents, &pos)) != NULL;) {
        if (str_eq(d->period, p->period) && d->payout_minor > 0 && !d->paid)
            verify_find(f->v, d->entry, "payout", "its payout of %lld was not ordered",
                        (long long)d->payout_minor);
    }
}

void verify__period_closed(struct facts *f, int64_t at, const struct entry *e)
{
    struct known_period *p = verify__period(f, at, verify__text(e, "period"));

    if (p == NULL || !date_period(f, at, p, verify__text(e, "name"), verify__text(e, "from"),
                                  verify__text(e, "to")))
        return;
    if (f->last_period != NULL && p->from_us < f->last_period->to_us)
        verify_find(f->v, at, "period", "period %.*s overlaps %.*s", STR_ARG(p->name),
                    STR_ARG(f->last_period->name));
    if (p->to_us > e->at_us)
        verify_find(f->v, at, "period", "period %.*s is closed before its end", STR_ARG(p->name));
    if (p->latest_ms >= (p->to_us + 999) / 1000)
        verify_find(f->v, at, "period", "period %.*s bills an event after its end",
                    STR_ARG(p->name));
    verify__open_events(f, e, p);
    check_complete(f, at, e, p);
    verify__postings(f, p);
    p->closed = true;
    f->last_period = p;
}

void verify__documents_end(struct facts *f)
{
    const struct known_period *p;

    for (size_t pos = 0; (p = strmap_next(&f->periods, &pos)) != NULL;) {
        if (!p->closed)
            verify_find(f->v, p->entry, "period",
                        "something is billed to period %.*s, which is not closed",
                        STR_ARG(p->period));
    }
}
