/*
 * Facts for policies: who, orders and purposes, counters; what is not known stays unknown.
 */
#include <check.h>
#include <stdlib.h>

#include "connector/facts/facts.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/db/migrate.h"
#include "lib/jdoc/jdoc.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define NOW    INT64_C(1767225600000000)
#define PLAN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PLAN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PEER   "did:web:them"

static struct db *db;
static struct arena *arena;

static void open_all(void)
{
    const struct db_cfg cfg = {.kind = DB_SQLITE, .target = ":memory:"};
    struct err err = {0};

    arena = arena_new(MIB(4));
    ck_assert_ptr_nonnull(arena);
    ck_assert_msg(db_open(&cfg, &db, &err) == 0 &&
                      db_migrate(db, sql_connector_migrations, sql_connector_n_migrations,
                                 &env_system, NULL, &err) == 0,
                  "%s", err.text);
}

static void close_all(void)
{
    db_close(&db);
    arena_free(&arena);
}

static void add_order(const char *id, const char *plan, const char *purpose, const char *state,
                      const char *agreement, int64_t valid_until_us)
{
    struct err err = {0};

    ck_assert_msg(
        db_exec(db, &q_purchase_put,
                DB_ARGS(DB_TEXT(str_c(id)), DB_TEXT(STR("provider")), DB_TEXT(STR(PEER)),
                        DB_TEXT(STR("asset-1")), DB_TEXT(str_c(plan)), DB_TEXT(str_c(purpose)),
                        DB_TEXT(str_c(state)), DB_I64(1), DB_TEXT(STR("{}")), DB_TEXT(STR("x")),
                        DB_TEXT(str_c(agreement)), DB_I64(valid_until_us), DB_I64(NOW)),
                NULL, &err) == 0,
        "%s", err.text);
}

static struct policy *compile(const char *constraint)
{
    struct str text = arena_printf(
        arena, "{\"@type\":\"Set\",\"permission\":[{\"action\":\"use\",\"constraint\":[%s]}]}",
        constraint);
    struct policy *policy = NULL;
    struct jdoc *doc = NULL;
    struct err err = {0};

    ck_assert_msg(jdoc_parse(text, NULL, &doc, &err) == 0 &&
                      policy_compile(jdoc_root(doc), &policy, &err) == 0,
                  "%s: %s", constraint, err.text);
    jdoc_free(&doc);
    return policy;
}

static struct policy_facts *gather(const struct policy *policy, const struct facts_about *about)
{
    struct policy_facts *facts = ARENA_NEW(arena, struct policy_facts);
    struct err err = {0};

    ck_assert_msg(facts_gather(db, policy, about, NOW, arena, facts, &err) == 0, "%s", err.text);
    return facts;
}

/* The verdict at an access of `about`. */
static bool permits(const char *constraint, const struct facts_about *about)
{
    struct policy *policy = compile(constraint);
    struct policy_decision decision;
    const struct policy_question question = {
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_ACCESS,
        .now_us = NOW,
        .agreement_us = NOW - US_PER_H,
        .target = about->asset_id,
        .assignee = about->peer->id,
    };

    policy_decide(policy, &question, gather(policy, about), &decision);
    policy_unref(&policy);
    return decision.verdict == POLICY_PERMIT;
}

#define ORDER(plan)                                                                                \
    "{\"leftOperand\":\"urn:naru:policy:order\",\"operator\":\"isAnyOf\",\"rightOperand\":"        \
    "[\"urn:naru:plan:" plan "\"]}"
#define PURPOSE(value)                                                                             \
    "{\"leftOperand\":\"http://www.w3.org/ns/odrl/2/purpose\",\"operator\":\"eq\","                \
    "\"rightOperand\":\"" value "\"}"
#define MEMBER                                                                                     \
    "{\"leftOperand\":\"https://w3id.org/catenax/2025/9/policy/Membership\",\"operator\":\"eq\","  \
    "\"rightOperand\":\"active\"}"
#define PLACE(value)                                                                               \
    "{\"leftOperand\":\"http://www.w3.org/ns/odrl/2/spatial\",\"operator\":\"eq\","                \
    "\"rightOperand\":\"" value "\"}"
#define PARTICIPANT(value)                                                                           \
    "{\"leftOperand\":\"urn:naru:policy:participant\",\"operator\":\"eq\",\"rightOperand\":\"" value \
    "\"}"
#define BPN                                                                                        \
    "{\"leftOperand\":\"https://w3id.org/catenax/2025/9/policy/BusinessPartnerNumber\","           \
    "\"operator\":\"neq\",\"rightOperand\":\"BPNL000000000001\"}"

