/*
 * tests/unit/test_conf.c - settings: sources and their order, values, mistakes, printing
 */
#include <check.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/timefmt.h"
#include "lib/conf/conf.h"

#include "lib/base/banned.h"

struct settings {
    struct str listen;
    bool tls;
    int64_t threads;
    int64_t cache_bytes;
    int64_t grace_us;
    int64_t level;
    struct conf_list roots;
    int64_t steps;
    struct str data_dir;
    struct str key_file;
    struct str name;
};

#define AT(member) offsetof(struct settings, member)

/* clang-format off */
static const struct conf_key keys[] = {
    {"listen.public", CONF_STR,         AT(listen),      "127.0.0.1:80", 0, 0, NULL, false, "address and port"},
    {"listen.tls",    CONF_BOOL,        AT(tls),         "yes",          0, 0, NULL, false, "use TLS"},
    {"http.threads",  CONF_INT,         AT(threads),     "2",            1, 64, NULL, true, "threads"},
    {"cache.size",    CONF_SIZE,        AT(cache_bytes), "1M",           0, INT64_MAX, NULL, false, "cache"},
    {"grace-period",  CONF_DURATION,    AT(grace_us),    "10s",          0, US_PER_H, NULL, true, "patience"},
    {"log.level",     CONF_ENUM,        AT(level),       "info",         0, 0, "debug|info|error", true, "least level"},
    {"data.roots",    CONF_LIST,        AT(roots),       "",             0, 0, NULL, false, "folders"},
    {"steps",         CONF_SET,         AT(steps),       "",             0, 0, "wash|dry|iron", true, "what is done"},
    {"data.dir",      CONF_PATH,        AT(data_dir),    "data",         0, 0, NULL, false, "folder"},
    {"api.key",       CONF_SECRET_FILE, AT(key_file),    "",             0, 0, NULL, false, "file with the key"},
    {"name",          CONF_STR,         AT(name),        NULL,           0, 0, NULL, false, "who we are"},
};
/* clang-format on */

static const struct conf_table table = {"naru-test", "NARU_TEST", keys, ARRAY_LEN(keys)};

static char folder[256];
static char file[300];
static struct arena *arena;
static struct settings settings;
static enum conf_action action;
static struct err err;

static void set_up(void)
{
    const char *tmp = getenv("TMPDIR");

    arena = arena_new(1 << 24);
    snprintf(folder, sizeof(folder), "%s/naru-conf-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    snprintf(file, sizeof(file), "%s/test.conf", folder);
}

static void tear_down(void)
{
    unlink(file);
    rmdir(folder);
    arena_free(&arena);
}

static void write_file(struct str text)
{
    FILE *f = fopen(file, "we");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text.p, 1, text.n, f), text.n);
    fclose(f);
}

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})

static int load(char **words, char **envp)
{
    char *argv[16] = {(char[]){"naru-test"}};
    int argc = 1;

    while (words != NULL && words[argc - 1] != NULL) {
        argv[argc] = words[argc - 1];
        argc++;
    }
    return conf_load(&table, argc, argv, envp, arena, &settings, &action, &err);
}

/* A writable copy for argv. */
static char *word(const char *text)
{
    struct str copy = arena_printf(arena, "%s", text);

    return (char *)(uintptr_t)copy.p;
}

START_TEST(test_defaults)
{
    ck_assert_msg(load(WORDS(word("--name=x")), NULL) == 0, "%s", err.text);
    ck_assert_int_eq((int)action, CONF_RUN);
    ck_assert(str_eq_c(settings.listen, "127.0.0.1:80"));
    ck_assert(settings.tls);
    ck_assert_int_eq(settings.threads, 2);
    ck_assert_int_eq(settings.cache_bytes, 1 << 20);
    ck_assert_int_eq(settings.grace_us, 10 * US_PER_S);
    ck_assert_int_eq(settings.level, 1);
    ck_assert_uint_eq(settings.roots.n, 0);
    ck_assert(str_eq(settings.data_dir, arena_printf(arena, "%s/data", folder)));
    ck_assert(str_eq_c(settings.key_file, ""));
    ck_assert(str_eq_c(settings.name, "x"));
}

