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

int post_message(struct app *app, const struct outbox_msg *msg, size_t max_response,
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
    const struct fetch_request request = {
        .method = "POST",
        .url = msg->url,
        .headers = headers,
        .n_headers = ARRAY_LEN(headers),
        .body = msg->body,
        .max_response = max_response,
        .deadline_mono_us = env_mono_us(app->env) + time_us,
        .done = posted,
        .cls = posting,
    };

    if (fetch_submit(app->fetcher, &request, NULL, err) < 0) {
        free(posting);
        return err_ret(err);
    }
    return 0;
}
