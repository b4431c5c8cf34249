/*
 * Duties that come with an agreement: which, whose, from when, until when; on both sides the same.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/owed.h"

#include "lib/base/banned.h"

#define AGREED "2026-06-01T00:00:00Z"
#define IN_CX  "@profile=https://w3id.org/catenax/2025/9/policy/ "
#define CX     "(FrameworkAgreement eq DataExchangeGovernance:1.0)(UsagePurpose eq cx.pcf.base:1)"

/* Each as "whose action from..due[ end][ provide]"; "-" is an open side. */
/* clang-format off */
static const struct {
    const char *policy, *owed;
} cases[] = {
    {"+use", ""},
    {"+use -distribute @conflict=prohibit", ""},
    {"+use !delete (odrl:elapsedTime lteq P30D)", "consumer delete -..2026-07-01T00:00:00Z"},
    {"+use !delete (odrl:dateTime lteq 2026-12-31T00:00:00Z)", "consumer delete -..2026-12-31T00:00:00Z"},
    {"+use !delete", "consumer delete -..- end"},
    {"+use !inform", "consumer inform -..-"},
    {"+use !inform (odrl:dateTime gteq 2026-07-01T00:00:00Z)(odrl:dateTime lteq 2026-08-01T00:00:00Z)",
     "consumer inform 2026-07-01T00:00:00Z..2026-08-01T00:00:00Z"},
    {"+use !inform @@assignee=did:web:maker !compensate", "consumer compensate -..-, provider inform -..-"},
    {"+use !inform !inform", "consumer inform -..-"},
    {"+use [inform] !inform", "consumer inform -..-"},
    {"+use [inform][compensate]", "consumer compensate -..-, consumer inform -..-"},
    /* what certainly does not arise */
    {"+use !inform (or (dateTime lteq 2026-05-01)(dateTime lteq 2026-04-01))", ""},
    {"+use !inform @@assignee=did:web:user", "consumer inform -..-"},
    {"+use !inform !use (DataProvisioningEndDurationDays eq 10)", "consumer inform -..-, provider use -..2026-06-11T00:00:00Z provide"},
    /* which of several permissions is used nobody knows: what all of them demand */
    {"+use (odrl:count lteq 5)[inform] +use (odrl:count lteq 9)[inform][compensate]", "consumer inform -..-"},
    {"+use (odrl:count lteq 5) +use (odrl:count lteq 9)[compensate]", ""},
    {"+use (odrl:count lteq 5)[inform][compensate] +use (odrl:count lteq 9)[inform]", "consumer inform -..-"},
    {"+use (odrl:count lteq 5)[compensate] +use (odrl:count lteq 9)", ""},
    {"+use (odrl:count lteq 5)[compensate] +use (odrl:count lteq 9)[inform]", ""},
    {"+use +distribute [inform]", ""},
    {"+use [inform] +distribute", "consumer inform -..-"},
    {IN_CX "+use " CX "(ContractTermination eq cx.data.keeping:1)(DataUsageEndDurationDays eq 30) "
     "+use " CX "(ContractTermination eq cx.data.keeping:1)(DataUsageEndDurationDays eq 40)", ""},
    {"-use [compensate]", ""},
    /* Catena-X */
    {IN_CX "+use " CX "(DataUsageEndDurationDays eq 30)", "consumer delete -..2026-07-01T00:00:00Z end"},
    {IN_CX "+use " CX "(DataUsageEndDate eq 2026-09-01T00:00:00Z)", "consumer delete -..2026-09-01T00:00:00Z end"},
    {IN_CX "+use " CX "(ContractTermination eq cx.data.deletion:1)", "consumer delete -..- end"},
    {IN_CX "+use " CX "(ContractTermination eq cx.data.deletion:1)(DataUsageEndDurationDays eq 30)",
     "consumer delete -..2026-07-01T00:00:00Z end"},
    {IN_CX "+use " CX "(ContractTermination eq cx.data.keeping:1)(DataUsageEndDurationDays eq 30)", ""},
    {IN_CX "+use " CX "(DataUsageEndDefinition eq cx.dataUsageEnd.unlimited:1)", ""},
    {IN_CX "+use " CX " !use (DataProvisioningEndDurationDays eq 10)", "provider use -..2026-06-11T00:00:00Z provide"},
};

/* clang-format on */

static void write_time(struct buf *out, int64_t us, int64_t open)
{
    buf_add_c(out, us == open ? "-" : time_format(us).c);
}

static const char *last_part(const char *iri)
{
    return strrchr(iri, '/') + 1;
}

