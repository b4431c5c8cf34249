/*
 * connector/dataplane/flow.h - bytes from a producer in another thread to an answer that streams
 *
 * The producer is a fetch (told when there is room again) or a thread (waits for room). At most
 * FLOW_BYTES are held, or one piece if that is larger. A flow that `holds` keeps its last byte back
 * until the end is known to be good, so that a receiver that counts bytes cannot take a bad answer
 * for a whole one.
 */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "lib/base/buf.h"

#define FLOW_BYTES KIB(128)

enum flow_result { FLOW_TAKEN, FLOW_FULL, FLOW_GONE };

struct flow {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t room;
    struct buf held;
    size_t at;                   /* taken from `held` */
    void *reader;                /* NULL: gone */
    void (*ready)(void *reader); /* there is more to read; called under the lock */
    bool hold;
    bool ended, good;
    bool reader_waits, producer_waits;
    void (*more)(void *cls); /* called under the lock; NULL: none */
    void *cls;
};

void flow_init(struct flow *flow, void *reader, void (*ready)(void *reader), bool hold,
               void (*more)(void *cls), void *cls);
void flow_done(struct flow *flow);

/* Producer: takes all of the piece or nothing; after FLOW_FULL `more` is called when it is worth
 * trying again. */
enum flow_result flow_put(struct flow *flow, const void *p, size_t n);
/* Producer: waits for room; false if the reader is gone. */
bool flow_put_wait(struct flow *flow, const void *p, size_t n);
/* Producer: nothing more will come; `good`: it is complete. */
void flow_end(struct flow *flow, bool good);

/* Reader: as the `read` of rq_reply_stream; `ready` is what that calls rq_stream_ready. */
ssize_t flow_read(struct flow *flow, char *out, size_t max);
/* Reader: is gone; the producer's next piece is refused. */
void flow_leave(struct flow *flow);
