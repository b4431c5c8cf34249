/*
 * Policies that others publish, read from ../shared/spec (skipped where it is not at hand): every sample of the Catena-X profile is
 * accepted, but for those that break its own schemas; every policy in the DSP 2025-1 examples is accepted, but for those with a
 * profile that nobody knows.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define CX  "../shared/spec/odrl/cx/"
#define DSP "../shared/spec/dsp-2025-1/"

/* clang-format off */
/* faulty by the profile's own schemas */
static const struct { const char *file, *at; } faulty[] = {
    {"contract-termination-constraint-sample.json", "/permission/0/constraint/0/rightOperand"},  /* cx.data.keeping without :1 */
    {"usage-policy-sample.json", "/permission/0/constraint/0/and/2/rightOperand"},               /* cx.dataUsageEnd.unlimited without :1 */
    {"usage-policy-comprehensive-sample.json", "/prohibition/0/constraint/0/and/0/rightOperand/0"}, /* names of schemas instead of values */
};
/* constraints that only stand in another kind of rule */
static const struct { const char *prefix, *list; } places[] = {
    {"usage-restriction",  "prohibition"},
    {"data-provisioning-", "obligation"},
};

/* clang-format on */

static struct jdoc *read_doc(const char *path)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(4));
    struct jdoc *doc = NULL;
    struct err err = {0};
    FILE *f = fopen(path, "re");

    ck_assert_msg(f != NULL, "%s", path);
    for (size_t n = 1; n > 0;) {
        char *room = buf_room(&text, 65536);

        ck_assert_ptr_nonnull(room);
        n = fread(room, 1, 65536, f);
        buf_grown(&text, n);
    }
    fclose(f);
    ck_assert_msg(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &err) == 0, "%s: %s", path,
                  err.text);
    return doc;
}

/* A policy with the sample's constraint, if it is one. */
static struct jdoc *wrap(const struct jdoc *sample, const char *file)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct jw w = jw_init(&text);
    const char *list = "permission";
    struct jdoc *doc = NULL;
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (str_starts(str_c(file), str_c(places[i].prefix)))
            list = places[i].list;
    }
    jw_object(&w);
    jw_key(&w, list);
    jw_array(&w);
    jw_object(&w);
    jw_kc(&w, "action", "use");
    jw_key(&w, "constraint");
    jw_array(&w);
    jw_val(&w, jdoc_root(sample));
    jw_array_end(&w);
    jw_object_end(&w);
    jw_array_end(&w);
    jw_object_end(&w);
    ck_assert(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &err) == 0);
    return doc;
}

static const char *fault_of(const char *file)
{
    for (size_t i = 0; i < ARRAY_LEN(faulty); i++) {
        if (strcmp(faulty[i].file, file) == 0)
            return faulty[i].at;
    }
    return NULL;
}

static void check_sample(const char *file)
{
    char path[512];
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *sample = NULL;
    AUTO(jdoc_free) struct jdoc *wrapped = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    int status;

    (void)snprintf(path, sizeof(path), CX "samples/%s", file);
    sample = read_doc(path);
    if (jval_get(jdoc_root(sample), "leftOperand") != NULL)
        wrapped = wrap(sample, file);
    status = policy_compile(jdoc_root(wrapped != NULL ? wrapped : sample), &policy, &err);
    if (fault_of(file) == NULL) {
        ck_assert_msg(status == 0, "%s: %s at %s", file, err.text, err.at);
        return;
    }
    ck_assert_msg(status < 0, "%s is accepted", file);
    ck_assert_str_eq(err.at, fault_of(file));
}

START_TEST(test_catena_x)
{
    DIR *folder = opendir(CX "samples");
    size_t n = 0;

    if (folder == NULL) {
        printf("skipped: " CX "samples is not there\n");
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (str_ends(str_c(entry->d_name), STR(".json"))) {
            check_sample(entry->d_name);
            n++;
        }
    }
    closedir(folder);
    ck_assert_msg(n >= 30, "%zu samples", n);
}

END_TEST

/* The same policy, compact and expanded, in the older dialect. */
START_TEST(test_catena_x_older)
{
    AUTO(jdoc_free) struct jdoc *compact = NULL;
    AUTO(jdoc_free) struct jdoc *expanded = NULL;
    AUTO(policy_unref) struct policy *a = NULL;
    AUTO(policy_unref) struct policy *b = NULL;
    struct err err = {0};
    FILE *f = fopen(CX "example_usage_policy.json", "re");

    if (f == NULL) {
        printf("skipped: " CX " is not there\n");
        return;
    }
    fclose(f);
    compact = read_doc(CX "example_usage_policy.json");
    expanded = read_doc(CX "example_usage_policy_expanded.json");
    ck_assert_msg(policy_compile(jdoc_root(compact), &a, &err) == 0, "%s %s", err.text, err.at);
    ck_assert_msg(policy_compile(jval_at(jdoc_root(expanded), 0), &b, &err) == 0, "%s %s", err.text,
                  err.at);
    ck_assert(policy_same_rules(a, b));
    ck_assert(memcmp(policy_hash(a), policy_hash(b), POLICY_HASH_LEN) == 0);
}

END_TEST

/* Compiles every object that has rules; returns how many. */
static size_t check_policies(const struct jval *v, const char *file)
{
    size_t n = 0;

    for (size_t i = 0; jtype_of(v) == J_ARRAY && i < jval_len(v); i++)
        n += check_policies(jval_at(v, i), file);
    if (jtype_of(v) != J_OBJECT)
        return n;
    if (jval_get(v, "permission") != NULL || jval_get(v, "prohibition") != NULL) {
        AUTO(policy_unref) struct policy *policy = NULL;
        struct err err = {0};

        if (policy_compile(v, &policy, &err) < 0) {
            /* some examples carry a made-up profile, at which IM 2.2 §3.2 bids us stop */
            ck_assert_msg(err.code == E_POLICY_UNSUPPORTED &&
                              str_starts(str_c(err.at), STR("/profile")),
                          "%s: %s at %s", file, err.text, err.at);
            return n;
        }
        return n + 1;
    }
    for (const struct jiter *it = jiter_first(v); it != NULL; it = jiter_next(v, it))
        n += check_policies(jiter_value(it), file);
    return n;
}

START_TEST(test_dsp)
{
    static const char *const folders[] = {DSP "negotiation/example", DSP "catalog/example"};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        DIR *folder = opendir(folders[i]);

        if (folder == NULL) {
            printf("skipped: %s is not there\n", folders[i]);
            return;
        }
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            AUTO(jdoc_free) struct jdoc *doc = NULL;
            char path[512];

            if (!str_ends(str_c(entry->d_name), STR(".json")))
                continue;
            (void)snprintf(path, sizeof(path), "%s/%s", folders[i], entry->d_name);
            doc = read_doc(path);
            n += check_policies(jdoc_root(doc), entry->d_name);
        }
        closedir(folder);
    }
    ck_assert_msg(n >= 5, "%zu policies", n);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_samples");
    TCase *tc = tcase_create("samples");

    tcase_add_test(tc, test_catena_x);
    tcase_add_test(tc, test_catena_x_older);
    tcase_add_test(tc, test_dsp);
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
