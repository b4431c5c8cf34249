/*
 * Micro benchmark: what the policy engine takes, on one core. Prints a figure a case; goals of time are for a quiet machine.
 */
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"
#include "policy/compare.h"
#include "policy/lint.h"
#include "policy/policy.h"
#include "tests/bench/timing.h"
#include "tests/unit/help_policy_force.h"

#include "lib/base/banned.h"

#define NOW INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */
#define CX  "https://w3id.org/catenax/2025/9/policy/"

static const char catena[] =
    "{\"@type\":\"Offer\",\"profile\":[\"" CX "\"],\"permission\":[{\"action\":\"use\","
    "\"constraint\":[{\"and\":["
    "{\"leftOperand\":\"" CX "FrameworkAgreement\",\"operator\":\"eq\",\"rightOperand\":"
    "\"DataExchangeGovernance:1.0\"},"
    "{\"leftOperand\":\"" CX "UsagePurpose\",\"operator\":\"isAnyOf\",\"rightOperand\":"
    "[\"cx.core.digitalTwinRegistry:1\",\"cx.pcf.base:1\",\"cx.quality.base:1\"]},"
    "{\"leftOperand\":\"" CX "Membership\",\"operator\":\"eq\",\"rightOperand\":\"active\"},"
    "{\"leftOperand\":\"" CX "BusinessPartnerNumber\",\"operator\":\"isAnyOf\",\"rightOperand\":"
    "[\"BPNL012345678910\",\"BPNL123456789112\"]},"
    "{\"leftOperand\":\"" CX
    "DataUsageEndDurationDays\",\"operator\":\"eq\",\"rightOperand\":\"365\"},"
    "{\"leftOperand\":\"" CX
    "Liability\",\"operator\":\"eq\",\"rightOperand\":\"cx.grossNegligence:1\"}]}]}],"
    "\"prohibition\":[{\"action\":\"use\",\"constraint\":[{\"leftOperand\":\"" CX
    "UsageRestriction\","
    "\"operator\":\"isAllOf\",\"rightOperand\":[\"cx.thirdParty.forbidden:1\","
    "\"cx.manipulation.forbidden:1\"]}]}],"
    "\"obligation\":[{\"action\":\"use\",\"constraint\":[{\"leftOperand\":\"" CX
    "DataProvisioningEndDate\",\"operator\":\"eq\",\"rightOperand\":\"2027-12-31T23:59:59Z\"}]}]}";

static const char paid[] =
    "{\"@type\":\"Offer\",\"permission\":[{\"action\":\"use\",\"constraint\":["
    "{\"leftOperand\":\"urn:naru:policy:order\",\"operator\":\"isAnyOf\",\"rightOperand\":[\"plan-1\"]},"
    "{\"leftOperand\":\"odrl:purpose\",\"operator\":\"isAnyOf\",\"rightOperand\":[\"research\"]},"
    "{\"leftOperand\":\"odrl:dateTime\",\"operator\":\"lteq\",\"rightOperand\":\"2027-01-01\"}]}]}";

struct bench {
    struct jdoc *doc;
    struct policy *policy, *other;
    struct policy_facts facts;
    struct policy_question question;
    struct policy_decision decision;
    enum policy_verdict expected;
    bool compile;
};

static void call(void *cls)
{
    struct bench *b = cls;
    struct policy *policy = NULL;
    struct err err = {0};

    if (b->compile) {
        CHECK(policy_compile(jdoc_root(b->doc), &policy, &err) == 0);
        policy_unref(&policy);
        return;
    }
    policy_decide(b->policy, &b->question, &b->facts, &b->decision);
    CHECK(b->decision.verdict == b->expected);
}

/* -- questions besides the decision ------------------------------------------------------------ */

static void call_explain(void *cls)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    const struct bench *b = cls;

    policy_explain(b->policy, POLICY_KO, &text);
    CHECK(!buf_failed(&text));
}

