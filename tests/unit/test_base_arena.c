/*
 * tests/unit/test_base_arena.c - arenas: alignment, zeroing, the cap, reuse
 */
#include <check.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/cleanup.h"

#include "lib/base/banned.h"

START_TEST(test_memory_is_zero_aligned_and_distinct)
{
    AUTO(arena_free) struct arena *arena = arena_new(1 << 20);
    static const size_t sizes[] = {0, 1, 3, 16, 17, 1000, 5000, 40000, 2, 100000};
    unsigned char *previous = NULL;

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        unsigned char *p = arena_alloc(arena, sizes[i]);

        ck_assert_ptr_nonnull(p);
        ck_assert_ptr_ne(p, previous);
        ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t j = 0; j < sizes[i]; j++)
            ck_assert_uint_eq(p[j], 0);
        memset(p, 0xAA, sizes[i]);
        previous = p;
    }
    ck_assert(!arena_failed(arena));
}

END_TEST

START_TEST(test_cap_is_sticky_until_reset)
{
    AUTO(arena_free) struct arena *arena = arena_new(1024);

    ck_assert_ptr_nonnull(arena_alloc(arena, 1024));
    ck_assert_uint_eq(arena_used(arena), 1024);
    ck_assert(!arena_failed(arena));
    ck_assert_ptr_null(arena_alloc(arena, 1));
    ck_assert(arena_failed(arena));

    arena_reset(arena);
    ck_assert(!arena_failed(arena));
    ck_assert_uint_eq(arena_used(arena), 0);
    ck_assert_ptr_null(arena_alloc(arena, 1025));
    ck_assert(arena_failed(arena));
}

END_TEST

START_TEST(test_reset_gives_zeroed_memory_again)
{
    AUTO(arena_free) struct arena *arena = arena_new(1 << 20);

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++) {
            unsigned char *p = arena_alloc(arena, 300);

            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq(p[0] | p[299], 0);
            memset(p, 0xFF, 300);
        }
        arena_reset(arena);
    }
}

END_TEST

START_TEST(test_array_size_does_not_wrap)
{
    AUTO(arena_free) struct arena *arena = arena_new(SIZE_MAX);

    ck_assert_ptr_null(arena_alloc_array(arena, SIZE_MAX / 2 + 1, 2));
    ck_assert(arena_failed(arena));
    arena_reset(arena);
    ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX));
    ck_assert(arena_failed(arena));
    arena_reset(arena);
    ck_assert_ptr_nonnull(ARENA_ARRAY(arena, int64_t, 10));
    ck_assert(!arena_failed(arena));
}

END_TEST

START_TEST(test_copies_are_terminated_and_independent)
{
    AUTO(arena_free) struct arena *arena = arena_new(4096);
    char text[] = "offer-1";
    struct str copy = arena_str(arena, str_n(text, 5));
    const char *c = arena_cstr(arena, str_c(text));

    text[0] = 'X';
    ck_assert(str_eq_c(copy, "offer"));
    ck_assert_int_eq(copy.p[5], '\0');
    ck_assert_str_eq(c, "offer-1");
    ck_assert(!str_present(arena_str(arena, STR_NONE)));
    ck_assert(str_present(arena_str(arena, STR(""))));
    ck_assert_str_eq(arena_cstr(arena, STR_NONE), "");
    ck_assert(!arena_failed(arena));
}

END_TEST

START_TEST(test_copy_beyond_the_cap)
{
    AUTO(arena_free) struct arena *arena = arena_new(16);

    ck_assert(!str_present(arena_str(arena, STR("0123456789abcdef"))));
    ck_assert(arena_failed(arena));
    arena_reset(arena);
    ck_assert_ptr_null(arena_cstr(arena, STR("0123456789abcdef")));
    arena_reset(arena);
    ck_assert(!str_present(arena_printf(arena, "%s", "0123456789abcdef")));
    ck_assert(arena_failed(arena));
    arena_reset(arena);
    ck_assert(str_eq_c(arena_printf(arena, "%d-%s", 12, "x"), "12-x"));
    ck_assert(!arena_failed(arena));
}

END_TEST

START_TEST(test_free_accepts_null)
{
    struct arena *arena = NULL;

    arena_free(&arena);
    arena = arena_new(10);
    arena_free(&arena);
    ck_assert_ptr_null(arena);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base_arena");
    TCase *tc = tcase_create("base_arena");

    tcase_add_test(tc, test_memory_is_zero_aligned_and_distinct);
    tcase_add_test(tc, test_cap_is_sticky_until_reset);
    tcase_add_test(tc, test_reset_gives_zeroed_memory_again);
    tcase_add_test(tc, test_array_size_does_not_wrap);
    tcase_add_test(tc, test_copies_are_terminated_and_independent);
    tcase_add_test(tc, test_copy_beyond_the_cap);
    tcase_add_test(tc, test_free_accepts_null);
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