#define GROUP(op, value)                                                                           \
    "{\"leftOperand\":\"https://w3id.org/catenax/2025/9/policy/BusinessPartnerGroup\","            \
    "\"operator\":\"" op "\",\"rightOperand\":[\"" value "\"]}"

/* clang-format off */
static const struct {
    const char *name;
    const char *state, *agreement; /* of the order, with plan A and purpose urn:x; state NULL: no order */
    int64_t valid_until_us;
    const char *constraint;
    bool permits;
} orders[] = {
    {"an open order",            "open",       NULL,    NOW + 1, ORDER(PLAN_A),    true},
    {"a contracted one",         "contracted", "ag-1",  NOW + 1, ORDER(PLAN_A),    true},
    {"an active one",            "active",     "ag-1",  NOW + 1, ORDER(PLAN_A),    true},
    {"another plan",             "open",       NULL,    NOW + 1, ORDER(PLAN_B),    false},
    {"no order",                 NULL,         NULL,    0,       ORDER(PLAN_A),    false},
    {"one that has ended",       "ended",      "ag-1",  NOW + 1, ORDER(PLAN_A),    false},
    {"one that was cancelled",   "cancelled",  NULL,    NOW + 1, ORDER(PLAN_A),    false},
    {"one in dispute",           "disputed",   "ag-1",  NOW + 1, ORDER(PLAN_A),    false},
    {"one that has expired",     "open",       NULL,    NOW,     ORDER(PLAN_A),    false},
    {"of another agreement",     "active",     "ag-2",  NOW + 1, ORDER(PLAN_A),    false},
    {"its purpose",              "open",       NULL,    NOW + 1, PURPOSE("urn:x"), true},
    {"another purpose",          "open",       NULL,    NOW + 1, PURPOSE("urn:y"), false},
    {"a purpose without order",  NULL,         NULL,    0,       PURPOSE("urn:x"), false},
};
static const struct { const char *name; struct peer peer; const char *constraint; bool permits; } peers[] = {
    {"a member",                 {.id = STR_INIT(PEER), .member = true, .verified_us = NOW}, MEMBER, true},
    {"no member",                {.id = STR_INIT(PEER), .verified_us = NOW}, MEMBER, false},
    {"a member two days ago",    {.id = STR_INIT(PEER), .member = true, .verified_us = NOW - 2 * US_PER_DAY}, MEMBER, false},
    {"its country",              {.id = STR_INIT(PEER), .member = true, .country = STR_INIT("KR"), .verified_us = NOW}, PLACE("KR"), true},
    {"another country",          {.id = STR_INIT(PEER), .member = true, .country = STR_INIT("KR"), .verified_us = NOW}, PLACE("JP"), false},
    {"no country",               {.id = STR_INIT(PEER), .member = true, .verified_us = NOW}, PLACE("KR"), false},
    {"the participant",          {.id = STR_INIT(PEER)}, PARTICIPANT(PEER), true},
    {"another participant",      {.id = STR_INIT("did:web:other")}, PARTICIPANT(PEER), false},
    {"nobody told its number",   {.id = STR_INIT(PEER), .member = true, .verified_us = NOW}, BPN, false},
};

/* clang-format on */

START_TEST(test_orders)
{
    const struct peer peer = {.id = STR(PEER)};
    const struct agreement agreement = {.agreement_id = STR("ag-1"), .agreed_us = NOW - US_PER_H};
    const struct facts_about about = {
        .peer = &peer, .asset_id = STR("asset-1"), .agreement = &agreement};
    const struct facts_about elsewhere = {
        .peer = &peer, .asset_id = STR("asset-2"), .agreement = &agreement};

    if (orders[_i].state != NULL)
        add_order("o-1", PLAN_A, "urn:x", orders[_i].state, orders[_i].agreement,
                  orders[_i].valid_until_us);
    ck_assert_msg(permits(orders[_i].constraint, &about) == orders[_i].permits, "%s",
                  orders[_i].name);
    ck_assert_msg(!permits(orders[_i].constraint, &elsewhere), "%s, for another asset",
                  orders[_i].name);
}

END_TEST

