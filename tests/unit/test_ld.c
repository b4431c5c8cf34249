/*
 * lib/ld beyond the W3C cases: built-in contexts only, references as written, the @vocab rule of management v3, strict mode,
 * repaired contexts, limits, compaction options, threads.
 */
#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/limits.h"
#include "lib/ld/ld.h"

#include "lib/base/banned.h"

#define DSP     "\"https://w3id.org/dspace/2025/1/context.jsonld\""
#define CX      "\"https://w3id.org/catenax/2025/9/policy/context.jsonld\""
#define CX_ODRL "\"https://w3id.org/catenax/2025/9/policy/odrl.jsonld\""
#define V2      "\"https://w3id.org/edc/connector/management/v2\""
#define ODRL    "\"http://www.w3.org/ns/odrl.jsonld\""
#define OFFER(rule)                                                                                \
    "{\"@context\":[" DSP "],\"@type\":\"ContractOfferMessage\",\"offer\":{\"@type\":\"Offer\","   \
    "\"@id\":\"urn:o\",\"target\":\"urn:t\",\"permission\":[" rule "]}}"

static const struct jlimits wide = {.bytes = MIB(64), .depth = 2000, .nodes = 4000000};

static struct ld *ld;

static void open_ld(void)
{
    struct err err = {0};

    ck_assert_msg(ld_open(&ld, &err) == 0, "%s", err.text);
}

static void close_ld(void)
{
    ld_close(&ld);
    ck_assert(ld == NULL);
}

static struct jdoc *parse(struct str text)
{
    struct err err = {0};
    struct jdoc *doc = NULL;

    ck_assert_msg(jdoc_parse(text, &wide, &doc, &err) == 0, "%s", err.text);
    return doc;
}

/* Expands a text; NULL with *err set if it is refused. */
static struct jdoc *expand(const char *text, const struct ld_options *options, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = parse(str_c(text));
    struct jdoc *out = NULL;

    err_clear(err);
    return ld_expand(ld, jdoc_root(doc), options, &out, err) == 0 ? out : NULL;
}

static struct ld_context *context_of(const char *json)
{
    struct ld_context *context = NULL;
    struct err err = {0};

    ck_assert_msg(ld_context_open(ld, str_c(json), STR_NONE, &context, &err) == 0, "%s", err.text);
    return context;
}

static void assert_json(const struct jdoc *doc, const char *want)
{
    AUTO(jdoc_free) struct jdoc *expected = parse(str_c(want));
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    jval_write(&text, jdoc_root(doc));
    ck_assert_msg(jval_eq(jdoc_root(doc), jdoc_root(expected)), "got %.*s, want %s",
                  STR_ARG(buf_str(&text)), want);
}

/* -- expansion ------------------------------------------------------------------------------------------------------ */

/* clang-format off */
static const struct {
    const char *text, *vocab, *want;
} expansions[] = {
    /* references stay as written */
    {"{\"@id\":\"assetId\",\"http://x/p\":1}", NULL,
     "[{\"@id\":\"assetId\",\"http://x/p\":[{\"@value\":1}]}]"},
    {"{\"@context\":{\"a\":{\"@id\":\"http://x/a\",\"@type\":\"@id\"}},\"a\":\"../b\"}", NULL,
     "[{\"http://x/a\":[{\"@id\":\"../b\"}]}]"},
    /* management v3: @vocab where the context is missing or an object without it */
    {"{\"a\":1}", LD_EDC, "[{\"" LD_EDC "a\":[{\"@value\":1}]}]"},
    {"{\"@context\":{},\"a\":1}", LD_EDC, "[{\"" LD_EDC "a\":[{\"@value\":1}]}]"},
    {"{\"@context\":{\"edc\":\"" LD_EDC "\"},\"a\":1}", LD_EDC,
     "[{\"" LD_EDC "a\":[{\"@value\":1}]}]"},
    {"{\"@context\":{\"@vocab\":\"http://x/\"},\"a\":1}", LD_EDC,
     "[{\"http://x/a\":[{\"@value\":1}]}]"},
    {"{\"@context\":[{}],\"@id\":\"i\",\"a\":1,\"http://x/b\":2}", LD_EDC,
     "[{\"@id\":\"i\",\"http://x/b\":[{\"@value\":2}]}]"},
    {"{\"@context\":" ODRL ",\"a\":1,\"permission\":[]}", LD_EDC,
     "[{\"" LD_ODRL "permission\":[]}]"},
    {"{\"a\":1}", "http://y/", "[{\"http://y/a\":[{\"@value\":1}]}]"},
    {"{\"a\":1}", NULL, "[]"},
    /* a policy under the odrl context, inside an asset of the vocabulary */
    {"{\"@context\":{\"@vocab\":\"" LD_EDC "\"},\"policy\":{\"@context\":" ODRL
     ",\"@type\":\"Set\",\"permission\":[{\"action\":\"use\"}]}}", NULL,
     "[{\"" LD_EDC "policy\":[{\"@type\":[\"" LD_ODRL "Set\"],\"" LD_ODRL
     "permission\":[{\"" LD_ODRL "action\":[{\"@id\":\"" LD_ODRL "use\"}]}]}]}]"},
    /* the type's context reaches into the offer, because it propagates */
    {OFFER("{\"action\":\"use\"}"), NULL,
     "[{\"@type\":[\"" LD_DSPACE "ContractOfferMessage\"],\"" LD_DSPACE
     "offer\":[{\"@id\":\"urn:o\",\"@type\":[\"" LD_ODRL "Offer\"],\"" LD_ODRL
     "target\":[{\"@id\":\"urn:t\"}],\"" LD_ODRL "permission\":[{\"" LD_ODRL
     "action\":[{\"@id\":\"" LD_ODRL "use\"}]}]}]}]"},
    /* and that of an asset does not reach into a node of its own */
    {"{\"@context\":[" V2 "],\"@type\":\"Asset\",\"properties\":{\"k\":{\"properties\":1}}}", NULL,
     "[{\"@type\":[\"" LD_EDC "Asset\"],\"" LD_EDC "properties\":[{\"" LD_EDC "k\":[{\"" LD_EDC
     "properties\":[{\"@value\":1}]}]}]}]"},
    /* both spellings of the odrl context */
    {"{\"@context\":\"https://www.w3.org/ns/odrl.jsonld\",\"uid\":\"urn:p\",\"type\":\"Set\"}",
     NULL, "[{\"@id\":\"urn:p\",\"@type\":[\"" LD_ODRL "Set\"]}]"},
};

