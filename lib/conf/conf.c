/*
 * lib/conf/conf.c - settings from their sources: default, file, environment, command line
 *
 * First every source is read into one list of texts (the last wins), then each key is parsed once. So a wrong value that
 * a later source replaces is no error, and the order of sources is visible in one function.
 */
#include "lib/conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/conf/conf_private.h"

#include "lib/base/banned.h"

#define FILE_BYTES MIB(1) /* a longer configuration file is none */
#define NAME_BYTES 64     /* longer names are not compared for nearness */

/* What one key has been given so far. */
struct given {
    struct str text;   /* STR_NONE: nothing yet */
    struct str origin; /* "naru.conf:12", "environment X", "command line", "default" */
    struct str folder; /* base of a relative path */
    bool in_file;
};

struct load {
    const struct conf_table *table;
    struct arena *arena;
    struct given *given; /* one per key */
    struct str here;     /* working directory */
};

/* Levenshtein distance of two short texts. */
static size_t distance(struct str a, struct str b)
{
    size_t row[NAME_BYTES + 1];

    if (a.n > NAME_BYTES || b.n > NAME_BYTES)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.n];
}

static int unknown_key(const struct conf_table *table, struct str name, struct str origin,
                       struct err *err)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < table->n; i++) {
        size_t d = distance(name, str_c(table->keys[i].name));

        if (d < least) {
            least = d;
            nearest = table->keys[i].name;
        }
    }
    err_set(err, E_CONFIG, "", "%.*s: unknown setting '%.*s'%s%s%s", STR_ARG(origin), STR_ARG(name),
            nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "'?" : "");
    snprintf(err->at, sizeof(err->at), "%.*s", STR_ARG(name));
    return err_ret(err);
}

/* Index of the key, or table->n. */
static size_t find_key(const struct conf_table *table, struct str name)
{
    size_t i = 0;

    while (i < table->n && !str_eq_c(name, table->keys[i].name))
        i++;
    return i;
}

static int no_memory(struct err *err)
{
    return err_set(err, E_NO_MEMORY, "", "settings");
}

static int give_line(struct load *load, struct str line, struct str origin, struct str folder,
                     struct err *err)
{
    struct str rest = line;
    struct str name = str_trim(str_cut(&rest, '='));
    size_t i = find_key(load->table, name);

    if (!str_present(rest))
        return err_set(err, E_CONFIG, "", "%.*s: '%.*s' is not of the form key = value",
                       STR_ARG(origin), STR_ARG(line));
    if (i == load->table->n)
        return unknown_key(load->table, name, origin, err);
    if (load->given[i].in_file)
        return err_set(err, E_CONFIG, load->table->keys[i].name,
                       "%.*s: '%.*s' is set before, in %.*s", STR_ARG(origin), STR_ARG(name),
                       STR_ARG(load->given[i].origin));
    load->given[i] = (struct given){str_trim(rest), origin, folder, true};
    return 0;
}

static int read_file(FILE *file, const char *path, struct buf *out, struct err *err)
{
    char *room;

    while ((room = buf_room(out, 4096)) != NULL) {
        size_t n = fread(room, 1, 4096, file);

        buf_grown(out, n);
        if (n < 4096)
            break;
    }
    if (ferror(file))
        return err_set(err, E_CONFIG, "", "cannot read '%s': %s", path, strerrordesc_np(errno));
    if (buf_failed(out))
        return err_set(err, E_CONFIG, "", "'%s' is larger than a configuration file may be", path);
    return 0;
}

/* The folder of a file, absolute. */
static struct str folder_of(struct load *load, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct str folder = slash != NULL ? str_n(path, (size_t)(slash - path)) : STR("");

    if (path[0] == '/')
        return folder;
    return arena_printf(load->arena, "%.*s%s%.*s", STR_ARG(load->here), folder.n > 0 ? "/" : "",
                        STR_ARG(folder));
}

