/*
 * connector/dsp/machine.c - the tables of negotiation.def and transfer.def
 */
#include "connector/dsp/machine.h"

#include <assert.h>

#include "lib/base/check.h"

#include "lib/base/banned.h"

#define IN(state) SM_IN(state)
#define NS_OPEN                                                                                    \
    (IN(NS_REQUESTED) | IN(NS_OFFERED) | IN(NS_ACCEPTED) | IN(NS_AGREED) | IN(NS_VERIFIED))

/* clang-format off */
static const struct sm_row negotiation_rows[] = {
#define NEG_STEP(message, sender, allowed, becomes) {message, sender, allowed, becomes},
#include "connector/dsp/negotiation.def"
#undef NEG_STEP
};
static const char *const negotiation_states[] = {
    [NS_NONE] = "NONE",           [NS_REQUESTED] = "REQUESTED", [NS_OFFERED] = "OFFERED",
    [NS_ACCEPTED] = "ACCEPTED",   [NS_AGREED] = "AGREED",       [NS_VERIFIED] = "VERIFIED",
    [NS_FINALIZED] = "FINALIZED", [NS_TERMINATED] = "TERMINATED",
};
static_assert(ARRAY_LEN(negotiation_states) == NS__COUNT, "one name per state");
static const char *const negotiation_messages[] = {
    [NM_REQUEST] = "request",           [NM_OFFER] = "offer",         [NM_ACCEPTED] = "event ACCEPTED",
    [NM_AGREEMENT] = "agreement",       [NM_VERIFICATION] = "verification",
    [NM_FINALIZED] = "event FINALIZED", [NM_TERMINATION] = "termination",
};
static_assert(ARRAY_LEN(negotiation_messages) == NM__COUNT, "one name per message");
static const struct step_codes negotiation_codes[] = {
    [NS_NONE]       = {NEG_INITIAL,    NEG_INITIAL},
    [NS_REQUESTED]  = {NEG_REQUESTED,  NEG_REQUESTING},
    [NS_OFFERED]    = {NEG_OFFERED,    NEG_OFFERING},
    [NS_ACCEPTED]   = {NEG_ACCEPTED,   NEG_ACCEPTING},
    [NS_AGREED]     = {NEG_AGREED,     NEG_AGREEING},
    [NS_VERIFIED]   = {NEG_VERIFIED,   NEG_VERIFYING},
    [NS_FINALIZED]  = {NEG_FINALIZED,  NEG_FINALIZING},
    [NS_TERMINATED] = {NEG_TERMINATED, NEG_TERMINATING},
};

static const struct sm_row transfer_rows[] = {
#define TP_STEP(message, sender, allowed, becomes) {message, sender, allowed, becomes},
#include "connector/dsp/transfer.def"
#undef TP_STEP
};
static const char *const transfer_states[] = {
    [TS_NONE] = "NONE",           [TS_REQUESTED] = "REQUESTED", [TS_STARTED] = "STARTED",
    [TS_SUSPENDED] = "SUSPENDED", [TS_COMPLETED] = "COMPLETED", [TS_TERMINATED] = "TERMINATED",
};
static_assert(ARRAY_LEN(transfer_states) == TS__COUNT, "one name per state");
static const char *const transfer_messages[] = {
    [TM_REQUEST] = "request",       [TM_START] = "start",             [TM_SUSPENSION] = "suspension",
    [TM_COMPLETION] = "completion", [TM_TERMINATION] = "termination",
};
static_assert(ARRAY_LEN(transfer_messages) == TM__COUNT, "one name per message");
static const struct step_codes transfer_codes[] = {
    [TS_NONE]       = {TP_INITIAL,    TP_INITIAL},
    [TS_REQUESTED]  = {TP_REQUESTED,  TP_REQUESTING},
    [TS_STARTED]    = {TP_STARTED,    TP_STARTING},
    [TS_SUSPENDED]  = {TP_SUSPENDED,  TP_SUSPENDING},
    [TS_COMPLETED]  = {TP_COMPLETED,  TP_COMPLETING},
    [TS_TERMINATED] = {TP_TERMINATED, TP_TERMINATING},
};
/* clang-format on */

static const struct sm negotiation_sm = {
    .name = "contract negotiation",
    .rows = negotiation_rows,
    .n_rows = ARRAY_LEN(negotiation_rows),
    .state_names = negotiation_states,
    .n_states = NS__COUNT,
    .message_names = negotiation_messages,
    .n_messages = NM__COUNT,
};

static const struct sm transfer_sm = {
    .name = "transfer process",
    .rows = transfer_rows,
    .n_rows = ARRAY_LEN(transfer_rows),
    .state_names = transfer_states,
    .n_states = TS__COUNT,
    .message_names = transfer_messages,
    .n_messages = TM__COUNT,
};

const struct machine negotiation_machine = {
    .sm = &negotiation_sm,
    .codes = negotiation_codes,
    .terminated = NS_TERMINATED,
    .termination = NM_TERMINATION,
    .final = IN(NS_FINALIZED) | IN(NS_TERMINATED),
};

const struct machine transfer_machine = {
    .sm = &transfer_sm,
    .codes = transfer_codes,
    .terminated = TS_TERMINATED,
    .termination = TM_TERMINATION,
    .final = IN(TS_COMPLETED) | IN(TS_TERMINATED),
};

int machine_state(const struct machine *machine, int64_t code)
{
    for (int state = 0; state < machine->sm->n_states; state++) {
        if (machine->codes[state].rest == code || machine->codes[state].sending == code)
            return state;
    }
    return 0;
}

const char *machine_wire_name(const struct machine *machine, int64_t code)
{
    return machine->sm->state_names[machine_state(machine, code)];
}

bool machine_is_final(const struct machine *machine, int64_t code)
{
    return (machine->final & SM_IN(machine_state(machine, code))) != 0;
}
