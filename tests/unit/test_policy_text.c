/*
 * Policies and decisions in words: every operand and operator has both texts, and some texts letter by letter.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

static const struct {
    const char *policy, *ko, *en;
} texts[] = {
    {"",                                                                                    "정책\n규칙이 없습니다.\n",                                "Policy\nIt has no rules.\n"},
    {"@type=Offer @target=urn:t +use",                                                      "제안; 데이터: urn:t\n허가 1: 이용을 허용합니다.\n",
     "Offer; data set: urn:t\nPermission 1: use is permitted.\n"                                                                                                                            },
    {"@type=Agreement @target=t @assigner=p @assignee=c @timestamp=2026-01-01T00:00:00Z +read "
     "(purpose isAnyOf b a)",                                                          "계약; 데이터: t; 제공자: p; 이용자: c; 체결 시각: 2026-01-01T00:00:00Z\n"
     "허가 1: 다음 조건을 모두 만족하면 읽기를 허용합니다.\n"
     "  - 이용 목적이 다음 중 하나일 것: a, b\n",                                                                 "Agreement; data set: t; provider: p; recipient: c; concluded: 2026-01-01T00:00:00Z\n"
     "Permission 1: reading is permitted if all of the following hold:\n"
     "  - the purpose of use is one of: a, b\n"                                              },
    {"+use (and (elapsedTime lteq P60M) (inForceDate lteq contractAgreement+90m) (dateTime lt "
     "2026-12-31) (count lteq 5))",                                                    "정책\n허가 1: 다음 조건을 모두 만족하면 이용을 허용합니다.\n"
     "  - 이용 횟수가 5 이하일 것\n"
     "  - 2026-12-31 (UTC) 전일 것\n"
     "  - 계약 체결 후 지난 시간이 60개월 이하일 것\n"
     "  - 계약 체결 후 1시간 30분까지일 것\n",                                                              "Policy\nPermission 1: use is permitted if all of the following hold:\n"
     "  - the number of uses is at most 5\n"
     "  - the time is before 2026-12-31 (UTC)\n"
     "  - the time since the agreement is at most 60 months\n"
     "  - the time is not later than 1 hour 30 minutes after the agreement\n"             },
    {"+use (or (spatial eq KR) (xone (count lt 1) (count gt 5))) [compensate (dateTime lteq "
     "2026-01-01T00:00:00Z) [inform]]",                                                "정책\n허가 1: 다음 조건을 모두 만족하면 이용을 허용합니다.\n"
     "  - 다음 중 하나 이상을 만족할 것:\n"
     "    - 이용 지역이 다음과 같을 것: KR\n"
     "    - 다음 중 정확히 하나만 만족할 것:\n"
     "      - 이용 횟수가 5 초과일 것\n"
     "      - 이용 횟수가 1 미만일 것\n"
     "  - 먼저 이행할 의무: 대금 지급\n"
     "    - 2026-01-01T00:00:00Z까지일 것\n"
     "    - 불이행 시 의무: 통지\n",                                                                        "Policy\nPermission 1: use is permitted if all of the following hold:\n"
     "  - at least one of the following holds:\n"
     "    - the place of use is KR\n"
     "    - exactly one of the following holds:\n"
     "      - the number of uses is more than 5\n"
     "      - the number of uses is less than 1\n"
     "  - duty to be fulfilled before: payment\n"
     "    - the time is not later than 2026-01-01T00:00:00Z\n"
     "    - duty if it is not fulfilled: notification\n"                                            },
    {"+use (DataUsageEndDurationDays eq 30) (Liability eq cx.grossNegligence:1) -use "
     "(UsageRestriction isAllOf cx.thirdParty.forbidden:1) !use (DataProvisioningEndDate eq "
     "2027-01-01) !delete",                                                            "정책\n허가 1: 다음 조건을 모두 만족하면 이용을 허용합니다.\n"
     "  - 계약 체결 후 30일까지만 이용할 것\n"
     "  - 계약 조항 – 책임 범위: 고의와 중과실에 한정\n"
     "금지 2: 이용할 때 다음을 지켜야 합니다.\n"
     "  - 제3자에게 제공하지 말 것\n"
     "의무 3: 삭제 의무가 있습니다.\n"
     "의무 4: 제공자는 다음 의무를 집니다.\n"
     "  - 제공자가 2027-01-01 (UTC)까지 데이터를 제공할 것\n"
     "허가와 금지가 충돌하면 정책 전체가 무효입니다.\n",                                                    "Policy\nPermission 1: use is permitted if all of the following hold:\n"
     "  - the data is used only for 30 days after the agreement\n"
     "  - term of the contract – liability: limited to intent and gross negligence\n"
     "Prohibition 2: whoever uses the data must observe the following:\n"
     "  - the data must not be passed on to third parties\n"
     "Obligation 3: deletion is a duty.\n"
     "Obligation 4: the provider has the following duty:\n"
     "  - the provider provides the data until 2027-01-01 (UTC)\n"
     "If a permission and a prohibition conflict, the policy is void.\n"        },
    {"@conflict=prohibit +use @@target=x -sell (BusinessPartnerGroup isNoneOf a) [inform]",
     "정책\n허가 1: 이용을 허용합니다.\n  - 대상 데이터: x\n"
     "금지 2: 다음 조건을 모두 만족하면 판매를 금지합니다.\n"
     "  - 거래처 그룹이 다음 중 어느 것도 아닐 것: a\n"
     "  - 위반 시 의무: 통지\n"
     "허가와 금지가 충돌하면 금지가 우선합니다.\n",                                                                                           "Policy\nPermission 1: use is permitted.\n  - data set: x\n"
     "Prohibition 2: sale is prohibited if all of the following hold:\n"
     "  - the business partner group is none of: a\n"
     "  - duty after a violation: notification\n"
     "If a permission and a prohibition conflict, the prohibition prevails.\n"                                         },
};

static void check_text(const char *policy_text, enum policy_lang lang, const char *want)
{
    AUTO(policy_unref) struct policy *policy = help_policy(policy_text);
    AUTO(buf_done) struct buf out = buf_init(KIB(64));

    policy_explain(policy, lang, &out);
    buf_add_char(&out, '\0');
    ck_assert_str_eq(out.p, want);
}

START_TEST(test_explain)
{
    check_text(texts[_i].policy, POLICY_KO, texts[_i].ko);
    check_text(texts[_i].policy, POLICY_EN, texts[_i].en);
}

END_TEST

/* A value of the operand's form; the first of its list if it has one. */
static const char *sample(enum policy_operand operand)
{
    static const char *const values[POLICY_VALUE_TYPE__COUNT] = {
        [POLICY_V_STRING] = "value",
        [POLICY_V_IRI] = "urn:value",
        [POLICY_V_PLACE] = "KR",
        [POLICY_V_DECIMAL] = "12.5",
        [POLICY_V_INTEGER] = "7",
        [POLICY_V_BOOLEAN] = "true",
        [POLICY_V_TIME] = "2026-01-02",
        [POLICY_V_DURATION] = "P3D",
        [POLICY_V_WEEKDAYS] = "mon/fri+09:00",
        [POLICY_V_HOURS] = "09:00/18:00[Asia/Seoul]",
    };

    static const struct {
        enum policy_operand operand;
        const char *value;
    } codes[] = {

#define CODE(operand_, value_, ko_, en_) {POLICY_OP_##operand_, value_},
#include "policy/codes.def"
#undef CODE
    };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i].operand == operand)
            return codes[i].value;
    }
    return values[policy_operand_type(operand)];
}

