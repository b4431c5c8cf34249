/*
 * Every state × message × sender of both processes, against the tables of DSP 2025-1 written out by hand.
 */
#include <check.h>

#include "connector/dsp/machine.h"
#include "lib/base/cleanup.h"

#include "lib/base/banned.h"

#define NO (-1)

/* What a message of the consumer (first) and of the provider (second) leads to. */
struct cell {
    int consumer, provider;
};

/* clang-format off */
static const struct cell negotiation[NS__COUNT][NM__COUNT] = {
    [NS_NONE]       = {[NM_REQUEST] = {NS_REQUESTED, NO}, [NM_OFFER] = {NO, NS_OFFERED}, [NM_ACCEPTED] = {NO, NO},
                       [NM_AGREEMENT] = {NO, NO}, [NM_VERIFICATION] = {NO, NO}, [NM_FINALIZED] = {NO, NO},
                       [NM_TERMINATION] = {NO, NO}},
    [NS_REQUESTED]  = {[NM_REQUEST] = {NO, NO}, [NM_OFFER] = {NO, NS_OFFERED}, [NM_ACCEPTED] = {NO, NO},
                       [NM_AGREEMENT] = {NO, NS_AGREED}, [NM_VERIFICATION] = {NO, NO}, [NM_FINALIZED] = {NO, NO},
                       [NM_TERMINATION] = {NS_TERMINATED, NS_TERMINATED}},
    [NS_OFFERED]    = {[NM_REQUEST] = {NS_REQUESTED, NO}, [NM_OFFER] = {NO, NO}, [NM_ACCEPTED] = {NS_ACCEPTED, NO},
                       [NM_AGREEMENT] = {NO, NO}, [NM_VERIFICATION] = {NO, NO}, [NM_FINALIZED] = {NO, NO},
                       [NM_TERMINATION] = {NS_TERMINATED, NS_TERMINATED}},
    [NS_ACCEPTED]   = {[NM_REQUEST] = {NO, NO}, [NM_OFFER] = {NO, NO}, [NM_ACCEPTED] = {NO, NO},
                       [NM_AGREEMENT] = {NO, NS_AGREED}, [NM_VERIFICATION] = {NO, NO}, [NM_FINALIZED] = {NO, NO},
                       [NM_TERMINATION] = {NS_TERMINATED, NS_TERMINATED}},
    [NS_AGREED]     = {[NM_REQUEST] = {NO, NO}, [NM_OFFER] = {NO, NO}, [NM_ACCEPTED] = {NO, NO},
                       [NM_AGREEMENT] = {NO, NO}, [NM_VERIFICATION] = {NS_VERIFIED, NO}, [NM_FINALIZED] = {NO, NO},
                       [NM_TERMINATION] = {NS_TERMINATED, NS_TERMINATED}},
    [NS_VERIFIED]   = {[NM_REQUEST] = {NO, NO}, [NM_OFFER] = {NO, NO}, [NM_ACCEPTED] = {NO, NO},
                       [NM_AGREEMENT] = {NO, NO}, [NM_VERIFICATION] = {NO, NO}, [NM_FINALIZED] = {NO, NS_FINALIZED},
                       [NM_TERMINATION] = {NS_TERMINATED, NS_TERMINATED}},
    [NS_FINALIZED]  = {{NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}},
    [NS_TERMINATED] = {{NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}},
};

static const struct cell transfer[TS__COUNT][TM__COUNT] = {
    [TS_NONE]       = {[TM_REQUEST] = {TS_REQUESTED, NO}, [TM_START] = {NO, NO}, [TM_SUSPENSION] = {NO, NO},
                       [TM_COMPLETION] = {NO, NO}, [TM_TERMINATION] = {NO, NO}},
    [TS_REQUESTED]  = {[TM_REQUEST] = {NO, NO}, [TM_START] = {NO, TS_STARTED}, [TM_SUSPENSION] = {NO, NO},
                       [TM_COMPLETION] = {NO, NO}, [TM_TERMINATION] = {TS_TERMINATED, TS_TERMINATED}},
    [TS_STARTED]    = {[TM_REQUEST] = {NO, NO}, [TM_START] = {NO, NO}, [TM_SUSPENSION] = {TS_SUSPENDED, TS_SUSPENDED},
                       [TM_COMPLETION] = {TS_COMPLETED, TS_COMPLETED}, [TM_TERMINATION] = {TS_TERMINATED, TS_TERMINATED}},
    [TS_SUSPENDED]  = {[TM_REQUEST] = {NO, NO}, [TM_START] = {TS_STARTED, TS_STARTED}, [TM_SUSPENSION] = {NO, NO},
                       [TM_COMPLETION] = {NO, NO}, [TM_TERMINATION] = {TS_TERMINATED, TS_TERMINATED}},
    [TS_COMPLETED]  = {{NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}},
    [TS_TERMINATED] = {{NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}, {NO, NO}},
};

