/*
 * cli/cli.h - the frame of the command line: options, home folder, calls to the programs, output
 *
 * A command is a row of commands.def and one function `int cmd_x(struct cli *, int argc, char **argv)`
 * that returns an exit code; argv[0] is the first argument after the command's words. Everything
 * lives for the whole run in cli->arena. Human text goes to stdout, notes and progress to stderr; with
 * --json stdout holds exactly one JSON value, and a failure is one JSON object as stderr's last line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/env.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/codec/codec.h"
#include "lib/conf/conf.h"
#include "lib/jdoc/jdoc.h"
#include "lib/net/fetch.h"

/* Stable, documented in naru(1). */
enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1,      /* refused or failed; audit verify: findings */
    CLI_USAGE = 2,        /* the command line, the home folder or an input file is wrong */
    CLI_UNREACHABLE = 3,  /* connector or broker do not answer */
    CLI_UNAUTHORISED = 4, /* key or token is missing, wrong, or lacks the right */
    CLI_POLICY = 5,       /* a usage policy refused */
};

/* naru.conf of a home folder; commands that take addresses by option may fill it in themselves. */
struct home {
    bool loaded;
    struct str dir; /* absolute */
    struct str did, slug, key_file, key_id;
    struct str public_url;
    struct str connector_url, api_key_file;
    struct str broker_url, broker_did, broker_token_file;
    struct str operator_url, operator_token_file;
    struct str ca_file;
};

struct cli {
    const struct env *env;
    struct arena *arena;
    struct fetcher *fetcher; /* opened by the first call */
    struct home home;
    struct str home_dir; /* --home, NARU_HOME or ~/.naru */
    const char *command; /* words of the running command, for messages */
    bool json, quiet, korean;
    bool utf8;        /* the environment's texts are UTF-8 */
    bool colour;      /* stdout is a terminal that shows colours */
    bool progress;    /* stderr is a terminal and nobody asked for silence */
    char request[40]; /* id of the last refused request, for the logs of the other side */
};

/* -- options ----------------------------------------------------------------------------------- */

enum option_type { OPTION_FLAG, OPTION_TEXT, OPTION_LIST };

struct cli_option {
    const char *name; /* without "--"; a table ends with NULL */
    char letter;      /* 0: none */
    enum option_type type;
    size_t offset;
    const char *value; /* "FILE"; NULL for flags */
    const char *help;
};

/* clang-format off */
#define OPTION(T, member, long_name, short_letter, value_name, text) \
    {.name = (long_name), .letter = (short_letter), \
     .type = _Generic(((T *)0)->member, bool: OPTION_FLAG, struct str: OPTION_TEXT, struct str_list: OPTION_LIST), \
     .offset = offsetof(T, member), .value = (value_name), .help = (text)}
/* clang-format on */

extern const struct cli_option no_options[];
extern const struct cli_option global_options[]; /* --json --home … accepted everywhere */

/*
 * Takes the options out of argv (until "--") into *values (a zeroed struct of the command) and leaves
 * least…most positional arguments there. False: the mistake has been reported, return CLI_USAGE.
 */
MUST_CHECK bool cli_options(struct cli *cli, const struct cli_option *options, void *values,
                            int least, int most, int *argc, char **argv);
/* Reports a mistake in the command line; returns CLI_USAGE. */
int cli_usage(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);

/* The candidate nearest to a mistyped word, or NULL if none is near. */
struct nearest {
    const char *word;
    size_t distance;
};

void nearest_try(struct nearest *nearest, struct str typed, const char *candidate);

/* -- commands ---------------------------------------------------------------------------------- */

enum command_who { FOR_ANYONE, FOR_COMPANY, FOR_OPERATOR, FOR_AUDITOR, FOR__COUNT };

struct command {
    const char *words; /* "operator init"; the table ends with NULL */
    const char *args;
    int (*run)(struct cli *cli, int argc, char **argv);
    const struct cli_option *options;
    enum command_who who;
    const char *en, *ko; /* one line of help */
};

extern const struct command commands[];
/* The row whose words begin argv; *ret_used is their number. NULL if none. */
const struct command *command_find(int argc, char **argv, int *ret_used);
void command_help(const struct cli *cli, const struct command *command, FILE *out);
void command_list(const struct cli *cli, FILE *out);

#define COMMAND(words, args, fn, options, who, en, ko)                                             \
    int fn(struct cli *cli, int argc, char **argv);                                                \
    extern const struct cli_option options[];
#include "cli/commands.def"
#undef COMMAND

/* -- home folder ------------------------------------------------------------------------------- */

/* Loads naru.conf of cli->home_dir unless cli->home is filled in. Errors: E_CONFIG. */
MUST_CHECK int cli_home(struct cli *cli, struct err *err);
/* Makes a folder (mode 0700) with its parents; one that exists is fine. *ret_dir is absolute. */
MUST_CHECK int home_make(struct cli *cli, struct str dir, struct str *ret_dir, struct err *err);

