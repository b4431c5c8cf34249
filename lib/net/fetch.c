/*
 * lib/net/fetch.c - the fetcher: its thread, and the door to it
 *
 * Other threads only append to the inbox or leave a wish (resume, cancel) on a job, under the lock,
 * and wake the thread. It takes both, expires deadlines, starts what may start, lets curl work where
 * something has happened, and calls back; no lock is held during callbacks.
 */
#include <errno.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/net/fetch_private.h"

#include "lib/base/banned.h"

#define PAUSE_MS 60000 /* nothing due */

/* -- the thread -------------------------------------------------------------------------------- */

static void fail(struct fetcher *fetcher, struct fetch *job, enum err_code code, const char *why)
{
    struct err err = {0};

    err_set(&err, code, "", "'%.200s': %s", job->url, why);
    fetch__finish(fetcher, job, &err);
}

/* Moves what was submitted into the peers' queues. */
static void take_inbox(struct fetcher *fetcher)
{
    struct fetch *job;

    pthread_mutex_lock(&fetcher->lock);
    fetcher->woken = false;
    job = fetcher->inbox_first;
    fetcher->inbox_first = fetcher->inbox_last = NULL;
    pthread_mutex_unlock(&fetcher->lock);
    while (job != NULL) {
        struct fetch *next = job->next;

        if (!fetch__queue_put(fetcher, job))
            fail(fetcher, job, E_NO_MEMORY, "no memory to queue it");
        job = next;
    }
}

static struct fetch *take_signal(struct fetcher *fetcher, bool *ret_cancel, bool *ret_resume)
{
    struct fetch *job;

    pthread_mutex_lock(&fetcher->lock);
    job = fetcher->signals;
    if (job != NULL) {
        fetcher->signals = job->sig_next;
        if (job->sig_next != NULL)
            job->sig_next->sig_prev = NULL;
        *ret_cancel = job->want_cancel;
        *ret_resume = job->want_resume;
        job->want_cancel = job->want_resume = job->signalled = false;
    }
    pthread_mutex_unlock(&fetcher->lock);
    return job;
}

static void obey_signals(struct fetcher *fetcher)
{
    struct fetch *job;
    bool cancel, resume;

    while ((job = take_signal(fetcher, &cancel, &resume)) != NULL) {
        if (cancel)
            fail(fetcher, job, E_SHUTDOWN, "cancelled");
        else if (resume && job->carrier != NULL)
            curl_easy_pause(job->carrier->easy, CURLPAUSE_CONT);
    }
}

/* Ends what is overdue; returns the milliseconds until the next deadline. */
static int expire(struct fetcher *fetcher)
{
    int64_t now_us = env_mono_us(fetcher->env);
    struct fetch *job;
    int64_t wait_ms;

    while ((job = fetch__queue_earliest(fetcher)) != NULL && job->deadline_us <= now_us)
        fail(fetcher, job, E_PEER_TIMEOUT,
             job->started ? "deadline is over" : "deadline is over, it still waited");
    if (job == NULL)
        return PAUSE_MS;
    wait_ms = (job->deadline_us - now_us) / 1000 + 1;
    return wait_ms < PAUSE_MS ? (int)wait_ms : PAUSE_MS;
}

static bool start_waiting(struct fetcher *fetcher)
{
    struct fetch *job;
    bool started = false;

    while ((job = fetch__queue_next(fetcher)) != NULL) {
        if (!fetch__start(fetcher, job))
            fail(fetcher, job, E_NO_MEMORY, "no memory to start it");
        started = true;
    }
    return started;
}

static void finish_done(struct fetcher *fetcher)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        struct carrier *carrier = NULL;
        struct err err = {0};

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&carrier);
        CHECK(carrier != NULL && carrier->job != NULL);
        fetch__judge(carrier->job, message->data.result, &err);
        fetch__finish(fetcher, carrier->job, &err);
    }
}

static bool is_closing(struct fetcher *fetcher)
{
    bool closing;

    pthread_mutex_lock(&fetcher->lock);
    closing = fetcher->closing;
    pthread_mutex_unlock(&fetcher->lock);
    return closing;
}

