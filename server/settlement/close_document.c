/*
 * server/settlement/close_document.c - invoices, statements and payouts of a close (rules 5, 6 and
 * 8 of settlement.c)
 *
 * Names and numbers of companies stand in `parties`, which is kept beside the body; the body, which
 * goes into the log, holds their ids, DIDs and the hash of `parties`.
 */
#include <assert.h>

#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "server/audit/audit.h"
#include "server/settlement/settlement_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define SECTIONS_BYTES KIB(48) /* of one document: a log entry holds at most 65,535 bytes */
#define LINES_BYTES    KIB(24) /* longer lists of lines stand as their hash */
#define TEXT_BYTES     MIB(4)

enum document_kind { INVOICE, STATEMENT, DOCUMENT__COUNT };

static const char *const kind_names[] = {[INVOICE] = "invoice", [STATEMENT] = "statement"};
static const char *const number_prefixes[] = {[INVOICE] = "I", [STATEMENT] = "S"};
static_assert(ARRAY_LEN(kind_names) == DOCUMENT__COUNT, "one name per kind");

/* One document in the making: neighbours in a sorted list of orders. */
struct sheet {
    enum document_kind kind;
    struct uuid id, party;
    struct str number, body, parties;
    const struct currency *currency;
    struct billing **orders;
    size_t n;
    int64_t subtotal, vat, total, fee, fee_vat, payout;
};

static struct uuid party_of(const struct billing *b, enum document_kind kind)
{
    return kind == INVOICE ? b->consumer_id : b->provider_id;
}

static struct uuid other_of(const struct billing *b, enum document_kind kind)
{
    return kind == INVOICE ? b->provider_id : b->consumer_id;
}

/* -- sections ---------------------------------------------------------------------------------- */

static void key_time(struct jw *w, const char *key, int64_t us)
{
    jw_kc(w, key, time_format(us).c);
}

static void write_usage(const struct billing *b, struct jw *w)
{
    jw_object(w);
    jw_ki64(w, "events", b->events);
    jw_ki64(w, "calls", b->used.calls);
    jw_ki64(w, "bytes", b->used.bytes);
    jw_ki64(w, "rows", b->used.rows);
    key_time(w, "active_from", b->active_us);
    if (b->active_end_us != 0)
        key_time(w, "active_to", b->active_end_us);
    jw_kbool(w, "first_period", !b->billed_before);
    jw_ki64(w, "zone_min", ZONE_MIN);
    jw_ki64(w, "missing_provider", b->missing_provider);
    jw_ki64(w, "missing_consumer", b->missing_consumer);
    jw_object_end(w);
}

/* The rating with its lines as their hash; the verifier makes them again from plan and usage. */
static void write_short(const struct jval *rating, struct jw *w)
{
    AUTO(buf_done) struct buf lines = buf_init(TEXT_BYTES);
    uint8_t hash[SHA256_LEN];
    char text[8 + 2 * SHA256_LEN];

    jval_canonical(&lines, jval_get(rating, "lines"));
    sha256(lines.p, lines.n, hash);
    snprintf(text, sizeof(text), "sha256:%s", hash_hex(hash).c);
    jw_object(w);
    for (const struct jiter *it = jiter_first(rating); it != NULL; it = jiter_next(rating, it)) {
        if (!str_eq(jiter_key(it), STR("lines"))) {
            jw_key_str(w, jiter_key(it));
            jw_val(w, jiter_value(it));
        }
    }
    jw_kc(w, "lines_hash", text);
    jw_ki64(w, "n_lines", (int64_t)jval_len(jval_get(rating, "lines")));
    jw_object_end(w);
}

