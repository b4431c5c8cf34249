/*
 * tests/unit/test_base_uuid.c - identifiers and the environment that they come from
 */
#include <check.h>
#include <pthread.h>

#include "lib/base/cleanup.h"
#include "lib/base/env.h"
#include "lib/base/uuid.h"

#include "lib/base/banned.h"

#define MS INT64_C(1795247280123)

START_TEST(test_new_has_time_version_variant)
{
    struct env_fake fake = {.wall_us = MS * 1000 + 999, .seed = 1};
    struct env env = env_from_fake(&fake);
    struct uuid id = uuid_new(&env);

    ck_assert_int_eq(uuid_v7_ms(id), MS);
    ck_assert_int_eq(uuid_version(id), 7);
    ck_assert_uint_eq(id.b[8] >> 6, 2);
    ck_assert(!uuid_is_zero(id));
    ck_assert(uuid_is_zero((struct uuid){{0}}));
}

END_TEST

START_TEST(test_ids_of_one_millisecond_ascend)
{
    struct env_fake fake = {.wall_us = MS * 1000, .seed = 42};
    struct env env = env_from_fake(&fake);
    struct uuid previous = uuid_new(&env);

    for (int i = 0; i < 20000; i++) {
        struct uuid id = uuid_new(&env);

        if (i % 1000 == 0)
            fake.wall_us += 1000;
        ck_assert_int_gt(memcmp(id.b, previous.b, sizeof(id.b)), 0);
        ck_assert_int_eq(uuid_version(id), 7);
        ck_assert_uint_eq(id.b[8] >> 6, 2);
        previous = id;
    }
}

END_TEST

START_TEST(test_real_environment)
{
    struct uuid a = uuid_new(&env_system), b = uuid_new(&env_system);
    int64_t before = env_mono_us(&env_system);
    unsigned char one[64] = {0}, two[64] = {0};

    ck_assert(!uuid_eq(a, b));
    ck_assert(uuid_eq(a, a));
    ck_assert_int_ge(uuid_v7_ms(a), INT64_C(1600000000000));
    ck_assert_int_ge(env_mono_us(&env_system), before);
    env_random(&env_system, one, sizeof(one));
    env_random(&env_system, two, sizeof(two));
    ck_assert_int_ne(memcmp(one, two, sizeof(one)), 0);
}

END_TEST

START_TEST(test_fake_environment_repeats)
{
    struct env_fake one = {.wall_us = 5, .mono_us = 6, .seed = 9}, two = one;
    struct env a = env_from_fake(&one), b = env_from_fake(&two);
    struct uuid first = uuid_new(&a);

    ck_assert_int_eq(env_wall_us(&a), 5);
    ck_assert_int_eq(env_mono_us(&a), 6);
    one.mono_us = 7;
    ck_assert_int_eq(env_mono_us(&a), 7);
    ck_assert(uuid_eq(first, uuid_new(&b)));
}

END_TEST

struct batch {
    struct uuid ids[2000];
};

static void *make_ids(void *p)
{
    struct batch *batch = p;

    for (size_t i = 0; i < ARRAY_LEN(batch->ids); i++)
        batch->ids[i] = uuid_new(&env_system);
    return NULL;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

START_TEST(test_threads_make_different_ids)
{
    static struct batch batches[4];
    pthread_t threads[ARRAY_LEN(batches)];
    struct uuid *all = batches[0].ids;
    size_t n = ARRAY_LEN(batches) * ARRAY_LEN(batches[0].ids);

    for (size_t i = 0; i < ARRAY_LEN(batches); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_ids, &batches[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(batches); i++)
        pthread_join(threads[i], NULL);
    qsort(all, n, sizeof(*all), by_bytes);
    for (size_t i = 1; i < n; i++)
        ck_assert(!uuid_eq(all[i - 1], all[i]));
}

END_TEST

START_TEST(test_from_bytes)
{
    static const uint8_t ones[16] = {255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255};

    ck_assert_str_eq(uuid_format(uuid_v7_from(0x017f22e279b0, ones)).c,
                     "017f22e2-79b0-7fff-bfff-ffffffffffff");
    ck_assert_str_eq(uuid_format(uuid_v8_from(ones)).c, "ffffffff-ffff-8fff-bfff-ffffffffffff");
    ck_assert_int_eq(uuid_version(uuid_v8_from(ones)), 8);
}

END_TEST

START_TEST(test_text_both_ways)
{
    static const char text[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    struct uuid id, upper;

    ck_assert(uuid_parse(str_c(text), &id));
    ck_assert_str_eq(uuid_format(id).c, text);
    ck_assert(uuid_parse(STR("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &upper));
    ck_assert(uuid_eq(id, upper));
}

END_TEST

static const char *const not_ids[] = {
    "",
    "017f22e279b07cc398c4dc0c0c07398f",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
    "017f22e2079b0-7cc3-98c4-dc0c0c07398f",
    "017f22e-279b0-7cc3-98c4-dc0c0c07398f",
    "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
    " 17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    "------------------------------------",
};

START_TEST(test_refused_text)
{
    struct uuid id = {{1}};

    ck_assert_msg(!uuid_parse(str_c(not_ids[_i]), &id), "'%s'", not_ids[_i]);
    ck_assert(uuid_eq(id, (struct uuid){{1}}));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base_uuid");
    TCase *tc = tcase_create("base_uuid");

    tcase_add_test(tc, test_new_has_time_version_variant);
    tcase_add_test(tc, test_ids_of_one_millisecond_ascend);
    tcase_add_test(tc, test_real_environment);
    tcase_add_test(tc, test_fake_environment_repeats);
    tcase_add_test(tc, test_threads_make_different_ids);
    tcase_add_test(tc, test_from_bytes);
    tcase_add_test(tc, test_text_both_ways);
    tcase_add_loop_test(tc, test_refused_text, 0, (int)ARRAY_LEN(not_ids));
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
