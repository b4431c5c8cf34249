/*
 * cli/verify_log.c - step 1 of the verifier: the log as such
 *
 * 1 The newest checkpoint is signed by the log's key.
 * 2 Every entry's leaf hash equals the one in its level-0 tile: where it does not, this entry was
 *   altered.
 * 3 Every tile above holds the roots of full tiles below.
 * 4 The root of the leaf hashes equals the checkpoint's.
 * 5 So does, at its size, that of every earlier checkpoint in the mirror: otherwise history was
 *   rewritten since it was pulled.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/verify.h"
#include "lib/tlog/tlog.h"

#include "lib/base/banned.h"

#define EARLIER_MAX   4096
#define TILE_BYTES    (TLOG_TILE_WIDTH * TLOG_HASH_LEN)
#define PROGRESS_STEP 64 /* bundles */

void verify_find(struct verify *v, int64_t entry, const char *check, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (v->n_findings < FINDINGS_MAX)
        v->findings[v->n_findings] =
            (struct finding){entry, check, arena_str(v->arena, str_c(text))};
    v->n_findings++;
}

int verify_read(struct verify *v, const char *name, size_t max, struct str *ret_content,
                struct err *err)
{
    AUTO(buf_done) struct buf path = buf_init(8192);
    struct stat st;
    ssize_t n = 0;
    char *content;
    size_t have = 0;
    int fd;

    buf_printf(&path, "%s/%s%c", v->folder, name, '\0');
    fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno == ENOENT ? E_NOT_FOUND : E_IO, name, "%s: %s", path.p,
                       strerrordesc_np(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > max) {
        close(fd);
        return err_set(err, E_LIMIT, name, "%s: not a file of at most %zu bytes", path.p, max);
    }
    content = arena_alloc(v->arena, (size_t)st.st_size + 1);
    while (content != NULL && have < (size_t)st.st_size &&
           (n = read(fd, content + have, (size_t)st.st_size - have)) > 0)
        have += (size_t)n;
    close(fd);
    if (content == NULL)
        return err_set(err, E_NO_MEMORY, name, "%s", path.p);
    if (n < 0)
        return err_set(err, E_IO, name, "%s cannot be read", path.p);
    *ret_content = str_n(content, have);
    return 0;
}

/* -- checkpoints --------------------------------------------------------------------------------- */

struct earlier {
    uint64_t size;
    uint8_t root[TLOG_HASH_LEN];
};

/* Reads and checks one signed checkpoint; false (with a finding) if it does not hold. */
static bool read_checkpoint(struct verify *v, const char *name, struct tlog_checkpoint *ret,
                            struct err *err)
{
    struct str note, text;
    uint64_t signers;

    if (verify_read(v, name, NOTE_BYTES, &note, err) < 0)
        return false;
    if (note_verify(note, &v->log_key, 1, &text, &signers, err) < 0 ||
        tlog_checkpoint_parse(text, ret, err) < 0) {
        verify_find(v, -1, "checkpoint", "%s: %s", name, err->text);
        return false;
    }
    if (!str_eq(ret->origin, v->log_key.name)) {
        verify_find(v, -1, "checkpoint", "%s is of another log: '%.*s'", name,
                    STR_ARG(ret->origin));
        return false;
    }
    return true;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = ((const struct earlier *)a)->size, y = ((const struct earlier *)b)->size;

    return x < y ? -1 : x > y;
}

/* All checkpoints of the mirror in ascending size. */
static int read_earlier(struct verify *v, struct earlier **ret_list, size_t *ret_n, struct err *err)
{
    AUTO(buf_done) struct buf path = buf_init(8192);
    struct earlier *list = ARENA_ARRAY(v->arena, struct earlier, EARLIER_MAX);
    struct dirent *item;
    size_t n = 0;
    DIR *folder;

    buf_printf(&path, "%s/checkpoints%c", v->folder, '\0');
    folder = opendir(path.p);
    *ret_n = 0;
    *ret_list = list;
    if (folder == NULL)
        return 0; /* first pull */
    while (list != NULL && n < EARLIER_MAX && (item = readdir(folder)) != NULL) {
        struct tlog_checkpoint checkpoint = {0};
        struct err why = {0};
        char name[300];

        if (item->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "checkpoints/%s", item->d_name);
        if (!read_checkpoint(v, name, &checkpoint, &why))
            continue;
        list[n].size = checkpoint.size;
        memcpy(list[n++].root, checkpoint.root, TLOG_HASH_LEN);
    }
    closedir(folder);
    if (list == NULL)
        return err_set(err, E_NO_MEMORY, "", "checkpoints");
    qsort(list, n, sizeof(*list), by_size);
    *ret_n = n;
    return 0;
}

/* -- tree ---------------------------------------------------------------------------------------- */

/*
 * A tree grown tile by tile: level 0 holds the leaves of the tile that is being filled, level 1 the
 * roots of full tiles in the one above, and so on.
 */
struct tree {
    struct tlog_edge filling[TLOG_TILE_LEVELS]; /* each smaller than TLOG_TILE_WIDTH */
    uint64_t size;
};

