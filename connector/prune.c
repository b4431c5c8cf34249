/*
 * connector/prune.c - pieces, one after the other
 */
#include "connector/prune.h"

#include "connector/timed.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

#define PRUNE_PAUSE_US US_PER_S

struct pruning {
    struct app *app;
    const struct prune *prune;
    int64_t changed;
    struct writer_op op;
};

static void set(struct app *app, const struct prune *prune, int64_t pause_us)
{
    timed_set(app, prune->timer, STR("old"), env_wall_us(app->env) + pause_us);
}

static int run(struct db *tx, void *arg, struct err *err)
{
    struct pruning *pruning = arg;

    return pruning->prune->piece(tx, pruning->app, &pruning->changed, err);
}

static void done(void *arg, const struct err *err)
{
    struct pruning *pruning = arg;
    const bool more = err->code == E_OK && pruning->changed == PRUNE_PIECE;

    if (err->code != E_OK)
        log_err(NULL, pruning->prune->failed, err);
    set(pruning->app, pruning->prune, more ? PRUNE_PAUSE_US : pruning->prune->pause_us);
    free(pruning);
}

void prune_run(struct app *app, const struct prune *prune)
{
    struct pruning *pruning = calloc(1, sizeof(*pruning));
    struct err err = {0};

    if (pruning != NULL) {
        pruning->app = app;
        pruning->prune = prune;
        pruning->op = (struct writer_op){
            .name = prune->name, .fn = run, .arg = pruning, .done = done, .lazy = true};
        if (writer_submit(app->writer, &pruning->op, &err) == 0)
            return;
        free(pruning);
    }
    if (err.code != E_SHUTDOWN) /* too much to do, or no memory, just now */
        set(app, prune, prune->pause_us);
}

void prune_begin(struct app *app, const struct prune *prune)
{
    set(app, prune, PRUNE_PAUSE_US);
}
