/*
 * lib/http/listener.c - one listening address: start, reload, orderly stop
 *
 * Stop: no new connection; requests in flight may finish until the grace time is over; then
 * whatever waits is answered with E_SHUTDOWN (or, if it is a stream, reset), because MHD must not
 * be stopped with suspended connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/http/http_private.h"

#include "lib/base/banned.h"

#define BACKLOG 1024

/* -- configuration ----------------------------------------------------------------------------- */

static int copy_text(const char **text, struct err *err)
{
    if (*text != NULL && (*text = strdup(*text)) == NULL)
        return err_set(err, E_NO_MEMORY, "", "listener");
    return 0;
}

static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

static int take_cfg(struct http *http, const struct http_cfg *cfg, struct err *err)
{
    struct http_cfg *own = &http->cfg;
    const char **const texts[] = {&own->name, &own->cert_file, &own->key_file,
                                  &own->client_ca_file};

    *own = *cfg;
    own->address = STR_NONE;
    own->route_tables = NULL;
    own->name = cfg->name != NULL ? cfg->name : "http";
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (copy_text(texts[i], err) == 0)
            continue;
        for (size_t j = i; j < ARRAY_LEN(texts); j++)
            *texts[j] = NULL; /* the caller's: not ours to free */
        return err_ret(err);
    }
    http->n_threads = cfg->threads > 0 ? cfg->threads : 2;
    if (own->arena_bytes == 0)
        own->arena_bytes = LIMIT_REQUEST_ARENA;
    if (own->max_connections == 0)
        own->max_connections = LIMIT_CONNECTIONS;
    if (own->header_timeout_us <= 0)
        own->header_timeout_us = 10 * US_PER_S;
    if (own->body_timeout_us <= 0)
        own->body_timeout_us = 30 * US_PER_S;
    if (own->suspend_timeout_us <= 0)
        own->suspend_timeout_us = 60 * US_PER_S;
    http->period_us[DL_HEADER] = own->header_timeout_us;
    http->period_us[DL_IDLE] = HTTP_IDLE_US;
    http->period_us[DL_BODY] = own->body_timeout_us;
    http->period_us[DL_SEND] = own->body_timeout_us;
    http->period_us[DL_SUSPEND] = own->suspend_timeout_us;
    http->period_us[DL_STREAM] = own->suspend_timeout_us;
    return 0;
}

/* -- socket ------------------------------------------------------------------------------------ */

/* Cuts "127.0.0.1:80" or "[::1]:80" into two terminated texts. */
static bool cut_address(struct str address, char host[static 64], char port[static 8])
{
    struct str text = address;
    size_t at = text.n;
    int64_t number;

    while (at > 0 && text.p[at - 1] != ':')
        at--;
    if (at < 2 || text.n - at >= 8 || at - 1 >= 64)
        return false;
    if (!str_to_i64(str_from(text, at), &number) || number < 0 || number > UINT16_MAX)
        return false;
    memcpy(port, text.p + at, text.n - at);
    port[text.n - at] = '\0';
    text.n = at - 1;
    if (text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_n(text.p + 1, text.n - 2);
    else if (memchr(text.p, ':', text.n) != NULL)
        return false;
    memcpy(host, text.p, text.n);
    host[text.n] = '\0';
    return true;
}

static int bound_port(struct http *http, struct err *err)
{
    struct sockaddr_storage own = {0};
    socklen_t n = sizeof(own);

    if (getsockname(http->listen_fd, (struct sockaddr *)&own, &n) < 0)
        return err_set(err, E_IO, "", "getsockname: %s", strerror(errno));
    http->port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                                 : ((struct sockaddr_in *)&own)->sin_port);
    return 0;
}

