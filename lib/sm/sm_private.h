/*
 * lib/sm/sm_private.h - what timers and outbox share: a heap of due instants, a map by text, a
 * bounded wait
 *
 * Neither locks; the owner does. Memory: a function that returns false has changed nothing.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/base/strmap.h"

/* Member of what waits for an instant. */
struct due {
    int64_t at_us; /* wall clock; changed only while outside the heap */
    size_t place;  /* in the heap, from 1; 0: outside */
};

/* Binary heap, the earliest first; the members are borrowed. */
struct heap {
    struct due **items; /* owned; items[1…n] */
    size_t n, cap;
};

MUST_CHECK bool sm__heap_put(struct heap *heap, struct due *due);
void sm__heap_remove(struct heap *heap, struct due *due);
struct due *sm__heap_first(const struct heap *heap); /* NULL if empty */
void sm__heap_done(struct heap *heap);

/*
 * A condition variable on the monotonic clock, and a wait of at most `us` (never longer than a
 * minute, so that a step of the wall clock is noticed).
 */
void sm__cond_init(pthread_cond_t *cond);
void sm__cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t us);
