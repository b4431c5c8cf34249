/*
 * cli/policy_read.c - a policy from a file, or of a dataset
 */
#include <unistd.h>

#include "cli/policy.h"
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

void policy_texts(struct jw *w, const struct buf *ko, const struct buf *en)
{
    jw_kstr(w, "ko", buf_str(ko));
    jw_kstr(w, "en", buf_str(en));
}
