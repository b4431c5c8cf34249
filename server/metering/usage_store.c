/*
 * server/metering/usage_store.c - a batch of receipts in one transaction, set by set
 *
 *  5. A receipt must name an agreement that its reporter has reported in the same role. 6. `since`
 *  lies in [agreed_at, ends_at); neither `since` nor `until` lies more than
 *     USAGE_SKEW_US ahead; `since` is at most USAGE_AGE_US old. 7. (event, role, reporter) is there
 *     once: the same bytes again are a duplicate, others a conflict. 8. (deal, role, seq) is there
 *     once: another event under a used number is a conflict. The deal is the agreement with the two
 *     parties that the reporter's report names (order_deal): what others send under the same id is
 *     theirs. Gaps are accepted; they are visible in GET /v1/usage. 9. The batch is a log entry with its
 *     signature, and so is each of its lines: accepted ones as
 *     receipts, all others as text with the reason. So the signed bytes can be made from the log.
 *     10. A batch without a line about an agreement of its reporter is answered and leaves nothing.
 *     The same bytes of two reporters are two batches: the id, UUIDv8 of SHA-256 of
 *     "batch|<reporter>|<hash>", is of both.
 *
 * The insertion itself finds duplicates, so two batches with the same receipts at the same time end
 * as one after the other would. Nearly every batch is all new: it is inserted behind a savepoint as
 * if nothing could collide, which costs a third less; after a collision again with ON CONFLICT DO
 * NOTHING, and only then are the rows compared.
 */
#include <assert.h>

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/audit/audit.h"
#include "server/metering/metering_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

static const char *const result_names[] = {
    [LINE_CREATED] = "created",
    [LINE_DUPLICATE] = "duplicate",
    [LINE_CONFLICT] = "conflict",
    [LINE_REFUSED] = "refused",
};
static_assert(ARRAY_LEN(result_names) == LINE__COUNT, "one name per result");

struct stored {
    struct str answer;
};

struct known_agreement {
    struct str agreement_id;
    int role;
    struct uuid deal_id;
    int64_t agreed_us, ends_us; /* ends_us 0: no end */
};

struct compared {
    int64_t line;
    struct str result;
};
/* clang-format off */
static const struct field stored_fields[] = {
    FIELD(struct stored, answer, "answer", F_REQUIRED),
};
static OBJECT(stored_row, struct stored, stored_fields, CLOSED);
static const struct field known_fields[] = {
    FIELD(struct known_agreement, agreement_id, "agreement_id", F_REQUIRED),
    FIELD_ENUM(struct known_agreement, role,    "role",         F_REQUIRED, party_role_names),
    FIELD(struct known_agreement, deal_id,      "deal_id",      F_REQUIRED),
    FIELD(struct known_agreement, agreed_us,    "agreed_at",    F_REQUIRED | F_TIME),
    FIELD(struct known_agreement, ends_us,      "ends_at",      F_TIME),
};
static OBJECT(known_row, struct known_agreement, known_fields, CLOSED);
static const struct field compared_fields[] = {
    FIELD(struct compared, line,   "line",   F_REQUIRED),
    FIELD(struct compared, result, "result", F_REQUIRED),
};
static OBJECT(compared_row, struct compared, compared_fields, CLOSED);

/* clang-format on */

/* -- rules 5 and 6 ----------------------------------------------------------------------------- */

static int cmp_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The distinct agreements of the readable lines, sorted. */
static struct str *distinct(const struct usage_batch *batch, size_t *ret_n)
{
    struct str *ids = ARENA_ARRAY(batch->arena, struct str, batch->n);
    size_t n = 0, kept = 0;

    if (ids == NULL)
        return NULL;
    for (size_t i = 0; i < batch->n; i++) {
        const struct usage_line *line = &batch->lines[i];

        /* most batches are about few agreements: neighbours are mostly equal */
        if (line->readable && (n == 0 || !str_eq(ids[n - 1], line->receipt.agreement)))
            ids[n++] = line->receipt.agreement;
    }
    qsort(ids, n, sizeof(*ids), cmp_str);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !str_eq(ids[kept - 1], ids[i]))
            ids[kept++] = ids[i];
    }
    *ret_n = kept;
    return ids;
}