static void write_owed(struct buf *out, const struct policy_owed *owed)
{
    buf_printf(out, "%s %s ", owed->of_provider ? "provider" : "consumer",
               last_part(policy_action_iri(owed->action)));
    write_time(out, owed->from_us, POLICY_NO_TIME);
    buf_add_c(out, "..");
    write_time(out, owed->due_us, POLICY_FOREVER);
    buf_add_c(out, owed->at_end ? " end" : owed->provide ? " provide" : "");
}

static const struct policy_deal deal = {STR_INIT("data-1"), STR_INIT("did:web:maker"),
                                        STR_INIT("did:web:user"), INT64_C(1780272000000000)};

static struct policy_owed_list list(const struct policy *policy, struct arena *arena)
{
    struct policy_owed_list owed;
    struct err err = {0};

    ck_assert_int_eq(deal.agreement_us, help_time(AGREED));
    ck_assert_int_eq(policy_owed(policy, &deal, arena, &owed, &err), 0);
    return owed;
}

static void write_list(struct buf *out, const struct policy_owed_list *owed)
{
    for (size_t i = 0; i < owed->n; i++) {
        buf_add_c(out, i > 0 ? ", " : "");
        write_owed(out, &owed->items[i]);
        ck_assert(owed->items[i].at.n > 0);
    }
    buf_add_char(out, '\0');
}

START_TEST(test_owed)
{
    AUTO(policy_unref) struct policy *policy = help_policy(cases[_i].policy);
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    const struct policy_owed_list owed = list(policy, arena);

    write_list(&text, &owed);
    ck_assert_str_eq(text.p, cases[_i].owed);
}

END_TEST

/* The two sides keep an agreement in the shape in which it came to them. */
START_TEST(test_key)
{
    static const char *const shapes[] = {
        "{'@type':'Offer','permission':[{'action':'use'}],'obligation':[{'action':'inform'},{'action':"
        "'delete','constraint':[{'leftOperand':'odrl:dateTime','operator':'lteq','rightOperand':'2026-12-31T00:00:00Z'}]}]}",
        "{'@type':'odrl:Set','odrl:permission':{'odrl:action':{'@id':'odrl:use'}},'odrl:obligation':[{'odrl:action'"
        ":{'@id':'odrl:delete'},'odrl:constraint':{'odrl:leftOperand':{'@id':'odrl:dateTime'},'odrl:operator':"
        "{'@id':'odrl:lteq'},'odrl:rightOperand':'2026-12-31T09:00:00+09:00'}},{'odrl:action':{'@id':'odrl:inform'}}]}",
    };
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    const struct policy_owed *items[2];
    struct err err = {0};

    for (int i = 0; i < 2; i++) {
        AUTO(policy_unref) struct policy *policy = NULL;
        struct policy_owed_list owed;

        ck_assert_msg(help_policy_from(shapes[i], &policy, &err) == 0, "%s %s", err.at, err.text);
        owed = list(policy, arena);
        ck_assert_uint_eq(owed.n, 2);
        items[i] = owed.items;
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_mem_eq(items[0][i].key, items[1][i].key, POLICY_HASH_LEN);
        ck_assert_int_eq(items[0][i].due_us, items[1][i].due_us);
    }
    ck_assert_mem_ne(items[0][0].key, items[0][1].key, POLICY_HASH_LEN);
}

END_TEST

/* What follows when the first duty that is listed is violated on the tenth of June. */
/* clang-format off */
static const struct {
    const char *policy, *after;
} violations[] = {
    {"+use !inform", ""},
    {"+use !inform (dateTime lteq 2026-06-09T00:00:00Z)[compensate]", "consumer compensate 2026-06-10T00:00:00Z..-"},
    {"+use !inform [compensate (dateTime lteq 2026-07-01T00:00:00Z)][delete]",
     "consumer compensate 2026-06-10T00:00:00Z..2026-07-01T00:00:00Z, consumer delete 2026-06-10T00:00:00Z..-"},
    {"+use !inform [compensate (odrl:elapsedTime lteq P60D)]", "consumer compensate 2026-06-10T00:00:00Z..2026-07-31T00:00:00Z"},
    {"+use !inform [compensate (dateTime gteq 2026-08-01T00:00:00Z)]", "consumer compensate 2026-08-01T00:00:00Z..-"},
    {"+use !inform [compensate (or (dateTime lteq 2026-05-01)(dateTime lteq 2026-04-01))]", ""},
    {"+use -distribute [compensate] @conflict=prohibit !inform", ""},
};

/* clang-format on */