/* The order of this agreement decides, not one that is still free. */
START_TEST(test_bound_order)
{
    const struct peer peer = {.id = STR(PEER)};
    const struct agreement agreement = {.agreement_id = STR("ag-1"), .order_id = STR("o-2")};
    const struct facts_about about = {
        .peer = &peer, .asset_id = STR("asset-1"), .agreement = &agreement};
    const struct facts_about before = {.peer = &peer, .asset_id = STR("asset-1")};

    add_order("o-1", PLAN_A, "urn:x", "open", NULL, NOW + 1);
    ck_assert(permits(ORDER(PLAN_A), &about));
    add_order("o-2", PLAN_B, "urn:y", "active", NULL, NOW + 1); /* bound by the agreement's side */
    ck_assert(!permits(ORDER(PLAN_A), &about) && permits(ORDER(PLAN_B), &about));
    ck_assert(!permits(PURPOSE("urn:x"), &about) && permits(PURPOSE("urn:y"), &about));
    ck_assert(permits(ORDER(PLAN_A), &before) && permits(ORDER(PLAN_B), &before));
    add_order("o-3", PLAN_A, "urn:z", "active", "ag-3", NOW + 1);
    ck_assert(!permits(PURPOSE("urn:z"), &before));
}

END_TEST

START_TEST(test_peers)
{
    const struct facts_about about = {.peer = &peers[_i].peer, .asset_id = STR("asset-1")};

    ck_assert_msg(permits(peers[_i].constraint, &about) == peers[_i].permits, "%s", peers[_i].name);
}

END_TEST

/* -- credentials ------------------------------------------------------------------------------- */

#define BROKER "did:web:bank"

/* A member whose credential `cred-1` says these things. */
static void put_member(int64_t issued_us, int64_t expires_us, const char *attestations)
{
    struct err err = {0};

    ck_assert_int_eq(db_exec(db, &q_peer_put,
                             DB_ARGS(DB_TEXT(STR(PEER)), DB_TEXT(STR("강철")), DB_TEXT(STR("KR")),
                                     DB_TEXT(STR("p-1")), DB_I64(NOW), DB_TEXT(STR("cred-1")),
                                     DB_TEXT(STR(BROKER)), DB_I64(issued_us), DB_I64(expires_us),
                                     DB_TEXT(str_c(attestations))),
                             NULL, &err),
                     0);
}

static void put_feed(int64_t checked_us, int64_t max_age_us)
{
    struct err err = {0};

    ck_assert_int_eq(db_exec(db, &q_credential_feed_limit,
                             DB_ARGS(DB_TEXT(STR(BROKER)), DB_I64(max_age_us)), NULL, &err),
                     0);
    ck_assert_int_eq(db_exec(db, &q_credential_feed_move,
                             DB_ARGS(DB_TEXT(STR(BROKER)), DB_I64(1), DB_I64(checked_us)), NULL,
                             &err),
                     0);
}

static void put_revocation(const char *issuer, const char *credential)
{
    struct err err = {0};

    ck_assert_int_eq(db_exec(db, &q_credential_revoke,
                             DB_ARGS(DB_TEXT(str_c(issuer)), DB_TEXT(str_c(credential)),
                                     DB_TEXT(STR(PEER)), DB_TEXT(STR("suspended")),
                                     DB_I64(NOW - US_PER_S), DB_I64(NOW + US_PER_DAY)),
                             NULL, &err),
                     0);
}

static void put_record(const char *type, const char *value, int64_t expires_us)
{
    struct err err = {0};

    ck_assert_int_eq(db_exec(db, &q_partner_credential_put,
                             DB_ARGS(DB_TEXT(STR(PEER)), DB_TEXT(str_c(type)),
                                     DB_TEXT(str_c(value)), DB_TEXT(STR("extract of 2025")),
                                     DB_I64(NOW - US_PER_DAY), DB_I64(expires_us)),
                             NULL, &err),
                     0);
}

/* What has been said of the partner. */
enum said {
    NOTHING,
    SHOWN,
    SHOWN_OLD_CONFIRMED, /* issued long ago, and the data bank was asked just now */
    SHOWN_UNCONFIRMED,   /* issued long ago, and the data bank has been away since */
    SHOWN_EXPIRED,
    SHOWN_REVOKED,
    SHOWN_OTHER_REVOKED, /* another credential, and the same id of another issuer */
    SHOWN_BARE,          /* nothing was checked about it */
    SHOWN_ENDED,         /* what was checked had an end, which is over */
    RECORDED,
    RECORDED_EXPIRED,
    RECORDED_REVOKED, /* the data bank revoked what it said, our operator's record stands */
    RECORDED_OTHER,   /* both, and they differ */
    SAID__COUNT
};

#define ALL_ATTESTED                                                                               \
    "[{\"kind\":\"business_partner_number\",\"value\":\"BPNL000000000001\"},"                      \
    "{\"kind\":\"framework_agreement\",\"value\":\"DataExchangeGovernance:1.0\"}]"
