/*
 * connector/dataplane/file.c - driver `File`: {"type":"File","path":…}, a file, or a folder whose
 * files are named behind the endpoint
 *
 * The path lies below one of the folders in data.roots, or below data.dir; a relative one is
 * relative to data.dir. Below that folder nothing is followed out of it: segments are opened one by
 * one, symbolic links and the connector's own secrets are not there. Conditions by RFC 9110
 * §13.2.2, ranges by §14. The digest of a whole file goes out as Repr-Digest (RFC 9530); the first
 * access of a version waits for it if the file is not too large.
 *
 * A view keeps the descriptor of its file. Whatever happens to the file, its own name included,
 * changes its inode: as long as that does not, the path need not be walked again. An inode that has
 * changed a moment ago could change again without showing it, so that is waited for. A folder above
 * the file that gets another name is noticed when the view is loaded anew (VIEW_US).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connector/dataplane/dataplane_private.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define DIGEST_WAIT_BYTES MIB(256)
#define SMALL_BYTES       KIB(16) /* read at once: cheaper than sendfile */
#define SETTLED_NS        (US_PER_S * 1000)

struct kept_file {
    int fd;
    int64_t changed_ns; /* the inode, at least SETTLED_NS ago */
};

struct file {
    int fd;    /* -1 when handed over */
    bool kept; /* the view's; else owned */
    struct file_key key;
    int64_t modified_s;
    struct str media_type;
    struct str etag;
    int status; /* 200, 206, 304 */
    uint64_t from, length;
    uint64_t at; /* of the next byte, streams */
};

/* -- opening ----------------------------------------------------------------------------------- */

static struct str without_slash(struct str s)
{
    while (s.n > 1 && s.p[s.n - 1] == '/')
        s.n--;
    while (str_ends(s, STR("/.")))
        s.n -= s.n > 2 ? 2 : 1;
    return s;
}

/* The part of `path` below `root`, without leading slash; STR_NONE if it lies elsewhere. */
static struct str below(struct str path, struct str root)
{
    root = without_slash(root);
    if (root.n == 0 || !str_starts(path, root))
        return STR_NONE;
    if (path.n == root.n)
        return STR("");
    if (root.p[root.n - 1] == '/') /* "/" itself */
        return str_from(path, root.n);
    return path.p[root.n] == '/' ? str_from(path, root.n + 1) : STR_NONE;
}

/* Which folder of the operator's the path lies in, and where in it. */
static bool find_root(const struct app *app, struct str path, struct str *ret_root,
                      struct str *ret_rest)
{
    const struct settings *s = app->settings;
    const struct str own = s->data_dir;

    if (path.n > 0 && path.p[0] != '/') {
        *ret_root = own;
        *ret_rest = path;
        return true;
    }
    for (size_t i = 0; i <= s->source_roots.n; i++) {
        const struct str root = i < s->source_roots.n ? s->source_roots.items[i] : own;
        const struct str rest = below(path, root);

        if (str_present(rest)) {
            *ret_root = root;
            *ret_rest = rest;
            return true;
        }
    }
    return false;
}

/* Names in a data address are plain, not percent-encoded. */
static int split(struct str rest, struct path *ret_path, struct err *err)
{
    struct path path = {0};

    while (str_present(rest)) {
        const struct str segment = str_cut(&rest, '/');

        if (segment.n == 0 || str_eq(segment, STR(".")))
            continue;
        if (str_eq(segment, STR("..")) || segment.n > PATH_SEGMENT || path.n == PATH_SEGMENTS ||
            memchr(segment.p, '\0', segment.n) != NULL)
            return err_tell(err, E_INVALID, "/path", "'..' or a name that is too long");
        path.segments[path.n++] = segment;
    }
    *ret_path = path;
    return 0;
}

static struct inode_key inode_key_of(const struct stat *st)
{
    return (struct inode_key){
        .device = st->st_dev,
        .inode = st->st_ino,
        .changed_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
    };
}

static struct inode_key *harmless_slot(struct dataplane *dp, const struct inode_key *key)
{
    return &dp->harmless[str_hash(str_n(key, sizeof(*key))) % HARMLESS];
}

