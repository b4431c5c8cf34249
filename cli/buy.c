/*
 * cli/buy.c - naru buy: order at the data bank, then the contract between the two connectors
 *
 * 1 product page → plan; 2 order; 3 our connector holds the signed order; 4 the provider's own offer
 * for the asset; 5 negotiation until it is final. The data bank delivers the order to both connectors
 * at once, so the provider may still lack it when it is asked: a refusal that names the order is
 * tried again for a few seconds. An order whose negotiation was refused is cancelled, which releases
 * its hold.
 */
#include "cli/cli.h"
#include "cli/management.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/base/uuid.h"
#include "policy/policy.h"

#include "lib/base/banned.h"

#define ARRIVAL_US (30 * US_PER_S)
#define RETRY_US   (10 * US_PER_S)
#define PAUSE_MS   50

struct buy {
    struct str plan, purpose;
    bool no_negotiate;
};
/* clang-format off */
const struct cli_option buy_options[] = {
    OPTION(struct buy, plan,         "plan",         0, "N|HASH", "price plan: its number in `naru show`, or its hash (default: the only one)"),
    OPTION(struct buy, purpose,      "purpose",      0, "IRI",    "what the data will be used for"),
    OPTION(struct buy, no_negotiate, "no-negotiate", 0, NULL,     "order only; another program negotiates"),
    {.name = NULL},
};

/* clang-format on */

struct trade {
    struct str dataset, asset, endpoint, provider;
    struct str plan;
    struct str order, negotiation, agreement;
};

/* -- order ------------------------------------------------------------------------------------- */

static int choose_plan(struct cli *cli, const struct jval *plans, struct str wanted,
                       struct str *ret_hash, struct err *err)
{
    const size_t n = jval_len(plans);
    int64_t number = 1;

    if (wanted.n == 0 && n > 1)
        return err_tell(err, E_CONFIG, "--plan", "there are %zu plans; 'naru show' lists them", n);
    if (wanted.n == 0 || str_to_i64(wanted, &number)) {
        if (number < 1 || (size_t)number > n)
            return err_tell(err, E_CONFIG, "--plan", "there are %zu plans", n);
        *ret_hash =
            arena_str(cli->arena, jval_str(jval_get(jval_at(plans, (size_t)number - 1), "hash")));
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        const struct str hash = jval_str(jval_get(jval_at(plans, i), "hash"));

        if (wanted.n >= 8 && str_starts(hash, wanted)) {
            *ret_hash = arena_str(cli->arena, hash);
            return 0;
        }
    }
    return err_tell(err, E_CONFIG, "--plan", "no plan '%.*s'", STR_ARG(wanted));
}

static int read_page(struct cli *cli, const struct buy *in, struct trade *trade, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *entry;

    if (cli_json(cli, PEER_BROKER, "GET", cli_path(cli, "/v1/datasets/", NULL, trade->dataset),
                 STR_NONE, &doc, err) < 0)
        return err_ret(err);
    entry = jval_get(jdoc_root(doc), "entry");
    trade->asset = arena_str(cli->arena, jval_str(jval_get(entry, "asset")));
    trade->endpoint = arena_str(cli->arena, jval_str(jval_get(entry, "endpoint")));
    trade->provider = arena_str(cli->arena, jval_str(jval_get(entry, "provider")));
    return choose_plan(cli, jval_get(jdoc_root(doc), "plans"), in->plan, &trade->plan, err);
}

static int place_order(struct cli *cli, const struct buy *in, struct trade *trade, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    const struct uuid_text id = uuid_format(uuid_new(cli->env));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "order", id.c);
    jw_kstr(&w, "dataset", trade->dataset);
    jw_kstr(&w, "plan", trade->plan);
    jw_kstr(&w, "purpose", in->purpose);
    jw_object_end(&w);
    if (cli_json(cli, PEER_BROKER, "POST", STR("/v1/orders"), buf_str(&body), &doc, err) < 0)
        return err_ret(err);
    trade->order = arena_str(cli->arena, str_c(id.c));
    cli_note(cli, "%s %s", text(cli, TEXT_ORDER), id.c);
    return 0;
}

