/*
 * server/order/duty.c - POST /v1/agreements/deletions, POST /v1/agreements/duties: what a party says of
 * a duty (docs/exchange.md §2)
 *
 * 1 The document is signed by a party that has reported the agreement, with the same counterparty and
 *   in the same role.
 * 2 Only its debtor says that a duty is done, only the other side waives it; overdue both may say,
 *   once the date is over (lib/wire). Nothing lies in the future. That data are deleted is said in a
 *   deletion statement only.
 * 3 Each side says each of these once. The same again answers as before, anything else is a conflict.
 * 4 What counts of it is when it came (duty_list).
 * 5 The whole document goes into the log, so that its signature can be checked there. What people
 *   write travels beside it and stays out of the log; the document has its hash.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "server/audit/audit.h"
#include "server/order/order_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define WORDS_MAX 1000 /* of one deal */

static const char delete_action[] = "http://www.w3.org/ns/odrl/2/delete";

struct statement_body {
    struct str document, text;
};

/* clang-format off */
static const struct field statement_fields[] = {
    FIELD(struct statement_body, document, "statement", F_REQUIRED | F_NONEMPTY),
    FIELD(struct statement_body, text,     "text",      0),
};
static OBJECT(statement_object, struct statement_body, statement_fields, CLOSED);
static const struct field report_fields[] = {
    FIELD(struct statement_body, document, "report", F_REQUIRED | F_NONEMPTY),
    FIELD(struct statement_body, text,     "text",   0),
};
static OBJECT(report_object, struct statement_body, report_fields, CLOSED);
struct stored {
    struct str document;
};
static const struct field stored_fields[] = {FIELD(struct stored, document, "document", F_REQUIRED)};
static OBJECT(stored_row, struct stored, stored_fields, OPEN);
struct count {
    int64_t n;
};
static const struct field count_fields[] = {FIELD(struct count, n, "n", F_REQUIRED)};
/* clang-format on */
static OBJECT(count_row, struct count, count_fields, OPEN);

struct saying {
    struct rq *rq;
    const char *at; /* member of the body that holds the document */
    bool deletion;
    struct statement_body body;
    struct str payload;
    struct wire_duty said; /* a deletion statement is the report that deleting is done */
    struct str peer;
    struct uuid deal;
    int64_t now_us;
};

/* -- inside the transaction -------------------------------------------------------------------- */

/* Rules 1 and 2. */
static int check(struct db *tx, const struct saying *s, struct err *err)
{
    struct report mine = {0};
    bool found = false;

    if (order__own_report(tx, s->said.agreement, rq_principal(s->rq)->participant, s->rq->arena,
                          &mine, &found, err) < 0)
        return err_ret(err);
    if (!found || mine.role != s->said.role || !uuid_eq(mine.deal_id, s->deal))
        return err_tell(err, E_NOT_FOUND, s->at,
                        "you have not reported this agreement with this counterparty and role");
    if (s->said.at_us > s->now_us + ORDER_SKEW_US)
        return err_tell(err, E_INVALID, s->at, "it lies in the future");
    if (s->said.at_us < mine.agreed_us - ORDER_SKEW_US)
        return err_tell(err, E_INVALID, s->at, "it lies before the agreement");
    return 0;
}

/* "late" is what we make of it, not what is said. */
static struct str state_of(const struct saying *s)
{
    return str_c(duty_state_names[s->said.state == DUTY_LATE ? DUTY_DONE : s->said.state]);
}

