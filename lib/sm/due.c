/*
 * Heap of due instants, and waiting for the first of them.
 */
#include "lib/sm/sm_private.h"

#include "lib/base/check.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

static void set_place(struct heap *heap, size_t place, struct due *due)
{
    heap->items[place] = due;
    due->place = place;
}

static void move_up(struct heap *heap, struct due *due)
{
    size_t place = due->place;

    for (; place > 1 && heap->items[place / 2]->at_us > due->at_us; place /= 2)
        set_place(heap, place, heap->items[place / 2]);
    set_place(heap, place, due);
}

static void move_down(struct heap *heap, struct due *due)
{
    size_t place = due->place;

    for (size_t child; (child = 2 * place) <= heap->n; place = child) {
        if (child < heap->n && heap->items[child + 1]->at_us < heap->items[child]->at_us)
            child++;
        if (heap->items[child]->at_us >= due->at_us)
            break;
        set_place(heap, place, heap->items[child]);
    }
    set_place(heap, place, due);
}

bool sm__heap_put(struct heap *heap, struct due *due)
{
    CHECK(due->place == 0);
    if (heap->n + 2 > heap->cap) {
        size_t cap = heap->cap != 0 ? 2 * heap->cap : 64;
        struct due **items = reallocarray(heap->items, cap, sizeof(struct due *));
        if (items == NULL)
            return false;
        heap->items = items;
        heap->cap = cap;
    }
    set_place(heap, ++heap->n, due);
    move_up(heap, due);
    return true;
}

void sm__heap_remove(struct heap *heap, struct due *due)
{
    size_t place = due->place;
    struct due *last = heap->items[heap->n];

    CHECK(place >= 1 && place <= heap->n && heap->items[place] == due);
    heap->n--;
    due->place = 0;
    if (last == due)
        return;
    set_place(heap, place, last);
    move_up(heap, last);
    move_down(heap, last);
}

struct due *sm__heap_first(const struct heap *heap)
{
    return heap->n > 0 ? heap->items[1] : NULL;
}

void sm__heap_done(struct heap *heap)
{
    free(heap->items);
    *heap = (struct heap){0};
}

void sm__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(cond, &attr) == 0);
    CHECK(pthread_condattr_destroy(&attr) == 0);
}

void sm__cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t us)
{
    struct timespec until;

    if (us <= 0)
        return;
    if (us > US_PER_MIN)
        us = US_PER_MIN;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    us += until.tv_nsec / 1000;
    until.tv_sec += us / US_PER_S;
    until.tv_nsec = (long)(us % US_PER_S) * 1000;
    (void)pthread_cond_timedwait(cond, lock, &until); /* the caller looks at the time itself */
}