/* clang-format on */

START_TEST(expands)
{
    struct ld_options options = {.vocab = str_c(expansions[_i].vocab)};
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *out = expand(expansions[_i].text, &options, &err);

    ck_assert_msg(out != NULL, "%s", err.text);
    assert_json(out, expansions[_i].want);
}

END_TEST

static const struct {
    const char *text, *code;
} refused[] = {
    {"{\"@context\":\"https://example.org/c.jsonld\",\"a\":1}",                          "https://example.org/c.jsonld"   },
    {"{\"@context\":[" DSP ",\"nowhere\"]}",                                             "'nowhere' is not built in"      },
    {"{\"@context\":{\"@import\":\"https://example.org/c\"}}",                           "https://example.org/c"          },
    {"{\"@context\":[" DSP "," CX "],\"@id\":\"a\"}",                                    "'protected term redefinition'"  },
    {"{\"@context\":[" DSP ",{\"ContractOfferMessage\":\"http://x/y\"}]}",
     "'protected term redefinition'"                                                                                      },
    {"{\"@context\":[" DSP ",{\"odrl\":\"http://x/\"}]}",                                "'protected term redefinition'"  },
    {"{\"@context\":[" DSP ",null]}",                                                    "'invalid context nullification'"},
    {"{\"@context\":[" DSP ",{\"odrl\":{\"@id\":\"@odrl\"}},{\"odrl\":\"http://x/\"}]}",
     "'protected term redefinition'"                                                                                      },
    {"{\"@context\":[" DSP ",{\"odrl\":{\"@reverse\":\"http://x/y\"}}]}",
     "'protected term redefinition'"                                                                                      },
    {"{\"@context\":{\"a\":\"b:c\",\"b\":\"a:d\"},\"a\":1}",                             "'cyclic IRI mapping'"           },
    {"{\"@id\":1}",                                                                      "'invalid @id value'"            },
    {"{\"@context\":1}",                                                                 "'invalid local context'"        },
};

START_TEST(refuses)
{
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *out = expand(refused[_i].text, NULL, &err);

    ck_assert_msg(out == NULL, "%s", refused[_i].text);
    ck_assert_int_eq(err.code, E_INVALID);
    ck_assert_msg(strstr(err.text, refused[_i].code) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.detail, refused[_i].code) != NULL, "%s", err.detail);
}

END_TEST

START_TEST(error_names_the_place)
{
    struct err err = {0};
    AUTO(jdoc_free)
    struct jdoc *out = expand("{\"http://x/a\":[1,{\"http://x/~/b\":{\"@id\":7}}]}", NULL, &err);

    ck_assert(out == NULL);
    ck_assert_str_eq(err.at, "/http:~1~1x~1a/1/http:~1~1x~1~0~1b/@id");
}

END_TEST

