/*
 * connector/dsp/dsp_private.h - one path for every message of a peer and every command of ours
 *
 * A message of a peer (struct inbound): authenticate -> decode -> read the process -> the
 * endpoint's `act` checks against the process as read and prepares an effect (texts, ids,
 * signatures) -> one operation of the writer: is it a repetition, does the automaton allow it,
 * write the effect -> answer, then send what was put into the outbox.
 *
 * A command (struct command): one operation that reads, steps, builds and writes; `done` after the
 * commit.
 */
#pragma once

#include <pthread.h>

#include "connector/app.h"
#include "connector/dsp/catalogue.h"
#include "connector/dsp/dsp.h"
#include "connector/dsp/machine.h"
#include "connector/dsp/message.h"
#include "connector/identity/identity.h"
#include "lib/base/check.h"
#include "policy/policy.h"

/* handlers */
#define ROUTE HTTP_ROUTE_PROTO
#include "connector/dsp/management_routes.def"
#include "connector/dsp/routes.def"
#undef ROUTE

#define DSP_OUT_MAX 3 /* messages that one operation puts into the outbox */

/* Messages that an operation of the outbox has put (dsp__put_later), until their commit. */
struct later {
    int64_t cause; /* id of the message whose end put it */
    struct arena *arena;
    struct outbox_msg msg;
    struct later *next;
};

struct dsp {
    struct app *app;
    struct catalogue_cache *catalogue;
    pthread_mutex_t lock; /* guards later */
    struct later *later;
    struct known_peers *known;
    struct known_texts *texts;
    void (*agreed)(void *cls); /* NULL: nobody asks */
    void *agreed_cls;
    int64_t decide_us; /* for which the timer is set (reconsider.c); POLICY_FOREVER: none; lock */
    bool deciding;     /* a batch is with the writer; lock */
};

/* A negotiation or a transfer, as far as the protocol is concerned. */
struct process {
    struct str id, role, peer_pid, peer_id, peer_address, protocol;
    int64_t state;
    struct str asset_id, offer_id, policy_hash, policy, agreement_id, format, data_address, error;
    struct str held; /* of a transfer: why its policy lets it wait; STR_NONE: it does not */
};

/* What the two kinds of process differ in. */
struct process_kind {
    const char *name; /* "negotiation" */
    const char *path; /* "/negotiations/" */
    enum message_form answer, termination;
    const char *termination_kind; /* of the outbox */
    const struct machine *machine;
    const struct query *get;     /* id -> struct process */
    const struct query *by_peer; /* peer_id, role, peer_pid -> struct process */
    const struct query *lock;    /* id, peer_id, message_id -> struct locked */
    const struct query
        *settle; /* id, from, to, now, peer_pid -> struct locked, if it was in `from` */
    const struct query *learn; /* id, peer_pid; if none is known */
};
extern const struct process_kind negotiation_kind, transfer_kind;
extern const struct object process_row;

struct locked {
    int64_t state;
    struct str policy_hash, peer_pid, error;
    int64_t listened;    /* it has callback addresses */
    int64_t deprovision; /* a transfer is to be deprovisioned once it has ended */
    int64_t seen;
};
extern const struct object locked_row;

/* A text to keep under its hash (policy_text). */
struct kept_text {
    struct str hash, text;
};

/* What an operation writes for one process. */
struct effect {
    const struct process *first;              /* the row of a new process; NULL: it is there */
    struct str callbacks, private_properties; /* of a new process */
    int64_t state;
    struct str peer_pid; /* STR_NONE: unchanged, as the next three */
    struct str error;    /* "": none any more */
    struct str held;     /* of a transfer; "": no more */
    int64_t decide_us;   /* of a transfer: until when its policy permits this; 0: unchanged */
    struct str offer_id, policy_hash;
    struct kept_text texts[2];
    size_t n_texts;
    const struct agreement *agreement; /* to insert; uses up its order */
    bool replaces;                     /* … in place of the one that the negotiation has */
    struct str end_reason;             /* ends the negotiation's agreement */
    const struct jval *address;        /* EDR to keep */
    bool forget;                       /* what waits in the stream of this process */
    bool again;                        /* a step that was taken and counted before */
    struct str rules;                  /* of the negotiation, in a step that makes it final */
    bool owes;                         /* set by dsp__effect_write: duties came with it */
    struct outbox_msg out[DSP_OUT_MAX];
    size_t n_out;
};

