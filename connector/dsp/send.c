/*
 * connector/dsp/send.c - our messages on their way to a peer
 *
 * What answers mean is a table. 409 and its like mean "not yet": a peer that has not recorded its
 * own step refuses what a fast one sends (seen with EDC), and so does 404 for a process that it has
 * only just heard of. A 404 or 405 that is no JSON comes from a server whose connector is
 * not there yet (EDC for seconds while it starts): that is waited for longer. A first message must
 * be answered with the peer's pid.
 */
#include "connector/dsp/dsp_private.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

#define SEND_TIME_US  (10 * US_PER_S)
#define ANSWER_MAX    KIB(64)
#define UNKNOWN_TRIES 8  /* 404: about 2.5 s with the outbox's back-off */
#define ABSENT_TRIES  36 /* 404, 405 of something that is no connector: about 30 s */

struct sending {
    struct app *app;
    const struct outbox_msg *msg; /* borrowed until its result */
};

static const struct {
    int from, to;
    enum outbox_result result;
} meanings[] = {
    {200, 299, OUTBOX_SENT   },
    {404, 405, OUTBOX_NOT_YET},
    {408, 409, OUTBOX_NOT_YET},
    {425, 425, OUTBOX_NOT_YET},
    {429, 429, OUTBOX_NOT_YET},
    {500, 599, OUTBOX_AGAIN  },
};

static enum outbox_result meaning(const struct outbox_msg *msg, int status, bool json)
{
    if ((status == 404 && json && msg->attempts >= UNKNOWN_TRIES) || (status == 405 && json) ||
        ((status == 404 || status == 405) && msg->attempts >= ABSENT_TRIES))
        return OUTBOX_REFUSED;
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (status >= meanings[i].from && status <= meanings[i].to)
            return meanings[i].result;
    }
    return OUTBOX_REFUSED;
}

/*
 * The reason that an error gives, "" if it gives none; STR_NONE if the body is no JSON object. Errors
 * are read leniently: whatever is wrong with their form, what they say is all that an operator will
 * learn.
 */
static struct str error_reason(struct str body, struct arena *arena)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};
    struct str reason;

    if (jdoc_parse(body, NULL, &doc, &ignored) < 0 || jtype_of(jdoc_root(doc)) != J_OBJECT)
        return STR_NONE;

    const struct jval *root = jdoc_root(doc);
    const struct jval *reasons = jval_get(root, "reason");
    const struct message said = {
        .code = jval_str(jval_get(root, "code")),
        .reason = reasons != NULL ? reasons : jval_get(root, "detail"), /* RFC 9457 */
    };

    reason = message_reason(&said, arena);
    return str_present(reason) ? reason : STR("");
}

/* The pid that the peer has given to a process that we began; STR_NONE if the answer is none. */
static struct str answered_pid(const struct sent_kind *kind, struct str body, struct arena *arena)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};
    struct str pid;

    if (jdoc_parse(body, NULL, &doc, &ignored) < 0)
        return STR_NONE;
    pid = jval_str(jval_get(jdoc_root(doc), kind->pid_member));
    return pid.n > 0 && pid.n <= LIMIT_ID ? arena_str(arena, pid) : STR_NONE;
}

static void judge(struct app *app, const struct outbox_msg *msg,
                  const struct fetch_response *response)
{
    AUTO(arena_free) struct arena *arena = arena_new(ANSWER_MAX);
    const struct sent_kind *kind = dsp__sent_kind(msg->kind);
    struct str reason, answer = STR_NONE;
    enum outbox_result result;

    if (arena == NULL) {
        outbox_result(app->outbox, msg, OUTBOX_AGAIN, STR_NONE);
        return;
    }
    reason = response->status >= 300 ? error_reason(response->body, arena) : STR_NONE;
    result = meaning(msg, response->status, str_present(reason));
    if (result == OUTBOX_SENT && kind->pid_member != NULL) {
        answer = answered_pid(kind, response->body, arena);
        if (!str_present(answer)) {
            result = OUTBOX_REFUSED;
            answer = STR("the other party's answer names no process");
        }
    } else if (result == OUTBOX_REFUSED) {
        answer = reason.n > 0
                     ? reason
                     : arena_printf(arena, "the other party answered %d", response->status);
    }
    if (result == OUTBOX_REFUSED)
        log_info(NULL, "the other party refused a message", L_STR("kind", msg->kind),
                 L_STR("process", msg->stream), L_I64("status", response->status),
                 L_STR("reason", answer));
    outbox_result(app->outbox, msg, result, answer);
}

/* No answer: only an address that may not be contacted is final. */
static void failed(struct app *app, const struct outbox_msg *msg, const struct err *err)
{
    log_debug(NULL, "no answer from the other party", L_STR("kind", msg->kind),
              L_STR("process", msg->stream), L_C("error", err->text));
    if (err->code == E_PEER_ADDRESS || err->code == E_LIMIT || err->code == E_INVALID)
        outbox_result(app->outbox, msg, OUTBOX_REFUSED,
                      err->detail[0] != '\0' ? str_c(err->detail) : str_c(err_title(err->code)));
    else
        outbox_result(app->outbox, msg, OUTBOX_AGAIN, STR_NONE);
}

static void done(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct sending *sending = cls;

    if (err->code == E_OK)
        judge(sending->app, sending->msg, response);
    else
        failed(sending->app, sending->msg, err);
    free(sending);
}

static int submit(struct app *app, const struct outbox_msg *msg, struct err *err)
{
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    struct sending *sending;

    if (dsp__sent_kind(msg->kind) == NULL)
        return err_set(err, E_INVALID, "outbox.kind", "unknown kind '%.*s'", STR_ARG(msg->kind));
    if (identity_token(app->identity, msg->audience, &token, err) < 0)
        return err_ret(err);
    sending = malloc(sizeof(*sending));
    if (sending == NULL)
        return err_set(err, E_NO_MEMORY, "", "message");
    *sending = (struct sending){app, msg};

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
        .max_response = ANSWER_MAX / 2,
        .deadline_mono_us = env_mono_us(app->env) + SEND_TIME_US,
        .done = done,
        .cls = sending,
    };

    if (fetch_submit(app->fetcher, &request, NULL, err) < 0) {
        free(sending);
        return err_ret(err);
    }
    return 0;
}

void dsp_send(struct app *app, const struct outbox_msg *msg)
{
    struct err err = {0};

    if (submit(app, msg, &err) < 0) {
        log_err(NULL, "message to the other party could not be sent", &err);
        failed(app, msg, &err);
    }
}
