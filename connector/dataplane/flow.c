/*
 * connector/dataplane/flow.c - a bounded queue of bytes
 */
#include "connector/dataplane/flow.h"

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/http/http.h"

#include "lib/base/banned.h"

#define PIECE_MAX MIB(4) /* no producer of ours makes larger ones */

void flow_init(struct flow *flow, void *reader, void (*ready)(void *reader), bool hold,
               void (*more)(void *cls), void *cls)
{
    *flow = (struct flow){.held = buf_init(FLOW_BYTES + PIECE_MAX),
                          .reader = reader,
                          .ready = ready,
                          .hold = hold,
                          .more = more,
                          .cls = cls};
    CHECK(pthread_mutex_init(&flow->lock, NULL) == 0);
    CHECK(pthread_cond_init(&flow->room, NULL) == 0);
}

void flow_done(struct flow *flow)
{
    buf_done(&flow->held);
    pthread_cond_destroy(&flow->room);
    pthread_mutex_destroy(&flow->lock);
}

static size_t waiting(const struct flow *flow)
{
    return flow->held.n - flow->at;
}

/* Lock held. The reader is told under the lock, so it cannot leave meanwhile. */
static void tell_reader(struct flow *flow)
{
    if (!flow->reader_waits || flow->reader == NULL)
        return;
    flow->reader_waits = false;
    flow->ready(flow->reader);
}

static void compact(struct flow *flow)
{
    if (flow->at == 0)
        return;
    memmove(flow->held.p, flow->held.p + flow->at, waiting(flow));
    flow->held.n = waiting(flow);
    flow->at = 0;
}

/* Lock held. */
static enum flow_result put(struct flow *flow, const void *p, size_t n)
{
    if (flow->reader == NULL)
        return FLOW_GONE;
    if (waiting(flow) > 1 && waiting(flow) + n > FLOW_BYTES) {
        flow->producer_waits = true;
        return FLOW_FULL;
    }
    compact(flow);
    buf_add(&flow->held, p, n);
    if (buf_failed(&flow->held)) {
        flow->ended = true;
        flow->good = false;
    }
    tell_reader(flow);
    return flow->ended ? FLOW_GONE : FLOW_TAKEN;
}

enum flow_result flow_put(struct flow *flow, const void *p, size_t n)
{
    enum flow_result result;

    pthread_mutex_lock(&flow->lock);
    result = put(flow, p, n);
    pthread_mutex_unlock(&flow->lock);
    return result;
}

bool flow_put_wait(struct flow *flow, const void *p, size_t n)
{
    enum flow_result result;

    pthread_mutex_lock(&flow->lock);
    while ((result = put(flow, p, n)) == FLOW_FULL)
        CHECK(pthread_cond_wait(&flow->room, &flow->lock) == 0);
    pthread_mutex_unlock(&flow->lock);
    return result == FLOW_TAKEN;
}

void flow_end(struct flow *flow, bool good)
{
    pthread_mutex_lock(&flow->lock);
    flow->good = good && !(flow->ended && !flow->good);
    flow->ended = true;
    tell_reader(flow);
    pthread_mutex_unlock(&flow->lock);
}

/* Lock held. */
static void tell_producer(struct flow *flow)
{
    if (!flow->producer_waits || waiting(flow) > FLOW_BYTES / 2)
        return;
    flow->producer_waits = false;
    pthread_cond_signal(&flow->room);
    if (flow->more != NULL)
        flow->more(flow->cls);
}

ssize_t flow_read(struct flow *flow, char *out, size_t max)
{
    ssize_t result = HTTP_AGAIN;
    size_t n;

    pthread_mutex_lock(&flow->lock);
    n = waiting(flow);
    if (flow->hold && !(flow->ended && flow->good) && n > 0)
        n--;
    if (n > max)
        n = max;
    if (flow->ended && !flow->good) {
        result = HTTP_FAIL;
    } else if (n > 0) {
        memcpy(out, flow->held.p + flow->at, n);
        flow->at += n;
        result = (ssize_t)n;
    } else if (flow->ended) {
        result = HTTP_END;
    } else {
        flow->reader_waits = true;
    }
    tell_producer(flow);
    pthread_mutex_unlock(&flow->lock);
    return result;
}

void flow_leave(struct flow *flow)
{
    pthread_mutex_lock(&flow->lock);
    flow->reader = NULL;
    flow->producer_waits = false;
    pthread_cond_signal(&flow->room);
    if (flow->more != NULL)
        flow->more(flow->cls);
    pthread_mutex_unlock(&flow->lock);
}