static int cmp_known(const struct known_agreement *k, const struct wire_receipt *r)
{
    const int order = str_cmp(k->agreement_id, r->agreement);

    return order != 0 ? order : k->role - r->role;
}

static const struct known_agreement *find(const struct list *known, const struct wire_receipt *r)
{
    const struct known_agreement *items = known->items;

    for (size_t low = 0, high = known->n; low < high;) {
        const size_t mid = low + (high - low) / 2;
        const int order = cmp_known(&items[mid], r);

        if (order == 0)
            return &items[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static int cmp_rows(const void *a, const void *b)
{
    const struct known_agreement *x = a, *y = b;
    const int order = str_cmp(x->agreement_id, y->agreement_id);

    return order != 0 ? order : x->role - y->role;
}

static void settle(struct usage_line *line, enum line_result result, enum err_code code,
                   struct str detail)
{
    line->result = result;
    line->code = code;
    line->detail = detail;
}

/* True if the line is about an agreement of its reporter. */
static bool judge(struct usage_line *line, const struct list *known, int64_t now_us)
{
    const struct wire_receipt *r = &line->receipt;
    const struct known_agreement *k = line->readable ? find(known, r) : NULL;

    if (line->bad != E_OK)
        settle(line, LINE_REFUSED, line->bad, line->bad_detail);
    else if (k == NULL)
        settle(line, LINE_REFUSED, E_NOT_FOUND,
               STR("no agreement was reported under this id and role"));
    else if (r->since_us < k->agreed_us)
        settle(line, LINE_REFUSED, E_RANGE, STR("'since' lies before the agreement"));
    else if (k->ends_us != 0 && r->since_us >= k->ends_us)
        settle(line, LINE_REFUSED, E_RANGE, STR("'since' lies after the end of the agreement"));
    else if (r->until_us > now_us + USAGE_SKEW_US)
        settle(line, LINE_REFUSED, E_RANGE, STR("'until' lies in the future"));
    else if (r->since_us < now_us - USAGE_AGE_US)
        settle(line, LINE_REFUSED, E_RANGE, STR("the event is too old"));
    else
        settle(line, LINE_CREATED, E_OK, STR_NONE);
    if (k != NULL)
        line->deal = k->deal_id;
    return k != NULL;
}

static int judge_all(struct db *tx, struct usage_batch *batch, bool *ret_own, struct err *err)
{
    struct list known = {0};
    size_t n = 0;
    struct str *ids = distinct(batch, &n);

    if (ids == NULL)
        return err_set(err, E_NO_MEMORY, "", "receipts");
    if (n > 0 &&
        db_list(tx, &q_reporter_agreements,
                DB_ARGS(DB_ARRAY(DBT_TEXT_ARRAY, ids, n), DB_UUID(batch->reporter->participant_id)),
                &known_row, batch->arena, n, &known, err) < 0)
        return err_ret(err);
    if (known.n > 0) /* the database may sort texts by other rules than ours */
        qsort(known.items, known.n, sizeof(struct known_agreement), cmp_rows);
    for (size_t i = 0; i < batch->n; i++)
        *ret_own = judge(&batch->lines[i], &known, batch->now_us) || *ret_own;
    return 0;
}

/* -- rules 7 and 8 ----------------------------------------------------------------------------- */

struct columns {
    size_t n;
    struct uuid *events, *deals;
    struct str *roles, *transfers, *hashes;
    int64_t *seqs, *since, *until, *calls, *bytes, *rows, *lines;
};

struct insertion {
    const struct usage_batch *batch;
    struct columns columns;
};

static int make_columns(const struct usage_batch *batch, struct columns *c, struct err *err)
{
    struct str **const texts[] = {&c->roles, &c->transfers, &c->hashes};
    int64_t **const numbers[] = {&c->seqs,  &c->since, &c->until, &c->calls,
                                 &c->bytes, &c->rows,  &c->lines};

    c->events = ARENA_ARRAY(batch->arena, struct uuid, batch->n);
    c->deals = ARENA_ARRAY(batch->arena, struct uuid, batch->n);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = ARENA_ARRAY(batch->arena, struct str, batch->n);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        *numbers[i] = ARENA_ARRAY(batch->arena, int64_t, batch->n);
    if (arena_failed(batch->arena))
        return err_set(err, E_NO_MEMORY, "", "receipts");
    for (size_t i = 0; i < batch->n; i++) {
        const struct wire_receipt *r = &batch->lines[i].receipt;

        if (batch->lines[i].result != LINE_CREATED)
            continue;
        c->events[c->n] = r->event;
        c->roles[c->n] = str_c(party_role_names[r->role]);
        c->deals[c->n] = batch->lines[i].deal;
        c->transfers[c->n] = r->transfer;
        c->hashes[c->n] = str_n(batch->lines[i].hash, SHA256_LEN);
        c->seqs[c->n] = r->seq;
        c->since[c->n] = r->since_us;
        c->until[c->n] = r->until_us;
        c->calls[c->n] = r->calls;
        c->bytes[c->n] = r->bytes;
        c->rows[c->n] = r->rows;
        c->lines[c->n++] = (int64_t)i + 1;
    }
    return 0;
}

static void settle_compared(struct usage_line *line, struct str result)
{
    if (str_eq(result, STR("duplicate")))
        settle(line, LINE_DUPLICATE, E_OK, STR_NONE);
    else if (str_eq(result, STR("event")))
        settle(line, LINE_CONFLICT, E_PEER_CONFLICT,
               STR("the event was reported before in this role with other content"));
    else if (str_eq(result, STR("seq")))
        settle(line, LINE_CONFLICT, E_PEER_CONFLICT, STR("'seq' was used for another event"));
}

static int compare(struct db *tx, const struct usage_batch *batch, const struct columns *c,
                   struct err *err)
{
    struct list list = {0};

    if (db_list(tx, &q_receipts_compare,
                DB_ARGS(DB_UUID(batch->reporter->participant_id), DB_UUID(batch->id),
                        DB_ARRAY(DBT_UUID_ARRAY, c->events, c->n),
                        DB_ARRAY(DBT_TEXT_ARRAY, c->roles, c->n),
                        DB_ARRAY(DBT_I64_ARRAY, c->lines, c->n),
                        DB_ARRAY(DBT_BYTES_ARRAY, c->hashes, c->n)),
                &compared_row, batch->arena, c->n, &list, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < list.n; i++) {
        const struct compared *row = &LIST_ITEMS(struct compared, list)[i];

        settle_compared(&batch->lines[row->line - 1], row->result);
    }
    return 0;
}

/* The arguments of both insertions. */
static int run_insert(struct db *tx, const struct insertion *in, const struct query *q,
                      int64_t *ret_taken, struct err *err)
{
    const struct usage_batch *batch = in->batch;
    const struct columns *c = &in->columns;

    return db_exec(
        tx, q,
        DB_ARGS(
            DB_UUID(batch->reporter->participant_id), DB_UUID(batch->id), DB_TIME(batch->now_us),
            DB_ARRAY(DBT_UUID_ARRAY, c->events, c->n), DB_ARRAY(DBT_TEXT_ARRAY, c->roles, c->n),
            DB_ARRAY(DBT_UUID_ARRAY, c->deals, c->n), DB_ARRAY(DBT_I64_ARRAY, c->seqs, c->n),
            DB_ARRAY(DBT_TEXT_ARRAY, c->transfers, c->n), DB_ARRAY(DBT_TIME_ARRAY, c->since, c->n),
            DB_ARRAY(DBT_TIME_ARRAY, c->until, c->n), DB_ARRAY(DBT_I64_ARRAY, c->calls, c->n),
            DB_ARRAY(DBT_I64_ARRAY, c->bytes, c->n), DB_ARRAY(DBT_I64_ARRAY, c->rows, c->n),
            DB_ARRAY(DBT_I64_ARRAY, c->lines, c->n), DB_ARRAY(DBT_BYTES_ARRAY, c->hashes, c->n)),
        ret_taken, err);
}

static int insert_fresh(struct db *tx, void *arg, struct err *err)
{
    return run_insert(tx, arg, &q_receipts_insert, NULL, err);
}

static int insert(struct db *tx, const struct usage_batch *batch, struct err *err)
{
    struct insertion in = {.batch = batch};
    struct err known = {0};
    int64_t taken = 0;

    if (make_columns(batch, &in.columns, err) < 0)
        return err_ret(err);
    if (in.columns.n == 0 || db_tx(tx, "receipts_insert", insert_fresh, &in, &known) == 0)
        return 0;
    if (known.code != E_DB_CONSTRAINT) {
        *err = known;
        return err_ret(err);
    }
    if (run_insert(tx, &in, &q_receipts_insert_some, &taken, err) < 0)
        return err_ret(err);
    return taken == (int64_t)in.columns.n ? 0 : compare(tx, batch, &in.columns, err);
}

/* -- answer and log ---------------------------------------------------------------------------- */

static void write_line(const struct usage_line *line, size_t number, struct jw *w)
{
    jw_object(w);
    jw_ki64(w, "line", (int64_t)number);
    if (line->readable) {
        jw_ki64(w, "seq", line->receipt.seq);
        jw_kstr(w, "agreement", line->receipt.agreement);
        jw_kc(w, "role", party_role_names[line->receipt.role]);
    }
    jw_kc(w, "result", result_names[line->result]);
    if (line->code != E_OK) {
        jw_kc(w, "code", err_slug(line->code));
        jw_kstr(w, "detail", line->detail);
    }
    jw_object_end(w);
}

static int write_answer(struct usage_batch *batch, struct err *err)
{
    struct jw w = jw_init(&batch->answer);

    jw_object(&w);
    jw_key(&w, "lines");
    jw_array(&w);
    for (size_t i = 0; i < batch->n; i++)
        write_line(&batch->lines[i], i + 1, &w);
    jw_array_end(&w);
    jw_object_end(&w);
    return buf_failed(&batch->answer) ? err_set(err, E_LIMIT, "", "answer to receipts") : 0;
}

static int log_batch(struct db *tx, const struct usage_batch *batch, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(32));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "batch", uuid_format(batch->id).c);
    jw_kstr(&w, "hash", arena_printf(batch->arena, "sha256:%s", hash_hex(batch->hash).c));
    jw_kc(&w, "reporter", uuid_format(batch->reporter->participant_id).c);
    jw_kstr(&w, "signature", batch->signature);
    jw_ki64(&w, "lines", (int64_t)batch->n);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_BATCH_ACCEPTED, batch->now_us, buf_str(&body), err);
}

/* Pieces of one buffer as texts; their addresses are known when it has its final place. */
static void place(struct str *texts, size_t n, const char *p)
{
    for (size_t i = 0; i < n; i++) {
        texts[i].p = p;
        p += texts[i].n;
    }
}

/*
 * Entries of accepted lines are put together from canonical pieces, members in canonical order,
 * since a line is canonical itself; parsing each again would take longer than all other work on it.
 */
static int log_accepted(struct db *tx, const struct usage_batch *batch, struct err *err)
{
    AUTO(buf_done) struct buf all = buf_init(4 * LIMIT_BATCH_BYTES);
    struct str *entries = ARENA_ARRAY(batch->arena, struct str, batch->n);
    const struct str head =
        arena_printf(batch->arena, "{\"at\":\"%s\",\"body\":{\"batch\":\"%s\",\"line\":",
                     time_format(batch->now_us).c, uuid_format(batch->id).c);
    size_t n = 0;

    if (entries == NULL || !str_present(head))
        return err_set(err, E_NO_MEMORY, "", "log entries");
    for (size_t i = 0, from = 0; i < batch->n; i++) {
        if (batch->lines[i].result != LINE_CREATED)
            continue;
        buf_add_str(&all, head);
        buf_add_i64(&all, (int64_t)i + 1);
        buf_add_str(&all, STR(",\"receipt\":"));
        buf_add_str(&all, batch->lines[i].text);
        buf_add_str(&all, STR("},\"kind\":\"receipt.accepted\"}"));
        entries[n++].n = all.n - from;
        from = all.n;
    }
    if (buf_failed(&all))
        return err_set(err, E_LIMIT, "", "log entries of a batch");
    place(entries, n, all.p);
    return n == 0 ? 0 : audit_append_canonical(tx, entries, n, err);
}

static int log_refused(struct db *tx, const struct usage_batch *batch, struct err *err)
{
    AUTO(buf_done) struct buf all = buf_init(2 * LIMIT_BATCH_BYTES);
    struct str *bodies = ARENA_ARRAY(batch->arena, struct str, batch->n);
    const struct uuid_text id = uuid_format(batch->id);
    size_t n = 0;

    if (bodies == NULL)
        return err_set(err, E_NO_MEMORY, "", "log entries");
    for (size_t i = 0, from = 0; i < batch->n; i++) {
        const struct usage_line *line = &batch->lines[i];
        struct jw w = jw_init(&all);

        if (line->result == LINE_CREATED)
            continue;
        jw_object(&w);
        jw_kc(&w, "batch", id.c);
        jw_ki64(&w, "line", (int64_t)i + 1);
        jw_kstr(&w, "text", line->text);
        jw_kc(&w, "code", line->result == LINE_DUPLICATE ? "duplicate" : err_slug(line->code));
        jw_object_end(&w);
        bodies[n++].n = all.n - from;
        from = all.n;
    }
    if (buf_failed(&all))
        return err_set(err, E_LIMIT, "", "log entries of a batch");
    place(bodies, n, all.p);
    return n == 0 ? 0 : audit_append_many(tx, ENTRY_RECEIPT_REFUSED, batch->now_us, bodies, n, err);
}

/* 1: the batch was stored before (its answer is taken over), 0: it is new. */
static int stored_before(struct db *tx, struct usage_batch *batch, struct err *err)
{
    struct stored row = {0};

    switch (db_one(tx, &q_batch_find, DB_ARGS(DB_UUID(batch->id)), &stored_row, batch->arena, &row,
                   err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    buf_reset(&batch->answer);
    buf_add_str(&batch->answer, row.answer);
    return 1;
}

/* 1: stored, 0: the same batch came in twice at once and the other was first. */
static int store_batch(struct db *tx, const struct usage_batch *batch, struct err *err)
{
    int64_t stored = 0;

    if (db_exec(tx, &q_batch_insert,
                DB_ARGS(DB_UUID(batch->id), DB_BYTES(str_n(batch->hash, SHA256_LEN)),
                        DB_UUID(batch->reporter->participant_id), DB_TEXT(batch->signature),
                        DB_I64((int64_t)batch->n), DB_TIME(batch->now_us)),
                &stored, err) < 0)
        return err_ret(err);
    return stored == 1;
}

static int store_answer(struct db *tx, const struct usage_batch *batch, struct err *err)
{
    return db_exec(tx, &q_batch_answer_insert,
                   DB_ARGS(DB_UUID(batch->id), DB_TEXT(buf_str(&batch->answer))), NULL, err);
}

static int log_all(struct db *tx, const struct usage_batch *batch, struct err *err)
{
    if (log_batch(tx, batch, err) < 0 || log_accepted(tx, batch, err) < 0)
        return err_ret(err);
    return log_refused(tx, batch, err);
}

int usage__store(struct db *tx, void *arg, struct err *err)
{
    struct usage_batch *batch = arg;
    bool own = false;
    int step;

    buf_reset(&batch->answer);
    step = stored_before(tx, batch, err);
    if (step != 0)
        return step < 0 ? err_ret(err) : 0;
    if (judge_all(tx, batch, &own, err) < 0)
        return err_ret(err);
    if (!own)
        return write_answer(batch, err);
    step = store_batch(tx, batch, err);
    if (step == 0)
        step = stored_before(tx, batch, err) == 1 ? 0 : -1;
    if (step <= 0)
        return step < 0 ? err_ret(err) : 0;
    if (insert(tx, batch, err) < 0 || write_answer(batch, err) < 0 ||
        store_answer(tx, batch, err) < 0)
        return err_ret(err);
    return log_all(tx, batch, err);
}
