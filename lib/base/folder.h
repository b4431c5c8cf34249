/*
 * lib/base/folder.h - the files of a folder, whole
 */
#pragma once

#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

#define FOLDER_FILES 1000 /* looked at in one folder */

/* Gets one file; name and text are borrowed for the call. A negative value ends the walk. */
typedef int folder_fn(void *cls, struct str name, struct str text, struct err *err);

/*
 * Calls `fn` for each regular file (or link to one) whose name ends in `suffix`, in the order of the
 * names' bytes; names that begin with '.' are left out. Errors: E_CONFIG (folder or file cannot be
 * read, a file is larger than max_bytes, too many files; the text names which), E_NO_MEMORY, those
 * of `fn`.
 */
MUST_CHECK int folder_each(const char *path, const char *suffix, size_t max_bytes, folder_fn *fn,
                           void *cls, struct err *err);
