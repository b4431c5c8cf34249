/*
 * lib/sm/sm.h - state tables
 *
 * One row per message that is allowed; what has no row is refused. States and messages are small
 * enums of the owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define SM_IN(state) (UINT64_C(1) << (state))

struct sm_row {
    int message;
    unsigned sender;  /* bit set of the owner's sender enum */
    uint64_t allowed; /* SM_IN(a) | SM_IN(b) … */
    int becomes;
};

struct sm {
    const char *name;
    const struct sm_row *rows;
    size_t n_rows;
    const char *const *state_names;
    int n_states;
    const char *const *message_names;
    int n_messages;
};

/* The state after `message` from `sender` in `state`. Errors: E_PEER_STATE naming message and
 * state. */
MUST_CHECK int sm_step(const struct sm *sm, int state, int message, unsigned sender, int *ret_state,
                       struct err *err);
