/*
 * lib/sm/sm.h: every combination of state, message and sender, against a table of what is allowed; and the map and heap under
 * the timers and the outbox, against a plain list.
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/sm/sm.h"
#include "lib/sm/sm_private.h"

#include "lib/base/banned.h"

enum { S_NONE, S_ASKED, S_AGREED, S_ENDED, S__COUNT };

enum { M_ASK, M_AGREE, M_END, M__COUNT };

enum { BY_BUYER = 1, BY_SELLER = 2 };

static const char *const state_names[] = {"none", "asked", "agreed", "ended"};
static const char *const message_names[] = {"ask", "agree", "end"};
/* clang-format off */
static const struct sm_row rows[] = {
    {M_ASK,   BY_BUYER,             SM_IN(S_NONE),                   S_ASKED},
    {M_AGREE, BY_SELLER,            SM_IN(S_ASKED),                  S_AGREED},
    {M_END,   BY_BUYER | BY_SELLER, SM_IN(S_ASKED) | SM_IN(S_AGREED), S_ENDED},
};
/* clang-format on */
static const struct sm sm = {
    .name = "trade",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .state_names = state_names,
    .n_states = S__COUNT,
    .message_names = message_names,
    .n_messages = M__COUNT,
};

/* What each (state, message, sender) becomes; whatever is not here is refused. */
static const struct {
    int state, message;
    unsigned sender;
    int becomes;
} allowed[] = {
    {S_NONE,   M_ASK,   BY_BUYER,  S_ASKED },
    {S_ASKED,  M_AGREE, BY_SELLER, S_AGREED},
    {S_ASKED,  M_END,   BY_BUYER,  S_ENDED },
    {S_ASKED,  M_END,   BY_SELLER, S_ENDED },
    {S_AGREED, M_END,   BY_BUYER,  S_ENDED },
    {S_AGREED, M_END,   BY_SELLER, S_ENDED },
};

static int wanted(int state, int message, unsigned sender)
{
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        if (allowed[i].state == state && allowed[i].message == message &&
            allowed[i].sender == sender)
            return allowed[i].becomes;
    return -1;
}

START_TEST(test_all_combinations)
{
    int n = 0;

    for (int state = 0; state < S__COUNT; state++)
        for (int message = 0; message < M__COUNT; message++)
            for (unsigned sender = BY_BUYER; sender <= BY_SELLER; sender++, n++) {
                struct err err = {0};
                int want = wanted(state, message, sender), got = -1;
                int rc = sm_step(&sm, state, message, sender, &got, &err);
                ck_assert_msg(got == want, "%s + %s: %d", state_names[state],
                              message_names[message], got);
                ck_assert_int_eq(rc, want < 0 ? -E_PEER_STATE : 0);
                ck_assert_int_eq(err.code, want < 0 ? E_PEER_STATE : E_OK);
            }
    ck_assert_int_eq(n, 24);
}

END_TEST

START_TEST(test_refusal_names_both)
{
    struct err err = {0};
    int got = -1;

    ck_assert_int_eq(sm_step(&sm, S_ENDED, M_ASK, BY_BUYER, &got, &err), -E_PEER_STATE);
    ck_assert_str_eq(err.text, "trade: message 'ask' is not allowed in state 'ended'");
    ck_assert_str_eq(err.detail, err.text);
    ck_assert_int_eq(err_http(err.code), 400);
    ck_assert_int_eq(sm_step(&sm, S_ENDED, 77, BY_BUYER, &got, &err), -E_PEER_STATE);
    ck_assert_int_eq(sm_step(&sm, S_NONE, M_ASK, 0, &got, &err), -E_PEER_STATE);
    ck_assert_int_eq(got, -1);
}

END_TEST

/* -- against a plain list ------------------------------------------------------------------------------------------------ */

#define N_KEYS 500

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

START_TEST(test_map)
{
    static char names[N_KEYS][16];
    static bool there[N_KEYS];
    struct strmap map = {0};
    uint64_t seed = 7;
    size_t n = 0;

    ck_assert_ptr_null(strmap_find(&map, STR("x")));
    strmap_remove(&map, STR("x"));
    for (int i = 0; i < N_KEYS; i++)
        (void)snprintf(names[i], sizeof(names[i]), "k%d", i);
    for (int round = 0; round < 50000; round++) {
        size_t i = (size_t)next_random(&seed) % N_KEYS;
        struct str key = str_c(names[i]);
        ck_assert_msg((strmap_find(&map, key) == names[i]) == there[i], "round %d key %zu", round,
                      i);
        if (there[i])
            strmap_remove(&map, key);
        else
            ck_assert(strmap_add(&map, key, names[i]));
        n += there[i] ? (size_t)-1 : 1;
        there[i] = !there[i];
        ck_assert_uint_eq(map.n, n);
    }
    size_t pos = 0, seen = 0;
    while (strmap_next(&map, &pos) != NULL)
        seen++;
    ck_assert_uint_eq(seen, n);
    strmap_done(&map);
}

END_TEST

START_TEST(test_heap)
{
    static struct due dues[N_KEYS];
    struct heap heap = {0};
    uint64_t seed = 11;

    for (int round = 0; round < 50000; round++) {
        struct due *d = &dues[next_random(&seed) % N_KEYS];
        if (d->place != 0) {
            sm__heap_remove(&heap, d);
        } else {
            d->at_us = (int64_t)(next_random(&seed) % 1000);
            ck_assert(sm__heap_put(&heap, d));
        }
        const struct due *first = sm__heap_first(&heap);
        if (round % 64 != 0)
            continue;
        for (int i = 0; i < N_KEYS; i++)
            ck_assert(dues[i].place == 0 || first->at_us <= dues[i].at_us);
    }
    for (int64_t last = INT64_MIN; sm__heap_first(&heap) != NULL;) {
        struct due *first = sm__heap_first(&heap);
        ck_assert_int_ge(first->at_us, last);
        last = first->at_us;
        sm__heap_remove(&heap, first);
    }
    sm__heap_done(&heap);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sm");
    TCase *tc = tcase_create("all");

    tcase_add_test(tc, test_all_combinations);
    tcase_add_test(tc, test_refusal_names_both);
    tcase_add_test(tc, test_map);
    tcase_add_test(tc, test_heap);
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
