/*
 * connector/dsp/transfer_command.c - our side's wishes: request, start, suspend, resume, complete,
 * terminate a transfer; end an agreement
 */
#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp_private.h"
#include "connector/duty/duty.h"
#include "connector/exchange/exchange.h"
#include "connector/facts/facts.h"
#include "connector/replica.h"
#include "connector/timed.h"
#include "lib/base/timefmt.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

/* clang-format off */
struct agreement_state {
    int64_t negotiation_state;
    struct str peer_address, protocol;
};
static const struct field agreement_state_fields[] = {
    FIELD(struct agreement_state, negotiation_state, "negotiation_state", 0),
    FIELD(struct agreement_state, peer_address, "peer_address", 0),
    FIELD(struct agreement_state, protocol, "protocol", 0),
};
static OBJECT(agreement_state_row, struct agreement_state, agreement_state_fields, OPEN);

/* clang-format on */

/*
 * -- request
 * ------------------------------------------------------------------------------------------
 */

/* The agreement that the request names: ours as consumer, final, in force. */
static int read_own(struct db *tx, struct command *command, struct agreement_state *ret_state,
                    struct err *err)
{
    const struct str id = command->process.agreement_id;
    struct agreement a = {0};

    if (db_one(tx, &q_dsp_agreement_get, DB_ARGS(DB_TEXT(id)), &agreement_row, command->arena, &a,
               err) == DB_FAIL ||
        db_one(tx, &q_dsp_agreement_get, DB_ARGS(DB_TEXT(id)), &agreement_state_row, command->arena,
               ret_state, err) == DB_FAIL)
        return err_ret(err);
    if (!str_eq(a.role, STR("consumer")))
        return err_tell(err, E_NOT_FOUND, "/contractId", "no such agreement: '%.*s'", STR_ARG(id));
    if (a.ended_us != 0 || (a.ends_us != 0 && a.ends_us <= command->now_us))
        return err_tell(err, E_CONFLICT, "/contractId", "the agreement has ended");
    if (machine_state(&negotiation_machine, ret_state->negotiation_state) != NS_FINALIZED)
        return err_tell(err, E_CONFLICT, "/contractId", "the agreement is not final");
    command->process.asset_id = a.asset_id;
    command->process.peer_id = a.provider_id;
    return 0;
}

/* Only a push has one in the message; what a caller gives for a pull stays ours. */
static int write_destination(struct command *command, struct str *ret_address, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(128));

    if (!dataplane_is_push(command->process.format))
        return 0;
    if (dataplane_destination_write(command->process.data_address, &out, err) < 0)
        return err_ret(err);
    *ret_address = arena_str(command->arena, buf_str(&out));
    return 0;
}

static int run_request(struct db *tx, struct command *command, struct err *err)
{
    struct message_text text = {
        .form = MF_TRANSFER_REQUEST,
        .agreement_id = command->process.agreement_id,
        .format = command->process.format,
    };
    struct agreement_state state = {0};

    if (read_own(tx, command, &state, err) < 0 ||
        write_destination(command, &text.data_address, err) < 0)
        return err_ret(err);
    if (!str_present(command->process.peer_address)) {
        command->process.peer_address = state.peer_address;
        command->process.protocol = state.protocol;
    }
    return dsp__send(command->app, &command->effect, &transfer_kind, &command->process,
                     "dsp.transfer.begin", "request", &text, command->arena, err);
}

static int check_address(struct str format, struct str address, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (!str_present(address) && dataplane_is_push(format))
        return err_tell(err, E_INVALID, "/dataDestination",
                        "'%.*s' needs the address that the data is to go to", STR_ARG(format));
    if (!str_present(address))
        return 0;
    if (jdoc_parse(address, NULL, &doc, err) < 0)
        return err_at_prefix(err, "/dataDestination");
    return 0;
}