START_TEST(views)
{
    struct err err = {0};
    AUTO(jdoc_free)
    struct jdoc *out = expand(
        OFFER("{\"action\":\"use\",\"constraint\":[{\"leftOperand\":\"odrl:count\",\"operator\":"
              "\"lteq\",\"rightOperand\":5}]},{\"action\":\"odrl:read\"}"),
        NULL, &err);
    const struct jval *offer = ld_first(ld_root(out), LD_DSPACE "offer");
    const struct jval *rules = ld_values(offer, LD_ODRL "permission");
    const struct jval *constraint = ld_first(jval_at(rules, 0), LD_ODRL "constraint");
    int64_t count = 0;

    ck_assert(str_eq_c(ld_type(ld_root(out)), LD_DSPACE "ContractOfferMessage"));
    ck_assert(ld_has_type(offer, LD_ODRL "Offer"));
    ck_assert(!ld_has_type(offer, LD_ODRL "Set"));
    ck_assert(str_eq_c(ld_id(offer), "urn:o"));
    ck_assert_uint_eq(jval_len(rules), 2);
    ck_assert(str_eq_c(ld_text(jval_at(rules, 1), LD_ODRL "action"), LD_ODRL "read"));
    ck_assert(str_eq_c(ld_text(constraint, LD_ODRL "operator"), LD_ODRL "lteq"));
    ck_assert(jval_i64(ld_value(constraint, LD_ODRL "rightOperand"), &count) && count == 5);
    ck_assert(!str_present(ld_text(constraint, LD_ODRL "rightOperand")));
    ck_assert(ld_first(NULL, LD_ODRL "x") == NULL && !str_present(ld_id(NULL)));
    ck_assert(!str_present(ld_text(offer, LD_ODRL "nothing")));
}

END_TEST

START_TEST(list_is_seen_through)
{
    struct err err = {0};
    AUTO(jdoc_free)
    struct jdoc *out = expand(
        "{\"http://x/l\":{\"@list\":[\"a\",\"b\"]},\"http://x/e\":{\"@list\":[]}}", NULL, &err);

    ck_assert_uint_eq(jval_len(ld_values(ld_root(out), "http://x/l")), 2);
    ck_assert(str_eq_c(ld_text(ld_root(out), "http://x/l"), "a"));
    ck_assert(ld_first(ld_root(out), "http://x/e") == NULL);
}

END_TEST

/* -- strict mode ---------------------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *text;
    enum ld_issue_kind kind;
    const char *at, *what;
} issues[] = {
    {OFFER("{\"action\":\"use\",\"constraints\":[{\"leftOperand\":\"odrl:count\"}]}"),
     LD_UNDEFINED_TERM, "/offer/permission/0/constraints", "constraints"},
    {OFFER("{\"action\":\"use\",\"refinement\":[]}"), LD_UNDEFINED_TERM,
     "/offer/permission/0/refinement", "refinement"},
    {OFFER(
         "{\"action\":\"use\",\"constraint\":[{\"leftOperand\":\"odrl:count\",\"operator\":\"eq\","
         "\"rightOperand\":null}]}"),
     LD_DROPPED_VALUE, "/offer/permission/0/constraint/0/rightOperand", "null"},
    {OFFER("{\"action\":\"read\"}"), LD_RELATIVE_TERM, "/offer/permission/0/action", "read"},
    {OFFER("{\"action\":\"cx:use\"}"), LD_UNKNOWN_PREFIX, "/offer/permission/0/action", "cx:use"},
    {OFFER("{\"action\":\"use\",\"cx:a\":1}"), LD_UNKNOWN_PREFIX, "/offer/permission/0/cx:a",
     "cx:a"},
    {OFFER("{\"@type\":\"Permit\",\"action\":\"use\"}"), LD_RELATIVE_TERM,
     "/offer/permission/0/@type", "Permit"},
    {OFFER("{\"@foo\":1,\"action\":\"use\"}"), LD_KEYWORD_LIKE, "/offer/permission/0/@foo", "@foo"},
    {OFFER("{\"@context\":{\"use\":\"odrl:read\"},\"action\":\"use\"}"), 0, "/offer/permission/0/@context", "'protected term redefinition': 'use'"},
    {"{\"@context\":[" CX_ODRL ",{\"prohibition\":\"http://x/nothing\"}],\"@id\":\"a\","
     "\"prohibition\":[]}", LD_REDEFINED_TERM, "/@context/1/prohibition", "prohibition"},
    {"{\"@context\":[{\"@vocab\":\"http://x/\"},{\"@vocab\":\"http://y/\"}],\"a\":1}",
     LD_REDEFINED_TERM, "/@context/1/@vocab", "@vocab"},
    {"{\"@context\":" CX_ODRL ",\"permission\":[{\"@context\":null,\"action\":\"use\"}]}",
     LD_CONTEXT_RESET, "/permission/0/@context", "null"},
    {"{\"@context\":" CX_ODRL ",\"permission\":[{\"@id\":null}]}", 0, "/permission/0/@id", ""},
    {"{\"@context\":[" CX_ODRL "," CX "],\"permission\":[{\"action\":\"odrl:use\"}]}",
     LD_UNKNOWN_PREFIX, "/permission/0/action", "odrl:use"},
    {"{\"@context\":" CX_ODRL ",\"permission\":[{\"action\":\"use\",\"constraint\":[{\"x\":1}]}]}",
     LD_UNDEFINED_TERM, "/permission/0/constraint/0/x", "x"},
    {"{\"@graph\":[{\"@id\":\"a\"}]}", LD_DROPPED_VALUE, "/@graph/0", "{}"},
};

/* clang-format on */

