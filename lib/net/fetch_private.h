/*
 * lib/net/fetch_private.h - what the files of lib/net share
 *
 * Everything below belongs to the fetcher's thread, except the members that fetcher->lock guards.
 */
#pragma once

#include <curl/curl.h>
#include <pthread.h>

#include "lib/base/buf.h"
#include "lib/net/fetch.h"

#define FETCH_HEAD_BYTES  (64 * 1024) /* header of an answer, 1xx and trailers included */
#define FETCH_HEAD_LINES  1024        /* and lines of it */
#define FETCH_CONNECT_US  (10 * INT64_C(1000000))
#define FETCH_DEADLINE_US (30 * INT64_C(1000000)) /* where the caller names none */
#define FETCH_RATE_S      30                      /* time over which min_rate is judged */
#define FETCH_PEERS       512                     /* idle peers are forgotten above this */
#define FETCH_BUCKETS     256                     /* power of two */

/* An IPv4 block is one of ::ffff:0:0/96. */
struct cidr {
    uint8_t address[16];
    unsigned bits;
};

struct cidr_list {
    struct cidr *items;
    size_t n;
};

struct peer {
    struct peer *in_bucket;
    struct peer *next; /* in the list of peers that may start a job */
    bool ready;        /* is in that list */
    unsigned active;
    struct fetch *first, *last; /* waiting jobs */
    char key[];                 /* scheme://host:port */
};

/* One easy handle and the job that it carries; reused. */
struct carrier {
    struct carrier *next;
    CURL *easy;
    struct fetch *job;
};

struct fetch {
    struct fetcher *fetcher;
    struct fetch *next;                /* inbox, or the peer's queue */
    struct fetch *sig_prev, *sig_next; /* guarded by lock: list of jobs with a wish */
    bool signalled;                    /* guarded by lock */
    bool want_resume;                  /* guarded by lock */
    bool want_cancel;                  /* guarded by lock */
    struct peer *peer;
    bool started;            /* left its peer's queue */
    struct carrier *carrier; /* NULL: waits */
    size_t heap_index;       /* by deadline */
    int64_t deadline_us;

    char *method;
    char *url;
    char *peer_key;
    struct curl_slist *headers;
    bool guest;
    struct str body; /* borrowed from the caller */
    ssize_t (*source)(void *cls, char *out, size_t max);
    int64_t source_length;
    size_t max_response;
    int64_t min_rate;
    enum fetch_flow (*head)(void *cls, const struct fetch_response *response);
    enum fetch_flow (*sink)(void *cls, const void *p, size_t n);
    void (*done)(void *cls, const struct fetch_response *response, const struct err *err);
    void *cls;

    struct buf head_text; /* header lines of the last answer */
    size_t head_bytes;    /* all that came */
    unsigned head_lines;
    bool head_done;
    struct buf content;
    bool denied; /* the filter refused an address */
    bool tried;  /* and allowed one */
    bool too_big;
    bool stopped; /* by head, sink or source */
};

#define FETCH_SOCKETS 4096 /* those with a higher number register for each request */

struct fetch_socket {
    uint32_t events; /* that epoll looks for; 0: it does not know the socket */
    bool ours;       /* opened and closed by our callbacks, so nothing happens to it unseen */
    bool idle;       /* curl does not wait for it */
};

struct fetcher {
    const struct env *env;
    char *ca_file, *client_cert_file, *client_key_file, *user_agent;
    bool allow_http;
    struct cidr_list allow, guest_allow;
    unsigned max_active, max_per_peer;
    CURLM *multi;
    int epoll; /* the sockets that curl waits for, and `wake` */
    int wake;  /* eventfd: other threads want to be noticed */
    pthread_t thread;
    bool thread_made;

    pthread_mutex_t lock; /* guards what follows */
    struct fetch *inbox_first, *inbox_last;
    struct fetch *signals;
    size_t n_jobs;
    bool woken;
    bool closing;

    /* fetcher's thread only */
    struct fetch_socket sockets[FETCH_SOCKETS];
    int64_t curl_due_us;      /* monotonic: when curl wants to be called without an event */
    struct carrier *carriers; /* free ones */
    unsigned active;
    struct peer *peers[FETCH_BUCKETS];
    size_t n_peers;
    struct peer *ready_first, *ready_last;
    struct fetch **heap; /* all jobs, earliest deadline first */
    size_t heap_n, heap_cap;
};

/* -- address.c --------------------------------------------------------------------------------- */
MUST_CHECK int fetch__cidr_list(const struct str *texts, size_t n, struct cidr_list *ret_list,
                                struct err *err);
bool fetch__address_allowed(const struct cidr_list *allow, const struct sockaddr *address);

/* -- url.c ------------------------------------------------------------------------------------- */
/* Checks a URL and writes the key of its peer. Errors: E_PEER_ADDRESS, E_NO_MEMORY. */
MUST_CHECK int fetch__url_check(const struct fetcher *fetcher, const char *url, struct buf *ret_key,
                                struct err *err);

/* -- job.c ------------------------------------------------------------------------------------- */
MUST_CHECK int fetch__job_new(struct fetcher *fetcher, const struct fetch_request *request,
                              struct fetch **ret_job, struct err *err);
void fetch__job_free(struct fetch **job);

/* -- queue.c ----------------------------------------------------------------------------------- */
/* Takes the job into its peer's queue and among the deadlines. False without memory. */
bool fetch__queue_put(struct fetcher *fetcher, struct fetch *job);
/* The next job that may start, peers in turn; NULL if none. It leaves its queue. */
struct fetch *fetch__queue_next(struct fetcher *fetcher);
/* A job is over: takes it out of queue and deadlines. */
void fetch__queue_drop(struct fetcher *fetcher, struct fetch *job);
/* The job with the earliest deadline, or NULL. */
struct fetch *fetch__queue_earliest(const struct fetcher *fetcher);
void fetch__queue_free(struct fetcher *fetcher);

/* -- sockets.c --------------------------------------------------------------------------------- */
MUST_CHECK int fetch__sockets_open(struct fetcher *fetcher, struct err *err);
void fetch__sockets_close(struct fetcher *fetcher);
/* A connection's socket was opened; -1: it was not. */
void fetch__socket_opened(struct fetcher *fetcher, int fd);
/* Closes it; for CURLOPT_CLOSESOCKETFUNCTION. */
int fetch__socket_close(void *fetcher, curl_socket_t fd);
/* Ends the present or the next wait; any thread. */
void fetch__sockets_wake(struct fetcher *fetcher);
/* Calls curl if it is due. */
void fetch__sockets_due(struct fetcher *fetcher);
/* Waits for something to happen, at most so long, and calls curl for it. */
void fetch__sockets_wait(struct fetcher *fetcher, int most_ms);

/* -- transfer.c -------------------------------------------------------------------------------- */
/* Gives the job to a carrier and curl. False without memory. */
bool fetch__start(struct fetcher *fetcher, struct fetch *job);
/* Ends a job: calls done with what is in `err` (E_OK: with the answer) and frees it. */
void fetch__finish(struct fetcher *fetcher, struct fetch *job, const struct err *err);
/* What curl's result means. */
void fetch__judge(const struct fetch *job, CURLcode code, struct err *err);
void fetch__carriers_free(struct fetcher *fetcher);