START_TEST(test_consequences)
{
    const int64_t violated_us = help_time("2026-06-10T00:00:00Z");
    AUTO(policy_unref) struct policy *policy = help_policy(violations[_i].policy);
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    const struct policy_owed_list owed = list(policy, arena);
    struct policy_owed_list after;
    struct err err = {0};

    ck_assert_uint_ge(owed.n, 1);
    ck_assert(!owed.items[0].consequence);
    ck_assert_int_eq(
        policy_owed_after(policy, &deal, owed.items[0].key, violated_us, arena, &after, &err), 0);
    for (size_t i = 0; i < after.n; i++) {
        ck_assert(after.items[i].consequence);
        ck_assert_mem_ne(after.items[i].key, owed.items[0].key, POLICY_HASH_LEN);
    }
    write_list(&text, &after);
    ck_assert_str_eq(text.p, violations[_i].after);
}

END_TEST

/* One consequence of two duties is owed twice, of a duty of the permission as of an obligation. */
START_TEST(test_each_has_its_own)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct policy_owed_list owed, after[2];
    struct err err = {0};
    uint8_t unknown[POLICY_HASH_LEN] = {0};

    ck_assert_int_eq(
        help_policy_from(
            "{'@type':'Set','permission':[{'action':'use','duty':[{'action':'inform',"
            "'consequence':[{'action':'compensate'}]}]}],'obligation':[{'action':'anonymize',"
            "'consequence':[{'action':'compensate'}]}]}",
            &policy, &err),
        0);
    owed = list(policy, arena);
    ck_assert_uint_eq(owed.n, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(
            policy_owed_after(policy, &deal, owed.items[i].key, 0, arena, &after[i], &err), 0);
        ck_assert_uint_eq(after[i].n, 1);
    }
    ck_assert_mem_ne(after[0].items[0].key, after[1].items[0].key, POLICY_HASH_LEN);
    ck_assert_int_eq(policy_owed_after(policy, &deal, unknown, 0, arena, &after[0], &err), 0);
    ck_assert_uint_eq(after[0].n, 0);
}

END_TEST

/* Where nothing is permitted, no duty of a permission is looked for. */
START_TEST(test_nothing_follows)
{
    static const uint8_t unknown[POLICY_HASH_LEN];
    AUTO(policy_unref) struct policy *policy = help_policy("-use !inform [compensate]");
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct policy_owed_list after;
    struct err err = {0};

    ck_assert_int_eq(policy_owed_after(policy, &deal, unknown, 0, arena, &after, &err), 0);
    ck_assert_uint_eq(after.n, 0);
}

END_TEST

/* -- as facts ---------------------------------------------------------------------------------- */

/* A duty, its consequence, and a duty with the action of the consequence. */
#define TWO_PAYMENTS                                                                               \
    "+use !inform (dateTime lteq 2026-06-09T00:00:00Z)[compensate] !compensate (dateTime lteq "    \
    "2026-12-31T00:00:00Z)"

enum { INFORM, FOLLOWING, PRIMARY };

/* What was done of them ("" : nothing) by the first of July; then their states, in the order of the enum. */
/* clang-format off */
static const struct { const char *done[3]; bool keyed; enum policy_duty_state inform, following, primary; } records[] = {
    {{"", "", ""},                                            true,  POLICY_DUTY_VIOLATED,  POLICY_DUTY_OUTSTANDING, POLICY_DUTY_OUTSTANDING},
    {{"", "2026-06-20T00:00:00Z", ""},                        true,  POLICY_DUTY_VIOLATED,  POLICY_DUTY_FULFILLED,   POLICY_DUTY_OUTSTANDING},
    {{"", "", "2026-06-20T00:00:00Z"},                        true,  POLICY_DUTY_VIOLATED,  POLICY_DUTY_OUTSTANDING, POLICY_DUTY_FULFILLED},
    {{"2026-06-25T00:00:00Z", "", "2026-06-20T00:00:00Z"},    true,  POLICY_DUTY_VIOLATED,  POLICY_DUTY_OUTSTANDING, POLICY_DUTY_FULFILLED},
    {{"2026-06-25T00:00:00Z", "2026-06-20T00:00:00Z", ""},    true,  POLICY_DUTY_FULFILLED, POLICY_DUTY_FULFILLED,   POLICY_DUTY_OUTSTANDING},
    {{"", "2026-06-20T00:00:00Z", ""},                        false, POLICY_DUTY_VIOLATED,  POLICY_DUTY_FULFILLED,   POLICY_DUTY_FULFILLED},
};

/* clang-format on */

static const struct policy_duty *state_of(const struct policy_decision *decision,
                                          enum policy_action action, enum policy_duty_role role)
{
    for (unsigned i = 0; i < decision->n_duties; i++) {
        if (decision->duties[i].action == action && decision->duties[i].role == role)
            return &decision->duties[i];
    }
    return NULL;
}

