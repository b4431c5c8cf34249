/*
 * connector/dataplane/path.c - canonical paths, and opening them without leaving the folder
 */
#include "connector/dataplane/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/encode.h"

#include "lib/base/banned.h"

static int refuse(struct err *err, const char *why)
{
    return err_tell(err, E_INVALID, "path", "%s", why);
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];

        if (c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == '%')
            return false;
        if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0) /* U+0080..U+009F */
            return false;
    }
    return true;
}

static int read_segment(struct str raw, struct arena *arena, struct str *ret_segment,
                        struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(PATH_SEGMENT * 3);

    for (size_t i = 0; i < raw.n; i++) {
        if ((unsigned char)raw.p[i] >= 0x80)
            return refuse(err, "a byte outside ASCII must be percent-encoded (RFC 3986 §2.1)");
    }
    if (raw.n == 0)
        return refuse(err, "an empty segment is not allowed");
    if (!decode_percent(&text, raw) || buf_failed(&text))
        return refuse(err, "malformed percent encoding");
    if (text.n > PATH_SEGMENT)
        return err_tell(err, E_LIMIT, "path", "a segment is longer than %d bytes", PATH_SEGMENT);
    if (!str_is_utf8(buf_str(&text)) || !is_plain(buf_str(&text)))
        return refuse(err, "a slash, backslash, percent sign or control character in a segment");
    if (text.p[0] == '.')
        return refuse(err, "a segment must not begin with a dot");
    *ret_segment = arena_str(arena, buf_str(&text));
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "path") : 0;
}

int path_read(struct str raw, struct arena *arena, struct path *ret_path, struct err *err)
{
    struct path path = {0};
    struct str rest = raw;

    if (rest.n == 0 || str_eq(rest, STR("/"))) {
        path.folder = rest.n > 0;
        *ret_path = path;
        return 0;
    }
    if (rest.p[0] != '/')
        return refuse(err, "a path begins with a slash");
    rest = str_from(rest, 1);
    if (rest.p[rest.n - 1] == '/') {
        path.folder = true;
        rest.n--;
    }
    while (str_present(rest)) {
        if (path.n == PATH_SEGMENTS)
            return err_tell(err, E_LIMIT, "path", "more than %d segments", PATH_SEGMENTS);
        if (read_segment(str_cut(&rest, '/'), arena, &path.segments[path.n], err) < 0)
            return err_ret(err);
        path.n++;
    }
    *ret_path = path;
    return 0;
}

void path_write(const struct path *path, struct buf *out)
{
    for (size_t i = 0; i < path->n; i++) {
        buf_add_char(out, '/');
        encode_percent(out, path->segments[i]);
    }
    if (path->folder)
        buf_add_char(out, '/');
}

static int open_segment(int folder, struct str segment, bool last)
{
    char name[PATH_SEGMENT + 1];

    memcpy(name, segment.p, segment.n);
    name[segment.n] = '\0';
    /* O_NONBLOCK: opening a FIFO must not wait; it is refused by its type then */
    return openat(folder, name,
                  O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
}

/* The whole path in one call, under the same conditions; -1 with ENOSYS if it cannot be done so. */
static int open_at_once(int folder, const struct path *path)
{
    /* O_NONBLOCK: as in open_segment() */
    const struct open_how how = {
        .flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    char text[4096];
    size_t n = 0;
    long fd;

    for (size_t i = 0; i < path->n; i++) {
        const struct str segment = path->segments[i];

        if (n + segment.n + 2 > sizeof(text)) {
            errno = ENOSYS;
            return -1;
        }
        memcpy(text + n, segment.p, segment.n);
        n += segment.n;
        text[n++] = i + 1 < path->n ? '/' : '\0';
    }
    if (path->n == 0)
        memcpy(text, ".", 2);
    fd = syscall(SYS_openat2, folder, text, &how, sizeof(how));
    if (fd < 0 && errno == EPERM) /* a container's filter may know openat() only */
        errno = ENOSYS;
    return (int)fd;
}

static int open_step_by_step(int folder, const struct path *path)
{
    int at = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < path->n && at >= 0; i++) {
        const int next = open_segment(at, path->segments[i], i + 1 == path->n);
        const int why = errno;

        close(at);
        errno = why;
        at = next;
    }
    return at;
}

int path_open(int folder, const struct path *path, struct err *err)
{
    int at = open_at_once(folder, path);

    if (at < 0 && errno == ENOSYS)
        at = open_step_by_step(folder, path);
    if (at >= 0)
        return at;
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP: /* a symbolic link is not there */
    case EMLINK:
    case ENXIO: return err_tell(err, E_NOT_FOUND, "path", "no such file in this dataset");
    default: return err_set(err, E_IO, "path", "opening failed: %s", strerrordesc_np(errno));
    }
}
