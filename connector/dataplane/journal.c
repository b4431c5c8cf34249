/*
 * connector/dataplane/journal.c - a header and JOURNAL_SLOTS slots of one disk sector each
 */
#include "connector/dataplane/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log/log.h"

#include "lib/base/banned.h"

#define MAGIC                                                                                      \
    "naru accesses 1\n" /* also tells the order of bytes: the file never leaves its machine */

enum { SLOT_FREE, SLOT_USED };

/* What the seal covers is written once; a slot whose seal does not fit was torn. */
struct slot {
    _Atomic uint32_t state;
    uint32_t role;
    _Atomic int64_t bytes, rows, seen_us;
    uint64_t seal; /* of what follows */
    uint8_t event[16];
    int64_t since_us;
    uint16_t agreement_n, transfer_n;
    char text[JOURNAL_TEXT];
};

_Static_assert(sizeof(struct slot) == 512, "one sector");

#define FILE_BYTES ((JOURNAL_SLOTS + 1) * sizeof(struct slot))

struct journal {
    int fd;
    struct slot *slots;
    uint64_t left[JOURNAL_SLOTS / 64]; /* one bit a slot: in use since before the start */
    pthread_mutex_t lock;              /* guards what follows */
    unsigned n_free;
    uint16_t free[JOURNAL_SLOTS]; /* the last one is taken first: few pages are touched */
};

static uint64_t seal_of(const struct slot *slot)
{
    const size_t from = offsetof(struct slot, event);

    return str_hash(str_n((const char *)slot + from, offsetof(struct slot, text) - from +
                                                         slot->agreement_n + slot->transfer_n));
}

static bool is_whole(const struct slot *slot)
{
    return (size_t)slot->agreement_n + slot->transfer_n <= JOURNAL_TEXT &&
           slot->seal == seal_of(slot);
}

/* -- opening ----------------------------------------------------------------------------------- */

static int failed(const char *path, const char *what, int error, struct err *err)
{
    return err_set(err, error == EWOULDBLOCK ? E_BUSY : E_IO, "", "'%s': %s: %s", path, what,
                   strerrordesc_np(error));
}

/* An existing journal is taken as it is; its first bytes say that it is one. */
static int prepare(int fd, const char *path, struct err *err)
{
    char magic[sizeof(MAGIC) - 1];
    struct stat st;
    int error;

    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return failed(path, "lock", errno, err);
    if (fstat(fd, &st) < 0)
        return failed(path, "stat", errno, err);
    /* all of its space now: a store into a hole of a full disk would kill the process */
    error = posix_fallocate(fd, 0, (off_t)FILE_BYTES);
    if (error != 0)
        return failed(path, "reserve space", error, err);
    if (st.st_size == 0 && pwrite(fd, MAGIC, sizeof(magic), 0) != (ssize_t)sizeof(magic))
        return failed(path, "write", errno, err);
    if (pread(fd, magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) ||
        memcmp(magic, MAGIC, sizeof(magic)) != 0)
        return err_set(err, E_CORRUPT, "", "'%s' is not a journal of accesses", path);
    return 0;
}

/* Read, not looked at in the map: that would make all of it resident. */
static int list_slots(struct journal *j, const char *path, struct err *err)
{
    struct slot slots[64];

    for (int at = JOURNAL_SLOTS; at > 0; at -= (int)ARRAY_LEN(slots)) {
        const int first = at - (int)ARRAY_LEN(slots);
        const off_t from = (off_t)((size_t)(first + 1) * sizeof(slots[0]));

        if (pread(j->fd, slots, sizeof(slots), from) != (ssize_t)sizeof(slots))
            return failed(path, "read", errno, err);
        for (int i = (int)ARRAY_LEN(slots) - 1; i >= 0; i--) {
            const unsigned slot = (unsigned)(first + i);

            if (slots[i].state == SLOT_FREE)
                j->free[j->n_free++] = (uint16_t)slot;
            else
                j->left[slot / 64] |= UINT64_C(1) << slot % 64;
        }
    }
    return 0;
}

