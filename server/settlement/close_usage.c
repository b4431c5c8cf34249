/*
 * server/settlement/close_usage.c - which orders and events a close bills, and what they cost
 * (rules 2, 3 and 4 of settlement.c)
 *
 * Events come in pages in the order of their ids, so memory does not grow with their number.
 */
#include "lib/base/limits.h"
#include "server/audit/audit.h"
#include "server/settlement/settlement_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define ORDERS_MAX  1000000
#define PAGE        4096
#define PAGE_ARENA  MIB(16)
#define REACH_US    (2 * USAGE_AGE_US)
#define TOTAL_MAX   INT64_C(1000000000000) /* of an order: sums over all orders then fit */
#define MS_CEIL(us) (((us) + 999) / 1000)

/* clang-format off */
static const struct field billing_fields[] = {
    FIELD(struct billing, order_id,        "order_id",        F_REQUIRED),
    FIELD(struct billing, dataset_id,      "dataset_id",      F_REQUIRED),
    FIELD(struct billing, dataset_version, "dataset_version", F_REQUIRED),
    FIELD(struct billing, asset_id,        "asset_id",        F_REQUIRED),
    FIELD(struct billing, title_ko,        "title_ko",        F_REQUIRED),
    FIELD(struct billing, title_en,        "title_en",        F_REQUIRED),
    FIELD(struct billing, provider_id,     "provider_id",     F_REQUIRED),
    FIELD(struct billing, consumer_id,     "consumer_id",     F_REQUIRED),
    FIELD(struct billing, plan_hash,       "plan_hash",       F_REQUIRED),
    FIELD(struct billing, plan_text,       "plan_text",       F_REQUIRED),
    FIELD(struct billing, agreement_id,    "agreement_id",    F_REQUIRED),
    FIELD(struct billing, deal_id,         "deal_id",         F_REQUIRED),
    FIELD(struct billing, active_us,       "active_at",       F_REQUIRED | F_TIME),
    FIELD(struct billing, active_end_us,   "active_end",      F_TIME),
    FIELD(struct billing, hold_id,         "hold_id",         0),
    FIELD(struct billing, hold_minor,      "hold_minor",      F_REQUIRED),
    FIELD(struct billing, billed_before,   "billed_before",   F_REQUIRED),
};
static OBJECT(billing_row, struct billing, billing_fields, CLOSED);

struct missing {
    struct uuid deal_id;
    int role;
    int64_t missing;
};
static const char *const roles[] = {"provider", "consumer", NULL};
static const struct field missing_fields[] = {
    FIELD(struct missing, deal_id,   "deal_id", F_REQUIRED),
    FIELD_ENUM(struct missing, role, "role",    F_REQUIRED, roles),
    FIELD(struct missing, missing,   "missing", F_REQUIRED),
};
static OBJECT(missing_row, struct missing, missing_fields, CLOSED);

/* clang-format on */

/* -- orders ------------------------------------------------------------------------------------ */

static int by_plan(const void *a, const void *b)
{
    return str_cmp((*(struct billing *const *)a)->plan_hash,
                   (*(struct billing *const *)b)->plan_hash);
}

static int by_deal(const void *a, const void *b)
{
    return memcmp((*(struct billing *const *)a)->deal_id.b,
                  (*(struct billing *const *)b)->deal_id.b, sizeof(struct uuid));
}

/* Each plan is read once. */
static int read_plans(struct close *close, struct err *err)
{
    const struct billing *last = NULL;

    qsort(close->by_deal, close->n, sizeof(struct billing *), by_plan);
    for (size_t i = 0; i < close->n; i++) {
        struct billing *b = close->by_deal[i];

        if (last != NULL && str_eq(last->plan_hash, b->plan_hash))
            b->plan = last->plan;
        else if (plan_parse(b->plan_text, close->arena, &b->plan, err) < 0)
            return err_set(err, E_CORRUPT, "cat.plan", "plan '%.*s' cannot be read",
                           STR_ARG(b->plan_hash));
        last = b;
    }
    qsort(close->by_deal, close->n, sizeof(struct billing *), by_deal);
    return 0;
}