/* Was this very inode compared before, and nothing has happened to it since? */
static bool is_harmless(struct dataplane *dp, const struct inode_key *key)
{
    bool known;

    pthread_mutex_lock(&dp->lock);
    known = memcmp(harmless_slot(dp, key), key, sizeof(*key)) == 0;
    pthread_mutex_unlock(&dp->lock);
    return known;
}

static void set_harmless(struct dataplane *dp, const struct inode_key *key)
{
    pthread_mutex_lock(&dp->lock);
    *harmless_slot(dp, key) = *key;
    pthread_mutex_unlock(&dp->lock);
}

/* The connector's own keys, secrets and database are no data, whatever folder they lie in. */
static bool is_own_secret(const struct app *app, const struct stat *st)
{
    static const char *const beside[] = {"", "-wal", "-shm", DATAPLANE_JOURNAL};
    const struct settings *s = app->settings;
    const struct str names[] = {s->key_file, s->api_key_file,       s->static_token,
                                s->tls_key,  s->management_tls_key, s->broker_token_file};
    char path[4096];
    struct stat own;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].n == 0 || names[i].n >= sizeof(path))
            continue;
        memcpy(path, names[i].p, names[i].n);
        path[names[i].n] = '\0';
        if (stat(path, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino)
            return true;
    }
    if (app->db.kind != DB_SQLITE)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        snprintf(path, sizeof(path), "%s%s", app->db.target, beside[i]);
        if (stat(path, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino)
            return true;
    }
    return false;
}

/* A new name of a file, as a new content, changes its inode: only then it can have become a secret. */
static bool may_serve(const struct app *app, const struct stat *st)
{
    const struct inode_key key = inode_key_of(st);

    if (app->dataplane != NULL && is_harmless(app->dataplane, &key))
        return true;
    if (is_own_secret(app, st))
        return false;
    if (app->dataplane != NULL)
        set_harmless(app->dataplane, &key);
    return true;
}

static int open_folder(struct str root, struct err *err)
{
    char path[4096];
    int fd;

    if (root.n == 0 || root.n >= sizeof(path))
        return err_set(err, E_CONFIG, "data.roots", "'%.*s'", STR_ARG(root));
    memcpy(path, root.p, root.n);
    path[root.n] = '\0';
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, E_CONFIG, "data.roots", "'%s': %s", path, strerrordesc_np(errno));
    return fd;
}

int dataplane__open_path(const struct app *app, struct str text, const struct path *tail,
                         struct stat *ret_st, struct err *err)
{
    struct str root, rest;
    struct path path;
    int folder, fd;

    if (!find_root(app, text, &root, &rest))
        return err_tell(err, E_INVALID, "/path",
                        "the path lies in none of the folders of data.roots");
    if (split(rest, &path, err) < 0)
        return err_ret(err);
    for (size_t i = 0; tail != NULL && i < tail->n; i++) {
        if (path.n == PATH_SEGMENTS)
            return err_tell(err, E_LIMIT, "path", "more than %d segments", PATH_SEGMENTS);
        path.segments[path.n++] = tail->segments[i];
    }
    folder = open_folder(root, err);
    if (folder < 0)
        return err_ret(err);
    fd = path_open(folder, &path, err);
    close(folder);
    if (fd < 0)
        return err_ret(err);
    if (fstat(fd, ret_st) < 0 || !may_serve(app, ret_st)) {
        close(fd);
        return err_tell(err, E_NOT_FOUND, "path", "no such file in this dataset");
    }
    return fd;
}

int dataplane_open_file(struct app *app, struct str path, struct err *err)
{
    struct stat st;
    const int fd = dataplane__open_path(app, path, NULL, &st, err);

    if (fd >= 0 && !S_ISREG(st.st_mode)) {
        close(fd);
        return err_tell(err, E_NOT_FOUND, "/path", "not a file");
    }
    return fd;
}

static struct file_key key_of(const struct stat *st)
{
    return (struct file_key){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size = (uint64_t)st->st_size,
        .changed_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
    };
}