static void call_why(void *cls)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    const struct bench *b = cls;

    policy_explain_decision(b->policy, &b->decision, POLICY_KO, &text);
    CHECK(!buf_failed(&text));
}

static void call_compare(void *cls)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    const struct bench *b = cls;
    struct policy_comparison comparison;
    struct err err = {0};

    CHECK(policy_compare(b->policy, b->other != NULL ? b->other : b->policy, NOW, arena,
                         &comparison, &err) == 0);
    CHECK(comparison.relation == (b->other != NULL ? POLICY_WIDER : POLICY_SAME));
}

static void call_lint(void *cls)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    const struct bench *b = cls;
    struct policy_findings found;
    struct err err = {0};

    CHECK(policy_lint(b->policy, NOW, arena, &found, &err) == 0);
}

/* How many calls one core makes in a second. */
static void measure_rate(const char *name, void (*each)(void *cls), void *cls, int calls,
                         double goal)
{
    double best = 0;

    for (int r = 0; r < ROUNDS; r++) {
        const int64_t begin = now_ns();
        double rate;

        for (int i = 0; i < calls; i++)
            each(cls);
        rate = calls * 1e9 / (double)(now_ns() - begin);
        best = rate > best ? rate : best;
    }
    printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"/s\",\"spread\":null,\"anchor\":null,"
           "\"ratio\":null,\"goal\":\"\\u2265 %g\",\"met\":%s}\n",
           name, best, goal, best >= goal ? "true" : "false");
}

/* The slowest of a hundred: the clock itself takes about as long, so a sample is a few calls. */
static void measure_tail(const char *name, void (*each)(void *cls), void *cls, double goal_ns)
{
    enum { SAMPLES = 20000, CALLS = 8 };

    static double samples[SAMPLES];
    double p99;

    for (int s = 0; s < SAMPLES; s++) {
        const int64_t begin = now_ns();

        for (int i = 0; i < CALLS; i++)
            each(cls);
        samples[s] = (double)(now_ns() - begin) / CALLS;
    }
    qsort(samples, SAMPLES, sizeof(samples[0]), by_value);
    p99 = samples[SAMPLES / 100 * 99];
    printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"ns\",\"spread\":[%.1f,%.1f],\"anchor\":null,"
           "\"ratio\":null,\"goal\":\"\\u2264 %g\",\"met\":%s}\n",
           name, p99, samples[0], samples[SAMPLES - 1], goal_ns, p99 <= goal_ns ? "true" : "false");
}

static struct policy *compile(struct str json)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct policy *policy = NULL;
    struct err err = {0};

    CHECK(jdoc_parse(json, &jlimits_default, &doc, &err) == 0);
    CHECK(policy_compile(jdoc_root(doc), &policy, &err) == 0);
    return policy;
}

/* The Catena-X policy for half as long, and for one purpose less. */
static struct policy *read_stricter(void)
{
    AUTO(buf_done) struct buf json = buf_init(KIB(16));

    static const struct {
        const char *from, *to;
    } changes[] = {
        {"\"cx.quality.base:1\"", "\"cx.pcf.base:1\""},
        {"\"365\"",               "\"180\""          },
    };
    struct str rest = str_c(catena), part;

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        const char *at = strstr(rest.p, changes[i].from);

        CHECK(at != NULL);
        part = str_n(rest.p, (size_t)(at - rest.p));
        buf_add_str(&json, part);
        buf_add_c(&json, changes[i].to);
        rest = str_from(rest, part.n + strlen(changes[i].from));
    }
    buf_add_str(&json, rest);
    return compile(buf_str(&json));
}

static void read_policy(struct bench *b, struct str json)
{
    struct err err = {0};

    policy_unref(&b->policy);
    jdoc_free(&b->doc);
    CHECK(jdoc_parse(json, &jlimits_default, &b->doc, &err) == 0);
    CHECK(policy_compile(jdoc_root(b->doc), &b->policy, &err) == 0);
}

