/*
 * cli/verify_ledger.c - the ledger replayed from its entries
 *
 * 1 An account's id is derived from owner, code and currency; its side is that of its code; only a
 *   receivable has a credit limit.
 * 2 A posting moves a positive amount between two accounts of its currency.
 * 3 A capture or void names an open hold with the same accounts and currency; a capture takes at most
 *   what is held, a void exactly that; a hold is resolved once.
 * 4 A reversal mirrors a posting, once.
 * 5 Debits, posted and held, less credits never exceed the credit limit; what an invoice takes
 *   beyond it is posted as excess, and only then.
 * 6 At the end each posting belongs to an order or a document, debits equal credits in each currency,
 *   and clearing is empty (that of residues has its counterpart in rounding).
 */
#include "cli/verify_private.h"

#include "lib/base/banned.h"

/* -- accounts ------------------------------------------------------------------------------------ */

static const struct {
    const char *code, *side;
    bool limited;
} codes[] = {
    {"receivable", "debit",  true },
    {"excess",     "debit",  false},
    {"payable",    "credit", false},
    {"fee",        "credit", false},
    {"vat",        "credit", false},
    {"rounding",   "credit", false},
    {"clearing",   "credit", false},
    {"bank",       "debit",  false},
};

static void check_form(struct facts *f, int64_t at, const struct entry *e,
                       const struct known_account *a)
{
    size_t i = 0;

    if (!str_eq(a->account, verify__account_id(f, a->owner, a->code, a->currency)))
        verify_find(f->v, at, "ledger", "account %.*s: its id is not that of owner, code, currency",
                    STR_ARG(a->account));
    if (a->owner.n > 0 && strmap_find(&f->participants, a->owner) == NULL)
        verify_find(f->v, at, "ledger", "account %.*s: its owner has never applied",
                    STR_ARG(a->account));
    while (i < ARRAY_LEN(codes) && !str_eq_c(a->code, codes[i].code))
        i++;
    if (i == ARRAY_LEN(codes) || !str_eq_c(verify__text(e, "side"), codes[i].side) ||
        codes[i].limited != (a->limit_minor >= 0))
        verify_find(f->v, at, "ledger", "account %.*s: side or limit is not that of '%.*s'",
                    STR_ARG(a->account), STR_ARG(a->code));
}

void verify__account_opened(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__keep(f, verify__text(e, "account"));
    struct known_account *a;

    if (strmap_find(&f->accounts, id) != NULL) {
        verify_find(f->v, at, "ledger", "account %.*s is opened twice", STR_ARG(id));
        return;
    }
    a = verify__add(f, &f->accounts, id, sizeof(*a));
    if (a == NULL)
        return;
    a->account = id;
    a->owner = verify__keep(f, verify__text(e, "owner"));
    a->code = verify__keep(f, verify__text(e, "code"));
    a->currency = verify__keep(f, verify__text(e, "currency"));
    a->limit_minor = -1;
    if (verify__has(e, "limit_minor"))
        a->limit_minor = verify__number(e, "limit_minor");
    check_form(f, at, e, a);
}

/* -- postings ------------------------------------------------------------------------------------ */

static bool is_kind(const struct known_transfer *t, const char *kind)
{
    return str_eq_c(t->kind, kind);
}

/* Rule 3; the hold is set if the posting fits it. */
static bool find_hold(struct facts *f, int64_t at, const struct entry *e, struct known_transfer *t)
{
    struct known_transfer *hold = strmap_find(&f->transfers, verify__text(e, "pending"));
    const char *wrong = NULL;

    if (hold == NULL || !is_kind(hold, "hold"))
        wrong = "its hold is not in the log";
    else if (hold->resolved != NULL)
        wrong = "its hold was resolved before";
    else if (hold->debit != t->debit || hold->credit != t->credit)
        wrong = "its hold is between other accounts";
    else if (t->amount_minor > hold->amount_minor ||
             (is_kind(t, "void") && t->amount_minor != hold->amount_minor))
        wrong = "its hold is of another amount";
    if (wrong != NULL) {
        verify_find(f->v, at, "ledger", "posting %.*s: %s", STR_ARG(t->transfer), wrong);
        return false;
    }
    t->pending = hold;
    hold->resolved = t;
    return true;
}

/* Rule 4. */
static void check_reversal(struct facts *f, int64_t at, const struct entry *e,
                           const struct known_transfer *t)
{
    struct known_transfer *original = strmap_find(&f->transfers, verify__text(e, "reverses"));

    if (original == NULL || original->reversed || !is_kind(t, "normal") ||
        !(is_kind(original, "normal") || is_kind(original, "capture")) ||
        original->amount_minor != t->amount_minor || original->debit != t->credit ||
        original->credit != t->debit)
        verify_find(f->v, at, "ledger",
                    "posting %.*s does not mirror what it reverses, or it was "
                    "reversed before",
                    STR_ARG(t->transfer));
    if (original != NULL)
        original->reversed = true;
}

