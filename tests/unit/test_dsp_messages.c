/*
 * Messages of DSP 2025-1: what is taken, what is refused and where, and that what we write can be read again.
 * The specification's examples are read from ../shared where it is there.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>

#include "connector/dsp/message.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define CTX "\"@context\":[\"" DSP_CONTEXT "\"],"
#define OFFER                                                                                      \
    "{\"@id\":\"o\",\"@type\":\"Offer\",\"target\":\"t\",\"permission\":[{\"action\":\"use\"}]}"
#define AGREEMENT                                                                                  \
    "{\"@id\":\"a\",\"@type\":\"Agreement\",\"target\":\"t\",\"assigner\":\"p\",\"assignee\":\"c\"}"
#define BOTH "\"providerPid\":\"p\",\"consumerPid\":\"c\""
#define SPEC "../shared/spec/dsp-2025-1"

/* clang-format off */
static const struct {
    const char *name;
    enum message_form form;
    const char *text, *at; /* at: NULL if it is good */
    enum err_code code;
} cases[] = {
    {"request", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\",\"consumerPid\":\"c\",\"callbackAddress\":\"https://x\",\"offer\":" OFFER "}", NULL, E_OK},
    {"counter-request", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\"," BOTH ",\"offer\":" OFFER "}", NULL, E_OK},
    {"unknown members", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\",\"x\":{\"y\":[]}," BOTH ",\"offer\":" OFFER "}", NULL, E_OK},
    {"more contexts", MF_VERIFICATION, "{\"@context\":[\"https://w3id.org/edc/dspace/v0.0.1\",\"" DSP_CONTEXT "\"],\"@type\":\"ContractAgreementVerificationMessage\"," BOTH "}", NULL, E_OK},
    {"both ways to answer", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\"," BOTH ",\"callbackAddress\":\"https://x\",\"offer\":" OFFER "}", "", E_PEER_SYNTAX},
    {"no way to answer", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\",\"consumerPid\":\"c\",\"offer\":" OFFER "}", "", E_PEER_SYNTAX},
    {"no offer", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\"," BOTH "}", "/offer", E_INVALID},
    {"offer is text", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\"," BOTH ",\"offer\":\"o\"}", "/offer", E_PEER_SYNTAX},
    {"offer without id", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\"," BOTH ",\"offer\":{\"@type\":\"Offer\",\"target\":\"t\"}}", "/offer/@id", E_PEER_SYNTAX},
    {"offer without target", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\"," BOTH ",\"offer\":{\"@id\":\"o\",\"@type\":\"Offer\"}}", "/offer/target", E_PEER_SYNTAX},
    {"offer of another type", MF_REQUEST, "{" CTX "\"@type\":\"ContractRequestMessage\"," BOTH ",\"offer\":" AGREEMENT "}", "/offer/@type", E_PEER_SYNTAX},
    {"no context", MF_VERIFICATION, "{\"@type\":\"ContractAgreementVerificationMessage\"," BOTH "}", "/@context", E_INVALID},
    {"context is text", MF_VERIFICATION, "{\"@context\":\"" DSP_CONTEXT "\",\"@type\":\"ContractAgreementVerificationMessage\"," BOTH "}", "/@context", E_PEER_SYNTAX},
    {"context with an object", MF_VERIFICATION, "{\"@context\":[\"" DSP_CONTEXT "\",{}],\"@type\":\"ContractAgreementVerificationMessage\"," BOTH "}", "/@context", E_PEER_SYNTAX},
    {"another context", MF_VERIFICATION, "{\"@context\":[\"https://w3id.org/dspace/2024/1/context.json\"],\"@type\":\"ContractAgreementVerificationMessage\"," BOTH "}", "/@context", E_PEER_SYNTAX},
    {"another type", MF_VERIFICATION, "{" CTX "\"@type\":\"ContractAgreementMessage\"," BOTH "}", "/@type", E_PEER_SYNTAX},
    {"type is an array", MF_VERIFICATION, "{" CTX "\"@type\":[\"ContractAgreementVerificationMessage\"]," BOTH "}", "/@type", E_INVALID},
    {"no consumerPid", MF_VERIFICATION, "{" CTX "\"@type\":\"ContractAgreementVerificationMessage\",\"providerPid\":\"p\"}", "/consumerPid", E_INVALID},
    {"empty providerPid", MF_VERIFICATION, "{" CTX "\"@type\":\"ContractAgreementVerificationMessage\",\"providerPid\":\"\",\"consumerPid\":\"c\"}", "/providerPid", E_INVALID},
    {"not an object", MF_VERIFICATION, "[]", "", E_INVALID},
    {"agreement", MF_AGREEMENT, "{" CTX "\"@type\":\"ContractAgreementMessage\"," BOTH ",\"agreement\":" AGREEMENT "}", NULL, E_OK},
    {"agreement without parties", MF_AGREEMENT, "{" CTX "\"@type\":\"ContractAgreementMessage\"," BOTH ",\"agreement\":{\"@id\":\"a\",\"@type\":\"Agreement\",\"target\":\"t\"}}", "/agreement/assigner", E_PEER_SYNTAX},
    {"termination", MF_NEGOTIATION_TERMINATION, "{" CTX "\"@type\":\"ContractNegotiationTerminationMessage\"," BOTH "}", NULL, E_OK},
    {"termination with reasons", MF_NEGOTIATION_TERMINATION, "{" CTX "\"@type\":\"ContractNegotiationTerminationMessage\",\"code\":\"1\",\"reason\":[\"a\",{\"message\":\"b\"},{\"@value\":\"c\"},7]," BOTH "}", NULL, E_OK},
    {"empty reason", MF_NEGOTIATION_TERMINATION, "{" CTX "\"@type\":\"ContractNegotiationTerminationMessage\",\"reason\":[]," BOTH "}", "/reason", E_PEER_SYNTAX},
    {"reason is text", MF_NEGOTIATION_TERMINATION, "{" CTX "\"@type\":\"ContractNegotiationTerminationMessage\",\"reason\":\"a\"," BOTH "}", "/reason", E_PEER_SYNTAX},
    {"code is a number", MF_NEGOTIATION_TERMINATION, "{" CTX "\"@type\":\"ContractNegotiationTerminationMessage\",\"code\":1," BOTH "}", "/code", E_INVALID},
    {"catalogue request", MF_CATALOG_REQUEST, "{" CTX "\"@type\":\"CatalogRequestMessage\",\"filter\":[]}", NULL, E_OK},
    {"filter is an object", MF_CATALOG_REQUEST, "{" CTX "\"@type\":\"CatalogRequestMessage\",\"filter\":{}}", "/filter", E_PEER_SYNTAX},
    {"transfer request", MF_TRANSFER_REQUEST, "{" CTX "\"@type\":\"TransferRequestMessage\",\"consumerPid\":\"c\",\"agreementId\":\"a\",\"format\":\"f\",\"callbackAddress\":\"https://x\"}", NULL, E_OK},
    {"transfer request without format", MF_TRANSFER_REQUEST, "{" CTX "\"@type\":\"TransferRequestMessage\",\"consumerPid\":\"c\",\"agreementId\":\"a\",\"callbackAddress\":\"https://x\"}", "/format", E_INVALID},
    {"start with an address", MF_START, "{" CTX "\"@type\":\"TransferStartMessage\",\"dataAddress\":{\"@type\":\"DataAddress\",\"endpointType\":\"x\",\"endpointProperties\":[{\"@type\":\"EndpointProperty\",\"name\":\"n\",\"value\":\"v\"}]}," BOTH "}", NULL, E_OK},
    {"address without endpointType", MF_START, "{" CTX "\"@type\":\"TransferStartMessage\",\"dataAddress\":{\"@type\":\"DataAddress\"}," BOTH "}", "/dataAddress/endpointType", E_PEER_SYNTAX},
    {"address without properties' values", MF_START, "{" CTX "\"@type\":\"TransferStartMessage\",\"dataAddress\":{\"@type\":\"DataAddress\",\"endpointType\":\"x\",\"endpointProperties\":[{\"name\":\"n\"}]}," BOTH "}", "/dataAddress/endpointProperties/0", E_PEER_SYNTAX},
    {"address with no properties", MF_START, "{" CTX "\"@type\":\"TransferStartMessage\",\"dataAddress\":{\"@type\":\"DataAddress\",\"endpointType\":\"x\",\"endpointProperties\":[]}," BOTH "}", "/dataAddress/endpointProperties", E_PEER_SYNTAX},
};

