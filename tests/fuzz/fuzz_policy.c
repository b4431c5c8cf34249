/*
 * tests/fuzz/fuzz_policy.c - any text as a policy: what is accepted can be written, read again as the same, explained and decided
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"
#include "policy/policy.h"

#include "lib/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_again(const struct policy *policy, enum policy_form form)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(8));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *again = NULL;
    struct err err = {0};
    struct jw w = jw_init(&text);

    policy_write(policy, form, &w);
    CHECK(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &err) == 0);
    /* the expanded form has more values than were read, and may exceed the limit */
    if (policy_compile(jdoc_root(doc), &again, &err) < 0) {
        CHECK(err.code == E_LIMIT);
        return;
    }
    CHECK(memcmp(policy_hash(policy), policy_hash(again), POLICY_HASH_LEN) == 0);
    CHECK(policy_same_rules(policy, again));
}

static void check_decision(const struct policy *policy, uint8_t salt,
                           struct policy_decision *decision)
{
    static const struct policy_value value = {.text = STR_INIT("a"), .number = 3};
    struct policy_facts facts = {0};
    struct policy_question q = {.action = (enum policy_action)(salt % POLICY_ACT__COUNT),
                                .scope = (enum policy_scope)(salt % POLICY_AT__COUNT),
                                .now_us = INT64_C(1780272000000000),
                                .agreement_us = salt % 3 == 0 ? POLICY_NO_TIME : 0,
                                .target = policy_target(policy),
                                .assignee = policy_assignee(policy)};

    for (int i = 0; i < POLICY_OP__COUNT; i++)
        facts.of[i] = (struct policy_fact){
            .knowledge = (enum policy_knowledge)((salt + i) % 3), .n_values = 1, .values = &value};
    policy_decide(policy, &q, &facts, decision);
    CHECK(decision->valid_until_us > q.now_us);
    CHECK((decision->verdict == POLICY_DENY) == (decision->n_causes > 0));
    if (decision->verdict == POLICY_PERMIT)
        return;
    /* knowing nothing at all cannot permit what was denied */
    facts = (struct policy_facts){0};
    policy_decide(policy, &q, &facts, decision);
    CHECK(decision->verdict == POLICY_DENY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(16));
    struct policy_decision decision;
    struct err err = {0};

    if (jdoc_parse(str_n(data, n), &jlimits_default, &doc, &err) < 0)
        return 0;
    if (policy_compile(jdoc_root(doc), &policy, &err) < 0) {
        CHECK(err.code == E_INVALID || err.code == E_POLICY_UNSUPPORTED || err.code == E_LIMIT);
        CHECK(err.detail[0] != '\0');
        return 0;
    }
    check_again(policy, POLICY_FORM_DSP);
    check_again(policy, POLICY_FORM_EXPANDED);
    check_decision(policy, n > 0 ? data[n / 2] : 0, &decision);
    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        policy_explain(policy, (enum policy_lang)lang, &text);
        policy_reason(&decision, (enum policy_lang)lang, &text);
    }
    CHECK(buf_failed(&text) || str_is_utf8(buf_str(&text)));
    return 0;
}
