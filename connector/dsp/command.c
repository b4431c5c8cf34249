/*
 * connector/dsp/command.c - what an operator or the management API asks for, as one operation each
 *
 * Commands are rare, so they read, step and build inside the operation; only what needs parsing or
 * another party's key is prepared before.
 */
#include "connector/dsp/dsp_private.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define COMMAND_ARENA MIB(4)

struct command *dsp__command_new(struct app *app, dsp_done_fn *done, void *cls)
{
    struct arena *arena = arena_new(COMMAND_ARENA);
    struct command *command = arena != NULL ? ARENA_NEW(arena, struct command) : NULL;

    if (command == NULL) {
        arena_free(&arena);
        return NULL;
    }
    command->app = app;
    command->arena = arena;
    command->done = done;
    command->cls = cls;
    return command;
}

void dsp__command_free(struct command **command)
{
    struct arena *arena = *command != NULL ? (*command)->arena : NULL;

    *command = NULL;
    arena_free(&arena);
}

static int run(struct db *tx, void *arg, struct err *err)
{
    struct command *command = arg;

    command->effect = command->prepared; /* it may run twice */
    command->now_us = env_wall_us(command->app->env);
    if (command->run != NULL && command->run(tx, command, err) < 0)
        return err_ret(err);
    command->effect.rules = command->process.policy;
    if (dsp__effect_write(command->app, tx, command->kind, command->process.id, &command->effect,
                          command->now_us, err) < 0)
        return err_ret(err);
    if (command->effect.first == NULL)
        return 0;
    return dsp__event_begun(command->app, tx, command->kind, command->process.id,
                            command->effect.callbacks.n > 0, command->now_us, err);
}

/* Of what begins a process; other commands may change more than one. */
static int ask(struct db *tx, void *arg, struct err *err)
{
    const struct command *command = arg;

    return dsp__effect_ask(command->app, tx, &command->prepared, err);
}

static void done(void *arg, const struct err *err)
{
    struct command *command = arg;

    if (err->code == E_OK) {
        dsp__effect_committed(command->app, command->kind, command->process.id);
        dsp__effect_done(command->app, command->kind, command->process.id, &command->effect);
    }
    command->done(command->cls, command->process.id, err);
    dsp__command_free(&command);
}

int dsp__command_submit(struct command **command_address, const char *name, struct err *err)
{
    struct command *command = MOVE(*command_address);

    if (arena_failed(command->arena)) {
        dsp__command_free(&command);
        return err_set(err, E_NO_MEMORY, "", "command");
    }
    command->op = (struct writer_op){.name = name, .fn = run, .arg = command, .done = done};
    if (command->prepared.first != NULL && command->run == NULL) {
        command->op.ask = ask;
        command->op.subject = command->process.id;
    }
    if (writer_submit(command->app->writer, &command->op, err) < 0) {
        dsp__command_free(&command);
        return err_ret(err);
    }
    return 0;
}

static int begin(struct command *command, const struct choice *choice, struct err *err)
{
    command->process.peer_address = arena_str(command->arena, choice->address);
    command->process.protocol = choice->codec->protocol;
    return command->begin != NULL ? command->begin(command, err) : 0;
}

/* Whoever waits hears of a failure here; a success is told by the operation. */
static void chosen(void *cls, const struct choice *choice, const struct err *cause)
{
    struct command *command = cls;
    dsp_done_fn *const tell = command->done;
    void *const tell_cls = command->cls;
    struct err err = *cause;

    if (err.code != E_OK || begin(command, choice, &err) < 0)
        dsp__command_free(&command);
    else
        IGNORE(dsp__command_submit(&command, command->name, &err), "told below");
    if (err.code != E_OK)
        tell(tell_cls, STR_NONE, &err);
}

int dsp__command_choose(struct command **command_address, const char *name, struct str address,
                        struct str protocol, struct err *err)
{
    struct command *command = MOVE(*command_address);

    command->name = name;
    if (dsp__choose(command->app, address, protocol, chosen, command, err) < 0) {
        dsp__command_free(&command);
        return err_ret(err);
    }
    return 0;
}

int dsp__command_read(struct db *tx, struct command *command, struct err *err)
{
    struct process process = {0};

    switch (db_one(tx, command->kind->get, DB_ARGS(DB_TEXT(command->id)), &process_row,
                   command->arena, &process, err)) {
    case DB_ROW: command->process = process; return 0;
    case DB_NONE:
        return err_tell(err, E_NOT_FOUND, "", "no such %s: '%.*s'", command->kind->name,
                        STR_ARG(command->id));
    case DB_FAIL: break;
    }
    return err_ret(err);
}

int dsp__command_step(struct command *command, int message, struct err *err)
{
    const struct machine *machine = command->kind->machine;
    int state;

    if (sm_step(machine->sm, machine_state(machine, command->process.state), message,
                dsp__side(&command->process), &state, err) < 0) {
        err_clear(err);
        return err_tell(err, E_CONFLICT, "", "%s '%.*s' is %s", command->kind->name,
                        STR_ARG(command->process.id),
                        machine_wire_name(machine, command->process.state));
    }
    command->effect.state = machine->codes[state].sending;
    return 0;
}

/*
 * Before the peer has told its pid there is nothing to address a termination to: it follows the
 * answer to our first message (sent.c).
 */
int dsp__run_terminate(struct db *tx, struct command *command, struct err *err)
{
    struct effect *e = &command->effect;

    if (dsp__command_read(tx, command, err) < 0 ||
        dsp__command_step(command, command->kind->machine->termination, err) < 0)
        return err_ret(err);
    if (!str_present(command->process.peer_pid)) {
        e->error = e->end_reason =
            str_present(command->reason) ? command->reason : STR("terminated");
        return 0;
    }
    e->forget = true;
    return dsp__terminate(command->app, e, command->kind, &command->process, STR_NONE,
                          command->reason, command->arena, err);
}

int dsp_negotiation_terminate(struct app *app, struct str id, struct str reason,
                              dsp_done_fn *done_fn, void *cls, struct err *err)
{
    struct command *command = dsp__command_new(app, done_fn, cls);

    if (command == NULL)
        return err_set(err, E_NO_MEMORY, "", "command");
    command->kind = &negotiation_kind;
    command->id = arena_str(command->arena, id);
    command->reason = arena_str(command->arena, reason);
    command->run = dsp__run_terminate;
    return dsp__command_submit(&command, "negotiation terminate", err);
}