static bool is_left_out(const struct close *close, struct uuid order_id)
{
    for (size_t i = 0; i < close->n_unbilled; i++) {
        if (uuid_eq(close->unbilled[i].order_id, order_id))
            return true;
    }
    return false;
}

static int load_orders(struct close *close, struct db *tx, struct err *err)
{
    const struct period *p = &close->period;
    struct list list = {0};

    if (db_list(tx, &q_close_orders,
                DB_ARGS(DB_TIME(p->from_us), DB_TIME(p->to_us), DB_TIME(p->to_us - REACH_US)),
                &billing_row, close->arena, ORDERS_MAX, &list, err) < 0)
        return err_ret(err);
    if (list.n >= ORDERS_MAX)
        return err_set(err, E_LIMIT, "", "more than %d orders in one period", ORDERS_MAX);
    close->orders = list.items;
    for (size_t i = 0; i < list.n; i++) {
        if (!is_left_out(close, close->orders[i].order_id))
            close->orders[close->n++] = close->orders[i];
    }
    close->by_deal = ARENA_ARRAY(close->arena, struct billing *, close->n);
    if (close->by_deal == NULL)
        return err_set(err, E_NO_MEMORY, "", "orders");
    for (size_t i = 0; i < close->n; i++)
        close->by_deal[i] = &close->orders[i];
    return read_plans(close, err);
}

static struct billing *find(const struct close *close, struct uuid deal_id)
{
    const struct billing key = {.deal_id = deal_id};
    const struct billing *key_address = &key;
    struct billing **found = close->n == 0 ? NULL
                                           : bsearch(&key_address, close->by_deal, close->n,
                                                     sizeof(struct billing *), by_deal);

    return found != NULL ? *found : NULL;
}

/* -- events ------------------------------------------------------------------------------------ */

/* A page of billed events as columns. */
struct page {
    size_t n;
    struct uuid *events, *deals;
    struct str *states, *entries;
    int64_t *calls, *bytes, *rows;
};

static bool is_billed(const struct match_result *r)
{
    return r->state == MATCH_MATCHED || r->billable.calls > 0 || r->billable.bytes > 0 ||
           r->billable.rows > 0;
}

/* Leaves an order out: what was done so far is undone and done again without it. */
static int leave_out(struct close *close, const struct billing *b, struct err *err)
{
    struct unbilled *u = &close->unbilled[close->n_unbilled];

    if (err->code != E_RANGE && err->code != E_LIMIT)
        return err_prefix(err, "order '%s'", uuid_format(b->order_id).c);
    if (close->n_unbilled == UNBILLED_MAX)
        return err_set(err, E_LIMIT, "", "more than %d orders cannot be billed", UNBILLED_MAX);
    u->order_id = b->order_id;
    snprintf(u->reason, sizeof(u->reason), "%s", err->text);
    close->n_unbilled++;
    close->again = true;
    return err_ret(err);
}

static int add_counts(struct close *close, struct billing *b, const struct match_counts *counts,
                      struct err *err)
{
    if (money_add(b->used.calls, counts->calls, &b->used.calls, err) < 0 ||
        money_add(b->used.bytes, counts->bytes, &b->used.bytes, err) < 0 ||
        money_add(b->used.rows, counts->rows, &b->used.rows, err) < 0)
        return leave_out(close, b, err);
    b->events++;
    return 0;
}

/* The whole entry event.billed, members in canonical order: there are as many as events. */
static struct str event_entry(const struct close *close, const struct billing *b,
                              const struct usage_event *e, const struct match_result *r,
                              struct arena *arena)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(16));
    struct jw w = jw_init(&text);

    jw_object(&w);
    jw_kc(&w, "at", time_format(close->now_us).c);
    jw_key(&w, "body");
    jw_object(&w);
    jw_ki64(&w, "bytes", r->billable.bytes);
    jw_ki64(&w, "calls", r->billable.calls);
    jw_kc(&w, "event", uuid_format(e->event_id).c);
    jw_kc(&w, "match", match_state_names[r->state]);
    jw_kc(&w, "order", uuid_format(b->order_id).c);
    jw_kc(&w, "period", uuid_format(close->period.period_id).c);
    jw_ki64(&w, "rows", r->billable.rows);
    jw_object_end(&w);
    jw_kc(&w, "kind", entry_kind_name(ENTRY_EVENT_BILLED));
    jw_object_end(&w);
    return buf_failed(&text) ? STR_NONE : arena_str(arena, buf_str(&text));
}

