/*
 * connector/dsp/catalogue.c - keeps the current snapshot and the page that was compressed last
 */
#include "connector/dsp/catalogue.h"

#include <pthread.h>
#include <stdatomic.h>

#include "connector/dsp/catalogue_private.h"
#include "connector/replica.h"
#include "lib/base/check.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

struct catalogue_cache {
    struct app *app;
    pthread_mutex_t lock; /* guards current; held while a snapshot is made: others need it too */
    struct catalogue *current;
    pthread_mutex_t pack_lock; /* guards the next two */
    uint8_t packed_hash[SHA256_LEN];
    struct buf packed;       /* the page with that hash; empty: none */
    _Atomic int64_t version; /* of the database */
};

void catalogue_unref(struct catalogue **catalogue)
{
    struct catalogue *c = *catalogue;

    *catalogue = NULL;
    if (c == NULL || atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    for (size_t i = 0; i < c->n_policies; i++)
        policy_unref(&c->policies[i].policy);
    arena_free(&c->arena);
    free(c);
}

int catalogue_get(struct catalogue_cache *cache, struct db *db, struct catalogue **ret_catalogue,
                  struct err *err)
{
    int rc = 0;

    CHECK(pthread_mutex_lock(&cache->lock) == 0);
    if (!replica_hears(cache->app->replica))
        catalogue_changed(cache);
    if (cache->current == NULL || cache->current->version != atomic_load(&cache->version)) {
        struct catalogue *fresh = NULL;

        rc = dsp__catalogue_make(cache->app, db, atomic_load(&cache->version), &fresh, err);
        if (rc == 0) {
            catalogue_unref(&cache->current);
            cache->current = fresh;
        }
    }
    if (rc == 0) {
        atomic_fetch_add(&cache->current->refs, 1);
        *ret_catalogue = cache->current;
    }
    CHECK(pthread_mutex_unlock(&cache->lock) == 0);
    return rc;
}

int catalogue_cache_open(struct app *app, struct catalogue_cache **ret_cache, struct err *err)
{
    struct catalogue_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    cache->app = app;
    cache->packed = buf_init(LIMIT_CATALOG_BYTES);
    CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
    CHECK(pthread_mutex_init(&cache->pack_lock, NULL) == 0);
    *ret_cache = cache;
    return 0;
}

void catalogue_cache_close(struct catalogue_cache **cache_address)
{
    struct catalogue_cache *cache = MOVE(*cache_address);

    if (cache == NULL)
        return;
    catalogue_unref(&cache->current);
    buf_done(&cache->packed);
    (void)pthread_mutex_destroy(&cache->lock);
    (void)pthread_mutex_destroy(&cache->pack_lock);
    free(cache);
}

void catalogue_changed(struct catalogue_cache *cache)
{
    atomic_fetch_add(&cache->version, 1);
}

int catalogue_pack(struct catalogue_cache *cache, struct str page, struct buf *out, struct err *err)
{
    uint8_t hash[SHA256_LEN];
    bool kept;

    sha256(page.p, page.n, hash);
    CHECK(pthread_mutex_lock(&cache->pack_lock) == 0);
    kept = cache->packed.n > 0 && memcmp(hash, cache->packed_hash, sizeof(hash)) == 0;
    if (kept)
        buf_add_str(out, buf_str(&cache->packed));
    CHECK(pthread_mutex_unlock(&cache->pack_lock) == 0);
    if (kept)
        return buf_failed(out) ? err_set(err, E_LIMIT, "", "catalogue") : 0;
    if (http_gzip(page, out, err) < 0)
        return err_ret(err);
    CHECK(pthread_mutex_lock(&cache->pack_lock) == 0);
    buf_reset(&cache->packed);
    buf_add_str(&cache->packed, buf_str(out));
    if (buf_failed(&cache->packed))
        buf_done(&cache->packed);
    memcpy(cache->packed_hash, hash, sizeof(hash));
    CHECK(pthread_mutex_unlock(&cache->pack_lock) == 0);
    return 0;
}
