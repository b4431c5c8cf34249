/*
 * lib/base/folder.c - reads a folder's files in the order of their names
 */
#include "lib/base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"

#include "lib/base/banned.h"

struct walk {
    const char *path, *suffix;
    size_t max_bytes;
    folder_fn *fn;
    void *cls;
    struct dirent **entries; /* owned, each and all */
    int n;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static void end_walk(struct walk *walk)
{
    for (int i = 0; i < walk->n; i++)
        free(walk->entries[i]);
    free(walk->entries);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* At most max_bytes, and one more to see that there are more. */
static int read_whole(const struct walk *walk, const char *name, int fd, struct buf *out,
                      struct err *err)
{
    ssize_t n = 1;

    while (n > 0) {
        char *room = buf_room(out, walk->max_bytes + 1 - out->n);

        if (room == NULL)
            return err_set(err, E_NO_MEMORY, "", "'%s/%s'", walk->path, name);
        n = read(fd, room, walk->max_bytes + 1 - out->n);
        if (n < 0)
            return err_tell(err, E_CONFIG, "", "'%s/%s': %s", walk->path, name,
                            strerrordesc_np(errno));
        buf_grown(out, (size_t)n);
        if (out->n > walk->max_bytes)
            return err_tell(err, E_CONFIG, "", "'%s/%s' is larger than %zu bytes", walk->path, name,
                            walk->max_bytes);
    }
    return 0;
}

static int take_file(const struct walk *walk, int folder, const char *name, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(walk->max_bytes + 1);
    /* not blocked by a pipe that nobody writes to */
    AUTO(close_fd) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;

    if (fd < 0 || fstat(fd, &about) < 0)
        return err_tell(err, E_CONFIG, "", "'%s/%s': %s", walk->path, name, strerrordesc_np(errno));
    if (!S_ISREG(about.st_mode))
        return 0;
    if (read_whole(walk, name, fd, &text, err) < 0)
        return err_ret(err);
    return walk->fn(walk->cls, str_c(name), buf_str(&text), err);
}

int folder_each(const char *path, const char *suffix, size_t max_bytes, folder_fn *fn, void *cls,
                struct err *err)
{
    AUTO(end_walk) struct walk walk = {path, suffix, max_bytes, fn, cls, NULL, 0};
    AUTO(close_fd) int folder = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (folder >= 0)
        walk.n = scandirat(folder, ".", &walk.entries, NULL, by_bytes);
    if (folder < 0 || walk.n < 0) {
        walk.n = 0;
        return err_tell(err, E_CONFIG, "", "'%s': %s", path != NULL ? path : "",
                        strerrordesc_np(errno));
    }
    if (walk.n > FOLDER_FILES)
        return err_tell(err, E_CONFIG, "", "'%s' has more than %d files", path, FOLDER_FILES);
    for (int i = 0; i < walk.n; i++) {
        const char *name = walk.entries[i]->d_name;

        if (name[0] != '.' && str_ends(str_c(name), str_c(suffix)) &&
            take_file(&walk, folder, name, err) < 0)
            return err_ret(err);
    }
    return 0;
}
