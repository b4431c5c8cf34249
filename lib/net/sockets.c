/*
 * lib/net/sockets.c - which sockets curl waits for, and when it wants to be called
 *
 * Curl tells what it is interested in, and is called for the sockets on which something has
 * happened: the cost of a message does not grow with the number of those that are under way. A
 * connection that waits for its next request stays with epoll, so that the requests of a busy one
 * cost no calls to register it.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/net/fetch_private.h"

#include "lib/base/banned.h"

#define NOT_DUE    INT64_MAX
#define EVENTS_MAX 64

/* What is known of a socket that we have opened; of others (the resolver's) nothing. */
static struct fetch_socket *known_socket(struct fetcher *fetcher, curl_socket_t fd)
{
    return fd >= 0 && fd < FETCH_SOCKETS && fetcher->sockets[fd].ours ? &fetcher->sockets[fd]
                                                                      : NULL;
}

void fetch__socket_opened(struct fetcher *fetcher, int fd)
{
    if (fd >= 0 && fd < FETCH_SOCKETS)
        fetcher->sockets[fd] = (struct fetch_socket){.ours = true};
}

int fetch__socket_close(void *fetcher, curl_socket_t fd)
{
    struct fetch_socket *known = known_socket(fetcher, fd);

    if (known != NULL)
        *known = (struct fetch_socket){0};
    return close(fd);
}

static void forget(struct fetcher *fetcher, curl_socket_t fd)
{
    IGNORE(epoll_ctl(fetcher->epoll, EPOLL_CTL_DEL, fd, NULL), "a closed one is not there");
}

/* `assigned`: not NULL if epoll knows a socket that is not ours. */
static int watch(CURL *easy, curl_socket_t fd, int what, void *cls, void *assigned)
{
    struct fetcher *fetcher = cls;
    struct fetch_socket *known = known_socket(fetcher, fd);
    const bool idle = what == CURL_POLL_REMOVE;
    struct epoll_event event = {.data = {.fd = fd}};
    bool there = known != NULL ? known->events != 0 : assigned != NULL;

    (void)easy;
    if (known != NULL)
        known->idle = idle;
    if (idle) {
        if (known == NULL)
            forget(fetcher, fd);
        return 0;
    }
    event.events =
        ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
    if (known != NULL && known->events == event.events)
        return 0;
    if (epoll_ctl(fetcher->epoll, there ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
        return -1;
    if (known != NULL)
        known->events = event.events;
    else if (!there)
        curl_multi_assign(fetcher->multi, fd, fetcher);
    return 0;
}

/* Something has happened on a connection without a request: its peer has closed it, as a rule. Curl
 * sees that before it uses the connection again. */
static bool woke_idle(struct fetcher *fetcher, int fd)
{
    struct fetch_socket *known = known_socket(fetcher, fd);

    if (known == NULL || !known->idle)
        return false;
    forget(fetcher, fd);
    known->events = 0;
    return true;
}

static int set_timer(CURLM *multi, long timeout_ms, void *cls)
{
    struct fetcher *fetcher = cls;

    (void)multi;
    fetcher->curl_due_us =
        timeout_ms < 0 ? NOT_DUE : env_mono_us(fetcher->env) + timeout_ms * INT64_C(1000);
    return 0;
}

int fetch__sockets_open(struct fetcher *fetcher, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    fetcher->curl_due_us = NOT_DUE;
    fetcher->epoll = epoll_create1(EPOLL_CLOEXEC);
    fetcher->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = fetcher->wake;
    if (fetcher->epoll < 0 || fetcher->wake < 0 ||
        epoll_ctl(fetcher->epoll, EPOLL_CTL_ADD, fetcher->wake, &event) < 0)
        return err_set(err, E_NO_MEMORY, "", "fetcher: %s", strerror(errno));
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, watch);
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
    return 0;
}

void fetch__sockets_close(struct fetcher *fetcher)
{
    if (fetcher->epoll >= 0)
        close(fetcher->epoll);
    if (fetcher->wake >= 0)
        close(fetcher->wake);
}

void fetch__sockets_wake(struct fetcher *fetcher)
{
    const uint64_t one = 1;

    IGNORE(write(fetcher->wake, &one, sizeof(one)), "a full counter wakes as well");
}

static void rest(const struct fetcher *fetcher)
{
    uint64_t count;

    IGNORE(read(fetcher->wake, &count, sizeof(count)), "nothing to read is fine");
}

void fetch__sockets_due(struct fetcher *fetcher)
{
    int running;

    if (fetcher->curl_due_us > env_mono_us(fetcher->env))
        return;
    fetcher->curl_due_us = NOT_DUE;
    curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

/* Rounded up, so that nothing is looked at in vain. */
static int wait_of(const struct fetcher *fetcher, int most_ms)
{
    const int64_t left_us = fetcher->curl_due_us == NOT_DUE
                                ? NOT_DUE
                                : fetcher->curl_due_us - env_mono_us(fetcher->env);

    if (left_us <= 0)
        return 0;
    return left_us / 1000 < most_ms ? (int)((left_us + 999) / 1000) : most_ms;
}

void fetch__sockets_wait(struct fetcher *fetcher, int most_ms)
{
    struct epoll_event events[EVENTS_MAX];
    const int n = epoll_wait(fetcher->epoll, events, EVENTS_MAX, wait_of(fetcher, most_ms));
    int running;

    for (int i = 0; i < n; i++) {
        const uint32_t seen = events[i].events;

        if (events[i].data.fd == fetcher->wake) {
            rest(fetcher);
            continue;
        }
        if (woke_idle(fetcher, events[i].data.fd))
            continue;
        curl_multi_socket_action(fetcher->multi, events[i].data.fd,
                                 ((seen & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                                     ((seen & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                                     ((seen & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0),
                                 &running);
    }
}