/* What dsp__effect_write will ask (lib/db/db.h, db_ask). */
MUST_CHECK int dsp__effect_ask(struct app *app, struct db *tx, const struct effect *e,
                               struct err *err);
/* Inside an operation, after all checks; sets who sends the messages. */
MUST_CHECK int dsp__effect_write(struct app *app, struct db *tx, const struct process_kind *kind,
                                 struct str id, struct effect *effect, int64_t now_us,
                                 struct err *err);
/* After the commit, before anybody hears of it: what is cached of the process is forgotten. */
void dsp__effect_committed(struct app *app, const struct process_kind *kind, struct str id);
/* After that: messages leave, timers are set, texts are known to be there. */
void dsp__effect_done(struct app *app, const struct process_kind *kind, struct str id,
                      const struct effect *effect);

/* -- texts.c: rows of policy_text that are known to be there -------------------------------------- */

struct known_texts;
MUST_CHECK int dsp__known_texts_open(struct known_texts **ret_texts, struct err *err);
void dsp__known_texts_close(struct known_texts **texts);
/* True if a text with this hash (as hex) was committed; false may be wrong. */
bool dsp__known_text(struct known_texts *texts, struct str hash);
/* It has been committed. */
void dsp__text_committed(struct known_texts *texts, struct str hash);

/* -- events (connector/events) ----------------------------------------------------------------- */

/* Inside an operation: the process has come to this state of its machine, or has begun. */
MUST_CHECK int dsp__event_reached(struct app *app, struct db *tx, const struct process_kind *kind,
                                  struct str id, int state, struct str reason, bool listened,
                                  int64_t now_us, struct err *err);
MUST_CHECK int dsp__event_begun(struct app *app, struct db *tx, const struct process_kind *kind,
                                struct str id, bool listened, int64_t now_us, struct err *err);
/* -- versions (version.c, choose.c) ------------------------------------------------------------- */

/* The version in which a process is held, from its first message to its last; NULL if its row names
 * none of ours (a newer program wrote it). */
const struct codec *dsp__codec(const struct process *process);
/* Our address in it. */
struct str dsp__own_url(const struct app *app, const struct codec *codec, struct arena *arena);
/* The version of a route below /dsp/{version}. Errors: E_NOT_FOUND if it is not served. */
MUST_CHECK int dsp__codec_of_route(const struct rq *rq, const struct codec **ret_codec,
                                   struct err *err);
/* The body in our words; borrowed until the request's end. */
MUST_CHECK int dsp__read_body(struct rq *rq, const struct codec *codec,
                              const struct jval **ret_root, struct err *err);

struct choice {
    const struct codec *codec;
    struct str address; /* base URL in this version, without trailing slashes */
};

typedef void dsp_chosen_fn(void *cls, const struct choice *choice, const struct err *err);
/*
 * Finds the version to speak with a peer. `protocol` names one ("dataspace-protocol-http:2024-1"),
 * or any ("dataspace-protocol-http", STR_NONE); an address that ends with a version says which.
 * Else the peer's version document tells, kept for minutes. `chosen` is called once, before the
 * return or later in the fetcher's thread; not after an error here. Texts of the choice are
 * borrowed for the call. Errors: E_INVALID; to `chosen` also E_PEER_*.
 */
MUST_CHECK int dsp__choose(struct app *app, struct str address, struct str protocol,
                           dsp_chosen_fn *chosen, void *cls, struct err *err);
struct known_peers;
MUST_CHECK int dsp__known_peers_open(struct known_peers **ret_known, struct err *err);
void dsp__known_peers_close(struct known_peers **known);

/* -- sending ---------------------------------------------------------------------------------- */

struct process_id {
    char c[sizeof("urn:uuid:") + UUID_TEXT_LEN];
};

/* The id of a process of ours: "urn:uuid:…"; ids ascend with their UUIDv7. */
struct process_id dsp__process_id(struct uuid uuid);
/* One from a fresh UUIDv7. */
struct str dsp__new_id(const struct app *app, struct arena *arena);
/*
 * True if a message to this pid below the peer's address fits into a URL, however much must be
 * escaped. What does not could neither be answered nor ended by us.
 */
