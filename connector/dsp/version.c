/*
 * connector/dsp/version.c - GET /.well-known/dspace-version, also below /dsp: no token needed (DSP
 * 2025-1, common)
 */
#include "connector/dsp/dsp_private.h"

#include "lib/base/banned.h"

/* `path` follows what stands before /.well-known in the address. */
static int answer(struct rq *rq, const char *path, struct err *err)
{
    const struct str body =
        arena_printf(rq->arena,
                     "{\"protocolVersions\":[{\"version\":\"2025-1\",\"path\":\"%s\","
                     "\"binding\":\"HTTPS\"}]}",
                     path);

    if (!str_present(body))
        return err_set(err, E_NO_MEMORY, "", "answer");
    rq_reply_json(rq, 200, body);
    return 0;
}

int dsp_version_root(struct rq *rq, struct err *err)
{
    return answer(rq, "/dsp/2025-1", err);
}

int dsp_version(struct rq *rq, struct err *err)
{
    return answer(rq, "/2025-1", err);
}
