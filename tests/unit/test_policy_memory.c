/*
 * Without memory: everything that the policy engine can be asked, once for each allocation that it makes, with this allocation
 * failing. It says so, gives nothing half made, and loses nothing (AddressSanitizer counts).
 *
 * The program is linked with malloc, calloc and realloc wrapped (Makefile).
 */
#include <check.h>
#include <stdlib.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"
#include "policy/answer.h"
#include "policy/lint.h"

#include "lib/base/banned.h"

#define NOW INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */

/* -- an allocator that fails ------------------------------------------------------------------- */

static long left = -1; /* allocations until one fails; -1: none does */
static bool for_good;  /* all after it fail, too */
static bool hit;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool fails(void)
{
    if (left < 0 || left-- > 0)
        return false;
    left = for_good ? 0 : -1;
    hit = true;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

/* -- what is asked ----------------------------------------------------------------------------- */

#define GROUP                                                                                      \
    "{'@type':'PartyCollection','source':'urn:g','refinement':[{'leftOperand':'spatial','operator':'eq','rightOperand':'KR'}]}"
#define TARGET                                                                                     \
    "{'@type':'AssetCollection','source':'urn:h','refinement':[{'leftOperand':'language','operator':'eq','rightOperand':'ko'}]}"
#define PURPOSE "{'leftOperand':'purpose','operator':'eq','rightOperand':'urn:p'}"
#define DAY(n)  "{'leftOperand':'dateTime','operator':'eq','rightOperand':'2026-01-0" n "'}"
#define PLACED  "{'leftOperand':'spatial','operator':'isPartOf','rightOperand':'KR'}"
#define PAY                                                                                        \
    "{'rdf:value':'odrl:compensate','refinement':[{'leftOperand':'payAmount','operator':'eq','rightOperand':'500.5','unit':'EUR'}]}"

/* clang-format off */
/* short notation, or JSON with ' for " */
static const char *const policies[][2] = {
    {"+use", "-use +read"},
    {"@type=Agreement @target=t @assigner=p @assignee=c @conflict=prohibit @profile=urn:naru:profile:commercial:1 "
     "+use (purpose isAnyOf a b) (or (count lteq 5) (xone (spatial eq KR-11) (spatial eq EU))) [compensate (count lt 3) [inform]] "
     "-distribute (BusinessPartnerGroup isNoneOf a b c) [delete] !delete (elapsedTime lteq P30D) [inform]",
     "+use (purpose isAnyOf a) (andSequence (dateTime gteq 2026-01-01) (elapsedTime gteq P1D)) [inform] "
     "-use (UsageRestriction isAllOf cx.thirdParty.forbidden:1) !use (DataProvisioningEndDate eq 2027-01-01)"},
    {"@profile=https://w3id.org/catenax/2025/9/policy/ +use (FrameworkAgreement eq DataExchangeGovernance:1.0)"
     "(UsagePurpose isAnyOf a b c d e f g h i j k l) (Liability eq cx.grossNegligence:1)(naru:profitShare eq 12.5)",
     "+use (UsagePurpose isAllOf a b) (inForceDate lteq contractAgreement+30d) +use @@target=t -use (count gt 3) +use (naru:attribution eq true)"},
    {"{'target':" TARGET ",'assignee':" GROUP ",'assigner':'urn:a','permission':[{'target':" TARGET ",'assignee':" GROUP ",'action':{'rdf:value':'odrl:print','refinement':[" PURPOSE "]},"
     "'constraint':[{'leftOperand':'naru:daysOfWeek','operator':'isAnyOf','rightOperand':['mon/fri+09:00','sunZ','sat[Europe/Berlin]']},{'leftOperand':'naru:timeOfDay','operator':'eq','rightOperand':'09:00/18:00+09:00'},"
     "{'leftOperand':'count','operator':'lteq','rightOperand':5,'dataType':'xsd:integer'}],'duty':[{'action':" PAY "}]}]}",
     "{'target':'urn:t','assignee':" GROUP ",'obligation':[{'action':" PAY ",'consequence':[{'action':'odrl:inform'}]}],'permission':[{'action':['use','sell'],'assignee':['urn:a','urn:b']}]}"},
    /* a parent, and members of one collection selected in two ways */
    {"{'inheritFrom':'x','assignee':" GROUP ",'permission':[{'action':'use'}]}",
     "{'assignee':[" GROUP ",{'@type':'PartyCollection','source':'urn:g','refinement':" PLACED "}],'permission':[{'action':'use'}]}"},
    /* duties, and what follows from them, with conditions of their own; alternatives of windows */
    {"{'permission':[{'action':'use','constraint':[{'or':[" DAY("1") "," DAY("2") "," DAY("3") "," DAY("5") "]}],'duty':[{'action':{'rdf:value':'odrl:inform','refinement':[" PURPOSE "]},'assignee':" GROUP ",'constraint':[" PURPOSE "]}]}],'obligation':[{'action':" PAY ",'assignee':" GROUP ",'constraint':[" PURPOSE "],"
     "'consequence':[{'action':'inform','assignee':" GROUP ",'constraint':[" PURPOSE "]}]}]}",
     "+use (UsagePurpose isAnyOf a) (UsagePurpose isAnyOf b) (UsagePurpose isAnyOf c) (UsagePurpose isAnyOf d) (UsagePurpose isAnyOf e) (UsagePurpose isAnyOf f) "
     "(UsagePurpose isAnyOf g) (UsagePurpose isAnyOf h) (UsagePurpose isAnyOf i) (UsagePurpose isAnyOf j) (UsagePurpose isAnyOf k)"},
};

/* clang-format on */

struct question {
    struct jdoc *docs[2];
    struct policy *policies[2];
};

static void question_done(struct question *q)
{
    for (int i = 0; i < 2; i++) {
        policy_unref(&q->policies[i]);
        jdoc_free(&q->docs[i]);
    }
}

static struct str json_of(struct arena *arena, const char *written)
{
    struct str json = arena_str(arena, str_c(written));
    char *p = ARENA_ARRAY(arena, char, json.n + 1);

    if (written[0] != '{')
        return help_policy_json(arena, written);
    for (size_t i = 0; i < json.n; i++)
        p[i] = json.p[i] == '\'' ? '"' : json.p[i];
    return str_n(p, json.n);
}

/* Of every row the second inherits from nobody; the first may from it. */
static int find_second(void *cls, struct str id, const struct jval **ret_doc, struct err *err)
{
    const struct question *q = cls;

    (void)id;
    (void)err;
    *ret_doc = jdoc_root(q->docs[1]);
    return 0;
}

static int compile(const struct question *q, int which, struct policy **ret_policy, struct err *err)
{
    struct question copy = *q;
    const struct policy_parents parents = {.find = find_second, .cls = &copy, .self = STR("self")};

    return policy_compile_with(jdoc_root(q->docs[which]), &parents, ret_policy, err);
}

static void make_question(int row, struct question *q)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));

    *q = (struct question){0};
    for (int i = 0; i < 2; i++) {
        struct str json = json_of(arena, policies[row][i]);
        struct err err = {0};

        ck_assert(jdoc_parse(json, &jlimits_default, &q->docs[i], &err) == 0);
    }
    for (int i = 0; i < 2; i++) {
        struct err err = {0};

        ck_assert_msg(compile(q, i, &q->policies[i], &err) == 0, "%s %s", err.text, err.at);
    }
}

