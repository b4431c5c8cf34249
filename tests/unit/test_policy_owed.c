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
    {"+use [inform][compensate]", "consumer compensate -..-, consumer inform -..-"},
    /* what certainly does not arise */
    {"+use !inform (or (dateTime lteq 2026-05-01)(dateTime lteq 2026-04-01))", ""},
    {"+use !inform @@assignee=did:web:user", "consumer inform -..-"},
    {"+use !inform !use (DataProvisioningEndDurationDays eq 10)", "consumer inform -..-, provider use -..2026-06-11T00:00:00Z provide"},
    /* which of several permissions is used nobody knows: what all of them demand */
    {"+use (odrl:count lteq 5)[inform] +use (odrl:count lteq 9)[inform][compensate]", "consumer inform -..-"},
    {"+use (odrl:count lteq 5) +use (odrl:count lteq 9)[compensate]", ""},
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

static size_t list(const struct policy *policy, struct policy_owed *items)
{
    const struct policy_deal deal = {STR("data-1"), STR("did:web:maker"), STR("did:web:user"),
                                     help_time(AGREED)};
    bool more = true;
    const size_t n = policy_owed(policy, &deal, items, &more);

    ck_assert(!more);
    return n;
}

START_TEST(test_owed)
{
    AUTO(policy_unref) struct policy *policy = help_policy(cases[_i].policy);
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    struct policy_owed items[POLICY_OWED_MAX];
    const size_t n = list(policy, items);

    for (size_t i = 0; i < n; i++) {
        buf_add_c(&text, i > 0 ? ", " : "");
        write_owed(&text, &items[i]);
        ck_assert(items[i].at.n > 0);
    }
    buf_add_char(&text, '\0');
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
    struct policy_owed items[2][POLICY_OWED_MAX];
    struct err err = {0};

    for (int i = 0; i < 2; i++) {
        AUTO(policy_unref) struct policy *policy = NULL;

        ck_assert_msg(help_policy_from(shapes[i], &policy, &err) == 0, "%s %s", err.at, err.text);
        ck_assert_uint_eq(list(policy, items[i]), 2);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_mem_eq(items[0][i].key, items[1][i].key, POLICY_HASH_LEN);
        ck_assert_int_eq(items[0][i].due_us, items[1][i].due_us);
    }
    ck_assert_mem_ne(items[0][0].key, items[0][1].key, POLICY_HASH_LEN);
}

END_TEST

START_TEST(test_bound)
{
    AUTO(buf_done) struct buf json = buf_init(KIB(64));
    AUTO(policy_unref) struct policy *policy = NULL;
    struct policy_owed items[POLICY_OWED_MAX];
    const struct policy_deal deal = {STR("data-1"), STR("did:web:maker"), STR("did:web:user"),
                                     help_time(AGREED)};
    struct err err = {0};
    bool more = false;

    buf_add_c(&json, "{'@type':'Set','permission':[{'action':'use'}],'obligation':[");
    for (int i = 0; i <= POLICY_OWED_MAX; i++)
        buf_printf(&json,
                   "%s{'action':'inform','constraint':[{'leftOperand':'odrl:dateTime','operator':'"
                   "lteq','rightOperand':'20%02d-12-31T00:00:00Z'}]}",
                   i > 0 ? "," : "", 30 + i);
    buf_add_c(&json, "]}");
    buf_add_char(&json, '\0');
    ck_assert(!buf_failed(&json));
    ck_assert_int_eq(help_policy_from(json.p, &policy, &err), 0);
    ck_assert_uint_eq(policy_owed(policy, &deal, items, &more), POLICY_OWED_MAX);
    ck_assert(more);
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
    tcase_add_test(tc, test_bound);
    suite_add_tcase(suite, tc);

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