int dsp_transfer_request(struct app *app, const struct dsp_transfer *request, dsp_done_fn *done,
                         void *cls, struct err *err)
{
    struct command *command;

    if (request->agreement_id.n == 0 || request->format.n == 0)
        return err_tell(err, E_INVALID, "/contractId", "agreement and format are needed");
    if (check_address(request->format, request->data_address, err) < 0)
        return err_ret(err);
    command = dsp__command_new(app, done, cls);
    if (command == NULL)
        return err_set(err, E_NO_MEMORY, "", "command");
    command->kind = &transfer_kind;
    command->run = run_request;
    command->process = (struct process){
        .id = dsp__new_id(app, command->arena),
        .role = STR("consumer"),
        .agreement_id = arena_str(command->arena, request->agreement_id),
        .format = arena_str(command->arena, request->format),
        .data_address = arena_str(command->arena, request->data_address),
    };
    command->prepared.first = &command->process;
    command->prepared.state = TP_REQUESTING;
    command->prepared.callbacks = arena_str(command->arena, request->callbacks);
    command->prepared.private_properties = arena_str(command->arena, request->private_properties);
    if (!str_present(request->peer_address))
        return dsp__command_submit(&command, "transfer request", err);
    return dsp__command_choose(&command, "transfer request", request->peer_address,
                               request->protocol, err);
}

/*
 * -- acts
 * ------------------------------------------------------------------------------------------------
 */

/* clang-format off */
static const struct {
    const char *name, *kind, *tail;
    enum message_form form;
    int message;
    int only_in; /* state; TS_NONE: wherever the automaton allows it */
} acts[] = {
    [DSP_START]     = {"transfer start",     "dsp.transfer.start",       "start",       MF_START,                TM_START,       TS_REQUESTED},
    [DSP_SUSPEND]   = {"transfer suspend",   "dsp.transfer.suspension",  "suspension",  MF_SUSPENSION,           TM_SUSPENSION,  TS_NONE},
    [DSP_RESUME]    = {"transfer resume",    "dsp.transfer.start",       "start",       MF_START,                TM_START,       TS_SUSPENDED},
    [DSP_COMPLETE]  = {"transfer complete",  "dsp.transfer.completion",  "completion",  MF_COMPLETION,           TM_COMPLETION,  TS_NONE},
    [DSP_TERMINATE] = {"transfer terminate", "dsp.transfer.termination", "termination", MF_TRANSFER_TERMINATION, TM_TERMINATION, TS_NONE},
};

/* clang-format on */

/* The agreement is in force, and its policy still permits a transfer. */
static int check_permitted(struct db *tx, struct command *command,
                           const struct agreement *agreement, int64_t *ret_until_us,
                           struct err *err)
{
    AUTO(buf_done) struct buf reason = buf_init(KIB(1));
    struct policy_decision decision;
    struct peer peer;

    if (agreement->ended_us != 0 ||
        (agreement->ends_us != 0 && agreement->ends_us <= command->now_us))
        return err_tell(err, E_CONFLICT, "", "the agreement has ended");
    if (agreement->retired_us != 0)
        return err_tell(err, E_CONFLICT, "", "the agreement has been retired");
    if (facts_peer(tx, agreement->consumer_id, command->arena, &peer, err) < 0 ||
        dsp__decide_transfer(command->app, tx, agreement, &peer, command->now_us, command->arena,
                             &decision, ret_until_us, err) < 0)
        return err_ret(err);
    if (decision.verdict == POLICY_PERMIT)
        return 0;
    policy_reason(&decision, POLICY_EN, &reason);
    return err_tell(err, E_CONFLICT, "", "refused by policy: %.*s", STR_ARG(buf_str(&reason)));
}

/* A start of ours: as provider with a fresh data address. */
static int send_start(struct db *tx, struct command *command, struct err *err)
{
    struct message_text text = {.form = MF_START};
    struct agreement agreement;
    int64_t until_us;

    command->effect.error = STR(""); /* why it was suspended */
    if (!dsp__is_provider(&command->process))
        return dsp__send(command->app, &command->effect, &transfer_kind, &command->process,
                         "dsp.transfer.start", "start", &text, command->arena, err);
    if (dsp__read_agreement(tx, command->process.agreement_id, command->arena, &agreement, err) <
            0 ||
        check_permitted(tx, command, &agreement, &until_us, err) < 0)
        return err_ret(err);
    command->effect.held = STR("");
    command->effect.decide_us = until_us;
    return dsp__send_start(command->app, &command->effect, &command->process, &agreement, until_us,
                           command->arena, err);
}

