/*
 * server/settlement/close_post.c - postings of a close (rule 7 of settlement.c)
 *
 * All accounts are opened first, then locked in one statement in the order of their ids, so that a
 * close and the holds of new orders cannot wait for each other in a circle.
 */
#include "server/settlement/settlement_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define POSTS_PER_ORDER 8

/* Accounts of one order. */
struct accounts {
    struct uuid receivable, payable, clearing, fee, vat, rounding, rounding_clearing;
};

#define ACCOUNTS_PER_ORDER (sizeof(struct accounts) / sizeof(struct uuid))

struct headroom {
    struct uuid account_id;
    int64_t headroom_minor;
};
/* clang-format off */
static const struct field headroom_fields[] = {
    FIELD(struct headroom, account_id,     "account_id",     F_REQUIRED),
    FIELD(struct headroom, headroom_minor, "headroom_minor", F_REQUIRED),
};
static OBJECT(headroom_row, struct headroom, headroom_fields, CLOSED);

/* clang-format on */

struct posting {
    struct close *close;
    struct db *tx;
    struct accounts *accounts; /* by order */
    struct list headroom;      /* struct headroom, ascending by account */
    struct ledger_transfer *transfers;
    size_t n;
};

static const struct uuid operator_id; /* zero */

/* -- accounts ---------------------------------------------------------------------------------- */

static struct str micro_of(struct arena *arena, const struct currency *currency)
{
    return arena_printf(arena, "%s/6", currency->code);
}

