/*
 * connector/dsp/version.c - which versions we speak: GET /.well-known/dspace-version, also below
 * /dsp: no token needed (DSP 2025-1, common); and the version of a route
 *
 * DSP 2024-1 knows a path behind the well-known one (`/.well-known/dspace-version/dsp`) and wants
 * its context in the document, which 2025-1 does without.
 */
#include "connector/dsp/dsp_private.h"

#include "lib/base/banned.h"

/* `before` stands between what precedes /.well-known in the address and the version. */
static int answer(struct rq *rq, const char *before, bool with_context, struct err *err)
{
    const struct app *app = rq->app;
    AUTO(buf_done) struct buf body = buf_init(KIB(4));
    struct jw w = jw_init(&body);

    jw_object(&w);
    if (with_context)
        jw_kstr(&w, "@context", codec_by_version(STR("2024-1"))->context);
    jw_key(&w, "protocolVersions");
    jw_array(&w);
    for (size_t i = 0; i < CODECS; i++) {
        if (!codec_served(app->settings, &codecs[i]))
            continue;
        jw_object(&w);
        jw_kstr(&w, "version", codecs[i].version);
        jw_kstr(&w, "path", arena_printf(rq->arena, "%s/%.*s", before, STR_ARG(codecs[i].version)));
        jw_kc(&w, "binding", "HTTPS");
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    if (buf_failed(&body) || arena_failed(rq->arena))
        return err_set(err, E_NO_MEMORY, "", "answer");
    rq_reply_json(rq, 200, buf_str(&body));
    return 0;
}

static bool only_2024(const struct rq *rq)
{
    const struct app *app = rq->app;

    return !codec_served(app->settings, codec_by_version(STR("2025-1")));
}

int dsp_version_root(struct rq *rq, struct err *err)
{
    return answer(rq, "/dsp", only_2024(rq), err);
}

int dsp_version(struct rq *rq, struct err *err)
{
    return answer(rq, "", only_2024(rq), err);
}

int dsp_version_2024(struct rq *rq, struct err *err)
{
    return answer(rq, "/dsp", true, err);
}

int dsp__codec_of_route(const struct rq *rq, const struct codec **ret_codec, struct err *err)
{
    const struct app *app = rq->app;
    const struct str version = rq_param(rq, "version");

    for (size_t i = 0; i < CODECS; i++) {
        if (str_eq(version, codecs[i].version) && codec_served(app->settings, &codecs[i])) {
            *ret_codec = &codecs[i];
            return 0;
        }
    }
    return err_tell(err, E_NOT_FOUND, "", "no such version of the protocol here: '%.*s'",
                    STR_ARG(version));
}

int dsp__read_body(struct rq *rq, const struct codec *codec, const struct jval **ret_root,
                   struct err *err)
{
    struct jdoc *doc = NULL;

    if (rq_json(rq, &jlimits_default, ret_root, err) < 0 ||
        codec_read(codec, *ret_root, &doc, err) < 0)
        return err_ret(err);
    if (doc != NULL) {
        *ret_root = jdoc_root(doc);
        rq_keep_doc(rq, &doc);
    }
    return 0;
}

int dsp_best_url(const struct settings *settings, struct str root, struct arena *arena,
                 struct str *ret_url, struct err *err)
{
    for (size_t i = 0; i < CODECS; i++) {
        if (!codec_served(settings, &codecs[i]))
            continue;
        *ret_url = arena_printf(arena, "%.*s/%.*s", STR_ARG(root), STR_ARG(codecs[i].version));
        return 0;
    }
    return err_set(err, E_CONFIG, "dsp.versions", "at least one version is needed");
}

struct str dsp_protocol(const struct settings *settings, size_t i)
{
    for (size_t c = 0; c < CODECS; c++) {
        if (codec_served(settings, &codecs[c]) && i-- == 0)
            return codecs[c].protocol;
    }
    return STR_NONE;
}

bool dsp_is_version(struct str protocol, struct str version)
{
    const struct codec *codec = codec_by_protocol(protocol);

    return codec != NULL && codec == codec_by_version(version);
}