bool dsp__pid_fits(struct str address, struct str pid);
/* Own and peer's pid in their places. */
struct pids dsp__pids(const struct process *process);
bool dsp__is_provider(const struct process *process);
unsigned dsp__side(const struct process *process); /* ours: BY_PROVIDER or BY_CONSUMER */
/*
 * Adds a message for the process to effect->out. `tail` follows "<address>/<path><peer pid>/", or,
 * if the peer's pid is not known, "<address>/<path>". Fills text->id and text->pids.
 */
MUST_CHECK int dsp__send(struct app *app, struct effect *effect, const struct process_kind *kind,
                         const struct process *process, const char *outbox_kind, const char *tail,
                         struct message_text *text, struct arena *arena, struct err *err);
/* A termination of ours: message and effect. */
MUST_CHECK int dsp__terminate(struct app *app, struct effect *effect,
                              const struct process_kind *kind, const struct process *process,
                              struct str code, struct str reason, struct arena *arena,
                              struct err *err);

/* -- messages of peers ------------------------------------------------------------------------- */

struct inbound;

/*
 * A step that a stock EDC takes again under a new id, because it has lost our answer to the first one
 * (seen under load): the same step once more, not an error. From others it is one.
 */
struct again {
    const struct process_kind *kind;
    int message;
    unsigned sender;
    int in;                                          /* state, reached by our answer */
    int64_t becomes;                                 /* code; 0: as it is */
    int (*act)(struct inbound *in, struct err *err); /* answers again; NULL: nothing to say */
};

struct endpoint {
    const struct process_kind *kind;
    enum message_form form;
    int message;      /* of the kind's automaton; -1: by eventType */
    bool first;       /* begins a process: no pid in the path */
    const char *role; /* that we must have; NULL: either */
    int (*act)(struct inbound *in, struct err *err);
};

struct inbound {
    struct rq *rq;
    struct app *app;
    const struct endpoint *endpoint;
    const struct codec *codec; /* of the route */
    int message;
    struct peer peer;
    const struct jval *root;
    struct message msg;
    struct str key; /* what the message is remembered by */
    bool edc;       /* a stock EDC speaks, as a context of its own tells */
    bool hashed;    /* key is a hash of the body: the message has no @id */
    struct process process;
    int64_t now_us;
    int follow; /* message of ours that goes out in answer, set by `act`; -1: none */
    struct effect effect;
    struct err refusal;        /* the message is refused, but the effect is written */
    struct str policy_hash;    /* of the process as read */
    int64_t reached;           /* state after the peer's message alone */
    struct locked locked;      /* the row before the message */
    bool judged;               /* `act` has run */
    const struct again *again; /* the message repeats a step that was taken; NULL: it does not */
    bool duplicate, committed;
    struct err failed; /* of the operation */
    struct writer_op op;
};

/* The handler of every endpoint that takes a message. */
MUST_CHECK int dsp__receive(struct rq *rq, const struct endpoint *endpoint, struct err *err);
/* GET of a process. */
MUST_CHECK int dsp__show(struct rq *rq, const struct process_kind *kind, struct err *err);

int dsp__act_request(struct inbound *in, struct err *err);
int dsp__act_accepted(struct inbound *in, struct err *err);
int dsp__act_verified(struct inbound *in, struct err *err);
int dsp__act_agreement(struct inbound *in, struct err *err);
int dsp__again_verification(struct inbound *in, struct err *err);
int dsp__again_request(struct inbound *in, struct err *err);
int dsp__again_start(struct inbound *in, struct err *err);
int dsp__act_termination(struct inbound *in, struct err *err);

/*
 * -- negotiation: what several endpoints do ------------------------------------------------------
 */

struct offer_text dsp__offer_of(const struct jval *offer, struct arena *arena);
/*
 * An offer as it is kept: without id, under the hash of its text. Sets what the process says of it.
 */
MUST_CHECK int dsp__keep_offer(struct effect *effect, struct process *process,
                               const struct offer_text *offer, struct arena *arena,
                               struct err *err);

/* Rules in the protocol's form as members without braces, whatever form the policy was given in. */
MUST_CHECK int dsp__rules_of_text(const struct app *app, struct str policy_text,
                                  struct arena *arena, struct str *ret_rules, struct err *err);