/* Each says whether it noticed; a whole answer is fine, too, if the allocation was not needed. */
enum outcome { DONE, REFUSED, WRONG };

/* "policy is too large" is what arenas and buffers that end in the middle amount to. */
static enum outcome of_status(int status, const struct err *err)
{
    if (status == 0)
        return DONE;
    return err->code == E_NO_MEMORY || err->code == E_LIMIT ? REFUSED : WRONG;
}

static enum outcome ask_compile(const struct question *q)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    struct err err = {0};
    enum outcome outcome = of_status(compile(q, 0, &policy, &err), &err);

    if (outcome == DONE)
        return memcmp(policy_hash(policy), policy_hash(q->policies[0]), POLICY_HASH_LEN) == 0
                   ? DONE
                   : WRONG;
    return policy == NULL ? outcome : WRONG;
}

static enum outcome ask_compare(const struct question *q)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    struct policy_comparison comparison;
    struct err err = {0};

    if (arena == NULL)
        return REFUSED;
    return of_status(policy_compare(q->policies[0], q->policies[1], NOW, arena, &comparison, &err),
                     &err);
}

static enum outcome ask_satisfiable(const struct question *q)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    const struct policy_world *world;
    enum policy_answer answer;
    struct err err = {0};

    if (arena == NULL)
        return REFUSED;
    return of_status(
        policy_satisfiable(q->policies[1], POLICY_ACT_USE, NOW, arena, &answer, &world, &err),
        &err);
}

static enum outcome ask_lint(const struct question *q)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    struct policy_findings found;
    struct err err = {0};

    if (arena == NULL)
        return REFUSED;
    return of_status(policy_lint(q->policies[1], NOW, arena, &found, &err), &err);
}

static enum outcome of_text(const struct buf *text)
{
    return buf_failed(text) ? REFUSED : str_is_utf8(buf_str(text)) ? DONE : WRONG;
}

static enum outcome ask_explain(const struct question *q)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    policy_explain(q->policies[0], POLICY_KO, &text);
    policy_explain_difference(q->policies[0], q->policies[1], POLICY_EN, &text);
    return of_text(&text);
}

static enum outcome ask_write(const struct question *q)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct jw w = jw_init(&text);

    policy_write(q->policies[0], POLICY_FORM_EXPANDED, &w);
    return of_text(&text);
}

/* Deciding and the peer's opinion need no memory at all; their words do. */
static enum outcome ask_decide(const struct question *q)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct policy_question asked = {.now_us = NOW, .agreement_us = POLICY_NO_TIME};
    struct policy_facts facts = {0};
    struct policy_peer_opinion opinion;
    struct policy_decision decision;
    long before = left;

    policy_decide(q->policies[1], &asked, &facts, &decision);
    policy_peer_decide(q->policies[1], POLICY_PEER_EDC, &asked, &facts, &opinion);
    if (left != before)
        return WRONG;
    policy_explain_decision(q->policies[1], &decision, POLICY_EN, &text);
    policy_reason(&decision, POLICY_KO, &text);
    policy_explain_peer(&opinion, POLICY_EN, &text);
    return of_text(&text);
}

