/*
 * connector/dsp/inbound.c - the path of one message of a peer (dsp_private.h)
 *
 * Nothing is written before every check has passed, and only accepted messages are remembered: a
 * peer may send the same message again after a refusal. A process of another peer looks like none
 * (DSP 2025-1, contract negotiation binding: 404).
 */
#include "connector/dsp/dsp_private.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

static const struct again agains[] = {
    {&negotiation_kind, NM_AGREEMENT,    BY_PROVIDER, NS_VERIFIED,  NEG_VERIFYING, dsp__act_agreement     },
    {&negotiation_kind, NM_VERIFICATION, BY_CONSUMER, NS_FINALIZED, 0,             dsp__again_verification},
    {&negotiation_kind, NM_FINALIZED,    BY_PROVIDER, NS_FINALIZED, 0,             NULL                   },
    {&transfer_kind,    TM_REQUEST,      BY_CONSUMER, TS_STARTED,   0,             dsp__again_request     },
    {&transfer_kind,    TM_START,        BY_PROVIDER, TS_STARTED,   0,             dsp__again_start       },
};

struct waiting {
    int64_t n;
};

static const struct field waiting_fields[] = {FIELD(struct waiting, n, "n", F_REQUIRED)};
static OBJECT(waiting_row, struct waiting, waiting_fields, OPEN);

#define EDC_SETTLES_US (US_PER_S / 2)
#define AGAIN_MOST     2 /* answers of ours to one peer's repetitions that wait at a time */

/*
 * What a message is remembered by: its @id, or the hash of its body where it has none. An @id counts
 * for one process and one type of message: a peer that uses it again elsewhere means another
 * message, and to answer that as a repetition would lose it.
 */
static int message_key(struct inbound *in, struct err *err)
{
    struct str text = in->rq->body;
    uint8_t hash[SHA256_LEN];

    in->hashed = !str_present(in->msg.id);
    if (!in->hashed)
        text = arena_printf(in->rq->arena, "%.*s %s %.*s", STR_ARG(in->process.id),
                            in->endpoint->kind->machine->sm->message_names[in->message],
                            STR_ARG(in->msg.id));
    if (!str_present(text))
        return err_set(err, E_NO_MEMORY, "", "message");
    sha256(text.p, text.n, hash);
    in->key = arena_printf(in->rq->arena, "%s:%s", in->hashed ? "sha256" : "id", hash_hex(hash).c);
    return str_present(in->key) ? 0 : err_set(err, E_NO_MEMORY, "", "message");
}

static int not_found(const struct inbound *in, struct str pid, struct err *err)
{
    return err_tell(err, E_NOT_FOUND, "", "no such %s: '%.*s'", in->endpoint->kind->name,
                    STR_ARG(pid));
}

static int pid_too_long(const char *at, struct err *err)
{
    return err_tell(err, E_INVALID, at, "makes our messages' addresses longer than %d bytes",
                    LIMIT_URL);
}

/*
 * Both pids must be those of the process; the peer's is learnt from the first message that names
 * it.
 */
static int check_pids(struct inbound *in, struct err *err)
{
    const struct process *p = &in->process;
    const bool provider = dsp__is_provider(p);
    const struct str own = provider ? in->msg.provider_pid : in->msg.consumer_pid;
    const struct str peer = provider ? in->msg.consumer_pid : in->msg.provider_pid;

    if (!str_eq(own, p->id))
        return err_tell(err, E_INVALID, provider ? "/providerPid" : "/consumerPid",
                        "differs from the path");
    if (str_present(p->peer_pid) && !str_eq(peer, p->peer_pid))
        return err_tell(err, E_INVALID, provider ? "/consumerPid" : "/providerPid",
                        "is not that of this %s", in->endpoint->kind->name);
    if (str_present(p->peer_pid))
        return 0;
    if (!dsp__pid_fits(p->peer_address, peer))
        return pid_too_long(provider ? "/consumerPid" : "/providerPid", err);
    in->process.peer_pid = peer;
    in->effect.peer_pid = peer;
    return 0;
}

