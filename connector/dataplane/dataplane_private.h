/*
 * connector/dataplane/dataplane_private.h - what the files of the unit share
 *
 * One access of a consumer (struct access) goes: token -> view of the transfer (cached at most
 * VIEW_US) -> policy -> the driver looks at its source -> one operation of the writer takes the
 * access number, if the transfer still runs and the policy's counters still allow it -> the driver
 * answers -> the last byte has left -> the receipt is written. A row in `access` bridges the last
 * two steps, so that a crash between them loses no receipt. Where no policy counts uses, a slot of
 * the journal takes the place of the row, and the writer hands numbers out in blocks: all but the
 * first access wait for no commit.
 *
 * Locks: a flow's lock is taken before a pusher's, both before lib/http's and lib/net's;
 * dataplane->lock is taken before a pusher's (outlet->cut), and is a leaf otherwise but for rq_cut().
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "connector/dataplane/dataplane.h"
#include "connector/dataplane/journal.h"
#include "connector/dataplane/path.h"
#include "connector/dataplane/rows.h"
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"
#include "lib/wire/wire.h"
#include "policy/policy.h"

#define HARMLESS          256  /* files that are known not to be secrets of ours */
#define VIEWS             1024 /* cached transfers */
#define TOKENS            4096 /* cached verifications */
#define VIEW_US           (5 * US_PER_S)
#define RECHECK_US        (2 * US_PER_S) /* of streams that are open */
#define ADDRESS_MAX       KIB(64)
#define DATAPLANE_JOURNAL "-accesses" /* behind the name of the database */

struct access;
struct pull;
struct push;
struct pusher;
struct renewal;

/* -- token.c ----------------------------------------------------------------------------------- */

#define TYP_PULL    "naru-pull+jwt"
#define TYP_REFRESH "naru-refresh+jwt"

/* What both kinds of token of ours say. issued_us orders them: a newer one that was used retires
 * older refresh tokens. */
struct pull_token {
    struct str transfer, agreement, consumer;
    int64_t issued_us, expires_us;
};

struct token_cache;
MUST_CHECK int token_cache_open(struct token_cache **ret_cache, struct err *err);
void token_cache_close(struct token_cache **cache);
/* Appends the compact token. */
MUST_CHECK int dataplane__token_make(struct dataplane *dp, const char *typ,
                                     const struct pull_token *token, struct buf *out,
                                     struct err *err);
/* Verified pull tokens are kept until they expire. Texts live in the arena. Errors:
 * E_PULL_TOKEN. */
MUST_CHECK int dataplane__token_read(struct dataplane *dp, const char *typ, struct str compact,
                                     struct arena *arena, struct pull_token *ret_token,
                                     struct err *err);

/* -- view.c ------------------------------------------------------------------------------------ */

/* A transfer as provider, its agreement, policy and source as of loaded_us; immutable but for its
 * numbers, counted. */
struct view {
    atomic_int refs;
    struct arena *arena; /* owned, with all texts */
    struct str transfer_id;
    int64_t state;
    struct agreement agreement; /* without its policy's text */
    struct policy *policy;      /* owned */
    bool counts;          /* its decision needs counters: made in the writer for each access */
    struct jdoc *address; /* owned; NULL if the asset is gone */
    const struct source_ops *ops;
    int64_t loaded_us, until_us;      /* as long as it may be used */
    int64_t decided_until_us;         /* as long as the decision holds; POLICY_FOREVER: it counts */
    struct err refusal;               /* why it gives no access; E_OK if it does */
    _Atomic(struct kept_file *) file; /* owned; file.c's, NULL: none */
    /* guarded by dataplane->lock */
    int64_t next_number, end_number; /* access numbers at hand, for as long as the view holds */
    int64_t block;                   /* how many the writer gave the last time */
    bool forgotten;                  /* the transfer or its agreement has changed since */
};

/* The view, from the cache or the database; a view that refuses is never cached. Errors:
 * E_NOT_IN_FORCE (no such transfer), E_DB. */
MUST_CHECK int dataplane__view_get(struct dataplane *dp, struct db *db, struct str transfer_id,
                                   struct view **ret_view, struct err *err);
/* Past the cache. */
MUST_CHECK int dataplane__view_load(struct dataplane *dp, struct db *db, struct str transfer_id,
                                    struct view **ret_view, struct err *err);
/* Lets go of views, and of what they keep open, that are too old. */
void dataplane__views_expire(struct dataplane *dp);
void view_unref(struct view **view);
struct view *view_ref(struct view *view);

