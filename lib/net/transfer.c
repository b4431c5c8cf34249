/*
 * lib/net/transfer.c - a job on curl's wire: options, callbacks, and what the result means
 *
 * A carrier's options that are the same for all jobs are set once; each job sets URL, method, body
 * and limits. Connections belong to the multi handle, so carriers are interchangeable.
 */
#include <inttypes.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/log/counters.h"
#include "lib/net/fetch_private.h"

#include "lib/base/banned.h"

#define BUFFER_BYTES 32768L

/* -- callbacks of curl ------------------------------------------------------------------------- */

static curl_socket_t open_socket(void *cls, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct carrier *carrier = cls;
    struct fetch *job = carrier->job;
    curl_socket_t fd;

    if (purpose != CURLSOCKTYPE_IPCXN || job == NULL ||
        !fetch__address_allowed(job->guest ? &job->fetcher->guest_allow : &job->fetcher->allow,
                                &address->addr)) {
        if (job != NULL)
            job->denied = true;
        COUNT(C_FETCH_DENIED);
        return CURL_SOCKET_BAD;
    }
    job->tried = true;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    fetch__socket_opened(job->fetcher, fd);
    return fd;
}

static void describe(struct fetch *job, struct fetch_response *ret)
{
    long status = 0;
    char *type = NULL;

    curl_easy_getinfo(job->carrier->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(job->carrier->easy, CURLINFO_CONTENT_TYPE, &type);
    *ret = (struct fetch_response){.status = (int)status,
                                   .body = buf_str(&job->content),
                                   .content_type = type != NULL ? type : "",
                                   .job = job};
}

/* Status and header fields of the real answer (not 1xx) are complete. */
static bool head_complete(struct fetch *job)
{
    struct fetch_response response;

    describe(job, &response);
    if (response.status < 200)
        return true;
    job->head_done = true;
    if (job->head == NULL)
        return true;
    switch (job->head(job->cls, &response)) {
    case FETCH_GO: return true;
    case FETCH_PAUSE: curl_easy_pause(job->carrier->easy, CURLPAUSE_RECV); return true;
    case FETCH_STOP: job->stopped = true; return false;
    }
    CHECK_UNREACHABLE();
}

static size_t take_header(char *line, size_t size, size_t count, void *cls)
{
    struct fetch *job = ((struct carrier *)cls)->job;
    size_t n = size * count;

    job->head_bytes += n;
    if (job->head_bytes > FETCH_HEAD_BYTES || ++job->head_lines > FETCH_HEAD_LINES) {
        job->too_big = true;
        return 0;
    }
    if (job->head_done) /* a trailer */
        return n;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
        buf_reset(&job->head_text);
    else if (n <= 2)
        return head_complete(job) ? n : 0;
    else
        buf_add(&job->head_text, line, n);
    return n;
}

static size_t take_body(char *p, size_t size, size_t count, void *cls)
{
    struct fetch *job = ((struct carrier *)cls)->job;
    size_t n = size * count;

    if (job->sink != NULL) {
        switch (job->sink(job->cls, p, n)) {
        case FETCH_GO: return n;
        case FETCH_PAUSE: return CURL_WRITEFUNC_PAUSE;
        case FETCH_STOP: job->stopped = true; return n > 0 ? 0 : 1;
        }
        CHECK_UNREACHABLE();
    }
    if (n > job->max_response - job->content.n) {
        job->too_big = true;
        return 0;
    }
    buf_add(&job->content, p, n);
    return buf_failed(&job->content) ? 0 : n;
}

static size_t give_body(char *out, size_t size, size_t count, void *cls)
{
    struct fetch *job = ((struct carrier *)cls)->job;
    ssize_t n;

    if (job == NULL || job->source == NULL)
        return 0;
    n = job->source(job->cls, out, size * count);
    if (n == FETCH_WAIT)
        return CURL_READFUNC_PAUSE;
    if (n >= 0)
        return (size_t)n;
    job->stopped = true;
    return CURL_READFUNC_ABORT;
}

int64_t fetch_sent(const struct fetch *job)
{
    curl_off_t sent = 0;

    if (job->carrier != NULL)
        curl_easy_getinfo(job->carrier->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    return sent;
}

/* -- carriers ---------------------------------------------------------------------------------- */

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (curl_easy_setopt(easy, (option), (value)) != CURLE_OK)                                 \
            return false;                                                                          \
    } while (0)

static bool set_security(CURL *easy, const struct fetcher *fetcher)
{
    const char *protocols = fetcher->allow_http ? "http,https" : "https";

    SET(CURLOPT_PROTOCOLS_STR, protocols);
    SET(CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_UNRESTRICTED_AUTH, 0L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (fetcher->ca_file != NULL) {
        SET(CURLOPT_CAINFO, fetcher->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (fetcher->client_cert_file != NULL) {
        SET(CURLOPT_SSLCERT, fetcher->client_cert_file);
        SET(CURLOPT_SSLKEY, fetcher->client_key_file);
    }
    return true;
}

static bool set_common(CURL *easy, struct fetcher *fetcher, struct carrier *carrier)
{
    SET(CURLOPT_PRIVATE, carrier);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, carrier);
    SET(CURLOPT_CLOSESOCKETFUNCTION, fetch__socket_close);
    SET(CURLOPT_CLOSESOCKETDATA, fetcher);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, carrier);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, carrier);
    SET(CURLOPT_READFUNCTION, give_body);
    SET(CURLOPT_READDATA, carrier);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs must not hold up the others */
    SET(CURLOPT_NOPROGRESS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(FETCH_CONNECT_US / 1000));
    SET(CURLOPT_LOW_SPEED_TIME, (long)FETCH_RATE_S);
    if (fetcher->user_agent != NULL)
        SET(CURLOPT_USERAGENT, fetcher->user_agent);
    return set_security(easy, fetcher);
}

static struct carrier *take_carrier(struct fetcher *fetcher)
{
    struct carrier *carrier = fetcher->carriers;

    if (carrier != NULL) {
        fetcher->carriers = carrier->next;
        return carrier;
    }
    carrier = calloc(1, sizeof(*carrier));
    if (carrier == NULL)
        return NULL;
    carrier->easy = curl_easy_init();
    if (carrier->easy != NULL && set_common(carrier->easy, fetcher, carrier))
        return carrier;
    if (carrier->easy != NULL)
        curl_easy_cleanup(carrier->easy);
    free(carrier);
    return NULL;
}

static void give_carrier(struct fetcher *fetcher, struct carrier *carrier)
{
    carrier->job = NULL;
    carrier->next = fetcher->carriers;
    fetcher->carriers = carrier;
}

void fetch__carriers_free(struct fetcher *fetcher)
{
    while (fetcher->carriers != NULL) {
        struct carrier *carrier = fetcher->carriers;

        fetcher->carriers = carrier->next;
        curl_easy_cleanup(carrier->easy);
        free(carrier);
    }
}

/* -- a job ------------------------------------------------------------------------------------- */

/*
 * Order matters: each of curl's body options also sets the method, CUSTOMREQUEST then overrides its
 * name.
 */
static bool set_method(CURL *easy, const struct fetch *job)
{
    bool has_body = str_present(job->body);
    const char *own_name = job->method;

    if (job->source != NULL) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, NULL);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->source_length);
        if (strcmp(job->method, "POST") == 0)
            own_name = NULL;
    } else if (has_body || strcmp(job->method, "POST") == 0) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->body.n);
        SET(CURLOPT_POSTFIELDS, has_body ? job->body.p : "");
        if (strcmp(job->method, "POST") == 0)
            own_name = NULL;
    } else {
        SET(CURLOPT_POSTFIELDS, NULL);
        SET(CURLOPT_HTTPGET, 1L);
        if (strcmp(job->method, "HEAD") == 0)
            SET(CURLOPT_NOBODY, 1L);
        if (strcmp(job->method, "GET") == 0 || strcmp(job->method, "HEAD") == 0)
            own_name = NULL;
    }
    SET(CURLOPT_CUSTOMREQUEST, own_name);
    return true;
}

