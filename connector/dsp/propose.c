/*
 * connector/dsp/propose.c - provider: begins a negotiation with an offer to a named party (DSP
 * 2025-1, contract negotiation protocol: an initial ContractOfferMessage)
 *
 * POST /naru/v1/negotiations/offers. The offer is one of our catalogue, or rules for one of our
 * data sets. Whether the policy permits an agreement is decided when the other party accepts.
 */
#include "connector/dsp/dsp_private.h"

#include "lib/base/banned.h"

struct propose_in {
    struct str peer_id, peer_address, protocol;
    struct str offer_id; /* of the catalogue; or else: */
    struct str asset_id;
    const struct jval *policy;
};
/* clang-format off */
static const struct field propose_fields[] = {
    FIELD(struct propose_in, peer_id,      "counterPartyId",      F_REQUIRED | F_NONEMPTY),
    FIELD(struct propose_in, peer_address, "counterPartyAddress", F_REQUIRED | F_NONEMPTY),
    FIELD(struct propose_in, protocol,     "protocol",            F_NONEMPTY),
    FIELD(struct propose_in, offer_id,     "offerId",             F_NONEMPTY),
    FIELD(struct propose_in, asset_id,     "assetId",             F_NONEMPTY),
    FIELD(struct propose_in, policy,       "policy",              0),
};
static OBJECT(propose_object, struct propose_in, propose_fields, CLOSED);

/* clang-format on */

static int check(const struct propose_in *in, struct err *err)
{
    const bool own_rules = str_present(in->asset_id) && in->policy != NULL;

    if (in->peer_id.n > LIMIT_ID)
        return err_tell(err, E_INVALID, "/counterPartyId", "expected 1 to %d bytes", LIMIT_ID);
    if (str_present(in->offer_id) ? str_present(in->asset_id) || in->policy != NULL : !own_rules)
        return err_tell(err, E_INVALID, "", "expected either 'offerId' or 'assetId' and 'policy'");
    return 0;
}

/* An offer of the catalogue; to whom it is shown does not matter here: we bring it ourselves. */
static int of_catalogue(struct rq *rq, struct str offer_id, struct arena *arena,
                        struct offer_text *ret_offer, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(catalogue_unref) struct catalogue *catalogue = NULL;
    const struct catalogue_offer *offer;

    if (catalogue_get(app->dsp->catalogue, worker->db, &catalogue, err) < 0)
        return err_ret(err);
    offer = catalogue_offer(catalogue, offer_id);
    if (offer == NULL)
        return err_tell(err, E_INVALID, "/offerId", "no such offer: '%.*s'", STR_ARG(offer_id));
    ret_offer->id = arena_str(arena, offer->offer_id);
    ret_offer->target = arena_str(arena, offer->asset_id);
    ret_offer->rules = arena_str(arena, offer->contract->rules);
    return 0;
}

static int of_rules(struct rq *rq, const struct propose_in *in, struct arena *arena,
                    struct offer_text *ret_offer, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf policy = buf_init(LIMIT_JSON_BYTES);
    struct str address;

    switch (dsp__asset_address(worker->db, in->asset_id, arena, &address, err)) {
    case DB_ROW: break;
    case DB_NONE:
        return err_tell(err, E_INVALID, "/assetId", "no such data set: '%.*s'",
                        STR_ARG(in->asset_id));
    case DB_FAIL: return err_ret(err);
    }
    jval_write(&policy, in->policy);
    if (buf_failed(&policy))
        return err_set(err, E_NO_MEMORY, "", "offer");
    ret_offer->id = dsp__new_id(rq->app, arena);
    ret_offer->target = arena_str(arena, in->asset_id);
    return dsp__rules_of_text(rq->app, buf_str(&policy), arena, &ret_offer->rules, err);
}

static int prepare(struct rq *rq, const struct propose_in *in, struct command *command,
                   struct err *err)
{
    struct arena *arena = command->arena;
    struct process *process = &command->process;
    struct offer_text offer = {
        .assigner = command->app->settings->participant_did,
        .assignee = arena_str(arena, in->peer_id),
    };

    if ((str_present(in->offer_id) ? of_catalogue(rq, in->offer_id, arena, &offer, err)
                                   : of_rules(rq, in, arena, &offer, err)) < 0)
        return err_ret(err);
    *process = (struct process){
        .id = dsp__new_id(command->app, arena),
        .role = STR("provider"),
        .peer_id = offer.assignee,
    };
    command->prepared.first = process;
    command->prepared.state = NEG_OFFERING;
    command->offer = message_offer(&offer, arena);
    return dsp__keep_offer(&command->prepared, process, &offer, arena, err);
}

static int begin(struct command *command, struct err *err)
{
    struct message_text text = {.form = MF_OFFER, .offer = command->offer};

    return dsp__send(command->app, &command->prepared, &negotiation_kind, &command->process,
                     "dsp.negotiation.propose", "offers", &text, command->arena, err);
}

/* An address alone is taken as it is, in the version that it names, or the best one. */
static struct str protocol_of(const struct app *app, const struct propose_in *in)
{
    const struct codec *codec = codec_by_address(message_address_base(in->peer_address));

    if (str_present(in->protocol))
        return in->protocol;
    return codec != NULL ? codec->protocol : dsp_protocol(app->settings, 0);
}

struct proposed {
    struct str id;
    struct err err;
};

static void came(void *cls, struct str id, const struct err *err)
{
    struct rq *rq = cls;
    struct proposed *proposed = rq->cls;

    proposed->id = arena_str(rq->arena, id);
    proposed->err = *err;
    rq_resume(rq);
}

static int answer(struct rq *rq, struct err *err)
{
    const struct proposed *proposed = rq->cls;
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    struct jw w = jw_init(&body);

    if (proposed->err.code != E_OK) {
        *err = proposed->err;
        return err_ret(err);
    }
    jw_object(&w);
    jw_kstr(&w, "negotiation", proposed->id);
    jw_object_end(&w);
    rq_reply_json(rq, 201, buf_str(&body));
    return 0;
}

int dsp_operator_propose(struct rq *rq, struct err *err)
{
    struct propose_in in = {0};
    struct command *command;

    if (rq_decode(rq, &propose_object, &in, err) < 0 || check(&in, err) < 0)
        return err_ret(err);
    rq->cls = ARENA_NEW(rq->arena, struct proposed);
    command = rq->cls != NULL ? dsp__command_new(rq->app, came, rq) : NULL;
    if (command == NULL)
        return err_set(err, E_NO_MEMORY, "", "command");
    command->kind = &negotiation_kind;
    command->begin = begin;
    if (prepare(rq, &in, command, err) < 0) {
        dsp__command_free(&command);
        return err_ret(err);
    }
    rq_suspend(rq, answer);
    return dsp__command_choose(&command, "negotiation propose", in.peer_address,
                               protocol_of(rq->app, &in), err);
}