END_TEST

START_TEST(test_later_source_wins)
{
    write_file(STR("# comment\n\n  name = from file \r\nhttp.threads=3\nlog.level = error\n"
                   "data.roots = /a , b# c\ndata.dir=sub/x"));
    ck_assert_msg(load(WORDS(word("--http.threads"), word("5"), word("--config"), word(file)),
                       WORDS(word("NARU_TEST_HTTP_THREADS=4"), word("NARU_TEST_GRACE_PERIOD=1m"),
                             word("NARU_TESTX=1"), word("PATH=/bin"), word("broken"))) == 0,
                  "%s", err.text);
    ck_assert(str_eq_c(settings.name, "from file"));
    ck_assert_int_eq(settings.threads, 5);
    ck_assert_int_eq(settings.grace_us, US_PER_MIN);
    ck_assert_int_eq(settings.level, 2);
    ck_assert_uint_eq(settings.roots.n, 2);
    ck_assert(str_eq_c(settings.roots.items[0], "/a"));
    ck_assert(str_eq_c(settings.roots.items[1], "b# c"));
    ck_assert(str_eq(settings.data_dir, arena_printf(arena, "%s/sub/x", folder)));
}

END_TEST

START_TEST(test_paths_are_relative_to_their_source)
{
    write_file(STR("api.key = k\nname = x\n"));
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_msg(load(WORDS(word("--config"), word(file)), WORDS(word("NARU_TEST_DATA_DIR=d"))) ==
                      0,
                  "%s", err.text);
    ck_assert(str_eq(settings.key_file, arena_printf(arena, "%s/k", folder)));
    ck_assert_msg(str_eq_c(settings.data_dir, "/d"), "%.*s", STR_ARG(settings.data_dir));

    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_msg(load(WORDS(word("--config=test.conf")), NULL) == 0, "%s", err.text);
    ck_assert(str_eq(settings.key_file, arena_printf(arena, "%s/k", folder)));
    ck_assert(str_eq(settings.data_dir, arena_printf(arena, "%s/data", folder)));
}

END_TEST

/* clang-format off */
static const struct { const char *option; enum conf_action action; } options[] = {
    {"--help", CONF_HELP}, {"-h", CONF_HELP}, {"--version", CONF_VERSION}, {"--name=x", CONF_RUN},
    {"--print-config", CONF_PRINT}, {"--check-config", CONF_CHECK},
};

static const struct { const char *option; int64_t want; size_t offset; } numbers[] = {
    {"--http.threads=1",      1,                  AT(threads)},
    {"--http.threads=64",     64,                 AT(threads)},
    {"--cache.size=0",        0,                  AT(cache_bytes)},
    {"--cache.size=3K",       3072,               AT(cache_bytes)},
    {"--cache.size=2G",       INT64_C(2) << 30,   AT(cache_bytes)},
    {"--cache.size=17",       17,                 AT(cache_bytes)},
    {"--grace-period=0",      0,                  AT(grace_us)},
    {"--grace-period=250ms",  250000,             AT(grace_us)},
    {"--grace-period=60m",    US_PER_H,           AT(grace_us)},
    {"--grace-period= 1h ",   US_PER_H,           AT(grace_us)},
    {"--log.level=debug",     0,                  AT(level)},
    {"--steps=",              0,                  AT(steps)},
    {"--steps=dry",           2,                  AT(steps)},
    {"--steps=iron,wash",     5,                  AT(steps)},
    {"--steps= dry , dry ",   2,                  AT(steps)},
};