/* Rule 3; signatures of the same text may differ. */
static int find_stored(struct db *tx, const struct saying *s, bool *ret_stored, struct err *err)
{
    struct stored stored = {0};
    struct jws before;

    *ret_stored = false;
    switch (db_one(tx, &q_duty_word_get,
                   DB_ARGS(DB_UUID(s->deal), DB_UUID(s->said.duty),
                           DB_TEXT(str_c(party_role_names[s->said.role])), DB_TEXT(state_of(s))),
                   &stored_row, s->rq->arena, &stored, err)) {
    case DB_ROW: break;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    *ret_stored = true;
    if (jws_parse_document(stored.document, s->rq->arena, &before, err) < 0)
        return err_set(err, E_CORRUPT, "ord.duty_word.document", "it cannot be read");
    return str_eq(before.payload, s->payload)
               ? 0
               : err_tell(err, E_CONFLICT, s->at, "you have said something else of this duty");
}

static int log_word(struct db *tx, const struct saying *s, struct err *err)
{
    const struct wire_duty *d = &s->said;
    AUTO(buf_done) struct buf body = buf_init(KIB(96));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "duty", uuid_format(d->duty).c);
    jw_kstr(&w, "agreement", d->agreement);
    jw_kc(&w, "role", party_role_names[d->role]);
    jw_kc(&w, "participant", uuid_format(rq_principal(s->rq)->participant).c);
    jw_kstr(&w, "peer", s->peer);
    if (!s->deletion) {
        jw_kc(&w, "debtor", party_role_names[d->debtor]);
        jw_kstr(&w, "action", d->action);
        jw_kc(&w, "state", duty_state_names[d->state]);
    }
    if (d->due_us != 0)
        jw_kc(&w, "due_at", time_format(d->due_us).c);
    jw_kc(&w, s->deletion ? "deleted_at" : "at", time_format(d->at_us).c);
    jw_kstr(&w, "document", s->body.document);
    jw_object_end(&w);
    if (buf_failed(&body))
        return err_tell(err, E_LIMIT, s->at, "the document is too large");
    return audit_append(tx, s->deletion ? ENTRY_DELETION_STATED : ENTRY_DUTY_REPORTED, s->now_us,
                        buf_str(&body), err);
}

static int store(struct db *tx, const struct saying *s, struct err *err)
{
    const struct wire_duty *d = &s->said;
    struct count count = {0};

    if (db_one(tx, &q_duty_word_count, DB_ARGS(DB_UUID(s->deal)), &count_row, s->rq->arena, &count,
               err) == DB_FAIL)
        return err_ret(err);
    if (count.n >= WORDS_MAX)
        return err_tell(err, E_LIMIT, s->at, "at most %d documents of one agreement", WORDS_MAX);
    if (db_exec(tx, &q_duty_word_insert,
                DB_ARGS(DB_UUID(s->deal), DB_UUID(d->duty),
                        DB_TEXT(str_c(party_role_names[d->role])), DB_TEXT(state_of(s)),
                        DB_TEXT(d->agreement), DB_TEXT(d->provider), DB_TEXT(d->consumer),
                        DB_TEXT(str_c(party_role_names[d->debtor])), DB_TEXT(d->action),
                        d->due_us != 0 ? DB_TIME(d->due_us) : DB_NULL(DBT_TIME), DB_TIME(d->at_us),
                        DB_BOOL(s->deletion), DB_TEXT(s->body.document),
                        DB_TEXT(s->body.text.n > 0 ? s->body.text : STR_NONE), DB_TIME(s->now_us)),
                NULL, err) < 0)
        return err_ret(err);
    return log_word(tx, s, err);
}

/* db_tx_fn */
static int say(struct db *tx, void *arg, struct err *err)
{
    struct saying *s = arg;
    bool stored;

    s->now_us = env_wall_us(s->rq->env);
    if (order__deal_lock(tx, s->deal, err) < 0 || check(tx, s, err) < 0 ||
        find_stored(tx, s, &stored, err) < 0)
        return err_ret(err);
    return stored ? 0 : store(tx, s, err);
}

/* -- reading ----------------------------------------------------------------------------------- */

