/*
 * Events: the table, bodies for callbacks and followers, what callback addresses are taken.
 */
#include <check.h>

#include "connector/events/events_private.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

static const struct event_source source = {STR_INIT("did:web:us"), STR_INIT("https://us.example")};

/* -- the table --------------------------------------------------------------------------------- */

/* "contract.negotiation.finalized" -> "ContractNegotiationFinalized" */
static void camel(const char *name, char *out)
{
    bool upper = true;

    for (; *name != '\0'; name++) {
        if (*name == '.') {
            upper = true;
            continue;
        }
        *out++ = upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
        upper = false;
    }
    *out = '\0';
}

START_TEST(test_table)
{
    const struct event_kind *kind = &events__kinds[_i];
    char type[128];

    camel(kind->name, type);
    ck_assert_str_eq(kind->type, type);
    ck_assert_ptr_eq(events__kind(str_c(kind->name)), kind); /* no name twice */
    ck_assert_int_eq(kind->state != NULL,
                     kind->about == EVENT_NEGOTIATION || kind->about == EVENT_TRANSFER);
}

END_TEST

START_TEST(test_unknown)
{
    ck_assert_ptr_null(events__kind(STR("contract.negotiation")));
    ck_assert_ptr_null(events__kind(STR("")));
}

END_TEST

/* -- bodies ------------------------------------------------------------------------------------ */

static struct event_row negotiation(const char *type)
{
    return (struct event_row){
        .seq = 7,
        .type = str_c(type),
        .subject = STR("urn:n"),
        .at_us = 1700000000123456,
        .role = STR("consumer"),
        .peer_id = STR("did:web:peer"),
        .peer_address = STR("https://peer/dsp"),
        .protocol = STR("dsp"),
        .asset_id = STR("a\"1"),
        .offer_id = STR("o"),
        .callbacks = STR("[{\"uri\":\"u\"}]"),
        .policy = STR("{\"permission\":[]}"),
        .agreement_id = STR("agr"),
        .provider_id = STR("did:web:peer"),
        .consumer_id = STR("did:web:us"),
        .agreed_us = 1700000000000000,
        .agreed_policy = STR("{\"@type\":\"Agreement\"}"),
    };
}

static struct event_row transfer(const char *type)
{
    return (struct event_row){
        .seq = 8,
        .type = str_c(type),
        .subject = STR("urn:t"),
        .at_us = 1700000000123456,
        .role = STR("provider"),
        .peer_id = STR("did:web:peer"),
        .protocol = STR("dsp"),
        .asset_id = STR("a"),
        .agreement_id = STR("agr"),
    };
}

#define OFFERS                                                                                          \
    "\"callbackAddresses\":[{\"uri\":\"u\"}],\"contractOffers\":[{\"id\":\"o\",\"assetId\":\"a\\\"1\"," \
    "\"policy\":{\"permission\":[]}}],\"protocol\":\"dsp\","
#define PARTIES                                                                                    \
    "{\"contractNegotiationId\":\"urn:n\",\"participantContextId\":\"did:web:us\","                \
    "\"counterPartyAddress\":\"https://peer/dsp\",\"counterPartyId\":\"did:web:peer\","
#define REQUESTED PARTIES OFFERS "\"state\":\"REQUESTED\"}"
#define FINALIZED                                                                                           \
    PARTIES OFFERS                                                                                          \
        "\"state\":\"FINALIZED\",\"contractAgreement\":{\"id\":\"agr\",\"agreementId\":\"agr\","            \
        "\"providerId\":\"did:web:peer\",\"consumerId\":\"did:web:us\",\"contractSigningDate\":1700000000," \
        "\"assetId\":\"a\\\"1\",\"policy\":{\"@type\":\"Agreement\"}}}"
