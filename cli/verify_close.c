/*
 * cli/verify_close.c - the postings of a period against its documents (rule 7 of a close:
 * server/settlement/settlement.c)
 *
 * For each order: what its consumer owes (hold, credit, excess) is the total of its rating, and what
 * clearing gives on is payout, fee, VAT of the fee and the residue of rounding.
 */
#include "cli/verify_private.h"

#include "lib/base/banned.h"

struct posts {
    struct facts *f;
    const struct known_billing *b;
    struct str line; /* "<invoice>/<order>" */
    struct str journal;
};

static struct str account(const struct posts *p, struct str owner, const char *code,
                          struct str currency)
{
    return verify__account_id(p->f, owner, str_c(code), currency);
}

static struct known_transfer *find(const struct posts *p, const char *code)
{
    return strmap_find(&p->f->transfers, verify__derive(p->f, STR("inv"), p->line, str_c(code)));
}

static bool is_account(const struct known_account *a, struct str id)
{
    return a != NULL && str_eq(a->account, id);
}

/* A row of rule 7: negative amounts stand with the sides exchanged, zero not at all. */
struct want {
    const char *code, *kind;
    struct str debit, credit, currency;
    int64_t minor;
};

static void check_one(const struct posts *p, struct want w)
{
    struct known_transfer *t = find(p, w.code);
    const int64_t amount = w.minor < 0 ? -w.minor : w.minor;

    if (t == NULL) {
        if (w.minor != 0)
            verify_find(p->f->v, p->b->entry, "posting",
                        "order %.*s: '%s' of %lld %.*s was not posted", STR_ARG(p->b->order->order),
                        w.code, (long long)w.minor, STR_ARG(w.currency));
        return;
    }
    t->explained = true;
    if (t->amount_minor != amount || !str_eq(t->currency, w.currency))
        verify_find(p->f->v, t->entry, "posting",
                    "order %.*s: '%s' is %lld %.*s, its document says %lld %.*s",
                    STR_ARG(p->b->order->order), w.code, (long long)t->amount_minor,
                    STR_ARG(t->currency), (long long)w.minor, STR_ARG(w.currency));
    if (!str_eq_c(t->kind, w.kind) || !str_eq_c(t->code, w.code) ||
        !is_account(t->debit, w.minor < 0 ? w.credit : w.debit) ||
        !is_account(t->credit, w.minor < 0 ? w.debit : w.credit) ||
        t->effective_us != p->b->period->to_us || !str_eq(t->journal, p->journal))
        verify_find(p->f->v, t->entry, "posting",
                    "order %.*s: '%s' is of another kind, time, journal or between other accounts",
                    STR_ARG(p->b->order->order), w.code);
}

/* The hold of an order, if this close had to resolve it: NULL if there is none, or it was resolved before. */
static struct known_transfer *open_hold(const struct posts *p)
{
    struct known_transfer *hold = strmap_find(&p->f->journals, p->b->order->order);
    const bool here = hold != NULL && (hold->resolved == NULL ||
                                       hold->resolved->effective_us == p->b->period->to_us);

    return here ? hold : NULL;
}

static void check_release(const struct posts *p, const struct known_transfer *hold)
{
    struct known_transfer *t = hold->resolved;

    if (t == NULL || !str_eq_c(t->kind, "void") || !str_eq_c(t->code, "order.release")) {
        verify_find(p->f->v, p->b->entry, "posting", "order %.*s: its hold was not released",
                    STR_ARG(p->b->order->order));
        return;
    }
    t->explained = true;
}

static int64_t amount_of(const struct posts *p, const char *code)
{
    const struct known_transfer *t = find(p, code);

    return t != NULL ? t->amount_minor : 0;
}

static void check_debt(const struct posts *p)
{
    const struct known_order *o = p->b->order;
    const struct str receivable = account(p, o->consumer, "receivable", o->currency);
    const struct str excess = account(p, o->consumer, "excess", o->currency);
    const struct str clearing = account(p, STR(""), "clearing", o->currency);
    const int64_t total = p->b->rating->total_minor;
    const struct known_transfer *hold = open_hold(p);
    const int64_t captured = hold == NULL                 ? 0
                             : hold->amount_minor < total ? hold->amount_minor
                                                          : total;
    /* how much of the rest fitted below the limit is known from the ledger (verify_ledger.c) */
    const int64_t beyond = amount_of(p, "invoice.excess");

    if (hold != NULL && captured == 0)
        check_release(p, hold);
    /* clang-format off */
    check_one(p, (struct want){"order.capture",  "capture", receivable, clearing, o->currency, captured});
    check_one(p, (struct want){"invoice",        "normal",  receivable, clearing, o->currency, total - captured - beyond});
    check_one(p, (struct want){"invoice.excess", "normal",  excess,     clearing, o->currency, beyond});
    /* clang-format on */
}

static void check_shares(const struct posts *p)
{
    const struct known_order *o = p->b->order;
    const struct rating *r = p->b->rating;
    const struct str micro = arena_printf(p->f->v->arena, "%.*s/6", STR_ARG(o->currency));
    const struct str clearing = account(p, STR(""), "clearing", o->currency);
    const struct str none = STR("");

    /* clang-format off */
    check_one(p, (struct want){"payable", "normal", clearing, account(p, o->provider, "payable", o->currency), o->currency, r->payout_minor});
    check_one(p, (struct want){"fee",     "normal", clearing, account(p, none, "fee", o->currency),            o->currency, r->fee_minor});
    check_one(p, (struct want){"vat",     "normal", clearing, account(p, none, "vat", o->currency),            o->currency, r->fee_vat_minor});
    check_one(p, (struct want){"rounding", "normal", account(p, none, "rounding", micro), account(p, none, "clearing", micro), micro, r->residue_micro});
    /* clang-format on */
}

void verify__postings(struct facts *f, const struct known_period *period)
{
    const struct known_billing *b;

    for (size_t pos = 0; (b = strmap_next(&f->billings, &pos)) != NULL;) {
        struct posts p = {.f = f, .b = b};

        if (b->period != period)
            continue;
        if (b->invoice == NULL || b->statement == NULL) {
            verify_find(f->v, b->entry, "document", "order %.*s stands in no %s",
                        STR_ARG(b->order->order), b->invoice == NULL ? "invoice" : "statement");
            continue;
        }
        if (b->rating == NULL)
            continue; /* said before */
        p.line = arena_printf(f->v->arena, "%.*s/%.*s", STR_ARG(b->invoice->document),
                              STR_ARG(b->order->order));
        p.journal = verify__derive(f, STR("journal"), b->invoice->document, b->order->order);
        check_debt(&p);
        check_shares(&p);
    }
}