static enum outcome ask_trace(const struct question *q)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct policy_question asked = {.now_us = NOW, .agreement_us = POLICY_NO_TIME};
    struct policy_facts facts = {0};
    const struct policy_trace *trace;
    struct policy_decision decision;
    struct jw w = jw_init(&text);
    struct err err = {0};

    if (arena == NULL)
        return REFUSED;
    policy_decide(q->policies[0], &asked, &facts, &decision);
    if (policy_trace(q->policies[0], &asked, &facts, &decision, arena, &trace, &err) < 0)
        return of_status(-1, &err);
    policy_trace_write(trace, &w);
    policy_trace_text(trace, POLICY_EN, POLICY_MARKS_SIGNS, &text);
    return of_text(&text);
}

static enum outcome ask_fact(const struct question *q)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    struct str values[] = {STR("KR"), STR("JP")};
    const struct str_list list = {values, 2};
    struct policy_facts facts = {0};
    struct err err = {0};

    (void)q;
    if (arena == NULL)
        return REFUSED;
    return of_status(policy_fact_read(STR("spatial"), &list, arena, &facts, &err), &err);
}

static enum outcome ask_templates(const struct question *q)
{
    AUTO(policy_templates_free) struct policy_templates *made = NULL;
    struct err err = {0};

    (void)q;
    return of_status(policy_templates_new(&made, &err), &err);
}

static struct policy_templates *templates;

static enum outcome ask_make(const struct question *q)
{
    const struct policy_clause clauses[] = {
        {STR("quality"),         NULL, 0, ""},
        {STR("ai-training"),     NULL, 0, ""},
        {STR("confidentiality"), NULL, 0, ""}
    };
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(policy_made_done) struct policy_made made = {0};
    struct err err = {0};

    (void)q;
    if (arena == NULL)
        return REFUSED;
    return of_status(policy_make(templates, clauses, ARRAY_LEN(clauses), POLICY_DIALECT__COUNT, NOW,
                                 arena, &made, &err),
                     &err);
}

/* clang-format off */
struct ask { const char *name; enum outcome (*ask)(const struct question *); };
static const struct ask asks[] = {
    {"compile", ask_compile}, {"compare", ask_compare}, {"satisfiable", ask_satisfiable}, {"lint", ask_lint},
    {"explain", ask_explain}, {"write", ask_write},     {"decide", ask_decide},           {"trace", ask_trace},
};
static const struct ask asks_of_templates[] = {{"fact", ask_fact}, {"templates", ask_templates}, {"make", ask_make}};
static const long strides[ARRAY_LEN(asks_of_templates)] = {1, 41, 1};

/* clang-format on */

/* -- tests ------------------------------------------------------------------------------------- */

/* Each allocation of the first `each`, then one of so many: a long question repeats itself. */
static void check_all(const struct question *q, const struct ask *ask, bool rest, long each,
                      long stride)
{
    bool refused = false;
    long n = 0;

    for (;; n += n < each ? 1 : stride) {
        enum outcome outcome;

        for_good = rest;
        hit = false;
        left = n;
        outcome = ask->ask(q);
        left = -1;
        ck_assert_msg(outcome != WRONG, "%s: wrong without allocation %ld", ask->name, n);
        ck_assert_msg(outcome == DONE || hit, "%s: refused without need", ask->name);
        refused = refused || outcome == REFUSED;
        if (!hit)
            break;
    }
    ck_assert_msg(n > 0 && refused, "%s: %ld allocations, and none was missed", ask->name, n);
}

START_TEST(test_memory)
{
    AUTO(question_done) struct question q;

    make_question(_i, &q);
    for (size_t a = 0; a < ARRAY_LEN(asks); a++) {
        check_all(&q, &asks[a], /* rest= */ false, 0, 1);
        check_all(&q, &asks[a], /* rest= */ true, 0, 1);
    }
}

END_TEST

START_TEST(test_templates)
{
    struct err err = {0};

    ck_assert_int_eq(policy_templates_new(&templates, &err), 0);
    for (size_t a = 0; a < ARRAY_LEN(asks_of_templates); a++) {
        check_all(NULL, &asks_of_templates[a], /* rest= */ false, 150, strides[a]);
        check_all(NULL, &asks_of_templates[a], /* rest= */ true, 150, strides[a]);
    }
    policy_templates_free(&templates);
}

END_TEST

int main(void)
{
    Suite *s = suite_create("policy_memory");
    TCase *tc = tcase_create("memory"), *templates_case = tcase_create("templates");
    SRunner *sr;
    int bad;

    tcase_set_timeout(tc, 120);
    tcase_set_timeout(templates_case, 120);
    tcase_add_loop_test(tc, test_memory, 0, (int)ARRAY_LEN(policies));
    tcase_add_test(templates_case, test_templates);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, templates_case);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
