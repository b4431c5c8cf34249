/*
 * lib/http/problem.c - errors as problem documents (RFC 9457)
 */
#include "lib/http/http_private.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define PROBLEM_BYTES KIB(4)

void http_problem(struct rq *rq, const struct err *err)
{
    int status = rq->priv->refused_status != 0 ? rq->priv->refused_status : err_http(err->code);
    struct uuid_text id = uuid_format(rq->id);
    AUTO(buf_done) struct buf body = buf_init(PROBLEM_BYTES);
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "type", "about:blank");
    jw_kc(&w, "title", err_title(err->code));
    jw_ki64(&w, "status", status);
    jw_kc(&w, "code", err_slug(err->code));
    if (err->detail[0] != '\0')
        jw_kc(&w, "detail", err->detail);
    if (err->at[0] != '\0' && status < 500) /* a failure of ours: where, is in the log */
        jw_kc(&w, "at", err->at);
    jw_kc(&w, "request", id.c);
    jw_object_end(&w);
    rq_reply(rq, status, "application/problem+json", buf_str(&body));
}