/* Writes dir/name with mode 0600. An existing file is E_CONFLICT, or replaced atomically. */
enum home_mode { HOME_NEW, HOME_REPLACE };

MUST_CHECK int home_write(struct cli *cli, struct str dir, const char *name, struct str text,
                          enum home_mode mode, struct err *err);
/* Absolute path of a file that must exist; "" stays "". Errors: E_CONFIG naming the option. */
MUST_CHECK int home_path(struct cli *cli, const char *option, struct str path, struct str *ret_path,
                         struct err *err);
/* Whole file of at most max bytes, in the arena. Errors: E_CONFIG. */
MUST_CHECK int cli_read_file(struct cli *cli, struct str path, size_t max, struct str *ret_text,
                             struct err *err);

/* -- calls ------------------------------------------------------------------------------------- */

/* Whom a call goes to, with which credential. */
enum cli_peer {
    PEER_CONNECTOR, /* management API, X-Api-Key */
    PEER_BROKER,    /* API, bearer token of the company or auditor */
    PEER_BROKER_ANONYMOUS,
    PEER_OPERATOR, /* operator listener, operator token */
    PEER_URL,      /* `path` is the whole URL, no credential */
};

struct cli_request {
    enum cli_peer peer;
    const char *method;
    struct str path;    /* begins with "/"; query included */
    struct str body;    /* JSON; STR_NONE: none */
    const char *accept; /* NULL: application/json */
    size_t max;         /* bytes of the answer; 0: 64 MiB */
};

struct cli_answer {
    int status;
    char *body; /* owned */
    size_t n;
};

void cli_answer_done(struct cli_answer *answer);

/*
 * One blocking call. An HTTP status of 400 or more becomes an error with code, `at` and detail of the
 * problem document (RFC 9457, or EDC's array). Other errors: E_PEER_DOWN and the like (not
 * reachable), E_CONFIG (no key, token or address in the home folder).
 */
MUST_CHECK int cli_call(struct cli *cli, const struct cli_request *request,
                        struct cli_answer *ret_answer, struct err *err);
/* As cli_call, with a JSON answer; *ret_doc is new, or NULL for an empty answer. */
MUST_CHECK int cli_json(struct cli *cli, enum cli_peer peer, const char *method, struct str path,
                        struct str body, struct jdoc **ret_doc, struct err *err);
/* For streaming requests: the fetcher, and URL and headers of a peer. */
MUST_CHECK int cli_fetcher(struct cli *cli, struct fetcher **ret_fetcher, struct err *err);

struct cli_target {
    struct str url;
    struct fetch_header headers[4];
    size_t n_headers;
};

MUST_CHECK int cli_target(struct cli *cli, enum cli_peer peer, struct str path,
                          struct cli_target *ret_target, struct err *err);
/* Makes an error of a refused answer (status >= 400). */
int cli_problem(struct cli *cli, int status, struct str body, struct err *err);
/* "/v1/x?" + percent-encoded pairs; a pair whose value is empty is left out. NULL-terminated. */
struct str cli_path(struct cli *cli, const char *base, const char *name, struct str value);

/* A pause while waiting for something that has no event to wait for. */
void cli_pause(int ms);
/* True until the monotonic deadline is over. */
bool cli_in_time(const struct cli *cli, int64_t deadline_us);

/* -- output ------------------------------------------------------------------------------------ */

/* Reports the error with what to do next; returns its exit code. */
int cli_fail(struct cli *cli, const struct err *err);
enum cli_exit cli_exit_of(enum err_code code);
/* A line for people on stderr; silent with --quiet and --json. */
void cli_note(const struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
/* One JSON value and a newline on stdout. */
int cli_print_json(const struct cli *cli, const struct jval *value);
int cli_print_buf(const struct cli *cli, const struct buf *json);
/* ko or en of {"ko","en"}, the other if one is missing; texts without languages as they are. */
struct str cli_text(const struct cli *cli, const struct jval *value);
/* Terminal control bytes of strangers' texts become '?'; in the arena. */
struct str cli_clean(struct cli *cli, struct str text);

enum text_id {

#define TEXT(id, en, ko) TEXT_##id,
#include "cli/texts.def"
#undef TEXT
    TEXT__COUNT
};
const char *text(const struct cli *cli, enum text_id id);

/* Aligned columns; wide characters (Hangul, CJK) count two. A text column is cut to the terminal. */
struct column {
    enum text_id title;

    enum { COLUMN_LEFT, COLUMN_RIGHT } align;
};
struct table;
struct table *table_new(struct cli *cli, const struct column *columns, size_t n);
void table_cell(struct table *table, struct str text); /* row by row */
void table_print(const struct table *table, FILE *out);
/* Columns that a text takes on a terminal. */
size_t text_width(struct str s);