static int check(struct app *app, const struct jval *address, struct err *err)
{
    const struct str path = dataplane__member(address, "path");
    struct stat st;
    int fd;

    if (path.n == 0)
        return err_tell(err, E_INVALID, "/path", "expected the path of a file or folder");
    fd = dataplane__open_path(app, path, NULL, &st, err);
    if (fd < 0 && err->code == E_NOT_FOUND)
        return err_tell(err, E_INVALID, "/path", "there is no such file or folder");
    if (fd < 0)
        return err_ret(err);
    if (S_ISREG(st.st_mode) && app->dataplane != NULL) {
        const struct file_key key = key_of(&st);

        /* so that the first access need not wait for it; if there is no room now, that one asks
         * again */
        (void)digests_want(app->dataplane->digests, &key, fd, NULL, NULL);
        return 0;
    }
    close(fd);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return err_tell(err, E_INVALID, "/path", "neither a file nor a folder");
    return 0;
}

/* -- what it is -------------------------------------------------------------------------------- */

static const struct {
    const char *ending, *type;
} media_types[] = {
    {".csv",     "text/csv"                                      },
    {".ndjson",  "application/x-ndjson"                          },
    {".jsonl",   "application/jsonl"                             },
    {".json",    "application/json"                              },
    {".jsonld",  "application/ld+json"                           },
    {".xml",     "application/xml"                               },
    {".txt",     "text/plain; charset=utf-8"                     },
    {".md",      "text/markdown; charset=utf-8"                  },
    {".html",    "text/html; charset=utf-8"                      },
    {".pdf",     "application/pdf"                               },
    {".png",     "image/png"                                     },
    {".jpg",     "image/jpeg"                                    },
    {".zip",     "application/zip"                               },
    {".gz",      "application/gzip"                              },
    {".aasx",    "application/asset-administration-shell-package"},
    {".parquet", "application/vnd.apache.parquet"                },
    {".step",    "model/step"                                    },
};

static struct str media_type_of(struct str name, struct str stated)
{
    if (stated.n > 0)
        return stated;
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++) {
        const struct str ending = str_c(media_types[i].ending);

        if (name.n >= ending.n && str_eq_nocase(str_from(name, name.n - ending.n), ending))
            return str_c(media_types[i].type);
    }
    return STR("application/octet-stream");
}

/* -- what a view keeps ------------------------------------------------------------------------- */

void kept_file_free(struct kept_file **kept_address)
{
    struct kept_file *kept = MOVE(*kept_address);

    if (kept == NULL)
        return;
    close(kept->fd);
    free(kept);
}

/* True if the view keeps the file and nothing has happened to it since. */
static bool find_kept(struct access *a, struct file *file, struct stat *ret_st)
{
    const struct kept_file *kept = atomic_load(&a->view->file);

    if (kept == NULL || a->path.n > 0 || fstat(kept->fd, ret_st) < 0 ||
        inode_key_of(ret_st).changed_ns != kept->changed_ns || !may_serve(a->meter.dp->app, ret_st))
        return false;
    file->fd = kept->fd;
    file->kept = true;
    return true;
}

/* Hands the descriptor to the view, if it keeps none and memory allows it. */
static bool keep_file(struct view *view, int fd, const struct stat *st)
{
    struct kept_file *kept = calloc(1, sizeof(*kept));
    struct kept_file *none = NULL;

    if (kept == NULL)
        return false;
    *kept = (struct kept_file){.fd = fd, .changed_ns = inode_key_of(st).changed_ns};
    if (atomic_compare_exchange_strong(&view->file, &none, kept))
        return true;
    free(kept);
    return false;
}

static int open_anew(struct access *a, struct file *file, struct str path, struct stat *ret_st,
                     struct err *err)
{
    file->fd = dataplane__open_path(a->meter.dp->app, path, &a->path, ret_st, err);
    if (file->fd < 0)
        return err_ret(err);
    if (a->path.n == 0 && S_ISREG(ret_st->st_mode) &&
        env_wall_us(a->meter.dp->app->env) * 1000 - inode_key_of(ret_st).changed_ns > SETTLED_NS)
        file->kept = keep_file(a->view, file->fd, ret_st);
    return 0;
}

