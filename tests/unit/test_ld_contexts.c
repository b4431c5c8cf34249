/*
 * The built-in contexts against the published files, term by term: the same terms, each with the same IRI, type, container
 * and scoped context. Skipped where the files are not at hand.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/ld/ld.h"

#include "lib/base/banned.h"

#define SPEC "../shared/spec/"

static const struct {
    const char *iri, *file;
} published[] = {
    {"http://www.w3.org/ns/odrl.jsonld",                 SPEC "edc-contexts/odrl.jsonld"                 },
    {"https://www.w3.org/ns/odrl.jsonld",                SPEC "dcp-1.0/context/odrl.jsonld"              },
    {LD_DSPACE "odrl-profile.jsonld",                    SPEC "dsp-2025-1/context/odrl.jsonld"           },
    {LD_DSPACE "odrl-profile.jsonld",                    SPEC "edc-contexts/dspace-v2025-1-odrl.jsonld"  },
    {LD_CX "odrl.jsonld",                                SPEC "odrl/cx/context/odrl.jsonld"              },
    {LD_CX "context.jsonld",                             SPEC "odrl/cx/context/context.jsonld"           },
    {LD_DSPACE "context.jsonld",                         SPEC "dsp-2025-1/context/dspace.jsonld"         },
    {LD_DSPACE "context.jsonld",                         SPEC "edc-contexts/dspace-v2025-1.jsonld"       },
    {LD_DSP24 "context.json",                            SPEC "dsp-2024-1/common/schema/context.json"    },
    {"https://w3id.org/edc/dspace/v0.0.1",               SPEC "edc-contexts/dspace-edc-context-v1.jsonld"},
    {"https://w3id.org/edc/connector/management/v0.0.1",
     SPEC "edc-contexts/management-context-v1.jsonld"                                                    },
    {"https://w3id.org/edc/connector/management/v2",
     SPEC "edc-contexts/management-context-v2.jsonld"                                                    },
    {LD_DCP "dcp.jsonld",                                SPEC "dcp-1.0/context/dcp.jsonld"               },
};

static struct jdoc *read_doc(const char *path)
{
    struct err err = {0};
    struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    FILE *f = fopen(path, "re");

    ck_assert_msg(f != NULL, "%s", path);
    for (size_t n = 1; n > 0;) {
        char *room = buf_room(&text, 65536);

        ck_assert(room != NULL);
        n = fread(room, 1, 65536, f);
        buf_grown(&text, n);
    }
    fclose(f);
    ck_assert_msg(jdoc_parse(buf_str(&text), NULL, &doc, &err) == 0, "%s: %s", path, err.text);
    return doc;
}

/* "prefix:rest" with the prefix of the context put in. */
static void full_iri(const struct jval *context, struct str iri, char *out, size_t size)
{
    struct str rest = iri;
    struct str prefix = str_cut(&rest, ':');
    struct str value = str_present(rest) ? jval_str(jval_get_str(context, prefix)) : STR_NONE;

    if (str_present(value))
        (void)snprintf(out, size, "%.*s%.*s", STR_ARG(value), STR_ARG(rest));
    else
        (void)snprintf(out, size, "%.*s", STR_ARG(iri));
}

static bool same_iri(const struct jval *our_top, const struct jval *their_top, struct str ours,
                     struct str theirs)
{
    char a[512], b[512];

    if (!str_present(ours) || !str_present(theirs))
        return str_present(ours) == str_present(theirs);
    full_iri(our_top, ours, a, sizeof(a));
    full_iri(their_top, theirs, b, sizeof(b));
    return strcmp(a, b) == 0;
}

static struct str id_of(const struct jval *definition)
{
    return jtype_of(definition) == J_STR ? jval_str(definition)
                                         : jval_str(jval_get(definition, "@id"));
}

static unsigned compare(const char *where, const struct jval *ours, const struct jval *theirs,
                        const struct jval *our_top, const struct jval *their_top);