static bool set_job(CURL *easy, const struct fetch *job)
{
    curl_off_t most = job->sink != NULL ? 0 : (curl_off_t)job->max_response;

    SET(CURLOPT_URL, job->url);
    SET(CURLOPT_HTTPHEADER, job->headers);
    SET(CURLOPT_MAXFILESIZE_LARGE, most);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)job->min_rate);
    /* the filter judges connections when they are made */
    SET(CURLOPT_FRESH_CONNECT, job->source != NULL || job->guest ? 1L : 0L);
    SET(CURLOPT_FORBID_REUSE, job->guest ? 1L : 0L);
    return set_method(easy, job);
}

bool fetch__start(struct fetcher *fetcher, struct fetch *job)
{
    struct carrier *carrier = take_carrier(fetcher);

    if (carrier == NULL)
        return false;
    carrier->job = job;
    if (!set_job(carrier->easy, job) ||
        curl_multi_add_handle(fetcher->multi, carrier->easy) != CURLM_OK) {
        give_carrier(fetcher, carrier);
        return false;
    }
    job->carrier = carrier;
    return true;
}

/* Results of curl with a meaning of their own; any other is a peer that cannot be talked to. */
static const struct {
    CURLcode code;
    enum err_code means;
} results[] = {
    {CURLE_OK,                   E_OK          },
    {CURLE_OPERATION_TIMEDOUT,   E_PEER_TIMEOUT},
    {CURLE_FILESIZE_EXCEEDED,    E_LIMIT       },
    {CURLE_OUT_OF_MEMORY,        E_NO_MEMORY   },
    {CURLE_UNSUPPORTED_PROTOCOL, E_PEER_DOWN   }, /* an answer that is no HTTP */
    {CURLE_URL_MALFORMAT,        E_PEER_ADDRESS},
};