START_TEST(strict_refuses)
{
    struct ld_options options = {.strict = LD_STRICT};
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *out = expand(issues[_i].text, &options, &err);

    ck_assert_msg(out == NULL, "%s", issues[_i].text);
    ck_assert_int_eq(err.code, E_INVALID);
    ck_assert_str_eq(err.at, issues[_i].at);
    ck_assert_msg(strstr(err.text, issues[_i].what) != NULL, "%s", err.text);
    if (issues[_i].kind == 0)
        return;
    ck_assert_msg(strstr(err.text, ld_issue_name(issues[_i].kind)) != NULL, "%s", err.text);

    /* lenient, it is reported only */
    static struct ld_report report;
    struct ld_options lenient = {.report = &report};
    AUTO(jdoc_free) struct jdoc *again = expand(issues[_i].text, &lenient, &err);
    bool found = false;

    ck_assert_msg(again != NULL, "%s", err.text);
    for (size_t i = 0; i < report.n; i++)
        found = found || (report.issue[i].kind == issues[_i].kind &&
                          strcmp(report.issue[i].at, issues[_i].at) == 0);
    ck_assert(found);
}

END_TEST

/* clang-format off */
static const char *const clean[] = {
    OFFER("{\"action\":\"use\",\"constraint\":[{\"and\":[{\"leftOperand\":\"odrl:count\","
          "\"operator\":\"lteq\",\"rightOperand\":5}]}]}"),
    OFFER("{\"action\":\"use\",\"assigner\":\"BPNL000000000001\"}"),
    "{\"@context\":[" CX "," DSP
    "],\"@type\":\"ContractOfferMessage\",\"offer\":{\"@type\":\"Offer\","
    "\"@id\":\"o\",\"permission\":[{\"action\":\"use\",\"constraint\":[{\"leftOperand\":"
    "\"FrameworkAgreement\",\"operator\":\"eq\",\"rightOperand\":\"DataExchangeGovernance:1.0\"}]}]}}",
    "{\"@context\":{\"@vocab\":\"" LD_EDC "\"},\"@id\":\"a\",\"properties\":{}}",
    /* management v1 maps uid to nothing on purpose */
    "{\"@context\":\"https://w3id.org/edc/connector/management/v0.0.1\",\"@type\":"
    "\"PolicyDefinition\",\"policy\":{\"@type\":\"Set\",\"uid\":\"x\"}}",
    "{\"http://x/a\":{\"@id\":\"did:web:x\"},\"http://x/urn\":\"urn:uuid:1\"}",
};

/* clang-format on */

START_TEST(strict_accepts)
{
    struct ld_options options = {.strict = LD_STRICT};
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *out = expand(clean[_i], &options, &err);

    ck_assert_msg(out != NULL, "%s at %s", err.text, err.at);
}

END_TEST

START_TEST(all_issues_are_reported)
{
    static struct ld_report report;
    struct ld_options options = {.strict = LD_STRICT, .report = &report};
    struct err err = {0};
    AUTO(jdoc_free)
    struct jdoc *out =
        expand("{\"@context\":" CX_ODRL ",\"permission\":[{\"@context\":null,\"action\":\"use\"}],"
               "\"typo\":null,\"profile\":\"relative\"}",
               &options, &err);

    ck_assert(out == NULL);
    ck_assert_uint_eq(report.n, 5);
    ck_assert_uint_eq(report.total, 5);
    ck_assert_int_eq(report.issue[0].kind, LD_CONTEXT_RESET);
    ck_assert_int_eq(report.issue[1].kind, LD_UNDEFINED_TERM);
    ck_assert_str_eq(report.issue[1].at, "/permission/0/action");
    ck_assert_int_eq(report.issue[2].kind, LD_EMPTY_NODE);
    ck_assert_str_eq(report.issue[2].at, "/permission/0");
    ck_assert_str_eq(report.issue[3].at, "/typo");
    ck_assert_int_eq(report.issue[4].kind, LD_RELATIVE_ID);
    ck_assert(strstr(err.text, "(and 3 more)") != NULL);
}

END_TEST

START_TEST(report_is_bounded)
{
    static struct ld_report report;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct ld_options options = {.report = &report};
    struct err err = {0};

    buf_add_c(&text, "{\"@id\":\"urn:x\"");
    for (int i = 0; i < 100; i++)
        buf_printf(&text, ",\"t%d\":1", i);
    buf_add(&text, "}", 2); /* terminated */
    AUTO(jdoc_free) struct jdoc *out = expand(buf_str(&text).p, &options, &err);

    ck_assert(out != NULL);
    ck_assert_uint_eq(report.n, LD_REPORT_MAX);
    ck_assert_uint_eq(report.total, 101); /* the node, which has nothing but its id, too */
}

END_TEST

START_TEST(strict_below_a_place)
{
    const char *text =
        "{\"@context\":{\"@vocab\":\"http://x/\"},\"note\":null,\"policy\":{\"@context\":"
        "null,\"a\":1},\"policyId\":null}";
    struct ld_options options = {.strict = LD_STRICT, .strict_below = STR("/policy")};
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *refused_there = expand(text, &options, &err);

    ck_assert(refused_there == NULL);
    ck_assert_str_eq(err.at, "/policy/@context");
    options.strict_below = STR("/pol");
    AUTO(jdoc_free) struct jdoc *elsewhere = expand(text, &options, &err);

    ck_assert_msg(elsewhere != NULL, "%s", err.text);
}