static int wait_order(struct cli *cli, const struct trade *trade, struct err *err)
{
    const int64_t deadline_us = env_mono_us(cli->env) + ARRIVAL_US;

    for (; cli_in_time(cli, deadline_us); cli_pause(PAUSE_MS)) {
        AUTO(jdoc_free) struct jdoc *doc = NULL;

        if (management_order(cli, trade->order, &doc, err) == 0)
            return 0;
        if (err->code != E_NOT_FOUND)
            return err_ret(err);
        err_clear(err);
    }
    return err_tell(err, E_PEER_TIMEOUT, "",
                    "the order has not reached our connector; is its public URL reachable?");
}

/* The negotiation is the news; that the hold stays until the order expires is a note. */
static void cancel_order(struct cli *cli, const struct trade *trade)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct str path =
        arena_printf(cli->arena, "/v1/orders/%.*s/cancel", STR_ARG(trade->order));
    struct err err = {0};

    if (cli_json(cli, PEER_BROKER, "POST", path, STR("{}"), &doc, &err) < 0)
        cli_note(cli, "order %.*s could not be cancelled: %s", STR_ARG(trade->order),
                 err.detail[0] != '\0' ? err.detail : err.text);
}

/* -- contract ---------------------------------------------------------------------------------- */

/* The provider's offer for the asset that names our plan (or the only one). */
static const struct jval *choose_offer(const struct jval *dataset, struct str plan)
{
    const struct jval *offers = management_member(dataset, "hasPolicy");

    if (jtype_of(offers) == J_OBJECT)
        return offers;
    for (size_t i = 0; i < jval_len(offers); i++) {
        AUTO(buf_done) struct buf offer = buf_init(LIMIT_JSON_BYTES);

        jval_write(&offer, jval_at(offers, i));
        if (offer.n > 0 && memmem(offer.p, offer.n, plan.p, plan.n) != NULL)
            return jval_at(offers, i);
    }
    return jval_at(offers, 0);
}

/* The offer as it came, with the members that a catalogue leaves out. */
static void write_offer(const struct jval *context, const struct jval *offer,
                        const struct trade *trade, struct jw *w)
{
    const bool prefixed = jval_get(offer, "odrl:permission") != NULL;
    const char *const names[2] = {prefixed ? "odrl:assigner" : "assigner",
                                  prefixed ? "odrl:target" : "target"};
    const struct str values[2] = {trade->provider, trade->asset};

    jw_object(w);
    if (context != NULL)
        jw_kval(w, "@context", context);
    for (const struct jiter *it = jiter_first(offer); it != NULL; it = jiter_next(offer, it)) {
        jw_key_str(w, jiter_key(it));
        jw_val(w, jiter_value(it));
    }
    for (size_t i = 0; i < 2; i++) {
        if (jval_get(offer, names[i]) != NULL)
            continue;
        jw_key(w, names[i]);
        if (prefixed)
            jw_object(w);
        if (prefixed)
            jw_kstr(w, "@id", values[i]);
        else
            jw_str(w, values[i]);
        if (prefixed)
            jw_object_end(w);
    }
    jw_object_end(w);
}

static int write_request(struct cli *cli, const struct trade *trade, struct buf *out,
                         struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf ask = buf_init(KIB(64));
    const struct jval *offer;
    struct jw a = jw_init(&ask), w = jw_init(out);

    management_begin(&a, "DatasetRequest", trade->endpoint);
    jw_kstr(&a, "@id", trade->asset);
    jw_kstr(&a, "counterPartyId", trade->provider);
    jw_object_end(&a);
    if (cli_json(cli, PEER_CONNECTOR, "POST", STR("/v3/catalog/dataset/request"), buf_str(&ask),
                 &doc, err) < 0)
        return err_prefix(err, "the provider's catalogue");
    offer = choose_offer(jdoc_root(doc), trade->plan);
    if (offer == NULL)
        return err_tell(err, E_NOT_FOUND, "", "the provider offers us nothing for this dataset");
    management_begin(&w, "ContractRequest", trade->endpoint);
    jw_kstr(&w, "counterPartyId", trade->provider);
    jw_key(&w, "policy");
    write_offer(jval_get(jdoc_root(doc), "@context"), offer, trade, &w);
    jw_object_end(&w);
    return buf_failed(out) ? err_set(err, E_LIMIT, "", "offer") : 0;
}