/* A record is about its own duty. */
START_TEST(test_records)
{
    AUTO(policy_unref) struct policy *policy = help_policy(TWO_PAYMENTS);
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    const struct policy_owed_list owed = list(policy, arena);
    const struct policy_question question = {.action = POLICY_ACT_USE,
                                             .scope = POLICY_AT_TRANSFER,
                                             .now_us = help_time("2026-07-01T00:00:00Z"),
                                             .agreement_us = deal.agreement_us,
                                             .target = deal.target,
                                             .assignee = deal.consumer};
    struct policy_facts facts = {.performed_known = true};
    const struct policy_duty *inform, *following, *primary;
    struct policy_performed done[ARRAY_LEN(records[0].done)];
    struct policy_owed_list after;
    struct policy_decision decision;
    const struct policy_owed *all[3];
    struct err err = {0};

    ck_assert_uint_eq(owed.n, 2);
    all[INFORM] = &owed.items[owed.items[0].action == POLICY_ACT_INFORM ? 0 : 1];
    all[PRIMARY] = &owed.items[owed.items[0].action == POLICY_ACT_INFORM ? 1 : 0];
    ck_assert_int_eq(policy_owed_after(policy, &deal, all[INFORM]->key, 0, arena, &after, &err), 0);
    all[FOLLOWING] = &after.items[0];
    for (size_t i = 0; i < ARRAY_LEN(done); i++) {
        if (records[_i].done[i][0] != '\0')
            done[facts.n_performed++] =
                (struct policy_performed){.action = all[i]->action,
                                          .assignee = deal.consumer,
                                          .at_us = help_time(records[_i].done[i]),
                                          .duty = records[_i].keyed ? all[i]->key : NULL};
    }
    facts.performed = done;
    policy_decide(policy, &question, &facts, &decision);
    inform = state_of(&decision, POLICY_ACT_INFORM, POLICY_ROLE_OBLIGATION);
    following = state_of(&decision, POLICY_ACT_COMPENSATE, POLICY_ROLE_CONSEQUENCE);
    primary = state_of(&decision, POLICY_ACT_COMPENSATE, POLICY_ROLE_OBLIGATION);
    ck_assert_int_eq(inform->state, records[_i].inform);
    ck_assert_int_eq(primary->state, records[_i].primary);
    if (inform->state == POLICY_DUTY_VIOLATED) /* else nothing follows any more */
        ck_assert_int_eq(following->state, records[_i].following);
    else
        ck_assert_ptr_null(following);
}

END_TEST

#define MANY 200

/* As many as the policy has. */
START_TEST(test_many)
{
    AUTO(buf_done) struct buf json = buf_init(KIB(64));
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct policy_owed_list owed;
    struct err err = {0};

    buf_add_c(&json, "{'@type':'Set','permission':[{'action':'use'}],'obligation':[");
    for (int i = 0; i < MANY; i++)
        buf_printf(&json,
                   "%s{'action':'inform','constraint':[{'leftOperand':'odrl:dateTime','operator':'"
                   "lteq','rightOperand':'%d-12-31T00:00:00Z'}]}",
                   i > 0 ? "," : "", 2030 + i);
    buf_add_c(&json, "]}");
    buf_add_char(&json, '\0');
    ck_assert(!buf_failed(&json));
    ck_assert_int_eq(help_policy_from(json.p, &policy, &err), 0);
    owed = list(policy, arena);
    ck_assert_uint_eq(owed.n, MANY);
    for (size_t i = 1; i < owed.n; i++)
        ck_assert_mem_ne(owed.items[i].key, owed.items[i - 1].key, POLICY_HASH_LEN);
}

END_TEST

START_TEST(test_no_memory)
{
    AUTO(policy_unref) struct policy *policy = help_policy("+use !inform [compensate]");
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    const struct policy_owed_list owed = list(policy, arena);
    struct policy_owed_list none;
    struct err err = {0};

    while (arena_alloc(arena, 16) != NULL)
        continue;
    ck_assert_int_lt(policy_owed(policy, &deal, arena, &none, &err), 0);
    ck_assert_int_eq(err.code, E_NO_MEMORY);
    ck_assert_int_lt(policy_owed_after(policy, &deal, owed.items[0].key, 0, arena, &none, &err), 0);
    ck_assert_int_eq(err.code, E_NO_MEMORY);
}

END_TEST

int main(void)
{
    Suite *suite = suite_create("policy owed");
    TCase *tc = tcase_create("owed");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, test_owed, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, test_key);
    tcase_add_loop_test(tc, test_consequences, 0, (int)ARRAY_LEN(violations));
    tcase_add_test(tc, test_each_has_its_own);
    tcase_add_test(tc, test_nothing_follows);
    tcase_add_loop_test(tc, test_records, 0, (int)ARRAY_LEN(records));
    tcase_add_test(tc, test_many);
    tcase_add_test(tc, test_no_memory);
    suite_add_tcase(suite, tc);

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