static int run_act(struct db *tx, struct command *command, struct err *err)
{
    const enum dsp_transfer_act act = (enum dsp_transfer_act)command->act;
    struct message_text text = {.form = acts[act].form, .reason = command->reason};
    int state;

    if (dsp__command_read(tx, command, err) < 0)
        return err_ret(err);
    /* a first start is the answer to a request, not a resumption */
    state = machine_state(&transfer_machine, command->process.state);
    if (acts[act].only_in != TS_NONE && state != acts[act].only_in)
        return err_tell(err, E_CONFLICT, "", "transfer '%.*s' is %s", STR_ARG(command->process.id),
                        machine_wire_name(&transfer_machine, command->process.state));
    if (dsp__command_step(command, acts[act].message, err) < 0)
        return err_ret(err);
    if (acts[act].message == TM_START)
        return send_start(tx, command, err);
    command->effect.error = command->reason;
    return dsp__send(command->app, &command->effect, &transfer_kind, &command->process,
                     acts[act].kind, acts[act].tail, &text, command->arena, err);
}

int dsp_transfer_act(struct app *app, struct str id, enum dsp_transfer_act act, struct str reason,
                     dsp_done_fn *done, void *cls, struct err *err)
{
    struct command *command = dsp__command_new(app, done, cls);

    if (command == NULL)
        return err_set(err, E_NO_MEMORY, "", "command");
    command->kind = &transfer_kind;
    command->id = arena_str(command->arena, id);
    command->reason = arena_str(command->arena, reason);
    command->act = act;
    command->run = act == DSP_TERMINATE ? dsp__run_terminate : run_act;
    return dsp__command_submit(&command, acts[act].name, err);
}

int dsp_transfer_end(struct app *app, struct str id, bool complete, struct str reason,
                     dsp_done_fn *done, void *cls, struct err *err)
{
    return dsp_transfer_act(app, id, complete ? DSP_COMPLETE : DSP_TERMINATE, reason, done, cls,
                            err);
}

/*
 * -- the end of an agreement
 * ---------------------------------------------------------------------------
 */

#define AT_ONCE_MOST 100 /* transfers that end with their agreement; reconsider.c ends the others */

/* What was judged before the end is written at most so long after it, with an instant that is due. */
#define BELATED_US (10 * US_PER_S)

enum end_kind { END_ASKED, END_BY_TIME, END_RETIRED };

struct ending {
    struct app *app;
    struct arena *arena; /* owned, with everything here */
    struct str agreement_id;
    enum end_kind kind; /* END_BY_TIME: its policy says why */
    struct str code, reason;
    struct str operand;
    struct list transfers;    /* struct process */
    struct effect *effects;   /* one each */
    struct outbox_msg report; /* to the broker; id 0: none */
    bool owes;                /* duties are due with it */
    dsp_done_fn *done;
    void *cls;
    struct writer_op op;
};

static int end_one(struct db *tx, struct ending *ending, const struct process *process,
                   struct effect *effect, int64_t now_us, struct err *err)
{
    *effect = (struct effect){.state = TP_TERMINATING, .forget = true, .error = ending->reason};
    if (str_present(process->peer_pid) &&
        dsp__terminate(ending->app, effect, &transfer_kind, process, ending->code, ending->reason,
                       ending->arena, err) < 0)
        return err_ret(err);
    effect->forget = str_present(process->peer_pid);
    if (!dsp__is_provider(process) && dsp__drop_edr(tx, process->id, err) < 0)
        return err_ret(err);
    return dsp__effect_write(ending->app, tx, &transfer_kind, process->id, effect, now_us, err);
}