static void know(struct bench *b, enum policy_operand operand, const struct policy_value *value)
{
    b->facts.of[operand] =
        (struct policy_fact){.knowledge = POLICY_KNOWN, .n_values = 1, .values = value};
}

/* 500 constraints: windows of time as alternatives, all but the last in the past. */
static void write_big(struct buf *json)
{
    buf_add_c(json, "{\"permission\":[{\"action\":\"use\",\"constraint\":[{\"or\":[");
    for (int i = 0; i < 250; i++)
        buf_printf(json,
                   "%s{\"and\":[{\"leftOperand\":\"odrl:dateTime\",\"operator\":\"gteq\","
                   "\"rightOperand\":\"%d-01-01T00:00:00Z\"},{\"leftOperand\":\"odrl:dateTime\","
                   "\"operator\":\"lt\",\"rightOperand\":\"%d-07-01T00:00:00Z\"}]}",
                   i > 0 ? "," : "", 1777 + i, 1777 + i);
    buf_add_c(json, "]}]}]}");
}

/* -- the FORCE suite --------------------------------------------------------------------------- */

static void call_force(void *cls)
{
    struct bench *b = cls;

    policy_decide(b->policy, &b->question, &b->facts, &b->decision);
}

/* Nanoseconds of one decision of this case: the median of a few rounds. */
static double force_ns(int i)
{
    enum { CASE_ROUNDS = 11, CALLS = 5000 };

    AUTO(force_done) struct force_case c = {0};
    struct force_setting setting;
    struct bench b = {0};
    struct err err = {0};
    double round[CASE_ROUNDS];

    force_read(&c, i);
    CHECK(force_compile(&c, true, &b.policy, &err) == 0);
    force_ask(&c, &setting);
    b.question = setting.question;
    b.facts = setting.facts;
    for (int r = 0; r < CASE_ROUNDS; r++) {
        const int64_t begin = now_ns();

        for (int n = 0; n < CALLS; n++)
            call_force(&b);
        round[r] = (double)(now_ns() - begin) / CALLS;
    }
    policy_unref(&b.policy);
    qsort(round, CASE_ROUNDS, sizeof(round[0]), by_value);
    return round[CASE_ROUNDS / 2];
}

static void print_force(const char *name, const double *ns, double value, double goal_ns)
{
    printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"ns\",\"spread\":[%.1f,%.1f],\"anchor\":null,"
           "\"ratio\":null,\"goal\":\"\\u2264 %g\",\"met\":%s}\n",
           name, value, ns[0], ns[FORCE_CASES - 1], goal_ns, value <= goal_ns ? "true" : "false");
}

/* The median of the cases; the slowest have a policy of more than 500 constraints. */
static void measure_force(void)
{
    double ns[FORCE_CASES];

    if (!force_is_there()) {
        printf("skipped: %s is not there\n", FORCE);
        return;
    }
    for (int i = 0; i < FORCE_CASES; i++)
        ns[i] = force_ns(i);
    qsort(ns, FORCE_CASES, sizeof(ns[0]), by_value);
    print_force("policy decide, the 68 FORCE cases", ns, ns[FORCE_CASES / 2], 150);
    print_force("policy decide, the slowest FORCE case", ns, ns[FORCE_CASES - 1], 5000);
}

/* -- a catalogue ------------------------------------------------------------------------------- */

enum { OFFERS = 10000, KINDS = 100 };

struct offers {
    struct bench *b;
    struct policy *kinds[KINDS]; /* each compiled once, as the connector keeps them by their text */
};

/* Every offer is decided. The connector decides those of one policy once, unless it names data. */
static void call_offers(void *cls)
{
    struct offers *o = cls;
    int permitted = 0;

    for (int i = 0; i < OFFERS; i++)
        permitted += policy_permits(o->kinds[i % KINDS], &o->b->question, &o->b->facts);
    CHECK(permitted == OFFERS / 2);
}

