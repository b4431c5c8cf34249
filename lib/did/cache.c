/*
 * lib/did/cache.c - bounded cache of DID documents, one fetch at a time per DID
 *
 * Slots are direct-mapped by the DID's hash: a collision evicts, which costs a fetch and nothing
 * else. A slot that is being fetched is never evicted: it holds the waiters.
 */
#include <pthread.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/did/did_private.h"

#include "lib/base/banned.h"

#define SLOTS         1024
#define LIFE_US       (10 * US_PER_MIN)
#define FAILURE_US    (10 * US_PER_S)
#define AWAY_US       US_PER_S        /* its host does not answer: that passes */
#define STALE_US      (24 * US_PER_H) /* a document serves on for so long while its host is away… */
#define STALE_LOOK_US (30 * US_PER_S) /* …which is asked again after this time */
#define FETCH_TIME_US (3 * US_PER_S)

struct waiter {
    void (*wake)(void *cls);
    void *cls;
    struct waiter *next;
};

struct slot {
    char *did; /* owned; NULL: free */
    bool fetching;
    int64_t until_us;              /* monotonic; 0 while it has never been answered */
    int64_t fetched_us;            /* when the document came */
    struct did_document *document; /* NULL: the last fetch failed */
    struct err failure;
    struct waiter *waiters;
};

struct did_cache {
    const struct env *env;
    struct fetcher *fetcher;
    bool allow_http;
    pthread_mutex_t lock; /* guards slots */
    struct slot slots[SLOTS];
};

struct lookup {
    struct did_cache *cache;
    struct slot *slot;
};

int did_cache_open(const struct env *env, struct fetcher *fetcher, bool allow_http,
                   struct did_cache **ret_cache, struct err *err)
{
    struct did_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return err_set(err, E_NO_MEMORY, "", "cache of DID documents");
    cache->env = env;
    cache->fetcher = fetcher;
    cache->allow_http = allow_http;
    CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
    *ret_cache = cache;
    return 0;
}