static unsigned compare_term(const char *where, struct str name, const struct jval *ours,
                             const struct jval *theirs, const struct jval *our_top,
                             const struct jval *their_top)
{
    char path[256];
    unsigned bad = 0;

    (void)snprintf(path, sizeof(path), "%s %.*s", where, STR_ARG(name));
    if (ours == NULL || theirs == NULL) {
        printf("%s: %s\n", path, ours == NULL ? "missing" : "not in the published context");
        return 1;
    }
    if (jtype_of(ours) == J_NULL || jtype_of(theirs) == J_NULL)
        bad += jtype_of(ours) != jtype_of(theirs);
    bad += !same_iri(our_top, their_top, id_of(ours), id_of(theirs));
    bad += !same_iri(our_top, their_top, jval_str(jval_get(ours, "@type")),
                     jval_str(jval_get(theirs, "@type")));
    bad +=
        !str_eq(jval_str(jval_get(ours, "@container")), jval_str(jval_get(theirs, "@container")));
    bad += !str_eq(jval_str(jval_get(ours, "@language")), jval_str(jval_get(theirs, "@language")));
    if (bad > 0)
        printf("%s: differs\n", path);
    const struct jval *our_scope = jval_get(ours, "@context");
    const struct jval *their_scope = jval_get(theirs, "@context");

    if (our_scope == NULL && their_scope == NULL)
        return bad;
    return bad + compare(path, our_scope, their_scope, our_top, their_top);
}

static unsigned compare(const char *where, const struct jval *ours, const struct jval *theirs,
                        const struct jval *our_top, const struct jval *their_top)
{
    unsigned bad = 0;

    for (const struct jiter *it = jiter_first(theirs); it != NULL; it = jiter_next(theirs, it)) {
        struct str key = jiter_key(it);
        const struct jval *own = jval_get_str(ours, key);

        if (str_eq_c(key, "@version"))
            continue;
        if (str_starts(key, STR("@"))) {
            if (own == NULL || !jval_eq(own, jiter_value(it))) {
                printf("%s %.*s: differs\n", where, STR_ARG(key));
                bad++;
            }
            continue;
        }
        bad += compare_term(where, key, own, jiter_value(it), our_top, their_top);
    }
    for (const struct jiter *it = jiter_first(ours); it != NULL; it = jiter_next(ours, it)) {
        struct str key = jiter_key(it);

        if (!str_eq_c(key, "@version") && jval_get_str(theirs, key) == NULL)
            bad += compare_term(where, key, jiter_value(it), NULL, our_top, their_top);
    }
    return bad;
}

static struct ld *open_ld(void)
{
    struct ld *ld = NULL;
    struct err err = {0};

    ck_assert_msg(ld_open(&ld, &err) == 0, "%s", err.text);
    return ld;
}

START_TEST(as_published)
{
    if (access(published[_i].file, R_OK) != 0) {
        printf("skipped: %s is not there\n", published[_i].file);
        return;
    }
    AUTO(ld_close) struct ld *ld = open_ld();
    AUTO(jdoc_free) struct jdoc *doc = read_doc(published[_i].file);
    const struct jval *theirs = jval_get(jdoc_root(doc), "@context");
    const struct jval *ours =
        jval_get(ld_builtin_document(ld, str_c(published[_i].iri)), "@context");

    ck_assert_msg(ours != NULL, "%s", published[_i].iri);
    ck_assert_uint_gt(jval_len(theirs), 3);
    ck_assert_uint_eq(compare(published[_i].iri, ours, theirs, ours, theirs), 0);
}

END_TEST