static const struct { const char *url; bool plain, tls; } addresses[] = {
    {"https://example.com", true, true},          {"https://example.com:8443/a/b", true, true},
    {"http://example.com", true, false},          {"https://", false, false},
    {"https:///path", false, false},              {"ftp://example.com", false, false},
    {"https://user@example.com", false, false},   {"https://example.com?x", false, false},
    {"https://example.com#x", false, false},      {"https://exa mple.com", false, false},
    {"https://example.com/\x01", false, false},   {"https://example.com/\xc3\xa4", false, false},
    {"", false, false},                           {"example.com", false, false},
    {"https://example.com\\@evil.com", false, false},
};

/* clang-format on */

START_TEST(test_decode)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct message message = {.type = STR("untouched")};
    struct err err = {0};
    int rc;

    ck_assert_msg(jdoc_parse(str_c(cases[_i].text), NULL, &doc, &err) == 0, "%s: %s",
                  cases[_i].name, err.text);
    rc = message_decode(cases[_i].form, jdoc_root(doc), arena, &message, &err);
    ck_assert_msg(rc == -(int)cases[_i].code, "%s: got %d (%s)", cases[_i].name, rc, err.text);
    if (cases[_i].at == NULL)
        return;
    ck_assert_msg(strcmp(err.at, cases[_i].at) == 0, "%s: at '%s'", cases[_i].name, err.at);
    ck_assert_msg(err_http(err.code) == 400, "%s: a mistake of the sender", cases[_i].name);
    ck_assert_msg(str_eq_c(message.type, "untouched"), "%s: nothing returned", cases[_i].name);
}