#define ALL_ENDED                                                                                  \
    "[{\"kind\":\"business_partner_number\",\"value\":\"BPNL000000000001\","                       \
    "\"valid_until\":\"2025-12-31T00:00:00Z\"},"                                                   \
    "{\"kind\":\"framework_agreement\",\"value\":\"DataExchangeGovernance:1.0\","                  \
    "\"valid_until\":\"2025-12-31T00:00:00Z\"}]"

static void record_all(int64_t expires_us, const char *number, const char *region)
{
    put_record("membership", "active", expires_us);
    put_record("framework-agreement", "DataExchangeGovernance:1.0", expires_us);
    put_record("business-partner-number", number, expires_us);
    put_record("region", region, expires_us);
}

static void say(enum said said)
{
    const int64_t hour_ago = NOW - US_PER_H, two_days_ago = NOW - 2 * US_PER_DAY;
    const int64_t tomorrow = NOW + US_PER_DAY;

    switch (said) {
    case SHOWN: put_member(hour_ago, tomorrow, ALL_ATTESTED); break;
    case SHOWN_OLD_CONFIRMED:
        put_member(two_days_ago, tomorrow, ALL_ATTESTED);
        put_feed(hour_ago, US_PER_DAY);
        break;
    case SHOWN_UNCONFIRMED:
        put_member(two_days_ago, tomorrow, ALL_ATTESTED);
        put_feed(two_days_ago + US_PER_H, US_PER_DAY);
        break;
    case SHOWN_EXPIRED: put_member(hour_ago, NOW, ALL_ATTESTED); break;
    case SHOWN_REVOKED:
    case RECORDED_REVOKED:
        put_member(hour_ago, tomorrow, ALL_ATTESTED);
        put_revocation(BROKER, "cred-1");
        break;
    case SHOWN_OTHER_REVOKED:
        put_member(hour_ago, tomorrow, ALL_ATTESTED);
        put_revocation(BROKER, "cred-2");
        put_revocation("did:web:other", "cred-1");
        break;
    case SHOWN_BARE: put_member(hour_ago, tomorrow, "[]"); break;
    case SHOWN_ENDED: put_member(hour_ago, tomorrow, ALL_ENDED); break;
    case RECORDED_OTHER: put_member(hour_ago, tomorrow, ALL_ATTESTED); break;
    default: break;
    }
    if (said == RECORDED || said == RECORDED_REVOKED)
        record_all(tomorrow, "BPNL000000000001", "KR");
    else if (said == RECORDED_EXPIRED)
        record_all(NOW, "BPNL000000000001", "KR");
    else if (said == RECORDED_OTHER)
        record_all(tomorrow, "BPNL000000000002", "JP");
}

#define FRAMEWORK                                                                                  \
    "{\"leftOperand\":\"https://w3id.org/catenax/2025/9/policy/FrameworkAgreement\","              \
    "\"operator\":\"eq\",\"rightOperand\":\"DataExchangeGovernance:1.0\"}"
#define NUMBER_IS                                                                                  \
    "{\"leftOperand\":\"https://w3id.org/catenax/2025/9/policy/BusinessPartnerNumber\","           \
    "\"operator\":\"isAnyOf\",\"rightOperand\":[\"BPNL000000000001\"]}"

/* clang-format off */
static const struct {
    const char *name;
    const char *constraint;
    enum policy_operand operand;
} said_operands[] = {
    {"membership",              MEMBER,      POLICY_OP_MEMBERSHIP},
    {"framework agreement",     FRAMEWORK,   POLICY_OP_FRAMEWORK_AGREEMENT},
    {"business partner number", NUMBER_IS,   POLICY_OP_BUSINESS_PARTNER_NUMBER},
    {"region",                  PLACE("KR"), POLICY_OP_SPATIAL},
};

#define K POLICY_KNOWN
#define U POLICY_UNKNOWN
#define A POLICY_ABSENT

