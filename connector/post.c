/*
 * connector/post.c - one message, one request
 */
#include "connector/post.h"

#include "connector/identity/identity.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct posting {
    struct app *app;
    const struct outbox_msg *msg;
    post_done_fn *done;
};

static void posted(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct posting *posting = cls;

    posting->done(posting->app, posting->msg, response, err);
    free(posting);
}

/* Method, address and body are in *request; the rest is the same for all. */
static int submit(struct app *app, const struct outbox_msg *msg, struct fetch_request *request,
                  int64_t time_us, post_done_fn *done, struct err *err)
{
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    struct posting *posting;

    if (identity_token(app->identity, msg->audience, &token, err) < 0)
        return err_ret(err);
    posting = malloc(sizeof(*posting));
    if (posting == NULL)
        return err_set(err, E_NO_MEMORY, "", "message");
    *posting = (struct posting){app, msg, done};

    const struct fetch_header headers[] = {
        {STR("Authorization"), buf_str(&token)        },
        {STR("Content-Type"),  STR("application/json")},
    };

    request->headers = headers;
    request->n_headers = str_present(request->body) ? 2 : 1;
    request->deadline_mono_us = env_mono_us(app->env) + time_us;
    request->done = posted;
    request->cls = posting;
    if (fetch_submit(app->fetcher, request, NULL, err) < 0) {
        free(posting);
        return err_ret(err);
    }
    return 0;
}

int post_message(struct app *app, const struct outbox_msg *msg, size_t max_response,
                 int64_t time_us, post_done_fn *done, struct err *err)
{
    struct fetch_request request = {
        .method = "POST", .url = msg->url, .body = msg->body, .max_response = max_response};

    return submit(app, msg, &request, time_us, done, err);
}

int post_ask(struct app *app, const struct outbox_msg *msg, struct str url, size_t max_response,
             int64_t time_us, post_done_fn *done, struct err *err)
{
    struct fetch_request request = {.method = "GET", .url = url, .max_response = max_response};

    return submit(app, msg, &request, time_us, done, err);
}