static bool has_hangul(struct str text)
{
    for (size_t i = 0; i + 2 < text.n; i++) {
        if ((unsigned char)text.p[i] >= 0xEA && (unsigned char)text.p[i] <= 0xED)
            return true;
    }
    return false;
}

/* The conditions of a policy with this operand and operator; false if it is refused. */
static bool explain_pair(int operand, int op, char mark, enum policy_lang lang, struct buf *out)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    char json[512];
    struct err err = {0};
    const char *list = mark == '+' ? "permission" : mark == '-' ? "prohibition" : "obligation";

    if (operand == POLICY_OP_UNIT_OF_COUNT) /* it has no words of its own: the count has them */
        operand = POLICY_OP_COUNT;
    /* amounts have a meaning for the action of a duty only */
    (void)snprintf(json, sizeof(json),
                   operand == POLICY_OP_PAY_AMOUNT
                       ? "{'%s':[{'action':{'rdf:value':'compensate','refinement':[{'leftOperand':'"
                         "%s','operator':'%s','rightOperand':['%s'],'unit':'KRW'}]}}]}"
                       : "{'%s':[{'action':'use','constraint':[{'leftOperand':'%s','operator':'%s',"
                         "'rightOperand':['%s']}]}]}",
                   list, policy_operand_iri((enum policy_operand)operand),
                   policy_operator_name((enum policy_operator)op),
                   sample((enum policy_operand)operand));
    if (help_policy_from(json, &policy, &err) < 0)
        return false;
    policy_explain(policy, lang, out);
    return true;
}

