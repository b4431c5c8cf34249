/*
 * tests/fuzz/fuzz_policy.c - any text as a policy: what is accepted can be written and read again as the same, is decided in
 * worlds made of its own values, explained, checked, compared with itself, and judged as a stock peer would
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"
#include "policy/compare.h"
#include "policy/lint.h"
#include "policy/peer.h"

#include "lib/base/banned.h"

#define NOW     INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */
#define WORDS   32
#define NUMBERS 16
#define WORLDS  8
#define COMPARED                                                                                   \
    400 /* bytes; questions about all worlds are bounded, and yet too slow beyond for a sanitizer */
#define SPAN_DAYS 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* -- worlds made of what stands in the document ------------------------------------------------ */

struct fuzz {
    uint64_t random;
    struct str words[WORDS];
    int64_t numbers[NUMBERS];
    size_t n_words, n_numbers;
    struct policy *policy;
};

struct world {
    struct policy_question question;
    struct policy_facts facts;
    struct policy_value values[POLICY_OP__COUNT][2];
    struct policy_performed done[2];
};

static size_t pick(struct fuzz *f, size_t n)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return (size_t)(f->random >> 11) % n;
}

static void collect(struct fuzz *f, const struct jval *v)
{
    int64_t number = 0;

    if (jtype_of(v) == J_STR && f->n_words < WORDS)
        f->words[f->n_words++] = jval_str(v);
    if (((jtype_of(v) == J_INT && jval_i64(v, &number)) ||
         (jtype_of(v) == J_STR && str_to_i64(jval_str(v), &number))) &&
        f->n_numbers < NUMBERS)
        f->numbers[f->n_numbers++] = number;
    for (size_t i = 0; jtype_of(v) == J_ARRAY && i < jval_len(v); i++)
        collect(f, jval_at(v, i));
    for (const struct jiter *it = jtype_of(v) == J_OBJECT ? jiter_first(v) : NULL; it != NULL;
         it = jiter_next(v, it))
        collect(f, jiter_value(it));
}

static struct str pick_word(struct fuzz *f)
{
    return pick(f, 4) == 0 ? STR("KR-11") : f->words[pick(f, f->n_words)];
}

static int64_t pick_time(struct fuzz *f)
{
    int64_t us = NOW;

    if (pick(f, 3) == 0 || !time_parse(pick_word(f), &us))
        return NOW + ((int64_t)pick(f, 2 * SPAN_DAYS) - SPAN_DAYS) * US_PER_DAY;
    return us + (int64_t)pick(f, 3) - 1;
}

static void make_world(struct fuzz *f, struct world *w)
{
    struct policy_question *q = &w->question;

    *w = (struct world){0};
    *q = (struct policy_question){
        .action =
            (enum policy_action)(pick(f, 2) == 0 ? POLICY_ACT_USE : pick(f, POLICY_ACT__COUNT)),
        .scope = (enum policy_scope)pick(f, POLICY_AT__COUNT),
        .now_us = pick_time(f),
        .agreement_us = pick(f, 2) == 0 ? POLICY_NO_TIME : pick_time(f),
        .target = pick(f, 4) == 0 ? pick_word(f) : policy_target(f->policy),
        .assignee = pick(f, 4) == 0 ? pick_word(f) : policy_assignee(f->policy),
        .target_in = f->words,
        .assignee_in = f->words,
        .n_target_in = pick(f, f->n_words + 1),
        .n_assignee_in = pick(f, f->n_words + 1),
        .collections_known = pick(f, 2) == 0,
        .flags = (unsigned)pick(f, 4)};
    for (int i = 0; i < POLICY_OP__COUNT; i++) {
        for (size_t v = 0; v < 2; v++) {
            w->values[i][v].text = pick_word(f);
            w->values[i][v].number =
                f->n_numbers > 0 ? f->numbers[pick(f, f->n_numbers)] : (int64_t)pick(f, 9);
        }
        w->facts.of[i] = (struct policy_fact){.knowledge = (enum policy_knowledge)pick(f, 3),
                                              .claimed = pick(f, 6) == 0,
                                              .age_us = (int64_t)pick(f, 3) * US_PER_H,
                                              .n_values = pick(f, 3),
                                              .values = w->values[i]};
    }
    for (size_t i = 0; i < ARRAY_LEN(w->done); i++)
        w->done[i] =
            (struct policy_performed){.action = (enum policy_action)pick(f, POLICY_ACT__COUNT),
                                      .target = pick(f, 2) == 0 ? STR_NONE : pick_word(f),
                                      .assignee = pick(f, 2) == 0 ? q->assignee : pick_word(f),
                                      .at_us = pick_time(f),
                                      .violated = pick(f, 4) == 0};
    for (size_t i = 0; i < ARRAY_LEN(w->done); i++) /* what was done was done before */
        w->done[i].at_us = w->done[i].at_us < q->now_us ? w->done[i].at_us : q->now_us;
    w->facts.performed_known = pick(f, 2) == 0;
    w->facts.performed = w->done;
    w->facts.n_performed = pick(f, ARRAY_LEN(w->done) + 1);
}

/* -- checks ------------------------------------------------------------------------------------ */

static bool same_decision(const struct policy_decision *a, const struct policy_decision *b)
{
    return a->verdict == b->verdict && a->valid_until_us == b->valid_until_us &&
           a->n_causes == b->n_causes && a->n_duties == b->n_duties;
}

