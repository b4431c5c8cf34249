/*
 * connector/dsp/deprovision.c - EDC's states after the end of a transfer: DEPROVISIONING, DEPROVISIONED
 *
 * Nothing is provisioned here for a transfer, so there is nothing to take back: the state is reached
 * at once, or right after the end if our last message is still on its way. The protocol does not know
 * it; what the other party sees stays COMPLETED or TERMINATED.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/events/events.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct end_of {
    int64_t state;
    int64_t listened, deprovision, deprovisioned;
};
/* clang-format off */
static const struct field end_fields[] = {
    FIELD(struct end_of, state,         "state",         F_REQUIRED),
    FIELD(struct end_of, listened,      "listened",      F_REQUIRED),
    FIELD(struct end_of, deprovision,   "deprovision",   F_REQUIRED),
    FIELD(struct end_of, deprovisioned, "deprovisioned", F_REQUIRED),
};
/* clang-format on */
static OBJECT(end_row, struct end_of, end_fields, CLOSED);

int dsp__deprovisioned(struct app *app, struct db *tx, struct str id, bool listened, int64_t now_us,
                       struct err *err)
{
    if (db_exec(tx, &q_dsp_transfer_deprovisioned,
                DB_ARGS(DB_TEXT(id), DB_I64(now_us), DB_I64(TP_DEPROVISIONED)), NULL, err) < 0)
        return err_ret(err);
    return events_put(app, tx, EV_TRANSFER_DEPROVISIONED, id, STR_NONE, listened, now_us, err);
}

/* The state that the management API shows. */
static int64_t shown(const struct end_of *row)
{
    if (row->deprovisioned != 0)
        return TP_DEPROVISIONED;
    return row->deprovision != 0 ? TP_DEPROVISIONING : row->state;
}

int dsp_transfer_deprovision(struct app *app, struct db *tx, struct str id, int64_t now_us,
                             struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    const struct machine *machine = &transfer_machine;
    struct end_of row = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "transfer");
    switch (db_one(tx, &q_dsp_transfer_end_of, DB_ARGS(DB_TEXT(id)), &end_row, arena, &row, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_set(err, E_NOT_FOUND, "", "no transfer '%.*s'", STR_ARG(id));
    case DB_FAIL: return err_ret(err);
    }
    if (!machine_is_final(machine, row.state) || row.deprovisioned != 0)
        return err_tell(err, E_CONFLICT, "", "Cannot deprovision transfer process %.*s in state %s",
                        STR_ARG(id), transfer_state_name(shown(&row)));
    if (machine->codes[machine_state(machine, row.state)].rest == row.state)
        return dsp__deprovisioned(app, tx, id, row.listened != 0, now_us, err);
    return db_exec(tx, &q_dsp_transfer_deprovision_asked, DB_ARGS(DB_TEXT(id)), NULL, err);
}
