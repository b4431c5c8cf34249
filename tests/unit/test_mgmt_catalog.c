/*
 * Catalogues that are compacted by the form of their datasets: the same value as JSON-LD gives for the whole, or not
 * at all. Parts of JSON text.
 */
#include <check.h>

#include "connector/mgmt/catalog_like.h"
#include "connector/mgmt/shape.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jspan.h"

#include "lib/base/banned.h"

#define CONTEXT                                                                                    \
    "{\"@vocab\":\"" LD_EDC "\",\"edc\":\"" LD_EDC "\",\"odrl\":\"" LD_ODRL                        \
    "\",\"dcat\":\"" LD_DCAT "\",\"dct\":\"" LD_DCT "\",\"dspace\":\"" LD_DSPACE "\"}"
#define DSP  "\"@context\":[\"https://w3id.org/dspace/2025/1/context.jsonld\"]"
#define MANY 40

static struct ld *ld;
static struct ld_context *context;

static void setup(void)
{
    struct err err = {0};

    ck_assert_int_eq(ld_open(&ld, &err), 0);
    ck_assert_int_eq(ld_context_open(ld, STR(CONTEXT), STR_NONE, &context, &err), 0);
}

static void teardown(void)
{
    ld_context_close(&context);
    ld_close(&ld);
}

/* -- catalogues ---------------------------------------------------------------------------------------- */

#define TYPE "\"@type\":\"Dataset\","
#define POLICY                                                                                     \
    "\"hasPolicy\":[{\"@id\":\"b3Blbg:#:87c8\",\"@type\":\"Offer\",\"permission\":[{\"action\":\"use\"}]}],"
#define WAY                                                                                          \
    "\"distribution\":[{\"@type\":\"Distribution\",\"format\":\"HttpData-PULL\",\"accessService\":{" \
    "\"@id\":\"urn:uuid:1\",\"@type\":\"DataService\",\"endpointURL\":\"https://a.example/\"}}]"
#define NAME(value) "\"" LD_EDC "name\":[{\"@value\":\"" value "\"}],"
#define OURS(value)                                                                                \
    "{\"@id\":\"a-#\"," TYPE NAME(value)                                                           \
    POLICY WAY "}"

/*
 * '#' is the number of the dataset; odd ones are made from the second text, if there is one. must: by form; else it
 * may be left to JSON-LD. What is no JSON must be left, or the comparison fails.
 */
/* clang-format off */
static const struct { const char *name, *even, *odd; bool must; } catalogues[] = {
    {"ours",                     OURS("asset #"), NULL, true},
    {"two forms",                OURS("asset #"), "{\"@id\":\"b-#\"," TYPE POLICY WAY "}", true},
    {"white space",              "{ \"@id\" :\n\"a-#\" ," TYPE POLICY WAY " }", NULL, true},
    {"Korean",                   OURS("데이터 #"), OURS("탄소: #"), true},
    {"escapes",                  OURS("asset #"), OURS("one \\\"quoted\\\" \\u00e9 \\\\"), true},
    {"empty",                    OURS(""), OURS("#"), true},
    {"words of the vocabulary",  "{\"@id\":\"a\"," TYPE "\"hasPolicy\":[{\"@id\":\"#\",\"permission\":[{\"action\":\"use\"}]}]}",
                                 "{\"@id\":\"a\"," TYPE "\"hasPolicy\":[{\"@id\":\"#\",\"permission\":[{\"action\":\"read\"}]}]}", true},
    {"ids with a known prefix",  "{\"@id\":\"odrl:#\"," TYPE POLICY WAY "}", "{\"@id\":\"dcat:Dataset\"," TYPE POLICY WAY "}", false},
    {"ids in a vocabulary",      "{\"@id\":\"" LD_ODRL "use\"," TYPE POLICY WAY "}", "{\"@id\":\"" LD_EDC "x\"," TYPE POLICY WAY "}", true},
    {"urn",                      "{\"@id\":\"urn:uuid:#\"," TYPE POLICY WAY "}", "{\"@id\":\"urn:x\"," TYPE POLICY WAY "}", true},
    {"did and blank node",       "{\"@id\":\"did:web:a%3A#\"," TYPE POLICY WAY "}", "{\"@id\":\"_:b1\"," TYPE POLICY WAY "}", true},
    {"odd relative ids",         "{\"@id\":\"../x#\"," TYPE POLICY WAY "}", "{\"@id\":\"a/b?c\"," TYPE POLICY WAY "}", false},
    {"id and scheme alone",      "{\"@id\":\"x:\"," TYPE POLICY WAY "}", "{\"@id\":\"x://#y\"," TYPE POLICY WAY "}", false},
    {"titles of the protocol",   "{\"@id\":\"a\"," TYPE "\"title\":\"no #\",\"keyword\":[\"a#\",\"b#\"]," POLICY WAY "}", NULL, true},
    {"languages",                "{\"@id\":\"a\"," TYPE "\"" LD_DCT "title\":[{\"@value\":\"t#\",\"@language\":\"ko\"},{\"@value\":\"u#\",\"@language\":\"en\"}]," WAY "}", NULL, true},
    {"types",                    "{\"@id\":\"a\"," TYPE "\"" LD_EDC "n\":[{\"@value\":\"#\",\"@type\":\"" LD_XSD "date\"}]," WAY "}",
                                 "{\"@id\":\"a\"," TYPE "\"" LD_EDC "n\":[{\"@value\":\"#\",\"@type\":\"" LD_XSD "gYear\"}]," WAY "}", true},
    {"numbers",                  "{\"@id\":\"a\"," TYPE "\"" LD_EDC "n\":[{\"@value\":1.0},{\"@value\":true}]," WAY "}",
                                 "{\"@id\":\"a\"," TYPE "\"" LD_EDC "n\":[{\"@value\":2},{\"@value\":null}]," WAY "}", true},
    {"JSON literals",            "{\"@id\":\"a\"," TYPE "\"" LD_EDC "n\":[{\"@value\":{\"x\":\"#\",\"@id\":\"#\"},\"@type\":\"@json\"}]," WAY "}", NULL, true},
    {"a context inside",         "{\"@context\":{\"urn\":\"http://example.com/\",\"b\":\"" LD_ODRL "\"},\"@id\":\"urn:#\"," TYPE WAY "}",
                                 "{\"@context\":{\"urn\":\"http://example.com/\",\"b\":\"" LD_ODRL "\"},\"@id\":\"b:#\"," TYPE WAY "}", false},
    {"the probe's words",        OURS("naru-000-hole-xq"), OURS("naru-001-hole-xq"), true},
    {"each another form",        "{\"@id\":\"a\"," TYPE "\"" LD_EDC "n#\":[{\"@value\":1}]," WAY "}", NULL, true},
    /* not JSON, or nothing */
    {"an empty dataset",         OURS("asset #"), "{}", false},
    {"null",                     OURS("asset #"), "null", false},
    {"a missing brace",          OURS("asset #"), "{\"@id\":\"a\"", false},
    {"a stray word",             OURS("asset #"), "{\"@id\":\"a-#\" x," TYPE WAY "}", false},
    {"a control character",      OURS("asset #"), OURS("asset \1"), false},
    {"not UTF-8",                OURS("asset #"), OURS("asset \xff"), false},
    {"a bad escape",             OURS("asset #"), OURS("asset \\x"), false},
    {"a key twice",              OURS("asset #"), "{\"@id\":\"a\",\"@id\":\"b\"," TYPE WAY "}", false},
    {"a context nobody knows",   "{\"@context\":\"https://example.com/\",\"@id\":\"a#\"}", NULL, false},
};