END_TEST

START_TEST(test_long_ids)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    static char text[2 * LIMIT_ID + 512];
    char id[LIMIT_ID + 2];

    for (size_t n = LIMIT_ID; n <= LIMIT_ID + 1; n++) {
        AUTO(jdoc_free) struct jdoc *doc = NULL;
        struct message message;
        struct err err = {0};

        memset(id, 'x', n);
        id[n] = '\0';
        snprintf(text, sizeof(text),
                 "{" CTX "\"@type\":\"ContractAgreementVerificationMessage\",\"providerPid\":"
                 "\"%s\",\"consumerPid\":\"c\"}",
                 id);
        ck_assert_int_eq(jdoc_parse(str_c(text), NULL, &doc, &err), 0);
        ck_assert_int_eq(message_decode(MF_VERIFICATION, jdoc_root(doc), arena, &message, &err),
                         n == LIMIT_ID ? 0 : -(int)E_INVALID);
    }
}

END_TEST

START_TEST(test_address)
{
    const struct str url = str_c(addresses[_i].url);

    ck_assert_msg(message_address_ok(url, true) == addresses[_i].plain, "%s", addresses[_i].url);
    ck_assert_msg(message_address_ok(url, false) == addresses[_i].tls, "%s", addresses[_i].url);
}

END_TEST

START_TEST(test_reason)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    struct message message = {.code = STR("17")};
    struct err err = {0};
    struct str reason;

    ck_assert_int_eq(
        jdoc_parse(STR("[\"a\",{\"message\":\"b\"},{\"@value\":\"c\"},7,\"\"]"), NULL, &doc, &err),
        0);
    message.reason = jdoc_root(doc);
    ck_assert(str_eq_c(message_reason(&message, arena), "17: a; b; c"));
    ck_assert(!str_present(message_reason(&(struct message){0}, arena)));

    buf_add_c(&text, "[\"");
    for (int i = 0; i < 1000; i++)
        buf_add_c(&text, "\xed\x95\x9c"); /* three bytes each: the cut must not divide one */
    buf_add_c(&text, "\"]");
    jdoc_free(&doc);
    ck_assert_int_eq(jdoc_parse(buf_str(&text), NULL, &doc, &err), 0);
    message.reason = jdoc_root(doc);
    reason = message_reason(&message, arena);
    ck_assert_uint_le(reason.n, 512);
    ck_assert_uint_gt(reason.n, 500);
    ck_assert(str_is_utf8(reason));
}

END_TEST

/* What a stranger puts into ids and reasons stays inside its string. */
START_TEST(test_write)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct str nasty = STR("\"},\"state\":\"FINALIZED\\\n\xed\x95\x9c");
    const struct message_text text = {
        .form = MF_NEGOTIATION_TERMINATION,
        .id = nasty,
        .pids = {nasty, nasty},
        .code = nasty,
        .reason = nasty,
    };
    struct message message;
    struct err err = {0};

    ck_assert_int_eq(jdoc_parse(message_write(&text, arena), NULL, &doc, &err), 0);
    ck_assert_int_eq(
        message_decode(MF_NEGOTIATION_TERMINATION, jdoc_root(doc), arena, &message, &err), 0);
    ck_assert(str_eq(message.id, nasty));
    ck_assert(str_eq(message.provider_pid, nasty));
    ck_assert(str_eq(message.consumer_pid, nasty));
    ck_assert(str_eq(jval_str(jval_at(message.reason, 0)), nasty));
    ck_assert_ptr_null(jval_get(jdoc_root(doc), "state"));
}

