/*
 * connector/duty/send.c - documents leave for other connectors
 *
 * A connector that is not ours has no such path and answers 404; so does one of ours to which the
 * agreement is not final yet. So that answer is asked for again for a while before it counts.
 */
#include "connector/duty/duty_private.h"
#include "connector/post.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/jws.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define SEND_TIME_US (30 * US_PER_S)
#define ANSWER_MAX   KIB(64)
#define ABSENT_ASKED 10 /* attempts, some ten seconds */

static enum outbox_result meaning(const struct outbox_msg *msg, int status)
{
    if (status >= 200 && status < 300)
        return OUTBOX_SENT;
    if (status == 404)
        return msg->attempts < ABSENT_ASKED ? OUTBOX_NOT_YET : OUTBOX_REFUSED;
    if (status == 408 || status == 425 || status == 429)
        return OUTBOX_NOT_YET;
    if (status >= 500 || status == 401 || status == 403)
        return OUTBOX_AGAIN;
    return OUTBOX_REFUSED;
}

static void sent(struct app *app, const struct outbox_msg *msg,
                 const struct fetch_response *response, const struct err *err)
{
    enum outbox_result result = OUTBOX_AGAIN;

    if (response != NULL)
        result = meaning(msg, response->status);
    else if (err->code == E_PEER_ADDRESS || err->code == E_INVALID)
        result = OUTBOX_REFUSED;
    if (result == OUTBOX_REFUSED)
        log_warning(NULL, "the other connector does not take what we say of a duty",
                    L_STR("peer", msg->audience),
                    L_I64("status", response != NULL ? response->status : 0));
    outbox_result(app->outbox, msg, result, response != NULL ? response->body : STR_NONE);
}

void duty_send(struct app *app, const struct outbox_msg *msg)
{
    struct err err = {0};

    if (post_message(app, msg, ANSWER_MAX, SEND_TIME_US, sent, &err) < 0) {
        log_err(NULL, "a document about a duty could not be sent", &err);
        outbox_result(app->outbox, msg, OUTBOX_AGAIN, STR_NONE);
    }
}

struct letter {
    struct str document;
};

struct about {
    struct uuid duty;
};
/* clang-format off */
static const struct field letter_fields[] = {FIELD(struct letter, document, "document", F_REQUIRED)};
static OBJECT(letter_object, struct letter, letter_fields, OPEN);
static const struct field about_fields[] = {FIELD(struct about, duty, "duty", F_REQUIRED)};
/* clang-format on */
static OBJECT(about_object, struct about, about_fields, OPEN);

int duty_ended(struct db *tx, struct app *app, const struct outbox_msg *msg,
               enum outbox_result result, struct str answer, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct letter letter = {0};
    struct about about = {0};
    struct jws jws;

    (void)app;
    (void)answer;
    err_clear(err); /* E_PEER_TIMEOUT */
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "end of a message");
    if (object_parse(&letter_object, msg->body, NULL, arena, &letter, err) < 0 ||
        jws_parse_document(letter.document, arena, &jws, err) < 0 ||
        object_parse(&about_object, jws.payload, NULL, arena, &about, err) < 0)
        return err_prefix(err, "outbox.body");
    return db_exec(tx, &q_duty_peer_told,
                   DB_ARGS(DB_TEXT(str_c(uuid_format(about.duty).c)), DB_TEXT(letter.document),
                           DB_TEXT(result == OUTBOX_SENT ? STR("told") : STR("refused"))),
                   NULL, err);
}

void duty_after(struct app *app, const struct outbox_msg *msg, enum outbox_result result)
{
    (void)app;
    (void)msg;
    (void)result;
}