int journal_open(const char *path, struct journal **ret_journal, struct err *err)
{
    AUTO(journal_close) struct journal *j = calloc(1, sizeof(*j));
    void *map;

    if (j == NULL)
        return err_set(err, E_NO_MEMORY, "", "journal");
    CHECK(pthread_mutex_init(&j->lock, NULL) == 0);
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0)
        return failed(path, "open", errno, err);
    if (prepare(j->fd, path, err) < 0 || list_slots(j, path, err) < 0)
        return err_ret(err);
    map = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
    if (map == MAP_FAILED)
        return failed(path, "map", errno, err);
    j->slots = (struct slot *)map + 1;
    *ret_journal = MOVE(j);
    return 0;
}

void journal_close(struct journal **journal_address)
{
    struct journal *j = MOVE(*journal_address);

    if (j == NULL)
        return;
    if (j->slots != NULL)
        munmap(j->slots - 1, FILE_BYTES);
    if (j->fd >= 0)
        close(j->fd);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

/* -- slots ------------------------------------------------------------------------------------- */

int journal_take(struct journal *j, const struct journal_entry *e)
{
    struct slot *slot;
    int i = -1;

    if (e->agreement.n > JOURNAL_TEXT || e->transfer.n > JOURNAL_TEXT - e->agreement.n)
        return -1;
    pthread_mutex_lock(&j->lock);
    if (j->n_free > 0)
        i = j->free[--j->n_free];
    pthread_mutex_unlock(&j->lock);
    if (i < 0)
        return -1;
    slot = &j->slots[i];
    slot->role = (uint32_t)e->role;
    memcpy(slot->event, e->event.b, sizeof(slot->event));
    slot->since_us = e->since_us;
    slot->agreement_n = (uint16_t)e->agreement.n;
    slot->transfer_n = (uint16_t)e->transfer.n;
    memcpy(slot->text, e->agreement.p, e->agreement.n);
    memcpy(slot->text + e->agreement.n, e->transfer.p, e->transfer.n);
    slot->seal = seal_of(slot);
    journal_seen(j, i, 0, 0, e->since_us);
    atomic_store_explicit(&slot->state, SLOT_USED, memory_order_release);
    return i;
}

void journal_seen(struct journal *j, int i, int64_t bytes, int64_t rows, int64_t seen_us)
{
    struct slot *slot = &j->slots[i];

    atomic_store_explicit(&slot->bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&slot->rows, rows, memory_order_relaxed);
    atomic_store_explicit(&slot->seen_us, seen_us, memory_order_relaxed);
}

void journal_free(struct journal *j, int i)
{
    atomic_store_explicit(&j->slots[i].state, SLOT_FREE, memory_order_release);
    pthread_mutex_lock(&j->lock);
    j->left[i / 64] &= ~(UINT64_C(1) << i % 64);
    j->free[j->n_free++] = (uint16_t)i;
    pthread_mutex_unlock(&j->lock);
}

void journal_sync(struct journal *j)
{
    if (fdatasync(j->fd) < 0)
        log_error(NULL, "the journal of accesses could not be written to disk",
                  L_C("why", strerrordesc_np(errno)));
}

bool journal_any_left(const struct journal *j)
{
    return j->n_free < JOURNAL_SLOTS;
}

bool journal_left(struct journal *j, int i, struct journal_entry *ret_entry)
{
    const struct slot *slot = &j->slots[i];

    if ((j->left[i / 64] >> i % 64 & 1) == 0)
        return false;
    if (!is_whole(slot)) {
        log_error(NULL, "an entry in the journal of accesses is torn: its access has no receipt",
                  L_I64("slot", i));
        journal_free(j, i);
        return false;
    }
    *ret_entry = (struct journal_entry){
        .role = (int)slot->role,
        .agreement = str_n(slot->text, slot->agreement_n),
        .transfer = str_n(slot->text + slot->agreement_n, slot->transfer_n),
        .since_us = slot->since_us,
        .bytes = slot->bytes,
        .rows = slot->rows,
        .seen_us = slot->seen_us,
    };
    memcpy(ret_entry->event.b, slot->event, sizeof(slot->event));
    return true;
}
