/*
 * connector/dsp/reconsider.c - transfers whose policy is to be decided again, and what comes of it
 *
 * Each transfer that runs or rests has the instant until which its last decision holds in its row
 * (transfer.decide_us). One timer waits for the first of them; what happens in between (a group, an
 * order, a membership, a duty) makes those of a peer due at once. They are taken a batch at a time,
 * the longest due first, each batch one operation of the writer that decides and writes what
 * follows: nothing is done twice, whichever replica does it, and what is not done is found by the
 * next one. At the start all are decided again: nothing that happened meanwhile is missed.
 *
 * As provider, what waits (verdict.c) is suspended and started again by us when it is permitted
 * again, unless somebody else had suspended it; what ends is terminated. As consumer a transfer
 * that waits is only held: no data passes, and the provider, who knows the facts, says what
 * becomes of the process; one that ends is terminated and its data address is dropped.
 */
#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp_private.h"
#include "connector/replica.h"
#include "connector/timed.h"
#include "lib/base/timefmt.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define BATCH      32
#define BATCH_MEM  MIB(16)
#define DOUBT_MOST 1000       /* transfers that are made due in one operation */
#define AGAIN_US   US_PER_S   /* after an operation that failed */
#define PUZZLED_US US_PER_MIN /* of a transfer that could not be decided */
#define DUE_KEY    STR("due")

/* -- when -------------------------------------------------------------------------------------- */

void dsp__decide_at(struct app *app, int64_t due_us)
{
    struct dsp *dsp = app->dsp;

    CHECK(pthread_mutex_lock(&dsp->lock) == 0);
    if (due_us < dsp->decide_us) {
        dsp->decide_us = due_us;
        timed_set(app, "decisions", DUE_KEY,
                  due_us); /* under the lock: the last one set is the first one due */
    }
    CHECK(pthread_mutex_unlock(&dsp->lock) == 0);
}

struct due {
    int64_t due_us;
};
/* clang-format off */
static const struct field due_fields[] = {FIELD(struct due, due_us, "due_us", F_REQUIRED)};
/* clang-format on */
static OBJECT(due_row, struct due, due_fields, CLOSED);

/* -- one transfer ------------------------------------------------------------------------------ */

enum turned { STAYS, RESUMED, RELEASED, SUSPENDED, HELD, ENDED, TURNED__COUNT };

/* clang-format off */
static const struct {
    const char *name; /* in the log */
    bool moves;       /* to another state of the process */
} turns[] = {
    [STAYS]     = {"none",      false},
    [RESUMED]   = {"started",   true },
    [RELEASED]  = {"released",  false},
    [SUSPENDED] = {"suspended", true },
    [HELD]      = {"held",      false},
    [ENDED]     = {"ended",     true },
};

/* clang-format on */
static_assert(ARRAY_LEN(turns) == TURNED__COUNT, "one row per turn");

struct decided {
    const struct process *process;
    struct agreement agreement;
    struct verdict verdict;
    bool judged; /* the two are known */
    enum turned turned;
    struct effect effect;
};

struct batch {
    struct app *app;
    struct arena *arena;     /* owned, with everything here but the batch itself */
    struct list transfers;   /* struct process */
    struct decided *decided; /* one each */
    int64_t now_us, next_us;
    struct writer_op op;
};

static bool is_held(const struct process *process)
{
    return str_present(process->held);
}

/* Rule by rule what a verdict makes of a transfer in this state. */
static enum turned turn_of(const struct process *process, enum verdict_kind kind)
{
    const bool provider = dsp__is_provider(process);
    const int state = machine_state(&transfer_machine, process->state);

    switch (kind) {
    case VERDICT_ENDS: return ENDED;
    case VERDICT_HOLDS:
        if (!is_held(process))
            return STAYS;
        return provider ? RESUMED : RELEASED;
    case VERDICT_WAITS:
        if (is_held(process))
            return STAYS;
        if (!provider)
            return HELD;
        return state == TS_STARTED ? SUSPENDED : STAYS;
    }
    CHECK_UNREACHABLE();
}

static struct str words_of(const struct verdict *verdict, struct arena *arena)
{
    return arena_printf(arena, "%.*s: %.*s", STR_ARG(verdict->code), STR_ARG(verdict->reason));
}