static const struct { const char *option, *at, *text; } mistakes[] = {
    {"--http.threads=0",     "http.threads", "command line: http.threads: '0' is not within 1..64"},
    {"--http.threads=65",    "http.threads", "command line: http.threads: '65' is not within 1..64"},
    {"--http.threads=2K",    "http.threads", "command line: http.threads: '2K' is not a whole number"},
    {"--http.threads=",      "http.threads", "command line: http.threads: '' is not a whole number"},
    {"--cache.size=-1",      "cache.size",   "'-1' is not a number of bytes like"},
    {"--cache.size=1k",      "cache.size",   "'1k' is not a number of bytes like"},
    {"--cache.size=8589934592G", "cache.size", "does not fit 64 bits"},
    {"--grace-period=5",     "grace-period", "'5' is not a time with unit like"},
    {"--grace-period=1h1",   "grace-period", "'1h1' is not a time with unit like"},
    {"--grace-period=61m",   "grace-period", "'61m' is not within 0ms..1h"},
    {"--listen.tls=1",       "listen.tls",   "'1' is not true or false"},
    {"--log.level=warn",     "log.level",    "'warn' is none of debug|info|error"},
    {"--log.level=",         "log.level",    "'' is none of debug|info|error"},
    {"--steps=wash,fold",    "steps",        "'fold' is none of wash|dry|iron"},
    {"--steps=wash|dry",     "steps",        "'wash|dry' is none of wash|dry|iron"},
    {"--steps=wash,",        "steps",        "'' is none of wash|dry|iron"},
    {"--data.roots=a,,b",    "data.roots",   "an item between commas is empty"},
    {"--data.roots=a,",      "data.roots",   "an item between commas is empty"},
    {"--name=a\nb",          "name",         "control character"},
    {"--name=\xff",          "name",         "not UTF-8"},
    {"--listen.publik=x",    "listen.publik", "command line: unknown setting 'listen.publik'; did you mean 'listen.public'?"},
    {"--nme=x",              "nme",          "did you mean 'name'?"},
    {"--name",               "",             "command line: '--name' lacks its value"},
    {"-name=x",              "",             "command line: '-name=x' is not an option"},
    {"--",                   "",             "command line: '--' is not an option"},
    {"stray",                "",             "command line: 'stray' is not an option"},
    {"--config=/no/such",    "config",       "cannot open '/no/such': No such file or directory"},
    {"--config=/",           "",             "cannot read '/': Is a directory"},
};

static const struct { struct str content; const char *at, *text; } file_mistakes[] = {
    {STR_INIT("name = x\n\nhttp.thread = 3\n"), "http.thread", "/test.conf:3: unknown setting 'http.thread'; did you mean 'http.threads'?"},
    {STR_INIT("name = x\nname = y\n"),          "name",        "/test.conf:2: 'name' is set before, in "},
    {STR_INIT("name = x\nname\n"),              "",            "/test.conf:2: 'name' is not of the form key = value"},
    {STR_INIT("[section]\n"),                   "",            "/test.conf:1: '[section]' is not of the form key = value"},
    {STR_INIT("http.threads = many\nname = x"), "http.threads", "/test.conf:1: http.threads: 'many' is not a whole number"},
    {STR_INIT("name = a\0b\n"),                 "name",        "control character"},
    {STR_INIT("= x\n"),                         "",            "/test.conf:1: unknown setting ''"},
    {STR_INIT(""),                              "name",        "'name' is required: who we are"},
};

/* clang-format on */

START_TEST(test_actions)
{
    char *words[3] = {word(options[_i].option), NULL, NULL};

    if (options[_i].action >= CONF_PRINT)
        words[1] = word("--name=x");
    ck_assert_msg(load(words, NULL) == 0, "%s: %s", options[_i].option, err.text);
    ck_assert_int_eq((int)action, (int)options[_i].action);
}

END_TEST

