/*
 * lib/wire/entry_scan.c - reads an entry of the log without a JSON parser
 *
 * Most entries are receipts, postings and billed events: a flat body of texts and numbers. What this
 * accepts is exactly what entry_read accepts (a test compares them); whatever is unusual, be it right
 * or wrong, is left to entry_read: nested bodies other than a receipt, escapes, text that is not
 * ASCII, negative and long numbers.
 */
#include "lib/base/timefmt.h"
#include "lib/wire/entry.h"
#include "lib/wire/wire_private.h"

#include "lib/base/banned.h"

/* The receipt is the last member of its body: it ends where the body does. */
static bool take_receipt(struct str *s, struct entry_flat *e)
{
    const char *end = s->n > 0 ? memchr(s->p, '}', s->n) : NULL;

    if (end == NULL)
        return false;
    e->receipt_line = str_n(s->p, (size_t)(end - s->p) + 1);
    *s = str_from(*s, e->receipt_line.n);
    return wire_receipt_scan(e->receipt_line, &e->receipt);
}

static bool take_member(struct str *s, struct entry_flat *e)
{
    struct entry_member *m = &e->members[e->n];

    if (e->n == ENTRY_FLAT_MAX || !wire__take(s, STR("\"")) || !wire__take_text(s, &m->key) ||
        !wire__take(s, STR(":")))
        return false;
    if (e->n > 0 && str_cmp(e->members[e->n - 1].key, m->key) >= 0)
        return false; /* RFC 8785 §3.2.3; for ASCII the order of bytes */
    e->n++;
    m->number = 0;
    m->text = STR_NONE;
    m->is_text = wire__take(s, STR("\""));
    if (m->is_text)
        return wire__take_text(s, &m->text);
    if (s->n > 0 && s->p[0] == '{')
        return str_eq(m->key, STR("receipt")) && take_receipt(s, e);
    return wire__take_number(s, &m->number);
}

static bool take_body(struct str *s, struct entry_flat *e)
{
    if (!wire__take(s, STR("{")))
        return false;
    while (!wire__take(s, STR("}"))) {
        if ((e->n > 0 && !wire__take(s, STR(","))) || !take_member(s, e))
            return false;
    }
    return true;
}

bool entry_scan(struct str line, struct entry_flat *e)
{
    struct str kind;

    e->n = 0; /* members beyond it are not looked at: clearing them would cost more than reading */
    e->receipt_line = STR_NONE;
    if (!wire__take(&line, STR("{\"at\":\"")) || !wire__take_time(&line, &e->at_us) ||
        !wire__take(&line, STR(",\"body\":")) || !take_body(&line, e) ||
        !wire__take(&line, STR(",\"kind\":\"")) || !wire__take_text(&line, &kind) ||
        !str_eq(line, STR("}")) || !entry_kind_parse(kind, &e->kind))
        return false;
    for (size_t i = 0; i < e->n; i++) {
        if (!entry_kind_has(e->kind, e->members[i].key))
            return false;
    }
    return true;
}

const struct entry_member *entry_flat_get(const struct entry_flat *e, const char *key)
{
    for (size_t i = 0; i < e->n; i++) {
        if (str_eq_c(e->members[i].key, key))
            return &e->members[i];
    }
    return NULL;
}