static int write_rating(const struct rating *rating, struct jw *w, struct err *err)
{
    static const struct jlimits limits = {TEXT_BYTES, 8, 32 * LIMIT_RATING_LINES};
    AUTO(buf_done) struct buf text = buf_init(TEXT_BYTES);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw whole = jw_init(&text);

    rating_write(rating, &whole);
    if (buf_failed(&text))
        return err_set(err, E_LIMIT, "", "text of a rating");
    if (text.n <= LINES_BYTES) {
        jw_raw(w, buf_str(&text));
        return 0;
    }
    if (jdoc_parse(buf_str(&text), &limits, &doc, err) < 0)
        return err_ret(err);
    write_short(jdoc_root(doc), w);
    return 0;
}

static int canonical(struct str text, struct arena *arena, struct str *ret_text, struct err *err)
{
    static const struct jlimits limits = {TEXT_BYTES, 16, 100000};
    AUTO(buf_done) struct buf out = buf_init(TEXT_BYTES);
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (jdoc_parse(text, &limits, &doc, err) < 0)
        return err_ret(err);
    jval_canonical(&out, jdoc_root(doc));
    *ret_text = arena_str(arena, buf_str(&out));
    if (buf_failed(&out) || !str_present(*ret_text))
        return err_set(err, E_NO_MEMORY, "", "document");
    return 0;
}

/* The part of a document that is about one order, the same in invoice and statement. */
static int make_section(const struct close *close, struct billing *b, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(TEXT_BYTES);
    struct jw w = jw_init(&text);

    jw_object(&w);
    jw_kc(&w, "order", uuid_format(b->order_id).c);
    jw_kstr(&w, "agreement", b->agreement_id);
    jw_kc(&w, "dataset", uuid_format(b->dataset_id).c);
    jw_ki64(&w, "dataset_version", b->dataset_version);
    jw_kstr(&w, "asset", b->asset_id);
    jw_key(&w, "title");
    jw_object(&w);
    jw_kstr(&w, "ko", b->title_ko);
    jw_kstr(&w, "en", b->title_en);
    jw_object_end(&w);
    jw_kc(&w, "provider", uuid_format(b->provider_id).c);
    jw_kc(&w, "consumer", uuid_format(b->consumer_id).c);
    jw_kstr(&w, "plan", b->plan_hash);
    jw_key(&w, "usage");
    write_usage(b, &w);
    jw_key(&w, "rating");
    if (write_rating(b->rating, &w, err) < 0)
        return err_ret(err);
    jw_object_end(&w);
    if (buf_failed(&text))
        return err_set(err, E_LIMIT, "", "section of order '%s'", uuid_format(b->order_id).c);
    return canonical(buf_str(&text), close->arena, &b->section, err);
}

/* -- parties ----------------------------------------------------------------------------------- */

static void write_company(const struct participant *p, struct jw *w)
{
    jw_object(w);
    jw_kc(w, "participant", uuid_format(p->participant_id).c);
    jw_kstr(w, "did", p->did);
    jw_key(w, "name");
    jw_object(w);
    jw_kstr(w, "ko", p->name_ko);
    jw_kstr(w, "en", p->name_en);
    jw_object_end(w);
    jw_kstr(w, "number_kind", p->number_kind);
    jw_kstr(w, "number", p->number);
    jw_kstr(w, "country", p->country);
    jw_object_end(w);
}

static bool seen_before(const struct sheet *sheet, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (uuid_eq(other_of(sheet->orders[j], sheet->kind),
                    other_of(sheet->orders[i], sheet->kind)))
            return true;
    }
    return false;
}

