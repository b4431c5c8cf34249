/*
 * connector/replica.h - several processes of one connector on one PostgreSQL database
 * (docs/replicas.md)
 *
 * Each has a number, and holds that number's advisory lock on the connection of its writer: who is
 * connected lives, and whose connection has ended writes nothing any more. All writers take turns,
 * one transaction at a time, as if they were one. What a commit changes in others' memory is told
 * inside the transaction (replica_tell) and heard after it, on a connection of its own.
 *
 * On SQLite there is one process: the pointer is NULL, and all functions take that.
 */
#pragma once

#include "connector/app.h"
#include "lib/codec/codec.h"

struct replica;

/* What others are told. */
enum replica_news {
    NEWS_CATALOGUE, /* assets, policies or contract definitions have changed; no id */
    NEWS_TRANSFER,  /* its state has changed */
    NEWS_AGREEMENT, /* it has ended */
    NEWS_FACTS,     /* what is known of this partner has changed */
    NEWS_STREAM,    /* the process has ended: what waits to be sent for it is forgotten */
    NEWS_MESSAGE,   /* for one of them, by replica_hand: a message of a stream of his */
};

/* Before the writer, which must be opened with the settings that replica_writer fills in. */
MUST_CHECK int replica_open(struct app *app, struct replica **ret_replica, struct err *err);
void replica_writer(struct replica *replica, struct db_cfg *cfg);
/* First in every transaction of the writer: waits for its turn. */
MUST_CHECK int replica_take_turn(struct db *tx, struct err *err);
/* When all parts run: takes over what dead ones have left, then listens. */
MUST_CHECK int replica_start(struct app *app, struct err *err);
/* When the listeners have closed; nothing is heard any more. NULL allowed, as below. */
void replica_stop(struct replica *replica);
void replica_close(struct replica **replica);

/* 0 on SQLite, else from 1. */
int64_t replica_id(const struct replica *replica);
/* False: what is cached may be out of date, since others cannot be heard; nothing cached may be used. */
bool replica_hears(const struct replica *replica);
/* Others took us for dead: the process ends (E_CONFLICT in whatever is written). */
bool replica_taken_over(const struct replica *replica);

/* Inside an operation of the writer. `id` is of what the news is about, or STR_NONE. */
MUST_CHECK int replica_tell(struct db *tx, const struct replica *replica, enum replica_news news,
                            struct str id, struct err *err);
/* struct outbox_cfg.hand; app is struct app. */
int replica_hand(struct db *tx, void *app, const struct outbox_msg *msg, struct err *err);

struct replica_entry {
    int64_t replica_id;
    struct str name;
    int64_t started_us;
    bool alive;
};

/* All that are registered, by number; items are struct replica_entry. */
MUST_CHECK int replica_list(struct db *db, struct arena *arena, struct list *ret_list,
                            struct err *err);