START_TEST(test_help_wins_over_other_actions)
{
    ck_assert_int_eq(load(WORDS(word("--check-config"), word("--help")), NULL), 0);
    ck_assert_int_eq((int)action, CONF_HELP);
}

END_TEST

START_TEST(test_numbers)
{
    int64_t got;

    ck_assert_msg(load(WORDS(word("--name=x"), word(numbers[_i].option)), NULL) == 0, "%s: %s",
                  numbers[_i].option, err.text);
    memcpy(&got, (const char *)&settings + numbers[_i].offset, sizeof(got));
    ck_assert_msg(got == numbers[_i].want, "%s: %lld", numbers[_i].option, (long long)got);
}

END_TEST

START_TEST(test_mistakes)
{
    ck_assert_int_eq(load(WORDS(word("--name=x"), word(mistakes[_i].option)), NULL), -E_CONFIG);
    ck_assert_str_eq(err.at, mistakes[_i].at);
    ck_assert_msg(strstr(err.text, mistakes[_i].text) != NULL, "%s: %s", mistakes[_i].option,
                  err.text);
}

END_TEST

START_TEST(test_file_mistakes)
{
    write_file(file_mistakes[_i].content);
    ck_assert_int_eq(load(WORDS(word("--config"), word(file)), NULL), -E_CONFIG);
    ck_assert_str_eq(err.at, file_mistakes[_i].at);
    ck_assert_msg(strstr(err.text, file_mistakes[_i].text) != NULL, "%s", err.text);
}

END_TEST

START_TEST(test_environment_mistakes)
{
    ck_assert_int_eq(load(NULL, WORDS(word("NARU_TEST_HTTP_THREAD=4"))), -E_CONFIG);
    ck_assert_str_eq(err.text, "environment NARU_TEST_HTTP_THREAD: unknown setting 'http.thread'; "
                               "did you mean 'http.threads'?");
    ck_assert_int_eq(load(NULL, WORDS(word("NARU_TEST_HTTP_THREADS=x"))), -E_CONFIG);
    ck_assert_str_eq(err.text,
                     "environment NARU_TEST_HTTP_THREADS: http.threads: 'x' is not a whole number");
}

END_TEST

START_TEST(test_file_that_is_too_long)
{
    static char text[(1 << 20) + 5000];

    memset(text, '\n', sizeof(text));
    write_file(str_n(text, sizeof(text)));
    ck_assert_int_eq(load(WORDS(word("--config"), word(file), word("--name=x")), NULL), -E_CONFIG);
    ck_assert_msg(strstr(err.text, "larger than") != NULL, "%s", err.text);
}

END_TEST

START_TEST(test_small_arena)
{
    arena_free(&arena);
    arena = arena_new(200);
    ck_assert_int_eq(load(NULL, NULL), -E_NO_MEMORY);
}

END_TEST

/* Prints with `print` and gives the text. */
static const char *printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    const char *copy;

    ck_assert_ptr_nonnull(out);
    print(out);
    fclose(out);
    copy = arena_cstr(arena, str_n(text, n));
    free(text);
    return copy;
}

static void print_settings(FILE *out)
{
    conf_print(&table, &settings, out);
}

static void print_help(FILE *out)
{
    conf_help(&table, out);
}

START_TEST(test_print_loads_again)
{
    const char *first;

    ck_assert_msg(load(WORDS(word("--name=a # b = c"), word("--data.roots=/a,/b"),
                             word("--cache.size=1536K"), word("--grace-period=1500ms"),
                             word("--log.level=error"), word("--listen.tls=off"),
                             word("--api.key=secret/file"), word("--steps=iron,wash")),
                       NULL) == 0,
                  "%s", err.text);
    first = printed(print_settings);
    ck_assert_ptr_nonnull(strstr(first, "\n# patience (0ms..1h)\ngrace-period = 1500ms\n"));
    ck_assert_ptr_nonnull(strstr(first, "\n# least level (debug|info|error)\nlog.level = error\n"));
    ck_assert_ptr_nonnull(strstr(first, "\ncache.size = 1536K\n"));
    ck_assert_ptr_nonnull(strstr(first, "\ndata.roots = /a, /b\n"));
    ck_assert_ptr_nonnull(strstr(first, "\n# what is done (wash|dry|iron)\nsteps = wash, iron\n"));

    write_file(str_c(first));
    ck_assert_int_eq(chdir("/"), 0);
    memset(&settings, 0, sizeof(settings));
    ck_assert_msg(load(WORDS(word("--config"), word(file)), NULL) == 0, "%s", err.text);
    ck_assert_str_eq(printed(print_settings), first);
}

