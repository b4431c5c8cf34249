/*
 * Duties as rows: what an agreement makes, what its end brings forward, and what they are as facts.
 */
#include <check.h>
#include <stdlib.h>

#include "connector/duty/duty.h"
#include "connector/facts/facts.h"
#include "connector/store/policies.h"
#include "lib/base/limits.h"
#include "lib/db/migrate.h"
#include "lib/jdoc/jdoc.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define AGREED INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */
#define DAY    (24 * 3600 * INT64_C(1000000))
#define HOUR   (3600 * INT64_C(1000000))

static struct db *db;
static struct arena *arena;
static struct settings settings = {.duty_time_us = 3 * DAY};
static struct app app;

static void open_all(void)
{
    const struct db_cfg cfg = {.kind = DB_SQLITE, .target = ":memory:"};
    struct err err = {0};

    app.settings = &settings;
    ck_assert_int_eq(policies_open(&app.policies, &err), 0);
    arena = arena_new(MIB(4));
    ck_assert_ptr_nonnull(arena);
    ck_assert_msg(db_open(&cfg, &db, &err) == 0 &&
                      db_migrate(db, sql_connector_migrations, sql_connector_n_migrations,
                                 &env_system, NULL, &err) == 0,
                  "%s", err.text);
}

static void close_all(void)
{
    policies_close(&app.policies);
    db_close(&db);
    arena_free(&arena);
}

/* An agreement as `role`; the rules are members in which ' stands for ". */
static struct agreement agree(const char *role, const char *rules)
{
    struct agreement a = {
        .agreement_id = STR("agreement-1"),
        .role = str_c(role),
        .provider_id = STR("did:web:maker"),
        .consumer_id = STR("did:web:user"),
        .asset_id = STR("data-1"),
        .agreed_us = AGREED,
    };
    char *text;
    struct err err = {0};

    a.policy = arena_printf(arena,
                            "{'@type':'Agreement','target':'data-1','assigner':'did:web:maker',"
                            "'assignee':'did:web:user',%s}",
                            rules);
    text = (char *)(uintptr_t)a.policy.p;
    for (size_t i = 0; i < a.policy.n; i++)
        text[i] = text[i] == '\'' ? '"' : text[i];
    ck_assert_msg(
        db_exec(db, &q_dsp_policy_text_insert, DB_ARGS(DB_TEXT(STR("hash")), DB_TEXT(a.policy)),
                NULL, &err) == 0 &&
            db_exec(db, &q_dsp_negotiation_insert,
                    DB_ARGS(DB_TEXT(STR("negotiation-1")), DB_TEXT(a.role), DB_TEXT(STR("pid")),
                            DB_TEXT(STR("did:web:other")), DB_TEXT(STR("https://o/dsp/2025-1")),
                            DB_TEXT(STR("p")), DB_I64(1200), DB_I64(AGREED), DB_TEXT(a.asset_id),
                            DB_TEXT(STR("offer")), DB_TEXT(STR("hash")), DB_TEXT(STR_NONE),
                            DB_TEXT(a.agreement_id), DB_TEXT(STR_NONE)),
                    NULL, &err) == 0 &&
            db_exec(db, &q_dsp_agreement_insert,
                    DB_ARGS(DB_TEXT(a.agreement_id), DB_TEXT(STR("negotiation-1")), DB_TEXT(a.role),
                            DB_TEXT(a.provider_id), DB_TEXT(a.consumer_id), DB_TEXT(a.asset_id),
                            DB_TEXT(STR("hash")), DB_I64(AGREED), DB_NULL(DBT_I64),
                            DB_TEXT(STR_NONE)),
                    NULL, &err) == 0,
        "%s", err.text);
    return a;
}

struct row {
    struct str duty_id, action, debtor, state;
    int64_t due_us, act_us;
};
/* clang-format off */
static const struct field row_fields[] = {
    FIELD(struct row, duty_id, "duty_id", F_REQUIRED),
    FIELD(struct row, action,  "action",  F_REQUIRED),
    FIELD(struct row, debtor,  "debtor",  F_REQUIRED),
    FIELD(struct row, state,   "state",   F_REQUIRED),
    FIELD(struct row, due_us,  "due_us",  0),
    FIELD(struct row, act_us,  "act_us",  0),
};
struct next {
    int64_t next_us;
};
static const struct field next_fields[] = {FIELD(struct next, next_us, "next_us", F_REQUIRED)};
/* clang-format on */
static OBJECT(row_object, struct row, row_fields, OPEN);
static OBJECT(next_object, struct next, next_fields, OPEN);

static struct list rows(void)
{
    struct list list = {0};
    struct err err = {0};

    ck_assert_msg(db_list(db, &q_duty_list,
                          DB_ARGS(DB_TEXT(STR_NONE), DB_TEXT(STR_NONE), DB_I64(0), DB_TEXT(STR("")),
                                  DB_I64(100)),
                          &row_object, arena, 100, &list, &err) == 0,
                  "%s", err.text);
    return list;
}