static int bind_address(struct http *http, struct str address, struct err *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[64], port[8];
    int on = 1;
    int failed;

    if (!cut_address(address, host, port) || getaddrinfo(host, port, &hints, &found) != 0)
        return err_set(err, E_CONFIG, "",
                       "listener '%s': '%.*s' is not an address with port, such as 127.0.0.1:8443",
                       http->cfg.name, STR_ARG(address));
    http->listen_fd =
        socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (http->listen_fd >= 0)
        setsockopt(http->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    failed = http->listen_fd < 0 || bind(http->listen_fd, found->ai_addr, found->ai_addrlen) < 0 ||
                     listen(http->listen_fd, BACKLOG) < 0
                 ? errno
                 : 0;
    freeaddrinfo(found);
    if (failed != 0)
        return err_set(err, E_CONFIG, "", "listener '%s' cannot use '%.*s': %s%s", http->cfg.name,
                       STR_ARG(address), strerror(failed),
                       failed == EADDRINUSE ? "; stop the program that uses it or configure another"
                                            : "");
    return bound_port(http, err);
}

/* -- start ------------------------------------------------------------------------------------- */

static int make_threads(struct http *http, struct err *err)
{
    http->threads = calloc(http->n_threads, sizeof(http->threads[0]));
    if (http->threads == NULL || pthread_key_create(&http->thread_key, NULL) != 0)
        return err_set(err, E_NO_MEMORY, "", "listener '%s'", http->cfg.name);
    http->thread_key_made = true;
    if (http->cfg.thread_new == NULL)
        return 0;
    for (; http->made_threads < http->n_threads; http->made_threads++) {
        http->threads[http->made_threads] = http->cfg.thread_new(http->cfg.app, err);
        if (http->threads[http->made_threads] == NULL)
            return err_prefix(err, "listener '%s'", http->cfg.name);
    }
    return 0;
}

static int make_locks(struct http *http, struct err *err)
{
    pthread_condattr_t monotonic;

    if (pthread_condattr_init(&monotonic) != 0)
        return err_set(err, E_NO_MEMORY, "", "listener '%s'", http->cfg.name);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CHECK(pthread_mutex_init(&http->lock, NULL) == 0);
    CHECK(pthread_cond_init(&http->wake, &monotonic) == 0);
    CHECK(pthread_cond_init(&http->idle, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    http->synced = true;
    return 0;
}

/* Paths are matched raw (DSP ids may contain %2F); MHD decodes in place unless told not to. */
static size_t keep_escapes(void *cls, struct MHD_Connection *con, char *text)
{
    (void)cls;
    (void)con;
    return strlen(text);
}

static int start_daemon(struct http *http, struct err *err)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    struct MHD_OptionItem options[16];
    size_t n = 0;
#define OPTION(name, number, pointer)                                                              \
    options[n++] = (struct MHD_OptionItem){(name), (intptr_t)(number), (pointer)}

    OPTION(MHD_OPTION_LISTEN_SOCKET, http->listen_fd, NULL);
    OPTION(MHD_OPTION_URI_LOG_CALLBACK, http__uri_seen, http);
    OPTION(MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL);
    OPTION(MHD_OPTION_NOTIFY_CONNECTION, http__connection, http);
    OPTION(MHD_OPTION_NOTIFY_COMPLETED, http__completed, http);
    OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_POOL_BYTES, NULL);
    OPTION(MHD_OPTION_CONNECTION_LIMIT, http->cfg.max_connections, NULL);
    OPTION(MHD_OPTION_PER_IP_CONNECTION_LIMIT, http->cfg.max_per_address, NULL);
    OPTION(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
    if (http->n_threads > 1) /* MHD refuses a pool of one */
        OPTION(MHD_OPTION_THREAD_POOL_SIZE, http->n_threads, NULL);
    if (http->tls != NULL) {
        flags |= MHD_USE_TLS;
        OPTION(MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)http__tls_priorities);
        OPTION(MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)http__tls_refuse);
    }
    OPTION(MHD_OPTION_END, 0, NULL);
#undef OPTION
    http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, http__access, http, MHD_OPTION_ARRAY,
                                    options, MHD_OPTION_END);
    if (http->daemon == NULL)
        return err_set(err, E_NO_MEMORY, "", "listener '%s' cannot start: %s", http->cfg.name,
                       strerror(errno));
    return 0;
}

int http_open(const struct http_cfg *cfg, struct http **ret_http, struct err *err)
{
    AUTO(http__free) struct http *http = calloc(1, sizeof(*http));

    if (http == NULL)
        return err_set(err, E_NO_MEMORY, "", "listener");
    http->listen_fd = -1;
    if (take_cfg(http, cfg, err) < 0)
        return err_ret(err);
    http->router = http__router_new(cfg->route_tables, cfg->n_route_tables, cfg->tolerate_slashes);
    if (cfg->cert_file == NULL && cfg->client_cert != CLIENT_CERT_NONE)
        return err_set(err, E_CONFIG, "", "listener '%s' asks for client certificates without TLS",
                       http->cfg.name);
    if (cfg->cert_file != NULL && http__tls_load(&http->cfg, &http->tls, err) < 0)
        return err_ret(err);
    if (make_locks(http, err) < 0 || bind_address(http, cfg->address, err) < 0 ||
        make_threads(http, err) < 0 || http__watchdog_start(http, err) < 0 ||
        start_daemon(http, err) < 0)
        return err_ret(err);
    *ret_http = MOVE(http);
    return 0;
}