static int start_negotiation(struct cli *cli, struct trade *trade, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(LIMIT_JSON_BYTES);
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (write_request(cli, trade, &body, err) < 0 ||
        cli_json(cli, PEER_CONNECTOR, "POST", STR("/v3/contractnegotiations"), buf_str(&body), &doc,
                 err) < 0)
        return err_ret(err);
    trade->negotiation = arena_str(cli->arena, jval_str(jval_get(jdoc_root(doc), "@id")));
    return 0;
}

static int finish_negotiation(struct cli *cli, struct trade *trade, struct err *err)
{
    static const char *const final[] = {"FINALIZED", "TERMINATED", NULL};
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct str detail;

    if (management_wait(cli, "/v3/contractnegotiations/", trade->negotiation, final, &doc, err) < 0)
        return err_ret(err);
    if (str_eq(jval_str(jval_get(jdoc_root(doc), "state")), STR("FINALIZED"))) {
        trade->agreement =
            arena_str(cli->arena, jval_str(jval_get(jdoc_root(doc), "contractAgreementId")));
        return 0;
    }
    detail = jval_str(jval_get(jdoc_root(doc), "errorDetail"));
    return err_tell(err, E_POLICY, "", "%.*s",
                    STR_ARG(detail.n > 0 ? detail : STR("the provider refused the contract")));
}

/* The provider had not got the order yet: its refusal names the order among the causes. */
static bool names_order(const struct err *err)
{
    return err->code == E_POLICY &&
           strstr(err->detail, policy_operand_text(POLICY_OP_ORDER, POLICY_EN)) != NULL;
}

static int negotiate(struct cli *cli, struct trade *trade, struct err *err)
{
    const int64_t deadline_us = env_mono_us(cli->env) + RETRY_US;

    for (;;) {
        if (start_negotiation(cli, trade, err) < 0)
            return err_ret(err);
        if (finish_negotiation(cli, trade, err) == 0)
            return 0;
        if (!names_order(err) || !cli_in_time(cli, deadline_us))
            return err_ret(err);
        err_clear(err);
        cli_pause(4 * PAUSE_MS);
    }
}

static int print_trade(const struct cli *cli, const struct trade *trade)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);

    if (!cli->json) {
        printf("%s %.*s\n", text(cli, TEXT_ORDER), STR_ARG(trade->order));
        if (trade->agreement.n > 0)
            printf("%s %.*s\n\n  naru fetch %.*s -o FILE\n", text(cli, TEXT_AGREEMENT),
                   STR_ARG(trade->agreement), STR_ARG(trade->agreement));
        return CLI_OK;
    }
    jw_object(&w);
    jw_kstr(&w, "order", trade->order);
    jw_kstr(&w, "plan", trade->plan);
    if (trade->agreement.n > 0) {
        jw_kstr(&w, "agreement", trade->agreement);
        jw_kstr(&w, "negotiation", trade->negotiation);
    }
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

int cmd_buy(struct cli *cli, int argc, char **argv)
{
    struct trade trade = {0};
    struct buy in = {0};
    struct err err = {0};

    if (!cli_options(cli, buy_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (in.purpose.n == 0)
        return cli_usage(cli, "--purpose is wanted: what will the data be used for?");
    trade.dataset = str_c(argv[0]);
    if (read_page(cli, &in, &trade, &err) < 0 || place_order(cli, &in, &trade, &err) < 0)
        return cli_fail(cli, &err);
    if (in.no_negotiate)
        return print_trade(cli, &trade);
    if (wait_order(cli, &trade, &err) < 0)
        return cli_fail(cli, &err);
    if (negotiate(cli, &trade, &err) < 0) {
        if (err.code == E_POLICY)
            cancel_order(cli, &trade);
        return cli_fail(cli, &err);
    }
    return print_trade(cli, &trade);
}
