/*
 * connector/duty/settle.c - a duty changes its state: row, signed document, messages, event
 *
 * A deletion that is done is said in a deletion statement, everything else in a report of the duty
 * (docs/exchange.md §2). What we say goes to the other connector, if it is one that can take it, and
 * to the data bank; what the other side has said is kept as it came. That a duty is overdue the
 * other connector knows from its own row.
 */
#include "connector/duty/duty_private.h"
#include "connector/events/events.h"
#include "connector/exchange/exchange.h"
#include "connector/identity/identity.h"
#include "connector/timed.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define PAYLOAD_MAX      KIB(16) /* signed it is within WIRE_DUTY_DOCUMENT */
#define PEER_DEADLINE_US (30 * US_PER_DAY)

static const enum event_id events[DUTY__COUNT] = {
    [DUTY_OVERDUE] = EV_DUTY_OVERDUE,
    [DUTY_DONE] = EV_DUTY_DONE,
    [DUTY_LATE] = EV_DUTY_DONE,
    [DUTY_WAIVED] = EV_DUTY_WAIVED,
};

/* -- documents --------------------------------------------------------------------------------- */

static struct str hash_of(struct str text, struct arena *arena)
{
    uint8_t hash[SHA256_LEN];

    if (!str_present(text))
        return STR_NONE;
    sha256(text.p, text.n, hash);
    return arena_printf(arena, "sha256:%s", hash_hex(hash).c);
}

static int write_duty(const struct duty *d, const struct settling *s, struct uuid id,
                      struct arena *arena, struct buf *payload, struct err *err)
{
    const struct wire_duty report = {
        .duty = id,
        .agreement = d->agreement_id,
        .provider = d->provider_id,
        .consumer = d->consumer_id,
        .role = (int)duty__role(d->role),
        .debtor = (int)duty__role(d->debtor),
        .action = d->action,
        .due_us = d->due_us,
        .state = (int)s->state,
        .at_us = s->now_us,
        .by = (int)s->by,
        .text_hash = hash_of(s->text, arena),
    };

    if (wire_duty_check(&report, err) < 0)
        return err_ret(err);
    object_canonical(&wire_duty_object, &report, payload);
    return 0;
}

static int read_digests(struct str json, struct arena *arena, struct str_list *ret, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    size_t n;

    *ret = (struct str_list){0};
    if (!str_present(json))
        return 0;
    if (jdoc_parse(json, NULL, &doc, err) < 0)
        return err_set(err, E_CORRUPT, "duty.digests", "they cannot be read");
    n = jval_len(jdoc_root(doc));
    ret->items = ARENA_ARRAY(arena, struct str, n);
    if (ret->items == NULL)
        return err_set(err, E_NO_MEMORY, "", "digests");
    for (; ret->n < n; ret->n++)
        ret->items[ret->n] = arena_str(arena, jval_str(jval_at(jdoc_root(doc), ret->n)));
    return 0;
}

static int write_deletion(const struct duty *d, const struct settling *s, struct uuid id,
                          struct arena *arena, struct buf *payload, struct err *err)
{
    struct wire_deletion deletion = {
        .duty = id,
        .agreement = d->agreement_id,
        .provider = d->provider_id,
        .consumer = d->consumer_id,
        .role = (int)duty__role(d->role),
        .due_us = d->due_us,
        .deleted_us = s->now_us,
        .tokens = d->tokens,
        .files = d->files,
        .bytes = d->bytes,
        .by = (int)s->by,
        .text_hash = hash_of(s->text, arena),
    };

    if (read_digests(d->digests, arena, &deletion.digests, err) < 0 ||
        wire_deletion_check(&deletion, err) < 0)
        return err_ret(err);
    object_canonical(&wire_deletion_object, &deletion, payload);
    return 0;
}

static bool is_deletion(const struct duty *d, const struct settling *s)
{
    return duty__is(d, POLICY_ACT_DELETE) && (s->state == DUTY_DONE || s->state == DUTY_LATE);
}

static int sign(struct app *app, const struct duty *d, const struct settling *s,
                struct arena *arena, struct str *ret_document, struct err *err)
{
    AUTO(buf_done) struct buf payload = buf_init(PAYLOAD_MAX);
    AUTO(buf_done) struct buf document = buf_init(WIRE_DUTY_DOCUMENT);
    const bool deletion = is_deletion(d, s);
    struct uuid id;

    if (!uuid_parse(d->duty_id, &id))
        return err_set(err, E_CORRUPT, "duty.duty_id", "'%.*s'", STR_ARG(d->duty_id));
    if ((deletion ? write_deletion : write_duty)(d, s, id, arena, &payload, err) < 0 ||
        identity_sign(app->identity, deletion ? WIRE_TYP_DELETION : WIRE_TYP_DUTY,
                      buf_str(&payload), &document, err) < 0)
        return err_ret(err);
    *ret_document = arena_str(arena, buf_str(&document));
    return buf_failed(&payload) || buf_failed(&document) || arena_failed(arena)
               ? err_set(err, E_LIMIT, "", "document of duty '%.*s'", STR_ARG(d->duty_id))
               : 0;
}

/* -- messages ---------------------------------------------------------------------------------- */

/*
 * Our connectors take protocol messages below <base>/dsp and this beside it. Another connector's
 * address may look the same; it then answers that there is no such path, and the document stays here
 * and at the data bank.
 */
static struct str peer_url(const struct duty *d, struct arena *arena)
{
    struct str rest = d->peer_address;
    size_t at = rest.n;

