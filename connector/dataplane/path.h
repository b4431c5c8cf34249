/*
 * connector/dataplane/path.h - one canonical form of what a consumer puts behind the endpoint
 *
 * The raw rest of the request path is decoded once and cut into segments. Refused (E_INVALID): a
 * malformed escape, an encoded slash, a backslash, a percent sign that is still there after
 * decoding, control characters, bytes that are no UTF-8, an empty segment, "." and "..", and
 * segments that begin with a dot. What passes is the same path for every reader, however it
 * decodes.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define PATH_SEGMENTS 32
#define PATH_SEGMENT  255

struct path {
    struct str segments[PATH_SEGMENTS]; /* decoded; arena */
    size_t n;
    bool folder; /* ended in a slash */
};

/* raw: "", "/" or "/a/b". Errors: E_INVALID, E_LIMIT (at = "path"). */
MUST_CHECK int path_read(struct str raw, struct arena *arena, struct path *ret_path,
                         struct err *err);
/* Appends "/a/b", percent-encoded anew. */
struct buf;
void path_write(const struct path *path, struct buf *out);

/*
 * Opens a regular file or a folder below an open folder, segment by segment, without following
 * symbolic links. Returns the descriptor, or a negative error: E_NOT_FOUND, E_IO.
 */
MUST_CHECK int path_open(int folder, const struct path *path, struct err *err);