/* by enum said: knowledge by operand (as above), whether it permits, and what the source says */
static const struct {
    const char *name;
    enum policy_knowledge knowledge[4];
    bool permits[4];
    const char *source, *source_ko;
    int64_t age_us;
} said_cases[SAID__COUNT] = {
    [NOTHING]             = {"nothing",             {U, U, U, U}, {false, false, false, false}, "no membership credential was shown", "제시된 회원 자격 증명이 없음", 0},
    [SHOWN]               = {"shown",               {K, K, K, K}, {true, true, true, true},     "membership credential of " BROKER, BROKER " 발급 회원 자격 증명", US_PER_H},
    [SHOWN_OLD_CONFIRMED] = {"old, confirmed",      {K, K, K, K}, {true, true, true, true},     "membership credential of " BROKER, BROKER " 발급 회원 자격 증명", US_PER_H},
    [SHOWN_UNCONFIRMED]   = {"old, not confirmed",  {U, U, U, U}, {false, false, false, false}, "not confirmed since", "이후 확인되지 않음", 0},
    [SHOWN_EXPIRED]       = {"expired",             {U, U, U, U}, {false, false, false, false}, "expired 2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z 만료됨", 0},
    [SHOWN_REVOKED]       = {"revoked",             {A, U, U, U}, {false, false, false, false}, "revoked 2025-12-31T23:59:59Z: suspended", "2025-12-31T23:59:59Z 취소됨: suspended", 0},
    [SHOWN_OTHER_REVOKED] = {"another is revoked",  {K, K, K, K}, {true, true, true, true},     "membership credential of " BROKER, BROKER " 발급 회원 자격 증명", US_PER_H},
    [SHOWN_BARE]          = {"nothing was checked", {K, U, U, K}, {true, false, false, true},   "membership credential of " BROKER, BROKER " 발급 회원 자격 증명", US_PER_H},
    [SHOWN_ENDED]         = {"its end is over",     {K, U, U, K}, {true, false, false, true},   "membership credential of " BROKER, BROKER " 발급 회원 자격 증명", US_PER_H},
    [RECORDED]            = {"recorded",            {K, K, K, K}, {true, true, true, true},     "our operator's record of 2025-12-31T00:00:00Z (extract of 2025)", "우리 운영자의 2025-12-31T00:00:00Z 기록 (extract of 2025)", 0},
    [RECORDED_EXPIRED]    = {"record expired",      {U, U, U, U}, {false, false, false, false}, "no membership credential was shown", "제시된 회원 자격 증명이 없음", 0},
    [RECORDED_REVOKED]    = {"recorded, revoked",   {K, K, K, K}, {true, true, true, true},     "our operator's record", "우리 운영자의", 0},
    [RECORDED_OTHER]      = {"they differ",         {K, K, K, K}, {true, true, false, false},   "; our operator's record", "; 우리 운영자의", US_PER_H},
};

/* clang-format on */

static void source_says(const struct policy_fact *fact, enum policy_lang lang, const char *what,
                        const char *name)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(4));

    policy_source_text(fact->source, lang, &text);
    buf_add_char(&text, '\0');
    ck_assert_msg(strstr(text.p, what) != NULL, "%s: '%s'", name, text.p);
}

START_TEST(test_said)
{
    const int said = _i / 4, which = _i % 4;
    const char *name = said_cases[said].name, *operand = said_operands[which].name;
    struct facts_about about = {.asset_id = STR("asset-1")};
    const struct policy_fact *fact;
    struct policy *policy;
    struct err err = {0};
    struct peer peer;

    say((enum said)said);
    ck_assert_int_eq(facts_peer(db, STR(PEER), arena, &peer, &err), 0);
    about.peer = &peer;
    policy = compile(said_operands[which].constraint);
    fact = &gather(policy, &about)->of[said_operands[which].operand];
    ck_assert_msg(fact->knowledge == said_cases[said].knowledge[which], "%s: %s is %d", name,
                  operand, fact->knowledge);
    ck_assert_msg(!fact->claimed, "%s: %s is a claim", name, operand);
    source_says(fact, POLICY_EN, said_cases[said].source, name);
    source_says(fact, POLICY_KO, said_cases[said].source_ko, name);
    if (fact->knowledge == POLICY_KNOWN)
        ck_assert_msg(fact->age_us == said_cases[said].age_us, "%s: %s is %lld µs old", name,
                      operand, (long long)fact->age_us);
    policy_unref(&policy);
    ck_assert_msg(permits(said_operands[which].constraint, &about) ==
                      said_cases[said].permits[which],
                  "%s: %s", name, operand);
}

END_TEST

