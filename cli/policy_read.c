/*
 * cli/policy_read.c - a policy from a file, or of a dataset; templates
 */
#include <unistd.h>

#include "cli/policy.h"
#include "lib/base/folder.h"
#include "lib/base/limits.h"
#include "lib/base/uuid.h"

#include "lib/base/banned.h"

/* An id that is no file is a dataset of the data bank: its policy stands in the catalogue entry. */
static int read_document(struct cli *cli, const char *what, struct jdoc **ret_doc,
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

int policy_read(struct cli *cli, const char *what, struct policy **ret_policy, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *value = NULL;

    if (read_document(cli, what, &doc, &value, err) < 0)
        return err_ret(err);
    return policy_compile(value, ret_policy, err);
}

static int add_template(void *cls, struct str name, struct str text, struct err *err)
{
    struct policy_templates *templates = cls;
    struct err why = {0};

    if (policy_templates_add(templates, text, &why) == 0)
        return 0;
    return err_tell(err, E_CONFIG, why.at, "%.*s: %s", STR_ARG(name),
                    why.detail[0] != '\0' ? why.detail : why.text);
}

int policy_templates_read(struct cli *cli, struct str folder,
                          struct policy_templates **ret_templates, struct err *err)
{
    AUTO(policy_templates_free) struct policy_templates *templates = NULL;

    if (policy_templates_new(&templates, err) < 0)
        return err_ret(err);
    if (str_present(folder) && folder_each(arena_cstr(cli->arena, folder), ".json",
                                           LIMIT_JSON_BYTES, add_template, templates, err) < 0)
        return err_ret(err);
    *ret_templates = MOVE(templates);
    return 0;
}

int policy_template_missing(struct cli *cli, const struct policy_templates *templates,
                            struct str id)
{
    struct nearest nearest = {0};

    for (size_t i = 0; i < policy_templates_count(templates); i++)
        nearest_try(&nearest, id,
                    arena_cstr(cli->arena, policy_template_id(policy_templates_at(templates, i))));
    if (nearest.word == NULL)
        return cli_usage(cli, "there is no template '%.*s'; `naru policy templates` lists them",
                         STR_ARG(id));
    return cli_usage(cli, "there is no template '%.*s'; did you mean '%s'?", STR_ARG(id),
                     nearest.word);
}