static int read_process(struct inbound *in, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    const struct str pid = rq_param(in->rq, "pid");

    switch (db_one(worker->db, in->endpoint->kind->get, DB_ARGS(DB_TEXT(pid)), &process_row,
                   in->rq->arena, &in->process, err)) {
    case DB_ROW: break;
    case DB_NONE: return not_found(in, pid, err);
    case DB_FAIL: return err_ret(err);
    }
    log_ctx_add(&in->rq->log, L_STR("process", in->process.id));
    /* another peer's, or held in another version: there is none here */
    if (!str_eq(in->process.peer_id, in->peer.id) || dsp__codec(&in->process) != in->codec) {
        in->process = (struct process){0}; /* the answer tells a stranger no pid of it */
        return not_found(in, pid, err);
    }
    if (in->endpoint->role != NULL && !str_eq_c(in->process.role, in->endpoint->role))
        return err_tell(err, E_PEER_STATE, "", "we are the %.*s of this %s",
                        STR_ARG(in->process.role), in->endpoint->kind->name);
    return check_pids(in, err);
}

/* The same request again answers as before; a pid is never used for another one. */
static int check_begun(struct inbound *in, struct err *err)
{
    const bool same = in->endpoint->kind == &transfer_kind
                          ? str_eq(in->msg.agreement_id, in->process.agreement_id)
                          : str_eq(jval_str(jval_get(in->msg.offer, "@id")), in->process.offer_id);

    if (!same || dsp__codec(&in->process) != in->codec)
        return err_tell(err, E_INVALID,
                        dsp__is_provider(&in->process) ? "/consumerPid" : "/providerPid",
                        "is in use by another %s", in->endpoint->kind->name);
    in->duplicate = true;
    return 0;
}

/* Where we are asked to answer: what could never be called is refused before anything begins. */
static int check_callback(const struct inbound *in, struct err *err)
{
    if (!message_address_ok(in->process.peer_address, in->app->settings->allow_http))
        return err_tell(err, E_INVALID, "/callbackAddress", "expected an https URL without query");
    if (fetch_url_check(in->app->fetcher, in->process.peer_address, NULL, err) < 0)
        return err_at_prefix(err, "/callbackAddress");
    if (!dsp__pid_fits(in->process.peer_address, in->process.peer_pid))
        return pid_too_long(dsp__is_provider(&in->process) ? "/consumerPid" : "/providerPid", err);
    return 0;
}

/* A first message again: the process that it began, and the state that it has now. */
static int read_begun(struct inbound *in, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    const char *role = in->endpoint->role;
    const bool role_is_provider = str_eq_c(str_c(role), "provider");
    const struct str peer_pid = role_is_provider ? in->msg.consumer_pid : in->msg.provider_pid;

    switch (db_one(worker->db, in->endpoint->kind->by_peer,
                   DB_ARGS(DB_TEXT(in->peer.id), DB_TEXT(str_c(role)), DB_TEXT(peer_pid)),
                   &process_row, in->rq->arena, &in->process, err)) {
    case DB_ROW: return check_begun(in, err);
    case DB_NONE: break;
    case DB_FAIL: return err_ret(err);
    }
    in->process = (struct process){
        .id = dsp__new_id(in->app, in->rq->arena),
        .role = str_c(role),
        .peer_pid = peer_pid,
        .peer_id = in->peer.id,
        .peer_address = message_address_base(in->msg.callback),
        .protocol = in->codec->protocol,
    };
    in->effect.first = &in->process;
    /* where every message names an address, this alone tells a first one */
    if (str_present(role_is_provider ? in->msg.provider_pid : in->msg.consumer_pid))
        return err_tell(err, E_INVALID, "", "a first message names no process of ours");
    return check_callback(in, err);
}

/*
 * -- the operation -------------------------------------------------------------------------------
 */

/* The state that the peer's message and ours that follows lead to. */
static int step(struct inbound *in, int from, struct err *err)
{
    const struct machine *machine = in->endpoint->kind->machine;
    const unsigned own = dsp__side(&in->process);
    int state;

    if (sm_step(machine->sm, from, in->message, BY_EITHER & ~own, &state, err) < 0)
        return err_ret(err);
    in->reached = in->effect.state = machine->codes[state].rest;
    if (in->follow < 0)
        return 0;
    if (sm_step(machine->sm, state, in->follow, own, &state, err) < 0)
        return err_ret(err);
    in->effect.state = machine->codes[state].sending;
    return 0;
}

/* A message without an id that comes again is a repetition only if it would change nothing. */
static bool is_repetition(const struct inbound *in, const struct locked *row)
{
    const struct machine *machine = in->endpoint->kind->machine;
    struct err ignored = {0};
    int state;

    if (row->seen == 0)
        return false;
    return !in->hashed || sm_step(machine->sm, machine_state(machine, row->state), in->message,
                                  BY_EITHER & ~dsp__side(&in->process), &state, &ignored) < 0;
}

