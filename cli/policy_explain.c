/*
 * cli/policy_explain.c - naru policy explain: conditions of use in words, without any program running
 */
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/limits.h"
#include "lib/base/uuid.h"
#include "policy/policy.h"

#include "lib/base/banned.h"

/* An id that is no file is a dataset of the data bank: its policy stands in the catalogue entry. */
static int read_policy(struct cli *cli, const char *what, struct jdoc **ret_doc,
                       const struct jval **ret_policy, struct err *err)
{
    struct uuid id;
    struct str content;

    if (access(what, F_OK) < 0 && uuid_parse(str_c(what), &id)) {
        if (cli_json(cli, PEER_BROKER, "GET", cli_path(cli, "/v1/datasets/", NULL, str_c(what)),
                     STR_NONE, ret_doc, err) < 0)
            return err_ret(err);
        *ret_policy = jval_get(jval_get(jdoc_root(*ret_doc), "entry"), "policy");
        return 0;
    }
    if (cli_read_file(cli, str_c(what), LIMIT_JSON_BYTES, &content, err) < 0)
        return err_ret(err);
    if (jdoc_parse(content, &jlimits_default, ret_doc, err) < 0)
        return err_tell(err, E_CONFIG, "", "'%s' is not JSON: %s", what, err->text);
    *ret_policy = jdoc_root(*ret_doc);
    return 0;
}

int cmd_policy_explain(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf ko = buf_init(MIB(1));
    AUTO(buf_done) struct buf en = buf_init(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(MIB(4));
    const struct jval *value = NULL;
    struct err err = {0};
    struct jw w = jw_init(&out);

    if (!cli_options(cli, no_options, NULL, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (read_policy(cli, argv[0], &doc, &value, &err) < 0 ||
        policy_compile(value, &policy, &err) < 0)
        return cli_fail(cli, &err);
    policy_explain(policy, POLICY_KO, &ko);
    policy_explain(policy, POLICY_EN, &en);
    if (!cli->json) {
        printf("%.*s\n", STR_ARG(cli_clean(cli, buf_str(cli->korean ? &ko : &en))));
        return CLI_OK;
    }
    jw_object(&w);
    jw_kstr(&w, "ko", buf_str(&ko));
    jw_kstr(&w, "en", buf_str(&en));
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}
