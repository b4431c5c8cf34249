/*
 * connector/mgmt/openapi.c - GET /openapi.json: the description of what the management listener
 * serves (openapi.json, compiled in); tests/it/o030_management.py keeps it in step with the routes
 */
#include "connector/mgmt/mgmt_private.h"

#include "lib/base/banned.h"

__asm__(".section .rodata\n"
        "naru_management_begin:\n"
        ".incbin \"connector/mgmt/openapi.json\"\n"
        "naru_management_end:\n"
        ".previous\n");
extern const char document_begin[] __asm__("naru_management_begin");
extern const char document_end[] __asm__("naru_management_end");

int mgmt_openapi(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply_header(rq, "Cache-Control", STR("public, max-age=300"));
    rq_reply_json(rq, 200, str_n(document_begin, (size_t)(document_end - document_begin)));
    return 0;
}