/* clang-format on */

static void add_datasets(struct buf *out, size_t n, const char *even, const char *odd)
{
    for (size_t i = 0; i < n; i++) {
        struct str text = str_c(i % 2 == 1 && odd != NULL ? odd : even);

        if (i > 0)
            buf_add_char(out, ',');
        buf_add_str(out, str_cut(&text, '#'));
        while (str_present(text)) {
            buf_printf(out, "%zu", i);
            buf_add_str(out, str_cut(&text, '#'));
        }
    }
}

static void add_catalogue(struct buf *out, size_t n, const char *even, const char *odd)
{
    buf_add_c(
        out,
        "{" DSP
        ",\"@id\":\"urn:uuid:2\",\"@type\":\"Catalog\",\"participantId\":\"did:web:x\",\"dataset\":[");
    add_datasets(out, n, even, odd);
    buf_add_c(out, "],\"service\":[{\"@id\":\"urn:uuid:1\",\"@type\":\"DataService\"}]}");
}

/* What is written is what JSON-LD makes of the whole. */
static void check_equal(struct str catalogue, struct str written, const char *name)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *whole = NULL;
    AUTO(jdoc_free) struct jdoc *ours = NULL;
    struct err err = {0};

    ck_assert_msg(jdoc_parse(catalogue, NULL, &doc, &err) == 0, "%s: %s", name, err.text);
    ck_assert_msg(ld_compact(ld, jdoc_root(doc), context, NULL, &whole, &err) == 0, "%s: %s", name,
                  err.text);
    ck_assert_msg(jdoc_parse(written, NULL, &ours, &err) == 0, "%s: %s", name, err.text);
    ck_assert_msg(jval_eq(jdoc_root(whole), jdoc_root(ours)), "%s:\n%.*s\n", name,
                  STR_ARG(written));
}

START_TEST(test_catalogue)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    const char *name = catalogues[_i].name;
    bool like;

    add_catalogue(&text, MANY, catalogues[_i].even, catalogues[_i].odd);
    buf_add_c(&out, "before");
    like = catalog_like_write(ld, &(struct catalog_form){context, "dcat:dataset"}, buf_str(&text),
                              (struct catalog_page){0, SIZE_MAX}, &out);
    ck_assert_msg(like || !catalogues[_i].must, "%s: the long way", name);
    ck_assert_msg(like || out.n == 6, "%s: something was appended", name);
    if (like)
        check_equal(buf_str(&text), str_from(buf_str(&out), 6), name);
}

END_TEST