static int suspend(struct batch *b, struct decided *d, struct err *err)
{
    struct message_text text = {
        .form = MF_SUSPENSION, .code = d->verdict.code, .reason = d->verdict.reason};

    d->effect.state = TP_SUSPENDING;
    d->effect.error = d->effect.held = words_of(&d->verdict, b->arena);
    return dsp__send(b->app, &d->effect, &transfer_kind, d->process, "dsp.transfer.suspension",
                     "suspension", &text, b->arena, err);
}

static int resume(struct batch *b, struct decided *d, struct err *err)
{
    d->effect.state = TP_STARTING;
    d->effect.error = d->effect.held = STR("");
    return dsp__send_start(b->app, &d->effect, d->process, &d->agreement, d->verdict.until_us,
                           b->arena, err);
}

static int end(struct batch *b, struct decided *d, struct err *err)
{
    d->effect.state = TP_TERMINATING;
    if (!str_present(d->process->peer_pid)) { /* told when it is known whom (sent.c) */
        d->effect.error = words_of(&d->verdict, b->arena);
        return arena_failed(b->arena) ? err_set(err, E_NO_MEMORY, "", "decision") : 0;
    }
    d->effect.forget = true;
    return dsp__terminate(b->app, &d->effect, &transfer_kind, d->process, d->verdict.code,
                          d->verdict.reason, b->arena, err);
}