START_TEST(test_every_pair)
{
    unsigned understood = 0;

    for (int op = 0; op < POLICY_OPERATOR__COUNT; op++) {
        for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
            AUTO(buf_done) struct buf out = buf_init(KIB(64));
            struct str line;

            if (!explain_pair(_i, op, '+', (enum policy_lang)lang, &out) &&
                !explain_pair(_i, op, '-', (enum policy_lang)lang, &out) &&
                !explain_pair(_i, op, '!', (enum policy_lang)lang, &out))
                continue;
            understood++;
            line = buf_str(&out);
            (void)str_cut(&line, '\n');
            (void)str_cut(&line, '\n');
            ck_assert_msg(str_starts(line, STR("  - ")) && line.n > 8, "%.*s", (int)out.n, out.p);
            ck_assert_msg(memchr(line.p, '%', line.n) == NULL, "%.*s", (int)out.n, out.p);
            ck_assert_msg(has_hangul(line) == (lang == POLICY_KO), "%.*s", (int)out.n, out.p);
            ck_assert(str_is_utf8(line));
        }
    }
    ck_assert_msg(understood > 0, "%s has no operator",
                  policy_operand_iri((enum policy_operand)_i));
}

END_TEST

START_TEST(test_every_name)
{
    static const struct {
        const char *ko, *en;
    } codes[] = {

#define CODE(operand_, value_, ko_, en_) {ko_, en_},
#include "policy/codes.def"
#undef CODE
    };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        ck_assert(has_hangul(str_c(codes[i].ko)) && !has_hangul(str_c(codes[i].en)));
    for (int i = 0; i < POLICY_OP__COUNT; i++) {
        ck_assert(has_hangul(str_c(policy_operand_text((enum policy_operand)i, POLICY_KO))));
        ck_assert(!has_hangul(str_c(policy_operand_text((enum policy_operand)i, POLICY_EN))));
    }
    for (int i = 0; i < POLICY_ACT__COUNT; i++) {
        ck_assert(has_hangul(str_c(policy_action_text((enum policy_action)i, POLICY_KO))));
        ck_assert(!has_hangul(str_c(policy_action_text((enum policy_action)i, POLICY_EN))));
    }
    for (int i = 0; i < POLICY_WHY__COUNT; i++)
        ck_assert_ptr_nonnull(policy_why_slug((enum policy_why)i));
}

END_TEST