static int make_parties(const struct close *close, struct db *tx, struct sheet *sheet,
                        const struct participant *party, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(TEXT_BYTES);
    struct jw w = jw_init(&text);

    jw_object(&w);
    jw_key(&w, "issuer");
    jw_object(&w);
    jw_kstr(&w, "did", close->app->settings->did);
    jw_kstr(&w, "name", close->app->settings->operator_name);
    jw_object_end(&w);
    jw_key(&w, sheet->kind == INVOICE ? "customer" : "supplier");
    write_company(party, &w);
    jw_key(&w, sheet->kind == INVOICE ? "suppliers" : "customers");
    jw_array(&w);
    for (size_t i = 0; i < sheet->n; i++) {
        struct participant other = {0};

        if (seen_before(sheet, i))
            continue;
        if (participant_get(tx, other_of(sheet->orders[i], sheet->kind), close->arena, &other,
                            err) < 0)
            return err_ret(err);
        write_company(&other, &w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    if (buf_failed(&text))
        return err_set(err, E_LIMIT, "", "parties of a document");
    return canonical(buf_str(&text), close->arena, &sheet->parties, err);
}

/* -- documents --------------------------------------------------------------------------------- */

static int add_up(struct sheet *sheet, struct err *err)
{
    for (size_t i = 0; i < sheet->n; i++) {
        const struct rating *r = sheet->orders[i]->rating;

        if (money_add(sheet->subtotal, r->subtotal_minor, &sheet->subtotal, err) < 0 ||
            money_add(sheet->vat, r->vat_minor, &sheet->vat, err) < 0 ||
            money_add(sheet->total, r->total_minor, &sheet->total, err) < 0 ||
            money_add(sheet->fee, r->fee_minor, &sheet->fee, err) < 0 ||
            money_add(sheet->fee_vat, r->fee_vat_minor, &sheet->fee_vat, err) < 0 ||
            money_add(sheet->payout, r->payout_minor, &sheet->payout, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static void write_sums(const struct sheet *sheet, struct jw *w)
{
    const struct str currency = str_c(sheet->currency->code);

    jw_kstr(w, "currency", currency);
    settlement__amount(w, "subtotal", sheet->subtotal, currency);
    settlement__amount(w, "vat", sheet->vat, currency);
    settlement__amount(w, "total", sheet->total, currency);
    if (sheet->kind == STATEMENT) {
        settlement__amount(w, "fee", sheet->fee, currency);
        settlement__amount(w, "fee_vat", sheet->fee_vat, currency);
        settlement__amount(w, "payout", sheet->payout, currency);
    }
}

static void write_period(const struct period *p, struct jw *w)
{
    jw_key(w, "period");
    jw_object(w);
    jw_kc(w, "id", uuid_format(p->period_id).c);
    jw_kstr(w, "name", p->name);
    key_time(w, "from", p->from_us);
    key_time(w, "to", p->to_us);
    jw_object_end(w);
}

static int make_body(const struct close *close, struct sheet *sheet,
                     const struct participant *party, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(TEXT_BYTES);
    struct jw w = jw_init(&text);
    uint8_t hash[SHA256_LEN];

    sha256(sheet->parties.p, sheet->parties.n, hash);
    jw_object(&w);
    jw_kc(&w, "document", uuid_format(sheet->id).c);
    jw_kc(&w, "kind", kind_names[sheet->kind]);
    jw_kstr(&w, "number", sheet->number);
    key_time(&w, "issued_at", close->period.to_us);
    write_period(&close->period, &w);
    jw_kstr(&w, "issuer", close->app->settings->did);
    jw_kc(&w, "party", uuid_format(sheet->party).c);
    jw_kstr(&w, "party_did", party->did);
    jw_kstr(&w, "parties_hash", arena_printf(close->arena, "sha256:%s", hash_hex(hash).c));
    jw_key(&w, "orders");
    jw_array(&w);
    for (size_t i = 0; i < sheet->n; i++)
        jw_raw(&w, sheet->orders[i]->section);
    jw_array_end(&w);
    write_sums(sheet, &w);
    jw_object_end(&w);
    if (buf_failed(&text))
        return err_set(err, E_LIMIT, "", "document '%.*s'", STR_ARG(sheet->number));
    return canonical(buf_str(&text), close->arena, &sheet->body, err);
}

static int64_t shown_total(const struct sheet *sheet)
{
    return sheet->kind == INVOICE ? sheet->total : sheet->payout;
}

static int log_document(const struct close *close, struct db *tx, const struct sheet *sheet,
                        struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(TEXT_BYTES);
    struct jw w = jw_init(&text);

    jw_object(&w);
    jw_kc(&w, "document", uuid_format(sheet->id).c);
    jw_kc(&w, "document_kind", kind_names[sheet->kind]);
    jw_kstr(&w, "number", sheet->number);
    jw_kc(&w, "period", uuid_format(close->period.period_id).c);
    jw_kc(&w, "participant", uuid_format(sheet->party).c);
    jw_kc(&w, "currency", sheet->currency->code);
    jw_ki64(&w, "net_minor", sheet->subtotal);
    jw_ki64(&w, "vat_minor", sheet->vat);
    jw_ki64(&w, "fee_minor", sheet->kind == INVOICE ? 0 : sheet->fee);
    jw_ki64(&w, "total_minor", shown_total(sheet));
    jw_kraw(&w, "body", sheet->body);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_DOCUMENT_ISSUED, close->now_us, buf_str(&text), err);
}

static int order_payout(const struct close *close, struct db *tx, const struct sheet *sheet,
                        struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    const struct uuid id = ledger_derive("payout", uuid_format(sheet->id).c, "");
    const struct str currency = str_c(sheet->currency->code);
    struct jw w = jw_init(&text);

    if (db_exec(tx, &q_payout_insert,
                DB_ARGS(DB_UUID(id), DB_UUID(close->period.period_id), DB_UUID(sheet->party),
                        DB_UUID(sheet->id), DB_TEXT(currency), DB_I64(sheet->payout),
                        DB_TIME(close->now_us)),
                NULL, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kc(&w, "payout", uuid_format(id).c);
    jw_kc(&w, "period", uuid_format(close->period.period_id).c);
    jw_kc(&w, "participant", uuid_format(sheet->party).c);
    jw_kc(&w, "document", uuid_format(sheet->id).c);
    jw_kstr(&w, "currency", currency);
    jw_ki64(&w, "amount_minor", sheet->payout);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_PAYOUT_ORDERED, close->now_us, buf_str(&text), err);
}

static int issue(const struct close *close, struct db *tx, struct sheet *sheet, struct err *err)
{
    struct participant party = {0};

    if (participant_get(tx, sheet->party, close->arena, &party, err) < 0 ||
        add_up(sheet, err) < 0 || make_parties(close, tx, sheet, &party, err) < 0 ||
        make_body(close, sheet, &party, err) < 0 ||
        db_exec(tx, &q_document_insert,
                DB_ARGS(DB_UUID(sheet->id), DB_TEXT(str_c(kind_names[sheet->kind])),
                        DB_TEXT(sheet->number), DB_UUID(close->period.period_id),
                        DB_UUID(sheet->party), DB_TEXT(str_c(sheet->currency->code)),
                        DB_I64(sheet->subtotal), DB_I64(sheet->vat),
                        DB_I64(sheet->kind == INVOICE ? 0 : sheet->fee), DB_I64(shown_total(sheet)),
                        DB_TEXT(sheet->body), DB_TEXT(sheet->parties), DB_TIME(close->now_us)),
                NULL, err) < 0 ||
        log_document(close, tx, sheet, err) < 0)
        return err_prefix(err, "document '%.*s'", STR_ARG(sheet->number));
    if (sheet->kind == STATEMENT && sheet->payout > 0 && order_payout(close, tx, sheet, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < sheet->n; i++)
        *(sheet->kind == INVOICE ? &sheet->orders[i]->invoice_id
                                 : &sheet->orders[i]->statement_id) = sheet->id;
    return 0;
}

/* -- which orders share a document ------------------------------------------------------------- */

static int cmp_uuid(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof(a.b));
}

static int cmp_billing(const struct billing *a, const struct billing *b, enum document_kind kind)
{
    const int party = cmp_uuid(party_of(a, kind), party_of(b, kind));
    const int currency = strcmp(a->plan->currency->code, b->plan->currency->code);

    return party != 0 ? party : currency != 0 ? currency : cmp_uuid(a->order_id, b->order_id);
}

static int for_invoices(const void *a, const void *b)
{
    return cmp_billing(*(struct billing *const *)a, *(struct billing *const *)b, INVOICE);
}

static int for_statements(const void *a, const void *b)
{
    return cmp_billing(*(struct billing *const *)a, *(struct billing *const *)b, STATEMENT);
}

static bool same_document(const struct billing *a, const struct billing *b, enum document_kind kind)
{
    return uuid_eq(party_of(a, kind), party_of(b, kind)) && a->plan->currency == b->plan->currency;
}

/* How many orders from `at` on stand in one document. */
static size_t fitting(struct billing **orders, size_t n, size_t at, enum document_kind kind)
{
    size_t bytes = orders[at]->section.n;
    size_t end = at + 1;

    while (end < n && same_document(orders[at], orders[end], kind) &&
           bytes + orders[end]->section.n <= SECTIONS_BYTES)
        bytes += orders[end++]->section.n;
    return end - at;
}

static int issue_all(const struct close *close, struct db *tx, enum document_kind kind,
                     struct billing **orders, struct err *err)
{
    size_t part = 1, number = 1;

    qsort(orders, close->n, sizeof(struct billing *),
          kind == INVOICE ? for_invoices : for_statements);
    for (size_t at = 0, n; at < close->n; at += n, number++) {
        struct sheet sheet = {
            .kind = kind, .party = party_of(orders[at], kind), .orders = &orders[at]};
        char name[96];

        n = fitting(orders, close->n, at, kind);
        part = at > 0 && same_document(orders[at - 1], orders[at], kind) ? part + 1 : 1;
        sheet.n = n;
        sheet.currency = orders[at]->plan->currency;
        snprintf(name, sizeof(name), "%s/%s/%zu", uuid_format(sheet.party).c, sheet.currency->code,
                 part);
        sheet.id = ledger_derive(kind_names[kind], uuid_format(close->period.period_id).c, name);
        sheet.number = arena_printf(close->arena, "%s-%.*s-%05zu", number_prefixes[kind],
                                    STR_ARG(close->period.name), number);
        if (!str_present(sheet.number))
            return err_set(err, E_NO_MEMORY, "", "document");
        if (issue(close, tx, &sheet, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int record_orders(const struct close *close, struct db *tx, struct err *err)
{
    struct uuid *ids[] = {
        ARENA_ARRAY(close->arena, struct uuid, close->n),
        ARENA_ARRAY(close->arena, struct uuid, close->n),
        ARENA_ARRAY(close->arena, struct uuid, close->n),
    };

    if (arena_failed(close->arena))
        return err_set(err, E_NO_MEMORY, "", "orders");
    for (size_t i = 0; i < close->n; i++) {
        ids[0][i] = close->orders[i].order_id;
        ids[1][i] = close->orders[i].invoice_id;
        ids[2][i] = close->orders[i].statement_id;
    }
    return db_exec(tx, &q_billed_orders_insert,
                   DB_ARGS(DB_UUID(close->period.period_id),
                           DB_ARRAY(DBT_UUID_ARRAY, ids[0], close->n),
                           DB_ARRAY(DBT_UUID_ARRAY, ids[1], close->n),
                           DB_ARRAY(DBT_UUID_ARRAY, ids[2], close->n)),
                   NULL, err);
}

int close__documents(struct close *close, struct db *tx, struct err *err)
{
    struct billing **orders = ARENA_ARRAY(close->arena, struct billing *, close->n);

    if (orders == NULL)
        return err_set(err, E_NO_MEMORY, "", "orders");
    for (size_t i = 0; i < close->n; i++) {
        orders[i] = &close->orders[i];
        if (make_section(close, orders[i], err) < 0)
            return err_ret(err);
    }
    if (issue_all(close, tx, INVOICE, orders, err) < 0 ||
        issue_all(close, tx, STATEMENT, orders, err) < 0)
        return err_ret(err);
    return record_orders(close, tx, err);
}
