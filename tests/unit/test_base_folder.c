/*
 * The files of a folder: which ones, in which order, and what cannot be read.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/folder.h"

#include "lib/base/banned.h"

static char folder[64];

static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(path_of(name), "w");

    ck_assert_ptr_nonnull(out);
    ck_assert_int_ge(fputs(text, out), 0);
    ck_assert_int_eq(fclose(out), 0);
}

static void setup(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/naru-folder-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    write_file("b.json", "2");
    write_file("a.json", "1");
    write_file("B.json", "0");
    write_file(".hidden.json", "hidden");
    write_file("notes.txt", "notes");
    ck_assert_int_eq(mkdir(path_of("folder.json"), 0700), 0);
    ck_assert_int_eq(mkfifo(path_of("pipe.json"), 0600), 0);
}

static void teardown(void)
{
    static const char *const names[] = {"a.json",       "b.json",    "B.json",
                                        ".hidden.json", "notes.txt", "pipe.json"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlink(path_of(names[i]));
    (void)rmdir(path_of("folder.json"));
    (void)rmdir(folder);
}

static int gather(void *cls, struct str name, struct str text, struct err *err)
{
    struct buf *out = cls;

    if (str_eq(text, STR("bad")))
        return err_tell(err, E_INVALID, "", "%.*s is bad", STR_ARG(name));
    buf_printf(out, "%.*s=%.*s ", STR_ARG(name), STR_ARG(text));
    return 0;
}

static int walk(size_t max, struct buf *out, struct err *err)
{
    return folder_each(folder, ".json", max, gather, out, err);
}

START_TEST(test_order)
{
    AUTO(buf_done) struct buf out = buf_init(1024);
    struct err err = {0};

    ck_assert_int_eq(walk(10, &out, &err), 0);
    ck_assert(str_eq(buf_str(&out), STR("B.json=0 a.json=1 b.json=2 ")));
}

END_TEST

START_TEST(test_limit)
{
    AUTO(buf_done) struct buf out = buf_init(1024);
    struct err err = {0};

    write_file("a.json", "1234567890");
    ck_assert_int_eq(walk(10, &out, &err), 0);
    write_file("a.json", "12345678901");
    ck_assert_int_lt(walk(10, &out, &err), 0);
    ck_assert_int_eq(err.code, E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.detail, "a.json' is larger than 10 bytes"));
}

END_TEST

START_TEST(test_refused)
{
    AUTO(buf_done) struct buf out = buf_init(1024);
    struct err err = {0};

    write_file("a.json", "bad");
    ck_assert_int_lt(walk(10, &out, &err), 0);
    ck_assert_int_eq(err.code, E_INVALID);
    ck_assert(str_eq(buf_str(&out), STR("B.json=0 ")));
    ck_assert_int_lt(folder_each("/nonexistent", ".json", 10, gather, &out, &err), 0);
    ck_assert_int_eq(err.code, E_CONFIG);
    ck_assert_int_lt(folder_each(path_of("notes.txt"), ".json", 10, gather, &out, &err), 0);
    ck_assert_int_lt(folder_each(NULL, ".json", 10, gather, &out, &err), 0);
}

END_TEST

int main(void)
{
    Suite *s = suite_create("base_folder");
    TCase *tc = tcase_create("folder");
    SRunner *sr = srunner_create(s);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_order);
    tcase_add_test(tc, test_limit);
    tcase_add_test(tc, test_refused);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