struct walk {
    struct verify *v;
    struct tree stored; /* grown from the level-0 tiles */
    struct tree own;    /* from the entries' own bytes, once they differ */
    bool differs;
    uint64_t full_index[TLOG_TILE_LEVELS]; /* of the next tile to be filled, per level */
    struct str above[TLOG_TILE_LEVELS];    /* stored tile that is compared, per level from 1 */
    uint64_t above_index[TLOG_TILE_LEVELS];
    const struct earlier *earlier;
    size_t n_earlier, next_earlier;
};

/* The row of full subtrees is that of all levels, one after the other. */
static void tree_root(const struct tree *tree, uint8_t ret_root[static TLOG_HASH_LEN])
{
    struct tlog_edge edge = {.size = tree->size};

    for (unsigned level = 0; level < TLOG_TILE_LEVELS; level++) {
        for (unsigned bit = 0; bit < TLOG_TILE_HEIGHT; bit++) {
            if (level * TLOG_TILE_HEIGHT + bit < ARRAY_LEN(edge.hash))
                memcpy(edge.hash[level * TLOG_TILE_HEIGHT + bit], tree->filling[level].hash[bit],
                       TLOG_HASH_LEN);
        }
    }
    tlog_root(&edge, ret_root);
}

/*
 * Adds a leaf. A tile that becomes full gives its root to `full` (NULL: nobody wants it), which may
 * compare it, and to the level above.
 */
static int tree_add(struct tree *tree, const uint8_t leaf[static TLOG_HASH_LEN], struct walk *w,
                    void (*full)(struct walk *w, unsigned level, const uint8_t *root),
                    struct err *err)
{
    uint8_t hash[TLOG_HASH_LEN];

    memcpy(hash, leaf, sizeof(hash));
    tree->size++;
    for (unsigned level = 0; level < TLOG_TILE_LEVELS; level++) {
        struct tlog_edge *filling = &tree->filling[level];

        if (tlog_append(filling, hash, err) < 0)
            return err_ret(err);
        if (filling->size < TLOG_TILE_WIDTH)
            break;
        tlog_root(filling, hash);
        *filling = (struct tlog_edge){0};
        if (full != NULL)
            full(w, level, hash);
    }
    return 0;
}

static int tile_file(struct verify *v, struct tlog_path path, size_t max, struct str *ret,
                     struct err *err)
{
    AUTO(buf_done) struct buf name = buf_init(512);

    tlog_path_format(path, &name);
    buf_add_char(&name, '\0');
    return verify_read(v, name.p, max, ret, err);
}

static void check_earlier(struct walk *w, uint64_t size)
{
    while (w->next_earlier < w->n_earlier && w->earlier[w->next_earlier].size == size) {
        uint8_t root[TLOG_HASH_LEN];

        tree_root(&w->stored, root);
        if (memcmp(root, w->earlier[w->next_earlier].root, sizeof(root)) != 0)
            verify_find(
                w->v, -1, "consistency",
                "the checkpoint of size %llu that was pulled before does not fit: history was rewritten",
                (unsigned long long)size);
        w->next_earlier++;
    }
}

/* A tile of `level` is full: its root must stand in the tile above. */
static void check_above(struct walk *w, unsigned level, const uint8_t *root)
{
    const uint64_t index = w->full_index[level]++;
    const struct tlog_tile tile = {level + 1, index / TLOG_TILE_WIDTH,
                                   tlog_tile_width(w->v->size, level + 1, index / TLOG_TILE_WIDTH)};
    const size_t at = (size_t)(index % TLOG_TILE_WIDTH) * TLOG_HASH_LEN;
    struct err why = {0};

    if (tile.width == 0)
        return;
    if (!str_present(w->above[level + 1]) || w->above_index[level + 1] != tile.index) {
        w->above_index[level + 1] = tile.index;
        if (tile_file(w->v, (struct tlog_path){.tile = tile}, TILE_BYTES, &w->above[level + 1],
                      &why) < 0 ||
            w->above[level + 1].n != (size_t)tile.width * TLOG_HASH_LEN)
            w->above[level + 1] = STR("");
    }
    if (w->above[level + 1].n < at + TLOG_HASH_LEN ||
        memcmp(w->above[level + 1].p + at, root, TLOG_HASH_LEN) != 0)
        verify_find(w->v, -1, "tile",
                    "tile %u/%llu does not hold the root of the tile below its place %zu",
                    level + 1, (unsigned long long)tile.index, at / TLOG_HASH_LEN);
}

/* Both trees are one until an entry's own hash is not the stored one. */
static int take_leaf(struct walk *w, uint64_t index, const uint8_t *own, const uint8_t *stored,
                     struct err *err)
{
    if (!w->differs && own != stored && memcmp(own, stored, TLOG_HASH_LEN) != 0) {
        w->differs = true;
        w->own = w->stored;
    }
    if ((w->differs && tree_add(&w->own, own, w, NULL, err) < 0) ||
        tree_add(&w->stored, stored, w, check_above, err) < 0)
        return err_ret(err);
    check_earlier(w, index + 1);
    return 0;
}

