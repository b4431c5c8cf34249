/*
 * Writing the log of SQLite (WAL) in large pieces. SQLite writes the frames of a commit one by one,
 * the head of each apart: two calls for every page. Here they are gathered and written when the log
 * is synchronised. Nobody reads them before: other connections learn of a commit after that (the
 * writer's connection has synchronous=FULL), and what this connection reads back is written first.
 *
 * An error of the late write is the error of the call that needed it, so that the commit fails, as
 * it does when SQLite's own write fails.
 */
#include "lib/db/sqlite_private.h"

#include <stddef.h>

#include "lib/base/check.h"

#include "lib/base/banned.h"

#define GATHER_BYTES ((size_t)128 * 1024)

struct wal {
    sqlite3_file file; /* first; what SQLite sees */
    sqlite3_int64 at;  /* where the gathered bytes go */
    size_t n;
    char *gathered;           /* owned, GATHER_BYTES */
    _Alignas(8) char inner[]; /* the file of the system's own kind */
};

static sqlite3_file *inner_of(sqlite3_file *file)
{
    return (sqlite3_file *)((struct wal *)file)->inner;
}

/* What could not be written is forgotten: SQLite undoes the commit that it was for. */
static int flush(sqlite3_file *file)
{
    struct wal *wal = (struct wal *)file;
    sqlite3_file *inner = inner_of(file);
    const size_t n = wal->n;

    wal->n = 0;
    return n > 0 ? inner->pMethods->xWrite(inner, wal->gathered, (int)n, wal->at) : SQLITE_OK;
}

static int wal_write(sqlite3_file *file, const void *p, int size, sqlite3_int64 at)
{
    struct wal *wal = (struct wal *)file;
    const size_t n = (size_t)size;
    int rc = SQLITE_OK;

    CHECK(n <= GATHER_BYTES); /* at most a page, 64 KiB */
    if (wal->n > 0 && (at != wal->at + (sqlite3_int64)wal->n || n > GATHER_BYTES - wal->n))
        rc = flush(file);
    if (rc != SQLITE_OK)
        return rc;
    if (wal->n == 0)
        wal->at = at;
    memcpy(wal->gathered + wal->n, p, n);
    wal->n += n;
    return SQLITE_OK;
}

static int wal_close(sqlite3_file *file)
{
    struct wal *wal = (struct wal *)file;
    sqlite3_file *inner = inner_of(file);
    const int flushed = flush(file);
    const int closed = inner->pMethods->xClose(inner);

    free(wal->gathered);
    wal->gathered = NULL;
    return flushed != SQLITE_OK ? flushed : closed;
}

/* The calls for which the file has to be what SQLite believes it is. */
#define WRITTEN_FIRST(name, method, params, ...)                                                   \
    static int name params                                                                         \
    {                                                                                              \
        sqlite3_file *inner = inner_of(file);                                                      \
        const int rc = flush(file);                                                                \
                                                                                                   \
        return rc == SQLITE_OK ? inner->pMethods->method(inner, ##__VA_ARGS__) : rc;               \
    }

WRITTEN_FIRST(wal_read, xRead, (sqlite3_file * file, void *p, int n, sqlite3_int64 at), p, n, at)
WRITTEN_FIRST(wal_truncate, xTruncate, (sqlite3_file * file, sqlite3_int64 size), size)
WRITTEN_FIRST(wal_sync, xSync, (sqlite3_file * file, int flags), flags)
WRITTEN_FIRST(wal_size, xFileSize, (sqlite3_file * file, sqlite3_int64 *ret_size), ret_size)
WRITTEN_FIRST(wal_control, xFileControl, (sqlite3_file * file, int op, void *arg), op, arg)
WRITTEN_FIRST(wal_lock, xLock, (sqlite3_file * file, int kind), kind)
WRITTEN_FIRST(wal_unlock, xUnlock, (sqlite3_file * file, int kind), kind)
WRITTEN_FIRST(wal_locked, xCheckReservedLock, (sqlite3_file * file, int *ret_locked), ret_locked)

static int wal_sector(sqlite3_file *file)
{
    return inner_of(file)->pMethods->xSectorSize(inner_of(file));
}

static int wal_traits(sqlite3_file *file)
{
    return inner_of(file)->pMethods->xDeviceCharacteristics(inner_of(file));
}

static const sqlite3_io_methods wal_methods = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_locked,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector,
    .xDeviceCharacteristics = wal_traits,
};

static sqlite3_vfs *system_vfs;
static sqlite3_vfs gathering;

/* Only the log is gathered; every other file is the system's own. */
static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    struct wal *wal = (struct wal *)file;
    int rc;

    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return system_vfs->xOpen(system_vfs, name, file, flags, ret_flags);
    wal->file.pMethods = NULL; /* for SQLite: there is nothing to close */
    if ((wal->gathered = malloc(GATHER_BYTES)) == NULL)
        return SQLITE_NOMEM;
    wal->n = 0;
    rc = system_vfs->xOpen(system_vfs, name, inner_of(file), flags, ret_flags);
    if (rc == SQLITE_OK)
        wal->file.pMethods = &wal_methods;
    else
        free(wal->gathered);
    return rc;
}

void sqlite__wal_register(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    CHECK(system_vfs != NULL);
    gathering = *system_vfs;
    gathering.zName = SQLITE_WAL_VFS;
    gathering.szOsFile += (int)sizeof(struct wal);
    gathering.xOpen = open_file;
    CHECK(sqlite3_vfs_register(&gathering, 0) == SQLITE_OK);
}