static void measure_offers(struct bench *b)
{
    struct offers offers = {.b = b};

    for (int i = 0; i < KINDS; i++) {
        AUTO(buf_done) struct buf json = buf_init(KIB(4));

        buf_printf(&json,
                   "{\"permission\":[{\"action\":\"use\",\"constraint\":["
                   "{\"leftOperand\":\"" CX
                   "Membership\",\"operator\":\"eq\",\"rightOperand\":\"active\"},"
                   "{\"leftOperand\":\"" CX
                   "BusinessPartnerNumber\",\"operator\":\"isAnyOf\",\"rightOperand\":"
                   "[\"BPNL0000000000%02d\",\"%s\"]}]}]}",
                   i, i % 2 == 0 ? "BPNL123456789112" : "BPNL123456789113");
        offers.kinds[i] = compile(buf_str(&json));
    }
    measure("policy verdicts of 10,000 offers of 100 policies, one peer", call_offers, &offers, 5,
            1000000);
    for (int i = 0; i < KINDS; i++)
        policy_unref(&offers.kinds[i]);
}

int main(void)
{
    static const struct policy_value governance = {.text = STR_INIT("DataExchangeGovernance:1.0")};
    static const struct policy_value purpose = {.text = STR_INIT("cx.pcf.base:1")};
    static const struct policy_value active = {.text = STR_INIT("active")};
    static const struct policy_value bpn = {.text = STR_INIT("BPNL123456789112")};
    static const struct policy_value plan = {.text = STR_INIT("plan-1")};
    static const struct policy_value research = {.text = STR_INIT("research")};
    AUTO(buf_done) struct buf big = buf_init(MIB(1));
    struct bench b = {
        .question = {.scope = POLICY_AT_ACCESS, .now_us = NOW, .agreement_us = NOW - 1},
        .expected = POLICY_PERMIT
    };

    know(&b, POLICY_OP_FRAMEWORK_AGREEMENT, &governance);
    know(&b, POLICY_OP_USAGE_PURPOSE, &purpose);
    know(&b, POLICY_OP_MEMBERSHIP, &active);
    know(&b, POLICY_OP_BUSINESS_PARTNER_NUMBER, &bpn);
    know(&b, POLICY_OP_ORDER, &plan);
    know(&b, POLICY_OP_PURPOSE, &research);

    read_policy(&b, str_c(catena));
    measure("policy decide catena-x", call, &b, 200000, 100);
    measure_tail("policy decide catena-x, slowest of a hundred", call, &b, 400);
    measure_rate("policy decisions, one core", call, &b, 200000, 8e6);
    measure("policy explain catena-x", call_explain, &b, 2000, 50000);
    measure("policy compare catena-x with itself", call_compare, &b, 20, 0);
    b.other = read_stricter();
    measure("policy compare two catena-x policies", call_compare, &b, 20, 20000);
    policy_unref(&b.other);
    measure_offers(&b);
    measure("policy lint catena-x", call_lint, &b, 10, 0);
    b.facts.of[POLICY_OP_MEMBERSHIP].knowledge = POLICY_UNKNOWN;
    b.expected = POLICY_DENY;
    measure("policy decide catena-x, denied with causes", call, &b, 50000, 0);
    measure("policy explain a denial", call_why, &b, 5000, 50000);
    b.compile = true;
    measure("policy compile catena-x", call, &b, 2000, 20000);
    b.compile = false;
    b.expected = POLICY_PERMIT;
    read_policy(&b, str_c(paid));
    measure("policy decide paid order", call, &b, 200000, 0);
    write_big(&big);
    read_policy(&b, buf_str(&big));
    measure("policy decide 500 constraints", call, &b, 5000, 20000);
    b.compile = true;
    measure("policy compile 500 constraints", call, &b, 50, 0);
    measure_force();
    policy_unref(&b.policy);
    jdoc_free(&b.doc);
    return 0;
}
