/*
 * cli/command.c - the table of commands, help made from it, version
 */
#include "cli/cli.h"

#include "lib/base/banned.h"

/* clang-format off */
const struct command commands[] = {
#define COMMAND(words, args, fn, options, who, en, ko) {words, args, fn, options, who, en, ko},
#include "cli/commands.def"
#undef COMMAND
    {.words = NULL},
};
/* clang-format on */

static const char *const who_en[FOR__COUNT] = {
    [FOR_ANYONE] = "Everybody",
    [FOR_COMPANY] = "Companies",
    [FOR_OPERATOR] = "Operator of the data bank",
    [FOR_AUDITOR] = "Auditors",
};
static const char *const who_ko[FOR__COUNT] = {
    [FOR_ANYONE] = "모두",
    [FOR_COMPANY] = "참여 회사",
    [FOR_OPERATOR] = "데이터뱅크 운영자",
    [FOR_AUDITOR] = "감사인",
};

/* How many words of argv the row's words are; 0 if they differ. */
static int match(const struct command *command, int argc, char **argv)
{
    struct str rest = str_c(command->words);
    int used = 0;

    while (str_present(rest)) {
        const struct str word = str_cut(&rest, ' ');

        if (used >= argc || !str_eq_c(word, argv[used]))
            return 0;
        used++;
    }
    return used;
}

const struct command *command_find(int argc, char **argv, int *ret_used)
{
    for (const struct command *c = commands; c->words != NULL; c++) {
        const int used = match(c, argc, argv);

        if (used > 0) {
            *ret_used = used;
            return c;
        }
    }
    return NULL;
}

static void option_help(const struct cli_option *table, FILE *out)
{
    for (; table->name != NULL; table++) {
        char left[64];
        const int n = table->letter != 0
                          ? snprintf(left, sizeof(left), "-%c, --%s", table->letter, table->name)
                          : snprintf(left, sizeof(left), "--%s", table->name);

        if (table->value != NULL && n > 0 && (size_t)n < sizeof(left))
            snprintf(left + n, sizeof(left) - (size_t)n, " %s", table->value);
        fprintf(out, "  %-28s %s%s\n", left, table->help,
                table->type == OPTION_LIST ? " (may be repeated)" : "");
    }
}

void command_help(const struct cli *cli, const struct command *command, FILE *out)
{
    fprintf(out, "naru %s%s%s%s%s\n\n%s\n", command->words,
            command->options[0].name != NULL ? " [OPTION…]" : "",
            command->args[0] != '\0' ? " " : "", command->args, "",
            cli->korean ? command->ko : command->en);
    if (command->options[0].name != NULL) {
        fprintf(out, "\n%s\n", cli->korean ? "옵션:" : "Options:");
        option_help(command->options, out);
    }
    fprintf(out, "\n%s\n", cli->korean ? "모든 명령의 옵션:" : "Options of every command:");
    option_help(global_options, out);
}

void command_list(const struct cli *cli, FILE *out)
{
    fprintf(out, "%s\n",
            cli->korean ? "naru - 데이터 스페이스의 명령줄: 등록, 거래, 정산, 감사"
                        : "naru - the command line of the data space: join, trade, settle, audit");
    for (unsigned who = 0; who < FOR__COUNT; who++) {
        fprintf(out, "\n%s:\n", cli->korean ? who_ko[who] : who_en[who]);
        for (const struct command *c = commands; c->words != NULL; c++) {
            if (c->who == (enum command_who)who)
                fprintf(out, "  %-24s %s\n", c->words, cli->korean ? c->ko : c->en);
        }
    }
    fprintf(out, "\n%s\n",
            cli->korean ? "명령 하나의 도움말: naru help 명령. 설명서: man naru"
                        : "Help of one command: naru help COMMAND. Manual: man naru");
}

static void write_options(const struct cli_option *options, struct jw *w)
{
    jw_array(w);
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        jw_object(w);
        jw_kc(w, "name", o->name);
        if (o->letter != 0)
            jw_kstr(w, "letter", str_n(&o->letter, 1));
        if (o->value != NULL)
            jw_kc(w, "value", o->value);
        jw_kbool(w, "repeated", o->type == OPTION_LIST);
        jw_kc(w, "help", o->help);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void write_command(const struct command *command, struct jw *w)
{
    static const char *const who[FOR__COUNT] = {"anyone", "company", "operator", "auditor"};

    jw_object(w);
    jw_kc(w, "command", command->words);
    jw_kc(w, "arguments", command->args);
    jw_kc(w, "who", who[command->who]);
    jw_kc(w, "en", command->en);
    jw_kc(w, "ko", command->ko);
    jw_key(w, "options");
    write_options(command->options, w);
    jw_object_end(w);
}

static int help_json(const struct cli *cli, const struct command *only)
{
    AUTO(buf_done) struct buf out = buf_init((size_t)1 << 20);
    struct jw w = jw_init(&out);

    jw_object(&w);
    jw_key(&w, "commands");
    jw_array(&w);
    for (const struct command *c = commands; c->words != NULL; c++) {
        if (only == NULL || only == c)
            write_command(c, &w);
    }
    jw_array_end(&w);
    jw_key(&w, "global_options");
    write_options(global_options, &w);
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

int cmd_help(struct cli *cli, int argc, char **argv)
{
    const struct command *command = NULL;
    int used;

    if (!cli_options(cli, no_options, NULL, 0, 3, &argc, argv))
        return CLI_USAGE;
    if (argc > 0) {
        command = command_find(argc, argv, &used);
        if (command == NULL)
            return cli_usage(cli, "no command '%s'", argv[0]);
    }
    if (cli->json)
        return help_json(cli, command);
    if (command != NULL)
        command_help(cli, command, stdout);
    else
        command_list(cli, stdout);
    return CLI_OK;
}

int cmd_version(struct cli *cli, int argc, char **argv)
{
    if (!cli_options(cli, no_options, NULL, 0, 0, &argc, argv))
        return CLI_USAGE;
    printf(cli->json ? "{\"version\":\"%s\"}\n" : "naru %s\n", NARU_VERSION);
    return CLI_OK;
}
