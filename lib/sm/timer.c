/*
 * Timers: a heap of due instants, a map to find a key's place in it, and one thread that waits for the first.
 */
#include "lib/sm/timer.h"

#include <pthread.h>

#include "lib/base/check.h"
#include "lib/sm/sm_private.h"

#include "lib/base/banned.h"

struct timer {
    struct due due; /* first */
    struct str key; /* points to text */
    char text[];
};

struct timers {
    const struct env *env; /* borrowed */
    void *app;
    void (*fire)(void *app, struct str key, int64_t due_us);
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows; no other lock is taken under it */
    pthread_cond_t wake;
    struct heap heap;
    struct strmap by_key; /* owns the timers */
    bool closing;
};

static struct timer *take_due(struct timers *t)
{
    while (!t->closing) {
        struct timer *first = (struct timer *)sm__heap_first(&t->heap);
        if (first == NULL) {
            CHECK(pthread_cond_wait(&t->wake, &t->lock) == 0);
            continue;
        }
        int64_t wait_us = first->due.at_us - env_wall_us(t->env);
        if (wait_us <= 0) {
            sm__heap_remove(&t->heap, &first->due);
            strmap_remove(&t->by_key, first->key);
            return first;
        }
        sm__cond_wait(&t->wake, &t->lock, wait_us);
    }
    return NULL;
}

static void *run_timers(void *arg)
{
    struct timers *t = arg;
    struct timer *timer;

    CHECK(pthread_mutex_lock(&t->lock) == 0);
    while ((timer = take_due(t)) != NULL) {
        CHECK(pthread_mutex_unlock(&t->lock) == 0);
        t->fire(t->app, timer->key, timer->due.at_us);
        free(timer);
        CHECK(pthread_mutex_lock(&t->lock) == 0);
    }
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
    return NULL;
}

static void timers_free(struct timers *t)
{
    size_t pos = 0;
    struct timer *timer;

    while ((timer = strmap_next(&t->by_key, &pos)) != NULL)
        free(timer);
    strmap_done(&t->by_key);
    sm__heap_done(&t->heap);
    (void)pthread_cond_destroy(&t->wake);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

int timers_open(const struct env *env, void *app,
                void (*fire)(void *app, struct str key, int64_t due_us), struct timers **ret_timers,
                struct err *err)
{
    struct timers *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return err_set(err, E_NO_MEMORY, "", "timers");
    t->env = env;
    t->app = app;
    t->fire = fire;
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    sm__cond_init(&t->wake);
    int rc = pthread_create(&t->thread, NULL, run_timers, t);
    if (rc != 0) {
        timers_free(t);
        return err_set(err, E_NO_MEMORY, "", "timer thread: error %d", rc);
    }
    *ret_timers = t;
    return 0;
}

void timers_stop(struct timers *timers)
{
    struct timers *t = timers;
    bool stopped;

    if (t == NULL)
        return;
    CHECK(pthread_mutex_lock(&t->lock) == 0);
    stopped = t->closing;
    t->closing = true;
    CHECK(pthread_cond_signal(&t->wake) == 0);
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
    if (!stopped)
        CHECK(pthread_join(t->thread, NULL) == 0);
}

void timers_close(struct timers **timers)
{
    struct timers *t = *timers;

    if (t == NULL)
        return;
    timers_stop(t);
    timers_free(t);
    *timers = NULL;
}

/* The timer of a key, taken out of the heap if it was there; NULL without memory. */
static struct timer *find_or_make(struct timers *t, struct str key)
{
    struct timer *timer = strmap_find(&t->by_key, key);

    if (timer != NULL) {
        sm__heap_remove(&t->heap, &timer->due);
        return timer;
    }
    if ((timer = calloc(1, sizeof(*timer) + key.n + 1)) == NULL)
        return NULL;
    if (key.n > 0)
        memcpy(timer->text, key.p, key.n);
    timer->key = str_n(timer->text, key.n);
    if (strmap_add(&t->by_key, timer->key, timer))
        return timer;
    free(timer);
    return NULL;
}

void timers_set(struct timers *timers, struct str key, int64_t due_us)
{
    struct timers *t = timers;

    CHECK(pthread_mutex_lock(&t->lock) == 0);
    struct timer *timer = find_or_make(t, key);
    /* without memory the instant is lost until the next start, which loads it from its row: an alarm, not an end */
    if (EXPECT(timer != NULL)) {
        timer->due.at_us = due_us;
        if (!EXPECT(sm__heap_put(&t->heap, &timer->due))) {
            strmap_remove(&t->by_key, timer->key);
            free(timer);
        } else if (sm__heap_first(&t->heap) == &timer->due) {
            CHECK(pthread_cond_signal(&t->wake) == 0);
        }
    }
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
}

void timers_cancel(struct timers *timers, struct str key)
{
    CHECK(pthread_mutex_lock(&timers->lock) == 0);
    struct timer *timer = strmap_find(&timers->by_key, key);
    if (timer != NULL) {
        sm__heap_remove(&timers->heap, &timer->due);
        strmap_remove(&timers->by_key, timer->key);
        free(timer);
    }
    CHECK(pthread_mutex_unlock(&timers->lock) == 0);
}
