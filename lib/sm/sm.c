/*
 * State tables: one step.
 */
#include "lib/sm/sm.h"

#include "lib/base/check.h"

#include "lib/base/banned.h"

static const char *name_of(const char *const *names, int n, int i)
{
    return i >= 0 && i < n ? names[i] : "?";
}

int sm_step(const struct sm *sm, int state, int message, unsigned sender, int *ret_state,
            struct err *err)
{
    CHECK(state >= 0 && state < sm->n_states && sm->n_states <= 64);
    for (size_t i = 0; i < sm->n_rows; i++) {
        const struct sm_row *row = &sm->rows[i];
        if (row->message == message && (row->sender & sender) != 0 &&
            (row->allowed & SM_IN(state)) != 0) {
            *ret_state = row->becomes;
            return 0;
        }
    }
    return err_tell(err, E_PEER_STATE, "", "%s: message '%s' is not allowed in state '%s'",
                    sm->name, name_of(sm->message_names, sm->n_messages, message),
                    name_of(sm->state_names, sm->n_states, state));
}