static const struct {
    const char *policy, *world, *ko, *en, *reason_ko, *reason_en;
} decisions[] = {
    {"+use (dateTime lt 2026-06-02)",                             "",
     "허용됩니다. 이 판단은 2026-06-02T00:00:00Z 전까지 유효합니다.\n",                                   "Permitted. This holds until 2026-06-02T00:00:00Z.\n", NULL,                                                                      NULL                               },
    {"+use !delete (elapsedTime lteq P30D)",                      "",
     "허용됩니다.\n  - 이용자의 의무: 삭제 (이행 전), 기한 2026-07-01T00:00:00Z\n",
     "Permitted.\n  - duty of the recipient: deletion (outstanding), due 2026-07-01T00:00:00Z\n",                                                                                 NULL,                                                                      NULL                               },
    {"+use (purpose eq a) (Membership eq active) (count lteq 5)",
     "purpose=?b Membership=?active count=1~90",                               "거부됩니다. 다음이 모두 바뀌어야 허용됩니다.\n"
     "  - 허가 1: 이용 횟수가 5 이하일 것 – 근거가 너무 오래됨 (실제 값: 1; 출처: 서명된 주문)\n"
     "  - 허가 1: 이용 목적이 다음과 같을 것: a – 조건을 만족하지 않음 (실제 값: b; 출처: 서명된 주문)\n"
     "  - 허가 1: 회원 자격이 다음과 같을 것: active – 상대방의 주장만 있음 (실제 값: active; 출처: "
     "서명된 주문)\n",                                                "Denied. To be permitted, all of the following would have to change.\n"
     "  - Permission 1: the number of uses is at most 5 – the evidence is too old (actual: 1; from: "
     "signed order)\n"
     "  - Permission 1: the purpose of use is a – this does not hold (actual: b; from: signed order)\n"
     "  - Permission 1: the membership is active – there is only the other party's claim (actual: "
     "active; from: signed order)\n",                                                                  "정책에 따라 거부됨: 이용 횟수, 이용 목적, 회원 자격",
     "refused by policy: number of uses, purpose of use, membership"                                                                                                                                                                                                                            },
    {"+use -use (purpose eq a)",                                  "purpose=a",
     "거부됩니다. 다음이 모두 바뀌어야 허용됩니다.\n"
     "  - 금지 2: 허가와 금지의 충돌 – 이용 목적이 다음과 같을 것: a – 정책이 무효임 (실제 값: a; "
     "출처: 서명된 주문)\n",                                                                                        "Denied. To be permitted, all of the following would have to change.\n"
     "  - Prohibition 2: permission and prohibition conflict – the purpose of use is a – the policy "
     "is void (actual: a; from: signed order)\n",                                                                                              "정책에 따라 거부됨: 이용 목적",                               "refused by policy: purpose of use"},
    {"+sell",                                                     "",
     "거부됩니다. 다음이 모두 바뀌어야 허용됩니다.\n  - 이 행위를 허용하는 규칙이 없음\n",
     "Denied. To be permitted, all of the following would have to change.\n"
     "  - no rule permits this action\n",                                                                                                                                         "정책에 따라 거부됨: 이 행위를 허용하는 규칙이 없음",
     "refused by policy: no rule permits this action"                                                                                                                                                                                                                                           },
};

static void check_decision(int i, enum policy_lang lang, const char *want, const char *reason)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(policy_unref) struct policy *policy = help_policy(decisions[i].policy);
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct policy_question q = {.now_us = help_time("2026-06-01T00:00:00Z"),
                                .agreement_us = POLICY_NO_TIME};
    struct policy_decision decision;
    struct world world;

    help_world(arena, decisions[i].world, &world);
    policy_decide(policy, &q, &world.facts, &decision);
    policy_explain_decision(policy, &decision, lang, &out);
    buf_add_char(&out, '\0');
    ck_assert_str_eq(out.p, want);
    if (reason == NULL)
        return;
    buf_reset(&out);
    policy_reason(&decision, lang, &out);
    buf_add_char(&out, '\0');
    ck_assert_str_eq(out.p, reason);
}

START_TEST(test_decision)
{
    check_decision(_i, POLICY_KO, decisions[_i].ko, decisions[_i].reason_ko);
    check_decision(_i, POLICY_EN, decisions[_i].en, decisions[_i].reason_en);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_text");
    TCase *tc = tcase_create("text");

    tcase_add_loop_test(tc, test_explain, 0, (int)ARRAY_LEN(texts));
    tcase_add_loop_test(tc, test_every_pair, 0, POLICY_OP__COUNT);
    tcase_add_test(tc, test_every_name);
    tcase_add_loop_test(tc, test_decision, 0, (int)ARRAY_LEN(decisions));
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