struct agreeing {
    struct str rules, order_id;
    struct str id;     /* STR_NONE: a new one */
    int64_t agreed_us; /* whole seconds */
    int64_t ends_us;   /* 0: no end known */
};

/* Fills effect->agreement and its text; *ret_text is the agreement for the message. */
MUST_CHECK int dsp__make_agreement(struct app *app, struct effect *effect,
                                   const struct process *process, const struct agreeing *agreeing,
                                   struct arena *arena, struct str *ret_text, struct err *err);

/* Open orders that fit such rules, in the order in which both sides prefer them; none if they ask
 * for none. */
struct open_order {
    struct str order_id, plan_hash, purpose;
};

MUST_CHECK int dsp__find_orders(struct db *db, const struct process *process, struct str rules,
                                int64_t now_us, struct arena *arena, struct list *ret_orders,
                                struct err *err);
/* The first of them, or STR_NONE. */
struct str dsp__first_order(const struct list *orders);
/* The data address of an asset of ours. */
enum db_result dsp__asset_address(struct db *db, struct str asset_id, struct arena *arena,
                                  struct str *ret_address, struct err *err);
/* The agreement of a process, with its policy text. Errors: E_CORRUPT if there is none. */
MUST_CHECK int dsp__read_agreement(struct db *db, struct str agreement_id, struct arena *arena,
                                   struct agreement *ret_agreement, struct err *err);
/* Adds a start with a fresh data address for this consumer, good until an instant at most. */
MUST_CHECK int dsp__send_start(struct app *app, struct effect *effect,
                               const struct process *process, const struct agreement *agreement,
                               int64_t until_us, struct arena *arena, struct err *err);
/* Inside an operation, as consumer: forgets the data address of a transfer. */
MUST_CHECK int dsp__drop_edr(struct db *tx, struct str transfer_id, struct err *err);
/* Adds the report of an agreement to the broker, if there is one. */
MUST_CHECK int dsp__report(struct app *app, struct db *db, struct effect *effect,
                           struct str agreement_id, struct arena *arena, struct err *err);

/* -- other rules (difference.c), the same rules later (still.c) ---------------------------------- */

struct difference {
    struct str words; /* several lines, with values: for our operator */
    struct str names; /* kinds of rules and operands: for the peer */
};

/* What was changed; texts in the arena. */
MUST_CHECK int dsp__difference(const struct policy *was, const struct policy *now,
                               struct arena *arena, struct difference *ret, struct err *err);
/* True if we may agree to these rules in place of our own offer without asking anybody: they permit
 * nothing that ours does not and demand nothing of us. What could not be decided gives false. */
MUST_CHECK int dsp__may_take(const struct policy *asked, const struct policy *ours, int64_t now_us,
                             struct arena *arena, bool *ret_may, struct err *err);

struct stepping;
/* Provider: may this peer still see the offer of the negotiation? */
MUST_CHECK int dsp__is_shown(const struct stepping *s, const struct peer *peer, bool *ret_shown,
                             struct err *err);
/* Provider: does the policy of what is on the table, or agreed, still permit it to this peer? */
MUST_CHECK int dsp__still(const struct stepping *s, const struct peer *peer,
                          struct policy_decision *ret_decision, struct err *err);

/* Why a transfer under a retired agreement ends. */
#define DSP_CODE_RETIRED "agreement-retired"

/*
 * -- the management API's last state (deprovision.c) ----------------------------------------------
 */

/* Inside the operation in which a transfer reaches its end, after its event. */
MUST_CHECK int dsp__deprovisioned(struct app *app, struct db *tx, struct str id, bool listened,
                                  int64_t now_us, struct err *err);

/* -- what a policy says of what runs (verdict.c, reconsider.c) ----------------------------------- */

enum verdict_kind {
    VERDICT_HOLDS, /* it may run */
    VERDICT_WAITS, /* not now, but it can turn back: with time, or when a fact is known again */
    VERDICT_ENDS,  /* not any more */
};

struct verdict {
    enum verdict_kind kind;
    int64_t until_us;   /* POLICY_FOREVER: until something happens */
    struct str code;    /* why not: policy_why_slug */
    struct str operand; /* IRI; STR_NONE: it is not about one */
    struct str reason;  /* for the peer, too: without values */
};