#define TRANSFER "{\"transferProcessId\":\"urn:t\",\"participantContextId\":\"did:web:us\","
#define TRANSFER_REST                                                                              \
    "\"callbackAddresses\":[],\"assetId\":\"a\",\"type\":\"PROVIDER\",\"contractId\":\"agr\","     \
    "\"counterPartyId\":\"did:web:peer\",\"protocol\":\"dsp\","
#define NS   "https://w3id.org/edc/v0.0.1/ns/"
#define HTTP "https://w3id.org/idsa/v4.1/HTTP"
#define ADDRESS                                                                                    \
    ",\"dataAddress\":{\"properties\":{\"" NS "type\":\"" HTTP "\",\"" NS "endpointType\":\"" HTTP \
    "\",\"" NS "endpoint\":\"https://data\",\"" NS "authType\":\"bearer\",\"" NS                   \
    "authorization\":\"tok\",\"flow_type\":\"PULL\",\"process_id\":\"urn:t\","                     \
    "\"participant_id\":\"did:web:peer\",\"asset_id\":\"a\",\"agreement_id\":\"agr\"}}"

static void check_edc(const struct event_row *row, const char *payload, const char *type)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    AUTO(buf_done) struct buf want = buf_init(MIB(1));

    events__body(row, EVENT_EDC, &source, &out);
    buf_printf(&want, "{\"id\":\"%s\",\"at\":1700000000123,\"payload\":%s,\"type\":\"%s\"}%c",
               uuid_format(events__uuid(row, source.participant)).c, payload, type, '\0');
    buf_add_char(&out, '\0');
    ck_assert_str_eq(out.p, want.p);
}

START_TEST(test_edc)
{
    struct event_row row = negotiation("contract.negotiation.requested");

    check_edc(&row, REQUESTED, "ContractNegotiationRequested"); /* not the agreement of later */
    row.type = STR("contract.negotiation.finalized");
    check_edc(&row, FINALIZED, "ContractNegotiationFinalized");
    row = transfer("transfer.process.started");
    check_edc(&row, TRANSFER TRANSFER_REST "\"state\":\"STARTED\"}", "TransferProcessStarted");
    row.endpoint = STR("https://data");
    row.token = STR("tok");
    check_edc(&row, TRANSFER TRANSFER_REST "\"state\":\"STARTED\"" ADDRESS "}",
              "TransferProcessStarted");
    row = transfer("transfer.process.terminated");
    row.detail = STR("why");
    check_edc(&row, TRANSFER "\"reason\":\"why\"," TRANSFER_REST "\"state\":\"TERMINATED\"}",
              "TransferProcessTerminated");
    row = (struct event_row){.seq = 1,
                             .type = STR("policy.definition.deleted"),
                             .subject = STR("p"),
                             .at_us = 1700000000123456};
    check_edc(&row, "{\"policyDefinitionId\":\"p\"}", "PolicyDefinitionDeleted");
}

END_TEST

START_TEST(test_cloud)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    AUTO(buf_done) struct buf want = buf_init(MIB(1));
    const struct event_row row = negotiation("contract.negotiation.requested");

    events__body(&row, EVENT_CLOUD, &source, &out);
    buf_add_char(&out, '\0');
    buf_printf(&want,
               "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"https://us.example\","
               "\"type\":\"contract.negotiation.requested\",\"subject\":\"urn:n\","
               "\"time\":\"2023-11-14T22:13:20.123456Z\",\"sequence\":\"7\","
               "\"datacontenttype\":\"application/json\",\"data\":%s}%c",
               uuid_format(events__uuid(&row, source.participant)).c, REQUESTED, '\0');
    ck_assert_str_eq(out.p, want.p);
}

END_TEST

START_TEST(test_ids)
{
    const struct event_row row = negotiation("contract.negotiation.requested");
    struct event_row other = row;
    const struct uuid id = events__uuid(&row, source.participant);

    ck_assert(uuid_eq(id, events__uuid(&row, source.participant)));
    ck_assert(!uuid_eq(id, events__uuid(&row, STR("did:web:other"))));
    other.seq++;
    ck_assert(!uuid_eq(id, events__uuid(&other, source.participant)));
    other = row;
    other.at_us++; /* a number again, after a restored backup */
    ck_assert(!uuid_eq(id, events__uuid(&other, source.participant)));
}