void fetch__judge(const struct fetch *job, CURLcode code, struct err *err)
{
    enum err_code means = E_PEER_DOWN;

    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        if (results[i].code == code)
            means = results[i].means;
    if (job->too_big)
        means = E_LIMIT;
    else if (job->stopped)
        means = E_PEER_REFUSED;
    else if (code == CURLE_COULDNT_CONNECT && job->denied && !job->tried)
        means = E_PEER_ADDRESS;
    else if (code == CURLE_WRITE_ERROR && buf_failed(&job->content))
        means = E_NO_MEMORY;
    if (means == E_OK && !job->head_done) /* curl takes what there is for the whole */
        err_set(err, E_PEER_DOWN, "", "'%.200s': the answer ends in its header", job->url);
    else if (means != E_OK)
        err_set(err, means, "", "'%.200s': %s%s", job->url, curl_easy_strerror(code),
                means == E_PEER_ADDRESS ? ", its address is not allowed" : "");
}

static void forget_signal(struct fetcher *fetcher, struct fetch *job)
{
    pthread_mutex_lock(&fetcher->lock);
    if (job->signalled) {
        if (job->sig_prev != NULL)
            job->sig_prev->sig_next = job->sig_next;
        else
            fetcher->signals = job->sig_next;
        if (job->sig_next != NULL)
            job->sig_next->sig_prev = job->sig_prev;
    }
    fetcher->n_jobs--;
    pthread_mutex_unlock(&fetcher->lock);
}

void fetch__finish(struct fetcher *fetcher, struct fetch *job, const struct err *err)
{
    struct fetch_response response;
    struct carrier *carrier = job->carrier;

    COUNT(C_FETCH_REQUESTS);
    if (err->code != E_OK)
        COUNT(C_FETCH_FAILED);
    if (carrier != NULL)
        curl_multi_remove_handle(fetcher->multi, carrier->easy);
    if (job->peer != NULL)
        fetch__queue_drop(fetcher, job);
    if (err->code == E_OK) {
        describe(job, &response);
        job->done(job->cls, &response, err);
    } else {
        job->done(job->cls, NULL, err);
    }
    forget_signal(fetcher, job);
    if (carrier != NULL)
        give_carrier(fetcher, carrier);
    fetch__job_free(&job);
}