/* Entries and hashes of one bundle; what is missing is a finding, and its leaf counts as stored in the tile. */
static int walk_bundle(struct walk *w, uint64_t bundle, struct err *err)
{
    struct verify *v = w->v;
    const unsigned width = tlog_tile_width(v->size, 0, bundle);
    const struct tlog_tile tile = {0, bundle, width};
    struct str entries[TLOG_TILE_WIDTH] = {0};
    struct str content = STR_NONE, hashes = STR_NONE;
    struct err why = {0};
    size_t n = 0;

    if (tile_file(v, (struct tlog_path){.entries = true, .tile = tile}, VERIFY_BUNDLE_MAX, &content,
                  &why) < 0 ||
        tlog_bundle_decode(content, entries, &n, &why) < 0)
        verify_find(v, -1, "log", "entries from %llu on cannot be read: %s",
                    (unsigned long long)(bundle * TLOG_TILE_WIDTH), why.text);
    else if (n != width)
        verify_find(v, -1, "log", "the bundle from entry %llu on holds %zu entries instead of %u",
                    (unsigned long long)(bundle * TLOG_TILE_WIDTH), n, width);
    if (tile_file(v, (struct tlog_path){.tile = tile}, TILE_BYTES, &hashes, &why) < 0 ||
        hashes.n != (size_t)width * TLOG_HASH_LEN) {
        verify_find(v, -1, "tile", "tile 0/%llu cannot be read", (unsigned long long)bundle);
        hashes = STR_NONE;
    }
    for (unsigned i = 0; i < width; i++) {
        const uint64_t index = bundle * TLOG_TILE_WIDTH + i;
        const uint8_t *stored =
            str_present(hashes) ? (const uint8_t *)hashes.p + (size_t)i * TLOG_HASH_LEN : NULL;
        uint8_t own[TLOG_HASH_LEN];

        tlog_hash_leaf(i < n ? entries[i] : STR(""), own);
        if (i < n)
            v->lines[index] = entries[i];
        if (i < n && stored != NULL && memcmp(own, stored, sizeof(own)) != 0)
            verify_find(v, (int64_t)index, "log",
                        "entry %llu was altered: its hash is not the one in the log",
                        (unsigned long long)index);
        if (take_leaf(w, index, own, stored != NULL ? stored : own, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static void check_roots(struct walk *w, const struct tlog_checkpoint *newest)
{
    uint8_t root[TLOG_HASH_LEN];

    tree_root(&w->stored, root);
    if (memcmp(root, newest->root, sizeof(root)) != 0)
        verify_find(w->v, -1, "tile", "the tiles do not give the root of the checkpoint");
    tree_root(w->differs ? &w->own : &w->stored, root);
    if (memcmp(root, newest->root, sizeof(root)) != 0)
        verify_find(w->v, -1, "log", "the entries do not give the root of the checkpoint");
}

static int read_key(struct verify *v, struct err *err)
{
    struct str text;

    if (verify_read(v, "key", KIB(4), &text, err) < 0)
        return err_ret(err);
    text = str_trim(text);
    if (str_present(v->expected_key) && !str_eq(str_trim(v->expected_key), text)) {
        verify_find(v, -1, "checkpoint", "the mirror is of a log with another key");
        text = str_trim(v->expected_key);
    }
    return note_verifier_parse(text, &v->log_key, err);
}

int verify_log(struct verify *v, struct err *err)
{
    struct walk *w = ARENA_NEW(v->arena, struct walk);
    struct tlog_checkpoint newest = {0};
    struct earlier *earlier = NULL;
    size_t n_earlier = 0;

    if (w == NULL)
        return err_set(err, E_NO_MEMORY, "", "log");
    if (read_key(v, err) < 0)
        return err_ret(err);
    if (!read_checkpoint(v, "checkpoint", &newest, err))
        return err->code == E_NOT_FOUND || err->code == E_IO ? err_ret(err) : 0;
    v->size = newest.size;
    v->lines = ARENA_ARRAY(v->arena, struct str, newest.size + 1);
    if (v->lines == NULL || read_earlier(v, &earlier, &n_earlier, err) < 0)
        return err->code == E_OK ? err_set(err, E_NO_MEMORY, "", "log") : err_ret(err);
    w->v = v;
    w->earlier = earlier;
    w->n_earlier = n_earlier;
    check_earlier(w, 0);
    for (uint64_t bundle = 0; bundle * TLOG_TILE_WIDTH < v->size; bundle++) {
        if (walk_bundle(w, bundle, err) < 0)
            return err_ret(err);
        if (v->progress != NULL && bundle % PROGRESS_STEP == 0)
            v->progress(v->progress_cls, bundle * TLOG_TILE_WIDTH, v->size);
    }
    if (w->next_earlier < w->n_earlier)
        verify_find(
            v, -1, "consistency",
            "an earlier checkpoint is larger (%llu entries) than the newest: the log was cut",
            (unsigned long long)w->earlier[w->next_earlier].size);
    check_roots(w, &newest);
    return 0;
}
