/*
 * lib/wire/receipt_scan.c - reads a receipt that is in canonical form, without a JSON parser
 *
 * In canonical form a receipt is one fixed sequence of members (docs/exchange.md §2), so it can be
 * read from left to right. What this accepts is exactly what the field table accepts and writes
 * back byte by byte (a test compares them); whatever is unusual, be it right or wrong, is left to
 * the parser: escapes, other than printable ASCII in texts, numbers of more than 18 digits.
 */
#include "lib/base/timefmt.h"
#include "lib/wire/wire.h"
#include "lib/wire/wire_private.h"

#include "lib/base/banned.h"

#define DIGITS_MAX 18

bool wire__take(struct str *s, struct str expected)
{
    if (!str_starts(*s, expected))
        return false;
    *s = str_from(*s, expected.n);
    return true;
}

bool wire__take_number(struct str *s, int64_t *ret_value)
{
    int64_t value = 0;
    size_t n = 0;

    for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
        if (n == DIGITS_MAX)
            return false;
        value = value * 10 + (s->p[n] - '0');
    }
    if (n == 0 || (n > 1 && s->p[0] == '0'))
        return false;
    *s = str_from(*s, n);
    *ret_value = value;
    return true;
}

bool wire__take_text(struct str *s, struct str *ret_text)
{
    size_t n = 0;

    for (; n < s->n && s->p[n] != '"'; n++) {
        if (s->p[n] < 0x20 || s->p[n] > 0x7e || s->p[n] == '\\')
            return false;
    }
    if (n == s->n)
        return false;
    *ret_text = str_n(s->p, n);
    *s = str_from(*s, n + 1);
    return true;
}

static bool take_uuid(struct str *s, struct uuid *ret_id)
{
    struct str text;

    if (!wire__take_text(s, &text) || !uuid_parse(text, ret_id))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] >= 'A' && text.p[i] <= 'F')
            return false;
    }
    return true;
}

static bool take_role(struct str *s, int *ret_role)
{
    struct str text;

    if (!wire__take_text(s, &text))
        return false;
    for (int role = 0; role < PARTY__COUNT; role++) {
        if (str_eq_c(text, party_role_names[role])) {
            *ret_role = role;
            return true;
        }
    }
    return false;
}

/* "2026-11-21T07:48:00Z", or with six digits of a fraction that is not zero. */
bool wire__take_time(struct str *s, int64_t *ret_us)
{
    struct str text;

    if (!wire__take_text(s, &text) || (text.n != 20 && text.n != 27) || text.p[text.n - 1] != 'Z' ||
        text.p[10] != 'T' || !time_parse(text, ret_us))
        return false;
    return text.n == 20 ? text.p[16] == ':' : text.p[19] == '.' && *ret_us % US_PER_S != 0;
}

/* An identifier: not empty. */
static bool take_id(struct str *s, struct str *ret_id)
{
    return wire__take_text(s, ret_id) && ret_id->n > 0;
}

bool wire_receipt_scan(struct str line, struct wire_receipt *ret_receipt)
{
    struct wire_receipt r = {0};
    struct str s = line;

    if (!wire__take(&s, STR("{\"agreement\":\"")) || !take_id(&s, &r.agreement) ||
        !wire__take(&s, STR(",\"bytes\":")) || !wire__take_number(&s, &r.bytes) ||
        !wire__take(&s, STR(",\"calls\":")) || !wire__take_number(&s, &r.calls) ||
        !wire__take(&s, STR(",\"event\":\"")) || !take_uuid(&s, &r.event) ||
        !wire__take(&s, STR(",\"role\":\"")) || !take_role(&s, &r.role) ||
        !wire__take(&s, STR(",\"rows\":")) || !wire__take_number(&s, &r.rows) ||
        !wire__take(&s, STR(",\"seq\":")) || !wire__take_number(&s, &r.seq) || r.seq == 0 ||
        !wire__take(&s, STR(",\"since\":\"")) || !wire__take_time(&s, &r.since_us) ||
        !wire__take(&s, STR(",\"transfer\":\"")) || !take_id(&s, &r.transfer) ||
        !wire__take(&s, STR(",\"until\":\"")) || !wire__take_time(&s, &r.until_us) ||
        !str_eq(s, STR("}")))
        return false;
    *ret_receipt = r;
    return true;
}
