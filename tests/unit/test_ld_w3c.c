/*
 * The W3C cases of JSON-LD 1.1 expansion and compaction, read from their manifests. Cases that are left out stand in a table
 * with the reason; a case in the table that the manifest does not have is a failure, so that the table stays true.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/ld/ld.h"

#include "lib/base/banned.h"

#define TESTS "../shared/spec/json-ld/tests/"

struct left_out {
    const char *manifest, *id, *reason;
};

static const struct left_out left_out[] = {
#include "tests/unit/test_ld_w3c.def"
};

static const struct jlimits limits = {.bytes = MIB(4), .depth = 64, .nodes = 100000};

static struct ld *ld;

static struct jdoc *read_doc(struct str name)
{
    char path[512];
    struct err err = {0};
    struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(4));

    (void)snprintf(path, sizeof(path), "%s%.*s", TESTS, STR_ARG(name));
    FILE *f = fopen(path, "re");

    ck_assert_msg(f != NULL, "%s", path);
    for (size_t n = 1; n > 0;) {
        char *room = buf_room(&text, 65536);

        ck_assert(room != NULL);
        n = fread(room, 1, 65536, f);
        buf_grown(&text, n);
    }
    fclose(f);
    ck_assert_msg(jdoc_parse(buf_str(&text), &limits, &doc, &err) == 0, "%s: %s", path, err.text);
    return doc;
}

/* JSON-LD equality: arrays are sets, except below @list. */
static bool same(const struct jval *a, const struct jval *b, bool ordered)
{
    if (jtype_of(a) == J_OBJECT && jtype_of(b) == J_OBJECT) {
        if (jval_len(a) != jval_len(b))
            return false;
        for (const struct jiter *it = jiter_first(a); it != NULL; it = jiter_next(a, it)) {
            const struct jval *other = jval_get_str(b, jiter_key(it));

            if (other == NULL || !same(jiter_value(it), other, str_eq_c(jiter_key(it), "@list")))
                return false;
        }
        return true;
    }
    if (jtype_of(a) != J_ARRAY || jtype_of(b) != J_ARRAY)
        return jval_eq(a, b);
    if (jval_len(a) != jval_len(b))
        return false;
    bool *used = calloc(jval_len(b) + 1, sizeof(*used));
    bool equal = used != NULL;

    for (size_t i = 0; equal && i < jval_len(a); i++) {
        size_t k = ordered ? i : 0;

        while (k < jval_len(b) && (used[k] || !same(jval_at(a, i), jval_at(b, k), false)))
            k = ordered ? jval_len(b) : k + 1;
        equal = k < jval_len(b);
        if (equal)
            used[k] = true;
    }
    free(used);
    return equal;
}

struct counts {
    unsigned passed, failed, out;
};

static const struct left_out *is_left_out(const char *manifest, struct str id)
{
    for (size_t i = 0; i < ARRAY_LEN(left_out); i++)
        if (strcmp(left_out[i].manifest, manifest) == 0 && str_eq_c(id, left_out[i].id))
            return &left_out[i];
    return NULL;
}

static struct str get(const struct jval *v, const char *key)
{
    return jval_str(jval_get(v, key));
}

static void show(const char *what, const struct jval *v)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    jval_write(&text, v);
    printf("    %s: %.*s\n", what, (int)buf_str(&text).n, buf_str(&text).p);
}

static struct ld_context *read_context(struct str name, struct str base, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = read_doc(name);
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct ld_context *context = NULL;

    jval_write(&text, jdoc_root(doc));
    return ld_context_open(ld, buf_str(&text), base, &context, err) == 0 ? context : NULL;
}

/* Expanding both makes order in lists and the meaning of terms count. */
static bool same_meaning(const struct jval *a, const struct jval *b, struct str base)
{
    AUTO(jdoc_free) struct jdoc *x = NULL;
    AUTO(jdoc_free) struct jdoc *y = NULL;
    struct ld_options options = {.base = base};
    struct err err = {0};

    return ld_expand(ld, a, &options, &x, &err) == 0 && ld_expand(ld, b, &options, &y, &err) == 0 &&
           same(jdoc_root(x), jdoc_root(y), false);
}

