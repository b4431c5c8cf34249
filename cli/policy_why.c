/*
 * cli/policy_why.c - naru policy why: what the policy of an agreement decides now, and why
 */
#include "cli/policy.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

/* -- decisions in words ------------------------------------------------------------------------ */

static const struct {
    struct str sign;
    const char *ascii, *colour;
} marks[] = {
    {STR_INIT("✓ "), "+ ", "32"},
    {STR_INIT("✗ "), "- ", "31"},
    {STR_INIT("? "),   "? ", "33"},
};

static void print_line(const struct cli *cli, struct str line)
{
    const struct str change = STR("→ ");
    struct str rest = str_trim(line);
    size_t i = 0;

    while (i < ARRAY_LEN(marks) && !str_starts(rest, marks[i].sign))
        i++;
    if (i == ARRAY_LEN(marks) || (!cli->colour && cli->utf8)) {
        printf("%.*s\n", STR_ARG(line));
        return;
    }
    printf("%.*s", (int)(rest.p - line.p), line.p);
    rest = str_from(rest, marks[i].sign.n);
    if (cli->utf8)
        printf("\033[%sm%.*s\033[0m", marks[i].colour, STR_ARG(marks[i].sign));
    else
        printf("%s%s", marks[i].ascii, str_starts(rest, change) ? "* " : "");
    if (!cli->utf8 && str_starts(rest, change))
        rest = str_from(rest, change.n);
    printf("%.*s\n", STR_ARG(rest));
}

void policy_print_tree(struct cli *cli, struct str tree)
{
    struct str rest = cli_clean(cli, tree);

    while (rest.n > 0)
        print_line(cli, str_cut(&rest, '\n'));
}

int policy_print_answer(struct cli *cli, const struct jval *answer, bool tree)
{
    const bool permit = str_eq(jval_str(jval_get(answer, "verdict")), STR("permit"));
    int code = CLI_OK;

    if (cli->json) {
        code = cli_print_json(cli, answer);
    } else {
        printf("%.*s", STR_ARG(cli_clean(cli, cli_text(cli, answer))));
        if (tree)
            policy_print_tree(cli, cli_text(cli, jval_get(answer, "tree")));
    }
    return code == CLI_OK && !permit ? CLI_POLICY : code;
}

/* -- an agreement ------------------------------------------------------------------------------ */

static const struct {
    const char *state;
    enum text_id text;
} states[] = {
    {"in-force", TEXT_IN_FORCE},
    {"ended",    TEXT_ENDED   },
    {"expired",  TEXT_EXPIRED },
    {"retired",  TEXT_RETIRED },
};

static struct str state_text(const struct cli *cli, struct str state)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (str_eq_c(state, states[i].state))
            return str_c(text(cli, states[i].text));
    }
    return state;
}

static struct str member(struct cli *cli, const struct jval *answer, const char *key)
{
    return cli_clean(cli, jval_str(jval_get(answer, key)));
}

int cmd_policy_why(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *answer;
    struct err err = {0};
    struct str path, state;
    int code;

    if (!cli_options(cli, no_options, NULL, 1, 1, &argc, argv))
        return CLI_USAGE;
    path = arena_printf(cli->arena, "%.*s/decision",
                        STR_ARG(cli_path(cli, "/naru/v1/agreements/", NULL, str_c(argv[0]))));
    if (cli_json(cli, PEER_CONNECTOR, "GET", path, STR_NONE, &doc, &err) < 0)
        return cli_fail(cli, &err);
    answer = jdoc_root(doc);
    state = jval_str(jval_get(answer, "state"));
    if (!cli->json)
        printf("%.*s, %.*s: %.*s\n", STR_ARG(member(cli, answer, "asset")),
               STR_ARG(member(cli, answer, "counterparty")), STR_ARG(state_text(cli, state)));
    code = policy_print_answer(cli, answer, true);
    return code == CLI_OK && !str_eq(state, STR("in-force")) ? CLI_POLICY : code;
}