/* A prohibition of a number that nobody has told applies: what is not known never helps. */
START_TEST(test_unknown_number_is_no_excuse)
{
    static const char policy_text[] =
        "{\"@type\":\"Set\",\"conflict\":\"prohibit\",\"permission\":[{\"action\":\"use\"}],"
        "\"prohibition\":[{\"action\":\"use\",\"constraint\":[" NUMBER_IS "]}]}";
    struct facts_about about = {.asset_id = STR("asset-1")};
    struct policy_decision decision;
    struct policy_question question = {
        .action = POLICY_ACT_USE, .scope = POLICY_AT_ACCESS, .now_us = NOW, .agreement_us = NOW};
    struct policy *policy = NULL;
    struct jdoc *doc = NULL;
    struct err err = {0};
    struct peer peer;

    ck_assert_int_eq(jdoc_parse(str_c(policy_text), NULL, &doc, &err), 0);
    ck_assert_msg(policy_compile(jdoc_root(doc), &policy, &err) == 0, "%s", err.text);
    jdoc_free(&doc);
    put_member(NOW - US_PER_H, NOW + US_PER_DAY, "[]");
    ck_assert_int_eq(facts_peer(db, STR(PEER), arena, &peer, &err), 0);
    about.peer = &peer;
    policy_decide(policy, &question, gather(policy, &about), &decision);
    ck_assert_int_eq(decision.verdict, POLICY_DENY);
    put_record("business-partner-number", "BPNL000000000002", NOW + 1);
    policy_decide(policy, &question, gather(policy, &about), &decision);
    ck_assert_int_eq(decision.verdict, POLICY_PERMIT);
    policy_unref(&policy);
}

END_TEST

/* clang-format off */
static const struct { enum said said; int64_t until_us; } untils[] = {
    {NOTHING,             POLICY_FOREVER},
    {SHOWN,               NOW + US_PER_DAY},
    {SHOWN_OLD_CONFIRMED, NOW + US_PER_DAY - US_PER_H}, /* the next question to the data bank moves it */
    {SHOWN_UNCONFIRMED,   POLICY_FOREVER},
    {SHOWN_REVOKED,       POLICY_FOREVER},
    {RECORDED,            NOW + US_PER_DAY},
    {RECORDED_EXPIRED,    POLICY_FOREVER},
};

/* clang-format on */

START_TEST(test_until)
{
    struct err err = {0};
    int64_t until_us = 0;

    say(untils[_i].said);
    ck_assert_int_eq(facts_until(db, STR(PEER), NOW, arena, &until_us, &err), 0);
    ck_assert_msg(until_us == untils[_i].until_us, "%s: %lld", said_cases[untils[_i].said].name,
                  (long long)until_us);
}

END_TEST

START_TEST(test_known_peer)
{
    struct peer peer;
    struct err err = {0};

    ck_assert_int_eq(facts_peer(db, STR(PEER), arena, &peer, &err), 0);
    ck_assert(!peer.member && str_eq_c(peer.id, PEER));
    put_member(NOW - 1, NOW + 1, "[]");
    ck_assert_int_eq(facts_peer(db, STR(PEER), arena, &peer, &err), 0);
    ck_assert(str_eq_c(peer.credential_id, "cred-1") && str_eq_c(peer.issuer, BROKER) &&
              peer.issued_us == NOW - 1 && peer.expires_us == NOW + 1);
    ck_assert(peer.member && str_eq_c(peer.country, "KR") && peer.verified_us == NOW);
    ck_assert_int_eq(
        db_exec(db, &q_peer_no_member, DB_ARGS(DB_TEXT(STR(PEER)), DB_I64(NOW + 1)), NULL, &err),
        0);
    ck_assert_int_eq(facts_peer(db, STR(PEER), arena, &peer, &err), 0);
    ck_assert(!peer.member && peer.verified_us == NOW + 1);
}

END_TEST

/* The use that is asked about counts. */
START_TEST(test_counters)
{
    static const char constraints[] =
        "{\"leftOperand\":\"http://www.w3.org/ns/odrl/2/count\",\"operator\":\"lteq\","
        "\"rightOperand\":\"5\"},{\"leftOperand\":\"urn:naru:policy:calls\",\"operator\":\"lteq\","
        "\"rightOperand\":\"5\"},{\"leftOperand\":\"urn:naru:policy:volumeBytes\","
        "\"operator\":\"lteq\",\"rightOperand\":\"100\"}";
    const struct peer peer = {.id = STR(PEER)};
    const struct agreement agreement = {.agreement_id = STR("ag-1")};
    struct facts_about about = {.peer = &peer, .asset_id = STR("asset-1")};
    struct policy *policy = compile(constraints);
    const struct policy_facts *facts = gather(policy, &about);

    for (int i = 0; i < 3; i++) {
        static const enum policy_operand operands[] = {POLICY_OP_COUNT, POLICY_OP_CALLS,
                                                       POLICY_OP_VOLUME_BYTES};

        ck_assert_int_eq(facts->of[operands[i]].knowledge, POLICY_KNOWN);
        ck_assert_int_eq(facts->of[operands[i]].values[0].number,
                         0); /* before there is an agreement */
    }
    about.agreement = &agreement;
    about.bytes = 30;
    facts = gather(policy, &about);
    ck_assert_int_eq(facts->of[POLICY_OP_COUNT].values[0].number, 1);
    ck_assert_int_eq(facts->of[POLICY_OP_VOLUME_BYTES].values[0].number, 30);
    ck_assert(facts->of[POLICY_OP_PURPOSE].knowledge == POLICY_UNKNOWN); /* not asked for */
    about.bytes = INT64_MAX;
    ck_assert(!permits(constraints, &about));
    policy_unref(&policy);
}