static void *fetcher_main(void *arg)
{
    struct fetcher *fetcher = arg;
    struct fetch *job;

    while (!is_closing(fetcher)) {
        int wait_ms;

        take_inbox(fetcher);
        obey_signals(fetcher);
        start_waiting(fetcher);
        fetch__sockets_due(fetcher);
        /* finished ones first: they free the places for the next */
        finish_done(fetcher);
        wait_ms = expire(fetcher);
        if (start_waiting(fetcher))
            continue;
        fetch__sockets_wait(fetcher, wait_ms);
    }
    take_inbox(fetcher);
    while ((job = fetch__queue_earliest(fetcher)) != NULL)
        fail(fetcher, job, E_SHUTDOWN, "the program is stopping");
    return NULL;
}

/* -- start and stop ---------------------------------------------------------------------------- */

static int copy_file_name(const char *name, const char *what, const char *marker, char **ret_name,
                          struct err *err)
{
    FILE *file;
    char line[256];
    bool found = false;

    if (name == NULL)
        return 0;
    file = fopen(name, "re");
    if (file == NULL)
        return err_set(err, E_CONFIG, "", "%s '%s': %s", what, name, strerror(errno));
    while (!found && fgets(line, sizeof(line), file) != NULL)
        found = strstr(line, "-----BEGIN ") != NULL && strstr(line, marker) != NULL;
    fclose(file);
    if (!found)
        return err_set(err, E_CONFIG, "", "%s '%s' holds no %s in PEM form", what, name, marker);
    *ret_name = strdup(name);
    return *ret_name != NULL ? 0 : err_set(err, E_NO_MEMORY, "", "fetcher");
}

static int take_cfg(struct fetcher *fetcher, const struct fetch_cfg *cfg, struct err *err)
{
    fetcher->env = cfg->env;
    fetcher->allow_http = cfg->allow_http;
    fetcher->max_active = cfg->max_active > 0 ? cfg->max_active : 256;
    fetcher->max_per_peer = cfg->max_per_peer > 0 ? cfg->max_per_peer : LIMIT_PEER_CONNECTIONS;
    if (copy_file_name(cfg->ca_file, "CA file", "CERTIFICATE", &fetcher->ca_file, err) < 0 ||
        copy_file_name(cfg->client_cert_file, "client certificate", "CERTIFICATE",
                       &fetcher->client_cert_file, err) < 0 ||
        copy_file_name(cfg->client_key_file, "client key", "PRIVATE KEY", &fetcher->client_key_file,
                       err) < 0)
        return err_ret(err);
    if ((fetcher->client_cert_file == NULL) != (fetcher->client_key_file == NULL))
        return err_set(err, E_CONFIG, "", "client certificate and key are only useful together");
    fetcher->user_agent = cfg->user_agent != NULL ? strdup(cfg->user_agent) : NULL;
    if (cfg->user_agent != NULL && fetcher->user_agent == NULL)
        return err_set(err, E_NO_MEMORY, "", "fetcher");
    if (fetch__cidr_list(cfg->allow, cfg->n_allow, &fetcher->allow, err) < 0)
        return err_ret(err);
    return fetch__cidr_list(cfg->guest_allow, cfg->n_guest_allow, &fetcher->guest_allow, err);
}

void fetcher_close(struct fetcher **fetcher)
{
    struct fetcher *mine = MOVE(*fetcher);

    if (mine == NULL)
        return;
    if (mine->thread_made) {
        pthread_mutex_lock(&mine->lock);
        mine->closing = true;
        pthread_mutex_unlock(&mine->lock);
        fetch__sockets_wake(mine);
        pthread_join(mine->thread, NULL);
    }
    fetch__queue_free(mine);
    fetch__carriers_free(mine);
    if (mine->multi != NULL)
        curl_multi_cleanup(mine->multi);
    fetch__sockets_close(mine);
    pthread_mutex_destroy(&mine->lock);
    free(mine->ca_file);
    free(mine->client_cert_file);
    free(mine->client_key_file);
    free(mine->user_agent);
    free(mine->allow.items);
    free(mine->guest_allow.items);
    free(mine);
    curl_global_cleanup();
}