/* The state stays; the row says until when, and what holds it. */
static int note(struct db *tx, const struct batch *b, const struct decided *d, struct err *err)
{
    struct str held = STR_NONE;

    if (d->turned == HELD)
        held = words_of(&d->verdict, b->arena);
    else if (d->turned == RELEASED)
        held = STR("");
    if (arena_failed(b->arena))
        return err_set(err, E_NO_MEMORY, "", "decision");
    if (d->turned != STAYS &&
        replica_tell(tx, b->app->replica, NEWS_TRANSFER, d->process->id, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_dsp_transfer_decided,
                   DB_ARGS(DB_TEXT(d->process->id), DB_I64(d->verdict.until_us), DB_TEXT(held)),
                   NULL, err);
}

/* One of this batch under the same agreement, which has the same verdict; NULL: there is none. */
static const struct decided *find_judged(const struct batch *b, const struct decided *d)
{
    for (const struct decided *before = b->decided; before < d; before++) {
        if (before->judged && str_eq(before->process->agreement_id, d->process->agreement_id))
            return before;
    }
    return NULL;
}

static int judge(struct db *tx, struct batch *b, struct decided *d, struct err *err)
{
    const struct decided *same = find_judged(b, d);

    if (same != NULL) {
        d->agreement = same->agreement;
        d->verdict = same->verdict;
        d->judged = true;
        return 0;
    }
    if (dsp__read_agreement(tx, d->process->agreement_id, b->arena, &d->agreement, err) < 0)
        return err_ret(err);
    if (d->agreement.ended_us != 0)
        d->verdict = (struct verdict){.kind = VERDICT_ENDS,
                                      .until_us = POLICY_FOREVER,
                                      .code = STR("agreement-ended"),
                                      .reason = d->agreement.end_reason};
    else if (d->agreement.retired_us != 0 && dsp__is_provider(d->process))
        d->verdict = (struct verdict){.kind = VERDICT_ENDS,
                                      .until_us = POLICY_FOREVER,
                                      .code = STR(DSP_CODE_RETIRED),
                                      .reason = d->agreement.retire_reason};
    else if (dsp__judge(b->app, tx, &d->agreement, b->now_us, b->arena, &d->verdict, err) < 0)
        return err_ret(err);
    d->judged = true;
    return 0;
}

/* What is to be done, and the message that says so; writes nothing. */
static int prepare(struct db *tx, struct batch *b, struct decided *d, struct err *err)
{
    if (judge(tx, b, d, err) < 0)
        return err_ret(err);
    d->turned = turn_of(d->process, d->verdict.kind);
    switch (d->turned) {
    case SUSPENDED: return suspend(b, d, err);
    case ENDED: return end(b, d, err);
    case RESUMED: return resume(b, d, err);
    case STAYS:
    case HELD:
    case RELEASED:
    case TURNED__COUNT: break;
    }
    return 0;
}

/* One that cannot be decided must not keep the others waiting; its accesses are refused meanwhile. */
static int puzzle(struct batch *b, struct decided *d, struct err *err)
{
    if (err->code == E_DB || err->code == E_NO_MEMORY || err->code == E_BUSY)
        return err_prefix(err, "transfer '%.*s'", STR_ARG(d->process->id));
    log_err(NULL, "the policy of a transfer could not be decided again", err);
    err_clear(err);
    *d = (struct decided){.process = d->process, .verdict = {.until_us = b->now_us + PUZZLED_US}};
    return 0;
}

static int decide_one(struct db *tx, struct batch *b, struct decided *d, struct err *err)
{
    if (prepare(tx, b, d, err) < 0 && puzzle(b, d, err) < 0)
        return err_ret(err);
    if (!turns[d->turned].moves)
        return note(tx, b, d, err);
    d->effect.decide_us = d->verdict.until_us;
    if (d->turned == ENDED && !dsp__is_provider(d->process) &&
        dsp__drop_edr(tx, d->process->id, err) < 0)
        return err_ret(err);
    return dsp__effect_write(b->app, tx, &transfer_kind, d->process->id, &d->effect, b->now_us,
                             err);
}

/* -- a batch ----------------------------------------------------------------------------------- */

static int run_batch(struct db *tx, void *arg, struct err *err)
{
    struct batch *b = arg;
    struct due next = {POLICY_FOREVER};

    arena_reset(b->arena); /* it may run twice */
    b->now_us = env_wall_us(b->app->env);
    if (db_list(tx, &q_dsp_transfer_undecided, DB_ARGS(DB_I64(b->now_us), DB_I64(BATCH)),
                &process_row, b->arena, BATCH, &b->transfers, err) < 0)
        return err_ret(err);
    b->decided = ARENA_ARRAY(b->arena, struct decided, b->transfers.n);
    if (b->decided == NULL)
        return err_set(err, E_NO_MEMORY, "", "decisions");
    for (size_t i = 0; i < b->transfers.n; i++) {
        b->decided[i] = (struct decided){.process = &LIST_ITEMS(struct process, b->transfers)[i]};
        if (decide_one(tx, b, &b->decided[i], err) < 0)
            return err_ret(err);
    }
    if (db_one(tx, &q_dsp_transfer_decide_next, DB_NO_ARGS, &due_row, b->arena, &next, err) ==
        DB_FAIL)
        return err_ret(err);
    b->next_us = next.due_us;
    return 0;
}

/* Access is gone before anybody hears of it. */
static void tell(const struct batch *b, const struct decided *d)
{
    const struct str id = d->process->id;

    if (d->turned == STAYS)
        return;
    COUNT(C_DECISIONS_TURNED);
    if (d->turned == SUSPENDED || d->turned == HELD)
        COUNT(C_POLICY_SUSPENDED);
    if (d->turned == ENDED)
        COUNT(C_POLICY_ENDED);
    log_info(NULL, "the policy of a transfer has turned", L_C("now", turns[d->turned].name),
             L_STR("transfer", id), L_STR("role", d->process->role),
             L_STR("agreement", d->process->agreement_id), L_STR("code", d->verdict.code),
             L_STR("operand", d->verdict.operand), L_STR("reason", d->verdict.reason));
    if (turns[d->turned].moves)
        dsp__effect_committed(b->app, &transfer_kind, id);
    else
        dataplane_forget(b->app->dataplane, id, STR_NONE);
}

static void batch_done(void *arg, const struct err *err)
{
    struct batch *b = arg;
    struct app *app = b->app;
    struct dsp *dsp = app->dsp;
    int64_t next_us = err->code == E_OK ? b->next_us : env_wall_us(app->env) + AGAIN_US;

    if (err->code != E_OK)
        log_err(NULL, "transfers could not be decided again yet", err);
    for (size_t i = 0; err->code == E_OK && i < b->transfers.n; i++)
        tell(b, &b->decided[i]);
    for (size_t i = 0; err->code == E_OK && i < b->transfers.n; i++) {
        if (turns[b->decided[i].turned].moves)
            dsp__effect_done(app, &transfer_kind, b->decided[i].process->id, &b->decided[i].effect);
    }
    arena_free(&b->arena);
    free(b);
    CHECK(pthread_mutex_lock(&dsp->lock) == 0);
    dsp->deciding = false;
    if (dsp->decide_us < next_us) /* set meanwhile, the timer may have fired in vain */
        next_us = dsp->decide_us;
    dsp->decide_us = POLICY_FOREVER;
    CHECK(pthread_mutex_unlock(&dsp->lock) == 0);
    dsp__decide_at(app, next_us);
}

static struct batch *batch_new(struct app *app)
{
    struct batch *b = calloc(1, sizeof(*b));

    if (b == NULL || (b->arena = arena_new(BATCH_MEM)) == NULL) {
        free(b);
        return NULL;
    }
    b->app = app;
    b->op = (struct writer_op){
        .name = "transfers decide", .fn = run_batch, .arg = b, .done = batch_done};
    return b;
}

/* One batch at a time. */
static bool begin(struct dsp *dsp)
{
    bool began;

    CHECK(pthread_mutex_lock(&dsp->lock) == 0);
    began = !dsp->deciding;
    dsp->deciding = true;
    if (began)
        dsp->decide_us = POLICY_FOREVER;
    else
        dsp->decide_us = 0; /* again, after the one that runs */
    CHECK(pthread_mutex_unlock(&dsp->lock) == 0);
    return began;
}

void dsp_decide_due(struct app *app)
{
    struct err err = {0};
    struct batch *b;

    if (!begin(app->dsp))
        return;
    b = batch_new(app);
    if (b == NULL) {
        IGNORE(err_set(&err, E_NO_MEMORY, "", "decisions"), "logged below");
    } else if (writer_submit(app->writer, &b->op, &err) == 0) {
        return;
    } else {
        arena_free(&b->arena);
        free(b);
    }
    log_err(NULL, "transfers could not be decided again yet", &err);
    CHECK(pthread_mutex_lock(&app->dsp->lock) == 0);
    app->dsp->deciding = false;
    CHECK(pthread_mutex_unlock(&app->dsp->lock) == 0);
    dsp__decide_at(app, env_wall_us(app->env) + AGAIN_US);
}

/* -- something has happened -------------------------------------------------------------------- */

struct doubt {
    struct app *app;
    struct str peer_id; /* STR_NONE: all */
    bool adopt;         /* what has no instant, too */
    int64_t changed;
    struct writer_op op;
    char text[];
};

static int run_doubt(struct db *tx, void *arg, struct err *err)
{
    struct doubt *d = arg;

    if (d->adopt && db_exec(tx, &q_dsp_transfer_adopt, DB_NO_ARGS, NULL, err) < 0)
        return err_ret(err);
    if (!str_present(d->peer_id))
        return db_exec(tx, &q_dsp_transfer_doubt_all, DB_ARGS(DB_I64(DOUBT_MOST)), &d->changed,
                       err);
    return db_exec(tx, &q_dsp_transfer_doubt, DB_ARGS(DB_TEXT(d->peer_id), DB_I64(DOUBT_MOST)),
                   &d->changed, err);
}

static void doubted(void *arg, const struct err *err)
{
    struct doubt *d = arg;
    const int64_t now_us = env_wall_us(d->app->env);

    if (err->code != E_OK)
        log_err(NULL, "transfers could not be made due yet", err);
    if (err->code != E_OK || d->changed == DOUBT_MOST)
        timed_set(d->app, "reconsider", d->peer_id, err->code != E_OK ? now_us + AGAIN_US : now_us);
    if (err->code == E_OK) /* some may have been due before, and left by a process that died */
        dsp__decide_at(d->app, 0);
    free(d);
}

static void doubt(struct app *app, struct str peer_id, bool adopt)
{
    struct doubt *d = calloc(1, sizeof(*d) + peer_id.n + 1);
    struct err err = {0};

    if (d == NULL) {
        timed_set(app, "reconsider", peer_id, env_wall_us(app->env) + AGAIN_US);
        return;
    }
    d->app = app;
    d->adopt = adopt;
    if (peer_id.n > 0) {
        memcpy(d->text, peer_id.p, peer_id.n);
        d->peer_id = str_n(d->text, peer_id.n);
    }
    d->op =
        (struct writer_op){.name = "transfers doubt", .fn = run_doubt, .arg = d, .done = doubted};
    if (writer_submit(app->writer, &d->op, &err) < 0)
        doubted(d, &err);
}

void dsp_doubt(struct app *app, struct str peer_id)
{
    doubt(app, peer_id, false);
}

void dsp_decide_all(struct app *app)
{
    doubt(app, STR_NONE, true);
}

void dsp_reconsider(struct app *app, struct str peer_id)
{
    timed_set(app, "reconsider", peer_id, env_wall_us(app->env));
}
