/*
 * lib/base/err.h - errors as values
 *
 * A struct err sits on the caller's stack, has a fixed size (it must work when memory does not) and
 * is zero when nothing went wrong. It is set once, where the cause is known, and prefixed on the
 * way up. Functions return -(int)err->code. `text` is private (logs); a peer sees the code's title,
 * the code, `at` and, if set, `detail`.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#include "lib/base/cleanup.h"

enum err_code {
    E_OK = 0,

#define ERROR(code, http, retry, level, title) code,
#include "lib/base/errors.def"
#undef ERROR
    E__COUNT
};

enum err_retry { NEVER, LATER };

struct err {
    enum err_code code;
    int line;
    const char *file;
    char at[160];     /* JSON pointer, setting, header or query name; "" if none */
    char text[384];   /* private */
    char detail[256]; /* public, "" if none */
};

/*
 * Sets *err and returns -(int)code. `at` and the formatted text are copied and cut to size. The
 * text is lower case, has no full stop, names the subject in single quotes and cites the rule.
 */
#define err_set(err, code, at, ...) err_set_at((err), (code), __FILE__, __LINE__, (at), __VA_ARGS__)
int err_set_at(struct err *err, enum err_code code, const char *file, int line, const char *at,
               const char *format, ...) PRINTF_LIKE(6, 7);

/*
 * As err_set; the text also becomes the public detail. For mistakes of the caller that the caller
 * must understand.
 */
#define err_tell(err, code, at, ...)                                                               \
    err_tell_at((err), (code), __FILE__, __LINE__, (at), __VA_ARGS__)
int err_tell_at(struct err *err, enum err_code code, const char *file, int line, const char *at,
                const char *format, ...) PRINTF_LIKE(6, 7);

/* Puts "context: " before the private text and returns -(int)err->code. */
int err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "/prefix" (already escaped JSON pointer text) before err->at and returns -(int)err->code. */
int err_at_prefix(struct err *err, const char *prefix);

/* Returns -(int)err->code; for `return err_ret(err);` after a failed call. */
static inline int err_ret(const struct err *err)
{
    return -(int)err->code;
}

/* Forgets the error. */
void err_clear(struct err *err);

/*
 * Static properties of a code: name ("E_NOT_FOUND"), machine-readable public name ("not-found"),
 * title, HTTP status.
 */
const char *err_name(enum err_code code);
const char *err_slug(enum err_code code);
const char *err_title(enum err_code code);
int err_http(enum err_code code);
enum err_retry err_retry(enum err_code code);
/* Log level name of the code: "debug", "info", "warning", "error" or "alarm". */
const char *err_level(enum err_code code);
