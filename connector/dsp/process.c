/*
 * connector/dsp/process.c - the two kinds of process, their rows and their ids
 */
#include "connector/dsp/dsp_private.h"
#include "lib/base/encode.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

/* clang-format off */
#define COLUMN(member) FIELD(struct process, member, #member, 0)
static const struct field process_fields[] = {
    COLUMN(id),       COLUMN(role),        COLUMN(peer_pid), COLUMN(peer_id),      COLUMN(peer_address),
    COLUMN(protocol),
    COLUMN(state),    COLUMN(asset_id),    COLUMN(offer_id), COLUMN(policy_hash),  COLUMN(policy),
    COLUMN(agreement_id), COLUMN(format),  COLUMN(data_address), COLUMN(error),
    COLUMN(held),
};
OBJECT(process_row, struct process, process_fields, OPEN);

static const struct field locked_fields[] = {
    FIELD(struct locked, state, "state", 0),
    FIELD(struct locked, policy_hash, "policy_hash", 0),
    FIELD(struct locked, peer_pid, "peer_pid", 0),
    FIELD(struct locked, error, "error", 0),
    FIELD(struct locked, listened, "listened", 0),
    FIELD(struct locked, deprovision, "deprovision", 0),
    FIELD(struct locked, seen, "seen", 0),
};
OBJECT(locked_row, struct locked, locked_fields, OPEN);
/* clang-format on */

const struct process_kind negotiation_kind = {
    .name = "negotiation",
    .path = "/negotiations/",
    .answer = MF_NEGOTIATION,
    .termination = MF_NEGOTIATION_TERMINATION,
    .termination_kind = "dsp.negotiation.termination",
    .machine = &negotiation_machine,
    .get = &q_dsp_negotiation_get,
    .by_peer = &q_dsp_negotiation_by_peer,
    .lock = &q_dsp_negotiation_lock,
    .settle = &q_dsp_negotiation_settle,
    .learn = &q_dsp_negotiation_learn,
};

const struct process_kind transfer_kind = {
    .name = "transfer",
    .path = "/transfers/",
    .answer = MF_TRANSFER,
    .termination = MF_TRANSFER_TERMINATION,
    .termination_kind = "dsp.transfer.termination",
    .machine = &transfer_machine,
    .get = &q_dsp_transfer_get,
    .by_peer = &q_dsp_transfer_by_peer,
    .lock = &q_dsp_transfer_lock,
    .settle = &q_dsp_transfer_settle,
    .learn = &q_dsp_transfer_learn,
};

struct process_id dsp__process_id(struct uuid uuid)
{
    struct process_id id;

    (void)snprintf(id.c, sizeof(id.c), "urn:uuid:%s", uuid_format(uuid).c);
    return id;
}

struct str dsp__new_id(const struct app *app, struct arena *arena)
{
    return arena_str(arena, str_c(dsp__process_id(uuid_new(app->env)).c));
}

const struct codec *dsp__codec(const struct process *process)
{
    return codec_by_protocol(process->protocol);
}

struct str dsp__own_url(const struct app *app, const struct codec *codec, struct arena *arena)
{
    return arena_printf(arena, "%.*s/%.*s", STR_ARG(app->dsp_root), STR_ARG(codec->version));
}

bool dsp__is_provider(const struct process *process)
{
    return str_eq(process->role, STR("provider"));
}

unsigned dsp__side(const struct process *process)
{
    return dsp__is_provider(process) ? BY_PROVIDER : BY_CONSUMER;
}

struct pids dsp__pids(const struct process *process)
{
    return dsp__is_provider(process) ? (struct pids){process->id, process->peer_pid}
                                     : (struct pids){process->peer_pid, process->id};
}

/*
 * A pid as one segment of a path; ':' may stand there as it is (RFC 3986 §3.3) and some peers
 * expect it so.
 */
static void add_segment(struct buf *out, struct str pid)
{
    while (str_present(pid)) {
        encode_percent(out, str_cut(&pid, ':'));
        if (str_present(pid))
            buf_add_char(out, ':');
    }
}

bool dsp__pid_fits(struct str address, struct str pid)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);

    buf_add_str(&url, address);
    buf_add_c(&url, "/negotiations//agreement/verification"); /* no message has a longer path */
    add_segment(&url, pid);
    return !buf_failed(&url);
}

int dsp__send(struct app *app, struct effect *effect, const struct process_kind *kind,
              const struct process *process, const char *outbox_kind, const char *tail,
              struct message_text *text, struct arena *arena, struct err *err)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);
    const int64_t now_us = env_wall_us(app->env);
    struct outbox_msg *msg = &effect->out[effect->n_out];
    const struct codec *codec = dsp__codec(process);

    if (codec == NULL)
        return err_set(err, E_CORRUPT, "", "%s '%.*s' has the unknown protocol '%.*s'", kind->name,
                       STR_ARG(process->id), STR_ARG(process->protocol));
    CHECK(effect->n_out < DSP_OUT_MAX);
    text->id = dsp__new_id(app, arena);
    if (message_names_address(codec, text->form, !str_present(process->peer_pid)))
        text->callback = dsp__own_url(app, codec, arena);
    text->pids = dsp__pids(process);
    buf_add_str(&url, process->peer_address);
    buf_add_c(&url, kind->path);
    if (str_present(process->peer_pid)) {
        add_segment(&url, process->peer_pid);
        buf_add_char(&url, '/');
    }
    buf_add_c(&url, tail);
    if (buf_failed(&url))
        return err_tell(err, E_LIMIT, "", "the peer's address and id are too long for a URL");
    *msg = (struct outbox_msg){
        .id = outbox_next_id(app->outbox),
        .stream = process->id,
        .kind = str_c(outbox_kind),
        .url = arena_str(arena, buf_str(&url)),
        .audience = process->peer_id,
        .body = message_write(codec, text, arena),
        .deadline_us = now_us + app->settings->negotiation_limit_us,
        .due_us = now_us,
    };
    if (!str_present(msg->body) || arena_failed(arena))
        return err_set(err, E_NO_MEMORY, "", "message");
    effect->n_out++;
    return 0;
}

int dsp__terminate(struct app *app, struct effect *effect, const struct process_kind *kind,
                   const struct process *process, struct str code, struct str reason,
                   struct arena *arena, struct err *err)
{
    struct message_text text = {.form = kind->termination, .code = code, .reason = reason};

    effect->error = reason.n > 0 && code.n > 0
                        ? arena_printf(arena, "%.*s: %.*s", STR_ARG(code), STR_ARG(reason))
                        : (reason.n > 0 ? reason : code);
    effect->end_reason = effect->error.n > 0 ? effect->error : STR("terminated");
    return dsp__send(app, effect, kind, process, kind->termination_kind, "termination", &text,
                     arena, err);
}
