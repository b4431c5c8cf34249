/*
 * connector/mgmt/mgmt.c - the unit's state, its routes, who may call, how errors look
 *
 * Every path is served as it is and below /management, since EDC's clients are given such a base
 * path.
 */
#include <limits.h>

#include "connector/dsp/dsp.h"
#include "connector/mgmt/mgmt_private.h"
#include "lib/base/folder.h"
#include "lib/jdoc/jdoc.h"
#include "policy/template.h"

#include "lib/base/banned.h"

#define EDC_CONTEXT "\"@vocab\":\"" LD_EDC "\",\"edc\":\"" LD_EDC "\",\"odrl\":\"" LD_ODRL "\""
#define V4_CONTEXT  "\"https://w3id.org/edc/connector/management/v2\""

/* clang-format off */
const struct http_route mgmt_routes[] = {
#define BASE
#include "connector/mgmt/versions.def"
#undef BASE
#define BASE "/management"
#include "connector/mgmt/versions.def"
#undef BASE
    {0},
};

/* EDC's name of an error, by HTTP status. */
static const struct { int status; const char *type; } types[] = {
    {401, "AuthenticationFailed"},
    {403, "NotAuthorized"},
    {404, "ObjectNotFound"},
    {409, "ObjectConflict"},
    {412, "PreconditionFailed"},
    {502, "BadGateway"},
    {504, "BadGateway"},
};

/* clang-format on */

static int add_template(void *cls, struct str name, struct str text, struct err *err)
{
    return policy_templates_add(cls, text, err) < 0
               ? err_prefix(err, "policy.templates: '%.*s': at '%s'", STR_ARG(name), err->at)
               : 0;
}

/* The built-in ones and those of the folder. */
static int read_templates(const struct settings *settings, struct policy_templates **ret,
                          struct err *err)
{
    AUTO(policy_templates_free) struct policy_templates *templates = NULL;
    char path[PATH_MAX];

    if (policy_templates_new(&templates, err) < 0)
        return err_ret(err);
    (void)snprintf(path, sizeof(path), "%.*s", STR_ARG(settings->policy_templates));
    if (path[0] != '\0' &&
        folder_each(path, ".json", LIMIT_JSON_BYTES, add_template, templates, err) < 0)
        return err_prefix(err, "policy.templates");
    *ret = MOVE(templates);
    return 0;
}

int mgmt_open(struct app *app, struct mgmt **ret_mgmt, struct err *err)
{
    AUTO(mgmt_close) struct mgmt *mgmt = calloc(1, sizeof(*mgmt));

    if (mgmt == NULL)
        return err_set(err, E_NO_MEMORY, "", "management API");
    mgmt->app = app;
    if (ld_open(&mgmt->ld, err) < 0 ||
        ld_context_open(mgmt->ld, STR("{" EDC_CONTEXT "}"), STR_NONE, &mgmt->edc, err) < 0 ||
        ld_context_open(mgmt->ld,
                        STR("{" EDC_CONTEXT ",\"dcat\":\"" LD_DCAT "\",\"dct\":\"" LD_DCT
                            "\",\"dspace\":\"" LD_DSPACE "\"}"),
                        STR_NONE, &mgmt->catalogue, err) < 0 ||
        ld_context_open(mgmt->ld, STR("\"https://w3id.org/dspace/2025/1/odrl-profile.jsonld\""),
                        STR_NONE, &mgmt->odrl, err) < 0 ||
        ld_context_open(mgmt->ld, STR("[" V4_CONTEXT "]"), STR_NONE, &mgmt->v4, err) < 0 ||
        ld_context_open(mgmt->ld,
                        STR("[" V4_CONTEXT ",\"https://w3id.org/dspace/2025/1/context.jsonld\"]"),
                        STR_NONE, &mgmt->catalogue_v4, err) < 0 ||
        ld_context_open(mgmt->ld,
                        STR("{\"edc\":\"" LD_EDC "\",\"authKey\":\"edc:authKey\","
                            "\"authCodeId\":\"edc:authCodeId\",\"protocol\":\"edc:protocol\","
                            "\"counterPartyId\":\"edc:counterPartyId\","
                            "\"counterPartyAddress\":\"edc:counterPartyAddress\"}"),
                        STR_NONE, &mgmt->v4_more, err) < 0)
        return err_prefix(err, "management API");
    if (read_templates(app->settings, &mgmt->templates, err) < 0)
        return err_ret(err);
    dsp_on_agreed(app->dsp, mgmt__agreed, mgmt);
    *ret_mgmt = MOVE(mgmt);
    return 0;
}

void mgmt_close(struct mgmt **mgmt)
{
    if (*mgmt == NULL)
        return;
    policy_templates_free(&(*mgmt)->templates);
    ld_context_close(&(*mgmt)->v4_more);
    ld_context_close(&(*mgmt)->catalogue_v4);
    ld_context_close(&(*mgmt)->v4);
    ld_context_close(&(*mgmt)->odrl);
    ld_context_close(&(*mgmt)->catalogue);
    ld_context_close(&(*mgmt)->edc);
    ld_close(&(*mgmt)->ld);
    free(*mgmt);
    *mgmt = NULL;
}

int mgmt_authorise(struct rq *rq, unsigned who, struct err *err)
{
    const struct app *app = rq->app;

    if (who == W_PUBLIC || secret_eq(app->api_key, rq_header(rq, "X-Api-Key")))
        return 0;
    return err_tell(err, E_UNAUTHENTICATED, "X-Api-Key", "Request could not be authenticated");
}

static const char *error_type(const struct err *err, int status)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].status == status)
            return types[i].type;
    }
    if (status >= 500)
        return "InternalError";
    return err->at[0] == '/' ? "ValidationFailure" : "InvalidRequest";
}

/* The other party's fault is a bad gateway for our own user, whatever we tell the other party. */
static int error_status(const struct err *err)
{
    switch ((int)err->code) {
    case E_PEER_SYNTAX:
    case E_PEER_STATE:
    case E_PEER_CONFLICT:
    case E_PEER_GAP: return 502;
    default: return err_http(err->code);
    }
}

static void render_edc(struct rq *rq, const struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    const int status = error_status(err);
    struct jw w = jw_init(&body);

    jw_array(&w);
    jw_object(&w);
    jw_kc(&w, "message", err->detail[0] != '\0' ? err->detail : err_title(err->code));
    jw_kc(&w, "type", error_type(err, status));
    jw_kc(&w, "path", err->at[0] == '/' ? err->at + 1 : NULL);
    jw_key(&w, "invalidValue");
    jw_null(&w);
    jw_object_end(&w);
    jw_array_end(&w);
    rq_reply_json(rq, status, buf_str(&body));
}

void mgmt_render_error(struct rq *rq, const struct err *err)
{
    const struct str management = STR("/management");
    const struct str path =
        str_starts(rq->path, management) ? str_from(rq->path, management.n) : rq->path;

    if (str_starts(path, STR("/naru/")) || path.n == 0)
        http_problem(rq, err);
    else
        render_edc(rq, err);
}