/* What is left below the limit; negative if it is exceeded. */
static int64_t room(const struct known_account *a)
{
    int64_t used;

    if (__builtin_add_overflow(a->debits, a->debits_held, &used) ||
        __builtin_sub_overflow(used, a->credits, &used) ||
        __builtin_sub_overflow(a->limit_minor, used, &used))
        return -1;
    return used;
}

static void add(struct facts *f, int64_t at, int64_t *sum, int64_t minor)
{
    if (__builtin_add_overflow(*sum, minor, sum))
        verify_find(f->v, at, "ledger", "a balance is beyond all numbers");
}

static void apply(struct facts *f, int64_t at, const struct known_transfer *t)
{
    struct known_account *debit = t->debit, *credit = t->credit;

    if (t->pending != NULL) {
        add(f, at, &debit->debits_held, -t->pending->amount_minor);
        add(f, at, &credit->credits_held, -t->pending->amount_minor);
    }
    if (is_kind(t, "hold")) {
        add(f, at, &debit->debits_held, t->amount_minor);
        add(f, at, &credit->credits_held, t->amount_minor);
    }
    if (is_kind(t, "normal") || is_kind(t, "capture")) {
        add(f, at, &debit->debits, t->amount_minor);
        add(f, at, &credit->credits, t->amount_minor);
    }
    if (is_kind(t, "void")) {
        debit->released = debit->released_us == t->effective_us ? debit->released : 0;
        debit->released_us = t->effective_us;
        add(f, at, &debit->released, t->amount_minor);
    }
    if (debit->limit_minor >= 0 && room(debit) < 0)
        verify_find(f->v, at, "ledger",
                    "posting %.*s of %lld exceeds the credit limit %lld of account %.*s by %lld",
                    STR_ARG(t->transfer), (long long)t->amount_minor, (long long)debit->limit_minor,
                    STR_ARG(debit->account), (long long)-room(debit));
}

/*
 * Rule 5: excess is posted only where the receivable is full. Holds that the same close released for
 * later orders were not free yet when it was decided.
 */
static void check_excess(struct facts *f, int64_t at, const struct known_transfer *t)
{
    const struct known_account *receivable;

    if (!str_eq(t->code, STR("invoice.excess")))
        return;
    receivable = strmap_find(&f->accounts, verify__account_id(f, t->debit->owner, STR("receivable"),
                                                              t->debit->currency));
    if (receivable == NULL || !str_eq(t->debit->code, STR("excess")))
        verify_find(f->v, at, "ledger", "posting %.*s: no receivable that could be full",
                    STR_ARG(t->transfer));
    else if (room(receivable) >
             (receivable->released_us == t->effective_us ? receivable->released : 0))
        verify_find(f->v, at, "ledger",
                    "posting %.*s is beyond the credit limit, which leaves %lld",
                    STR_ARG(t->transfer), (long long)room(receivable));
}

static bool check_posting(struct facts *f, int64_t at, const struct entry *e,
                          struct known_transfer *t)
{
    static const char *const kinds[] = {"normal", "hold", "capture", "void"};
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        known = known || is_kind(t, kinds[i]);
    if (!known || t->amount_minor <= 0 || t->debit == NULL || t->credit == NULL ||
        t->debit == t->credit) {
        verify_find(f->v, at, "ledger",
                    "posting %.*s does not move a positive amount between two known accounts",
                    STR_ARG(t->transfer));
        return false;
    }
    if (!str_eq(t->debit->currency, t->currency) || !str_eq(t->credit->currency, t->currency)) {
        verify_find(f->v, at, "ledger", "posting %.*s is in %.*s, its accounts are not",
                    STR_ARG(t->transfer), STR_ARG(t->currency));
        return false;
    }
    if (verify__text(e, "reverses").n > 0)
        check_reversal(f, at, e, t);
    return (!is_kind(t, "capture") && !is_kind(t, "void")) || find_hold(f, at, e, t);
}

/* A hold is found by the order that it is for. */
static void keep_hold(struct facts *f, int64_t at, struct known_transfer *t)
{
    if (!is_kind(t, "hold"))
        return;
    if (strmap_find(&f->journals, t->journal) != NULL)
        verify_find(f->v, at, "ledger", "order %.*s has two holds", STR_ARG(t->journal));
    else if (!strmap_add(&f->journals, t->journal, t))
        verify_find(f->v, at, "ledger", "out of memory");
}

