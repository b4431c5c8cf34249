/*
 * lib/net/fetch.h - all outbound HTTP: one thread, one curl_multi
 *
 * Rules that hold for every request: https only (http where cfg.allow_http); the address filter
 * judges the socket address about to be connected, not the text of the URL; no redirects, no proxy,
 * no cookies, no decompression unless asked; an absolute deadline; a cap on the answer's size; at
 * most LIMIT_PEER_CONNECTIONS connections per scheme+host+port, opened on demand and kept. The
 * queue is outside curl: a request waits here until a handle is free. Callbacks run in the
 * fetcher's thread and must not block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/env.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct fetcher;

struct fetch_cfg {
    const struct env *env;
    const char *ca_file;          /* PEM; NULL: the system's */
    const char *client_cert_file; /* PEM, for mutual TLS; NULL: none */
    const char *client_key_file;
    bool allow_http; /* plain http too (tests, explicit set-ups) */
    const struct str
        *allow; /* CIDR blocks allowed although not global ("127.0.0.0/8", "fd00::/8"); borrowed */
    size_t n_allow;
    const struct str
        *guest_allow; /* the same, in place of `allow`, for requests that are `guest` */
    size_t n_guest_allow;
    unsigned max_active;   /* requests in flight in all; 0: 256 */
    unsigned max_per_peer; /* 0: LIMIT_PEER_CONNECTIONS */
    const char *user_agent;
};

/* Starts the thread. Errors: E_CONFIG (unreadable CA, malformed CIDR), E_NO_MEMORY. */
MUST_CHECK int fetcher_open(const struct fetch_cfg *cfg, struct fetcher **ret_fetcher,
                            struct err *err);
/* Ends requests in flight with E_SHUTDOWN, joins the thread; *fetcher may be NULL. */
void fetcher_close(struct fetcher **fetcher);

struct fetch_header {
    struct str name, value; /* refused if they contain CR, LF or NUL */
};

struct fetch_response {
    int status;               /* HTTP status */
    struct str body;          /* whole body unless a sink took it */
    const char *content_type; /* "" if absent; borrowed until the callback returns */
    struct fetch *job;        /* for fetch_header() inside callbacks */
};

enum fetch_flow { FETCH_GO, FETCH_PAUSE, FETCH_STOP };

/* What `source` may answer instead of a number of bytes. */
#define FETCH_END   0    /* that was the whole body */
#define FETCH_WAIT  (-1) /* nothing yet: fetch_resume() when there is more */
#define FETCH_BREAK (-2) /* the body cannot be completed */

struct fetch_request {
    const char *method; /* "GET", "POST", "PUT", "DELETE", "HEAD" */
    struct str url;     /* copied */
    bool guest; /* a stranger has chosen the URL: what is allowed to us is not allowed to him */
    const struct fetch_header *headers; /* copied */
    size_t n_headers;
    struct str body; /* borrowed until done is called */
    /*
     * Optional upload instead of `body`: `source` fills up to max bytes (1 to max), or answers with
     * one of the values above. FETCH_BREAK ends with E_PEER_REFUSED; the receiver cannot take what
     * it has for the whole. source_length < 0: unknown, the body is sent chunked; else exactly so
     * many bytes. Each upload has a connection of its own, so that it never needs to be begun
     * again. An answer of 300 and above may come before the source is at its end.
     */
    ssize_t (*source)(void *cls, char *out, size_t max);
    int64_t source_length;
    size_t max_response;      /* bytes; 0: LIMIT_JSON_BYTES. Ignored with a sink */
    int64_t deadline_mono_us; /* absolute; 0: 30 s from now */
    int64_t min_rate;         /* bytes per second over 30 s for streamed bodies; 0: none */
    /*
     * Optional streaming: `head` is called once status and headers are known, `sink` for each
     * piece. FETCH_PAUSE stops delivery of this piece, which comes again after fetch_resume().
     * FETCH_STOP ends with E_PEER_REFUSED.
     */
    enum fetch_flow (*head)(void *cls, const struct fetch_response *response);
    enum fetch_flow (*sink)(void *cls, const void *p, size_t n);
    /* Called exactly once. err->code == E_OK: an HTTP answer of any status; else E_PEER_DOWN,
     * E_PEER_TIMEOUT, E_PEER_ADDRESS (filter or URL), E_LIMIT, E_SHUTDOWN, and response is NULL
     * (status may be known to `head`). */
    void (*done)(void *cls, const struct fetch_response *response, const struct err *err);
    void *cls;
};

/*
 * Queues a request. A malformed URL or header is an error here (E_PEER_ADDRESS, E_INVALID), as are
 * E_BUSY (LIMIT_FETCH_JOBS), E_SHUTDOWN and E_NO_MEMORY; then `done` is not called. *ret_job (may
 * be NULL) is valid until done has returned.
 */
MUST_CHECK int fetch_submit(struct fetcher *fetcher, const struct fetch_request *request,
                            struct fetch **ret_job, struct err *err);
/* Continues a paused job; any thread. */
void fetch_resume(struct fetcher *fetcher, struct fetch *job);
/* Ends a job; `done` follows with E_SHUTDOWN. Any thread, while the job is valid. */
void fetch_cancel(struct fetcher *fetcher, struct fetch *job);
/* A response header's value (last one wins), or STR_NONE; only inside head, sink and done. */
struct str fetch_response_header(const struct fetch *job, const char *name);

/* Bytes of the body that have left so far, for a request with a source; only inside its callbacks. */
int64_t fetch_sent(const struct fetch *job);

/*
 * Blocking call for programs without an event loop (CLI, tests); not from a callback. `done` and
 * its place for cls are not used, head and sink are. Body is copied to *ret_body (free()).
 */
MUST_CHECK int fetch_call(struct fetcher *fetcher, const struct fetch_request *request,
                          int *ret_status, char **ret_body, size_t *ret_n, struct err *err);

/*
 * Judges a URL that a stranger wants us to use later, as far as its text tells: form, scheme, port,
 * and a host that is an address (in any spelling) or a name of this machine. What a name resolves
 * to is judged when the socket is opened, here only what can never work is refused early. Appends
 * "scheme://host:port" to *ret_peer, unless it is NULL. Errors: E_PEER_ADDRESS with public detail,
 * E_NO_MEMORY.
 */
MUST_CHECK int fetch_url_check(const struct fetcher *fetcher, struct str url, struct buf *ret_peer,
                               struct err *err);

/* True if a socket address may be contacted: global unicast, or inside an allowed block. For tests
 * and set-up checks. */
struct sockaddr;
bool fetch_address_allowed(const struct fetcher *fetcher, const struct sockaddr *address);
