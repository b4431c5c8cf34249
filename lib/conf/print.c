/*
 * lib/conf/print.c - settings for people: --print-config and --help
 */
#include "lib/base/cleanup.h"
#include "lib/base/limits.h"
#include "lib/conf/conf_private.h"

#include "lib/base/banned.h"

void conf_print(const struct conf_table *table, const void *settings, FILE *out)
{
    fprintf(out, "# Settings of %s\n", table->program);
    for (size_t i = 0; i < table->n; i++) {
        const struct conf_key *key = &table->keys[i];
        AUTO(buf_done) struct buf range = buf_init(KIB(4));
        AUTO(buf_done) struct buf value = buf_init(MIB(1));

        conf__value_range(&range, key);
        conf__value_format(&value, key, settings);
        fprintf(out, "\n# %s%s%.*s%s\n%s = ", key->help, range.n > 0 ? " (" : "",
                STR_ARG(buf_str(&range)), range.n > 0 ? ")" : "", key->name);
        fwrite(buf_str(&value).p, 1, value.n, out); /* may be longer than STR_ARG lets through */
        fputc('\n', out);
    }
}

void conf_help(const struct conf_table *table, FILE *out)
{
    fprintf(out,
            "Usage: %s [--config FILE] [--key=value ...]\n"
            "       %s --help | --version | --print-config | --check-config\n"
            "\n"
            "Each setting is a key of FILE, an option, or an environment variable\n"
            "(%s_ and the key in upper case, '.' and '-' as '_'). Settings:\n"
            "\n",
            table->program, table->program, table->env_prefix);
    for (size_t i = 0; i < table->n; i++) {
        const struct conf_key *key = &table->keys[i];
        AUTO(buf_done) struct buf range = buf_init(KIB(4));

        conf__value_range(&range, key);
        fprintf(out, "  --%-24s %s", key->name, key->help);
        if (key->dflt == NULL)
            fputs(" [required", out);
        else
            fprintf(out, " [default: %s", key->dflt[0] != '\0' ? key->dflt : "empty");
        fprintf(out, "%s%.*s%s]\n", range.n > 0 ? "; " : "", STR_ARG(buf_str(&range)),
                key->reload ? "; on reload" : "");
    }
}