    for (size_t i = 0; i + 4 <= rest.n; i++) {
        if (memcmp(rest.p + i, "/dsp", 4) == 0 && (i + 4 == rest.n || rest.p[i + 4] == '/'))
            at = i;
    }
    if (at == rest.n)
        return STR_NONE;
    return arena_printf(arena, "%.*s/exchange/v1/duties", (int)at, rest.p);
}

static struct str body_of(const char *member, struct str document, struct str text,
                          struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(3 * PAYLOAD_MAX);
    struct jw w = jw_init(&out);

    jw_object(&w);
    jw_kstr(&w, member, document);
    if (str_present(text))
        jw_kstr(&w, "text", text);
    jw_object_end(&w);
    return buf_failed(&out) ? STR_NONE : arena_str(arena, buf_str(&out));
}

static int put_peer(struct app *app, struct db *tx, const struct duty *d, const struct settling *s,
                    struct str document, struct arena *arena, struct duty_out *out,
                    struct str *ret_told, struct err *err)
{
    const struct str url = s->state != DUTY_OVERDUE ? peer_url(d, arena) : STR_NONE;
    struct outbox_msg *msg = &out->msg[out->n];

    *ret_told = s->state != DUTY_OVERDUE ? STR("impossible") : STR_NONE;
    if (!str_present(url))
        return 0;
    *msg = (struct outbox_msg){
        .id = outbox_next_id(app->outbox),
        .stream = arena_printf(arena, "duty/%.*s", STR_ARG(duty__peer(d))),
        .kind = STR("duty.document"),
        .url = url,
        .audience = duty__peer(d),
        .body = body_of("document", document, s->text, arena),
        .deadline_us = s->now_us + PEER_DEADLINE_US,
        .due_us = s->now_us,
    };
    if (arena_failed(arena) || !str_present(msg->body))
        return err_set(err, E_NO_MEMORY, "", "message about a duty");
    *ret_told = STR("waiting");
    out->n++;
    return outbox_put(app->outbox, tx, msg, err);
}

static int put_broker(struct app *app, struct db *tx, const struct duty *d,
                      const struct settling *s, struct str document, struct arena *arena,
                      struct duty_out *out, struct str *ret_told, struct err *err)
{
    const bool deletion = is_deletion(d, s);
    struct outbox_msg *msg = &out->msg[out->n];
    const struct str body = body_of(deletion ? "statement" : "report", document, s->text, arena);

    *ret_told = STR_NONE;
    if (!exchange_enabled(app))
        return 0;
    if (!str_present(body))
        return err_set(err, E_NO_MEMORY, "", "message about a duty");
    if (exchange_duty(app, deletion, body, arena, msg, err) < 0)
        return err_ret(err);
    *ret_told = STR("waiting");
    out->n++;
    return outbox_put(app->outbox, tx, msg, err);
}

/* -- all of it --------------------------------------------------------------------------------- */

static enum duty_state late_or(const struct duty *d, const struct settling *s)
{
    const bool over = str_eq_c(d->state, duty_state_names[DUTY_OVERDUE]) ||
                      (d->due_us > 0 && s->now_us > d->due_us);

    return s->state == DUTY_DONE && over ? DUTY_LATE : s->state;
}

/* It was not done in its time, and this is the first that we hear of it. */
static bool turns_out_violated(const struct duty *d, enum duty_state state)
{
    return state == DUTY_OVERDUE ||
           (state == DUTY_LATE && str_eq_c(d->state, duty_state_names[DUTY_OPEN]));
}

int duty__settle(struct app *app, struct db *tx, const struct duty *d,
                 const struct settling *settling, struct arena *arena, struct duty_out *out,
                 struct err *err)
{
    struct settling s = *settling;
    struct str document = s.document, peer_told = STR_NONE, broker_told = STR_NONE;

    *out = (struct duty_out){.peer = duty__peer(d)};
    s.state = late_or(d, settling);
    if (!str_present(document) && !s.quiet) {
        if (sign(app, d, &s, arena, &document, err) < 0 ||
            put_peer(app, tx, d, &s, document, arena, out, &peer_told, err) < 0 ||
            put_broker(app, tx, d, &s, document, arena, out, &broker_told, err) < 0)
            return err_ret(err);
    }
    if (db_exec(tx, &q_duty_settle,
                DB_ARGS(DB_TEXT(d->duty_id), DB_TEXT(str_c(duty_state_names[s.state])),
                        DB_I64(s.now_us), DB_TEXT(str_c(duty_by_names[s.by])), DB_TEXT(s.text),
                        DB_TEXT(document), DB_TEXT(peer_told), DB_TEXT(broker_told)),
                NULL, err) < 0)
        return err_ret(err);
    if (turns_out_violated(d, s.state) && duty__violated(app, tx, d, s.now_us, err) < 0)
        return err_ret(err);
    return events_put(app, tx, events[s.state], d->duty_id,
                      arena_printf(arena, "%s of agreement %.*s", duty_state_names[s.state],
                                   STR_ARG(d->agreement_id)),
                      false, s.now_us, err);
}

void duty__settled(struct app *app, const struct duty_out *out)
{
    for (size_t i = 0; i < out->n; i++)
        outbox_wake(app->outbox, &out->msg[i]);
    if (str_present(out->peer)) /* a duty that was done or not is a fact */
        timed_set(app, "reconsider", out->peer, env_wall_us(app->env));
    events_committed(app);
}