static int bill_event(struct close *close, const struct usage_event *e, struct page *page,
                      struct arena *arena, struct err *err)
{
    struct billing *b = find(close, e->deal_id);
    const struct match_counts provider = {e->provider_calls, e->provider_rows, e->provider_bytes};
    const struct match_counts consumer = {e->consumer_calls, e->consumer_rows, e->consumer_bytes};
    struct match_result r;

    if (b == NULL)
        return 0; /* a deal without order: nothing to pay */
    r = match_event(e->has_provider ? &provider : NULL, e->has_consumer ? &consumer : NULL,
                    b->plan->match_rule, b->plan->tolerance_ppm);
    if (!is_billed(&r))
        return 0;
    page->events[page->n] = e->event_id;
    page->deals[page->n] = e->deal_id;
    page->states[page->n] = str_c(match_state_names[r.state]);
    page->entries[page->n] = event_entry(close, b, e, &r, arena);
    page->calls[page->n] = r.billable.calls;
    page->bytes[page->n] = r.billable.bytes;
    page->rows[page->n] = r.billable.rows;
    if (!str_present(page->entries[page->n++]))
        return err_set(err, E_NO_MEMORY, "", "billed events");
    return add_counts(close, b, &r.billable, err);
}

static int store_page(struct close *close, struct db *tx, const struct page *page, struct err *err)
{
    if (page->n == 0)
        return 0;
    if (db_exec(tx, &q_billed_events_insert,
                DB_ARGS(DB_UUID(close->period.period_id),
                        DB_ARRAY(DBT_UUID_ARRAY, page->events, page->n),
                        DB_ARRAY(DBT_UUID_ARRAY, page->deals, page->n),
                        DB_ARRAY(DBT_I64_ARRAY, page->calls, page->n),
                        DB_ARRAY(DBT_I64_ARRAY, page->bytes, page->n),
                        DB_ARRAY(DBT_I64_ARRAY, page->rows, page->n),
                        DB_ARRAY(DBT_TEXT_ARRAY, page->states, page->n)),
                NULL, err) < 0)
        return err_ret(err);
    return audit_append_canonical(tx, page->entries, page->n, err);
}

static int bill_page(struct close *close, struct db *tx, const struct list *events,
                     struct arena *arena, struct err *err)
{
    struct page page = {
        .events = ARENA_ARRAY(arena, struct uuid, events->n),
        .deals = ARENA_ARRAY(arena, struct uuid, events->n),
        .states = ARENA_ARRAY(arena, struct str, events->n),
        .entries = ARENA_ARRAY(arena, struct str, events->n),
        .calls = ARENA_ARRAY(arena, int64_t, events->n),
        .bytes = ARENA_ARRAY(arena, int64_t, events->n),
        .rows = ARENA_ARRAY(arena, int64_t, events->n),
    };

    if (arena_failed(arena))
        return err_set(err, E_NO_MEMORY, "", "billed events");
    for (size_t i = 0; i < events->n; i++) {
        if (bill_event(close, &LIST_ITEMS(struct usage_event, *events)[i], &page, arena, err) < 0)
            return err_ret(err);
    }
    return store_page(close, tx, &page, err);
}

static int bill_events(struct close *close, struct db *tx, struct err *err)
{
    static const uint8_t zeros[10];
    AUTO(arena_free) struct arena *arena = arena_new(PAGE_ARENA);
    const int64_t oldest_us = close->period.to_us - REACH_US;
    const struct uuid before = uuid_v7_from(MS_CEIL(close->period.to_us), zeros);
    struct uuid after = uuid_v7_from(oldest_us > 0 ? oldest_us / 1000 : 0, zeros);
    struct uuid after_deal = {0};
    struct list events = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "events");
    do {
        arena_reset(arena);
        if (db_list(tx, &q_close_events,
                    DB_ARGS(DB_UUID(after), DB_UUID(after_deal), DB_UUID(before), DB_I64(PAGE)),
                    &usage_event_row, arena, PAGE, &events, err) < 0 ||
            bill_page(close, tx, &events, arena, err) < 0)
            return err_ret(err);
        if (events.n > 0) {
            const struct usage_event *last = &LIST_ITEMS(struct usage_event, events)[events.n - 1];

            after = last->event_id;
            after_deal = last->deal_id;
        }
    } while (events.n == PAGE);
    return 0;
}

