/*
 * lib/rating/rating_json.c - a rating as JSON, as it stands in invoices
 *
 * Amounts are decimal text of the plan's currency, prices digits in text (10^-6 minor units), as in
 * the plan.
 */
#include "lib/base/timefmt.h"
#include "lib/rating/rating.h"

#include "lib/base/banned.h"

static void write_amount(struct jw *w, const char *key, int64_t minor,
                         const struct currency *currency)
{
    struct money_text text = money_format(minor, currency);

    jw_kc(w, key, text.c);
}

static void write_time(struct jw *w, const char *key, int64_t us)
{
    struct time_text text = time_format(us);

    jw_kc(w, key, text.c);
}

static void write_line(const struct rating_line *line, const struct currency *currency,
                       struct jw *w)
{
    char price[24];

    snprintf(price, sizeof(price), "%lld", (long long)line->price_micro);
    jw_object(w);
    jw_kstr(w, "pointer", line->pointer);
    jw_kc(w, "type", component_type_names[line->type]);
    jw_kstr(w, "rule", line->rule);
    if (line->meter != METER_NONE)
        jw_kc(w, "meter", meter_names[line->meter]);
    if (line->to_us > line->from_us) {
        write_time(w, "from", line->from_us);
        write_time(w, "to", line->to_us);
    }
    jw_ki64(w, "quantity", line->quantity);
    jw_ki64(w, "unit", line->unit);
    jw_kc(w, "price_micro", price);
    write_amount(w, "amount", line->amount_minor, currency);
    jw_ki64(w, "residue_micro", line->residue_micro);
    write_amount(w, "vat", line->vat_minor, currency);
    jw_object_end(w);
}

void rating_write(const struct rating *rating, struct jw *w)
{
    const struct currency *currency = rating->plan->currency;

    jw_object(w);
    jw_kc(w, "currency", currency->code);
    jw_key(w, "lines");
    jw_array(w);
    for (size_t i = 0; i < rating->n_lines; i++)
        write_line(&rating->lines[i], currency, w);
    jw_array_end(w);
    write_amount(w, "subtotal", rating->subtotal_minor, currency);
    write_amount(w, "vat", rating->vat_minor, currency);
    write_amount(w, "total", rating->total_minor, currency);
    write_amount(w, "fee", rating->fee_minor, currency);
    write_amount(w, "fee_vat", rating->fee_vat_minor, currency);
    write_amount(w, "payout", rating->payout_minor, currency);
    jw_ki64(w, "residue_micro", rating->residue_micro);
    jw_object_end(w);
}