/* Decides about one more access of so much. Errors: E_POLICY with the reason, E_DB. */
struct taking_of {
    int64_t bytes, rows;
};

MUST_CHECK int dataplane__decide(struct db *db, const struct view *view, struct taking_of taking,
                                 int64_t now_us, struct arena *arena, int64_t *ret_until_us,
                                 struct err *err);

/* How much may one more access take? INT64_MAX: there is no bound. A bound that is given (not < 0)
 * stays. Errors: E_POLICY (nothing), E_DB. */
MUST_CHECK int dataplane__room(struct db *db, const struct view *view, int64_t now_us,
                               struct arena *arena, struct taking_of *room, struct err *err);

/* -- meter.c ----------------------------------------------------------------------------------- */

/* What one access took, on our side of it. Lives until `settled` is called. */
struct meter {
    struct dataplane *dp;
    enum party_role role;
    struct str agreement, transfer; /* transfer: the provider's pid */
    struct uuid event;
    int slot; /* of the journal; -1: a row of `access` instead */
    int64_t since_us, until_us;
    int64_t bytes, rows, reserved;
    int64_t rows_used, rows_reserved; /* as policies count them: a row that has begun is one */
    int64_t
        given; /* bytes that the consumer may have got although they count as lost with the connection */
    atomic_llong seen_bytes, seen_rows; /* so far, for the row of the access */
    struct meter *prev, *after;         /* dataplane->running */
    int64_t began_mono_us;
    bool counts; /* false: nothing was delivered, the access is undone */
    void (*settled)(struct meter *meter);
    bool due;           /* inside the operation: the receipt is not there yet */
    struct meter *next; /* that are settled together, or could not be written yet */
};

/* Names the event of the access with that number. */
MUST_CHECK int dataplane__meter_name(struct meter *meter, int64_t number, struct err *err);
/* Inside an operation: the row that says that a receipt is due. */
MUST_CHECK int dataplane__meter_begin(struct db *tx, const struct meter *meter, struct err *err);
/* A slot of the journal that says so; false: none is free. */
bool dataplane__meter_slot(struct meter *meter);
/* The access has taken that much: in its slot, if it has one, from now on. */
void dataplane__meter_seen(struct meter *meter, int64_t bytes, int64_t rows);

/* What the database knows of a meter: its agreement, a receipt for its event. */
struct meter_known {
    bool agreement, receipt;
};

MUST_CHECK int dataplane__meter_known(struct db *db, const struct meter *meter,
                                      struct meter_known *ret_known, struct err *err);
/* The access runs: what it has taken is noted from time to time, so that a crash does not make
 * it forgotten. */
void dataplane__meter_run(struct meter *meter);
/* Notes what running accesses have taken that began before an instant. */
void dataplane__meter_note(struct dataplane *dp, int64_t began_before_us);
/* Writes the receipt, again until it is written; then calls meter->settled (writer's thread). */
void dataplane__settle(struct meter *meter);
/* Tries again what could not be written. */
void dataplane__settle_again(struct dataplane *dp);
/* Inside an operation: n meters of the same role and agreement, chained by `next`, get their receipts
 * in place of their rows or slots. */
MUST_CHECK int dataplane__settle_now(struct db *tx, struct meter *first, size_t n, struct err *err);
/* recover.c, at start: receipts of accesses that a crash has cut off. */
MUST_CHECK int dataplane__recover(struct dataplane *dp, struct err *err);

/* -- access.c ---------------------------------------------------------------------------------- */

typedef int access_step(struct access *access, struct err *err);

/*
 * Who asks for the data, and where it goes: a consumer's request (access.c), or the destination of a
 * push (push.c). The steps of an access run one after the other in threads of the outlet's; only
 * there may the functions be called that are not marked "any thread".
 */
struct outlet {
    /* A header that came with the request; STR_NONE: none. */
    struct str (*asked)(const struct access *access, const char *name);
    struct db *(*db)(const struct access *access); /* to read from */
    /* Nothing happens until `resume`, then `next` does; before handing over. */
    void (*suspend)(struct access *access, access_step *next);
    void (*resume)(struct access *access); /* any thread, while the caller has a reference */
    /* What goes with the data; name and value are copied. */
    void (*header)(struct access *access, const char *name, struct str value);
    /* The data: as access->read gives it, a part of a file (takes fd), a body (takes its memory),
     * or none. */
    void (*stream)(struct access *access, int status, struct str media_type, int64_t length);
    void (*fd)(struct access *access, int status, struct str media_type, int fd, uint64_t from,
               uint64_t length);
    void (*buf)(struct access *access, int status, struct str media_type, struct buf *body);
    void (*empty)(struct access *access, int status, struct str media_type);
    void (*ready)(void *access);        /* access->read has more; any thread */
    void (*cut)(struct access *access); /* breaks off what is under way; any thread */
};

