/*
 * connector/exchange/receipts.c - receipts: numbered, stored, sent in signed batches, answered line
 * by line (docs/exchange.md §2)
 *
 * A batch is whatever is unanswered when the one before has been answered: no timer, no minimum. It
 * lives in the outbox, so a kill between sending and answer sends the same bytes again, and the
 * broker gives the same answer.
 */
#include "connector/exchange/exchange_private.h"
#include "lib/base/limits.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct seq {
    int64_t seq;
};

struct line {
    struct str line, answer;
    int64_t made_us;
};

struct line_answer {
    struct str agreement;
    int role;
    int64_t seq;
    struct str result, detail;
};

struct batch_answer {
    struct list lines;
};
/* clang-format off */
static const struct field seq_fields[] = {FIELD(struct seq, seq, "seq", F_REQUIRED)};
static OBJECT(seq_row, struct seq, seq_fields, OPEN);
static const struct field line_fields[] = {
    FIELD(struct line, line,    "line",    F_REQUIRED),
    FIELD(struct line, answer,  "answer",  0),
    FIELD(struct line, made_us, "made_us", 0),
};
static OBJECT(line_row, struct line, line_fields, OPEN);
static const struct field line_answer_fields[] = {
    FIELD(struct line_answer, agreement,  "agreement", F_REQUIRED),
    FIELD_ENUM(struct line_answer, role,  "role",      F_REQUIRED, party_role_names),
    FIELD(struct line_answer, seq,        "seq",       F_REQUIRED),
    FIELD(struct line_answer, result,     "result",    F_REQUIRED),
    FIELD(struct line_answer, detail,     "detail",    0),
};
static OBJECT(line_answer_object, struct line_answer, line_answer_fields, OPEN);
static const struct field batch_answer_fields[] = {
    FIELD_LIST(struct batch_answer, lines, "lines", F_REQUIRED, &line_answer_object),
};
/* clang-format on */
static OBJECT(batch_answer_object, struct batch_answer, batch_answer_fields, OPEN);

static const struct jlimits answer_limits = {LIMIT_BATCH_BYTES, 8, 10 * LIMIT_BATCH_LINES};

int exchange_receipt_number(struct db *tx, struct str agreement, size_t n, int64_t *ret_first,
                            struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    struct seq seq = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "receipt");
    switch (db_one(tx, &q_receipt_next_seq, DB_ARGS(DB_TEXT(agreement), DB_I64((int64_t)n)),
                   &seq_row, arena, &seq, err)) {
    case DB_ROW: *ret_first = seq.seq; return 0;
    case DB_NONE: return err_set(err, E_NOT_FOUND, "", "agreement '%.*s'", STR_ARG(agreement));
    case DB_FAIL: break;
    }
    return err_ret(err);
}

int exchange_receipt_store(struct db *tx, const struct wire_receipt *receipt, int64_t now_us,
                           struct err *err)
{
    AUTO(buf_done) struct buf line = buf_init(KIB(16));
    const struct uuid_text event = uuid_format(receipt->event);

    object_canonical(&wire_receipt_object, receipt, &line);
    if (buf_failed(&line))
        return err_set(err, E_LIMIT, "", "receipt of '%.*s'", STR_ARG(receipt->agreement));
    return db_exec(tx, &q_receipt_insert,
                   DB_ARGS(DB_TEXT(receipt->agreement),
                           DB_TEXT(str_c(party_role_names[receipt->role])), DB_I64(receipt->seq),
                           DB_TEXT(str_c(event.c)), DB_TEXT(buf_str(&line)), DB_I64(now_us)),
                   NULL, err);
}

/* -- batches ----------------------------------------------------------------------------------- */

struct batch {
    struct writer_op op;
    struct exchange *exchange;
    struct arena *arena;
    struct buf body;
    struct outbox_msg msg; /* id 0: nothing to send */
};

