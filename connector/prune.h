/*
 * connector/prune.h - old rows are forgotten a piece at a time, in operations of the writer that nobody waits for
 */
#pragma once

#include "connector/app.h"

#define PRUNE_PIECE 1000 /* rows in one operation */

struct prune {
    const char *name;   /* of the operation */
    const char *timer;  /* kind in connector/timed.c, which calls prune_run again */
    const char *failed; /* what the log says then */
    int64_t pause_us;   /* until more may have grown old */
    /* Inside the operation: deletes at most PRUNE_PIECE rows. */
    int (*piece)(struct db *tx, struct app *app, int64_t *ret_changed, struct err *err);
};

/* Forgets a piece, and sets the timer: soon if more is waiting. `prune` must be static. Any thread. */
void prune_run(struct app *app, const struct prune *prune);
/* Sets the timer for the first time. */
void prune_begin(struct app *app, const struct prune *prune);