static bool speaks_edc(const struct message *msg)
{
    bool edc = false;

    for (size_t i = 0; i < jval_len(msg->context); i++)
        edc = edc || str_eq_c(jval_str(jval_at(msg->context, i)), EDC_CONTEXT);
    return edc;
}

/*
 * Stock EDC takes a termination while it still reads our answer to its first message, and then writes
 * over it what it makes of the answer: it would wait for us for ever. It gets time to settle.
 */
static void let_settle(struct inbound *in)
{
    struct effect *e = &in->effect;

    if (in->edc && in->endpoint->first && e->n_out > 0 &&
        in->follow == in->endpoint->kind->machine->termination)
        e->out[e->n_out - 1].due_us += EDC_SETTLES_US;
}

/* The repetition of a step that a message would be in this state; NULL: none. */
static const struct again *find_again(const struct inbound *in, int64_t code)
{
    const int state = machine_state(in->endpoint->kind->machine, code);

    for (size_t i = 0; in->edc && i < ARRAY_LEN(agains); i++) {
        const struct again *a = &agains[i];

        if (a->kind == in->endpoint->kind && a->message == in->message && a->in == state &&
            (a->sender & dsp__side(&in->process)) == 0)
            return a;
    }
    return NULL;
}

/* What we said goes out again, unless enough of it is on its way. */
static int step_again(struct inbound *in, struct db *tx, int64_t code, struct err *err)
{
    const struct machine *machine = in->endpoint->kind->machine;
    struct waiting waiting = {0};

    if (in->again->act == NULL) {
        in->duplicate = true;
        return 0;
    }
    if (db_one(tx, &q_dsp_outbox_waiting, DB_ARGS(DB_TEXT(in->process.id)), &waiting_row,
               in->rq->arena, &waiting, err) == DB_FAIL)
        return err_ret(err);
    in->duplicate = waiting.n >= AGAIN_MOST;
    in->effect.again = true;
    in->effect.state = in->again->becomes != 0 ? in->again->becomes : code;
    if (in->follow == machine->termination)
        in->effect.state = machine->codes[machine->terminated].sending;
    in->reached = code;
    return 0;
}

static int check_locked(struct inbound *in, struct db *tx, struct err *err)
{
    const struct process_kind *kind = in->endpoint->kind;
    struct locked row = {0};

    switch (db_one(tx, kind->lock, DB_ARGS(DB_TEXT(in->process.id), DB_TEXT(in->key)), &locked_row,
                   in->rq->arena, &row, err)) {
    case DB_ROW: break;
    case DB_NONE: return not_found(in, in->process.id, err);
    case DB_FAIL: return err_ret(err);
    }
    in->locked = row;
    if (in->again != NULL && in->again == find_again(in, row.state))
        return step_again(in, tx, row.state, err);
    in->duplicate = is_repetition(in, &row);
    if (in->duplicate)
        return 0;
    /*
     * `act` judged another state or offer, or another peer pid was learnt: the peer's repetition is
     * judged anew
     */
    if (in->again != find_again(in, row.state))
        return err_set(err, E_BUSY, "", "'%.*s' moved on meanwhile", STR_ARG(in->process.id));
    if (step(in, machine_state(kind->machine, row.state), err) < 0)
        return err_ret(err);
    if (!in->judged || !str_eq(row.policy_hash, in->policy_hash) ||
        (str_present(row.peer_pid) && !str_eq(row.peer_pid, in->process.peer_pid)))
        return err_set(err, E_BUSY, "", "'%.*s' changed meanwhile", STR_ARG(in->process.id));
    return 0;
}

/* A message of ours that the peer has answered before its acknowledgement has reached its state too. */
static int tell_ours(struct inbound *in, struct db *tx, struct err *err)
{
    const struct process_kind *kind = in->endpoint->kind;
    const int before = machine_state(kind->machine, in->locked.state);
    const struct step_codes *codes = &kind->machine->codes[before];

    if (codes->sending == codes->rest || in->locked.state != codes->sending)
        return 0;
    return dsp__event_reached(in->app, tx, kind, in->process.id, before, in->locked.error,
                              in->locked.listened != 0, in->now_us, err);
}