static int open_accounts(struct posting *p, size_t i, struct err *err)
{
    const struct billing *b = &p->close->orders[i];
    const struct str currency = str_c(b->plan->currency->code);
    const struct str micro = micro_of(p->close->arena, b->plan->currency);
    struct accounts *a = &p->accounts[i];

    const struct {
        struct uuid owner;
        enum ledger_code code;
        struct str currency;
        struct uuid *account;
    } wanted[] = {
        {b->consumer_id, LEDGER_RECEIVABLE, currency, &a->receivable       },
        {b->provider_id, LEDGER_PAYABLE,    currency, &a->payable          },
        {operator_id,    LEDGER_CLEARING,   currency, &a->clearing         },
        {operator_id,    LEDGER_FEE,        currency, &a->fee              },
        {operator_id,    LEDGER_VAT,        currency, &a->vat              },
        {operator_id,    LEDGER_ROUNDING,   micro,    &a->rounding         },
        {operator_id,    LEDGER_CLEARING,   micro,    &a->rounding_clearing},
    };

    /* most orders share the operator's accounts with the one before */
    if (i > 0 && p->close->orders[i - 1].plan->currency == b->plan->currency)
        *a = p->accounts[i - 1];
    for (size_t k = 0; k < ARRAY_LEN(wanted); k++) {
        if (!uuid_is_zero(*wanted[k].account) && uuid_is_zero(wanted[k].owner))
            continue;
        if (ledger_account(p->close->app, p->tx, wanted[k].owner, wanted[k].code,
                           wanted[k].currency, wanted[k].account, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int lock_accounts(struct posting *p, struct err *err)
{
    struct list *list = &p->headroom;

    return db_list(p->tx, &q_close_headroom,
                   DB_ARGS(DB_ARRAY(DBT_UUID_ARRAY, p->accounts, ACCOUNTS_PER_ORDER * p->close->n)),
                   &headroom_row, p->close->arena, p->close->n + 1, list, err);
}

static int64_t *headroom_of(const struct posting *p, struct uuid account)
{
    struct headroom *items = p->headroom.items;

    for (size_t low = 0, high = p->headroom.n; low < high;) {
        const size_t mid = low + (high - low) / 2;
        const int order = memcmp(items[mid].account_id.b, account.b, sizeof(account.b));

        if (order == 0)
            return &items[mid].headroom_minor;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* -- transfers --------------------------------------------------------------------------------- */

/* A row of rule 7. */
struct entry {
    const char *code;
    enum ledger_kind kind;
    struct uuid debit, credit;
    int64_t minor;
    struct str currency;
};

static void add(struct posting *p, const struct billing *b, struct entry e)
{
    const struct uuid_text invoice = uuid_format(b->invoice_id);
    const struct uuid_text order = uuid_format(b->order_id);
    char line[2 * UUID_TEXT_LEN + 2];

    if (e.minor == 0)
        return;
    snprintf(line, sizeof(line), "%s/%s", invoice.c, order.c);
    p->transfers[p->n++] = (struct ledger_transfer){
        .transfer_id = ledger_derive("inv", line, e.code),
        .kind = e.kind,
        .pending_id = e.kind == LEDGER_CAPTURE ? b->hold_id : operator_id,
        .journal_id = ledger_derive("journal", invoice.c, order.c),
        .debit_id = e.minor > 0 ? e.debit : e.credit,
        .credit_id = e.minor > 0 ? e.credit : e.debit,
        .amount_minor = e.minor > 0 ? e.minor : -e.minor,
        .currency = e.currency,
        .code = str_c(e.code),
        .effective_us = p->close->period.to_us,
    };
}

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What the consumer owes: hold, then credit, then beyond it. */
static int add_debt(struct posting *p, const struct billing *b, const struct accounts *a,
                    struct err *err)
{
    const struct str currency = str_c(b->plan->currency->code);
    const int64_t total = b->rating->total_minor;
    const bool held = !uuid_is_zero(b->hold_id);
    const int64_t captured = held ? lower(b->hold_minor, total) : 0;
    int64_t *headroom = headroom_of(p, a->receivable);
    int64_t below, excess;
    struct uuid excess_account = {0};

    if (headroom == NULL)
        return err_set(err, E_CORRUPT, "led.balance", "receivable '%s' has no limit",
                       uuid_format(a->receivable).c);
    if (held && captured == 0 &&
        ledger_release(p->close->app, p->tx, b->hold_id, p->close->period.to_us, err) < 0)
        return err_ret(err);
    *headroom += held ? b->hold_minor - captured : 0;
    below = lower(total - captured, *headroom);
    excess = total - captured - below;
    *headroom -= below;
    if (excess > 0 && ledger_account(p->close->app, p->tx, b->consumer_id, LEDGER_EXCESS, currency,
                                     &excess_account, err) < 0)
        return err_ret(err);
    /* clang-format off */
    add(p, b, (struct entry){"order.capture",  LEDGER_CAPTURE, a->receivable,  a->clearing, captured, currency});
    add(p, b, (struct entry){"invoice",        LEDGER_NORMAL,  a->receivable,  a->clearing, below,    currency});
    add(p, b, (struct entry){"invoice.excess", LEDGER_NORMAL,  excess_account, a->clearing, excess,   currency});
    /* clang-format on */
    return 0;
}

static void add_shares(struct posting *p, const struct billing *b, const struct accounts *a,
                       struct str micro)
{
    const struct str currency = str_c(b->plan->currency->code);
    const struct rating *r = b->rating;

    /* clang-format off */
    add(p, b, (struct entry){"payable",  LEDGER_NORMAL, a->clearing, a->payable,           r->payout_minor,  currency});
    add(p, b, (struct entry){"fee",      LEDGER_NORMAL, a->clearing, a->fee,               r->fee_minor,     currency});
    add(p, b, (struct entry){"vat",      LEDGER_NORMAL, a->clearing, a->vat,               r->fee_vat_minor, currency});
    add(p, b, (struct entry){"rounding", LEDGER_NORMAL, a->rounding, a->rounding_clearing, r->residue_micro, micro});
    /* clang-format on */
}

static int post_orders(struct posting *p, struct err *err)
{
    for (size_t i = 0; i < p->close->n; i++) {
        const struct billing *b = &p->close->orders[i];
        const struct str micro = micro_of(p->close->arena, b->plan->currency);

        if (!str_present(micro))
            return err_set(err, E_NO_MEMORY, "", "postings");
        if (add_debt(p, b, &p->accounts[i], err) < 0)
            return err_prefix(err, "order '%s'", uuid_format(b->order_id).c);
        add_shares(p, b, &p->accounts[i], micro);
    }
    return ledger_post(p->close->app, p->tx, p->transfers, p->n, err);
}

int close__post(struct close *close, struct db *tx, struct err *err)
{
    struct posting p = {
        .close = close,
        .tx = tx,
        .accounts = ARENA_ARRAY(close->arena, struct accounts, close->n),
        .transfers = ARENA_ARRAY(close->arena, struct ledger_transfer, POSTS_PER_ORDER * close->n),
    };

    if (p.accounts == NULL || p.transfers == NULL)
        return err_set(err, E_NO_MEMORY, "", "postings");
    if (close->n == 0)
        return 0;
    for (size_t i = 0; i < close->n; i++) {
        if (open_accounts(&p, i, err) < 0)
            return err_ret(err);
    }
    return lock_accounts(&p, err) < 0 ? err_ret(err) : post_orders(&p, err);
}