uint16_t http_port(const struct http *http)
{
    return http->port;
}

int http_reload(struct http *http, const char *cert_file, const char *key_file, struct err *err)
{
    struct http_cfg cfg = http->cfg;
    struct tls *fresh = NULL;
    struct tls *old;

    if (cfg.cert_file == NULL)
        return cert_file == NULL
                   ? 0
                   : err_set(err, E_CONFIG, "",
                             "listener '%s' runs without TLS; restart to change that", cfg.name);
    if (cert_file != NULL)
        cfg.cert_file = cert_file;
    if (key_file != NULL)
        cfg.key_file = key_file;
    if (http__tls_load(&cfg, &fresh, err) < 0)
        return err_ret(err);
    pthread_mutex_lock(&http->lock);
    old = http->tls;
    http->tls = fresh;
    pthread_mutex_unlock(&http->lock);
    http__tls_unref(&old);
    return 0;
}

/* -- stop -------------------------------------------------------------------------------------- */

/* Waits until nothing is in flight; the lock is held. */
static void wait_idle(struct http *http, int64_t limit_us)
{
    struct timespec until;
    int64_t us;

    clock_gettime(CLOCK_MONOTONIC, &until);
    us = (int64_t)until.tv_nsec / 1000 + (limit_us > 0 ? limit_us : 0);
    until.tv_sec += (time_t)(us / US_PER_S);
    until.tv_nsec = (long)(us % US_PER_S) * 1000;
    while (http->in_flight > 0)
        if (pthread_cond_timedwait(&http->idle, &http->lock, &until) == ETIMEDOUT)
            return;
}

/* Everything but what late owners of suspended requests need. */
static void stop(struct http *http)
{
    http__watchdog_stop(http);
    if (http->daemon != NULL)
        MHD_stop_daemon(MOVE(http->daemon));
    if (http->listen_fd >= 0)
        close(http->listen_fd);
    http->listen_fd = -1;
    while (http->made_threads > 0) {
        http->made_threads--;
        if (http->cfg.thread_free != NULL)
            http->cfg.thread_free(http->cfg.app, http->threads[http->made_threads]);
    }
    http__conn_pool_free(http);
    http__tls_unref(&http->tls);
}

void http__free(struct http **http)
{
    struct http *mine = MOVE(*http);

    if (mine == NULL)
        return;
    stop(mine);
    http__slot_pool_free(mine);
    http__router_free(&mine->router);
    free(mine->threads);
    if (mine->thread_key_made)
        pthread_key_delete(mine->thread_key);
    if (mine->synced) {
        pthread_mutex_destroy(&mine->lock);
        pthread_cond_destroy(&mine->wake);
        pthread_cond_destroy(&mine->idle);
    }
    free_text(mine->cfg.name);
    free_text(mine->cfg.cert_file);
    free_text(mine->cfg.key_file);
    free_text(mine->cfg.client_ca_file);
    free(mine);
}

void http_close(struct http **http, int64_t grace_us)
{
    struct http *mine = MOVE(*http);

    if (mine == NULL)
        return;
    pthread_mutex_lock(&mine->lock);
    mine->closing = true;
    pthread_mutex_unlock(&mine->lock);
    /* From here on who connects is refused, instead of waiting in the queue of a socket that stays open
     * because MHD's threads may still look at it. */
    MHD_quiesce_daemon(mine->daemon);
    shutdown(mine->listen_fd, SHUT_RDWR);
    pthread_mutex_lock(&mine->lock);
    wait_idle(mine, grace_us);
    http__abort_locked(mine);
    wait_idle(mine, HTTP_DRAIN_US);
    pthread_mutex_unlock(&mine->lock);
    stop(mine);
    pthread_mutex_lock(&mine->lock);
    mine->closed = true;
    http__unlock_or_free(mine);
}

bool http_is_loopback(struct str address)
{
    return str_starts(address, STR("127.")) || str_starts(address, STR("[::1]")) ||
           str_starts(address, STR("localhost:"));
}
