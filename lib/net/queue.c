/*
 * lib/net/queue.c - jobs that wait: per peer in order of arrival, peers in turn, and all jobs by
 * deadline
 *
 * A peer is in the ready list exactly if it has waiting jobs and fewer active ones than allowed.
 */
#include "lib/base/check.h"
#include "lib/net/fetch_private.h"

#include "lib/base/banned.h"

/* -- peers ------------------------------------------------------------------------------------- */

static void make_ready(struct fetcher *fetcher, struct peer *peer)
{
    if (peer->ready || peer->first == NULL || peer->active >= fetcher->max_per_peer)
        return;
    peer->ready = true;
    peer->next = NULL;
    if (fetcher->ready_last != NULL)
        fetcher->ready_last->next = peer;
    else
        fetcher->ready_first = peer;
    fetcher->ready_last = peer;
}

static struct peer *take_ready(struct fetcher *fetcher)
{
    struct peer *peer = fetcher->ready_first;

    if (peer == NULL)
        return NULL;
    fetcher->ready_first = peer->next;
    if (fetcher->ready_first == NULL)
        fetcher->ready_last = NULL;
    peer->ready = false;
    return peer;
}

static void forget_idle(struct fetcher *fetcher)
{
    for (size_t i = 0; i < FETCH_BUCKETS; i++) {
        struct peer **at = &fetcher->peers[i];

        while (*at != NULL) {
            struct peer *peer = *at;

            if (peer->active > 0 || peer->first != NULL || peer->ready) {
                at = &peer->in_bucket;
                continue;
            }
            *at = peer->in_bucket;
            free(peer);
            fetcher->n_peers--;
        }
    }
}

static struct peer *find_peer(struct fetcher *fetcher, const char *key)
{
    struct peer **bucket = &fetcher->peers[str_hash(str_c(key)) & (FETCH_BUCKETS - 1)];
    size_t n = strlen(key) + 1;
    struct peer *peer;

    for (peer = *bucket; peer != NULL; peer = peer->in_bucket)
        if (strcmp(peer->key, key) == 0)
            return peer;
    if (fetcher->n_peers >= FETCH_PEERS)
        forget_idle(fetcher);
    peer = calloc(1, sizeof(*peer) + n);
    if (peer == NULL)
        return NULL;
    memcpy(peer->key, key, n);
    peer->in_bucket = *bucket;
    *bucket = peer;
    fetcher->n_peers++;
    return peer;
}

/* -- deadlines: a binary heap, each job knows its place ---------------------------------------- */

static void heap_set(struct fetcher *fetcher, size_t at, struct fetch *job)
{
    fetcher->heap[at] = job;
    job->heap_index = at;
}

static void heap_up(struct fetcher *fetcher, size_t at)
{
    struct fetch *job = fetcher->heap[at];

    while (at > 0 && fetcher->heap[(at - 1) / 2]->deadline_us > job->deadline_us) {
        heap_set(fetcher, at, fetcher->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(fetcher, at, job);
}

static void heap_down(struct fetcher *fetcher, size_t at)
{
    struct fetch *job = fetcher->heap[at];
    size_t child;

    while ((child = 2 * at + 1) < fetcher->heap_n) {
        if (child + 1 < fetcher->heap_n &&
            fetcher->heap[child + 1]->deadline_us < fetcher->heap[child]->deadline_us)
            child++;
        if (fetcher->heap[child]->deadline_us >= job->deadline_us)
            break;
        heap_set(fetcher, at, fetcher->heap[child]);
        at = child;
    }
    heap_set(fetcher, at, job);
}

static bool heap_put(struct fetcher *fetcher, struct fetch *job)
{
    if (fetcher->heap_n == fetcher->heap_cap) {
        size_t cap = fetcher->heap_cap > 0 ? 2 * fetcher->heap_cap : 64;
        struct fetch **heap = reallocarray(fetcher->heap, cap, sizeof(heap[0]));

        if (heap == NULL)
            return false;
        fetcher->heap = heap;
        fetcher->heap_cap = cap;
    }
    fetcher->heap[fetcher->heap_n] = job;
    heap_up(fetcher, fetcher->heap_n++);
    return true;
}

static void heap_drop(struct fetcher *fetcher, struct fetch *job)
{
    size_t at = job->heap_index;

    CHECK(at < fetcher->heap_n && fetcher->heap[at] == job);
    fetcher->heap_n--;
    if (at == fetcher->heap_n)
        return;
    heap_set(fetcher, at, fetcher->heap[fetcher->heap_n]);
    heap_up(fetcher, at);
    heap_down(fetcher, at);
}

/* -- both -------------------------------------------------------------------------------------- */

bool fetch__queue_put(struct fetcher *fetcher, struct fetch *job)
{
    struct peer *peer = find_peer(fetcher, job->peer_key);

    if (peer == NULL || !heap_put(fetcher, job))
        return false;
    job->peer = peer;
    job->next = NULL;
    if (peer->last != NULL)
        peer->last->next = job;
    else
        peer->first = job;
    peer->last = job;
    make_ready(fetcher, peer);
    return true;
}

struct fetch *fetch__queue_next(struct fetcher *fetcher)
{
    struct peer *peer = fetcher->active < fetcher->max_active ? take_ready(fetcher) : NULL;
    struct fetch *job;

    if (peer == NULL)
        return NULL;
    job = peer->first;
    CHECK(job != NULL);
    peer->first = job->next;
    if (peer->first == NULL)
        peer->last = NULL;
    job->next = NULL;
    job->started = true;
    peer->active++;
    fetcher->active++;
    make_ready(fetcher, peer);
    return job;
}

/*
 * A job that still waits: cut out of its peer's queue; rare (deadline, cancel), so the list is
 * walked.
 */
static void cut_waiting(struct fetcher *fetcher, struct fetch *job)
{
    struct peer *peer = job->peer;
    struct fetch *before = NULL;

    for (struct fetch *at = peer->first; at != job; at = at->next) {
        CHECK(at != NULL);
        before = at;
    }
    if (before != NULL)
        before->next = job->next;
    else
        peer->first = job->next;
    if (peer->last == job)
        peer->last = before;
    if (peer->first == NULL && peer->ready) {
        struct peer *last = fetcher->ready_last;

        /* turn the list until the peer comes out */
        for (struct peer *at = take_ready(fetcher); at != peer; at = take_ready(fetcher)) {
            CHECK(at != NULL && at != last);
            make_ready(fetcher, at);
        }
    }
}

void fetch__queue_drop(struct fetcher *fetcher, struct fetch *job)
{
    heap_drop(fetcher, job);
    if (!job->started) {
        cut_waiting(fetcher, job);
        return;
    }
    job->peer->active--;
    fetcher->active--;
    make_ready(fetcher, job->peer);
}

struct fetch *fetch__queue_earliest(const struct fetcher *fetcher)
{
    return fetcher->heap_n > 0 ? fetcher->heap[0] : NULL;
}

void fetch__queue_free(struct fetcher *fetcher)
{
    CHECK(fetcher->heap_n == 0);
    forget_idle(fetcher);
    CHECK(fetcher->n_peers == 0);
    free(fetcher->heap);
}