void did_cache_close(struct did_cache **cache_address)
{
    struct did_cache *cache = *cache_address;

    *cache_address = NULL;
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        CHECK(cache->slots[i].waiters == NULL);
        did_document_unref(&cache->slots[i].document);
        free(cache->slots[i].did);
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static struct slot *slot_of(struct did_cache *cache, struct str did)
{
    return &cache->slots[str_hash(did) % SLOTS];
}

enum did_result did_get(struct did_cache *cache, struct str did, struct did_document **ret_document,
                        struct err *err)
{
    enum did_result result = DID_FETCH;
    struct slot *slot = slot_of(cache, did);

    pthread_mutex_lock(&cache->lock);
    if (slot->did != NULL && str_eq_c(did, slot->did) && env_mono_us(cache->env) < slot->until_us) {
        if (slot->document != NULL) {
            atomic_fetch_add_explicit(&slot->document->refs, 1, memory_order_relaxed);
            *ret_document = slot->document;
            result = DID_FOUND;
        } else {
            *err = slot->failure;
            result = DID_FAILED;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return result;
}

void did_forget(struct did_cache *cache, struct str did)
{
    struct slot *slot = slot_of(cache, did);

    pthread_mutex_lock(&cache->lock);
    if (slot->did != NULL && str_eq_c(did, slot->did))
        slot->until_us = 0;
    pthread_mutex_unlock(&cache->lock);
}

static void wake_all(struct waiter *list)
{
    while (list != NULL) {
        struct waiter *next = list->next;

        list->wake(list->cls);
        free(list);
        list = next;
    }
}

/* What a fetch has brought goes into the slot; a host that is away takes nothing from it. */
static void put(struct slot *slot, struct did_document *document, const struct err *failure,
                int64_t now_us)
{
    const bool away = document == NULL && err_retry(failure->code) == LATER;

    if (away && slot->document != NULL && now_us < slot->fetched_us + STALE_US) {
        slot->until_us = now_us + STALE_LOOK_US;
        return;
    }
    did_document_unref(&slot->document);
    slot->document = document;
    slot->fetched_us = now_us;
    slot->failure = *failure;
    slot->until_us = now_us + (document != NULL ? LIFE_US : away ? AWAY_US : FAILURE_US);
}

/* Records the end of a fetch and wakes who waited; takes the document. */
static void settle(struct did_cache *cache, struct slot *slot, struct did_document *document,
                   const struct err *failure)
{
    struct waiter *list;

    pthread_mutex_lock(&cache->lock);
    put(slot, document, failure, env_mono_us(cache->env));
    slot->fetching = false;
    list = slot->waiters;
    slot->waiters = NULL;
    pthread_mutex_unlock(&cache->lock);
    wake_all(list);
}

static void fetched(void *cls, const struct fetch_response *response, const struct err *fetch_err)
{
    struct lookup *lookup = cls;
    struct did_document *document = NULL;
    struct err err = {0};

    /* a host that is away says nothing about the token: the sender shall try again */
    if (response == NULL)
        (void)err_set(&err, fetch_err->code == E_PEER_ADDRESS ? E_TOKEN : E_PEER_DOWN, "",
                      "DID document of '%s': %s", lookup->slot->did, fetch_err->text);
    else if (response->status != 200)
        (void)err_set(
            &err, response->status >= 500 || response->status == 429 ? E_PEER_DOWN : E_TOKEN, "",
            "DID document of '%s': HTTP status %d", lookup->slot->did, response->status);
    else
        IGNORE(did_document_parse(str_c(lookup->slot->did), response->body, &document, &err),
               "err tells the waiters");
    settle(lookup->cache, lookup->slot, document, &err);
    free(lookup);
}

static int start_fetch(struct did_cache *cache, struct slot *slot, struct err *err)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);
    struct lookup *lookup = malloc(sizeof(*lookup));

    if (lookup == NULL)
        return err_set(err, E_NO_MEMORY, "", "DID look-up");
    *lookup = (struct lookup){cache, slot};
    if (did_web_url(str_c(slot->did), cache->allow_http, &url, err) < 0) {
        free(lookup);
        return err_ret(err);
    }

    const struct fetch_request request = {
        .method = "GET",
        .url = buf_str(&url),
        .max_response = LIMIT_DID_DOCUMENT,
        .deadline_mono_us = env_mono_us(cache->env) + FETCH_TIME_US,
        .done = fetched,
        .cls = lookup,
    };

    if (fetch_submit(cache->fetcher, &request, NULL, err) < 0) {
        free(lookup);
        return err_ret(err);
    }
    return 0;
}

/* Puts the DID into its slot; false if the slot is busy with another. With the lock held. */
static bool claim(struct slot *slot, struct str did)
{
    if (slot->did != NULL && str_eq_c(did, slot->did))
        return true;
    if (slot->fetching)
        return false;
    free(slot->did);
    did_document_unref(&slot->document);
    slot->until_us = 0;
    slot->did = strndup(did.p, did.n);
    return slot->did != NULL;
}

int did_fetch(struct did_cache *cache, struct str did, void (*wake)(void *cls), void *cls,
              struct err *err)
{
    struct slot *slot = slot_of(cache, did);
    struct waiter *waiter = malloc(sizeof(*waiter));
    bool start;

    if (waiter == NULL)
        return err_set(err, E_NO_MEMORY, "", "DID look-up");
    pthread_mutex_lock(&cache->lock);
    if (!claim(slot, did)) {
        pthread_mutex_unlock(&cache->lock);
        free(waiter);
        return err_set(err, E_BUSY, "", "another DID is being looked up in this place");
    }
    *waiter = (struct waiter){wake, cls, slot->waiters};
    slot->waiters = waiter;
    start = !slot->fetching;
    slot->fetching = true;
    pthread_mutex_unlock(&cache->lock);
    if (start && start_fetch(cache, slot, err) < 0) {
        settle(cache, slot, NULL, err);
        err_clear(err); /* the waiters, the caller among them, find the failure in the cache */
    }
    return 0;
}
