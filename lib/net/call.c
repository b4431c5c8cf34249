/*
 * lib/net/call.c - a request that blocks its caller, for programs without an event loop
 */
#include "lib/base/check.h"
#include "lib/net/fetch_private.h"

#include "lib/base/banned.h"

struct call {
    const struct fetch_request *request; /* the caller's */
    pthread_mutex_t lock;                /* guards done */
    pthread_cond_t over;
    bool done;
    int status;
    char *body;
    size_t n;
    struct err err;
};

static enum fetch_flow call_head(void *cls, const struct fetch_response *response)
{
    const struct call *call = cls;

    return call->request->head(call->request->cls, response);
}

static enum fetch_flow call_sink(void *cls, const void *p, size_t n)
{
    const struct call *call = cls;

    return call->request->sink(call->request->cls, p, n);
}

static void call_done(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct call *call = cls;

    call->err = *err;
    if (response != NULL) {
        call->status = response->status;
        call->n = response->body.n;
        call->body = malloc(call->n + 1);
        if (call->body != NULL) {
            memcpy(call->body, response->body.p, call->n);
            call->body[call->n] = '\0';
        } else {
            err_set(&call->err, E_NO_MEMORY, "", "answer of %zu bytes", call->n);
        }
    }
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->over);
    pthread_mutex_unlock(&call->lock);
}

int fetch_call(struct fetcher *fetcher, const struct fetch_request *request, int *ret_status,
               char **ret_body, size_t *ret_n, struct err *err)
{
    struct call call = {
        .request = request, .lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};
    struct fetch_request own = *request;

    own.head = request->head != NULL ? call_head : NULL;
    own.sink = request->sink != NULL ? call_sink : NULL;
    own.done = call_done;
    own.cls = &call;
    if (fetch_submit(fetcher, &own, NULL, err) < 0)
        return err_ret(err);
    pthread_mutex_lock(&call.lock);
    while (!call.done)
        pthread_cond_wait(&call.over, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_mutex_destroy(&call.lock);
    pthread_cond_destroy(&call.over);
    if (call.err.code != E_OK) {
        *err = call.err;
        free(call.body);
        return err_ret(err);
    }
    *ret_status = call.status;
    *ret_body = call.body;
    *ret_n = call.n;
    return 0;
}