END_TEST

START_TEST(test_help)
{
    const char *help = printed(print_help);

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        ck_assert_ptr_nonnull(strstr(help, arena_printf(arena, "  --%s ", keys[i].name).p));
    ck_assert_ptr_nonnull(strstr(help, "who we are [required]\n"));
    ck_assert_ptr_nonnull(strstr(help, "threads [default: 2; 1..64; on reload]\n"));
    ck_assert_ptr_nonnull(strstr(help, "folders [default: empty]\n"));
    ck_assert_ptr_nonnull(strstr(help, "NARU_TEST_"));
}

END_TEST

START_TEST(test_reload)
{
    char *argv[] = {(char[]){"naru-test"}, (char[]){"--config"}, file, NULL};
    struct conf_sources sources = {&table, sizeof(settings), 3, argv, NULL, NULL};
    AUTO(buf_done) struct buf restart = buf_init(1000);
    const void *fresh = NULL;
    const struct settings *now;

    write_file(STR("name = x\ndata.roots = a, b\n"));
    ck_assert_msg(load(WORDS(word("--config"), file), NULL) == 0, "%s", err.text);
    write_file(STR("name = y\ndata.roots = c\nhttp.threads = 5\nlog.level = error\n"));
    ck_assert_msg(conf_reload(&sources, &settings, &fresh, &restart, &err) == 0, "%s", err.text);
    now = fresh;
    ck_assert_int_eq(now->threads, 5);
    ck_assert_int_eq(now->level, 2);
    ck_assert(str_eq_c(now->name, "x"));
    ck_assert_uint_eq(now->roots.n, 2);
    ck_assert(str_eq_c(buf_str(&restart), "data.roots, name"));
    ck_assert_int_eq(settings.threads, 2);
    /* a mistake leaves what is in force */
    write_file(STR("name = x\nhttp.threads = 65\n"));
    ck_assert_int_eq(conf_reload(&sources, now, &fresh, &restart, &err), -(int)E_CONFIG);
    ck_assert_str_eq(err.at, "http.threads");
    ck_assert_ptr_eq(fresh, now);
    ck_assert_int_eq(now->threads, 5);
    conf_sources_done(&sources);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("conf");
    TCase *tc = tcase_create("conf");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, test_defaults);
    tcase_add_test(tc, test_later_source_wins);
    tcase_add_test(tc, test_paths_are_relative_to_their_source);
    tcase_add_loop_test(tc, test_actions, 0, (int)ARRAY_LEN(options));
    tcase_add_test(tc, test_help_wins_over_other_actions);
    tcase_add_loop_test(tc, test_numbers, 0, (int)ARRAY_LEN(numbers));
    tcase_add_loop_test(tc, test_mistakes, 0, (int)ARRAY_LEN(mistakes));
    tcase_add_loop_test(tc, test_file_mistakes, 0, (int)ARRAY_LEN(file_mistakes));
    tcase_add_test(tc, test_environment_mistakes);
    tcase_add_test(tc, test_file_that_is_too_long);
    tcase_add_test(tc, test_small_arena);
    tcase_add_test(tc, test_print_loads_again);
    tcase_add_test(tc, test_help);
    tcase_add_test(tc, test_reload);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int bad;

    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
