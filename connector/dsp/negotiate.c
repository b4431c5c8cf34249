/*
 * connector/dsp/negotiate.c - consumer: begins a negotiation
 */
#include "connector/dsp/dsp_private.h"
#include "connector/store/policies.h"

#include "lib/base/banned.h"

int dsp__rules_of_text(const struct app *app, struct str policy_text, struct arena *arena,
                       struct str *ret_rules, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf rules = buf_init(LIMIT_JSON_BYTES);
    struct jw w = jw_init(&rules);

    if (policies_get(app->policies, policy_text, &policy, err) < 0)
        return err_at_prefix(err, "/policy");
    jw_object(&w);
    policy_write_rules(policy, POLICY_FORM_DSP, &w);
    jw_object_end(&w);
    if (buf_failed(&rules))
        return err_set(err, E_LIMIT, "/policy", "too large");
    *ret_rules = arena_str(arena, str_n(rules.p + 1, rules.n - 2));
    return str_present(*ret_rules) ? 0 : err_set(err, E_NO_MEMORY, "", "offer");
}

static int check(const struct dsp_negotiate *request, struct err *err)
{
    const struct {
        struct str text;
        const char *at;
    } ids[] = {
        {request->peer_id,  "/counterPartyId"},
        {request->offer_id, "/policy/@id"    },
        {request->asset_id, "/policy/target" },
    };

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        if (ids[i].text.n == 0 || ids[i].text.n > LIMIT_ID)
            return err_tell(err, E_INVALID, ids[i].at, "expected 1 to %d bytes", LIMIT_ID);
    }
    return 0;
}

static int prepare(struct command *command, const struct dsp_negotiate *request, struct err *err)
{
    struct arena *arena = command->arena;
    struct process *process = &command->process;
    struct offer_text offer = {
        .id = arena_str(arena, request->offer_id),
        .target = arena_str(arena, request->asset_id),
        .assigner = arena_str(arena, request->peer_id),
    };

    if (dsp__rules_of_text(command->app, request->policy, arena, &offer.rules, err) < 0)
        return err_ret(err);
    *process = (struct process){
        .id = dsp__new_id(command->app, arena),
        .role = STR("consumer"),
        .peer_id = offer.assigner,
    };
    command->prepared.first = process;
    command->prepared.callbacks = arena_str(arena, request->callbacks);
    command->prepared.state = NEG_REQUESTING;
    command->offer = message_offer(&offer, arena);
    return dsp__keep_offer(&command->prepared, process, &offer, arena, err);
}

static int begin(struct command *command, struct err *err)
{
    struct message_text text = {.form = MF_REQUEST, .offer = command->offer};

    return dsp__send(command->app, &command->prepared, &negotiation_kind, &command->process,
                     "dsp.negotiation.begin", "request", &text, command->arena, err);
}

int dsp_negotiate(struct app *app, const struct dsp_negotiate *request, dsp_done_fn *done,
                  void *cls, struct err *err)
{
    struct command *command;

    if (check(request, err) < 0)
        return err_ret(err);
    command = dsp__command_new(app, done, cls);
    if (command == NULL)
        return err_set(err, E_NO_MEMORY, "", "command");
    command->kind = &negotiation_kind;
    command->begin = begin;
    if (prepare(command, request, err) < 0) {
        dsp__command_free(&command);
        return err_ret(err);
    }
    return dsp__command_choose(&command, "negotiate", request->peer_address, request->protocol,
                               err);
}
