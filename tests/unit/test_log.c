/*
 * tests/unit/test_log.c - log lines and metrics
 */
#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

#define TS "2026-11-21T07:48:00Z"

static struct env_fake fake = {.wall_us = INT64_C(1795247280000000)};
static struct env env;
static int ends[2];

static void set_up_with(enum log_format format, enum log_level least)
{
    env = env_from_fake(&fake);
    ck_assert_int_eq(pipe(ends), 0);
    log_setup(ends[1], least, format, &env);
}

static void set_up_logfmt(void)
{
    set_up_with(LOG_LOGFMT, LOG_DEBUG);
}

static void set_up_json(void)
{
    set_up_with(LOG_JSON, LOG_DEBUG);
}

/* What was written since the last call; the write end is closed so that the read ends. */
static const char *written(void)
{
    static char text[1 << 16];
    size_t n = 0;
    ssize_t got;

    close(ends[1]);
    while (n < sizeof(text) - 1 && (got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(ends[0]);
    return text;
}

START_TEST(test_line)
{
    struct uuid id = {
        {1, 2}
    };

    log_info(NULL, "agreement stored", L_C("agreement", "urn:a:1"), L_I64("bytes", -5),
             L_BOOL("new", true), L_UUID("order", id), L_STR("empty", STR("")),
             L_STR("absent", STR_NONE));
    ck_assert_str_eq(
        written(), "ts=" TS " level=info msg=\"agreement stored\" agreement=urn:a:1 bytes=-5 "
                   "new=true order=01020000-0000-0000-0000-000000000000 empty=\"\" absent=\"\"\n");
}

END_TEST

START_TEST(test_context_is_inherited_outermost_first)
{
    struct log_ctx outer = {0}, inner = {.parent = &outer};

    log_ctx_add(&outer, L_C("request", "r1"));
    log_ctx_add(&inner, L_C("participant", "p1"));
    log_warning(&inner, "slow", L_I64("us", 7));
    ck_assert_str_eq(written(),
                     "ts=" TS " level=warning msg=slow request=r1 participant=p1 us=7\n");
}

END_TEST

START_TEST(test_seventh_context_field_is_dropped)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
    struct log_ctx lc = {0};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        log_ctx_add(&lc, L_I64(names[i], 1));
    log_info(&lc, "x");
    ck_assert_str_eq(written(), "ts=" TS " level=info msg=x a=1 b=1 c=1 d=1 e=1 f=1\n");
}

END_TEST

START_TEST(test_nobody_forges_a_line)
{
    log_info(NULL, "login", L_C("user", "eve\nts=0 level=alarm msg=\"x\""), L_C("b", "a b"),
             L_C("c", "a=b"), L_C("d", "\\"), L_C("e", "\x1b[2J\x7f\t"),
             L_C("f", "\xc2\x9b"
                      "31m"),
             L_C("g", "\xed\x95\x9c"), L_C("h", "\xff\xed\x95"));
    ck_assert_str_eq(written(), "ts=" TS " level=info msg=login "
                                "user=\"eve\\nts=0 level=alarm msg=\\\"x\\\"\" b=\"a b\" c=\"a=b\" "
                                "d=\"\\\\\" e=\"\\u001b[2J\\u007f\\u0009\" f=\"\\u009b31m\" "
                                "g=\"\xed\x95\x9c\" h=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n");
}

END_TEST

/* clang-format off */
static const struct { const char *name; bool secret; } names[] = {
    {"authorization", true}, {"token", true}, {"secret", true}, {"password", true}, {"api_key", true},
    {"cookie", true}, {"private_key", true}, {"Authorization", true}, {"access_token", true},
    {"set-cookie", true}, {"db.password", true}, {"tokens", false}, {"tokenised", false},
    {"notasecret", false}, {"key", false}, {"user", false},
};

/* clang-format on */

START_TEST(test_secret_names)
{
    const char *line;

    log_info(NULL, "m", L_C(names[_i].name, "hunter2"), L_I64(names[_i].name, 4711));
    line = written();
    ck_assert_msg((strstr(line, "hunter2") == NULL) == names[_i].secret, "%s", line);
    ck_assert_msg((strstr(line, "4711") == NULL) == names[_i].secret, "%s", line);
    ck_assert_msg((strstr(line, "=***") != NULL) == names[_i].secret, "%s", line);
}

END_TEST

START_TEST(test_level)
{
    enum log_level level = LOG_DEBUG;

    log_set_level(LOG_ERROR);
    log_warning(NULL, "below");
    log_error(NULL, "at");
    log_set_level(LOG_WARNING);
    log_warning(NULL, "now");
    ck_assert_str_eq(written(), "ts=" TS " level=error msg=at\nts=" TS " level=warning msg=now\n");
    ck_assert(log_level_parse(STR("alarm"), &level) && level == LOG_ALARM);
    ck_assert(!log_level_parse(STR("ALARM"), &level) && level == LOG_ALARM);
}

END_TEST

START_TEST(test_error_is_logged_at_its_level)
{
    struct err err = {0};
    const char *line;

    err_set(&err, E_CORRUPT, "/x", "row '%d'", 5);
    err_prefix(&err, "order");
    log_err(NULL, "request failed", &err);
    line = written();
    ck_assert_msg(strstr(line, "level=alarm msg=\"request failed\" code=corrupt at=/x "
                               "error=\"order: row '5'\" file=tests/unit/test_log.c line=") != NULL,
                  "%s", line);
}

END_TEST

START_TEST(test_errno_survives)
{
    errno = ENOENT;
    log_setup(-1, LOG_INFO, LOG_LOGFMT, &env);
    log_info(NULL, "to a closed file");
    ck_assert_int_eq(errno, ENOENT);
}

END_TEST

static const char *const logfmt_long[] = {"x", "\n", "\xed\x95\x9c", "\xff", "\""};

START_TEST(test_long_line_is_cut)
{
    static char value[20000];
    size_t n = strlen(logfmt_long[_i]);
    const char *line;

    for (size_t i = 0; i < sizeof(value) - 1; i++)
        value[i] = logfmt_long[_i][i % n];
    log_info(NULL, "m", L_C("a", value), L_C("b", "dropped"));
    line = written();
    ck_assert_uint_le(strlen(line), 8192);
    ck_assert_uint_gt(strlen(line), 8100);
    ck_assert(str_ends(str_c(line), STR("\" cut=true\n")));
    ck_assert(str_is_utf8(str_c(line)));
}

END_TEST

START_TEST(test_json_line)
{
    json_t *object;
    const char *line;

    log_info(NULL, "said \"hi\"", L_C("text", "a\n\x01\xff\xed\x95\x9c\\"), L_I64("n", INT64_MIN),
             L_BOOL("flag", false), L_C("token", "hunter2"));
    line = written();
    object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(object != NULL, "%s", line);
    ck_assert_str_eq(json_string_value(json_object_get(object, "ts")), TS);
    ck_assert_str_eq(json_string_value(json_object_get(object, "level")), "info");
    ck_assert_str_eq(json_string_value(json_object_get(object, "msg")), "said \"hi\"");
    ck_assert_str_eq(json_string_value(json_object_get(object, "text")),
                     "a\n\x01\xef\xbf\xbd\xed\x95\x9c\\");
    ck_assert(json_integer_value(json_object_get(object, "n")) == INT64_MIN);
    ck_assert(json_is_false(json_object_get(object, "flag")));
    ck_assert_str_eq(json_string_value(json_object_get(object, "token")), "***");
    json_decref(object);
}

END_TEST

START_TEST(test_long_json_line_is_still_json)
{
    static char value[20000];
    json_t *object;
    const char *line;

    memset(value, '\n', sizeof(value) - 1);
    log_info(NULL, "m", L_C("a", value), L_C("b", "dropped"));
    line = written();
    ck_assert_uint_le(strlen(line), 8192);
    object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(object != NULL, "%s", line);
    ck_assert(json_is_true(json_object_get(object, "cut")));
    ck_assert_ptr_null(json_object_get(object, "b"));
    json_decref(object);
}

END_TEST

/* Without log_setup; the fixture of this case prepares nothing. */
START_TEST(test_standard_error_is_the_first_sink)
{
    const char *text;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    log_debug(NULL, "too little");
    log_info(NULL, "started");
    close(STDERR_FILENO);
    text = written();
    ck_assert_msg(strstr(text, "level=info msg=started\n") != NULL, "%s", text);
    ck_assert_ptr_null(strstr(text, "too little"));
}

END_TEST

static void *log_many(void *p)
{
    for (int i = 0; i < 100; i++)
        log_info(NULL, "line", L_C("who", p),
                 L_C("pad", "0123456789012345678901234567890123456789"));
    return NULL;
}

START_TEST(test_lines_of_threads_do_not_mix)
{
    static char who[4][2] = {"a", "b", "c", "d"};
    pthread_t threads[ARRAY_LEN(who)];
    unsigned lines = 0;
    struct str rest, line;

    for (size_t i = 0; i < ARRAY_LEN(who); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_many, who[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(who); i++)
        pthread_join(threads[i], NULL);
    rest = str_c(written());
    while ((line = str_cut(&rest, '\n')).n > 0) {
        ck_assert(str_starts(line, STR("ts=" TS " level=info msg=line who=")));
        ck_assert(str_ends(line, STR("6789")));
        lines++;
    }
    ck_assert_uint_eq(lines, 400);
}

END_TEST

START_TEST(test_counters)
{
    AUTO(buf_done) struct buf out = buf_init(1 << 20);
    const char *text;

    COUNT(C_HTTP_REQUESTS);
    count_add(C_HTTP_REQUESTS, 4);
    gauge_set(C_DB_QUEUE, 10);
    gauge_add(C_DB_QUEUE, -3);
    ck_assert(!EXPECT(out.n == 1));
    histogram_add(H_HTTP_US, 0);
    histogram_add(H_HTTP_US, 64);
    histogram_add(H_HTTP_US, 65);
    histogram_add(H_HTTP_US, 67108864);
    histogram_add(H_HTTP_US, 67108865);
    ck_assert_int_eq(counter_get(C_HTTP_REQUESTS), 5);
    ck_assert_int_eq(counter_get(C_DB_QUEUE), 7);
    ck_assert_int_eq(counter_get(C_EXPECT_FAILED), 1);
    ck_assert_int_eq(counter_get(H_HTTP_US), 5);

    counters_render(&out, "naru-\"x\"");
    buf_add_char(&out, '\0');
    ck_assert(!buf_failed(&out));
    text = out.p;
    static const char *const wanted[] = {
        "# TYPE naru_http_requests counter\n# HELP naru_http_requests requests answered\n"
        "naru_http_requests_total{program=\"naru-\\\"x\\\"\"} 5\n",
        "# UNIT naru_http_sent_bytes bytes\n",
        "naru_db_queue{program=\"naru-\\\"x\\\"\"} 7\n",
        "naru_expect_failed_total{program=\"naru-\\\"x\\\"\"} 1\n",
        "# TYPE naru_http_duration_seconds histogram\n# UNIT naru_http_duration_seconds seconds\n",
        "naru_http_duration_seconds_bucket{program=\"naru-\\\"x\\\"\",le=\"0.000064\"} 2\n",
        ",le=\"0.000256\"} 3\n",
        ",le=\"16.777216\"} 3\n",
        ",le=\"67.108864\"} 4\n",
        ",le=\"+Inf\"} 5\n",
        "naru_http_duration_seconds_count{program=\"naru-\\\"x\\\"\"} 5\n",
        "naru_http_duration_seconds_sum{program=\"naru-\\\"x\\\"\"} 134.217858\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        ck_assert_msg(strstr(text, wanted[i]) != NULL, "lacks %s in\n%s", wanted[i], text);
    ck_assert(str_ends(str_c(text), STR("\n# EOF\n")));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("log");
    TCase *logfmt = tcase_create("logfmt");
    TCase *json = tcase_create("json");
    TCase *counters = tcase_create("counters");
    TCase *first = tcase_create("first");

    tcase_add_checked_fixture(logfmt, set_up_logfmt, NULL);
    tcase_add_test(logfmt, test_line);
    tcase_add_test(logfmt, test_context_is_inherited_outermost_first);
    tcase_add_test(logfmt, test_seventh_context_field_is_dropped);
    tcase_add_test(logfmt, test_nobody_forges_a_line);
    tcase_add_loop_test(logfmt, test_secret_names, 0, (int)ARRAY_LEN(names));
    tcase_add_test(logfmt, test_level);
    tcase_add_test(logfmt, test_error_is_logged_at_its_level);
    tcase_add_test(logfmt, test_errno_survives);
    tcase_add_loop_test(logfmt, test_long_line_is_cut, 0, (int)ARRAY_LEN(logfmt_long));
    tcase_add_test(logfmt, test_lines_of_threads_do_not_mix);
    suite_add_tcase(s, logfmt);
    tcase_add_checked_fixture(json, set_up_json, NULL);
    tcase_add_test(json, test_json_line);
    tcase_add_test(json, test_long_json_line_is_still_json);
    suite_add_tcase(s, json);
    tcase_add_test(counters, test_counters);
    suite_add_tcase(s, counters);
    tcase_add_test(first, test_standard_error_is_the_first_sink);
    suite_add_tcase(s, first);
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
