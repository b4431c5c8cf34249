/*
 * connector/dsp/machine.h - states and messages of the two processes, as tables
 *
 * Rows of the database hold EDC codes (store.h). The automaton knows the states of the protocol
 * only: "our message is on its way" (REQUESTING, AGREEING …) counts as the state that the message
 * leads to, because the peer may answer before its acknowledgement is recorded.
 */
#pragma once

#include "connector/store/store.h"
#include "lib/sm/sm.h"

enum side { BY_CONSUMER = 1, BY_PROVIDER = 2, BY_EITHER = 3 };

enum negotiation_step {
    NS_NONE,
    NS_REQUESTED,
    NS_OFFERED,
    NS_ACCEPTED,
    NS_AGREED,
    NS_VERIFIED,
    NS_FINALIZED,
    NS_TERMINATED,
    NS__COUNT
};

enum negotiation_message {
    NM_REQUEST,
    NM_OFFER,
    NM_ACCEPTED,
    NM_AGREEMENT,
    NM_VERIFICATION,
    NM_FINALIZED,
    NM_TERMINATION,
    NM__COUNT
};

enum transfer_step {
    TS_NONE,
    TS_REQUESTED,
    TS_STARTED,
    TS_SUSPENDED,
    TS_COMPLETED,
    TS_TERMINATED,
    TS__COUNT
};

enum transfer_message {
    TM_REQUEST,
    TM_START,
    TM_SUSPENSION,
    TM_COMPLETION,
    TM_TERMINATION,
    TM__COUNT
};

/* One state of the protocol as codes of the database. */
struct step_codes {
    int64_t rest;    /* reached: REQUESTED */
    int64_t sending; /* our message that leads there is on its way: REQUESTING */
};

struct machine {
    const struct sm *sm;
    const struct step_codes *codes; /* by state */
    int terminated;                 /* its state TERMINATED */
    int termination;                /* its message that ends a process */
    uint64_t final;                 /* SM_IN of the states that nothing leaves */
};
extern const struct machine negotiation_machine, transfer_machine;

/* The protocol's state of a code; INITIAL counts as the state before the first message. */
int machine_state(const struct machine *machine, int64_t code);
/* Name on the wire: "REQUESTED". */
const char *machine_wire_name(const struct machine *machine, int64_t code);
bool machine_is_final(const struct machine *machine, int64_t code);
