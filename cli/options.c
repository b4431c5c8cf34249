/*
 * cli/options.c - options by tables: --name VALUE, --name=VALUE, -n VALUE; everything else is an argument
 *
 * Options may stand anywhere after the command until "--". Those of global_options are accepted in
 * every place. An unknown one is an error that names the nearest.
 */
#include <stdarg.h>

#include "cli/cli.h"

#include "lib/base/banned.h"

#define WORD_MAX 48 /* longer words are not compared for nearness */

struct global_values {
    bool json, quiet, no_colour;
    struct str home, lang;
};

/* clang-format off */
const struct cli_option no_options[] = {{.name = NULL}};
const struct cli_option global_options[] = {
    OPTION(struct global_values, json,      "json",      0,   NULL,  "print one JSON value; failures as JSON on stderr"),
    OPTION(struct global_values, home,      "home",      0,   "DIR", "home folder (default: NARU_HOME, else ~/.naru)"),
    OPTION(struct global_values, lang,      "lang",      0,   "LANG", "language of texts: ko or en (default: of the environment)"),
    OPTION(struct global_values, quiet,     "quiet",     'q', NULL,  "no notes and no progress on stderr"),
    OPTION(struct global_values, no_colour, "no-colour", 0,   NULL,  "no colours"),
    {.name = NULL},
};

/* clang-format on */

int cli_usage(struct cli *cli, const char *format, ...)
{
    struct err err = {0};
    char message[256];
    va_list args;

    va_start(args, format);
    if (vsnprintf(message, sizeof(message), format, args) < 0)
        message[0] = '\0';
    va_end(args);
    IGNORE(err_tell(&err, E_CONFIG, "", "%s", message), "reported at once");
    (void)cli_fail(cli, &err);
    if (!cli->json)
        fprintf(stderr, "Try: naru help%s%s\n", cli->command[0] != '\0' ? " " : "", cli->command);
    return CLI_USAGE;
}

/* Levenshtein distance. */
static size_t distance(struct str a, struct str b)
{
    size_t row[WORD_MAX + 1];

    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            const size_t replace = diagonal + (a.p[i - 1] != b.p[j - 1]);
            const size_t add = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = replace < add ? replace : add;
        }
    }
    return row[b.n];
}

void nearest_try(struct nearest *nearest, struct str typed, const char *candidate)
{
    const struct str word = str_c(candidate);
    size_t d;

    if (typed.n > WORD_MAX || word.n > WORD_MAX)
        return;
    d = distance(typed, word);
    if (d <= 1 + typed.n / 4 && (nearest->word == NULL || d < nearest->distance))
        *nearest = (struct nearest){candidate, d};
}

static const struct cli_option *find(const struct cli_option *table, struct str name)
{
    for (; table->name != NULL; table++) {
        if (str_eq_c(name, table->name) || (name.n == 1 && name.p[0] == table->letter))
            return table;
    }
    return NULL;
}

static int unknown(struct cli *cli, const struct cli_option *options, struct str name)
{
    struct nearest nearest = {0};

    for (const struct cli_option *o = options; o->name != NULL; o++)
        nearest_try(&nearest, name, o->name);
    for (const struct cli_option *o = global_options; o->name != NULL; o++)
        nearest_try(&nearest, name, o->name);
    if (nearest.word == NULL)
        return cli_usage(cli, "unknown option '--%.*s'", STR_ARG(name));
    return cli_usage(cli, "unknown option '--%.*s'; did you mean '--%s'?", STR_ARG(name),
                     nearest.word);
}

static void take_global(struct cli *cli, const struct global_values *v)
{
    cli->json = cli->json || v->json;
    cli->quiet = cli->quiet || v->quiet;
    cli->colour = cli->colour && !v->no_colour;
    cli->progress = cli->progress && !cli->json && !cli->quiet;
    if (str_present(v->home))
        cli->home_dir = v->home;
    if (str_present(v->lang))
        cli->korean = str_starts(v->lang, STR("ko"));
}

static bool store(struct cli *cli, const struct cli_option *o, void *values, struct str value,
                  size_t most)
{
    char *at = (char *)values + o->offset;
    struct str_list *list;

    switch (o->type) {
    case OPTION_FLAG: *(bool *)(void *)at = true; return true;
    case OPTION_TEXT: *(struct str *)(void *)at = value; return true;
    case OPTION_LIST:
        list = (struct str_list *)(void *)at;
        if (list->items == NULL)
            list->items = ARENA_ARRAY(cli->arena, struct str, most);
        if (list->items == NULL)
            return false;
        list->items[list->n++] = value;
        return true;
    }
    return false;
}

/* One option at argv[i]; the number of words it took, or -1 after a report. */
static int take(struct cli *cli, const struct cli_option *options, void *values, int i, int argc,
                char **argv)
{
    struct str word = str_c(argv[i]), value;
    struct str name = str_from(word, word.n > 1 && word.p[1] == '-' ? 2 : 1);
    struct global_values global = {0};
    const struct cli_option *o;
    bool is_global = false;
    int used = 1;

    value = name;
    name = str_cut(&value, '=');
    o = find(options, name);
    if (o == NULL) {
        o = find(global_options, name);
        is_global = true;
    }
    if (o == NULL) {
        (void)unknown(cli, options, name);
        return -1;
    }
    if (o->type == OPTION_FLAG && str_present(value)) {
        (void)cli_usage(cli, "option '--%s' takes no value", o->name);
        return -1;
    }
    if (o->type != OPTION_FLAG && !str_present(value)) {
        if (i + 1 >= argc) {
            (void)cli_usage(cli, "option '--%s' wants a value: %s", o->name, o->value);
            return -1;
        }
        value = str_c(argv[i + 1]);
        used = 2;
    }
    if (!str_is_utf8(value)) {
        (void)cli_usage(cli, "value of '--%s' is not UTF-8", o->name);
        return -1;
    }
    if (!store(cli, o, is_global ? (void *)&global : values, value, (size_t)argc))
        return -1;
    take_global(cli, &global);
    return used;
}

bool cli_options(struct cli *cli, const struct cli_option *options, void *values, int least,
                 int most, int *argc, char **argv)
{
    int kept = 0;
    bool only_arguments = false;

    for (int i = 0; i < *argc;) {
        if (only_arguments || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[kept++] = argv[i++];
        } else if (strcmp(argv[i], "--") == 0) {
            only_arguments = true;
            i++;
        } else {
            const int used = take(cli, options, values, i, *argc, argv);

            if (used < 0)
                return false;
            i += used;
        }
    }
    *argc = kept;
    if (kept < least) {
        (void)cli_usage(cli, "'%s' wants %s argument", cli->command,
                        least == most ? "one more" : "at least one more");
        return false;
    }
    if (most >= 0 && kept > most) {
        (void)cli_usage(cli, "'%s' does not want the argument '%s'", cli->command, argv[most]);
        return false;
    }
    return true;
}