/* The comparison itself must be able to fail. */
START_TEST(comparison_notices)
{
    static const char *const changed[] = {
        "{\"p\":\"http://x/\",\"a\":\"p:a\"}",
        "{\"p\":\"http://x/\",\"a\":{\"@id\":\"p:a\",\"@type\":\"@id\"},\"b\":\"p:b\"}",
        "{\"p\":\"http://x/\",\"a\":{\"@id\":\"p:a\",\"@container\":\"@set\"}}",
        "{\"p\":\"http://y/\",\"a\":{\"@id\":\"p:a\",\"@type\":\"@id\"}}",
        "{\"p\":\"http://x/\",\"a\":{\"@id\":\"p:a\",\"@type\":\"@id\",\"@context\":{\"b\":\"p:b\"}}}",
    };
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *other = NULL;

    ck_assert(jdoc_parse(STR("{\"p\":\"http://x/\",\"a\":{\"@id\":\"p:a\",\"@type\":\"@id\"}}"),
                         NULL, &doc, &err) == 0);
    ck_assert(jdoc_parse(str_c(changed[_i]), NULL, &other, &err) == 0);
    ck_assert_uint_gt(
        compare("test", jdoc_root(doc), jdoc_root(other), jdoc_root(doc), jdoc_root(other)), 0);
    ck_assert_uint_eq(
        compare("test", jdoc_root(doc), jdoc_root(doc), jdoc_root(doc), jdoc_root(doc)), 0);
}

END_TEST

static unsigned check_operand(const struct ld *ld, const char *path, const char *type)
{
    AUTO(jdoc_free) struct jdoc *schema = read_doc(path);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *out = NULL;
    AUTO(buf_done) struct buf text = buf_init(4096);
    const struct jval *properties;
    char pointer[256];
    struct err err = {0};

    (void)snprintf(pointer, sizeof(pointer), "/definitions/%s/properties/leftOperand/const", type);
    properties = jval_pointer(jdoc_root(schema), str_c(pointer));
    if (properties == NULL)
        return 0;
    buf_printf(&text,
               "{\"@context\":[\"" LD_CX "odrl.jsonld\",\"" LD_CX
               "context.jsonld\"],\"leftOperand\":\"%.*s\"}",
               STR_ARG(jval_str(properties)));
    ck_assert(jdoc_parse(buf_str(&text), NULL, &doc, &err) == 0);
    struct ld_options options = {.repair = true, .strict = LD_STRICT};

    ck_assert_msg(ld_expand(ld, jdoc_root(doc), &options, &out, &err) == 0, "%s: %s", path,
                  err.text);
    return 1;
}

/* The repaired context knows every operand for which the profile has a schema. */
START_TEST(repaired_is_complete)
{
    DIR *dir = opendir(SPEC "odrl/cx/constraint");
    unsigned seen = 0;

    if (dir == NULL) {
        printf("skipped: the Catena-X profile is not there\n");
        return;
    }
    AUTO(ld_close) struct ld *ld = open_ld();

    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[512];

        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), SPEC "odrl/cx/constraint/%s", e->d_name);
        AUTO(jdoc_free) struct jdoc *schema = read_doc(path);
        const struct jval *definitions = jval_get(jdoc_root(schema), "definitions");

        for (const struct jiter *it = jiter_first(definitions); it != NULL;
             it = jiter_next(definitions, it)) {
            char type[128];

            (void)snprintf(type, sizeof(type), "%.*s", STR_ARG(jiter_key(it)));
            seen += check_operand(ld, path, type);
        }
    }
    closedir(dir);
    ck_assert_uint_ge(seen, 25);
}

END_TEST

START_TEST(all_are_listed)
{
    AUTO(ld_close) struct ld *ld = open_ld();
    size_t n = 0;

    while (str_present(ld_builtin(ld, n))) {
        ck_assert(ld_builtin_document(ld, ld_builtin(ld, n)) != NULL);
        for (size_t i = 0; i < n; i++)
            ck_assert(!str_eq(ld_builtin(ld, i), ld_builtin(ld, n)));
        n++;
    }
    ck_assert_uint_ge(n, 20);
    ck_assert(ld_builtin_document(ld, STR("https://example.org/nowhere")) == NULL);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ld_contexts");
    TCase *tc = tcase_create("contexts");

    tcase_add_loop_test(tc, as_published, 0, (int)ARRAY_LEN(published));
    tcase_add_loop_test(tc, comparison_notices, 0, 5);
    tcase_add_test(tc, repaired_is_complete);
    tcase_add_test(tc, all_are_listed);
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
