/*
 * connector/mgmt/dataplanes.c - GET /v3/dataplanes: the data plane that is part of this connector
 */
#include "connector/dataplane/dataplane.h"
#include "connector/mgmt/mgmt_private.h"

#include "lib/base/banned.h"

static void write_texts(struct jw *w, const char *key, struct str_list texts)
{
    jw_key(w, key);
    if (texts.n != 1)
        jw_array(w);
    for (size_t i = 0; i < texts.n; i++)
        jw_str(w, texts.items[i]);
    if (texts.n != 1)
        jw_array_end(w);
}

int mgmt_dataplanes(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    const int64_t now_ms = env_wall_us(rq->env) / 1000;
    struct jw w = jw_init(&body);
    struct str_list sources = {0}, formats = {0};

    if (dataplane_abilities(rq->arena, &sources, &formats, err) < 0)
        return err_ret(err);
    jw_array(&w);
    jw_object(&w);
    jw_kstr(&w, "@id", app->data_url);
    jw_kc(&w, "@type", "DataPlaneInstance");
    jw_kstr(&w, "url", app->data_url);
    jw_kc(&w, "state", "AVAILABLE");
    jw_ki64(&w, "stateTimestamp", now_ms);
    jw_ki64(&w, "lastActive", now_ms);
    write_texts(&w, "allowedSourceTypes", sources);
    write_texts(&w, "allowedTransferTypes", formats);
    jw_kraw(&w, "destinationProvisionTypes", STR("[]"));
    jw_kraw(&w, "properties", STR("{}"));
    mgmt__context(&w);
    jw_array_end(&w);
    return mgmt__reply(rq, &body, err);
}