END_TEST

/* Use belongs to an agreement, which belongs to a negotiation: neither is looked at here. */
static const struct query q_alone = {
    .name = "alone",
    .text = {[DB_SQLITE] = "PRAGMA foreign_keys = OFF"},
};

/* Rows so far and those of this use; days with this one, which may be among them already. */
START_TEST(test_rows_and_days)
{
    static const char constraints[] =
        "{\"leftOperand\":\"urn:naru:policy:rows\",\"operator\":\"lteq\",\"rightOperand\":\"5\"},"
        "{\"leftOperand\":\"urn:naru:policy:days\",\"operator\":\"lteq\",\"rightOperand\":\"2\"}";
    const struct peer peer = {.id = STR(PEER)};
    const struct agreement agreement = {.agreement_id = STR("ag-1")};
    struct facts_about about = {
        .peer = &peer, .asset_id = STR("asset-1"), .agreement = &agreement, .rows = 3};
    static const int64_t today = NOW / US_PER_DAY, days[] = {today, today - 1, today - 9};
    struct policy *policy = compile(constraints);
    struct err err = {0};

    ck_assert_int_eq(db_exec(db, &q_alone, DB_NO_ARGS, NULL, &err), 0);
    for (int64_t i = 0; i < 3; i++) {
        const struct policy_facts *facts = gather(policy, &about);

        ck_assert_int_eq(facts->of[POLICY_OP_ROWS].values[0].number, 3 + i);
        ck_assert_int_eq(facts->of[POLICY_OP_DAYS].values[0].number, i < 2 ? 1 : 2);
        ck_assert(permits(constraints, &about));
        ck_assert_int_eq(db_exec(db, &q_use_add,
                                 DB_ARGS(DB_TEXT(STR("ag-1")), DB_I64(1), DB_I64(0), DB_I64(1)),
                                 NULL, &err),
                         0);
        for (int twice = 0; twice < 2; twice++)
            ck_assert_int_eq(
                db_exec(db, &q_use_day, DB_ARGS(DB_TEXT(STR("ag-1")), DB_I64(days[i])), NULL, &err),
                0);
    }
    ck_assert(!permits(constraints, &about)); /* six rows, three days */
    about.rows = INT64_MAX;
    ck_assert_int_eq(gather(policy, &about)->of[POLICY_OP_ROWS].values[0].number, INT64_MAX);
    policy_unref(&policy);
}

END_TEST

#define LANGUAGE(op, value)                                                                        \
    "{\"leftOperand\":\"http://www.w3.org/ns/odrl/2/language\",\"operator\":\"" op                 \
    "\",\"rightOperand\":[\"" value "\"]}"

/* clang-format off */
static const struct {
    const char *name, *property, *value; /* of the asset; NULL: none */
    const char *constraint;
    bool permits;
} properties[] = {
    {"EDC's name",            "https://w3id.org/edc/v0.0.1/ns/language", "ko", LANGUAGE("isAnyOf", "ko"),  true},
    {"ODRL's name",           "http://www.w3.org/ns/odrl/2/language",    "ko", LANGUAGE("isAnyOf", "ko"),  true},
    {"Dublin Core's name",    "http://purl.org/dc/terms/language",       "ko", LANGUAGE("isAnyOf", "ko"),  true},
    {"another language",      "http://purl.org/dc/terms/language",       "en", LANGUAGE("isAnyOf", "ko"),  false},
    {"not the excluded one",  "http://purl.org/dc/terms/language",       "en", LANGUAGE("isNoneOf", "ko"), true},
    {"it does not say",       NULL,                                      NULL, LANGUAGE("isNoneOf", "ko"), false},
    {"another property",      "urn:x:language",                          "ko", LANGUAGE("isAnyOf", "ko"),  false},
};

/* clang-format on */

