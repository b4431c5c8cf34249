/*
 * Micro benchmark: expansion of a DSP 2025-1 ContractRequestMessage with a Catena-X policy, of a management v3 asset, and
 * compaction of that asset. Prints a figure a case.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/ld/ld.h"
#include "tests/bench/timing.h"

#include "lib/base/banned.h"

enum { CALLS = 2000 };

static const char request[] =
    "{\"@context\":[\"https://w3id.org/dspace/2025/1/context.jsonld\"],"
    "\"@type\":\"ContractRequestMessage\","
    "\"providerPid\":\"urn:uuid:a343fcbf-99fc-4ce8-8e9b-148c97605aab\","
    "\"consumerPid\":\"urn:uuid:32541fe6-c580-409e-85a8-8a9a32fbe833\","
    "\"callbackAddress\":\"https://consumer.example/dsp\","
    "\"offer\":{\"@type\":\"Offer\",\"@id\":\"urn:uuid:d526561f-528e-4d5a-ae12-9a9dd9b7a815\","
    "\"target\":\"urn:uuid:3dd1add8-4d2d-569e-d634-8394a8836a88\","
    "\"permission\":[{\"action\":\"use\",\"constraint\":[{\"and\":["
    "{\"leftOperand\":\"https://w3id.org/catenax/2025/9/policy/FrameworkAgreement\","
    "\"operator\":\"eq\",\"rightOperand\":\"DataExchangeGovernance:1.0\"},"
    "{\"leftOperand\":\"https://w3id.org/catenax/2025/9/policy/UsagePurpose\","
    "\"operator\":\"isAnyOf\",\"rightOperand\":[\"cx.pcf.base:1\",\"cx.quality.base:1\"]}]}]}]}}";

static const char asset[] =
    "{\"@context\":{\"@vocab\":\"" LD_EDC "\"},\"@id\":\"asset-1\",\"@type\":\"Asset\","
    "\"properties\":{\"name\":\"pcf\",\"version\":\"2\",\"http://purl.org/dc/terms/type\":"
    "{\"@id\":\"https://w3id.org/catenax/taxonomy#PcfExchange\"}},"
    "\"dataAddress\":{\"@type\":\"DataAddress\",\"type\":\"HttpData\","
    "\"baseUrl\":\"https://origin.example/pcf\",\"proxyPath\":\"true\"}}";

struct bench {
    struct ld *ld;
    struct ld_context *context;
    struct jdoc *doc;
    struct ld_options options;

    enum { EXPAND, COMPACT, COMPACT_TEXT } what;
    struct buf *text;
};

static void call(void *cls)
{
    const struct bench *b = cls;
    struct jdoc *out = NULL;
    struct err err = {0};
    int failed;

    if (b->options.arena != NULL)
        arena_reset(b->options.arena);
    if (b->what == EXPAND) {
        failed = ld_expand(b->ld, jdoc_root(b->doc), &b->options, &out, &err);
    } else if (b->what == COMPACT) {
        failed = ld_compact(b->ld, jdoc_root(b->doc), b->context, &b->options, &out, &err);
    } else {
        buf_reset(b->text);
        failed = ld_compact_write(b->ld, jdoc_root(b->doc), b->context, &b->options, b->text, &err);
    }
    CHECK(failed == 0);
    jdoc_free(&out);
}

int main(void)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct bench b = {.text = &text};
    struct jdoc *message = NULL, *edc = NULL;
    struct err err = {0};

    CHECK(ld_open(&b.ld, &err) == 0);
    CHECK(ld_context_open(
              b.ld,
              STR("{\"@vocab\":\"" LD_EDC "\",\"edc\":\"" LD_EDC "\",\"odrl\":\"" LD_ODRL "\"}"),
              STR_NONE, &b.context, &err) == 0);
    CHECK(jdoc_parse(str_c(request), NULL, &message, &err) == 0);
    CHECK(jdoc_parse(str_c(asset), NULL, &edc, &err) == 0);

    b.doc = message;
    measure("ld expand negotiation", call, &b, CALLS, 20000);
    b.options.strict = LD_STRICT;
    measure("ld expand negotiation, strict", call, &b, CALLS, 20000);
    b.options.strict = 0;
    b.options.arena = arena;
    measure("ld expand negotiation, arena lent", call, &b, CALLS, 20000);
    b.doc = edc;
    measure("ld expand asset", call, &b, CALLS, 0);
    b.what = COMPACT;
    measure("ld compact asset", call, &b, CALLS, 0);
    b.what = COMPACT_TEXT;
    measure("ld compact asset to text", call, &b, CALLS, 0);

    jdoc_free(&message);
    jdoc_free(&edc);
    ld_context_close(&b.context);
    ld_close(&b.ld);
    return 0;
}
