/*
 * cli/verify_private.h - what steps 2 and 3 know of the log: one struct per kind of thing, kept in maps by id
 */
#pragma once

#include "cli/verify.h"
#include "lib/base/strmap.h"
#include "lib/codec/codec.h"
#include "lib/crypto/key.h"
#include "lib/rating/rating.h"
#include "lib/wire/wire.h"

struct known_participant {
    struct str participant, did;
    struct key *key; /* owned: freed with the facts */
    bool active;
};

struct known_plan {
    struct str hash;
    const struct plan *plan; /* NULL: it could not be read */
};

struct known_order {
    struct str order, state, plan, provider, consumer, agreement, matching_rule;
    int64_t version, tolerance_ppm, hold_minor, active_us, ended_us;
    int64_t entry;
};

struct known_report {
    struct str key; /* agreement "\n" role */
    struct str participant, hash;
    int64_t agreed_us, ends_us;
};

struct known_batch {
    struct str batch, reporter;
    int64_t entry, lines, seen;
    struct str *texts; /* by line */
};

struct known_receipt {
    struct str key; /* event "\n" role */
    struct wire_receipt receipt;
    int64_t entry;
};

/* Numbers of one side about one agreement: gaps are receipts that have not come. */
struct known_sequence {
    struct str key; /* agreement "\n" role */
    int64_t highest, count;
    struct strmap seen; /* seq as text */
};

struct facts {
    struct verify *v;
    struct strmap participants, plans, orders, agreements_of_orders, reports, batches, receipts,
        sequences;
};

/* Frees the maps and keys. */
void verify__facts_done(struct facts *facts);

/* Text of a member of an entry's body, copied to the arena; STR_NONE if absent. */
struct str verify__text(struct verify *v, const struct entry *entry, const char *member);
int64_t verify__number(const struct entry *entry, const char *member);
int64_t verify__time(const struct entry *entry, const char *member); /* 0 if absent */