static int open_source(struct access *a, struct file *file, struct err *err)
{
    const struct jval *address = jdoc_root(a->view->address);
    const struct str path = dataplane__member(address, "path");
    const struct str name = a->path.n > 0 ? a->path.segments[a->path.n - 1] : path;
    struct stat st;

    if (!find_kept(a, file, &st) && open_anew(a, file, path, &st, err) < 0 &&
        err->code != E_INVALID)
        return err_ret(err);
    if (file->fd < 0) /* the operator's settings have changed */
        return err_tell(err, E_NOT_FOUND, "", "the dataset is no longer provided");
    if (S_ISDIR(st.st_mode) && a->path.n == 0)
        return err_tell(err, E_NOT_FOUND, "path",
                        "the dataset is a folder: name one of its files behind the endpoint");
    if (!S_ISREG(st.st_mode) || (a->path.folder && a->path.n > 0))
        return err_tell(err, E_NOT_FOUND, "path", "no such file in this dataset");
    file->key = key_of(&st);
    file->modified_s = st.st_mtim.tv_sec;
    file->media_type = media_type_of(name, dataplane__member(address, "contentType"));
    file->etag = arena_printf(a->arena, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"", file->key.size,
                              (uint64_t)file->key.changed_ns, file->key.inode);
    return arena_failed(a->arena) ? err_set(err, E_NO_MEMORY, "", "file") : 0;
}

/* -- conditions and ranges --------------------------------------------------------------------- */

static int choose(struct access *a, struct file *file, struct err *err)
{
    const struct str match = a->outlet->asked(a, "If-Match");
    const struct str none_match = a->outlet->asked(a, "If-None-Match");
    const struct str if_range = a->outlet->asked(a, "If-Range");
    const struct str range = a->outlet->asked(a, "Range");

    file->status = 200;
    file->from = 0;
    file->length = file->key.size;
    if (str_present(match) && !http_etag_match(match, file->etag, false))
        return err_tell(err, E_PRECONDITION, "If-Match", "the file is another version");
    if (str_present(none_match) && http_etag_match(none_match, file->etag, true)) {
        file->status = 304;
        file->length = 0;
        return 0;
    }
    if (!str_present(range) || a->head ||
        (str_present(if_range) && !str_eq(str_trim(if_range), file->etag)))
        return 0;
    switch (http_range_parse(range, file->key.size, &file->from, &file->length)) {
    case RANGE_NONE: file->from = 0, file->length = file->key.size; return 0;
    case RANGE_OK: file->status = 206; return 0;
    case RANGE_BAD:
        a->outlet->header(a, "Content-Range",
                          arena_printf(a->arena, "bytes */%" PRIu64, file->key.size));
        return err_tell(err, E_RANGE_UNSATISFIABLE, "Range", "the file has %" PRIu64 " bytes",
                        file->key.size);
    }
    CHECK_UNREACHABLE();
}

/* -- the driver -------------------------------------------------------------------------------- */

static int go_on(struct access *a, struct err *err)
{
    const struct file *file = a->source;

    return dataplane__take(a, (int64_t)file->length, err);
}

static void digest_done(void *cls)
{
    struct access *a = cls;

    a->outlet->resume(a);
    access_unref(a);
}

static int begin(struct access *a, struct err *err)
{
    struct dataplane *dp = a->meter.dp;
    struct file *file = ARENA_NEW(a->arena, struct file);
    uint8_t hash[32];
    int copy;

    if (file == NULL)
        return err_set(err, E_NO_MEMORY, "", "file");
    file->fd = -1;
    a->source = file;
    if (open_source(a, file, err) < 0 || choose(a, file, err) < 0)
        return err_ret(err);
    if (!digests_find(dp->digests, &file->key, hash) &&
        (copy = fcntl(file->fd, F_DUPFD_CLOEXEC, 0)) >= 0) {
        const bool wait = file->key.size <= DIGEST_WAIT_BYTES && file->status != 304;

        if (!wait) {
            digests_want(dp->digests, &file->key, copy, NULL, NULL);
        } else {
            access_ref(a);
            a->outlet->suspend(a, go_on);
            if (!digests_want(dp->digests, &file->key, copy, digest_done, a))
                digest_done(a);
            return 0;
        }
    }
    return dataplane__take(a, (int64_t)file->length, err);
}

