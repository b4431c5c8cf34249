/*
 * server/metering/usage_add.c - POST /v1/usage: a signed batch of receipts (docs/exchange.md §2)
 *
 *  1. The body is UTF-8 text: at most LIMIT_BATCH_LINES lines of at most LINE_MAX_BYTES, each ended
 *     by "\n", in LIMIT_BATCH_BYTES. 2. Naru-Signature is a JWS (typ naru-batch+jws) of the calling
 *     participant over the canonical form
 *     of {"batch","issued_at","lines","reporter"}: batch is "sha256:" and the hash of the body. 3.
 *     A batch that breaks 1 or 2 is refused as a whole and leaves nothing behind. Everything else
 *     is
 *     answered line by line, and the same bytes from the same reporter always get the same answer.
 *     4. A line must be a receipt in canonical form that keeps the rules of wire_receipt_check.
 *     Rules 5 and following need the database: usage_store.c.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/metering/metering_private.h"
#include "server/registry/auth.h"

#include "lib/base/banned.h"

#define LINE_MAX_BYTES 4096
#define BATCH_ARENA    MIB(96)

static int mistake(struct usage_line *line, struct arena *arena, const struct err *bad,
                   struct err *err)
{
    line->bad = bad->code;
    line->bad_detail = arena_printf(arena, "%s%s%s", bad->at, bad->at[0] != '\0' ? ": " : "",
                                    bad->detail[0] != '\0' ? bad->detail : err_title(bad->code));
    return str_present(line->bad_detail) ? 0 : err_set(err, E_NO_MEMORY, "", "receipts");
}

int usage__parse(struct usage_line *line, struct arena *arena, struct err *err)
{
    AUTO(buf_done) struct buf canonical = buf_init(2 * LINE_MAX_BYTES);
    struct err bad = {0};

    if (object_parse(&wire_receipt_object, line->text, &jlimits_default, arena, &line->receipt,
                     &bad) < 0)
        return mistake(line, arena, &bad, err);
    line->readable = true;
    object_canonical(&wire_receipt_object, &line->receipt, &canonical);
    if (!str_eq(buf_str(&canonical), line->text)) {
        line->bad = E_SYNTAX;
        line->bad_detail = STR("the line is not in canonical form (RFC 8785)");
    }
    return 0;
}

int usage__read_line(struct usage_line *line, struct arena *arena, struct err *err)
{
    struct err bad = {0};

    sha256(line->text.p, line->text.n, line->hash);
    line->readable = wire_receipt_scan(line->text, &line->receipt);
    if (!line->readable && usage__parse(line, arena, err) < 0)
        return err_ret(err);
    if (line->bad == E_OK && wire_receipt_check(&line->receipt, &bad) < 0)
        return mistake(line, arena, &bad, err);
    return 0;
}

/* Rule 1. */
static int split(struct str body, struct usage_batch *batch, struct err *err)
{
    size_t n = 0;

    if (body.n == 0 || body.p[body.n - 1] != '\n')
        return err_tell(err, E_SYNTAX, "", "expected lines that each end with a line feed");
    if (!str_is_utf8(body))
        return err_tell(err, E_SYNTAX, "", "expected UTF-8 text without NUL");
    for (size_t i = 0; i < body.n; i++)
        n += body.p[i] == '\n';
    if (n > LIMIT_BATCH_LINES)
        return err_tell(err, E_LIMIT, "", "at most %d lines", LIMIT_BATCH_LINES);
    batch->lines = ARENA_ARRAY(batch->arena, struct usage_line, n);
    if (batch->lines == NULL)
        return err_set(err, E_NO_MEMORY, "", "receipts");
    body.n--; /* the end of the last line is not the start of another */
    for (batch->n = 0; batch->n < n; batch->n++) {
        struct str *text = &batch->lines[batch->n].text;

        *text = str_cut(&body, '\n');
        if (text->n > LINE_MAX_BYTES)
            return err_tell(err, E_LIMIT, "", "line %zu is longer than %d bytes", batch->n + 1,
                            LINE_MAX_BYTES);
    }
    return 0;
}

/* Rule 2. */
static int check_signature(struct rq *rq, struct usage_batch *batch, struct err *err)
{
    AUTO(buf_done) struct buf canonical = buf_init(KIB(16));
    const struct hash_text hash = hash_hex(batch->hash);
    struct wire_batch claim = {0};
    struct str payload;

    if (batch->signature.n == 0 || batch->signature.n > LIMIT_TOKEN)
        return err_tell(err, E_TOKEN, WIRE_SIGNATURE_HEADER, "expected a signature of the batch");
    if (participant_verify(batch->reporter, batch->signature, WIRE_TYP_BATCH, rq->arena, &payload,
                           err) < 0 ||
        object_parse(&wire_batch_object, payload, &jlimits_default, rq->arena, &claim, err) < 0)
        return err_ret(err);
    object_canonical(&wire_batch_object, &claim, &canonical);
    if (!str_eq(buf_str(&canonical), payload))
        return err_tell(err, E_TOKEN, WIRE_SIGNATURE_HEADER, "the payload is not canonical");
    if (!str_starts(claim.batch, STR("sha256:")) || !str_eq_c(str_from(claim.batch, 7), hash.c) ||
        claim.lines != (int64_t)batch->n)
        return err_tell(err, E_TOKEN, WIRE_SIGNATURE_HEADER, "the signature is of another body");
    if (!str_eq(claim.reporter, batch->reporter->did))
        return err_tell(err, E_TOKEN, WIRE_SIGNATURE_HEADER, "'reporter' is not the caller");
    if (claim.issued_us > batch->now_us + USAGE_SKEW_US)
        return err_tell(err, E_TOKEN, WIRE_SIGNATURE_HEADER, "'issued_at' lies in the future");
    return 0;
}

/* Rule 10. */
static struct uuid batch_id(const struct usage_batch *batch)
{
    uint8_t digest[SHA256_LEN];
    char text[sizeof("batch||") + sizeof(struct uuid_text) + sizeof(struct hash_text)];
    const int n = snprintf(text, sizeof(text), "batch|%s|%s",
                           uuid_format(batch->reporter->participant_id).c, hash_hex(batch->hash).c);

    sha256(text, (size_t)n, digest);
    return uuid_v8_from(digest);
}

static int receive(struct rq *rq, struct usage_batch *batch, struct err *err)
{
    const struct worker *worker = rq->thread;

    sha256(rq->body.p, rq->body.n, batch->hash);
    batch->id = batch_id(batch);
    if (split(rq->body, batch, err) < 0 || check_signature(rq, batch, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < batch->n; i++) {
        if (usage__read_line(&batch->lines[i], batch->arena, err) < 0)
            return err_ret(err);
    }
    return db_tx(worker->db, "usage_add", usage__store, batch, err);
}

int usage_add(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(arena_free) struct arena *arena = arena_new(BATCH_ARENA);
    struct participant reporter = {0};
    struct usage_batch batch = {
        .app = rq->app,
        .arena = arena,
        .reporter = &reporter,
        .signature = rq_header(rq, WIRE_SIGNATURE_HEADER),
        .now_us = env_wall_us(rq->env),
        .answer = buf_init(LIMIT_BATCH_BYTES),
    };
    int bad;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "receipts");
    if (participant_get(worker->db, rq_principal(rq)->participant, rq->arena, &reporter, err) < 0)
        return err_ret(err);
    bad = receive(rq, &batch, err);
    if (bad == 0)
        rq_reply_buf(rq, 200, "application/json", &batch.answer);
    buf_done(&batch.answer);
    return bad;
}
