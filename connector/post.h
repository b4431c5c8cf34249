/*
 * connector/post.h - messages of the outbox to other connectors: requests with a token for their receiver
 */
#pragma once

#include "connector/app.h"

/* `response` is NULL if there was none, then *err says why. Must end in outbox_result; fetcher's thread. */
typedef void post_done_fn(struct app *app, const struct outbox_msg *msg,
                          const struct fetch_response *response, const struct err *err);

/*
 * Sends msg->body to msg->url; msg is borrowed until `done` has given its result. Answers of more
 * than max_response bytes, or later than time_us (µs), count as none. Errors (`done` is not called):
 * E_NO_MEMORY, those of identity_token and fetch_submit.
 */
MUST_CHECK int post_message(struct app *app, const struct outbox_msg *msg, size_t max_response,
                            int64_t time_us, post_done_fn *done, struct err *err);
/* The same for a GET of `url`, at the message's receiver, that says what is to become of the message. */
MUST_CHECK int post_ask(struct app *app, const struct outbox_msg *msg, struct str url,
                        size_t max_response, int64_t time_us, post_done_fn *done, struct err *err);