START_TEST(test_properties)
{
    const struct peer peer = {.id = STR(PEER)};
    const struct facts_about about = {.peer = &peer, .asset_id = STR("asset-1")};
    const struct facts_about elsewhere = {.peer = &peer, .asset_id = STR("asset-2")};
    struct err err = {0};

    ck_assert_int_eq(db_exec(db, &q_publish_asset,
                             DB_ARGS(DB_TEXT(STR("asset-1")), DB_TEXT(STR("{}")),
                                     DB_TEXT(STR("{}")), DB_I64(NOW)),
                             NULL, &err),
                     0);
    if (properties[_i].property != NULL)
        ck_assert_int_eq(
            db_exec(db, &q_publish_property,
                    DB_ARGS(DB_TEXT(STR("asset-1")), DB_TEXT(str_c(properties[_i].property)),
                            DB_TEXT(str_c(properties[_i].value))),
                    NULL, &err),
            0);
    ck_assert_msg(permits(properties[_i].constraint, &about) == properties[_i].permits, "%s",
                  properties[_i].name);
    ck_assert_msg(!permits(properties[_i].constraint, &elsewhere), "%s, of another asset",
                  properties[_i].name);
}

END_TEST

/* What was gathered ends with the first of its facts. */
START_TEST(test_gathered_until)
{
    struct facts_about about = {.asset_id = STR("asset-1")};
    struct policy *policy = compile(MEMBER "," PURPOSE("urn:x"));
    struct policy_facts facts;
    struct err err = {0};
    int64_t until_us = 0;
    struct peer peer;

    put_member(NOW - US_PER_H, NOW + US_PER_DAY, "[]");
    add_order("o-1", PLAN_A, "urn:x", "open", NULL, NOW + US_PER_MIN);
    ck_assert_int_eq(facts_peer(db, STR(PEER), arena, &peer, &err), 0);
    about.peer = &peer;
    ck_assert_int_eq(facts_gather_until(db, policy, &about, NOW, arena, &facts, &until_us, &err),
                     0);
    ck_assert_int_eq(until_us, NOW + US_PER_MIN);
    put_record("region", "KR", NOW + US_PER_S);
    ck_assert_int_eq(facts_gather_until(db, policy, &about, NOW, arena, &facts, &until_us, &err),
                     0);
    ck_assert_int_eq(until_us, NOW + US_PER_S);
    policy_unref(&policy);
}

END_TEST

/* clang-format off */
static const struct {
    const char *name, *group; /* of the caller; NULL: none */
    const char *constraint;
    bool permits;
} groups[] = {
    {"in the group",      "gold", GROUP("isAnyOf", "gold"),    true},
    {"in another one",    "iron", GROUP("isAnyOf", "gold"),    false},
    {"in none",           NULL,   GROUP("isAnyOf", "gold"),    false},
    {"kept out",          "gold", GROUP("isNoneOf", "gold"),   false},
    {"not kept out",      "iron", GROUP("isNoneOf", "gold"),   true},
    {"none: not kept out", NULL,  GROUP("isNoneOf", "gold"),   true},
};

/* clang-format on */

START_TEST(test_groups)
{
    const struct peer peer = {.id = STR(PEER)};
    const struct facts_about about = {.peer = &peer, .asset_id = STR("asset-1")};
    struct err err = {0};

    if (groups[_i].group != NULL)
        ck_assert_int_eq(db_exec(db, &q_mgmt_group_insert,
                                 DB_ARGS(DB_TEXT(STR(PEER)), DB_TEXT(str_c(groups[_i].group))),
                                 NULL, &err),
                         0);
    ck_assert_msg(permits(groups[_i].constraint, &about) == groups[_i].permits, "%s",
                  groups[_i].name);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("facts");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_loop_test(tc, test_orders, 0, (int)ARRAY_LEN(orders));
    tcase_add_test(tc, test_bound_order);
    tcase_add_loop_test(tc, test_peers, 0, (int)ARRAY_LEN(peers));
    tcase_add_loop_test(tc, test_said, 0, 4 * SAID__COUNT);
    tcase_add_test(tc, test_unknown_number_is_no_excuse);
    tcase_add_loop_test(tc, test_until, 0, (int)ARRAY_LEN(untils));
    tcase_add_test(tc, test_known_peer);
    tcase_add_test(tc, test_counters);
    tcase_add_test(tc, test_rows_and_days);
    tcase_add_loop_test(tc, test_properties, 0, (int)ARRAY_LEN(properties));
    tcase_add_test(tc, test_gathered_until);
    tcase_add_loop_test(tc, test_groups, 0, (int)ARRAY_LEN(groups));
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
