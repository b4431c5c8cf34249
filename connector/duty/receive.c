/*
 * connector/duty/receive.c - POST /exchange/v1/duties: what the other connector says of a duty
 *
 * 1 The caller proves who it is; the document is signed by the same company, speaks of an agreement
 *   between us two, in its own role there, and of a duty that this agreement has. Anything else is
 *   "no such duty", whether it is another's or nobody's.
 * 2 Only its debtor says that a duty is done, only the other side waives it (lib/wire). Nothing lies
 *   in the future or before the agreement.
 * 3 It counts from when it comes: what comes after the date is late, whatever it says of itself.
 * 4 That it has paid under an order counts if the data bank says so, too.
 * 5 The same document again is answered as before; another one about a duty that is settled is a
 *   conflict.
 */
#include "connector/duty/duty_private.h"
#include "connector/identity/identity.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define SKEW_US (5 * US_PER_MIN)

struct letter {
    struct str document, text;
};
/* clang-format off */
static const struct field letter_fields[] = {
    FIELD(struct letter, document, "document", F_REQUIRED | F_NONEMPTY),
    FIELD(struct letter, text,     "text",     0),
};
/* clang-format on */
static OBJECT(letter_object, struct letter, letter_fields, CLOSED);

struct receiving {
    struct writer_op op;
    struct rq *rq;
    struct peer peer;
    struct letter letter;
    struct wire_duty said; /* a deletion statement is the report that deleting is done */
    struct wire_deletion deletion;
    bool is_deletion;
    struct str id;
    struct duty_out out;
    struct err err;
};

/* -- reading ----------------------------------------------------------------------------------- */

static int read_text(const struct receiving *r, struct str text_hash, struct err *err)
{
    uint8_t hash[SHA256_LEN];

    if (r->letter.text.n == 0 && text_hash.n == 0)
        return 0;
    if (r->letter.text.n > WIRE_DUTY_TEXT)
        return err_tell(err, E_LIMIT, "/text", "at most %d bytes", WIRE_DUTY_TEXT);
    sha256(r->letter.text.p, r->letter.text.n, hash);
    if (text_hash.n == 0 || !str_eq_c(str_from(text_hash, 7), hash_hex(hash).c))
        return err_tell(err, E_INVALID, "/text", "it is not the text whose hash was signed");
    return 0;
}

static int read_payload(struct receiving *r, struct str payload, struct err *err)
{
    const struct wire_deletion *d = &r->deletion;

    if (!r->is_deletion) {
        if (object_parse(&wire_duty_object, payload, &jlimits_default, r->rq->arena, &r->said,
                         err) < 0)
            return err_ret(err);
        return wire_duty_check(&r->said, err);
    }
    if (object_parse(&wire_deletion_object, payload, &jlimits_default, r->rq->arena, &r->deletion,
                     err) < 0 ||
        wire_deletion_check(d, err) < 0)
        return err_ret(err);
    r->said = (struct wire_duty){
        .duty = d->duty,
        .agreement = d->agreement,
        .provider = d->provider,
        .consumer = d->consumer,
        .role = d->role,
        .debtor = d->role,
        .action = str_c(policy_action_iri(POLICY_ACT_DELETE)),
        .due_us = d->due_us,
        .state = DUTY_DONE,
        .at_us = d->deleted_us,
        .by = d->by,
        .text_hash = d->text_hash,
    };
    return 0;
}

/* Rule 1, as far as the document alone tells. */
static int check_parties(const struct receiving *r, struct err *err)
{
    const struct app *app = r->rq->app;
    const struct wire_duty *d = &r->said;
    const bool by_provider = d->role == PARTY_PROVIDER;
    const struct str signer = by_provider ? d->provider : d->consumer;
    const struct str other = by_provider ? d->consumer : d->provider;

    if (!str_eq(signer, r->peer.id))
        return err_tell(err, E_INVALID, "/document/role", "you are not the %s of this agreement",
                        party_role_names[d->role]);
    if (!str_eq(other, app->settings->participant_did))
        return err_tell(err, E_NOT_FOUND, "/document/duty", "no such duty");
    return 0;
}

static int read_letter(struct receiving *r, struct err *err)
{
    const struct app *app = r->rq->app;
    struct str payload;
    struct jws jws;

    if (rq_decode(r->rq, &letter_object, &r->letter, err) < 0)
        return err_ret(err);
    if (r->letter.document.n > WIRE_DUTY_DOCUMENT)
        return err_tell(err, E_LIMIT, "/document", "at most %zu bytes", WIRE_DUTY_DOCUMENT);
    if (jws_parse_document(r->letter.document, r->rq->arena, &jws, err) < 0)
        return err_tell(err, E_INVALID, "/document", "expected a compact JWS");
    r->is_deletion = str_eq(jws.typ, STR(WIRE_TYP_DELETION));
    if (identity_verify_document(app->identity, r->letter.document,
                                 r->is_deletion ? WIRE_TYP_DELETION : WIRE_TYP_DUTY, r->peer.id,
                                 r->rq->arena, &payload, err) < 0)
        return err_tell(err, E_TOKEN, "/document",
                        "expected a document of typ '%s' or '%s' that you have signed",
                        WIRE_TYP_DELETION, WIRE_TYP_DUTY);
    if (read_payload(r, payload, err) < 0)
        return err_at_prefix(err, "/document");
    if (check_parties(r, err) < 0 || read_text(r, r->said.text_hash, err) < 0)
        return err_ret(err);
    r->id = arena_str(r->rq->arena, str_c(uuid_format(r->said.duty).c));
    return 0;
}