END_TEST

/* -- the published Catena-X context, and its repaired form ------------------------------------------------------------ */

START_TEST(repair_is_a_choice)
{
    const char *text =
        "{\"@context\":[" CX_ODRL "," CX "],\"permission\":[{\"action\":\"odrl:use\","
        "\"constraint\":[{\"leftOperand\":\"WarrantyDurationMonths\"}]}]}";
    struct ld_options options = {.repair = false};
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *published = expand(text, &options, &err);

    options.repair = true;
    AUTO(jdoc_free) struct jdoc *repaired = expand(text, &options, &err);
    const struct jval *before = ld_first(ld_root(published), LD_ODRL "permission");
    const struct jval *after = ld_first(ld_root(repaired), LD_ODRL "permission");

    ck_assert(str_eq_c(ld_text(before, LD_ODRL "action"), "odrl:use"));
    ck_assert(str_eq_c(ld_text(after, LD_ODRL "action"), LD_ODRL "use"));
    ck_assert(str_eq_c(ld_text(ld_first(before, LD_ODRL "constraint"), LD_ODRL "leftOperand"),
                       "WarrantyDurationMonths"));
    ck_assert(str_eq_c(ld_text(ld_first(after, LD_ODRL "constraint"), LD_ODRL "leftOperand"),
                       LD_CX "WarrantyDurationMonths"));

    AUTO(jdoc_free)
    struct jdoc *order =
        expand("{\"@context\":[" DSP "," CX "],\"@id\":\"a\",\"http://x/a\":1}", &options, &err);

    ck_assert_msg(order != NULL, "%s", err.text);
}

END_TEST

/* -- compaction ----------------------------------------------------------------------------------------------------- */

#define EDC_CONTEXT "{\"@vocab\":\"" LD_EDC "\",\"edc\":\"" LD_EDC "\",\"odrl\":\"" LD_ODRL "\"}"

/* clang-format off */
static const struct {
    const char *text, *context;
    bool keep_arrays, no_context, forced;
    const char *want;
} compactions[] = {
    /* what management v3 answers: one element collapses */
    {"{\"@context\":{\"@vocab\":\"" LD_EDC
     "\"},\"@id\":\"a\",\"@type\":\"Asset\",\"list\":[{\"k\":1}],"
     "\"dataAddress\":{\"type\":\"HttpData\"}}", EDC_CONTEXT, false, false, false,
     "{\"@context\":" EDC_CONTEXT ",\"@id\":\"a\",\"@type\":\"Asset\",\"list\":{\"k\":1},"
     "\"dataAddress\":{\"type\":\"HttpData\"}}"},
    {"{\"http://www.w3.org/ns/odrl/2/permission\":[{\"http://www.w3.org/ns/odrl/2/action\":{\"@id\":"
     "\"http://www.w3.org/ns/odrl/2/use\"}}]}", EDC_CONTEXT, false, true, false,
     "{\"odrl:permission\":{\"odrl:action\":{\"@id\":\"odrl:use\"}}}"},
    {"{\"http://www.w3.org/ns/odrl/2/permission\":[{\"http://www.w3.org/ns/odrl/2/and\":[{\"@id\":"
     "\"urn:a\"}]}]}", EDC_CONTEXT, false, true, true,
     "{\"odrl:permission\":[{\"odrl:and\":[{\"@id\":\"urn:a\"}]}]}"},
    {"{\"http://www.w3.org/ns/odrl/2/and\":{\"@id\":\"urn:a\"},\"@type\":\"urn:T\"}", EDC_CONTEXT,
     true, true, false, "{\"@graph\":[{\"odrl:and\":[{\"@id\":\"urn:a\"}],\"@type\":[\"urn:T\"]}]}"},
    /* sets of the DSP context stay arrays */
    {OFFER("{\"action\":\"use\"}"), "[" DSP "]", false, false, false,
     OFFER("{\"action\":\"use\"}")},
    {"[{\"@id\":\"urn:a\",\"http://x/p\":1},{\"@id\":\"urn:b\",\"http://x/p\":2}]", "{}", false,
     false, false,
     "{\"@graph\":[{\"@id\":\"urn:a\",\"http://x/p\":1},{\"@id\":\"urn:b\",\"http://x/p\":2}]}"},
    {"[]", "{}", false, false, false, "{}"},
};

/* clang-format on */