static int tell(struct inbound *in, struct db *tx, struct err *err)
{
    const struct process_kind *kind = in->endpoint->kind;

    if (in->effect.again)
        return 0; /* it was told */
    /* as in EDC, a transfer that a consumer requests is a new one first of all */
    if (in->effect.first != NULL && kind == &transfer_kind)
        return dsp__event_begun(in->app, tx, kind, in->process.id, false, in->now_us, err);
    if (in->effect.first == NULL && tell_ours(in, tx, err) < 0)
        return err_ret(err);
    return dsp__event_reached(in->app, tx, kind, in->process.id,
                              machine_state(kind->machine, in->reached), in->effect.error,
                              in->locked.listened != 0, in->now_us, err);
}

/* As `store` asks it, if the message is not a repetition. */
static int ask(struct db *tx, void *arg, struct err *err)
{
    struct inbound *in = arg;

    if (in->effect.first == NULL &&
        db_ask(tx, in->endpoint->kind->lock, DB_ARGS(DB_TEXT(in->process.id), DB_TEXT(in->key)),
               err) < 0)
        return err_ret(err);
    return in->judged ? dsp__effect_ask(in->app, tx, &in->effect, err) : 0;
}

static int store(struct db *tx, void *arg, struct err *err)
{
    struct inbound *in = arg;

    if (in->effect.first == NULL) {
        if (check_locked(in, tx, err) < 0)
            return err_ret(err);
        if (in->duplicate)
            return 0;
    } else if (step(in, 0, err) < 0) {
        return err_ret(err);
    }
    in->effect.rules = in->process.policy;
    if (dsp__effect_write(in->app, tx, in->endpoint->kind, in->process.id, &in->effect, in->now_us,
                          err) < 0 ||
        tell(in, tx, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_dsp_message_insert,
                   DB_ARGS(DB_TEXT(in->process.id), DB_TEXT(in->key), DB_I64(in->now_us)), NULL,
                   err);
}

static void stored(void *arg, const struct err *err)
{
    struct inbound *in = arg;

    in->failed = *err;
    in->committed = err->code == E_OK && !in->duplicate;
    if (in->committed)
        dsp__effect_committed(in->app, in->endpoint->kind, in->process.id);
    rq_resume(in->rq);
}

/* After our answer has left: what we send in turn must not overtake it. */
static void answered(void *cls, uint64_t sent, bool complete)
{
    const struct inbound *in = cls;

    (void)sent;
    (void)complete;
    if (in->committed)
        dsp__effect_done(in->app, in->endpoint->kind, in->process.id, &in->effect);
}

/*
 * -- the answer
 * ------------------------------------------------------------------------------------
 */

static int reply(struct inbound *in, struct err *err)
{
    const struct process_kind *kind = in->endpoint->kind;
    /* a process that this message began is shown as the message left it, whatever we send next */
    const struct message_text text = {
        .form = kind->answer,
        .pids = dsp__pids(&in->process),
        .state = str_c(
            machine_wire_name(kind->machine, in->duplicate ? in->process.state : in->reached)),
    };
    struct str body;

    if (!in->endpoint->first) {
        rq_reply_empty(in->rq, 200);
        return 0;
    }
    body = message_write(in->codec, &text, in->rq->arena);
    if (!str_present(body))
        return err_set(err, E_NO_MEMORY, "", "answer");
    rq_reply_json(in->rq, 201, body);
    return 0;
}

static int resumed(struct rq *rq, struct err *err)
{
    struct inbound *in = rq->cls;

    /* two equal first messages at once: the loser of the unique pid finds the winner's process */
    if (in->failed.code == E_DB_CONSTRAINT && in->effect.first != NULL) {
        struct process lost = in->process;

        if (read_begun(in, err) < 0)
            return err_ret(err);
        if (in->duplicate)
            return reply(in, err);
        in->process = lost;
    }
    if (in->failed.code == E_DB_CONSTRAINT)
        return err_tell(err, E_INVALID, "", "an id in the message is in use already");
    if (in->failed.code != E_OK) {
        *err = in->failed;
        return err_ret(err);
    }
    if (in->refusal.code != E_OK && !in->duplicate) {
        *err = in->refusal;
        return err_ret(err);
    }
    if (in->committed)
        log_info(&rq->log, "message accepted", L_C("kind", in->endpoint->kind->name),
                 L_C("state", machine_wire_name(in->endpoint->kind->machine, in->effect.state)));
    return reply(in, err);
}

/*
 * -- the door
 * --------------------------------------------------------------------------------------
 */

/* For the answer to a message that cannot be decoded: its schema wants the pids all the same. */
static struct str claimed_pid(const struct jval *root, const char *name)
{
    const struct str pid = jval_str(jval_get(root, name));

    return pid.n <= LIMIT_ID ? pid : STR_NONE;
}

static int decode(struct inbound *in, struct err *err)
{
    static const struct {
        const char *event;
        int message;
    } events[] = {
        {"ACCEPTED",  NM_ACCEPTED },
        {"FINALIZED", NM_FINALIZED},
    };
    const struct jval *root;

    if (dsp__read_body(in->rq, in->codec, &root, err) < 0)
        return err_ret(err);
    in->msg.provider_pid = claimed_pid(root, "providerPid");
    in->msg.consumer_pid = claimed_pid(root, "consumerPid");
    if (message_decode(in->codec, in->endpoint->form, root, in->rq->arena, &in->msg, err) < 0)
        return err_ret(err);
    in->message = in->endpoint->message;
    if (in->message >= 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (str_eq_c(in->msg.event, events[i].event)) {
            in->message = events[i].message;
            return 0;
        }
    }
    CHECK_UNREACHABLE();
}

/*
 * As far as the process was read: what is not allowed can still be a repetition, the operation
 * tells.
 */
static bool allowed(const struct inbound *in)
{
    const struct machine *machine = in->endpoint->kind->machine;
    struct err ignored = {0};
    int state;

    return in->endpoint->first ||
           sm_step(machine->sm, machine_state(machine, in->process.state), in->message,
                   BY_EITHER & ~dsp__side(&in->process), &state, &ignored) == 0;
}

int dsp__receive(struct rq *rq, const struct endpoint *endpoint, struct err *err)
{
    struct inbound *in = ARENA_NEW(rq->arena, struct inbound);
    int rc;

    if (in == NULL)
        return err_set(err, E_NO_MEMORY, "", "message");
    rq->cls = in;
    *in = (struct inbound){.rq = rq, .app = rq->app, .endpoint = endpoint, .follow = -1};
    if (dsp__codec_of_route(rq, &in->codec, err) < 0)
        return err_ret(err);
    rc = identity_authenticate(rq, rq->route->handler, &in->peer, err);
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    in->now_us = env_wall_us(rq->env);
    if (decode(in, err) < 0 ||
        (endpoint->first ? read_begun(in, err) : read_process(in, err)) < 0 ||
        message_key(in, err) < 0)
        return err_ret(err);
    in->edc = speaks_edc(&in->msg);
    in->judged = !in->duplicate && allowed(in);
    if (!in->judged)
        in->again = find_again(in, in->process.state);
    if (in->duplicate && in->again == NULL)
        return reply(in, err);
    in->policy_hash = in->process.policy_hash;
    if (in->judged && endpoint->act != NULL && endpoint->act(in, err) < 0)
        return err_ret(err);
    if (in->again != NULL && in->again->act != NULL && in->again->act(in, err) < 0)
        return err_ret(err);
    let_settle(in);
    in->op = (struct writer_op){.name = rq->route->name,
                                .fn = store,
                                .arg = in,
                                .ask = ask,
                                .subject = in->process.id,
                                .done = stored};
    rq_on_sent(rq, answered, in);
    rq_suspend(rq, resumed);
    if (writer_submit(in->app->writer, &in->op, err) < 0)
        return err_ret(err);
    return 0;
}

int dsp__show(struct rq *rq, const struct process_kind *kind, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct str pid = rq_param(rq, "pid");
    struct process process = {0};
    const struct codec *codec;
    struct peer peer = {0};
    int rc;

    if (dsp__codec_of_route(rq, &codec, err) < 0)
        return err_ret(err);
    rc = identity_authenticate(rq, rq->route->handler, &peer, err);
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    if (db_one(worker->db, kind->get, DB_ARGS(DB_TEXT(pid)), &process_row, rq->arena, &process,
               err) == DB_FAIL)
        return err_ret(err);
    if (!str_present(process.id) || !str_eq(process.peer_id, peer.id) ||
        dsp__codec(&process) != codec)
        return err_tell(err, E_NOT_FOUND, "", "no such %s: '%.*s'", kind->name, STR_ARG(pid));

    const struct message_text text = {
        .form = kind->answer,
        .pids = dsp__pids(&process),
        .state = str_c(machine_wire_name(kind->machine, process.state)),
    };
    const struct str body = message_write(codec, &text, rq->arena);

    if (!str_present(body))
        return err_set(err, E_NO_MEMORY, "", "answer");
    rq_reply_json(rq, 200, body);
    return 0;
}
