/*
 * tests/fuzz/fuzz_template.c - any text as a clause template, and any values for its parameters: what is made of it reads again
 * as the same policy, and its clauses are words
 *
 * The input is the template, and behind a NUL the values, separated by line feeds, in the order of the parameters.
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"
#include "policy/template.h"

#include "lib/base/banned.h"

#define NOW_US INT64_C(1780272000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_made(const struct policy_made *made)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *again = NULL;
    struct err err = {0};

    CHECK(jdoc_parse(made->json, &jlimits_default, &doc, &err) == 0);
    CHECK(policy_compile(jdoc_root(doc), &again, &err) == 0);
    CHECK(memcmp(policy_hash(made->policy), policy_hash(again), POLICY_HASH_LEN) == 0);
    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++)
        CHECK(str_is_utf8(made->clauses[lang]));
}

static void make(const struct policy_templates *templates, const struct policy_template *template,
                 struct str values)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(policy_made_done) struct policy_made made = {0};
    const struct jval *parameters = jval_get(policy_template_document(template), "parameters");
    struct policy_argument arguments[POLICY_TEMPLATE_PARAMS];
    struct str texts[POLICY_TEMPLATE_PARAMS];
    struct policy_clause clause = {policy_template_id(template), arguments, 0, "/clause"};
    struct err err = {0};

    CHECK(arena != NULL);
    while (str_present(values) && clause.n_arguments < jval_len(parameters)) {
        const size_t i = clause.n_arguments++;

        texts[i] = str_cut(&values, '\n');
        arguments[i].name = jval_str(jval_get(jval_at(parameters, i), "name"));
        arguments[i].values = (struct str_list){&texts[i], 1};
    }
    if (policy_make(templates, &clause, 1, POLICY_DIALECT__COUNT, NOW_US, arena, &made, &err) == 0)
        check_made(&made);
    else
        CHECK(err.code != E_OK && made.policy == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct policy_templates *templates; /* as a connector has them, for many inputs */
    const uint8_t *end = n > 0 ? memchr(data, '\0', n) : NULL;
    const size_t length = end != NULL ? (size_t)(end - data) : n;
    const struct str values = end != NULL ? str_n(end + 1, n - length - 1) : STR_NONE;
    struct err err = {0};
    size_t count;

    if (str_present(values) && !str_is_utf8(values))
        return 0; /* command line and API let nothing else in */
    if (templates == NULL)
        CHECK(policy_templates_new(&templates, &err) == 0);
    count = policy_templates_count(templates);
    if (policy_templates_add(templates, str_n(data, length), &err) < 0) {
        CHECK(policy_templates_count(templates) == count);
        if (err.code == E_CONFLICT || err.code == E_LIMIT)
            policy_templates_free(&templates);
        return 0;
    }
    make(templates, policy_templates_at(templates, count), values);
    return 0;
}
