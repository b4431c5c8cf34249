/*
 * tests/unit/test_journal.c - connector/dataplane/journal.h
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connector/dataplane/journal.h"

#include "lib/base/banned.h"

static char folder[64], path[96];

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/naru-journal-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/accesses", folder);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

static struct journal *open_journal(void)
{
    struct journal *journal = NULL;
    struct err err = {0};

    ck_assert_msg(journal_open(path, &journal, &err) == 0, "%s", err.text);
    return journal;
}

static struct journal_entry entry(unsigned n)
{
    struct journal_entry e = {
        .role = (int)(n % 2),
        .agreement = STR("urn:uuid:agreement"),
        .transfer = STR("urn:uuid:transfer"),
        .since_us = 1000 + n,
    };

    memcpy(e.event.b, &n, sizeof(n));
    return e;
}

static unsigned count_left(struct journal *journal)
{
    struct journal_entry left;
    unsigned n = 0;

    for (int slot = 0; slot < JOURNAL_SLOTS; slot++)
        n += journal_left(journal, slot, &left);
    return n;
}

/* What was taken and not freed is there again, also after a kill: nothing is written at the end. */
START_TEST(test_survives_kill)
{
    struct journal_entry left = {0};
    struct journal *journal;
    int status;
    const pid_t child = fork();

    if (child == 0) {
        struct err err = {0};
        struct journal_entry a = entry(6), b = entry(7);

        if (journal_open(path, &journal, &err) < 0 || journal_take(journal, &a) != 0 ||
            journal_take(journal, &b) != 1)
            _exit(1);
        journal_seen(journal, 1, 4711, 12, 5000);
        journal_free(journal, 0);
        kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));

    journal = open_journal();
    ck_assert(journal_any_left(journal));
    ck_assert_uint_eq(count_left(journal), 1);
    ck_assert(journal_left(journal, 1, &left));
    ck_assert_int_eq(left.role, 1);
    ck_assert(uuid_eq(left.event, entry(7).event));
    ck_assert(str_eq(left.agreement, entry(7).agreement));
    ck_assert(str_eq(left.transfer, entry(7).transfer));
    ck_assert_int_eq(left.since_us, 1007);
    ck_assert_int_eq(left.bytes, 4711);
    ck_assert_int_eq(left.rows, 12);
    ck_assert_int_eq(left.seen_us, 5000);
    journal_free(journal, 1);
    ck_assert(!journal_any_left(journal));
    ck_assert_uint_eq(count_left(journal), 0);
    journal_close(&journal);
}

END_TEST

START_TEST(test_full)
{
    struct journal *journal = open_journal();
    struct journal_entry e;

    for (unsigned n = 0; n < JOURNAL_SLOTS; n++) {
        e = entry(n);
        ck_assert_int_eq(journal_take(journal, &e), (int)n);
    }
    ck_assert_int_eq(journal_take(journal, &e), -1);
    journal_free(journal, 17);
    ck_assert_int_eq(journal_take(journal, &e), 17);
    journal_close(&journal);

    journal = open_journal();
    ck_assert_uint_eq(count_left(journal), JOURNAL_SLOTS);
    ck_assert_int_eq(journal_take(journal, &e), -1);
    journal_close(&journal);
}

END_TEST

START_TEST(test_long_texts)
{
    struct journal *journal = open_journal();
    struct journal_entry e = entry(1), left;
    char text[JOURNAL_TEXT + 1];

    memset(text, 'a', sizeof(text));
    e.agreement = str_n(text, JOURNAL_TEXT - e.transfer.n + 1);
    ck_assert_int_eq(journal_take(journal, &e), -1);
    e.agreement = str_n(text, sizeof(text));
    ck_assert_int_eq(journal_take(journal, &e), -1);
    e.agreement = str_n(text, JOURNAL_TEXT - e.transfer.n);
    ck_assert_int_eq(journal_take(journal, &e), 0);
    journal_close(&journal);

    journal = open_journal();
    ck_assert(journal_left(journal, 0, &left));
    ck_assert(str_eq(left.agreement, e.agreement));
    ck_assert(str_eq(left.transfer, e.transfer));
    journal_close(&journal);
}

END_TEST

/* A slot of which power was lost while it was written is no access, and can be used again. */
START_TEST(test_torn)
{
    struct journal *journal = open_journal();
    struct journal_entry e = entry(3), left;
    int fd;

    ck_assert_int_eq(journal_take(journal, &e), 0);
    journal_close(&journal);
    fd = open(path, O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, "X", 1, 512 + 100), 1); /* in the text */
    close(fd);

    journal = open_journal();
    ck_assert(journal_any_left(journal));
    ck_assert(!journal_left(journal, 0, &left));
    ck_assert(!journal_left(journal, 0, &left));
    ck_assert(!journal_any_left(journal));
    ck_assert_int_eq(journal_take(journal, &e), 0);
    journal_close(&journal);
}

END_TEST

START_TEST(test_refused)
{
    struct journal *journal = open_journal(), *second = NULL;
    struct err err = {0};
    struct stat st;
    int fd;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_ge(st.st_blocks * 512, st.st_size); /* no holes: a full disk cannot kill us */
    ck_assert_int_lt(journal_open(path, &second, &err), 0);
    ck_assert_int_eq(err.code, E_BUSY);
    journal_close(&journal);

    fd = open(path, O_WRONLY | O_TRUNC);
    ck_assert_int_eq(write(fd, "something else..", 16), 16);
    close(fd);
    err_clear(&err);
    ck_assert_int_lt(journal_open(path, &second, &err), 0);
    ck_assert_int_eq(err.code, E_CORRUPT);
    ck_assert_ptr_null(second);
    err_clear(&err);
    ck_assert_int_lt(journal_open("/nowhere/at/all", &second, &err), 0);
    ck_assert_int_eq(err.code, E_IO);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("journal");
    TCase *tc = tcase_create("journal");

    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, test_survives_kill);
    tcase_add_test(tc, test_full);
    tcase_add_test(tc, test_long_texts);
    tcase_add_test(tc, test_torn);
    tcase_add_test(tc, test_refused);
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