int fetcher_open(const struct fetch_cfg *cfg, struct fetcher **ret_fetcher, struct err *err)
{
    AUTO(fetcher_close) struct fetcher *fetcher = NULL;
    int failure;

    /* counted by curl, and thread-safe since 7.84 */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, E_NO_MEMORY, "", "libcurl");
    fetcher = calloc(1, sizeof(*fetcher));
    if (fetcher == NULL) {
        curl_global_cleanup();
        return err_set(err, E_NO_MEMORY, "", "fetcher");
    }
    fetcher->epoll = fetcher->wake = -1;
    CHECK(pthread_mutex_init(&fetcher->lock, NULL) == 0);
    if (take_cfg(fetcher, cfg, err) < 0)
        return err_ret(err);
    fetcher->multi = curl_multi_init();
    if (fetcher->multi == NULL)
        return err_set(err, E_NO_MEMORY, "", "libcurl");
    curl_multi_setopt(fetcher->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long)fetcher->max_active);
    if (fetch__sockets_open(fetcher, err) < 0)
        return err_ret(err);
    failure = pthread_create(&fetcher->thread, NULL, fetcher_main, fetcher);
    if (failure != 0)
        return err_set(err, E_NO_MEMORY, "", "cannot start the fetcher: %s", strerror(failure));
    fetcher->thread_made = true;
    *ret_fetcher = MOVE(fetcher);
    return 0;
}

/* -- the door ---------------------------------------------------------------------------------- */

/*
 * Lets the thread look again; one wake-up is enough until it does. The lock is held and released.
 */
static void unlock_and_wake(struct fetcher *fetcher)
{
    bool wake = !fetcher->woken;

    fetcher->woken = true;
    pthread_mutex_unlock(&fetcher->lock);
    if (wake)
        fetch__sockets_wake(fetcher);
}

int fetch_submit(struct fetcher *fetcher, const struct fetch_request *request,
                 struct fetch **ret_job, struct err *err)
{
    AUTO(fetch__job_free) struct fetch *job = NULL;

    if (fetch__job_new(fetcher, request, &job, err) < 0)
        return err_ret(err);
    pthread_mutex_lock(&fetcher->lock);
    if (fetcher->closing || fetcher->n_jobs >= LIMIT_FETCH_JOBS) {
        bool closing = fetcher->closing;

        pthread_mutex_unlock(&fetcher->lock);
        return closing ? err_set(err, E_SHUTDOWN, "", "the fetcher is stopping")
                       : err_set(err, E_BUSY, "", "%d requests wait already", LIMIT_FETCH_JOBS);
    }
    fetcher->n_jobs++;
    if (ret_job != NULL)
        *ret_job = job;
    if (fetcher->inbox_last != NULL)
        fetcher->inbox_last->next = job;
    else
        fetcher->inbox_first = job;
    fetcher->inbox_last = MOVE(job);
    unlock_and_wake(fetcher);
    return 0;
}

/* Leaves a wish; the lock is held and released. */
static void signal_job(struct fetcher *fetcher, struct fetch *job)
{
    if (!job->signalled) {
        job->signalled = true;
        job->sig_prev = NULL;
        job->sig_next = fetcher->signals;
        if (fetcher->signals != NULL)
            fetcher->signals->sig_prev = job;
        fetcher->signals = job;
    }
    unlock_and_wake(fetcher);
}

void fetch_resume(struct fetcher *fetcher, struct fetch *job)
{
    pthread_mutex_lock(&fetcher->lock);
    job->want_resume = true;
    signal_job(fetcher, job);
}

void fetch_cancel(struct fetcher *fetcher, struct fetch *job)
{
    pthread_mutex_lock(&fetcher->lock);
    job->want_cancel = true;
    signal_job(fetcher, job);
}

struct str fetch_response_header_at(const struct fetch *job, const char *name, size_t i)
{
    struct str rest = buf_str(&job->head_text);

    while (str_present(rest)) {
        struct str value = str_cut(&rest, '\n');
        struct str key = str_cut(&value, ':');

        if (str_present(value) && str_eq_nocase(key, str_c(name)) && i-- == 0)
            return str_trim(value);
    }
    return STR_NONE;
}

struct str fetch_response_header(const struct fetch *job, const char *name)
{
    struct str found = STR_NONE, value;

    for (size_t i = 0; str_present(value = fetch_response_header_at(job, name, i)); i++)
        found = value;
    return found;
}
