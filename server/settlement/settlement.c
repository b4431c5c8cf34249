/*
 * server/settlement/settlement.c - routes, amounts as text; and the rules of a period close, which
 * the offline verifier re-performs
 *
 * derive(a, b, c) is UUIDv8 of the first bytes of SHA-256("a|b|c") (ledger_derive), ids in
 * lower-case text, times in RFC 3339. All of a close is one transaction; a close that was cut off
 * leaves nothing, and doing it again gives the same ids, numbers and amounts.
 *
 *  1. Periods. A period is half open, [from, to), to <= now: the calendar month "YYYY-MM" of the
 *     accounting zone (UTC+9), or a named range. Periods do not overlap and are closed in ascending
 *     order. id = derive("period", name, "<from>/<to>"). 2. Orders. An order takes part if it
 *     became active before `to` and: its activity meets the period,
 *     or it has never been billed, or it has events to bill (rule 3). Activity is [active_at, end):
 *     the
 *     earlier of the order's ended_at and the provider's report of the agreement's end; none: no
 *     end. 3. Events. The time of an event is that of its id. Looked at are the events that the
 *     order's provider and consumer have reported under its agreement (others may use its id: that is
 *     another deal),
 *     before `to`, back to 800 days before it, that no period has billed. Both reports are compared
 *     by
 *     the rule and tolerance of the order's plan (lib/rating/match.h). Billed are events that are
 *     matched or of which something is billable; the others stay open for the next close. So an
 *     event
 *     is billed once, and late use in the next period. 4. Rating. usage is the sum of the billable
 *     quantities of rule 3; first_period: the order was never
 *     billed before. Result by lib/rating/rating.h. An order that was billed before and has no
 *     line now is left out. An order whose amounts cannot be worked out (a sum or product does not
 *     fit,
 *     more lines than a rating may have), or whose total is over 10^12 minor units, is not billed
 *     at all:
 *     it stands in the answer under not_billed, its events stay open and do not hold up the others.
 *     5. Documents. Per consumer and currency an invoice, per provider and currency a statement,
 *     with the
 *     sections of its orders in ascending order id; a section that would bring the sum of sections
 *     over 48 KiB begins the next part. id = derive(kind, period id,
 *     "<participant>/<currency>/<part>"),
 *     part from 1; number "I-<period>-<nnnnn>" or "S-…", counted through the documents of one kind
 *     in
 *     ascending (participant, currency, part). A document is dated at the end of the period. 6.
 *     Sums. Every sum of a document is the sum over its orders' ratings: subtotal, vat, total
 *     (rating
 *     rule 7: fee, fee_vat, payout). 7. Postings, per order in ascending order id; journal =
 *     derive("journal", invoice id, order id),
 *     transfer id = derive("inv", "<invoice id>/<order id>", code), effective at `to`. With T, P,
 *     F, V, R
 *     the total, payout, fee, VAT of the fee and residue_micro of its rating:
 *       code            kind      debit              credit     amount
 *       order.capture   capture   receivable         clearing   min(hold, T), if the hold is open
 *       order.release   void      receivable         clearing   the hold, if T is 0
 *       (ledger_release)
 *       invoice         normal    receivable         clearing   what is left of T and below the
 *       limit
 *       invoice.excess  normal    excess             clearing   what is left of T then
 *       payable         normal    clearing           payable    P
 *       fee             normal    clearing           fee        F
 *       vat             normal    clearing           vat        V
 *       rounding        normal    rounding           clearing   R in currency "<currency>/6"
 *     A negative amount is posted as its absolute value with the sides exchanged, zero not at all.
 *     receivable and excess are the consumer's, payable the provider's, the rest the operator's. So
 *     clearing returns to zero with each order. "Below the limit" is the headroom at the start of
 *     the
 *     close, plus what captures freed, minus what earlier orders of the close took. 8. Payouts. A
 *     statement with a positive payout orders its payment: derive("payout", statement id,
 *     ""). The payable stays open until the bank's statement settles it. 9. Log. event.billed per
 *     event of rule 3, document.issued, payout.ordered, transfer.posted (and
 *     account.opened), at last period.closed.
 */
#include "lib/base/money.h"
#include "server/settlement/settlement_private.h"

#include "lib/base/banned.h"

/* clang-format off */
#define ROUTE HTTP_ROUTE_ROW
const struct http_route settlement_routes[] = {
#include "server/settlement/routes.def"
    {0},
};
const struct http_route settlement_operator_routes[] = {
#include "server/settlement/operator_routes.def"
    {0},
};
#undef ROUTE

/* clang-format on */

void settlement__amount(struct jw *w, const char *key, int64_t minor, struct str currency)
{
    static const struct currency plain = {.exponent = 0};
    const struct currency *known = currency_find(currency);

    jw_kc(w, key, money_format(minor, known != NULL ? known : &plain).c);
}