/* Of a transfer under this agreement that was let through, in our role. Texts in the arena. */
MUST_CHECK int dsp__judge(const struct app *app, struct db *db, const struct agreement *agreement,
                          int64_t now_us, struct arena *arena, struct verdict *ret_verdict,
                          struct err *err);
/* Does the policy of the agreement permit a transfer to this peer now, and until when? */
MUST_CHECK int dsp__decide_transfer(const struct app *app, struct db *db,
                                    const struct agreement *agreement, const struct peer *peer,
                                    int64_t now_us, struct arena *arena,
                                    struct policy_decision *ret_decision, int64_t *ret_until_us,
                                    struct err *err);
/* The instant from which on it cannot permit any more, whatever becomes known; 0: there is none, or
 * too many turns lie before it. Both parties find the same. */
int64_t dsp__ends_us(const struct policy *policy, struct str asset_id, struct str consumer_id,
                     int64_t agreed_us);
/* Why an agreement whose time is over has ended. */
MUST_CHECK int dsp__why_over(const struct app *app, const struct agreement *agreement,
                             int64_t now_us, struct arena *arena, struct verdict *ret_verdict,
                             struct err *err);
/* After the commit: a transfer is to be decided again then, or before; any thread. */
void dsp__decide_at(struct app *app, int64_t due_us);

/* -- steps that follow by themselves or at an operator's word (step.c) -------------------------- */

struct stepping {
    struct app *app;
    struct db *db;
    struct arena *arena;
    struct effect *effect; /* where the message goes, and what belongs to it */
    const struct process *process;
    int64_t now_us;
    const struct agreeing *agreeing; /* DSP_AGREE: as it was judged; NULL: the offer that is kept */
};

bool dsp__operator_decides(const struct app *app, enum operator_step step);
/* In `act`: the step follows the peer's message, unless an operator decides it. */
MUST_CHECK int dsp__follow(struct inbound *in, enum dsp_negotiation_act act,
                           const struct agreeing *agreeing, struct err *err);

/* -- commands ---------------------------------------------------------------------------------- */

struct command {
    struct app *app;
    struct arena *arena; /* owned, with everything below */
    const struct process_kind *kind;
    struct str id, reason, rules;
    struct process process;         /* of a first message */
    struct str offer;               /* in it, JSON */
    struct effect prepared, effect; /* each run begins with what was prepared */
    int64_t now_us;
    int act;
    const char *name;
    int (*begin)(struct command *command, struct err *err); /* once the peer's version is known */
    /* NULL: everything was prepared, the operation only writes */
    int (*run)(struct db *tx, struct command *command, struct err *err);
    dsp_done_fn *done;
    void *cls;
    struct writer_op op;
};

/* A command with an arena of its own; NULL without memory. */
struct command *dsp__command_new(struct app *app, dsp_done_fn *done, void *cls);
void dsp__command_free(struct command **command);
/* Takes it, also on failure. */
MUST_CHECK int dsp__command_submit(struct command **command, const char *name, struct err *err);
/*
 * The same for a first message, once it is known which version the peer speaks (dsp__choose):
 * process.peer_address and .protocol are set, then begin is called. What fails later goes to done.
 */
MUST_CHECK int dsp__command_choose(struct command **command, const char *name, struct str address,
                                   struct str protocol, struct err *err);
/* Inside run: reads command->process by command->id. Errors: E_NOT_FOUND. */
MUST_CHECK int dsp__command_read(struct db *tx, struct command *command, struct err *err);
/* command->run of a termination. */
int dsp__run_terminate(struct db *tx, struct command *command, struct err *err);
/* Inside run: our message; sets effect.state. Errors: E_CONFLICT. */
MUST_CHECK int dsp__command_step(struct command *command, int message, struct err *err);

/* -- outbox ------------------------------------------------------------------------------------ */

struct sent_kind {
    const char *name; /* "dsp.negotiation.request" */
    const struct process_kind *kind;
    int message;
    const char *pid_member; /* first messages: member of the answer that is the peer's pid */
    bool courtesy;          /* the step was taken: a refusal changes nothing */
};
const struct sent_kind *dsp__sent_kind(struct str name);
/* The state that such a message leads to, from wherever it is allowed. */
int dsp__leads_to(const struct sent_kind *kind);