END_TEST

/* -- callback addresses ------------------------------------------------------------------------ */

START_TEST(test_matches)
{
    struct str prefixes[] = {STR("asset"), STR("contract.negotiation.f")};
    struct str all[] = {STR("")};
    struct event_callback callback = {
        .uri = STR("https://x"), .events = {prefixes, 2}
    };

    ck_assert(events__matches(&callback, STR("asset.created")));
    ck_assert(events__matches(&callback, STR("contract.negotiation.finalized")));
    ck_assert(!events__matches(&callback, STR("contract.negotiation.agreed")));
    ck_assert(!events__matches(&callback, STR("contract.negotiation")));
    callback.uri = STR("local://adapter");
    ck_assert(!events__matches(&callback, STR("asset.created")));
    callback = (struct event_callback){
        .uri = STR("https://x"), .events = {all, 1}
    };
    ck_assert(events__matches(&callback, STR("secret.deleted")));
    callback.events.n = 0;
    ck_assert(!events__matches(&callback, STR("secret.deleted")));
}

END_TEST

/* clang-format off */
static const struct { const char *uri, *key, *code; const char *at; } addresses[] = {
    {"https://example.com/hook?x=1",   NULL,            NULL, NULL},
    {"https://8.8.8.8/",               "X-Key",         "s",  NULL},
    {"https://8.8.8.8/",               "Authorization", "s",  NULL},
    {"local://adapter",                NULL,            NULL, NULL},
    {"http://example.com/",            NULL,            NULL, "uri"},
    {"example.com",                    NULL,            NULL, "uri"},
    {"",                               NULL,            NULL, "uri"},
    {"https://10.0.0.1/",              NULL,            NULL, "uri"},
    {"https://0x0a000001/",            NULL,            NULL, "uri"},
    {"https://localhost:1/",           NULL,            NULL, "uri"},
    {"https://[::1]/",                 NULL,            NULL, "uri"},
    {"https://[::ffff:169.254.1.1]/",  NULL,            NULL, "uri"},
    {"https://u:p@example.com/",       NULL,            NULL, "uri"},
    {"https://example.com/a b",        NULL,            NULL, "uri"},
    {"https://8.8.8.8/",               "content-length", "s", "authKey"},
    {"https://8.8.8.8/",               "a:b",           "s",  "authKey"},
    {"https://8.8.8.8/",               "a\nb",          "s",  "authKey"},
    {"https://8.8.8.8/",               "X-Key",         NULL, "authCodeId"},
};

/* clang-format on */

START_TEST(test_addresses)
{
    const struct settings settings = {0};
    struct app app = {.env = &env_system, .settings = &settings};
    const struct fetch_cfg cfg = {.env = &env_system};
    const struct str_list none = {0};
    struct err err = {0};

    ck_assert_int_eq(fetcher_open(&cfg, &app.fetcher, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        err_clear(&err);
        const int rc =
            events_callback_check(&app, str_c(addresses[i].uri), &none, str_c(addresses[i].key),
                                  str_c(addresses[i].code), &err);

        ck_assert_msg((rc == 0) == (addresses[i].at == NULL), "%s: %s", addresses[i].uri,
                      err.detail);
        ck_assert_str_eq(err.at, addresses[i].at != NULL ? addresses[i].at : "");
    }
    fetcher_close(&app.fetcher);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("events");
    TCase *tc = tcase_create("all");

    tcase_add_loop_test(tc, test_table, 0, EVENT__COUNT);
    tcase_add_test(tc, test_unknown);
    tcase_add_test(tc, test_edc);
    tcase_add_test(tc, test_cloud);
    tcase_add_test(tc, test_ids);
    tcase_add_test(tc, test_matches);
    tcase_add_test(tc, test_addresses);
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
