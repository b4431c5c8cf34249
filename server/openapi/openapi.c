/*
 * server/openapi/openapi.c - serves openapi.json; tests/it/o010_openapi.py keeps it in step with
 * the routes
 */
#include "server/openapi/openapi.h"

#include "server/registry/auth.h"

#include "lib/base/banned.h"

__asm__(".section .rodata\n"
        "naru_openapi_begin:\n"
        ".incbin \"server/openapi/openapi.json\"\n"
        "naru_openapi_end:\n"
        ".previous\n");
extern const char openapi_begin[] __asm__("naru_openapi_begin");
extern const char openapi_end[] __asm__("naru_openapi_end");

static int openapi_get(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply_header(rq, "Cache-Control", STR("public, max-age=300"));
    rq_reply_json(rq, 200, str_n(openapi_begin, (size_t)(openapi_end - openapi_begin)));
    return 0;
}

const struct http_route openapi_routes[] = {
    {.method = "GET",
     .path = "/v1/openapi.json",
     .handler = openapi_get,
     .who = W_PUBLIC,
     .name = "openapi_get"},
    {0},
};