/* How many sequence numbers have not come, for the agreements that have events in this close. */
static int count_missing(struct close *close, struct db *tx, struct err *err)
{
    struct uuid *ids = ARENA_ARRAY(close->arena, struct uuid, close->n);
    struct list list = {0};
    size_t n = 0;

    if (ids == NULL)
        return err_set(err, E_NO_MEMORY, "", "orders");
    for (size_t i = 0; i < close->n; i++) {
        if (close->orders[i].events > 0)
            ids[n++] = close->orders[i].deal_id;
    }
    if (n > 0 && db_list(tx, &q_close_missing, DB_ARGS(DB_ARRAY(DBT_UUID_ARRAY, ids, n)),
                         &missing_row, close->arena, 2 * n, &list, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < list.n; i++) {
        const struct missing *m = &LIST_ITEMS(struct missing, list)[i];
        struct billing *b = find(close, m->deal_id);

        if (b != NULL)
            *(m->role == 0 ? &b->missing_provider : &b->missing_consumer) = m->missing;
    }
    return 0;
}

/* -- rating ------------------------------------------------------------------------------------ */

static bool takes_part(const struct close *close, const struct billing *b)
{
    return b->events > 0 || !b->billed_before || b->active_end_us == 0 ||
           b->active_end_us > close->period.from_us;
}

static int rate(struct close *close, struct billing *b, struct err *err)
{
    const struct rating_usage usage = {
        .calls = b->used.calls,
        .rows = b->used.rows,
        .bytes = b->used.bytes,
        .period_from_us = close->period.from_us,
        .period_to_us = close->period.to_us,
        .active_from_us = b->active_us,
        .active_to_us = b->active_end_us == 0             ? INT64_MAX
                        : b->active_end_us < b->active_us ? b->active_us
                                                          : b->active_end_us,
        .zone_min = ZONE_MIN,
        .first_period = !b->billed_before,
    };

    if (rating_rate(b->plan, &usage, close->arena, &b->rating, err) < 0)
        return leave_out(close, b, err);
    if (b->rating->total_minor <= TOTAL_MAX)
        return 0;
    IGNORE(err_set(err, E_RANGE, "", "the total is over %lld minor units", (long long)TOTAL_MAX),
           "handed on by leave_out");
    return leave_out(close, b, err);
}

static int rate_all(struct close *close, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < close->n; i++) {
        struct billing *b = &close->orders[i];

        if (!takes_part(close, b))
            continue;
        if (rate(close, b, err) < 0)
            return err_ret(err);
        if (b->rating->n_lines > 0 || !b->billed_before)
            close->orders[n++] = *b; /* by_deal is not used any more */
    }
    close->n = n;
    close->by_deal = NULL;
    return 0;
}

static int bill_once(struct db *tx, void *arg, struct err *err)
{
    struct close *close = arg;

    close->n = 0;
    if (load_orders(close, tx, err) < 0 || bill_events(close, tx, err) < 0 ||
        count_missing(close, tx, err) < 0)
        return err_ret(err);
    return rate_all(close, err);
}

int close__bill(struct close *close, struct db *tx, struct err *err)
{
    for (;;) {
        close->again = false;
        if (db_tx(tx, "close_bill", bill_once, close, err) == 0)
            break;
        if (!close->again)
            return err_ret(err);
        err_clear(err);
    }
    for (size_t i = 0; i < close->n_unbilled; i++) {
        const struct unbilled *u = &close->unbilled[i];

        if (db_exec(tx, &q_unbilled_order_insert,
                    DB_ARGS(DB_UUID(u->order_id), DB_UUID(close->period.period_id),
                            DB_TEXT(str_c(u->reason))),
                    NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}
