/*
 * lib/log/log.h - structured log, one line per event
 *
 * A line is logfmt (ts=… level=info msg="agreement stored" agreement=…) or, by setting, one JSON
 * object. The message is a constant; data are fields. A struct log_ctx inherits fields (request id,
 * participant, process). Control characters are escaped, malformed UTF-8 becomes U+FFFD. Fields are
 * never secrets: there is no function that formats a struct secret, and fields whose name is in the
 * deny list (authorization, token, secret, password, api_key, cookie, private_key), or ends in such
 * a word (access_token, set-cookie), are written as "***". The sink and the level are the only
 * process-wide state here (with the counters). Thread-safe: a line is one write(2), at most 8 KiB;
 * what does not fit is dropped and the line says cut=true.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/env.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/base/uuid.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_ALARM, LOG__COUNT };

extern const char *const log_level_names[LOG__COUNT];

enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *name;

    enum { LOG_F_STR, LOG_F_I64, LOG_F_BOOL, LOG_F_UUID } type;

    union {
        struct str str;
        int64_t i64;
        bool flag;
        struct uuid uuid;
    } u;
};

#define L_STR(name, value)  ((struct log_field){(name), LOG_F_STR, {.str = (value)}})
#define L_C(name, value)    ((struct log_field){(name), LOG_F_STR, {.str = str_c(value)}})
#define L_I64(name, value)  ((struct log_field){(name), LOG_F_I64, {.i64 = (value)}})
#define L_BOOL(name, value) ((struct log_field){(name), LOG_F_BOOL, {.flag = (value)}})
#define L_UUID(name, value) ((struct log_field){(name), LOG_F_UUID, {.uuid = (value)}})

/* Inherited fields; contexts form a chain to `parent` (borrowed, must outlive this one). At most 6
 * fields each. */
struct log_ctx {
    const struct log_ctx *parent;
    struct log_field fields[6];
    unsigned n;
};

/* Adds a field to a context; the text is borrowed for the context's life. A seventh field is
 * dropped. */
void log_ctx_add(struct log_ctx *lc, struct log_field field);

/* Process-wide set-up; fd is borrowed. Before it, lines of info and above go to stderr. */
void log_setup(int fd, enum log_level least, enum log_format format, const struct env *env);
void log_set_level(enum log_level least);
bool log_level_parse(struct str text, enum log_level *ret_level);

void log_write(enum log_level level, const struct log_ctx *lc, const char *message,
               const struct log_field *fields, unsigned n);
#define LOG_AT(level, lc, message, ...)                                                            \
    log_write((level), (lc), "" message, (const struct log_field[]){{0}, ##__VA_ARGS__} + 1,       \
              (unsigned)(sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) /                  \
                         sizeof(struct log_field)) -                                               \
                  1)
#define log_debug(lc, ...)   LOG_AT(LOG_DEBUG, lc, __VA_ARGS__)
#define log_info(lc, ...)    LOG_AT(LOG_INFO, lc, __VA_ARGS__)
#define log_warning(lc, ...) LOG_AT(LOG_WARNING, lc, __VA_ARGS__)
#define log_error(lc, ...)   LOG_AT(LOG_ERROR, lc, __VA_ARGS__)
#define log_alarm(lc, ...)   LOG_AT(LOG_ALARM, lc, __VA_ARGS__)

/* Logs an error once, at the level of its code, with code, at, private text and place as fields. */
void log_err(const struct log_ctx *lc, const char *message, const struct err *err);
/*
 * The same at a level of the caller's choice: for what matters more here than its code does
 * elsewhere.
 */
void log_err_at(enum log_level level, const struct log_ctx *lc, const char *message,
                const struct err *err);