/* code of the database, the state it counts as, its name on the wire, final */
static const struct { const struct machine *machine; int64_t code; int state; const char *name; bool final; } codes[] = {
    {&negotiation_machine, NEG_INITIAL,     NS_NONE,       "NONE",       false},
    {&negotiation_machine, NEG_REQUESTING,  NS_REQUESTED,  "REQUESTED",  false},
    {&negotiation_machine, NEG_REQUESTED,   NS_REQUESTED,  "REQUESTED",  false},
    {&negotiation_machine, NEG_OFFERING,    NS_OFFERED,    "OFFERED",    false},
    {&negotiation_machine, NEG_OFFERED,     NS_OFFERED,    "OFFERED",    false},
    {&negotiation_machine, NEG_ACCEPTING,   NS_ACCEPTED,   "ACCEPTED",   false},
    {&negotiation_machine, NEG_ACCEPTED,    NS_ACCEPTED,   "ACCEPTED",   false},
    {&negotiation_machine, NEG_AGREEING,    NS_AGREED,     "AGREED",     false},
    {&negotiation_machine, NEG_AGREED,      NS_AGREED,     "AGREED",     false},
    {&negotiation_machine, NEG_VERIFYING,   NS_VERIFIED,   "VERIFIED",   false},
    {&negotiation_machine, NEG_VERIFIED,    NS_VERIFIED,   "VERIFIED",   false},
    {&negotiation_machine, NEG_FINALIZING,  NS_FINALIZED,  "FINALIZED",  true},
    {&negotiation_machine, NEG_FINALIZED,   NS_FINALIZED,  "FINALIZED",  true},
    {&negotiation_machine, NEG_TERMINATING, NS_TERMINATED, "TERMINATED", true},
    {&negotiation_machine, NEG_TERMINATED,  NS_TERMINATED, "TERMINATED", true},
    {&transfer_machine,    TP_INITIAL,      TS_NONE,       "NONE",       false},
    {&transfer_machine,    TP_REQUESTING,   TS_REQUESTED,  "REQUESTED",  false},
    {&transfer_machine,    TP_REQUESTED,    TS_REQUESTED,  "REQUESTED",  false},
    {&transfer_machine,    TP_STARTING,     TS_STARTED,    "STARTED",    false},
    {&transfer_machine,    TP_STARTED,      TS_STARTED,    "STARTED",    false},
    {&transfer_machine,    TP_SUSPENDING,   TS_SUSPENDED,  "SUSPENDED",  false},
    {&transfer_machine,    TP_SUSPENDED,    TS_SUSPENDED,  "SUSPENDED",  false},
    {&transfer_machine,    TP_COMPLETING,   TS_COMPLETED,  "COMPLETED",  true},
    {&transfer_machine,    TP_COMPLETED,    TS_COMPLETED,  "COMPLETED",  true},
    {&transfer_machine,    TP_TERMINATING,  TS_TERMINATED, "TERMINATED", true},
    {&transfer_machine,    TP_TERMINATED,   TS_TERMINATED, "TERMINATED", true},
};

/* clang-format on */

static void check_cell(const struct sm *sm, int state, int message, unsigned sender, int want)
{
    struct err err = {0};
    int got = 77;
    const int rc = sm_step(sm, state, message, sender, &got, &err);

    if (want == NO) {
        ck_assert_msg(rc == -(int)E_PEER_STATE && err.code == E_PEER_STATE && got == 77,
                      "%s: %s in %s from %u is refused", sm->name, sm->message_names[message],
                      sm->state_names[state], sender);
        ck_assert_int_eq(err_http(err.code), 400);
        return;
    }
    ck_assert_msg(rc == 0 && got == want, "%s: %s in %s from %u: got %d, want %d", sm->name,
                  sm->message_names[message], sm->state_names[state], sender, got, want);
}

START_TEST(test_negotiation)
{
    for (int message = 0; message < NM__COUNT; message++) {
        const struct cell *want = &negotiation[_i][message];

        check_cell(negotiation_machine.sm, _i, message, BY_CONSUMER, want->consumer);
        check_cell(negotiation_machine.sm, _i, message, BY_PROVIDER, want->provider);
    }
}

END_TEST

START_TEST(test_transfer)
{
    for (int message = 0; message < TM__COUNT; message++) {
        const struct cell *want = &transfer[_i][message];

        check_cell(transfer_machine.sm, _i, message, BY_CONSUMER, want->consumer);
        check_cell(transfer_machine.sm, _i, message, BY_PROVIDER, want->provider);
    }
}

END_TEST

START_TEST(test_codes)
{
    const struct machine *machine = codes[_i].machine;

    ck_assert_int_eq(machine_state(machine, codes[_i].code), codes[_i].state);
    ck_assert_str_eq(machine_wire_name(machine, codes[_i].code), codes[_i].name);
    ck_assert(machine_is_final(machine, codes[_i].code) == codes[_i].final);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dsp_sm");
    TCase *tc = tcase_create("all");

    tcase_add_loop_test(tc, test_negotiation, 0, NS__COUNT);
    tcase_add_loop_test(tc, test_transfer, 0, TS__COUNT);
    tcase_add_loop_test(tc, test_codes, 0, (int)ARRAY_LEN(codes));
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
