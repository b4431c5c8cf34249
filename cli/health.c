/*
 * cli/health.c - naru health: is a program ready; for health checks of containers
 */
#include "cli/cli.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct health {
    struct str ca;
};
/* clang-format off */
const struct cli_option health_options[] = {
    OPTION(struct health, ca, "ca", 0, "FILE", "CA certificates (default: the system's)"),
    {.name = NULL},
};

/* clang-format on */

int cmd_health(struct cli *cli, int argc, char **argv)
{
    const char *word;
    AUTO(cli_answer_done) struct cli_answer answer = {0};
    struct cli_request request = {.peer = PEER_URL, .method = "GET", .max = MIB(1)};
    struct health in = {0};
    struct err err = {0};

    if (!cli_options(cli, health_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (home_path(cli, "--ca", in.ca, &cli->home.ca_file, &err) < 0)
        return cli_fail(cli, &err);
    request.path = str_c(argv[0]);
    if (cli_call(cli, &request, &answer, &err) < 0) {
        (void)cli_fail(cli, &err);
        return CLI_UNREACHABLE; /* an answer that is not "ready" counts as none */
    }
    word = cli->korean ? "준비됨" : "ready";
    printf(cli->json ? "{\"ready\":true}\n" : "%s\n", word);
    return CLI_OK;
}
