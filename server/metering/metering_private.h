/*
 * server/metering/metering_private.h - shared inside metering
 */
#pragma once

#include "lib/crypto/hash.h"
#include "lib/wire/wire.h"
#include "server/metering/metering.h"
#include "server/registry/registry.h"

enum line_result { LINE_CREATED, LINE_DUPLICATE, LINE_CONFLICT, LINE_REFUSED, LINE__COUNT };

/* One line of a batch; texts borrow from the request body or the batch's arena. */
struct usage_line {
    struct str text;
    uint8_t hash[SHA256_LEN]; /* of text */
    bool readable;            /* receipt is filled in */
    struct wire_receipt receipt;
    struct uuid deal;  /* of its reporter under this agreement */
    enum err_code bad; /* what is wrong with the line itself, E_OK: nothing */
    struct str bad_detail;
    /* written by usage__store, perhaps twice */
    enum line_result result;
    enum err_code code;
    struct str detail;
};

struct usage_batch {
    struct app *app;
    struct arena *arena;
    const struct participant *reporter;
    struct uuid id;
    uint8_t hash[SHA256_LEN];
    struct str signature;
    int64_t now_us;
    struct usage_line *lines;
    size_t n;
    struct buf answer;
};

/*
 * Reads one line: closed, canonical, wire_receipt_check. On a mistake line->bad and bad_detail say
 * which; `readable` tells whether agreement, role and seq can be named in the answer. Errors: only
 * E_NO_MEMORY.
 */
MUST_CHECK int usage__read_line(struct usage_line *line, struct arena *arena, struct err *err);
/* The part of it that reads the text, for any text: fills receipt, readable, bad. */
MUST_CHECK int usage__parse(struct usage_line *line, struct arena *arena, struct err *err);

/* db_tx_fn over a struct usage_batch: stores what is acceptable and fills batch->answer. */
int usage__store(struct db *tx, void *arg, struct err *err);

#define ROUTE HTTP_ROUTE_PROTO
#include "server/metering/routes.def"
#undef ROUTE