static int collect(struct db *tx, void *arg, struct err *err)
{
    struct batch *batch = arg;
    struct app *app = batch->exchange->app;
    struct list lines = {0};
    int64_t batches = 0;

    buf_reset(&batch->body);
    batch->msg.id = 0;
    if (app->replica != NULL) {
        if (exchange__batches(tx, batch->arena, &batches, err) < 0)
            return err_ret(err);
        if (batches > 0) /* another replica's: when that has ended it sends ours, too */
            return 0;
    }
    if (db_list(tx, &q_receipt_unanswered, DB_ARGS(DB_I64(LIMIT_BATCH_LINES)), &line_row,
                batch->arena, LIMIT_BATCH_LINES, &lines, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < lines.n; i++) {
        const struct str line = LIST_ITEMS(struct line, lines)[i].line;

        if (batch->body.n + line.n + 1 > LIMIT_BATCH_BYTES)
            break;
        buf_add_str(&batch->body, line);
        buf_add_char(&batch->body, '\n');
    }
    if (batch->body.n == 0)
        return 0;
    exchange_message(
        app, &batch->msg, BROKER_RECORD, "broker.usage",
        arena_printf(batch->arena, "%.*s/v1/usage", STR_ARG(app->settings->broker_url)),
        buf_str(&batch->body));
    return outbox_put(app->outbox, tx, &batch->msg, err);
}

static void start_batch(struct exchange *exchange); /* it and collected() call each other */

/*
 * A receipt that was stored after we had looked, but woke us before now, must not wait for the next
 * one.
 */
static void nothing_sent(struct exchange *exchange, bool look_again)
{
    bool again;

    pthread_mutex_lock(&exchange->lock);
    again = exchange->batch_again && look_again;
    exchange->batch_again = false;
    exchange->batch_in_flight = again;
    pthread_mutex_unlock(&exchange->lock);
    if (again)
        start_batch(exchange);
}

static void collected(void *arg, const struct err *err)
{
    struct batch *batch = arg;
    struct exchange *exchange = batch->exchange;

    if (err->code != E_OK)
        log_err(NULL, "receipts could not be collected", err);
    if (err->code == E_OK && batch->msg.id != 0) {
        outbox_wake(exchange->app->outbox, &batch->msg);
    } else {
        nothing_sent(exchange, err->code == E_OK);
    }
    buf_done(&batch->body);
    arena_free(&batch->arena);
    free(batch);
}

static void start_batch(struct exchange *exchange)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    struct err err = {0};

    if (batch != NULL && (batch->arena = arena_new(LIMIT_BATCH_BYTES * 4)) != NULL) {
        batch->exchange = exchange;
        batch->body = buf_init(LIMIT_BATCH_BYTES);
        batch->op = (struct writer_op){
            .name = "receipts_collect", .fn = collect, .arg = batch, .done = collected};
        if (writer_submit(exchange->app->writer, &batch->op, &err) == 0)
            return;
        arena_free(&batch->arena);
    }
    free(batch);
    pthread_mutex_lock(&exchange->lock);
    exchange->batch_in_flight = false; /* the next receipt tries again */
    pthread_mutex_unlock(&exchange->lock);
}

void exchange_receipts_wake(struct exchange *exchange)
{
    bool start;

    if (!exchange_enabled(exchange->app))
        return;
    pthread_mutex_lock(&exchange->lock);
    start = !exchange->batch_in_flight;
    exchange->batch_again = exchange->batch_again || !start;
    exchange->batch_in_flight = true;
    pthread_mutex_unlock(&exchange->lock);
    if (start)
        start_batch(exchange);
}

void exchange__batch_over(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->batch_in_flight = false;
    exchange->batch_again = false;
    pthread_mutex_unlock(&exchange->lock);
    exchange_receipts_wake(exchange);
}

static int record_line(struct db *tx, struct str agreement, struct str role, int64_t seq,
                       struct str result, struct err *err)
{
    return db_exec(tx, &q_receipt_answer,
                   DB_ARGS(DB_TEXT(agreement), DB_TEXT(role), DB_I64(seq), DB_TEXT(result)), NULL,
                   err);
}

/*
 * The whole batch was refused: its lines are marked, so that they don't come back for ever; an
 * operator sees them in /naru/v1/usage.
 */
static int record_refused(struct db *tx, const struct outbox_msg *msg, struct str answer,
                          struct arena *arena, struct err *err)
{
    struct str rest = msg->body;

    log_error(NULL, "the broker refused a batch of receipts", L_STR("answer", answer));
    while (str_present(rest)) {
        const struct str line = str_cut(&rest, '\n');
        struct wire_receipt receipt = {0};

        if (line.n == 0)
            continue;
        if (object_parse(&wire_receipt_object, line, &jlimits_default, arena, &receipt, err) < 0 ||
            record_line(tx, receipt.agreement, str_c(party_role_names[receipt.role]), receipt.seq,
                        STR("batch refused"), err) < 0)
            return err_ret(err);
    }
    return 0;
}

int exchange__batch_answered(struct db *tx, const struct outbox_msg *msg, bool accepted,
                             struct str answer, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(LIMIT_BATCH_BYTES * 8);
    struct batch_answer batch = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "answer to receipts");
    if (!accepted)
        return record_refused(tx, msg, answer, arena, err);
    if (object_parse(&batch_answer_object, answer, &answer_limits, arena, &batch, err) < 0) {
        log_err(NULL, "the broker's answer to receipts is not understood", err);
        err_clear(err);
        return record_refused(tx, msg, answer, arena, err);
    }
    for (size_t i = 0; i < batch.lines.n; i++) {
        const struct line_answer *line = &LIST_ITEMS(struct line_answer, batch.lines)[i];

        if (!str_eq(line->result, STR("created")) && !str_eq(line->result, STR("duplicate")))
            log_warning(NULL, "the broker refused a receipt", L_STR("agreement", line->agreement),
                        L_I64("seq", line->seq), L_STR("result", line->result),
                        L_STR("detail", line->detail));
        if (record_line(tx, line->agreement, str_c(party_role_names[line->role]), line->seq,
                        line->result, err) < 0)
            return err_ret(err);
    }
    return 0;
}

int exchange_usage(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    struct list lines = {0};
    struct jw w = jw_init(&out);
    int64_t most;

    if (rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &most, err) < 0 ||
        db_list(worker->db, &q_receipt_list,
                DB_ARGS(DB_TEXT(rq_query(rq, "agreement")), DB_I64(most)), &line_row, rq->arena,
                (size_t)most, &lines, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < lines.n; i++) {
        const struct line *line = &LIST_ITEMS(struct line, lines)[i];

        jw_object(&w);
        jw_kraw(&w, "receipt", line->line);
        if (str_present(line->answer))
            jw_kstr(&w, "answer", line->answer);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
