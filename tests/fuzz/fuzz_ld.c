/*
 * tests/fuzz/fuzz_ld.c - any JSON: expand in each mode, expand the result again (it must stay), compact it, expand that
 *
 * The first byte chooses options and the context of compaction; the rest is the document.
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/ld/ld.h"

#include "lib/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CONTEXTS = 3 };

/* Built once: the fuzzer calls the target millions of times. */
struct fixture {
    struct ld *ld;
    struct ld_context *context[CONTEXTS];
};

static const struct fixture *fixture_of(void)
{
    static struct fixture fixture;
    static const char *const text[CONTEXTS] = {
        "\"https://w3id.org/dspace/2025/1/context.jsonld\"",
        "{\"@vocab\":\"" LD_EDC "\",\"odrl\":\"" LD_ODRL "\"}",
        "{}",
    };
    struct err err = {0};

    if (fixture.ld != NULL)
        return &fixture;
    CHECK(ld_open(&fixture.ld, &err) == 0);
    for (size_t i = 0; i < CONTEXTS; i++)
        CHECK(ld_context_open(fixture.ld, str_c(text[i]), STR_NONE, &fixture.context[i], &err) ==
              0);
    return &fixture;
}

static void check_error(const struct err *err)
{
    CHECK(err->code == E_INVALID || err->code == E_LIMIT);
    CHECK(err->detail[0] != '\0');
}

/* Expanded form may hold what does not stand a second time: a value in a graph, a reference that is null. */
static bool lost(const struct ld_report *report)
{
    for (size_t i = 0; i < report->n; i++)
        if (report->issue[i].kind == LD_DROPPED_VALUE || report->issue[i].kind == LD_EMPTY_NODE)
            return true;
    return report->total > report->n;
}

/* As a document and as text it must be the same. */
static void check_compact(const struct fixture *f, const struct jval *expanded,
                          const struct ld_context *context, const struct ld_options *options)
{
    AUTO(jdoc_free) struct jdoc *compacted = NULL;
    AUTO(jdoc_free) struct jdoc *read = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(16));
    struct jlimits limits = {.bytes = MIB(16), .depth = 1000, .nodes = 1000000};
    struct err err = {0};

    if (ld_compact(f->ld, expanded, context, options, &compacted, &err) < 0) {
        check_error(&err);
        return;
    }
    CHECK(ld_compact_write(f->ld, expanded, context, options, &text, &err) == 0);
    CHECK(jdoc_parse(buf_str(&text), &limits, &read, &err) == 0);
    CHECK(jval_eq(jdoc_root(compacted), jdoc_root(read)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct fixture *f = fixture_of();
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *expanded = NULL;
    AUTO(jdoc_free) struct jdoc *again = NULL;
    struct ld_report report;
    struct ld_options options = {.memory = MIB(8), .report = &report};
    struct err err = {0};

    if (n < 1 || jdoc_parse(str_n(data + 1, n - 1), NULL, &doc, &err) < 0)
        return 0;
    options.strict = (data[0] & 1) != 0 ? LD_STRICT : 0;
    options.repair = (data[0] & 2) != 0;
    options.keep_arrays = (data[0] & 4) != 0;
    options.base = (data[0] & 8) != 0 ? STR("https://example.org/a/b?c#d") : STR_NONE;
    options.vocab = (data[0] & 16) != 0 ? STR(LD_EDC) : STR_NONE;
    if (ld_expand(f->ld, jdoc_root(doc), &options, &expanded, &err) < 0) {
        check_error(&err);
        return 0;
    }
    CHECK((report.total == 0) == (report.n == 0));
    options.strict = 0;
    options.vocab = STR_NONE;
    err_clear(&err);
    if (ld_expand(f->ld, jdoc_root(expanded), &options, &again, &err) < 0)
        check_error(&err);
    else
        CHECK(lost(&report) || jval_eq(jdoc_root(expanded), jdoc_root(again)));
    err_clear(&err);
    check_compact(f, jdoc_root(expanded), f->context[(data[0] >> 5) % CONTEXTS], &options);
    return 0;
}
