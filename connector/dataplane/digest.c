/*
 * connector/dataplane/digest.c - SHA-256 of whole files, computed once per version by one thread
 */
#include <errno.h>
#include <unistd.h>

#include "connector/dataplane/dataplane_private.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define KNOWN   512 /* file versions, direct-mapped */
#define WAITING 64

struct job {
    struct file_key key;
    int fd; /* owned */
    void (*done)(void *cls);
    void *cls;
};

struct known {
    struct file_key key;
    bool used;
    uint8_t hash[SHA256_LEN];
};

struct digests {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct job jobs[WAITING]; /* ring */
    size_t first, n;
    bool closing;
    struct known known[KNOWN];
};

static size_t place(const struct file_key *key)
{
    return str_hash(str_n(key, sizeof(*key))) % KNOWN;
}

static bool same(const struct file_key *a, const struct file_key *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_ns == b->changed_ns;
}

static bool closing(struct digests *d)
{
    bool is;

    pthread_mutex_lock(&d->lock);
    is = d->closing;
    pthread_mutex_unlock(&d->lock);
    return is;
}

/* False if the file changed its size under our hands, or cannot be read, or we are to stop. */
static bool compute(struct digests *d, const struct job *job, uint8_t ret_hash[static SHA256_LEN])
{
    struct hash *hash = hash_begin();
    uint64_t at = 0;
    char piece[65536];
    ssize_t n = 1;

    while (n > 0 && at < job->key.size && !closing(d)) {
        n = pread(job->fd, piece, sizeof(piece), (off_t)at);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n > 0) {
            hash_add(hash, piece, (size_t)n);
            at += (uint64_t)n;
        }
    }
    hash_end(&hash, ret_hash);
    return at == job->key.size;
}

static void *run(void *cls)
{
    struct digests *d = cls;

    pthread_mutex_lock(&d->lock);
    for (;;) {
        struct job job;
        uint8_t hash[SHA256_LEN];
        bool ok;

        while (d->n == 0 && !d->closing)
            CHECK(pthread_cond_wait(&d->wake, &d->lock) == 0);
        if (d->n == 0)
            break;
        job = d->jobs[d->first];
        d->first = (d->first + 1) % WAITING;
        d->n--;
        pthread_mutex_unlock(&d->lock);
        ok = digests_find(d, &job.key, hash) || compute(d, &job, hash);
        close(job.fd);
        pthread_mutex_lock(&d->lock);
        if (ok) {
            struct known *known = &d->known[place(&job.key)];

            known->key = job.key;
            known->used = true;
            memcpy(known->hash, hash, SHA256_LEN);
        }
        pthread_mutex_unlock(&d->lock);
        if (job.done != NULL)
            job.done(job.cls);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

int digests_open(struct digests **ret_digests, struct err *err)
{
    struct digests *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return err_set(err, E_NO_MEMORY, "", "digests");
    CHECK(pthread_mutex_init(&d->lock, NULL) == 0);
    CHECK(pthread_cond_init(&d->wake, NULL) == 0);
    if (pthread_create(&d->thread, NULL, run, d) != 0) {
        free(d);
        return err_set(err, E_NO_MEMORY, "", "thread of the digests");
    }
    *ret_digests = d;
    return 0;
}

void digests_close(struct digests **digests)
{
    struct digests *d = MOVE(*digests);

    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    d->closing = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

bool digests_find(struct digests *d, const struct file_key *key,
                  uint8_t ret_hash[static SHA256_LEN])
{
    const struct known *known = &d->known[place(key)];
    bool found;

    pthread_mutex_lock(&d->lock);
    found = known->used && same(&known->key, key);
    if (found)
        memcpy(ret_hash, known->hash, SHA256_LEN);
    pthread_mutex_unlock(&d->lock);
    return found;
}

bool digests_want(struct digests *d, const struct file_key *key, int fd, void (*done)(void *cls),
                  void *cls)
{
    bool taken;

    pthread_mutex_lock(&d->lock);
    taken = d->n < WAITING && !d->closing;
    if (taken) {
        d->jobs[(d->first + d->n) % WAITING] =
            (struct job){.key = *key, .fd = fd, .done = done, .cls = cls};
        d->n++;
        pthread_cond_signal(&d->wake);
    }
    pthread_mutex_unlock(&d->lock);
    if (!taken)
        close(fd);
    return taken;
}