static struct row only(void)
{
    const struct list list = rows();

    ck_assert_uint_eq(list.n, 1);
    return LIST_ITEMS(struct row, list)[0];
}

static int64_t next(void)
{
    struct next row = {0};
    struct err err = {0};

    ck_assert_msg(db_one(db, &q_duty_next, DB_NO_ARGS, &next_object, arena, &row, &err) == DB_ROW,
                  "%s", err.text);
    return row.next_us;
}

static bool make(void)
{
    struct err err = {0};
    bool wake = false;

    ck_assert_msg(duty_agreed(&app, db, STR("negotiation-1"), AGREED, &wake, &err) == 0, "%s",
                  err.text);
    return wake;
}

#define USE    "'permission':[{'action':'use'}]"
#define JUNE30 "2026-06-30T00:00:00Z"

/* clang-format off */
static const struct {
    const char *role, *rules;
    int64_t due_us, act_us, next_us; /* 0: none */
} cases[] = {
    /* at the end of use; nobody knows when that is */
    {"consumer", USE ",'obligation':[{'action':'odrl:delete'}]", 0, 0, 0},
    /* a date: the connector deletes a minute before; the provider waits for the date */
    {"consumer", USE ",'obligation':[{'action':'odrl:delete','constraint':[{'leftOperand':'odrl:dateTime','operator':'lteq','rightOperand':'" JUNE30 "'}]}]",
     AGREED + 29 * DAY, AGREED + 29 * DAY - 60 * INT64_C(1000000), AGREED + 29 * DAY - 60 * INT64_C(1000000)},
    {"provider", USE ",'obligation':[{'action':'odrl:delete','constraint':[{'leftOperand':'odrl:dateTime','operator':'lteq','rightOperand':'" JUNE30 "'}]}]",
     AGREED + 29 * DAY, AGREED + 29 * DAY - 60 * INT64_C(1000000), AGREED + 29 * DAY + 1},
    /* Catena-X: use ends; then duty.time to confirm */
    {"consumer", "'profile':['https://w3id.org/catenax/2025/9/policy/'],'permission':[{'action':'use','constraint':[{'leftOperand':'DataUsageEndDurationDays',"
     "'operator':'eq','rightOperand':'10'}]}]", AGREED + 10 * DAY + 3 * DAY, AGREED + 10 * DAY, AGREED + 10 * DAY},
    /* informing is done at once, or when it may be */
    {"consumer", USE ",'obligation':[{'action':'odrl:inform'}]", 0, AGREED, AGREED},
    {"provider", USE ",'obligation':[{'action':'odrl:inform'}]", 0, AGREED, 0},
    /* what the connector cannot do: the date is all there is */
    {"consumer", USE ",'obligation':[{'action':'odrl:anonymize','constraint':[{'leftOperand':'odrl:dateTime','operator':'lteq','rightOperand':'" JUNE30 "'}]}]",
     AGREED + 29 * DAY, AGREED + 29 * DAY - 60 * INT64_C(1000000), AGREED + 29 * DAY + 1},
};

/* clang-format on */

/* Instants to the second: policies count to the last microsecond. */
static void near(int64_t got, int64_t want, const char *what, int i)
{
    ck_assert_msg(got == want || (want > 0 && llabs(got - want) <= 1),
                  "%d: %s: got %lld, want %lld", i, what, (long long)got, (long long)want);
}

START_TEST(test_made)
{
    struct row row;

    agree(cases[_i].role, cases[_i].rules);
    ck_assert(make());
    row = only();
    near(row.due_us, cases[_i].due_us, "due", _i);
    near(row.act_us, cases[_i].act_us, "act", _i);
    near(next(), cases[_i].next_us, "next", _i);
    ck_assert(str_eq(row.state, STR("open")));
    make();
    ck_assert(str_eq(only().duty_id, row.duty_id)); /* told twice that it is final: once */
}

END_TEST

START_TEST(test_nothing_owed)
{
    agree("consumer", USE);
    ck_assert(!make());
    ck_assert_uint_eq(rows().n, 0);
}

END_TEST

START_TEST(test_void)
{
    struct err err = {0};

    agree("provider", USE ",'obligation':[{'action':'odrl:inform'}]");
    ck_assert(make());
    ck_assert_int_eq(duty_voided(db, STR("negotiation-1"), &err), 0);
    ck_assert_uint_eq(rows().n, 0);
}

END_TEST

static bool end(int64_t at_us)
{
    struct err err = {0};
    bool wake = false;

    ck_assert_msg(duty_agreement_ended(&app, db, STR("agreement-1"), at_us, &wake, &err) == 0, "%s",
                  err.text);
    return wake;
}

