/*
 * cli/main.c - naru: finds the command, runs it, gives its exit code
 */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define ARENA_BYTES MIB(256)

/* The first of these that is set decides the language (setlocale(3)). */
static bool environment_is_korean(void)
{
    const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0')
            return strncmp(value, "ko", 2) == 0;
    }
    return false;
}

/* Widths of characters need a UTF-8 locale, whatever the environment says; that is returned. */
static bool set_locale(void)
{
    const bool utf8 = setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

    if (!utf8)
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    return utf8;
}

static struct str default_home(struct arena *arena)
{
    const char *given = getenv("NARU_HOME");
    const char *home = getenv("HOME");

    if (given != NULL && given[0] != '\0')
        return str_c(given);
    return arena_printf(arena, "%s/.naru", home != NULL ? home : ".");
}

static void set_up(struct cli *cli)
{
    const char *term = getenv("TERM");
    const bool dumb = term == NULL || strcmp(term, "dumb") == 0;

    cli->env = &env_system;
    cli->command = "";
    cli->home_dir = default_home(cli->arena);
    cli->korean = environment_is_korean();
    cli->colour = isatty(STDOUT_FILENO) == 1 && !dumb && getenv("NO_COLOR") == NULL;
    cli->progress = isatty(STDERR_FILENO) == 1 && !dumb;
}

static int unknown_command(struct cli *cli, const char *word)
{
    struct nearest nearest = {0};

    for (const struct command *c = commands; c->words != NULL; c++)
        nearest_try(&nearest, str_c(word), c->words);
    if (nearest.word == NULL)
        return cli_usage(cli, "no command '%s'", word);
    return cli_usage(cli, "no command '%s'; did you mean '%s'?", word, nearest.word);
}

/* How many leading words are options (with their values); -1 after a report. */
static int leading_options(struct cli *cli, int argc, char **argv)
{
    int n = 0, ignored;

    while (n < argc && argv[n][0] == '-' && argv[n][1] != '\0') {
        const bool wants_value = strcmp(argv[n], "--home") == 0 || strcmp(argv[n], "--lang") == 0;

        n += wants_value && n + 1 < argc ? 2 : 1;
    }
    ignored = n;
    return cli_options(cli, no_options, NULL, 0, 0, &ignored, argv) ? n : -1;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

static int run(struct cli *cli, int argc, char **argv)
{
    const struct command *command;
    int used = 0;

    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        command_list(cli, stdout);
        return CLI_OK;
    }
    if (argc > 0 && strcmp(argv[0], "--version") == 0)
        return cmd_version(cli, 0, argv);
    used = leading_options(cli, argc, argv);
    if (used < 0)
        return CLI_USAGE;
    argc -= used;
    argv += used;
    if (argc == 0) {
        command_list(cli, stderr);
        return CLI_USAGE;
    }
    command = command_find(argc, argv, &used);
    if (command == NULL)
        return unknown_command(cli, argv[0]);
    cli->command = command->words;
    if (wants_help(argc - used, argv + used)) {
        command_help(cli, command, stdout);
        return CLI_OK;
    }
    return command->run(cli, argc - used, argv + used);
}

int main(int argc, char **argv)
{
    struct cli cli = {.arena = arena_new(ARENA_BYTES)};
    int code;

    if (cli.arena == NULL) {
        fprintf(stderr, "naru: out of memory\n");
        return CLI_REFUSED;
    }
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    cli.utf8 = set_locale();
    set_up(&cli);
    code = run(&cli, argc - 1, argv + 1);
    fetcher_close(&cli.fetcher);
    arena_free(&cli.arena);
    if (fflush(stdout) != 0 && code == CLI_OK)
        code = CLI_REFUSED;
    return code;
}