/* The broker knows of a regular end from the agreement's report. */
static int report_end(struct db *tx, struct ending *ending, const struct agreement *agreement,
                      int64_t now_us, struct err *err)
{
    struct app *app = ending->app;

    ending->report = (struct outbox_msg){0};
    if (agreement->ends_us != 0 && agreement->ends_us <= now_us)
        return 0;
    if (exchange_agreement_end(app, tx, agreement, now_us, ending->reason, ending->arena,
                               &ending->report, err) < 0)
        return err_ret(err);
    return ending->report.id == 0 ? 0 : outbox_put(app->outbox, tx, &ending->report, err);
}

/* Why now: as its policy says it; not before its time, whoever has set the timer. */
static int find_reason(struct ending *ending, const struct agreement *agreement, int64_t now_us,
                       struct err *err)
{
    struct verdict verdict;

    if (agreement->ends_us == 0 || agreement->ends_us > now_us)
        return err_set(err, E_BUSY, "", "the agreement's time is not over");
    if (dsp__why_over(ending->app, agreement, now_us, ending->arena, &verdict, err) < 0)
        return err_ret(err);
    ending->code = verdict.code;
    ending->operand = verdict.operand;
    ending->reason = verdict.reason;
    return 0;
}

/* Those that run or rest; what is more than fits is due, and ended by reconsider.c. */
static int end_transfers(struct db *tx, struct ending *ending, int64_t now_us, struct err *err)
{
    const struct str id = ending->agreement_id;

    if (db_exec(tx, &q_dsp_transfer_over, DB_ARGS(DB_TEXT(id)), NULL, err) < 0 ||
        db_list(tx, &q_dsp_transfer_running, DB_ARGS(DB_TEXT(id), DB_I64(AT_ONCE_MOST)),
                &process_row, ending->arena, AT_ONCE_MOST, &ending->transfers, err) < 0)
        return err_ret(err);
    ending->effects = ARENA_ARRAY(ending->arena, struct effect, ending->transfers.n);
    if (ending->effects == NULL)
        return err_set(err, E_NO_MEMORY, "", "end of an agreement");
    for (size_t i = 0; i < ending->transfers.n; i++) {
        if (end_one(tx, ending, &LIST_ITEMS(struct process, ending->transfers)[i],
                    &ending->effects[i], now_us, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* It stays an agreement, and may be taken back; what ran under it has ended. */
static int retire(struct db *tx, struct ending *ending, const struct agreement *agreement,
                  int64_t now_us, struct err *err)
{
    if (agreement->retired_us != 0)
        return err_tell(err, E_CONFLICT, "", "Contract Agreement %.*s is already retired.",
                        STR_ARG(ending->agreement_id));
    if (str_eq(agreement->role, STR("provider")) && agreement->ended_us == 0 &&
        end_transfers(tx, ending, now_us, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_dsp_agreement_retire,
                   DB_ARGS(DB_TEXT(ending->agreement_id), DB_I64(now_us), DB_TEXT(ending->reason)),
                   NULL, err);
}

static int end_for_good(struct db *tx, struct ending *ending, const struct agreement *agreement,
                        int64_t now_us, struct err *err)
{
    if (agreement->ended_us != 0)
        return err_tell(err, E_CONFLICT, "", "the agreement has ended before");
    if (ending->kind == END_BY_TIME && find_reason(ending, agreement, now_us, err) < 0)
        return err_ret(err);
    if (end_transfers(tx, ending, now_us, err) < 0 ||
        report_end(tx, ending, agreement, now_us, err) < 0 ||
        duty_agreement_ended(ending->app, tx, ending->agreement_id, now_us, &ending->owes, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_dsp_agreement_end,
                   DB_ARGS(DB_TEXT(ending->agreement_id), DB_I64(now_us), DB_TEXT(ending->reason)),
                   NULL, err);
}

static int run_end(struct db *tx, void *arg, struct err *err)
{
    struct ending *ending = arg;
    const int64_t now_us = env_wall_us(ending->app->env);
    struct agreement agreement = {0};

    ending->transfers.n = 0; /* it may run twice */
    switch (db_one(tx, &q_dsp_agreement_get, DB_ARGS(DB_TEXT(ending->agreement_id)), &agreement_row,
                   ending->arena, &agreement, err)) {
    case DB_ROW: break;
    case DB_NONE:
        return err_tell(err, E_NOT_FOUND, "", "no such agreement: '%.*s'",
                        STR_ARG(ending->agreement_id));
    case DB_FAIL: return err_ret(err);
    }
    if ((ending->kind == END_RETIRED ? retire : end_for_good)(tx, ending, &agreement, now_us, err) <
        0)
        return err_ret(err);
    return replica_tell(tx, ending->app->replica, NEWS_AGREEMENT, ending->agreement_id, err);
}

static void tell_over(const struct ending *ending)
{
    count_add(C_POLICY_ENDED, (int64_t)ending->transfers.n);
    log_info(NULL, "an agreement is over", L_STR("agreement", ending->agreement_id),
             L_STR("code", ending->code), L_STR("operand", ending->operand),
             L_STR("reason", ending->reason), L_I64("transfers", (int64_t)ending->transfers.n));
}

static void ended(void *arg, const struct err *err)
{
    struct ending *ending = arg;
    struct arena *arena = ending->arena;

    if (err->code == E_OK) {
        dataplane_forget(ending->app->dataplane, STR_NONE, ending->agreement_id);
        for (size_t i = 0; i < ending->transfers.n; i++)
            dsp__effect_done(ending->app, &transfer_kind,
                             LIST_ITEMS(struct process, ending->transfers)[i].id,
                             &ending->effects[i]);
        if (ending->report.id != 0)
            outbox_wake(ending->app->outbox, &ending->report);
        if (ending->owes)
            duty_wake(ending->app);
        dsp__decide_at(ending->app, ending->transfers.n == AT_ONCE_MOST
                                        ? 0
                                        : env_wall_us(ending->app->env) + BELATED_US);
        if (ending->kind == END_BY_TIME)
            tell_over(ending);
    }
    if (ending->kind == END_BY_TIME &&
        err->code == E_BUSY) /* the clock was set back, or the database is in use */
        timed_set(ending->app, "agreement", ending->agreement_id,
                  env_wall_us(ending->app->env) + US_PER_S);
    ending->done(ending->cls, ending->agreement_id, err);
    arena_free(&arena);
}

static int submit_end(struct app *app, enum end_kind kind, struct str agreement_id,
                      struct str reason, dsp_done_fn *done, void *cls, struct err *err)
{
    static const char *const codes[] = {
        [END_ASKED] = "agreement-ended",
        [END_BY_TIME] = "agreement-ended",
        [END_RETIRED] = DSP_CODE_RETIRED,
    };
    struct arena *arena = arena_new(MIB(16));
    struct ending *ending = arena != NULL ? ARENA_NEW(arena, struct ending) : NULL;

    if (ending == NULL) {
        arena_free(&arena);
        return err_set(err, E_NO_MEMORY, "", "command");
    }
    *ending = (struct ending){
        .app = app,
        .arena = arena,
        .kind = kind,
        .agreement_id = arena_str(arena, agreement_id),
        .code = str_c(codes[kind]),
        .reason = arena_str(arena, reason.n > 0 ? reason : STR("ended")),
        .done = done,
        .cls = cls,
        .op = {.name = "agreement end", .fn = run_end, .arg = ending, .done = ended},
    };
    if (arena_failed(arena) || writer_submit(app->writer, &ending->op, err) < 0) {
        arena_free(&arena);
        return err->code != E_OK ? err_ret(err) : err_set(err, E_NO_MEMORY, "", "command");
    }
    return 0;
}

int dsp_agreement_end(struct app *app, struct str agreement_id, struct str reason,
                      dsp_done_fn *done, void *cls, struct err *err)
{
    return submit_end(app, END_ASKED, agreement_id, reason, done, cls, err);
}

int dsp_agreement_expire(struct app *app, struct str agreement_id, dsp_done_fn *done, void *cls,
                         struct err *err)
{
    return submit_end(app, END_BY_TIME, agreement_id, STR_NONE, done, cls, err);
}

int dsp_agreement_retire(struct app *app, struct str agreement_id, struct str reason,
                         dsp_done_fn *done, void *cls, struct err *err)
{
    return submit_end(app, END_RETIRED, agreement_id, reason, done, cls, err);
}