/* clang-format off */
static const struct {
    const char *rules;
    int64_t due_us, act_us;
} ends[] = { /* an hour after the agreement */
    {USE ",'obligation':[{'action':'odrl:delete'}]", AGREED + HOUR + 3 * DAY, AGREED + HOUR},
    {"'profile':['https://w3id.org/catenax/2025/9/policy/'],'permission':[{'action':'use','constraint':[{'leftOperand':'DataUsageEndDurationDays',"
     "'operator':'eq','rightOperand':'10'}]}]", AGREED + HOUR + 3 * DAY, AGREED + HOUR},
    /* a date of its own stays, the connector deletes now */
    {USE ",'obligation':[{'action':'odrl:delete','constraint':[{'leftOperand':'odrl:dateTime','operator':'lteq','rightOperand':'" JUNE30 "'}]}]",
     AGREED + 29 * DAY, AGREED + HOUR},
};

/* clang-format on */

START_TEST(test_ended)
{
    agree("consumer", ends[_i].rules);
    make();
    ck_assert(end(AGREED + HOUR));
    near(only().due_us, ends[_i].due_us, "due", _i);
    near(only().act_us, ends[_i].act_us, "act", _i);
    near(next(), AGREED + HOUR, "next", _i);
    /* who hears of the end later than of the end of use does not get more time */
    if (ends[_i].due_us < AGREED + 20 * DAY) {
        ck_assert(end(AGREED + 20 * DAY));
        near(only().due_us, ends[_i].due_us, "due again", _i);
    }
}

END_TEST

/* -- facts ------------------------------------------------------------------------------------- */

static void settle(struct str id, const char *state, int64_t at_us)
{
    struct err err = {0};

    ck_assert_msg(
        db_exec(db, &q_duty_settle,
                DB_ARGS(DB_TEXT(id), DB_TEXT(str_c(state)), DB_I64(at_us), DB_TEXT(STR("operator")),
                        DB_TEXT(STR_NONE), DB_TEXT(STR_NONE), DB_TEXT(STR_NONE), DB_TEXT(STR_NONE)),
                NULL, &err) == 0,
        "%s", err.text);
}

static enum policy_verdict decide(const struct agreement *a, int64_t now_us)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    const struct peer peer = {.id = a->consumer_id};
    const struct facts_about about = {.peer = &peer, .asset_id = a->asset_id, .agreement = a};
    const struct policy_question question = {
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_TRANSFER,
        .now_us = now_us,
        .agreement_us = AGREED,
        .target = a->asset_id,
        .assignee = a->consumer_id,
        .flags = POLICY_DUTY_EVENTUAL,
    };
    struct policy_decision decision;
    struct policy_facts facts;
    struct err err = {0};

    ck_assert_msg(jdoc_parse(a->policy, NULL, &doc, &err) == 0 &&
                      policy_compile(jdoc_root(doc), &policy, &err) == 0 &&
                      facts_gather(db, policy, &about, now_us, arena, &facts, &err) == 0,
                  "%s", err.text);
    ck_assert(facts.performed_known);
    policy_decide(policy, &question, &facts, &decision);
    return decision.verdict;
}

/* clang-format off */
static const struct {
    const char *state;
    int64_t at_us, now_us;
    enum policy_verdict verdict;
} worlds[] = { /* inform by 30 June, a duty of the permission */
    {"open",    AGREED,            AGREED + DAY,      POLICY_PERMIT}, /* it may still be done */
    {"open",    AGREED,            AGREED + 40 * DAY, POLICY_DENY},
    {"done",    AGREED + HOUR,     AGREED + DAY,      POLICY_PERMIT},
    {"done",    AGREED + HOUR,     AGREED + 40 * DAY, POLICY_PERMIT},
    {"late",    AGREED + 35 * DAY, AGREED + 40 * DAY, POLICY_DENY},
    {"overdue", AGREED + HOUR,     AGREED + DAY,      POLICY_DENY},   /* found not done */
    {"waived",  AGREED + HOUR,     AGREED + 40 * DAY, POLICY_PERMIT}, /* to whom it is owed does without */
};

/* clang-format on */

START_TEST(test_facts)
{
    const struct agreement a =
        agree("provider",
              "'permission':[{'action':'use','duty':[{'action':'odrl:inform','constraint':["
              "{'leftOperand':'odrl:dateTime','operator':'lteq','rightOperand':'" JUNE30 "'}]}]}]");

    make();
    settle(only().duty_id, worlds[_i].state, worlds[_i].at_us);
    ck_assert_int_eq(decide(&a, worlds[_i].now_us), worlds[_i].verdict);
}

END_TEST

int main(void)
{
    Suite *suite = suite_create("duty");
    TCase *tc = tcase_create("duty");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_loop_test(tc, test_made, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, test_nothing_owed);
    tcase_add_test(tc, test_void);
    tcase_add_loop_test(tc, test_ended, 0, (int)ARRAY_LEN(ends));
    tcase_add_loop_test(tc, test_facts, 0, (int)ARRAY_LEN(worlds));
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