START_TEST(compacts)
{
    static const char *const forced[] = {LD_ODRL "and", LD_ODRL "permission", NULL};
    struct ld_options options = {.keep_arrays = compactions[_i].keep_arrays,
                                 .no_context = compactions[_i].no_context,
                                 .arrays_of = compactions[_i].forced ? forced : NULL};
    AUTO(ld_context_close) struct ld_context *context = context_of(compactions[_i].context);
    AUTO(jdoc_free) struct jdoc *doc = parse(str_c(compactions[_i].text));
    AUTO(jdoc_free) struct jdoc *out = NULL;
    struct err err = {0};

    ck_assert_msg(ld_compact(ld, jdoc_root(doc), context, &options, &out, &err) == 0, "%s",
                  err.text);
    assert_json(out, compactions[_i].want);

    /* as text it is the same */
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(jdoc_free) struct jdoc *read = NULL;

    ck_assert(ld_compact_write(ld, jdoc_root(doc), context, &options, &text, &err) == 0);
    ck_assert_msg(jdoc_parse(buf_str(&text), NULL, &read, &err) == 0, "%s", err.text);
    ck_assert(jval_eq(jdoc_root(out), jdoc_root(read)));
}

END_TEST

START_TEST(compact_text_keeps_values)
{
    const char *values = "[1.5,-7,true,false,\"\\u0001\\n\\\"\",\"한글\",9007199254740993]";
    AUTO(buf_done) struct buf source = buf_init(4096);
    AUTO(buf_done) struct buf text = buf_init(4096);
    AUTO(buf_done) struct buf small = buf_init(10);
    AUTO(ld_context_close) struct ld_context *context = context_of("{}");
    AUTO(jdoc_free) struct jdoc *read = NULL;
    struct ld_options options = {.no_context = true};
    struct err err = {0};

    buf_printf(&source, "{\"http://x/v\":%s}", values);
    AUTO(jdoc_free) struct jdoc *doc = parse(buf_str(&source));

    ck_assert(ld_compact_write(ld, jdoc_root(doc), context, &options, &text, &err) == 0);
    ck_assert(jdoc_parse(buf_str(&text), NULL, &read, &err) == 0);
    ck_assert(jval_eq(jdoc_root(doc), jdoc_root(read)));
    ck_assert(ld_compact_write(ld, jdoc_root(doc), context, &options, &small, &err) < 0);
    ck_assert_int_eq(err.code, E_LIMIT);
}

END_TEST

static void round_trip(const char *path)
{
    static char text[MIB(1)];
    FILE *f = fopen(path, "re");

    ck_assert_msg(f != NULL, "%s", path);
    size_t n = fread(text, 1, sizeof(text), f);

    fclose(f);
    AUTO(jdoc_free) struct jdoc *doc = parse(str_n(text, n));
    AUTO(jdoc_free) struct jdoc *expanded = NULL;
    AUTO(jdoc_free) struct jdoc *out = NULL;
    AUTO(buf_done) struct buf context_text = buf_init(MIB(1));
    const struct jval *own = jval_get(jdoc_root(doc), "@context");
    struct err err = {0};
    static const char *const arrays[] = {LD_ODRL "and", LD_ODRL "or", LD_ODRL "xone",
                                         LD_ODRL "andSequence", NULL};
    struct ld_options options = {.arrays_of = arrays};

    if (own == NULL)
        return;
    jval_write(&context_text, own);
    AUTO(ld_context_close) struct ld_context *context = NULL;

    ck_assert_msg(ld_context_open(ld, buf_str(&context_text), STR_NONE, &context, &err) == 0,
                  "%s: %s", path, err.text);
    ck_assert_msg(ld_expand(ld, jdoc_root(doc), NULL, &expanded, &err) == 0, "%s: %s", path,
                  err.text);
    ck_assert_msg(ld_compact(ld, jdoc_root(expanded), context, &options, &out, &err) == 0, "%s: %s",
                  path, err.text);
    AUTO(buf_done) struct buf got = buf_init(MIB(1));

    jval_write(&got, jdoc_root(out));
    ck_assert_msg(jval_eq(jdoc_root(doc), jdoc_root(out)), "%s: %.*s", path,
                  STR_ARG(buf_str(&got)));
}

/* Every message of the specification comes back as it was. */
START_TEST(dsp_examples_round_trip)
{
    static const char *const folders[] = {"catalog", "negotiation", "transfer"};
    unsigned seen = 0;

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        char path[512];

        (void)snprintf(path, sizeof(path), "../shared/spec/dsp-2025-1/%s/example", folders[i]);
        DIR *dir = opendir(path);

        if (dir == NULL) {
            printf("skipped: %s is not there\n", path);
            return;
        }
        for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
            char file[1024];

            if (e->d_name[0] == '.')
                continue;
            (void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
            round_trip(file);
            seen++;
        }
        closedir(dir);
    }
    ck_assert_uint_ge(seen, 20);
}

END_TEST

START_TEST(context_must_be_valid)
{
    static const struct {
        const char *text;
        enum err_code code;
    } bad[] = {
        {"{\"a\":",                   E_SYNTAX },
        {"{\"a\":\"b\"}",             E_INVALID},
        {"\"https://example.org/c\"", E_INVALID},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ld_context *context = NULL;
        struct err err = {0};

        ck_assert(ld_context_open(ld, str_c(bad[i].text), STR_NONE, &context, &err) < 0);
        ck_assert_int_eq(err.code, bad[i].code);
        ck_assert(context == NULL);
    }
}

