/*
 * lib/did/resolve.c - waits for a DID document
 */
#include <pthread.h>

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/did/did.h"

#include "lib/base/banned.h"

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool woken;
    bool abandoned;
};

static void wake_waiter(void *cls)
{
    struct wait *wait = cls;
    bool mine;

    pthread_mutex_lock(&wait->lock);
    wait->woken = true;
    mine = wait->abandoned;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->lock);
    if (mine) {
        pthread_mutex_destroy(&wait->lock);
        pthread_cond_destroy(&wait->cond);
        free(wait);
    }
}

/* Fetches a document and waits for it; the waiter outlives an impatient caller. */
static int fetch_and_wait(struct did_cache *cache, struct str did, int64_t wait_us, struct err *err)
{
    struct wait *wait = calloc(1, sizeof(*wait));
    struct timespec until;
    bool woken;

    if (wait == NULL)
        return err_set(err, E_NO_MEMORY, "", "DID look-up");
    CHECK(pthread_mutex_init(&wait->lock, NULL) == 0 && pthread_cond_init(&wait->cond, NULL) == 0);
    if (did_fetch(cache, did, wake_waiter, wait, err) < 0) {
        wait->abandoned = true;
        wake_waiter(wait);
        return err_ret(err);
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_us / US_PER_S;
    pthread_mutex_lock(&wait->lock);
    while (!wait->woken) {
        if (pthread_cond_timedwait(&wait->cond, &wait->lock, &until) != 0)
            break;
    }
    woken = wait->woken;
    wait->abandoned = !woken;
    pthread_mutex_unlock(&wait->lock);
    if (!woken)
        return err_set(err, E_PEER_TIMEOUT, "", "DID document of '%.*s' does not come",
                       STR_ARG(did));
    pthread_mutex_destroy(&wait->lock);
    pthread_cond_destroy(&wait->cond);
    free(wait);
    return 0;
}

int did_resolve(struct did_cache *cache, struct str did, int64_t wait_us,
                struct did_document **ret_document, struct err *err)
{
    enum did_result found = did_get(cache, did, ret_document, err);

    if (found == DID_FETCH) {
        if (fetch_and_wait(cache, did, wait_us, err) < 0)
            return err_ret(err);
        found = did_get(cache, did, ret_document, err);
    }
    if (found == DID_FETCH)
        return err_set(err, E_BUSY, "", "DID document of '%.*s'", STR_ARG(did));
    return found == DID_FOUND ? 0 : err_ret(err);
}