/* More forms than are kept. */
START_TEST(test_too_many_forms)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(MIB(1));

    add_catalogue(&text, SHAPES_MAX + 1,
                  "{\"@id\":\"a\"," TYPE "\"" LD_EDC "n#\":[{\"@value\":1}]," WAY "}", NULL);
    ck_assert(!catalog_like_write(ld, &(struct catalog_form){context, "dcat:dataset"},
                                  buf_str(&text), (struct catalog_page){0, SIZE_MAX}, &out));
    ck_assert_uint_eq(out.n, 0);
}

END_TEST

/* clang-format off */
static const struct { size_t n, offset, limit, want; } pages[] = {
    {MANY, 0, MANY, MANY}, {MANY, 0, 20, 20}, {MANY, 10, 20, 20}, {MANY, 20, 100, 20},
    {MANY, 30, 100, 0 /* too few */}, {MANY, 100, 100, 0}, {2, 0, 10, 0}, {0, 0, 10, 0},
};

/* clang-format on */

START_TEST(test_page)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct catalog_page page = {pages[_i].offset, pages[_i].limit};
    struct err err = {0};
    const struct jval *list;

    add_catalogue(&text, pages[_i].n, OURS("#"), NULL);
    ck_assert(catalog_like_write(ld, &(struct catalog_form){context, "dcat:dataset"},
                                 buf_str(&text), page, &out) == (pages[_i].want > 0));
    if (pages[_i].want == 0)
        return;
    ck_assert_int_eq(jdoc_parse(buf_str(&out), NULL, &doc, &err), 0);
    list = jval_get(jdoc_root(doc), "dcat:dataset");
    ck_assert_uint_eq(jval_len(list), pages[_i].want);
    for (size_t i = 0; i < pages[_i].want; i++) {
        char want[32];

        (void)snprintf(want, sizeof(want), "a-%zu", page.offset + i);
        ck_assert(str_eq_c(jval_str(jval_get(jval_at(list, i), "@id")), want));
    }
}

END_TEST

/* clang-format off */
static const char *const others[] = {
    "", "[]", "{}", "{\"dataset\":[]}", "{\"dataset\":{}}", "{\"dataset\":[1,2", "{\"dataset\":[]}}",
    "{\"dataset\":[],\"dataset\":[]}",
};

/* clang-format on */

START_TEST(test_other_texts)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));

    ck_assert(!catalog_like_write(ld, &(struct catalog_form){context, "dcat:dataset"},
                                  str_c(others[_i]), (struct catalog_page){0, SIZE_MAX}, &out));
    ck_assert_uint_eq(out.n, 0);
}

END_TEST

/* -- parts of JSON text -------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *text, *parts; bool complete; } spans[] = {
    {"[]", "", true},
    {" { } ", "", true},
    {"[1,\"a,]\",[2,[3]],{\"x\":[\"}\"]}]", "1|\"a,]\"|[2,[3]]|{\"x\":[\"}\"]}|", true},
    {"{\"a\":1,\"b\" : \"\\\"}\" , \"c\":{\"d\":\"\\\\\"}}", "a=1|b=\"\\\"}\"|c={\"d\":\"\\\\\"}|", true},
    {"[1,2] x", "1|2|", false},
    {"[1 2]", "1|", false},
    {"[1,]", "1|", false},
    {"[,1]", "", false},
    {"[1,2", "1|2|", false},
    {"[\"a]", "", false},
    {"[[1]", "[1]|", false},
    {"{\"a\" 1}", "", false},
    {"{a:1}", "", false},
    {"{\"a\":}", "", false},
    {"{\"a\":", "", false},
};

/* clang-format on */

START_TEST(test_span)
{
    AUTO(buf_done) struct buf got = buf_init(KIB(1));
    const struct str text = str_c(spans[_i].text);
    /* exactly its size, so that a read beyond it is seen */
    char *copy = malloc(text.n);
    struct str key, value;
    struct jspan span;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text.p, text.n);
    ck_assert(jspan_init(&span, str_n(copy, text.n)));
    while (jspan_next(&span, &key, &value)) {
        buf_add_str(&got, key);
        buf_add_c(&got, str_present(key) ? "=" : "");
        buf_add_str(&got, value);
        buf_add_char(&got, '|');
    }
    ck_assert_msg(str_eq_c(buf_str(&got), spans[_i].parts), "%s: %.*s", spans[_i].text,
                  STR_ARG(buf_str(&got)));
    ck_assert(jspan_complete(&span) == spans[_i].complete);
    free(copy);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mgmt_catalog");
    TCase *tc = tcase_create("catalogue");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test_catalogue, 0, (int)ARRAY_LEN(catalogues));
    tcase_add_test(tc, test_too_many_forms);
    tcase_add_loop_test(tc, test_page, 0, (int)ARRAY_LEN(pages));
    tcase_add_loop_test(tc, test_other_texts, 0, (int)ARRAY_LEN(others));
    suite_add_tcase(s, tc);
    tc = tcase_create("parts");
    tcase_add_loop_test(tc, test_span, 0, (int)ARRAY_LEN(spans));
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int failed;

    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