END_TEST

START_TEST(prepared_context_expands)
{
    AUTO(ld_context_close)
    struct ld_context *context = context_of("{\"@context\":{\"a\":\"http://x/a\"}}");
    struct ld_options options = {.context = context, .vocab = STR("http://v/")};
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *out = expand("{\"a\":1,\"b\":2}", &options, &err);

    assert_json(out, "[{\"http://x/a\":[{\"@value\":1}],\"http://v/b\":[{\"@value\":2}]}]");
}

END_TEST

START_TEST(scratch_memory_may_be_lent)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(arena_free) struct arena *small = arena_new(512);
    struct ld_options options = {.arena = arena};
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *out = expand(OFFER("{\"action\":\"use\"}"), &options, &err);

    ck_assert(out != NULL);
    ck_assert_uint_gt(arena_used(arena), 0);
    arena_free(&arena);
    ck_assert(str_eq_c(ld_type(ld_root(out)), LD_DSPACE "ContractOfferMessage"));
    options.arena = small;
    AUTO(jdoc_free) struct jdoc *none = expand(OFFER("{\"action\":\"use\"}"), &options, &err);

    ck_assert(none == NULL);
    ck_assert_int_eq(err.code, E_LIMIT);
}

END_TEST

/* -- limits --------------------------------------------------------------------------------------------------------- */

static void repeat(struct buf *text, const char *part, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_add_c(text, part);
}

static enum err_code expand_text(struct buf *text)
{
    AUTO(jdoc_free) struct jdoc *doc = parse(buf_str(text));
    AUTO(jdoc_free) struct jdoc *out = NULL;
    struct err err = {0};

    if (ld_expand(ld, jdoc_root(doc), NULL, &out, &err) == 0)
        return E_OK;
    ck_assert_msg(err.code != E_LIMIT || err.detail[0] != '\0', "no detail");
    return err.code;
}

static enum err_code nested(size_t n)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    repeat(&text, "{\"http://x/a\":", n);
    buf_add_c(&text, "1");
    repeat(&text, "}", n);
    return expand_text(&text);
}

static enum err_code chained(size_t n)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    buf_add_c(&text, "{\"@context\":[{}");
    repeat(&text, ",{}", n - 1);
    buf_add_c(&text, "],\"http://x/a\":1}");
    return expand_text(&text);
}

static enum err_code terms(size_t n)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(16));

    buf_add_c(&text, "{\"@context\":{\"x\":\"http://x/\"");
    for (size_t i = 1; i < n; i++)
        buf_printf(&text, ",\"t%zu\":\"x:t%zu\"", i, i);
    buf_add_c(&text, "},\"http://x/a\":1}");
    return expand_text(&text);
}

START_TEST(limits_hold)
{
    ck_assert_int_eq(nested(LIMIT_LD_DEPTH - 1), E_OK); /* the value is one level too */
    ck_assert_int_eq(nested(LIMIT_LD_DEPTH), E_LIMIT);
    ck_assert_int_eq(nested(900), E_LIMIT);
    ck_assert_int_eq(chained(LIMIT_LD_CONTEXTS), E_OK);
    ck_assert_int_eq(chained(LIMIT_LD_CONTEXTS + 1), E_LIMIT);
    ck_assert_int_eq(terms(LIMIT_LD_TERMS), E_OK);
    ck_assert_int_eq(terms(LIMIT_LD_TERMS + 1), E_LIMIT);
    ck_assert_int_eq(terms(100000), E_LIMIT);
}

END_TEST

/* Terms that need each other in a long chain, and contexts within contexts. */
START_TEST(recursion_is_bounded)
{
    AUTO(buf_done) struct buf chain = buf_init(MIB(1));
    AUTO(buf_done) struct buf scoped = buf_init(MIB(1));

    buf_add_c(&chain, "{\"@context\":{\"t4000\":\"http://x/\"");
    for (int i = 3999; i >= 0; i--)
        buf_printf(&chain, ",\"t%d\":\"t%d:a\"", i, i + 1);
    buf_add_c(&chain, "},\"http://x/a\":1}");
    ck_assert_int_eq(expand_text(&chain), E_OK);

    buf_reset(&chain);
    buf_add_c(&chain, "{\"@context\":{\"t0\":\"t1:a\"");
    for (int i = 1; i < 4000; i++)
        buf_printf(&chain, ",\"t%d\":\"t%d:a\"", i, i + 1);
    buf_add_c(&chain, "},\"http://x/a\":1}");
    ck_assert_int_eq(expand_text(&chain), E_LIMIT);

    buf_add_c(&scoped, "{\"@context\":");
    repeat(&scoped, "{\"a\":{\"@id\":\"http://x/a\",\"@context\":", 300);
    buf_add_c(&scoped, "{}");
    repeat(&scoped, "}}", 300);
    buf_add_c(&scoped, ",\"http://x/a\":1}");
    ck_assert_int_eq(expand_text(&scoped), E_LIMIT);
}