static void close_file(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

static int give_file(struct load *load, const char *path, struct err *err)
{
    AUTO(close_file) FILE *file = fopen(path, "re");
    AUTO(buf_done) struct buf bytes = buf_init(FILE_BYTES + 4096);
    struct str folder = folder_of(load, path);
    struct str rest;

    if (file == NULL)
        return err_set(err, E_CONFIG, "config", "cannot open '%s': %s", path,
                       strerrordesc_np(errno));
    if (read_file(file, path, &bytes, err) < 0)
        return err_ret(err);
    rest = arena_str(load->arena, buf_str(&bytes));
    if (!str_present(rest) || !str_present(folder))
        return no_memory(err);

    for (size_t i = 0; i < load->table->n; i++)
        load->given[i].folder = folder; /* of the defaults */
    for (unsigned number = 1; str_present(rest); number++) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        struct str origin = arena_printf(load->arena, "%s:%u", path, number);

        if (!str_present(origin))
            return no_memory(err);
        if (line.n > 0 && line.p[0] != '#' && give_line(load, line, origin, folder, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* A character of a key in the variable's name. */
static char env_char(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return c == '.' || c == '-' ? '_' : c;
}

/* Whether `name` is the variable of the key, without its prefix. */
static bool is_env_name(struct str name, const char *key)
{
    size_t i = 0;

    while (i < name.n && key[i] != '\0' && env_char(key[i]) == name.p[i])
        i++;
    return i == name.n && key[i] == '\0';
}

/* The name as a key would be written, so that the nearest one can be found. */
static struct str key_of_env_name(struct arena *arena, struct str name)
{
    char *p = arena_alloc(arena, name.n);

    if (p == NULL)
        return STR_NONE;
    for (size_t i = 0; i < name.n; i++)
        p[i] = name.p[i] == '_'                       ? '.'
               : name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] - 'A' + 'a')
                                                      : name.p[i];
    return str_n(p, name.n);
}

static int give_environment(struct load *load, char *const *envp, struct err *err)
{
    const struct conf_table *table = load->table;
    struct str prefix = arena_printf(load->arena, "%s_", table->env_prefix);

    for (; envp != NULL && *envp != NULL; envp++) {
        struct str value = str_c(*envp);
        struct str variable = str_cut(&value, '=');
        struct str name = str_from(variable, prefix.n);
        struct str origin;
        size_t i = 0;

        if (!str_starts(variable, prefix))
            continue;
        origin = arena_printf(load->arena, "environment %.*s", STR_ARG(variable));
        while (i < table->n && !is_env_name(name, table->keys[i].name))
            i++;
        if (i == table->n)
            return unknown_key(table, key_of_env_name(load->arena, name), origin, err);
        load->given[i] = (struct given){value, origin, load->here, false};
    }
    return arena_failed(load->arena) ? no_memory(err) : 0;
}

static const struct {
    const char *option;
    enum conf_action action;
} actions[] = {
    {"--help",         CONF_HELP   },
    {"-h",             CONF_HELP   },
    {"--version",      CONF_VERSION},
    {"--print-config", CONF_PRINT  },
    {"--check-config", CONF_CHECK  },
};

/* One option of the command line: an action, or name and value. */
struct option {
    bool is_action;
    enum conf_action action;
    struct str name, value;
};

/* Takes the option at argv[*i] and moves *i to its last word. */
static int take_option(int argc, char *const *argv, int *i, struct option *ret_option,
                       struct err *err)
{
    struct str word = str_c(argv[*i]);
    struct option option = {0};

    for (size_t j = 0; j < ARRAY_LEN(actions); j++) {
        if (str_eq_c(word, actions[j].option)) {
            *ret_option = (struct option){.is_action = true, .action = actions[j].action};
            return 0;
        }
    }
    if (!str_starts(word, STR("--")) || word.n == 2)
        return err_set(err, E_CONFIG, "", "command line: '%.*s' is not an option", STR_ARG(word));
    option.value = str_from(word, 2);
    option.name = str_cut(&option.value, '=');
    if (!str_present(option.value)) {
        if (*i + 1 >= argc)
            return err_set(err, E_CONFIG, "", "command line: '%.*s' lacks its value",
                           STR_ARG(word));
        option.value = str_c(argv[++*i]);
    }
    *ret_option = option;
    return 0;
}

/* The action and the file come first, whatever their place on the line. */
static int scan_command_line(int argc, char *const *argv, enum conf_action *ret_action,
                             const char **ret_file, struct err *err)
{
    struct option option;

    for (int i = 1; i < argc; i++) {
        if (take_option(argc, argv, &i, &option, err) < 0)
            return err_ret(err);
        if (option.is_action && (*ret_action == CONF_RUN || option.action == CONF_HELP))
            *ret_action = option.action;
        if (!option.is_action && str_eq_c(option.name, "config"))
            *ret_file = option.value.p; /* ends where its word of argv ends */
    }
    return 0;
}

static int give_command_line(struct load *load, int argc, char *const *argv, struct err *err)
{
    struct option option;

    for (int i = 1; i < argc; i++) {
        size_t key;

        if (take_option(argc, argv, &i, &option, err) < 0)
            return err_ret(err);
        if (option.is_action || str_eq_c(option.name, "config"))
            continue;
        key = find_key(load->table, option.name);
        if (key == load->table->n)
            return unknown_key(load->table, option.name, STR("command line"), err);
        load->given[key] = (struct given){option.value, STR("command line"), load->here, false};
    }
    return 0;
}

static int store(struct load *load, void *settings, struct err *err)
{
    for (size_t i = 0; i < load->table->n; i++) {
        const struct conf_key *key = &load->table->keys[i];
        const struct given *given = &load->given[i];

        if (!str_present(given->text))
            return err_set(err, E_CONFIG, key->name, "'%s' is required: %s", key->name, key->help);
        if (conf__value_parse(key, given->text, given->folder, load->arena, settings, err) < 0) {
            err_at_prefix(err, key->name);
            return err_prefix(err, "%.*s: %s", STR_ARG(given->origin), key->name);
        }
    }
    return 0;
}

int conf_load(const struct conf_table *table, int argc, char *const *argv, char *const *envp,
              struct arena *arena, void *settings, enum conf_action *ret_action, struct err *err)
{
    enum conf_action action = CONF_RUN;
    const char *file = NULL;
    char here[PATH_MAX];
    struct load load = {.table = table, .arena = arena};

    if (scan_command_line(argc, argv, &action, &file, err) < 0)
        return err_ret(err);
    if (action == CONF_HELP || action == CONF_VERSION) {
        *ret_action = action;
        return 0;
    }
    if (getcwd(here, sizeof(here)) == NULL)
        return err_set(err, E_CONFIG, "", "no working directory: %s", strerrordesc_np(errno));
    load.here = arena_str(arena, strcmp(here, "/") == 0 ? STR("") : str_c(here));
    load.given = ARENA_ARRAY(arena, struct given, table->n);
    if (load.given == NULL || !str_present(load.here))
        return no_memory(err);
    for (size_t i = 0; i < table->n; i++)
        load.given[i] =
            (struct given){str_c(table->keys[i].dflt), STR("default"), load.here, false};

    if ((file != NULL && give_file(&load, file, err) < 0) ||
        give_environment(&load, envp, err) < 0 || give_command_line(&load, argc, argv, err) < 0 ||
        store(&load, settings, err) < 0)
        return err_ret(err);
    *ret_action = action;
    return 0;
}

static const size_t member_bytes[] = {
    [CONF_STR] = sizeof(struct str),        [CONF_BOOL] = sizeof(bool),
    [CONF_INT] = sizeof(int64_t),           [CONF_SIZE] = sizeof(int64_t),
    [CONF_DURATION] = sizeof(int64_t),      [CONF_ENUM] = sizeof(int64_t),
    [CONF_LIST] = sizeof(struct conf_list), [CONF_SET] = sizeof(int64_t),
    [CONF_PATH] = sizeof(struct str),       [CONF_SECRET_FILE] = sizeof(struct str),
};
static_assert(ARRAY_LEN(member_bytes) == CONF_SECRET_FILE + 1, "one row per type");

static bool same_value(const struct conf_key *key, const void *a, const void *b)
{
    AUTO(buf_done) struct buf text_a = buf_init(FILE_BYTES);
    AUTO(buf_done) struct buf text_b = buf_init(FILE_BYTES);

    conf__value_format(&text_a, key, a);
    conf__value_format(&text_b, key, b);
    return str_eq(buf_str(&text_a), buf_str(&text_b));
}

/* Settings that were loaded while the program ran. */
struct conf_reloaded {
    struct arena *arena; /* holds this struct too */
    struct conf_reloaded *before;
};

static void keep_fixed(const struct conf_table *table, const void *now, void *fresh,
                       struct buf *restart)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct conf_key *key = &table->keys[i];

        if (key->reload || same_value(key, now, fresh))
            continue;
        buf_add_c(restart, buf_str(restart).n > 0 ? ", " : "");
        buf_add_c(restart, key->name);
        memcpy((char *)fresh + key->offset, (const char *)now + key->offset,
               member_bytes[key->type]);
    }
}

int conf_reload(struct conf_sources *sources, const void *now, const void **ret_fresh,
                struct buf *restart, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(FILE_BYTES * 4);
    struct conf_reloaded *made = arena != NULL ? ARENA_NEW(arena, struct conf_reloaded) : NULL;
    void *fresh = made != NULL ? arena_alloc(arena, sources->bytes) : NULL;
    enum conf_action action;

    if (fresh == NULL)
        return no_memory(err);
    memset(fresh, 0, sources->bytes);
    if (conf_load(sources->table, sources->argc, sources->argv, sources->envp, arena, fresh,
                  &action, err) < 0)
        return err_ret(err);
    keep_fixed(sources->table, now, fresh, restart);
    *made = (struct conf_reloaded){MOVE(arena), sources->made};
    sources->made = made;
    *ret_fresh = fresh;
    return 0;
}

void conf_sources_done(struct conf_sources *sources)
{
    while (sources->made != NULL) {
        struct arena *arena = sources->made->arena;

        sources->made = sources->made->before;
        arena_free(&arena);
    }
}
