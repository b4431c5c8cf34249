/*
 * connector/events/callback.c - callback addresses: of the configuration, of requests, and what they ask for
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connector/events/events_private.h"

#include "lib/base/banned.h"

#define FILE_MAX KIB(64)
#define LOCAL    "local://"

static const char *const formats[] = {[EVENT_EDC] = "edc", [EVENT_CLOUD] = "cloudevents", NULL};

/* clang-format off */
static const struct field callback_fields[] = {
    FIELD(struct event_callback, uri,           "uri",           F_REQUIRED | F_NONEMPTY),
    FIELD(struct event_callback, events,        "events",        F_REQUIRED | F_NONEMPTY),
    FIELD(struct event_callback, transactional, "transactional", 0),
    FIELD(struct event_callback, auth_key,      "authKey",       0),
    FIELD(struct event_callback, auth_code_id,  "authCodeId",    0),
    FIELD_ENUM(struct event_callback, format,   "format",        0, formats),
};
OBJECT(event_callback_object, struct event_callback, callback_fields, CLOSED);

struct callback_file {
    struct list callbacks;
};
static const struct field file_fields[] = {
    FIELD_LIST(struct callback_file, callbacks, "callbacks", F_REQUIRED, &event_callback_object),
};
static OBJECT(file_object, struct callback_file, file_fields, CLOSED);

/* Header names that we set ourselves, or that frame the request. */
static const char *const reserved_headers[] = {
    "Connection", "Content-Length", "Content-Type", "Expect", "Host", "Naru-Signature", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
};

/* clang-format on */

bool events__matches(const struct event_callback *callback, struct str name)
{
    if (str_starts(callback->uri, STR(LOCAL)))
        return false;
    for (size_t i = 0; i < callback->events.n; i++) {
        if (str_starts(name, callback->events.items[i]))
            return true;
    }
    return false;
}

/* -- checks ------------------------------------------------------------------------------------ */

/* A token of RFC 9110 §5.6.2 that is none of ours. */
static bool header_ok(struct str name)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    if (name.n == 0 || name.n > LIMIT_HEADER_NAME)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        const char c = name.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) &&
            (c == '\0' || strchr(marks, c) == NULL))
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(reserved_headers); i++) {
        if (str_eq_nocase(name, str_c(reserved_headers[i])))
            return false;
    }
    return true;
}

static int check_events(const struct str_list *events, struct err *err)
{
    if (events->n > LIMIT_CALLBACK_EVENTS)
        return err_tell(err, E_LIMIT, "events", "events: at most %d", LIMIT_CALLBACK_EVENTS);
    for (size_t i = 0; i < events->n; i++) {
        if (events->items[i].n > LIMIT_EVENT_NAME)
            return err_tell(err, E_LIMIT, "events", "events[%zu]: at most %d bytes", i,
                            LIMIT_EVENT_NAME);
    }
    return 0;
}

static int check_uri(const struct app *app, struct str uri, struct err *err)
{
    struct err cause = {0};

    if (str_starts(uri, STR(LOCAL)))
        return uri.n <= LIMIT_URL ? 0 : err_tell(err, E_LIMIT, "uri", "uri: too long");
    if (fetch_url_check(app->fetcher, uri, NULL, &cause) == 0)
        return 0;
    return err_tell(err, E_INVALID, "uri", "uri: %s", cause.text);
}

int events_callback_check(const struct app *app, struct str uri, const struct str_list *events,
                          struct str auth_key, struct str auth_code_id, struct err *err)
{
    if (check_uri(app, uri, err) < 0 || check_events(events, err) < 0)
        return err_ret(err);
    if (auth_key.n > 0 && !header_ok(auth_key))
        return err_tell(err, E_INVALID, "authKey", "authKey: not a header name that may be set");
    if (auth_key.n > 0 && auth_code_id.n == 0)
        return err_tell(err, E_INVALID, "authCodeId", "authCodeId: is needed with authKey");
    if (auth_code_id.n > LIMIT_ID)
        return err_tell(err, E_LIMIT, "authCodeId", "authCodeId: at most %d bytes", LIMIT_ID);
    return 0;
}

/* -- the file ---------------------------------------------------------------------------------- */

static int read_file(const char *path, struct buf *out, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    if (fd >= 0) {
        char *room = buf_room(out, FILE_MAX);

        n = room != NULL ? read(fd, room, FILE_MAX) : -1;
        (void)close(fd);
    }
    if (n < 0)
        return err_set(err, E_CONFIG, "events.callbacks", "'%s' cannot be read", path);
    buf_grown(out, (size_t)n);
    return n < (ssize_t)FILE_MAX
               ? 0
               : err_set(err, E_CONFIG, "events.callbacks", "'%s' is too large", path);
}

static int check_all(const struct app *app, const struct list *callbacks, struct err *err)
{
    if (callbacks->n > EVENTS_CALLBACK_MAX)
        return err_set(err, E_CONFIG, "events.callbacks", "at most %d callbacks",
                       EVENTS_CALLBACK_MAX);
    for (size_t i = 0; i < callbacks->n; i++) {
        const struct event_callback *c = &LIST_ITEMS(struct event_callback, *callbacks)[i];
        struct err cause = {0};

        if (events_callback_check(app, c->uri, &c->events, c->auth_key, c->auth_code_id, &cause) <
            0)
            return err_set(err, E_CONFIG, "events.callbacks", "callbacks[%zu].%s", i, cause.detail);
    }
    return 0;
}

int events__static_read(const struct app *app, struct arena *arena, struct list *ret_callbacks,
                        struct err *err)
{
    const struct str setting = app->settings->event_callbacks;
    AUTO(buf_done) struct buf text = buf_init(FILE_MAX);
    struct callback_file file = {0};
    struct err cause = {0};

    if (setting.n == 0)
        return 0;
    if (read_file(arena_cstr(arena, setting), &text, err) < 0)
        return err_ret(err);
    if (object_parse(&file_object, buf_str(&text), NULL, arena, &file, &cause) < 0)
        return err_set(err, E_CONFIG, "events.callbacks", "'%.*s': %s %s", STR_ARG(setting),
                       cause.at, cause.text);
    *ret_callbacks = file.callbacks;
    return check_all(app, ret_callbacks, err);
}
