/*
 * connector/dsp/dsp.c - the unit: routes, typed errors, opening and closing
 */
#include "connector/dsp/dsp_private.h"
#include "connector/prune.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

/* clang-format off */
const struct http_route dsp_routes[] = {
#define ROUTE HTTP_ROUTE_ROW
#include "connector/dsp/routes.def"
#undef ROUTE
    {0},
};
const struct http_route dsp_management_routes[] = {
#define ROUTE HTTP_ROUTE_ROW
#include "connector/dsp/management_routes.def"
#undef ROUTE
    {0},
};

/*
 * Errors have a type by part of the protocol; the schemas want both pids even where they are not
 * known.
 */
static const struct {
    struct str below; /* /dsp/{version} */
    enum message_form form;
    bool pids;
} errors[] = {
    {STR_INIT("negotiations/"), MF_NEGOTIATION_ERROR, true},
    {STR_INIT("transfers/"),    MF_TRANSFER_ERROR,    true},
    {STR_INIT("catalog/"),      MF_CATALOG_ERROR,     false},
};

/* clang-format on */
#define NO_PID "urn:uuid:00000000-0000-0000-0000-000000000000"

/*
 * As far as they are known: the process, else what the message said. A process that a refused
 * message would have begun is none.
 */
static struct pids known_pids(const struct rq *rq)
{
    const struct inbound *in = rq->cls;
    struct pids pids = {STR_NONE, STR_NONE};

    if (in != NULL && str_present(in->process.id) && in->effect.first == NULL)
        pids = dsp__pids(&in->process);
    if (in != NULL && !str_present(pids.provider))
        pids.provider = in->msg.provider_pid;
    if (in != NULL && !str_present(pids.consumer))
        pids.consumer = in->msg.consumer_pid;
    if (!str_present(pids.provider))
        pids.provider = STR(NO_PID);
    if (!str_present(pids.consumer))
        pids.consumer = STR(NO_PID);
    return pids;
}

/* The version in which a peer asked, also where its path leads nowhere; NULL: in none of ours. */
static const struct codec *asked_in(const struct rq *rq, struct str *ret_below)
{
    static const struct str dsp = STR_INIT("/dsp/");
    const struct app *app = rq->app;
    const struct codec *codec;
    struct str rest;

    if (!str_starts(rq->path, dsp))
        return NULL;
    rest = str_from(rq->path, dsp.n);
    codec = codec_by_version(str_cut(&rest, '/'));
    *ret_below = rest;
    return codec != NULL && codec_served(app->settings, codec) ? codec : NULL;
}

void dsp_render_error(struct rq *rq, const struct err *err)
{
    struct str below = STR_NONE;
    const struct codec *codec = asked_in(rq, &below);

    for (size_t i = 0; codec != NULL && i < ARRAY_LEN(errors); i++) {
        if (!str_starts(below, errors[i].below))
            continue;

        const struct str detail =
            str_c(err->detail[0] != '\0' ? err->detail : err_title(err->code));
        const struct message_text text = {
            .form = errors[i].form,
            .pids = errors[i].pids ? known_pids(rq) : (struct pids){STR_NONE, STR_NONE},
            .code = str_c(err_slug(err->code)),
 /* where a failure of ours came up is nobody's business */
            .reason = err->at[0] != '\0' && err_http(err->code) < 500
                          ? arena_printf(rq->arena, "%s: %.*s", err->at, STR_ARG(detail))
                          : detail,
        };
        const struct str body = message_write(codec, &text, rq->arena);

        if (str_present(body))
            rq_reply_json(rq, err_http(err->code), body);
        return;
    }
    http_problem(rq, err);
}

/* -- old messages ------------------------------------------------------------------------------ */

#define SEEN_KEPT_US (7 * US_PER_DAY)

/* A process that is younger than before_us has no older message. */
static int prune_messages(struct db *tx, struct app *app, int64_t *ret_changed, struct err *err)
{
    static const uint8_t lowest[10];
    const int64_t before_us = env_wall_us(app->env) - SEEN_KEPT_US;
    const struct process_id before = dsp__process_id(uuid_v7_from(before_us / 1000, lowest));

    return db_exec(tx, &q_dsp_message_prune,
                   DB_ARGS(DB_I64(before_us), DB_TEXT(str_c(before.c)), DB_I64(PRUNE_PIECE)),
                   ret_changed, err);
}

static const struct prune old_messages = {
    .name = "prune messages",
    .timer = "messages",
    .failed = "old messages could not be forgotten",
    .pause_us = US_PER_DAY,
    .piece = prune_messages,
};

void dsp_messages_prune(struct app *app)
{
    prune_run(app, &old_messages);
}

int dsp_open(struct app *app, struct dsp **ret_dsp, struct err *err)
{
    struct dsp *dsp = calloc(1, sizeof(*dsp));

    if (dsp == NULL)
        return err_set(err, E_NO_MEMORY, "", "protocol");
    dsp->app = app;
    dsp->decide_us = POLICY_FOREVER;
    CHECK(pthread_mutex_init(&dsp->lock, NULL) == 0);
    if (catalogue_cache_open(app, &dsp->catalogue, err) < 0 ||
        dsp__known_peers_open(&dsp->known, err) < 0 ||
        dsp__known_texts_open(&dsp->texts, err) < 0) {
        dsp_close(&dsp);
        return err_ret(err);
    }
    prune_begin(app, &old_messages);
    *ret_dsp = dsp;
    return 0;
}

void dsp_close(struct dsp **dsp_address)
{
    struct dsp *dsp = MOVE(*dsp_address);

    if (dsp == NULL)
        return;
    while (dsp->later != NULL) {
        struct arena *arena = dsp->later->arena;

        dsp->later = dsp->later->next;
        arena_free(&arena);
    }
    catalogue_cache_close(&dsp->catalogue);
    dsp__known_peers_close(&dsp->known);
    dsp__known_texts_close(&dsp->texts);
    (void)pthread_mutex_destroy(&dsp->lock);
    free(dsp);
}

void dsp_catalogue_changed(struct dsp *dsp)
{
    catalogue_changed(dsp->catalogue);
}