static void check_words(const struct policy *policy, const struct policy_decision *decision)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(16));

    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        policy_explain_decision(policy, decision, (enum policy_lang)lang, &text);
        policy_reason(decision, (enum policy_lang)lang, &text);
    }
    CHECK(buf_failed(&text) || str_is_utf8(buf_str(&text)));
}

/* The same facts, older; what does not depend on time stays, so the verdict must stand. */
static void check_until(const struct fuzz *f, const struct world *w,
                        const struct policy_decision *decision)
{
    struct world later = *w;
    struct policy_decision then;

    CHECK(decision->valid_until_us > w->question.now_us);
    if (decision->valid_until_us == POLICY_FOREVER)
        return;
    later.question.now_us = decision->valid_until_us - 1;
    for (int i = 0; i < POLICY_OP__COUNT; i++)
        later.facts.of[i].age_us += later.question.now_us - w->question.now_us;
    policy_decide(f->policy, &later.question, &later.facts, &then);
    CHECK(then.verdict == decision->verdict);
}

static void check_peers(const struct fuzz *f, const struct world *w)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct policy_peer_opinion opinion;

    for (int peer = 0; peer < POLICY_PEER__COUNT; peer++) {
        policy_peer_decide(f->policy, (enum policy_peer)peer, &w->question, &w->facts, &opinion);
        policy_explain_peer(&opinion, POLICY_KO, &text);
    }
    CHECK(buf_failed(&text) || str_is_utf8(buf_str(&text)));
}

/* `again` is the same policy, written and read. */
static void check_world(struct fuzz *f, const struct policy *again)
{
    struct policy_decision decision, other;
    struct world w;

    make_world(f, &w);
    policy_decide(f->policy, &w.question, &w.facts, &decision);
    CHECK((decision.verdict == POLICY_DENY) == (decision.n_causes > 0));
    check_until(f, &w, &decision);
    check_words(f->policy, &decision);
    check_peers(f, &w);
    if (again != NULL) {
        policy_decide(again, &w.question, &w.facts, &other);
        CHECK(same_decision(&decision, &other));
    }
    if (decision.verdict == POLICY_PERMIT)
        return;
    /* knowing less cannot permit what was denied */
    w.facts.of[pick(f, POLICY_OP__COUNT)].knowledge = POLICY_UNKNOWN;
    policy_decide(f->policy, &w.question, &w.facts, &other);
    CHECK(other.verdict == POLICY_DENY);
}

static struct policy *check_again(const struct policy *policy, enum policy_form form)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(8));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct policy *again = NULL;
    struct err err = {0};
    struct jw w = jw_init(&text);

    policy_write(policy, form, &w);
    CHECK(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &err) == 0);
    /* the expanded form has more values than were read, and may exceed the limit */
    if (policy_compile(jdoc_root(doc), &again, &err) < 0) {
        CHECK(err.code == E_LIMIT);
        return NULL;
    }
    CHECK(memcmp(policy_hash(policy), policy_hash(again), POLICY_HASH_LEN) == 0);
    CHECK(policy_same_rules(policy, again));
    return again;
}

static void check_text(const struct policy *policy, const struct policy *again)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(16));
    AUTO(buf_done) struct buf second = buf_init(MIB(16));

    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        policy_explain(policy, (enum policy_lang)lang, &text);
        if (again != NULL)
            policy_explain(again, (enum policy_lang)lang, &second);
    }
    CHECK(buf_failed(&text) || str_is_utf8(buf_str(&text)));
    CHECK(again == NULL || buf_failed(&text) || str_eq(buf_str(&text), buf_str(&second)));
    if (again == NULL)
        return;
    buf_reset(&text);
    policy_explain_difference(policy, again, POLICY_EN, &text);
    CHECK(text.n == 0);
}

/* A policy is as strict as itself. */
static void check_all_worlds(const struct policy *policy)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(buf_done) struct buf text = buf_init(MIB(16));
    struct policy_comparison comparison;
    struct policy_findings found;
    struct err err = {0};

    if (policy_compare(policy, policy, NOW, arena, &comparison, &err) < 0)
        CHECK(err.code == E_NO_MEMORY);
    else
        CHECK(comparison.relation ==
              (comparison.complete ? POLICY_SAME : POLICY_RELATION_UNDECIDED));
    if (policy_lint(policy, NOW, arena, &found, &err) < 0)
        CHECK(err.code == E_NO_MEMORY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(policy_unref) struct policy *compact = NULL;
    AUTO(policy_unref) struct policy *expanded = NULL;
    struct fuzz f = {.random = n + 1, .words = {STR_INIT("a")}, .n_words = 1};
    struct err err = {0};

    if (jdoc_parse(str_n(data, n), &jlimits_default, &doc, &err) < 0)
        return 0;
    if (policy_compile(jdoc_root(doc), &policy, &err) < 0) {
        CHECK(err.code == E_INVALID || err.code == E_POLICY_UNSUPPORTED || err.code == E_LIMIT);
        CHECK(err.detail[0] != '\0');
        return 0;
    }
    compact = check_again(policy, POLICY_FORM_DSP);
    expanded = check_again(policy, POLICY_FORM_EXPANDED);
    check_text(policy, compact);
    f.policy = policy;
    for (size_t i = 0; i < n; i++)
        f.random = f.random * 31 + data[i];
    f.random |= 1;
    collect(&f, jdoc_root(doc));
    for (int i = 0; i < WORLDS; i++)
        check_world(&f, expanded);
    if (n <= COMPARED && pick(&f, 8) == 0)
        check_all_worlds(policy);
    return 0;
}