struct access {
    struct meter meter;         /* first */
    struct access *prev, *next; /* dataplane->open */
    struct access *next_taking; /* that take their numbers together */
    int64_t block_first, block; /* numbers beyond theirs that the view gets */
    atomic_int refs;            /* the outlet's, and one per producer */
    const struct outlet *outlet;
    struct rq *rq;     /* of a pull, until its end; NULL: a push */
    struct push *push; /* of a push, until its end */
    access_step *next_step;
    struct str query;    /* of the request */
    struct arena *arena; /* owned */
    struct view *view;   /* owned reference */
    struct str transfer_id;
    bool head;       /* HEAD: no body */
    bool taken;      /* has an access number */
    bool replied;    /* the source's own answer has begun */
    atomic_bool cut; /* may not go on */
    int64_t began_mono_us;
    struct path path;
    struct row_counter rows, rows_before; /* with and without the newest piece */
    atomic_bool sends_file;               /* by rq_reply_fd: lib/http knows what has left */
    bool unknown;                         /* the answer's length is */
    int64_t limit; /* bytes that the policy leaves to an answer of unknown length; INT64_MAX: all */
    int64_t row_limit;      /* rows that it leaves; INT64_MAX: all */
    bool over;              /* they are used up, and there would be more */
    int64_t handed, length; /* length < 0: unknown */
    bool to_end;            /* the answer reaches the last byte of the representation */
    ssize_t (*read)(void *cls, char *out, size_t max);
    struct err err;
    void *source; /* the driver's own, in the arena */
};

/* An access under a view that does not refuse; NULL without memory. It has one reference. */
struct access *access_new(struct dataplane *dp, struct view *view);
/* Why a view that was just got gives no access. Errors: as in its refusal, E_NOT_FOUND (no source
 * any more). */
MUST_CHECK int access_check(const struct view *view, struct err *err);
/* The next piece of the answer, counted; as the `read` of rq_reply_stream, cls is the access. */
ssize_t access_read(void *cls, char *out, size_t max);
/* The outlet's: the answer has ended, whatever came of it, and `sent` bytes have left. Lets go of the
 * outlet's reference. */
void access_end(struct access *access, int64_t sent, bool complete);
/* The driver is ready (begin): takes the access number; ops->answer follows. The answer will
 * have `bytes` bytes, < 0: unknown. */
MUST_CHECK int dataplane__take(struct access *access, int64_t bytes, struct err *err);
/* take.c: a number and a slot that are at hand, without the writer. */
bool dataplane__number_at_hand(struct access *access);
/* Has the writer number the suspended access, sets taken or err, resumes the request. */
void dataplane__number(struct access *access);
/* A policy that limits rows permits no data whose rows nobody can count. Errors: E_POLICY. */
MUST_CHECK int dataplane__check_rows(const struct access *access, enum row_form form,
                                     struct err *err);
/* The driver's answer: counted, and cut if the transfer ends. length < 0: unknown. */
void dataplane__reply_stream(struct access *access, int status, struct str media_type,
                             int64_t length, ssize_t (*read)(void *cls, char *out, size_t max));
/* The same for a part of a file without rows; takes fd. */
void dataplane__reply_fd(struct access *access, int status, struct str media_type, int fd,
                         uint64_t from, uint64_t length);
/* The same for a whole body that is at hand; takes its memory. */
void dataplane__reply_buf(struct access *access, int status, struct str media_type,
                          struct buf *body);
/* The same without body: HEAD, 304. */
void dataplane__reply_empty(struct access *access, int status, struct str media_type);
void access_ref(struct access *access);
void access_unref(struct access *access);

/* -- push.c ------------------------------------------------------------------------------------ */

/* Breaks off the pushes under way: they begin again at the next start. NULL allowed. */
void dataplane__pusher_finish(struct pusher *pusher);
void dataplane__pusher_close(struct pusher **pusher);

/* -- drivers ----------------------------------------------------------------------------------- */

