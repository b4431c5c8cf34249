/*
 * connector/dataplane/rows.h - how many rows were delivered: one rule for both sides
 * (docs/exchange.md §2)
 *
 * Rows are counted from the bytes that were delivered, so that provider and consumer agree without
 * asking each other:
 *
 * 1. CSV (text/csv): line feeds outside quoted fields (RFC 4180); if the delivery begins with the
 * representation's
 *    first byte, one less, for the header row.
 * 2. NDJSON (application/x-ndjson, application/ndjson, application/jsonl): line feeds.
 * 3. If the delivery reaches the representation's last byte and that is no line feed, one more.
 * 4. Other media types have no rows.
 *
 * So the rows of ranges add up to those of the whole (for CSV as long as no range begins inside the
 * header row or a quoted field).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

enum row_form { ROWS_NONE, ROWS_CSV, ROWS_NDJSON };

struct row_counter {
    enum row_form form;
    bool from_start; /* the delivery begins with the first byte */
    uint8_t place;   /* CSV: enum csv_place */
    bool open;       /* bytes after the last line feed */
    int64_t lines;
};

/* By media type; parameters are ignored. */
enum row_form row_form_of(struct str media_type);
struct row_counter row_counter_init(enum row_form form, bool from_start);
void row_counter_add(struct row_counter *counter, const void *p, size_t n);
/* to_end: the last byte that was added is the representation's last. */
int64_t row_counter_rows(const struct row_counter *counter, bool to_end);
