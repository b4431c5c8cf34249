/*
 * lib/conf/conf.h - settings: one table gives parser, defaults, help, sample file, environment
 * names and checks
 *
 * Sources, later wins: default; file ("key = value", lines that begin with '#' are comments, no
 * sections, no key twice); environment (PREFIX_ + key in upper case with '.' and '-' as '_');
 * command line (--key=value or --key value). An unknown key is an error that names the nearest
 * known one. Values are trimmed and hold no control characters:
 *   CONF_STR          text
 *   CONF_BOOL         true/false/yes/no/on/off
 *   CONF_INT          decimal
 *   CONF_SIZE         bytes with K, M, G (1024)
 *   CONF_DURATION     with ms, s, m, h, d -> microseconds
 *   CONF_ENUM         one of `choices` ("a|b|c") -> index (int64_t)
 *   CONF_LIST         comma-separated -> struct conf_list; "" is the empty list
 *   CONF_SET          comma-separated, each one of `choices` -> bits (int64_t): 1 for the first
 *                     choice, 2 for the second …; "" is the empty set
 *   CONF_PATH         text, made absolute: a value of the file or a default is relative to the
 *                     file's folder, any other (or without a file) to the working directory; ""
 *                     stays ""
 *   CONF_SECRET_FILE  path of a file that holds a secret: the path is kept, --print-config shows
 *                     the path only
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum conf_type {
    CONF_STR,
    CONF_BOOL,
    CONF_INT,
    CONF_SIZE,
    CONF_DURATION,
    CONF_ENUM,
    CONF_LIST,
    CONF_SET,
    CONF_PATH,
    CONF_SECRET_FILE,
};

struct conf_list {
    struct str *items; /* owned by the arena given to conf_load */
    size_t n;
};

struct conf_key {
    const char *name; /* "listen.public" */
    enum conf_type type;
    size_t offset;    /* of the member in the settings struct: struct str, bool, int64_t or struct
                         conf_list */
    const char *dflt; /* text form; NULL: required */
    int64_t min, max; /* for numbers, in the stored unit; both 0: unbounded */
    const char *choices; /* CONF_ENUM, CONF_SET */
    bool reload;         /* may change on SIGHUP */
    const char *help;    /* one sentence */
};

struct conf_table {
    const char *program;    /* "naru-connector" */
    const char *env_prefix; /* "NARU_CONNECTOR" */
    const struct conf_key *keys;
    size_t n;
};

/* What the command line asked for besides settings. */
enum conf_action { CONF_RUN, CONF_HELP, CONF_VERSION, CONF_PRINT, CONF_CHECK };

/*
 * Fills *settings (any struct of the program) from all sources. argv[1..] holds --config FILE,
 * --help, --version, --print-config, --check-config and --key=value; environ-like `envp` may be
 * NULL. Texts live in `arena`. With CONF_HELP and CONF_VERSION nothing is read and *settings is
 * untouched. Errors: E_CONFIG with at = key, text = file:line and what was expected; the settings
 * may then be half filled.
 */
MUST_CHECK int conf_load(const struct conf_table *table, int argc, char *const *argv,
                         char *const *envp, struct arena *arena, void *settings,
                         enum conf_action *ret_action, struct err *err);

/*
 * Where settings come from, for loading them again while other threads read. Whatever was loaded
 * stays until conf_sources_done(): a thread may still look at older settings.
 */
struct conf_sources {
    const struct conf_table *table;
    size_t bytes; /* of the program's struct */
    int argc;
    char *const *argv;
    char *const *envp;
    struct conf_reloaded *made; /* private; NULL at first */
};

/*
 * Loads again. Keys that may not change while the program runs keep their value of *now; the names
 * of those that would differ are added to `restart`, separated by ", ". *ret_fresh may be published
 * to all threads; what it does not own is borrowed from *now. Errors as conf_load, and nothing has
 * changed.
 */
MUST_CHECK int conf_reload(struct conf_sources *sources, const void *now, const void **ret_fresh,
                           struct buf *restart, struct err *err);
void conf_sources_done(struct conf_sources *sources);

/* --print-config: every key with its value and, as comment, its help; loads again to the same
 * settings. */
void conf_print(const struct conf_table *table, const void *settings, FILE *out);
/* --help: usage and one line a key with default and range. */
void conf_help(const struct conf_table *table, FILE *out);