/* -- recording --------------------------------------------------------------------------------- */

/* Rules 1 and 2. */
static int check(const struct receiving *r, const struct duty *d, int64_t now_us, struct err *err)
{
    const struct wire_duty *said = &r->said;

    if (!str_eq(d->agreement_id, said->agreement) || !str_eq(d->provider_id, said->provider) ||
        !str_eq(d->consumer_id, said->consumer) || (int)duty__role(d->debtor) != said->debtor ||
        !str_eq(d->action, said->action))
        return err_tell(err, E_NOT_FOUND, "/document/duty", "no such duty");
    if (said->state == DUTY_OVERDUE)
        return err_tell(err, E_INVALID, "/document/state", "each side counts its dates itself");
    if (duty__is(d, POLICY_ACT_DELETE) && said->state != DUTY_WAIVED && !r->is_deletion)
        return err_tell(err, E_INVALID, "/document", "deleting is stated by a '%s'",
                        WIRE_TYP_DELETION);
    if (said->at_us > now_us + SKEW_US)
        return err_tell(err, E_INVALID, r->is_deletion ? "/document/deleted_at" : "/document/at",
                        "it lies in the future");
    if (said->at_us < d->agreed_us - SKEW_US)
        return err_tell(err, E_INVALID, r->is_deletion ? "/document/deleted_at" : "/document/at",
                        "it lies before the agreement");
    return 0;
}

/* Rule 4. */
static int check_payment(const struct receiving *r, struct db *tx, const struct duty *d,
                         struct err *err)
{
    struct count paid = {0};

    if (!duty__is(d, POLICY_ACT_COMPENSATE) || r->said.state == DUTY_WAIVED ||
        !str_present(d->order_id) || str_present(d->follows))
        return 0;
    if (db_one(tx, &q_duty_is_paid, DB_ARGS(DB_TEXT(d->agreement_id)), &duty__count_row,
               r->rq->arena, &paid, err) == DB_FAIL)
        return err_ret(err);
    return paid.n > 0 ? 0
                      : err_tell(err, E_BUSY, "/document/state",
                                 "the data bank has not told us that the order is active");
}

/* Rule 5; signatures of the same text may differ. */
static int repeated(const struct receiving *r, const struct duty *d, struct err *err)
{
    struct jws before, now;

    if (d->document.n > 0 && jws_parse_document(d->document, r->rq->arena, &before, err) == 0 &&
        jws_parse_document(r->letter.document, r->rq->arena, &now, err) == 0 &&
        str_eq(before.payload, now.payload))
        return 0;
    err_clear(err);
    return err_tell(err, E_CONFLICT, "/document", "the duty is '%.*s' already", STR_ARG(d->state));
}

static int run(struct db *tx, void *arg, struct err *err)
{
    struct receiving *r = arg;
    struct app *app = r->rq->app;
    const struct settling settling = {
        .state = r->said.state == DUTY_WAIVED ? DUTY_WAIVED : DUTY_DONE,
        .by = (enum duty_by)r->said.by,
        .text = r->letter.text.n > 0 ? r->letter.text : STR_NONE,
        .document = r->letter.document,
        .now_us = env_wall_us(r->rq->env),
    };
    struct duty duty;

    r->out.n = 0;
    if (duty__get(tx, r->id, r->rq->arena, &duty, err) < 0)
        return err->code == E_NOT_FOUND
                   ? err_tell(err, E_NOT_FOUND, "/document/duty", "no such duty")
                   : err_ret(err);
    if (check(r, &duty, settling.now_us, err) < 0)
        return err_ret(err);
    if (!duty__waits(&duty))
        return repeated(r, &duty, err);
    if (check_payment(r, tx, &duty, err) < 0)
        return err_ret(err);
    return duty__settle(app, tx, &duty, &settling, r->rq->arena, &r->out, err);
}

static void committed(void *arg, const struct err *err)
{
    struct receiving *r = arg;

    r->err = *err;
    if (err->code == E_OK) {
        duty__settled(r->rq->app, &r->out);
        duty_wake(r->rq->app); /* counts */
    }
    rq_resume(r->rq);
}

static int answer(struct rq *rq, struct err *err)
{
    const struct receiving *r = rq->cls;

    if (r->err.code != E_OK) {
        *err = r->err;
        return err_ret(err);
    }
    log_info(&rq->log, "the other side has told of a duty", L_STR("duty", r->id),
             L_C("state", duty_state_names[r->said.state]));
    rq_reply_empty(rq, 204);
    return 0;
}

int duty_receive(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    struct receiving *r = ARENA_NEW(rq->arena, struct receiving);
    int waiting;

    if (r == NULL)
        return err_set(err, E_NO_MEMORY, "", "document");
    waiting = identity_authenticate(rq, duty_receive, &r->peer, err);
    if (waiting != 0)
        return waiting < 0 ? err_ret(err) : 0;
    r->rq = rq;
    if (read_letter(r, err) < 0)
        return err_ret(err);
    r->op = (struct writer_op){.name = "duty letter", .fn = run, .arg = r, .done = committed};
    rq->cls = r;
    rq_suspend(rq, answer);
    if (writer_submit(app->writer, &r->op, &r->err) < 0)
        rq_resume(rq);
    return 0;
}