static int read_deletion(struct saying *s, struct err *err)
{
    struct wire_deletion d = {0};

    if (object_parse(&wire_deletion_object, s->payload, &jlimits_default, s->rq->arena, &d, err) <
            0 ||
        wire_deletion_check(&d, err) < 0)
        return err_ret(err);
    s->said = (struct wire_duty){
        .duty = d.duty,
        .agreement = d.agreement,
        .provider = d.provider,
        .consumer = d.consumer,
        .role = d.role,
        .debtor = d.role,
        .action = str_c(delete_action),
        .due_us = d.due_us,
        .state = DUTY_DONE,
        .at_us = d.deleted_us,
        .by = d.by,
        .text_hash = d.text_hash,
    };
    return 0;
}

static int read_report(struct saying *s, struct err *err)
{
    if (object_parse(&wire_duty_object, s->payload, &jlimits_default, s->rq->arena, &s->said, err) <
            0 ||
        wire_duty_check(&s->said, err) < 0)
        return err_ret(err);
    if (str_eq_c(s->said.action, delete_action) &&
        (s->said.state == DUTY_DONE || s->said.state == DUTY_LATE))
        return err_tell(err, E_INVALID, "/state", "deleting is stated at /v1/agreements/deletions");
    return 0;
}

static int check_text(const struct saying *s, struct err *err)
{
    const struct str hash = s->said.text_hash, text = s->body.text;
    uint8_t own[SHA256_LEN];

    if (text.n > WIRE_DUTY_TEXT)
        return err_tell(err, E_LIMIT, "/text", "at most %d bytes", WIRE_DUTY_TEXT);
    if (text.n == 0 && hash.n == 0)
        return 0;
    sha256(text.p, text.n, own);
    if (hash.n == 0 || !str_eq_c(str_from(hash, 7), hash_hex(own).c))
        return err_tell(err, E_INVALID, "/text", "it is not the text whose hash was signed");
    return 0;
}

static int read_body(struct saying *s, const struct object *object, struct err *err)
{
    const struct worker *worker = s->rq->thread;
    const char *const typ = s->deletion ? WIRE_TYP_DELETION : WIRE_TYP_DUTY;
    struct participant me = {0};
    bool provider;

    if (rq_decode(s->rq, object, &s->body, err) < 0 ||
        participant_get(worker->db, rq_principal(s->rq)->participant, s->rq->arena, &me, err) < 0)
        return err_ret(err);
    if (s->body.document.n > WIRE_DUTY_DOCUMENT)
        return err_tell(err, E_LIMIT, s->at, "at most %zu bytes", WIRE_DUTY_DOCUMENT);
    if (participant_verify(&me, s->body.document, typ, s->rq->arena, &s->payload, err) < 0)
        return err_tell(err, E_INVALID, s->at, "expected a JWS of typ '%s' signed by your key",
                        typ);
    if ((s->deletion ? read_deletion : read_report)(s, err) < 0)
        return err_at_prefix(err, s->at);
    provider = s->said.role == PARTY_PROVIDER;
    if (!str_eq(provider ? s->said.provider : s->said.consumer, me.did))
        return err_tell(err, E_INVALID, s->at, "you are not the %s of this agreement",
                        party_role_names[s->said.role]);
    s->peer = provider ? s->said.consumer : s->said.provider;
    s->deal = order_deal(s->said.provider, s->said.consumer, s->said.agreement);
    return check_text(s, err);
}

static int take(struct rq *rq, bool deletion, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(8));
    struct saying *s = ARENA_NEW(rq->arena, struct saying);
    struct jw w = jw_init(&out);

    if (s == NULL)
        return err_set(err, E_NO_MEMORY, "", "duty");
    s->rq = rq;
    s->deletion = deletion;
    s->at = deletion ? "/statement" : "/report";
    if (read_body(s, deletion ? &statement_object : &report_object, err) < 0 ||
        db_tx(worker->db, "duty_word", say, s, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kc(&w, "duty", uuid_format(s->said.duty).c);
    jw_kstr(&w, "agreement", s->said.agreement);
    jw_kstr(&w, "state", state_of(s));
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

int order_deletion(struct rq *rq, struct err *err)
{
    return take(rq, /* deletion= */ true, err);
}

int order_duty(struct rq *rq, struct err *err)
{
    return take(rq, /* deletion= */ false, err);
}
