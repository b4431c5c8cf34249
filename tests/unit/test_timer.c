/*
 * lib/sm/timer.h: in order of their instants, once, moved, cancelled, set from within.
 */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/sm/timer.h"

#include "lib/base/banned.h"

#define WAIT_US (20 * US_PER_S)

/* A wall clock that the test moves; the thread of the timers reads it too. */
static _Atomic int64_t wall_us;

static int64_t test_wall_us(void *self)
{
    (void)self;
    return atomic_load(&wall_us);
}

static int64_t test_mono_us(void *self)
{
    (void)self;
    return env_mono_us(&env_system);
}

static const struct env env = {.wall_us = test_wall_us, .mono_us = test_mono_us};

static struct timers *timers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char fired[4096]; /* "key@due " each; guarded by lock */
static atomic_int n_fired;

static void on_fire(void *app, struct str key, int64_t due_us)
{
    (void)app;
    (void)pthread_mutex_lock(&lock);
    size_t n = strlen(fired);
    (void)snprintf(fired + n, sizeof(fired) - n, "%.*s@%" PRId64 " ", STR_ARG(key), due_us);
    (void)pthread_mutex_unlock(&lock);
    if (str_eq_c(key, "again") && due_us < 103)
        timers_set(timers, key, due_us + 1);
    atomic_fetch_add(&n_fired, 1);
}

static void set_up(void)
{
    struct err err = {0};

    atomic_store(&wall_us, 100);
    atomic_store(&n_fired, 0);
    fired[0] = '\0';
    ck_assert_int_eq(timers_open(&env, NULL, on_fire, &timers, &err), 0);
}

static void tear_down(void)
{
    timers_close(&timers);
    ck_assert_ptr_null(timers);
    timers_close(&timers);
}

static void wait_fired(int n)
{
    int64_t end_us = env_mono_us(&env_system) + WAIT_US;

    while (atomic_load(&n_fired) < n) {
        ck_assert_msg(env_mono_us(&env_system) < end_us, "fired: %s", fired);
        (void)usleep(200);
    }
}

/* The clock jumps; a new first instant makes the thread look. */
static void move_clock(int64_t to_us)
{
    atomic_store(&wall_us, to_us);
    timers_set(timers, STR("now"), 0);
}

START_TEST(test_order)
{
    set_up();
    timers_set(timers, STR("c"), 1000300);
    timers_set(timers, STR("a"), 1000100);
    timers_set(timers, STR("b"), 1000200);
    timers_set(timers, STR("later"), 9999999999);
    ck_assert_int_eq(atomic_load(&n_fired), 0);
    move_clock(2000000);
    wait_fired(4);
    ck_assert_str_eq(fired, "now@0 a@1000100 b@1000200 c@1000300 ");
    tear_down();
    ck_assert_int_eq(atomic_load(&n_fired), 4);
}

END_TEST

START_TEST(test_past_is_now)
{
    set_up();
    timers_set(timers, STR("past"), 5);
    wait_fired(1);
    ck_assert_str_eq(fired, "past@5 ");
    tear_down();
}

END_TEST

START_TEST(test_moved_and_cancelled)
{
    set_up();
    timers_set(timers, STR("moved"), 1000100);
    timers_set(timers, STR("gone"), 1000150);
    timers_set(timers, STR("moved"), 1000200); /* later */
    timers_set(timers, STR("sooner"), 9999999999);
    timers_set(timers, STR("sooner"), 1000190);
    timers_cancel(timers, STR("gone"));
    timers_cancel(timers, STR("never there"));
    move_clock(2000000);
    wait_fired(3);
    ck_assert_str_eq(fired, "now@0 sooner@1000190 moved@1000200 ");
    tear_down();
}

END_TEST

START_TEST(test_real_wait)
{
    set_up();
    int64_t began_us = env_mono_us(&env_system);
    /* the test's clock stands, so a wait that looks at it again never ends: let it run on */
    timers_set(timers, STR("soon"), atomic_load(&wall_us) + 30000);
    while (env_mono_us(&env_system) < began_us + 5000)
        (void)usleep(500);
    ck_assert_int_eq(atomic_load(&n_fired), 0);
    atomic_fetch_add(&wall_us, 30000);
    wait_fired(1); /* nobody set anything: the thread woke by itself */
    tear_down();
}

END_TEST

START_TEST(test_set_from_within)
{
    set_up();
    atomic_store(&wall_us, 200);
    timers_set(timers, STR("again"), 101);
    wait_fired(3);
    ck_assert_str_eq(fired, "again@101 again@102 again@103 ");
    tear_down();
}

END_TEST

static void *set_many(void *arg)
{
    int base = *(const int *)arg;

    for (int i = 0; i < 500; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "t%d", base + i);
        timers_set(timers, str_c(key), i % 3 == 0 ? 9999999999 : 50);
        if (i % 3 == 0)
            timers_cancel(timers, str_c(key));
    }
    return NULL;
}

START_TEST(test_many_threads)
{
    pthread_t threads[4];
    int bases[4] = {0, 1000, 2000, 3000};

    set_up();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, set_many, &bases[i]), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    wait_fired(4 * 333);
    tear_down();
    ck_assert_int_eq(atomic_load(&n_fired), 4 * 333);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("timer");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_order);
    tcase_add_test(tc, test_past_is_now);
    tcase_add_test(tc, test_moved_and_cancelled);
    tcase_add_test(tc, test_real_wait);
    tcase_add_test(tc, test_set_from_within);
    tcase_add_test(tc, test_many_threads);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