END_TEST

START_TEST(test_agreement)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *again = NULL;
    struct agreement_text form = {
        .target = STR("t\"t"), .assigner = STR("p"), .assignee = STR("c"), .agreed_us = 0};
    struct err err = {0};

    ck_assert_int_eq(
        jdoc_parse(STR("{\"@id\":\"o\",\"@type\":\"Offer\",\"assigner\":\"x\",\"target\":\"y\","
                       "\"permission\":[{\"action\":\"use\"}],\"profile\":\"q\"}"),
                   NULL, &doc, &err),
        0);
    form.rules = message_rules_of(jdoc_root(doc), arena);
    ck_assert(str_eq_c(form.rules, "\"permission\":[{\"action\":\"use\"}],\"profile\":\"q\""));
    form.id = STR("a");
    ck_assert_int_eq(jdoc_parse(message_agreement(&form, arena), NULL, &again, &err), 0);
    ck_assert(str_eq_c(jval_str(jval_get(jdoc_root(again), "timestamp")), "1970-01-01T00:00:00Z"));
    ck_assert(str_eq_c(jval_str(jval_get(jdoc_root(again), "target")), "t\"t"));
    ck_assert(
        jval_eq(jval_get(jdoc_root(again), "permission"), jval_get(jdoc_root(doc), "permission")));
    /* the form that is stored: nothing of this negotiation alone */
    form.id = STR_NONE;
    jdoc_free(&again);
    ck_assert_int_eq(jdoc_parse(message_agreement(&form, arena), NULL, &again, &err), 0);
    ck_assert_ptr_null(jval_get(jdoc_root(again), "timestamp"));
    ck_assert_ptr_null(jval_get(jdoc_root(again), "@id"));
    /* no rules at all: EDC sends such policies */
    form.rules = STR("");
    jdoc_free(&again);
    ck_assert_int_eq(jdoc_parse(message_agreement(&form, arena), NULL, &again, &err), 0);
}

END_TEST

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    char piece[4096];
    size_t n;

    if (file == NULL)
        return false;
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(out, piece, n);
    fclose(file);
    return !buf_failed(out);
}

static int decode_example(const char *path)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct message message;
    struct err err = {0};
    struct str type;

    ck_assert(read_file(path, &text));
    ck_assert_msg(jdoc_parse(buf_str(&text), NULL, &doc, &err) == 0, "%s: %s", path, err.text);
    type = jval_str(jval_get(jdoc_root(doc), "@type"));
    for (int form = 0; form < MF__COUNT; form++) {
        if (!str_eq_c(type, message_type((enum message_form)form)))
            continue;
        ck_assert_msg(
            message_decode((enum message_form)form, jdoc_root(doc), arena, &message, &err) == 0,
            "%s: %s %s", path, err.at, err.text);
        return 1;
    }
    return 0;
}

START_TEST(test_examples)
{
    static const char *const folders[] = {SPEC "/negotiation/example", SPEC "/transfer/example",
                                          SPEC "/catalog/example"};
    int decoded = 0;

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        DIR *dir = opendir(folders[i]);

        if (dir == NULL) {
            printf("# SKIP examples: '%s' is not there\n", folders[i]);
            return;
        }
        for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            char path[512];

            snprintf(path, sizeof(path), "%s/%s", folders[i], entry->d_name);
            if (str_ends(str_c(path), STR(".json")))
                decoded += decode_example(path);
        }
        closedir(dir);
    }
    ck_assert_int_ge(decoded, 19);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dsp_messages");
    TCase *tc = tcase_create("all");

    tcase_add_loop_test(tc, test_decode, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_address, 0, (int)ARRAY_LEN(addresses));
    tcase_add_test(tc, test_long_ids);
    tcase_add_test(tc, test_reason);
    tcase_add_test(tc, test_write);
    tcase_add_test(tc, test_agreement);
    tcase_add_test(tc, test_examples);
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