void verify__transfer_posted(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str id = verify__keep(f, verify__text(e, "transfer"));
    struct known_transfer *t;

    if (strmap_find(&f->transfers, id) != NULL) {
        verify_find(f->v, at, "ledger", "posting %.*s occurs twice", STR_ARG(id));
        return;
    }
    t = verify__add(f, &f->transfers, id, sizeof(*t));
    if (t == NULL)
        return;
    t->transfer = id;
    t->kind = verify__keep(f, verify__text(e, "transfer_kind"));
    t->code = verify__keep(f, verify__text(e, "code"));
    t->currency = verify__keep(f, verify__text(e, "currency"));
    t->journal = verify__keep(f, verify__text(e, "journal"));
    t->debit = strmap_find(&f->accounts, verify__text(e, "debit"));
    t->credit = strmap_find(&f->accounts, verify__text(e, "credit"));
    t->amount_minor = verify__number(e, "amount_minor");
    t->effective_us = verify__time(e, "effective_at");
    t->entry = at;
    f->v->transfers++;
    if (!check_posting(f, at, e, t))
        return;
    apply(f, at, t);
    check_excess(f, at, t);
    keep_hold(f, at, t);
}

/* -- at the end ---------------------------------------------------------------------------------- */

/* The hold of an order, and its release if the order came to nothing. */
static void check_order(struct facts *f, struct known_order *o)
{
    struct known_transfer *hold = strmap_find(&f->journals, o->order);
    const struct str consumer = verify__account_id(f, o->consumer, STR("receivable"), o->currency);
    const struct str clearing = verify__account_id(f, STR(""), STR("clearing"), o->currency);

    if (hold == NULL) {
        if (o->hold_minor != 0)
            verify_find(f->v, o->entry, "ledger", "the hold of order %.*s was not posted",
                        STR_ARG(o->order));
        return;
    }
    hold->explained = true;
    if (hold->debit == NULL || hold->credit == NULL || hold->amount_minor != o->hold_minor ||
        !str_eq(hold->code, STR("order.hold")) || !str_eq(hold->debit->account, consumer) ||
        !str_eq(hold->credit->account, clearing))
        verify_find(f->v, hold->entry, "ledger",
                    "the hold of order %.*s is %lld; the order says %lld, from its consumer to "
                    "clearing",
                    STR_ARG(o->order), (long long)hold->amount_minor, (long long)o->hold_minor);
    if (!str_eq(o->state, STR("cancelled")))
        return;
    if (hold->resolved == NULL || !is_kind(hold->resolved, "void"))
        verify_find(f->v, hold->entry, "ledger",
                    "order %.*s is cancelled, its hold is not released", STR_ARG(o->order));
    else
        hold->resolved->explained = true;
}

struct sums {
    struct str currency;
    int64_t debits, credits, clearing;
};

#define CURRENCIES_MAX 32

static struct sums *sums_of(struct sums *all, size_t *n, struct str currency)
{
    for (size_t i = 0; i < *n; i++) {
        if (str_eq(all[i].currency, currency))
            return &all[i];
    }
    if (*n == CURRENCIES_MAX)
        return NULL;
    all[*n] = (struct sums){.currency = currency};
    return &all[(*n)++];
}

static void check_balances(struct facts *f)
{
    struct sums all[CURRENCIES_MAX];
    const struct known_account *a;
    size_t n = 0;

    for (size_t pos = 0; (a = strmap_next(&f->accounts, &pos)) != NULL;) {
        struct sums *s = sums_of(all, &n, a->currency);

        if (s == NULL) {
            verify_find(f->v, -1, "ledger", "more than %d currencies", CURRENCIES_MAX);
            return;
        }
        add(f, -1, &s->debits, a->debits);
        add(f, -1, &s->credits, a->credits);
        if (str_eq(a->code, STR("clearing")) || str_eq(a->code, STR("rounding"))) {
            add(f, -1, &s->clearing, a->debits);
            add(f, -1, &s->clearing, -a->credits);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (all[i].debits != all[i].credits)
            verify_find(f->v, -1, "ledger", "%.*s: debits are %lld, credits %lld",
                        STR_ARG(all[i].currency), (long long)all[i].debits,
                        (long long)all[i].credits);
        if (all[i].clearing != 0)
            verify_find(f->v, -1, "ledger", "%.*s: clearing holds %lld", STR_ARG(all[i].currency),
                        (long long)all[i].clearing);
    }
}

void verify__ledger_end(struct facts *f)
{
    struct known_order *o;
    const struct known_transfer *t;

    for (size_t pos = 0; (o = strmap_next(&f->orders, &pos)) != NULL;)
        check_order(f, o);
    for (size_t pos = 0; (t = strmap_next(&f->transfers, &pos)) != NULL;) {
        if (!t->explained)
            verify_find(f->v, t->entry, "ledger",
                        "posting %.*s ('%.*s', %lld %.*s) belongs to no order and no document",
                        STR_ARG(t->transfer), STR_ARG(t->code), (long long)t->amount_minor,
                        STR_ARG(t->currency));
    }
    check_balances(f);
}
