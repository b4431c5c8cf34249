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
#include "connector/post.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

#define SEND_TIME_US  (10 * US_PER_S)
#define ANSWER_MAX    KIB(64)
#define UNKNOWN_TRIES 8  /* 404: about 2.5 s with the outbox's back-off */
#define DOUBT_TRIES   8  /* 409: so often in a row and it is asked where its process stands */
#define ABSENT_TRIES  36 /* 404, 405 of something that is no connector: about 30 s */

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
 * A document of the peer in our words, read as the given version: of an answer it is not known in
 * which the question was. NULL: it is none of that version.
 */
static const struct jval *read_as(const struct codec *codec, const struct jdoc *doc,
                                  struct jdoc **ret_translated)
{
    struct err ignored = {0};

    if (codec_read(codec, jdoc_root(doc), ret_translated, &ignored) < 0)
        return NULL;
    return jdoc_root(*ret_translated != NULL ? *ret_translated : doc);
}

/*
 * What an error says. Errors are read leniently: whatever is wrong with their form, it is all that
 * an operator will learn.
 */
static struct str reason_in(const struct codec *codec, const struct jdoc *doc, struct arena *arena)
{
    AUTO(jdoc_free) struct jdoc *translated = NULL;
    const struct jval *root = read_as(codec, doc, &translated);
    const struct jval *reasons = jval_get(root, "reason");
    const struct message said = {
        .code = jval_str(jval_get(root, "code")),
        .reason = reasons != NULL ? reasons : jval_get(root, "detail"), /* RFC 9457 */
    };

    return root != NULL ? message_reason(&said, arena) : STR_NONE;
}

/* The reason that an error gives, "" if it gives none; STR_NONE if the body is no JSON object. */
static struct str error_reason(struct str body, struct arena *arena)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};
    struct str reason = STR_NONE;

    if (jdoc_parse(body, NULL, &doc, &ignored) < 0 || jtype_of(jdoc_root(doc)) != J_OBJECT)
        return STR_NONE;
    for (size_t i = 0; i < CODECS && !str_present(reason); i++)
        reason = reason_in(&codecs[i], doc, arena);
    return str_present(reason) ? reason : STR("");
}

/* The pid that the peer has given to a process that we began; STR_NONE if the answer is none. */
static struct str answered_pid(const struct sent_kind *kind, const struct outbox_msg *msg,
                               struct str body, struct arena *arena)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};

    if (jdoc_parse(body, NULL, &doc, &ignored) < 0)
        return STR_NONE;
    for (size_t i = 0; i < CODECS; i++) {
        AUTO(jdoc_free) struct jdoc *translated = NULL;
        const struct str pid =
            jval_str(jval_get(read_as(&codecs[i], doc, &translated), kind->pid_member));

        if (pid.n > 0 && pid.n <= LIMIT_ID && dsp__pid_fits(msg->url, pid))
            return arena_str(arena, pid);
    }
    return STR_NONE;
}

/* -- in doubt ---------------------------------------------------------------------------------- */

/*
 * A party that says 409 to the end of a process again and again may have taken it, and only its answer
 * was lost: it is there already (EDC, killed between its commit and its answer).
 */
static bool in_doubt(const struct sent_kind *kind, const struct outbox_msg *msg, int status)
{
    const struct machine *machine = kind->kind->machine;

    return status == 409 && machine_is_final(machine, machine->codes[dsp__leads_to(kind)].rest) &&
           msg->attempts % DOUBT_TRIES == DOUBT_TRIES - 1;
}

/* …/negotiations/{pid} of the message's …/negotiations/{pid}/events; an escaped pid has no slash. */
static struct str process_url(const struct sent_kind *kind, struct str url)
{
    const struct str path = str_c(kind->kind->path);
    size_t end = url.n;

    for (size_t i = url.n; i >= path.n; i--) {
        if (str_eq(str_n(url.p + i - path.n, path.n), path))
            return str_n(url.p, end);
        if (url.p[i - 1] == '/')
            end = i - 1;
    }
    return STR_NONE;
}

static bool is_there(const struct sent_kind *kind, struct str body)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct machine *machine = kind->kind->machine;
    const struct str wanted =
        str_c(machine_wire_name(machine, machine->codes[dsp__leads_to(kind)].rest));
    struct err ignored = {0};
    bool there = false;

    if (jdoc_parse(body, NULL, &doc, &ignored) < 0)
        return false;
    for (size_t i = 0; i < CODECS; i++) {
        AUTO(jdoc_free) struct jdoc *translated = NULL;

        there = there ||
                str_eq(jval_str(jval_get(read_as(&codecs[i], doc, &translated), "state")), wanted);
    }
    return there;
}

static void told_state(struct app *app, const struct outbox_msg *msg,
                       const struct fetch_response *response, const struct err *err)
{
    const bool there = err->code == E_OK && response->status == 200 &&
                       is_there(dsp__sent_kind(msg->kind), response->body);

    outbox_result(app->outbox, msg, there ? OUTBOX_SENT : OUTBOX_NOT_YET, STR_NONE);
}

static bool ask_state(struct app *app, const struct sent_kind *kind, const struct outbox_msg *msg)
{
    const struct str url = process_url(kind, msg->url);
    struct err ignored = {0};

    return str_present(url) &&
           post_ask(app, msg, url, ANSWER_MAX / 2, SEND_TIME_US, told_state, &ignored) == 0;
}

/* -- answers ----------------------------------------------------------------------------------- */

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
        answer = answered_pid(kind, msg, response->body, arena);
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
    else if (result != OUTBOX_SENT)
        log_debug(NULL, "the other party is not ready for a message", L_STR("kind", msg->kind),
                  L_STR("process", msg->stream), L_I64("status", response->status),
                  L_I64("attempt", msg->attempts), L_STR("reason", reason));
    if (in_doubt(kind, msg, response->status) && ask_state(app, kind, msg))
        return;
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

static void done(struct app *app, const struct outbox_msg *msg,
                 const struct fetch_response *response, const struct err *err)
{
    if (err->code == E_OK)
        judge(app, msg, response);
    else
        failed(app, msg, err);
}

static int submit(struct app *app, const struct outbox_msg *msg, struct err *err)
{
    if (dsp__sent_kind(msg->kind) == NULL)
        return err_set(err, E_INVALID, "outbox.kind", "unknown kind '%.*s'", STR_ARG(msg->kind));
    return post_message(app, msg, ANSWER_MAX / 2, SEND_TIME_US, done, err);
}

void dsp_send(struct app *app, const struct outbox_msg *msg)
{
    struct err err = {0};

    if (submit(app, msg, &err) < 0) {
        log_err(NULL, "message to the other party could not be sent", &err);
        failed(app, msg, &err);
    }
}