static void put_headers(struct access *a, const struct file *file)
{
    AUTO(buf_done) struct buf digest = buf_init(128);
    char modified[64];
    struct tm tm;
    const time_t at = (time_t)file->modified_s;
    uint8_t hash[32];

    a->outlet->header(a, "ETag", file->etag);
    a->outlet->header(a, "Accept-Ranges", STR("bytes"));
    if (gmtime_r(&at, &tm) != NULL &&
        strftime(modified, sizeof(modified), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
        a->outlet->header(a, "Last-Modified", str_c(modified));
    if (file->status == 206)
        a->outlet->header(a, "Content-Range",
                          arena_printf(a->arena, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                                       file->from, file->from + file->length - 1, file->key.size));
    if (!digests_find(a->meter.dp->digests, &file->key, hash))
        return;
    buf_add_c(&digest, "sha-256=:");
    encode_base64(&digest, hash, sizeof(hash));
    buf_add_char(&digest, ':');
    a->outlet->header(a, WIRE_DIGEST_HEADER, buf_str(&digest));
}

static ssize_t read_piece(void *cls, char *out, size_t max)
{
    struct file *file = ((struct access *)cls)->source;
    const uint64_t left = file->from + file->length - file->at;
    ssize_t n;

    if (left == 0)
        return HTTP_END;
    if (max > left)
        max = (size_t)left;
    do
        n = pread(file->fd, out, max, (off_t)file->at);
    while (n < 0 && errno == EINTR);
    if (n <= 0) /* it has become shorter: the receiver must not take this for the file */
        return HTTP_FAIL;
    file->at += (uint64_t)n;
    return n;
}

/* The whole answer, if it is small; false: not all of it is there. */
static bool read_small(struct file *file, struct buf *body)
{
    char *p = buf_room(body, file->length);

    if (p == NULL)
        return false;
    for (uint64_t at = 0; at < file->length;) {
        const ssize_t n = pread(file->fd, p + at, file->length - at, (off_t)(file->from + at));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (uint64_t)n;
    }
    buf_grown(body, file->length);
    return true;
}

/* The answer takes a descriptor of its own. */
static int answer_fd(struct access *a, struct file *file, struct err *err)
{
    const int fd = file->kept ? fcntl(file->fd, F_DUPFD_CLOEXEC, 0) : file->fd;

    if (fd < 0)
        return err_set(err, E_IO, "", "descriptor: %s", strerrordesc_np(errno));
    file->fd = -1;
    dataplane__reply_fd(a, file->status, file->media_type, fd, file->from, file->length);
    return 0;
}

static int answer(struct access *a, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(SMALL_BYTES);
    struct file *file = a->source;
    const enum row_form form = row_form_of(file->media_type);

    if (file->status != 304 && file->length > 0 && dataplane__check_rows(a, form, err) < 0)
        return err_ret(err);
    put_headers(a, file);
    a->rows = row_counter_init(form, file->from == 0);
    a->rows_before = a->rows;
    a->to_end = file->from + file->length == file->key.size;
    if (file->status == 304) {
        dataplane__reply_empty(a, 304, STR_NONE);
    } else if (file->length > 0 && file->length <= SMALL_BYTES && !a->head &&
               a->row_limit == INT64_MAX && read_small(file, &body)) {
        dataplane__reply_buf(a, file->status, file->media_type, &body);
    } else if (form != ROWS_NONE && file->length > 0) {
        file->at = file->from;
        dataplane__reply_stream(a, file->status, file->media_type, (int64_t)file->length,
                                read_piece);
    } else {
        return answer_fd(a, file, err);
    }
    return 0;
}

static void end(struct access *a)
{
    struct file *file = a->source;

    if (file != NULL && file->fd >= 0 && !file->kept)
        close(file->fd);
}

const struct source_ops source_file = {
    .type = "File",
    .check = check,
    .begin = begin,
    .answer = answer,
    .end = end,
};