static int run_case(const struct jval *test, bool compact, struct str base, struct jdoc **ret,
                    struct err *err)
{
    const struct jval *option = jval_get(test, "option");
    AUTO(jdoc_free) struct jdoc *in = read_doc(get(test, "input"));
    AUTO(ld_context_close) struct ld_context *context = NULL;
    struct str named = compact ? get(test, "context") : get(option, "expandContext");
    const struct jval *arrays = jval_get(option, "compactArrays");
    const struct jval *relative = jval_get(option, "compactToRelative");
    struct ld_options options = {.base = base};

    options.keep_arrays = arrays != NULL && !jval_bool(arrays);
    options.keep_absolute = relative != NULL && !jval_bool(relative);
    if (str_present(named) && (context = read_context(named, base, err)) == NULL)
        return -1;
    if (compact)
        return ld_compact(ld, jdoc_root(in), context, &options, ret, err);
    options.context = context;
    return ld_expand(ld, jdoc_root(in), &options, ret, err);
}

static bool check_case(const struct jval *test, bool compact, struct str base_iri)
{
    AUTO(jdoc_free) struct jdoc *out = NULL;
    AUTO(jdoc_free) struct jdoc *expected = NULL;
    struct str base = get(jval_get(test, "option"), "base");
    struct str code = get(test, "expectErrorCode");
    char document[512];
    struct err err = {0};

    (void)snprintf(document, sizeof(document), "%.*s%.*s", STR_ARG(base_iri),
                   STR_ARG(get(test, "input")));
    if (!str_present(base))
        base = str_c(document);
    int failed = run_case(test, compact, base, &out, &err);

    if (str_present(code)) {
        char quoted[128];

        (void)snprintf(quoted, sizeof(quoted), "'%.*s'", STR_ARG(code));
        if (failed < 0 && strstr(err.text, quoted) != NULL)
            return true;
        printf("  %.*s wants %s, got %s\n", STR_ARG(get(test, "@id")), quoted,
               failed < 0 ? err.text : "a result");
        if (failed == 0)
            show("got", jdoc_root(out));
        return false;
    }
    if (failed < 0) {
        printf("  %.*s (%.*s): %s\n", STR_ARG(get(test, "@id")), STR_ARG(get(test, "name")),
               err.text);
        return false;
    }
    expected = read_doc(get(test, "expect"));
    bool good = same(jdoc_root(out), jdoc_root(expected), false);

    if (good && compact)
        good = same_meaning(jdoc_root(out), jdoc_root(expected), base);
    if (!good) {
        printf("  %.*s (%.*s)\n", STR_ARG(get(test, "@id")), STR_ARG(get(test, "name")));
        show("want", jdoc_root(expected));
        show(" got", jdoc_root(out));
    }
    return good;
}

static struct counts run_manifest(const char *name, bool compact)
{
    char file[64];
    struct counts counts = {0};

    (void)snprintf(file, sizeof(file), "%s-manifest.jsonld", name);
    AUTO(jdoc_free) struct jdoc *manifest = read_doc(str_c(file));
    const struct jval *sequence = jval_get(jdoc_root(manifest), "sequence");

    for (size_t i = 0; i < jval_len(sequence); i++) {
        const struct jval *test = jval_at(sequence, i);

        if (is_left_out(name, get(test, "@id")) != NULL)
            counts.out++;
        else if (check_case(test, compact, get(jdoc_root(manifest), "baseIri")))
            counts.passed++;
        else
            counts.failed++;
    }
    printf("json-ld %s: %u passed, %u failed, %u left out\n", name, counts.passed, counts.failed,
           counts.out);
    return counts;
}

static bool present(void)
{
    if (access(TESTS "expand-manifest.jsonld", R_OK) == 0)
        return true;
    printf("skipped: %s is not there\n", TESTS);
    return false;
}

static size_t expected_out(const char *manifest)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(left_out); i++)
        n += strcmp(left_out[i].manifest, manifest) == 0;
    return n;
}

static void check_manifest(const char *name, bool compact)
{
    if (!present())
        return;
    struct err err = {0};

    ck_assert_msg(ld_open(&ld, &err) == 0, "%s", err.text);
    struct counts counts = run_manifest(name, compact);

    ld_close(&ld);
    ck_assert_uint_eq(counts.failed, 0);
    ck_assert_uint_gt(counts.passed, 100);
    ck_assert_uint_eq(counts.out, expected_out(name));
}

START_TEST(expand_cases)
{
    check_manifest("expand", false);
}

END_TEST

START_TEST(compact_cases)
{
    check_manifest("compact", true);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ld_w3c");
    TCase *tc = tcase_create("cases");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, expand_cases);
    tcase_add_test(tc, compact_cases);
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