END_TEST

/* A short text whose expanded form would be huge. */
START_TEST(memory_is_bounded)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(2));

    buf_add_c(&text, "{\"@context\":{\"p\":\"http://x/");
    repeat(&text, "aaaaaaaaaa", 50000);
    buf_add_c(&text, "/\",\"l\":{\"@id\":\"http://x/l\",\"@type\":\"@vocab\"}},\"l\":[\"p:a\"");
    repeat(&text, ",\"p:a\"", 10000);
    buf_add_c(&text, "]}");
    ck_assert_int_eq(expand_text(&text), E_LIMIT);

    AUTO(buf_done) struct buf scoped = buf_init(MIB(2));

    buf_add_c(&scoped,
              "{\"@context\":{\"a\":{\"@id\":\"http://x/a\",\"@context\":{\"b\":\"http://x/b\"");
    for (int i = 0; i < 3000; i++)
        buf_printf(&scoped, ",\"t%d\":\"http://x/t\"", i);
    buf_add_c(&scoped, "}}},\"a\":[{\"b\":1}");
    repeat(&scoped, ",{\"b\":1}", 5000);
    buf_add_c(&scoped, "]}");
    ck_assert_int_eq(expand_text(&scoped), E_LIMIT);
}

END_TEST

/* More kinds of context than the cache holds are still expanded right. */
START_TEST(full_cache_is_harmless)
{
    struct err err = {0};

    for (unsigned i = 0; i < 2 * LIMIT_LD_CACHE; i++) {
        AUTO(buf_done) struct buf text = buf_init(MIB(1));

        buf_add_c(&text, "{\"@context\":[");
        for (unsigned bit = 0; bit < 10; bit++)
            buf_add_c(&text, (i >> bit & 1) != 0 ? CX "," : CX_ODRL ",");
        buf_add_c(&text, CX_ODRL "],\"permission\":[{\"action\":\"use\"}]}");
        buf_add_char(&text, '\0');
        AUTO(jdoc_free) struct jdoc *out = expand(buf_str(&text).p, NULL, &err);

        ck_assert_msg(out != NULL, "%s", err.text);
        assert_json(out, "[{\"" LD_ODRL "permission\":[{\"" LD_ODRL "action\":[{\"@id\":\"" LD_ODRL
                         "use\"}]}]}]");
    }
}

END_TEST

/* -- threads -------------------------------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    const struct ld_context *context;
    unsigned failed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    AUTO(jdoc_free) struct jdoc *doc = parse(str_c(clean[2]));
    AUTO(jdoc_free) struct jdoc *first = NULL;
    struct err err = {0};

    for (int i = 0; i < 50; i++) {
        AUTO(jdoc_free) struct jdoc *out = NULL;
        AUTO(jdoc_free) struct jdoc *compacted = NULL;

        w->failed += ld_expand(ld, jdoc_root(doc), NULL, &out, &err) < 0;
        w->failed += ld_compact(ld, jdoc_root(out), w->context, NULL, &compacted, &err) < 0;
        if (first == NULL)
            first = MOVE(compacted);
        else
            w->failed += !jval_eq(jdoc_root(first), jdoc_root(compacted));
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    AUTO(ld_context_close) struct ld_context *context = context_of("[" DSP "]");
    struct worker workers[4] = {0};

    for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
        workers[i].context = context;
        ck_assert(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
        pthread_join(workers[i].thread, NULL);
        ck_assert_uint_eq(workers[i].failed, 0);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ld");
    TCase *tc = tcase_create("ld");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, open_ld, close_ld);
    tcase_add_loop_test(tc, expands, 0, (int)ARRAY_LEN(expansions));
    tcase_add_loop_test(tc, refuses, 0, (int)ARRAY_LEN(refused));
    tcase_add_test(tc, error_names_the_place);
    tcase_add_test(tc, views);
    tcase_add_test(tc, list_is_seen_through);
    tcase_add_loop_test(tc, strict_refuses, 0, (int)ARRAY_LEN(issues));
    tcase_add_loop_test(tc, strict_accepts, 0, (int)ARRAY_LEN(clean));
    tcase_add_test(tc, all_issues_are_reported);
    tcase_add_test(tc, report_is_bounded);
    tcase_add_test(tc, strict_below_a_place);
    tcase_add_test(tc, repair_is_a_choice);
    tcase_add_loop_test(tc, compacts, 0, (int)ARRAY_LEN(compactions));
    tcase_add_test(tc, compact_text_keeps_values);
    tcase_add_test(tc, dsp_examples_round_trip);
    tcase_add_test(tc, context_must_be_valid);
    tcase_add_test(tc, prepared_context_expands);
    tcase_add_test(tc, scratch_memory_may_be_lent);
    tcase_add_test(tc, limits_hold);
    tcase_add_test(tc, recursion_is_bounded);
    tcase_add_test(tc, memory_is_bounded);
    tcase_add_test(tc, full_cache_is_harmless);
    tcase_add_test(tc, threads_share_it);
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
