/*
 * connector/dataplane/rows.c - the rule of rows.h
 */
#include "connector/dataplane/rows.h"

#include "lib/base/cleanup.h"

#include "lib/base/banned.h"

enum csv_place { AT_FIELD, IN_PLAIN, IN_QUOTES, AFTER_QUOTE };

static const struct {
    const char *type;
    enum row_form form;
} forms[] = {
    {"text/csv",             ROWS_CSV   },
    {"application/csv",      ROWS_CSV   },
    {"application/x-ndjson", ROWS_NDJSON},
    {"application/ndjson",   ROWS_NDJSON},
    {"application/jsonl",    ROWS_NDJSON},
};

enum row_form row_form_of(struct str media_type)
{
    const struct str type = str_trim(str_cut(&media_type, ';'));

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (str_eq_nocase(type, str_c(forms[i].type)))
            return forms[i].form;
    }
    return ROWS_NONE;
}

struct row_counter row_counter_init(enum row_form form, bool from_start)
{
    return (struct row_counter){.form = form, .from_start = from_start, .place = AT_FIELD};
}

static void add_ndjson(struct row_counter *c, const char *p, size_t n)
{
    const char *const end = p + n;

    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        c->lines++;
        if (++p == end)
            break;
    }
    c->open = end[-1] != '\n';
}

/* A quote opens a quoted field only at the field's first byte; inside, two quotes are one. */
static uint8_t csv_next(uint8_t place, char byte)
{
    if (place == IN_QUOTES)
        return byte == '"' ? AFTER_QUOTE : IN_QUOTES;
    if (byte == '"' && place == AT_FIELD)
        return IN_QUOTES;
    if (byte == '"' && place == AFTER_QUOTE)
        return IN_QUOTES;
    return byte == ',' || byte == '\n' ? AT_FIELD : IN_PLAIN;
}

static void add_csv(struct row_counter *c, const char *p, size_t n)
{
    uint8_t place = c->place;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' && place != IN_QUOTES) {
            c->lines++;
            c->open = false;
            place = AT_FIELD;
            continue;
        }
        c->open = true;
        place = csv_next(place, p[i]);
    }
    c->place = place;
}

void row_counter_add(struct row_counter *counter, const void *p, size_t n)
{
    if (n == 0)
        return;
    switch (counter->form) {
    case ROWS_NONE: break;
    case ROWS_CSV: add_csv(counter, p, n); break;
    case ROWS_NDJSON: add_ndjson(counter, p, n); break;
    }
}

int64_t row_counter_rows(const struct row_counter *counter, bool to_end)
{
    int64_t rows = counter->lines + (to_end && counter->open ? 1 : 0);

    if (counter->form == ROWS_CSV && counter->from_start && rows > 0)
        rows--;
    return rows;
}