struct source_ops {
    const char *type; /* of the data address */
    /* Is the address one of ours, complete and allowed? */
    int (*check)(struct app *app, const struct jval *address, struct err *err);
    /* Before the access counts: is there such a part, does a condition fail? Ends in
     * dataplane__take, at once or later. */
    int (*begin)(struct access *access, struct err *err);
    /* It counts: answers with one of the dataplane__reply functions, at once or later. */
    int (*answer)(struct access *access, struct err *err);
    /* The answer has ended, or never began; NULL allowed. */
    void (*end)(struct access *access);
    /* Nobody uses the access any more; NULL allowed. */
    void (*release)(struct access *access);
};
extern const struct source_ops source_file, source_http, source_sql;

/* address.c: checks of texts that somebody else has written; `at` names the member. Errors:
 * E_INVALID. */
bool dataplane__is_url_text(struct str text);
MUST_CHECK int dataplane__check_url(const struct app *app, struct str url, const char *at,
                                    struct err *err);
/* A header that an address may set: not the framing's, without control characters. */
MUST_CHECK int dataplane__check_header(struct str name, struct str value, struct err *err);
/* The driver for an address; NULL if there is none. */
const struct source_ops *dataplane__source(const struct jval *address);
/* Members of an address: a text, STR_NONE if absent; "true" or true. */
struct str dataplane__member(const struct jval *address, const char *name);
bool dataplane__flag(const struct jval *address, const char *name);

/* -- file.c, digest.c -------------------------------------------------------------------------- */

/* A file's identity and version. */
struct file_key {
    uint64_t device, inode, size;
    int64_t changed_ns;
};

/* An inode as its last change left it: content, links and name are those of changed_ns. */
struct inode_key {
    uint64_t device, inode;
    int64_t changed_ns;
};

struct stat;
/*
 * Opens what a data address' path names, and `tail` below it (NULL: nothing), inside the operator's
 * folders. The descriptor, or: E_INVALID (outside), E_NOT_FOUND, E_IO, E_CONFIG.
 */
MUST_CHECK int dataplane__open_path(const struct app *app, struct str path, const struct path *tail,
                                    struct stat *ret_st, struct err *err);

/* What a view keeps open of the file that its accesses ask for. */
void kept_file_free(struct kept_file **kept);

struct digests;
MUST_CHECK int digests_open(struct digests **ret_digests, struct err *err);
void digests_close(struct digests **digests);
/* True if the SHA-256 of this version is known. */
bool digests_find(struct digests *digests, const struct file_key *key, uint8_t ret_hash[static 32]);
/* Has it computed, in a thread of its own; takes fd. `done` (may be NULL) is called in that
 * thread, whatever came of it. False (fd closed, done not called): too much is waiting already. */
bool digests_want(struct digests *digests, const struct file_key *key, int fd,
                  void (*done)(void *cls), void *cls);

/* -- pull.c ------------------------------------------------------------------------------------ */

/* Cuts pulls that have been under way since before an instant and whose transfer may not run any more. */
void dataplane__pulls_check(struct dataplane *dp, struct db *db, int64_t began_before_us);

/* -- dataplane.c ------------------------------------------------------------------------------- */

struct dataplane {
    struct app *app;
    struct str key_url; /* "<did>#<key id>" */
    char *key_url_text; /* owned */
    struct token_cache *tokens;
    struct journal *journal; /* NULL: it could not be opened, every access has its row */
    struct digests *digests;
    struct pusher *pusher; /* NULL until dataplane_start */
    pthread_t keeper;
    bool keeper_made;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;  /* keeper: something to look at */
    pthread_cond_t idle;  /* live has become 0 */
    struct view *views[VIEWS];
    struct inode_key harmless[HARMLESS];
    uint64_t forgotten;           /* views loaded before the newest forgetting are not kept */
    struct access *open;          /* being answered */
    struct pull *pulls;           /* the same as consumer */
    struct meter *running;        /* between their row in `access` and their receipt */
    struct taking *taking;        /* waits for the writer and takes more, as the next; or NULL */
    struct settling *settling[2]; /* the same for receipts; [1]: of slots */
    struct meter *unsettled;
    struct renewal *renewals; /* under way, as consumer */
    unsigned live;            /* accesses and pulls that are not settled */
    unsigned tables;          /* queries that run */
    bool any_view;            /* there may be one in `views` */
    bool watching;            /* the keeper looks again by itself */
    bool check_now, closing;
};

void dataplane__live(struct dataplane *dp, int change);

/* -- routes ------------------------------------------------------------------------------------ */
#define ROUTE HTTP_ROUTE_PROTO
#include "connector/dataplane/management_routes.def"
#include "connector/dataplane/public_routes.def"
#undef ROUTE
