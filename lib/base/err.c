/*
 * lib/base/err.c - errors as values
 *
 * Everything is derived from errors.def. The slugs are computed by the compiler from the codes'
 * names, so that there is no second list and nothing to initialise.
 */
#include "lib/base/err.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"

#include "lib/base/banned.h"

/* clang-format off */
#define LEVEL_DEBUG   "debug"
#define LEVEL_INFO    "info"
#define LEVEL_WARNING "warning"
#define LEVEL_ERR     "error"
#define LEVEL_ALARM   "alarm"

/* Character i of the slug: the name without "E_", lower case, '-' for '_'; NUL past the end. */
#define SLUG_RAW(name, i) ((i) + 2 < sizeof(name) ? name[(i) + 2 < sizeof(name) ? (i) + 2 : 0] : '\0')
#define SLUG_CHAR(name, i)                                                                         \
    (SLUG_RAW(name, i) == '_' ? '-'                                                                \
     : SLUG_RAW(name, i) >= 'A' && SLUG_RAW(name, i) <= 'Z' ? SLUG_RAW(name, i) + ('a' - 'A')      \
     : SLUG_RAW(name, i))
#define SLUG_4(name, i)                                                                            \
    SLUG_CHAR(name, i), SLUG_CHAR(name, i + 1), SLUG_CHAR(name, i + 2), SLUG_CHAR(name, i + 3)
#define SLUG(name)                                                                                 \
    {SLUG_4(name, 0), SLUG_4(name, 4), SLUG_4(name, 8), SLUG_4(name, 12), SLUG_4(name, 16), SLUG_4(name, 20)}

/* clang-format on */

struct code_row {
    const char *name;
    char slug[24];
    const char *title;
    const char *level;
    int http;
    enum err_retry retry;
};

/* clang-format off */
static const struct code_row code_rows[] = {
    [E_OK] = {"E_OK", "ok", "no error", LEVEL_DEBUG, 200, NEVER},
#define ERROR(code, http, retry, level, title)                                                     \
    [code] = {#code, SLUG(#code), title, LEVEL_##level, http, retry},
#include "lib/base/errors.def"
#undef ERROR
};
static_assert(ARRAY_LEN(code_rows) == E__COUNT, "one row per code");
/* clang-format on */

#define ERROR(code, http, retry, level, title)                                                     \
    static_assert(sizeof(#code) - 2 <= sizeof(((struct code_row *)NULL)->slug), "slug of " #code);
#include "lib/base/errors.def"
#undef ERROR

/* Copies text that fits n bytes with its terminator, cut before an incomplete UTF-8 sequence. */
static void copy_cut(char *to, size_t n, const char *text)
{
    size_t len = strlen(text);

    if (len >= n) {
        len = n - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    memmove(to, text, len);
    to[len] = '\0';
}

static const struct code_row *row_of(enum err_code code)
{
    CHECK((unsigned)code < E__COUNT);
    return &code_rows[code];
}

static void set(struct err *err, enum err_code code, const char *file, int line, const char *at,
                const char *text)
{
    struct err fresh = {.code = code, .file = file, .line = line};

    (void)row_of(code);
    copy_cut(fresh.at, sizeof(fresh.at), at != NULL ? at : "");
    copy_cut(fresh.text, sizeof(fresh.text), text);
    *err = fresh; /* at the end: the arguments may point into *err */
}

/* One byte more than any member holds, so that copy_cut sees where a cut sequence began. */
#define SCRATCH (sizeof(((struct err *)NULL)->text) + 8)

static void format_text(char text[static SCRATCH], const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void format_text(char text[static SCRATCH], const char *format, va_list args)
{
    if (vsnprintf(text, SCRATCH, format, args) < 0)
        copy_cut(text, SCRATCH, format);
}

int err_set_at(struct err *err, enum err_code code, const char *file, int line, const char *at,
               const char *format, ...)
{
    char text[SCRATCH];
    va_list args;

    va_start(args, format);
    format_text(text, format, args);
    va_end(args);
    set(err, code, file, line, at, text);
    return err_ret(err);
}

int err_tell_at(struct err *err, enum err_code code, const char *file, int line, const char *at,
                const char *format, ...)
{
    char text[SCRATCH];
    va_list args;

    va_start(args, format);
    format_text(text, format, args);
    va_end(args);
    set(err, code, file, line, at, text);
    copy_cut(err->detail, sizeof(err->detail), text);
    return err_ret(err);
}

int err_prefix(struct err *err, const char *format, ...)
{
    char context[SCRATCH];
    char text[SCRATCH + sizeof(err->text) + sizeof(": ")];
    va_list args;

    va_start(args, format);
    format_text(context, format, args);
    va_end(args);
    snprintf(text, sizeof(text), "%s: %s", context, err->text);
    copy_cut(err->text, sizeof(err->text), text);
    return err_ret(err);
}

int err_at_prefix(struct err *err, const char *prefix)
{
    char at[2 * sizeof(err->at)];

    snprintf(at, sizeof(at), "%.*s%s", (int)sizeof(err->at), prefix, err->at);
    copy_cut(err->at, sizeof(err->at), at);
    return err_ret(err);
}

void err_clear(struct err *err)
{
    *err = (struct err){0};
}

const char *err_name(enum err_code code)
{
    return row_of(code)->name;
}

const char *err_slug(enum err_code code)
{
    return row_of(code)->slug;
}

const char *err_title(enum err_code code)
{
    return row_of(code)->title;
}

int err_http(enum err_code code)
{
    return row_of(code)->http;
}

enum err_retry err_retry(enum err_code code)
{
    return row_of(code)->retry;
}

const char *err_level(enum err_code code)
{
    return row_of(code)->level;
}
