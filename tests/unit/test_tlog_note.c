/*
 * tests/unit/test_tlog_note.c - checkpoints and signed notes: round trip, several signers, tampering, malformed texts
 */
#include <check.h>

#include "lib/base/encode.h"
#include "lib/tlog/note.h"
#include "lib/tlog/tlog.h"

#include "lib/base/banned.h"

#define NAME "log.example/naru"

/* -- checkpoints -- */

#define ROOT64 "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

static const struct {
    const char *text, *origin, *extensions;
    uint64_t size;
} checkpoints[] = {
    {"example.com/behind-the-sofa\n20852163\n" ROOT64 "\n",                "example.com/behind-the-sofa", "",
     20852163                                                                                                                                },
    {"o\n0\n" ROOT64 "\n",                                                 "o",                           "",                   0            },
    {"o\n9223372036854775807\n" ROOT64 "\n",                               "o",                           "",                   TLOG_SIZE_MAX},
    {"log with spaces\n1\n" ROOT64 "\nextra 1\nextra 2\n",                 "log with spaces",             "extra 1\nextra 2\n",
     1                                                                                                                                       },
    {"o\n1\n" ROOT64 "\n1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n1\n2\n3\n4\n5\n6\n", "o",
     "1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n1\n2\n3\n4\n5\n6\n",                                                                        1            },
};

START_TEST(a_checkpoint_is_read_and_written)
{
    AUTO(buf_done) struct buf text = buf_init(1024);
    AUTO(buf_done) struct buf root = buf_init(1024);
    struct tlog_checkpoint checkpoint;
    struct err err = {0};

    ck_assert(decode_base64(&root, STR(ROOT64)));
    ck_assert_msg(tlog_checkpoint_parse(str_c(checkpoints[_i].text), &checkpoint, &err) == 0, "%s",
                  err.text);
    ck_assert(str_eq_c(checkpoint.origin, checkpoints[_i].origin));
    ck_assert_uint_eq(checkpoint.size, checkpoints[_i].size);
    ck_assert_mem_eq(checkpoint.root, root.p, TLOG_HASH_LEN);
    ck_assert(str_eq_c(checkpoint.extensions, checkpoints[_i].extensions));
    tlog_checkpoint_format(&checkpoint, &text);
    ck_assert(str_eq_c(buf_str(&text), checkpoints[_i].text));
}

END_TEST

static const char *const bad_checkpoints[] = {
    "",
    "\n",
    "o",
    "o\n",
    "o\n1\n",
    "o\n1\n" ROOT64,
    "\n1\n" ROOT64 "\n",
    "o\n\n" ROOT64 "\n",
    "o\n01\n" ROOT64 "\n",
    "o\n00\n" ROOT64 "\n",
    "o\n-1\n" ROOT64 "\n",
    "o\n+1\n" ROOT64 "\n",
    "o\n 1\n" ROOT64 "\n",
    "o\n1 \n" ROOT64 "\n",
    "o\n1\r\n" ROOT64 "\n",
    "o\n0x1\n" ROOT64 "\n",
    "o\n1e3\n" ROOT64 "\n",
    "o\n9223372036854775808\n" ROOT64 "\n",
    "o\n18446744073709551617\n" ROOT64 "\n",
    "o\n1\n\n",
    "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
    "o\n1\nCsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=\n",
    "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
    "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
    "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2Jh\n",
    "o\n1\n" ROOT64 " \n",
    "o\n1\n" ROOT64 "\n\n",
    "o\n1\n" ROOT64 "\nextra\n\n",
    "o\n1\n" ROOT64 "\n\nextra\n",
    "o\n1\n" ROOT64 "\nextra",
    "o\n1\n" ROOT64 "\n1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n1\n2\n3\n4\n5\n6\n7\n",
};

START_TEST(a_bad_checkpoint_is_refused)
{
    struct tlog_checkpoint checkpoint;
    struct err err = {0};

    ck_assert_msg(tlog_checkpoint_parse(str_c(bad_checkpoints[_i]), &checkpoint, &err) == -E_SYNTAX,
                  "'%s'", bad_checkpoints[_i]);
}

END_TEST

START_TEST(an_origin_has_a_largest_size)
{
    AUTO(buf_done) struct buf text = buf_init(1024);
    struct tlog_checkpoint checkpoint;
    struct err err = {0};

    for (size_t n = 255; n <= 256; n++) {
        buf_reset(&text);
        while (text.n < n)
            buf_add_char(&text, 'o');
        buf_add_c(&text, "\n1\n" ROOT64 "\n");
        ck_assert_int_eq(tlog_checkpoint_parse(buf_str(&text), &checkpoint, &err),
                         n == 255 ? 0 : -E_SYNTAX);
    }
}

END_TEST

/* -- keys: RFC 8032 §7.1 test 1; id by sha256sum, signature by the openssl command -- */

#define EXAMPLE_KEY  "AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
#define EXAMPLE_ID   "814a2008"
#define EXAMPLE      "log.example+" EXAMPLE_ID "+" EXAMPLE_KEY
#define EXAMPLE_TEXT "A note of one log,\nsigned outside this program.\n"
#define EXAMPLE_NOTE                                                                               \
    EXAMPLE_TEXT                                                                                   \
    "\n\xe2\x80\x94 log.example "                                                                  \
    "gUogCAjyXUkcDAPM/uTrgg9eZGCKa+zgqpHRQzIeUXl5HrecfIizES30798m4r0iVDUaZbI+cmwZwVoXlbQsRYQ9cQc=\n"

START_TEST(a_note_of_another_program_is_valid)
{
    AUTO(note_verifier_done) struct note_verifier other = {0};
    AUTO(buf_done) struct buf written = buf_init(1024);
    struct str text;
    uint64_t signers = 0;
    struct err err = {0};

    ck_assert_msg(note_verifier_parse(STR(EXAMPLE), &other, &err) == 0, "%s", err.text);
    ck_assert(str_eq_c(other.name, "log.example"));
    ck_assert_int_eq(note_verifier_format(other.name, other.key, &written, &err), 0);
    ck_assert(str_eq_c(buf_str(&written), EXAMPLE));
    ck_assert_msg(note_verify(STR(EXAMPLE_NOTE), &other, 1, &text, &signers, &err) == 0, "%s",
                  err.text);
    ck_assert(str_eq_c(text, EXAMPLE_TEXT));
    ck_assert_uint_eq(signers, 1);
}

END_TEST

static const char *const bad_verifiers[] = {
    "",
    "log.example",
    "log.example+" EXAMPLE_ID,
    "log.example+" EXAMPLE_ID "+",
    "+" EXAMPLE_ID "+" EXAMPLE_KEY,
    "log.exampld+" EXAMPLE_ID "+" EXAMPLE_KEY,
    "log example+" EXAMPLE_ID "+" EXAMPLE_KEY,
    "log.example+814a2000+" EXAMPLE_KEY,
    "log.example+814A2008+" EXAMPLE_KEY,
    "log.example+" EXAMPLE_ID "+AtdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
    "log.example+" EXAMPLE_ID "+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1E",
    EXAMPLE "AA==",
    EXAMPLE " ",
    "log.example+" EXAMPLE_ID "+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "log.example\n+" EXAMPLE_ID "+" EXAMPLE_KEY,
    "l\xc3\xb6g.example+" EXAMPLE_ID "+" EXAMPLE_KEY,
};

START_TEST(a_bad_verifier_key_is_refused)
{
    struct note_verifier verifier = {0};
    struct err err = {0};

    ck_assert_msg(note_verifier_parse(str_c(bad_verifiers[_i]), &verifier, &err) == -E_INVALID,
                  "'%s'", bad_verifiers[_i]);
    ck_assert_ptr_null(verifier.key);
}

END_TEST

/* -- signing -- */

struct signer {
    struct key *key;
    struct buf written;
    struct note_verifier verifier;
};

static void signer_done(struct signer *signer)
{
    key_free(&signer->key);
    note_verifier_done(&signer->verifier);
    buf_done(&signer->written);
}

static struct signer new_signer(const char *name)
{
    struct signer signer = {.written = buf_init(1024)};
    struct err err = {0};

    ck_assert_int_eq(key_generate(KEY_EDDSA, &signer.key, &err), 0);
    ck_assert_int_eq(note_verifier_format(str_c(name), signer.key, &signer.written, &err), 0);
    ck_assert_msg(note_verifier_parse(buf_str(&signer.written), &signer.verifier, &err) == 0, "%s",
                  err.text);
    return signer;
}

#define TEXT "log.example/naru\n3\n" ROOT64 "\n"

START_TEST(a_signed_checkpoint_is_verified)
{
    AUTO(signer_done) struct signer log = new_signer(NAME);
    AUTO(buf_done) struct buf note = buf_init(NOTE_BYTES);
    struct str text;
    uint64_t signers;
    struct err err = {0};

    ck_assert_msg(note_sign(STR(TEXT), STR(NAME), log.key, &note, &err) == 0, "%s", err.text);
    ck_assert(str_starts(buf_str(&note), STR(TEXT "\n\xe2\x80\x94 " NAME " ")));
    ck_assert_int_eq(note_verify(buf_str(&note), &log.verifier, 1, &text, &signers, &err), 0);
    ck_assert(str_eq_c(text, TEXT));
    ck_assert_uint_eq(signers, 1);
}

END_TEST

START_TEST(several_parties_sign_and_unknown_ones_do_not_matter)
{
    AUTO(signer_done) struct signer log = new_signer(NAME);
    AUTO(signer_done) struct signer steel = new_signer("steel.example");
    AUTO(signer_done) struct signer cars = new_signer("cars.example");
    AUTO(signer_done) struct signer steel_new = new_signer("steel.example");
    AUTO(buf_done) struct buf note = buf_init(NOTE_BYTES);
    struct str text;
    uint64_t signers;
    struct err err = {0};

    ck_assert_int_eq(note_sign(STR(TEXT), STR(NAME), log.key, &note, &err), 0);
    ck_assert_int_eq(note_cosign(&note, STR("steel.example"), steel.key, &err), 0);
    ck_assert_int_eq(note_cosign(&note, STR("cars.example"), cars.key, &err), 0);
    /* a witness of another algorithm: a longer signature */
    buf_add_c(&note, "\xe2\x80\x94 w.example AAAAAQIDBAUGBwgJ\n");

    const struct note_verifier all[] = {cars.verifier, steel_new.verifier, log.verifier,
                                        steel.verifier};

    ck_assert_msg(note_verify(buf_str(&note), all, 4, &text, &signers, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(signers, 1 | 4 | 8);
    ck_assert(str_eq_c(text, TEXT));
    ck_assert_int_eq(note_verify(buf_str(&note), all, 1, &text, &signers, &err), 0);
    ck_assert_uint_eq(signers, 1);
    /* the same name with a new key is another key */
    ck_assert_int_eq(note_verify(buf_str(&note), all + 1, 1, &text, &signers, &err), -E_VERIFY);
    ck_assert_int_eq(note_verify(buf_str(&note), all, 0, &text, &signers, &err), -E_VERIFY);
}

END_TEST

START_TEST(one_bad_signature_of_a_known_key_spoils_the_note)
{
    AUTO(signer_done) struct signer log = new_signer(NAME);
    AUTO(signer_done) struct signer witness = new_signer("w.example");
    AUTO(buf_done) struct buf note = buf_init(NOTE_BYTES);
    AUTO(buf_done) struct buf other = buf_init(NOTE_BYTES);
    struct str text;
    uint64_t signers;
    struct err err = {0};

    /* the witness signed another text; its line is put under this one */
    ck_assert_int_eq(note_sign(STR(TEXT), STR(NAME), log.key, &note, &err), 0);
    ck_assert_int_eq(note_sign(STR("another\n"), STR("w.example"), witness.key, &other, &err), 0);
    buf_add_str(&note, str_from(buf_str(&other), strlen("another\n\n")));

    const struct note_verifier both[] = {log.verifier, witness.verifier};

    ck_assert_int_eq(note_verify(buf_str(&note), both, 2, &text, &signers, &err), -E_VERIFY);
    ck_assert_int_eq(note_verify(buf_str(&note), both, 1, &text, &signers, &err), 0);
}

END_TEST

START_TEST(every_changed_bit_of_a_note_is_noticed)
{
    AUTO(signer_done) struct signer log = new_signer(NAME);
    AUTO(buf_done) struct buf note = buf_init(NOTE_BYTES);
    struct str text;
    uint64_t signers;
    struct err err = {0};

    ck_assert_int_eq(note_sign(STR(TEXT), STR(NAME), log.key, &note, &err), 0);
    for (size_t bit = 0; bit < 8 * note.n; bit++) {
        note.p[bit / 8] = (char)(note.p[bit / 8] ^ 1 << bit % 8);
        ck_assert_msg(note_verify(buf_str(&note), &log.verifier, 1, &text, &signers, &err) < 0,
                      "bit %zu", bit);
        note.p[bit / 8] = (char)(note.p[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t n = 0; n < note.n; n++)
        ck_assert_int_lt(
            note_verify((struct str){note.p, n}, &log.verifier, 1, &text, &signers, &err), 0);
    ck_assert_int_eq(note_verify(buf_str(&note), &log.verifier, 1, &text, &signers, &err), 0);
}

END_TEST

/* The last empty line ends the text, so a text may contain what looks like a signature. */
static const char *const odd_texts[] = {
    "\n",
    "a\n",
    "\na\n",
    "a\n\nb\n",
    "a\n\n",
    "a\n\n\n",
    "\xe2\x80\x94 " NAME " AAAAAQIDBAUGBwgJ\n",
    "a\n\n\xe2\x80\x94 " NAME " AAAAAQIDBAUGBwgJ\n",
    "\xed\x95\x9c\xea\xb8\x80\n",
};

START_TEST(odd_texts_are_signed)
{
    AUTO(signer_done) struct signer log = new_signer(NAME);
    AUTO(buf_done) struct buf note = buf_init(NOTE_BYTES);
    struct str text;
    uint64_t signers;
    struct err err = {0};

    ck_assert_int_eq(note_sign(str_c(odd_texts[_i]), STR(NAME), log.key, &note, &err), 0);
    ck_assert_int_eq(note_verify(buf_str(&note), &log.verifier, 1, &text, &signers, &err), 0);
    ck_assert(str_eq_c(text, odd_texts[_i]));
}

END_TEST

static const struct {
    const char *text, *name;
} unsignable[] = {
    {"",               NAME       },
    {"no line end",    NAME       },
    {"a\nb",           NAME       },
    {"a\tb\n",         NAME       },
    {"a\r\n",          NAME       },
    {"\x01\n",         NAME       },
    {"\xff\n",         NAME       },
    {"\xed\xa0\x80\n", NAME       },
    {"a\n",            ""         },
    {"a\n",            "a b"      },
    {"a\n",            "a+b"      },
    {"a\n",            "a\n"      },
    {"a\n",            "a\xc2\xa0"},
    {"a\n",            "a\x7f"    },
};

START_TEST(what_a_reader_would_refuse_is_not_signed)
{
    AUTO(signer_done) struct signer log = new_signer(NAME);
    AUTO(buf_done) struct buf note = buf_init(NOTE_BYTES);
    struct err err = {0};

    buf_add_c(&note, "before");
    ck_assert_msg(note_sign(str_c(unsignable[_i].text), str_c(unsignable[_i].name), log.key, &note,
                            &err) == -E_INVALID,
                  "'%s'", unsignable[_i].text);
    ck_assert(str_eq_c(buf_str(&note), "before"));
}

END_TEST

START_TEST(only_a_private_ed25519_key_signs)
{
    AUTO(signer_done) struct signer log = new_signer(NAME);
    AUTO(key_free) struct key *es = NULL;
    AUTO(buf_done) struct buf note = buf_init(NOTE_BYTES);
    struct err err = {0};

    ck_assert_int_eq(key_generate(KEY_ES256, &es, &err), 0);
    ck_assert_int_eq(note_sign(STR("a\n"), STR(NAME), es, &note, &err), -E_INVALID);
    ck_assert_int_eq(note_sign(STR("a\n"), STR(NAME), log.verifier.key, &note, &err), -E_CRYPTO);
    ck_assert_int_eq(note_verifier_format(STR(NAME), es, &note, &err), -E_INVALID);
    ck_assert_int_eq(note_cosign(&note, STR(NAME), log.key, &err), -E_SYNTAX);
    ck_assert_uint_eq(note.n, 0);
}

END_TEST

/* -- malformed notes: whoever signed, they are refused as such -- */

#define SIG "\xe2\x80\x94 a AAAAAQI=\n"

static const struct {
    const char *note;
    int rc; /* of note_text */
} forms[] = {
    {"t\n\n" SIG,                          0        },
    {"t\n\n" SIG SIG SIG,                  0        },
    {"\n\n" SIG,                           0        },
    {"t\n\n\xe2\x80\x94 a AAAAAQIDBAU=\n", 0        },
    {"",                                   -E_SYNTAX},
    {"\n",                                 -E_SYNTAX},
    {"\n\n",                               -E_SYNTAX},
    {"t\n",                                -E_SYNTAX},
    {"t\n\n",                              -E_SYNTAX},
    {"t\n" SIG,                            -E_SYNTAX},
    {SIG,                                  -E_SYNTAX},
    {"\n" SIG,                             -E_SYNTAX},
    {"t\n\n" SIG "\n",                     -E_SYNTAX},
    {"t\n\n" SIG "\n\n",                   -E_SYNTAX},
    {"t\n\n" SIG "x\n",                    -E_SYNTAX},
    {"t\n\n- a AAAAAQI=\n",                -E_SYNTAX},
    {"t\n\n\xe2\x80\x93 a AAAAAQI=\n",     -E_SYNTAX},
    {"t\n\n\xe2\x80\x94"
     "a AAAAAQI=\n",                  -E_SYNTAX},
    {"t\n\n\xe2\x80\x94  AAAAAQI=\n",      -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a\n",              -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a \n",             -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a  AAAAAQI=\n",    -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a AAAAAQI= \n",    -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a AAAAAQI\n",      -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a AAAAAQ==\n",     -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a AAAA_QI=\n",     -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a+b AAAAAQI=\n",   -E_SYNTAX},
    {"t\n\n\xe2\x80\x94 a AAAAAQI=",       -E_SYNTAX},
    {"t\r\n\r\n" SIG,                      -E_SYNTAX},
    {"t\x01\n\n" SIG,                      -E_SYNTAX},
    {"t\xff\n\n" SIG,                      -E_SYNTAX},
};

START_TEST(forms_of_notes)
{
    struct str text;
    struct err err = {0};

    ck_assert_msg(note_text(str_c(forms[_i].note), &text, &err) == forms[_i].rc, "'%s': %s",
                  forms[_i].note, err.text);
}

END_TEST

START_TEST(a_note_has_limits)
{
    AUTO(buf_done) struct buf note = buf_init(2 * NOTE_BYTES);
    struct str text;
    struct err err = {0};

    buf_add_c(&note, "t\n\n");
    for (int i = 0; i < NOTE_SIGNATURES; i++)
        buf_add_c(&note, SIG);
    ck_assert_int_eq(note_text(buf_str(&note), &text, &err), 0);
    buf_add_c(&note, SIG);
    ck_assert_int_eq(note_text(buf_str(&note), &text, &err), -E_SYNTAX);

    buf_reset(&note);
    while (note.n < NOTE_BYTES - strlen("\n\n" SIG))
        buf_add_char(&note, 't');
    buf_add_c(&note, "\n\n" SIG);
    ck_assert_uint_eq(note.n, NOTE_BYTES);
    ck_assert_int_eq(note_text(buf_str(&note), &text, &err), 0);
    buf_reset(&note);
    while (note.n < NOTE_BYTES - strlen("\n\n" SIG) + 1)
        buf_add_char(&note, 't');
    buf_add_c(&note, "\n\n" SIG);
    ck_assert_int_eq(note_text(buf_str(&note), &text, &err), -E_SYNTAX);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tlog_note");
    TCase *tc = tcase_create("checkpoints and notes");

    tcase_add_loop_test(tc, a_checkpoint_is_read_and_written, 0, ARRAY_LEN(checkpoints));
    tcase_add_loop_test(tc, a_bad_checkpoint_is_refused, 0, ARRAY_LEN(bad_checkpoints));
    tcase_add_test(tc, an_origin_has_a_largest_size);
    tcase_add_test(tc, a_note_of_another_program_is_valid);
    tcase_add_loop_test(tc, a_bad_verifier_key_is_refused, 0, ARRAY_LEN(bad_verifiers));
    tcase_add_test(tc, a_signed_checkpoint_is_verified);
    tcase_add_test(tc, several_parties_sign_and_unknown_ones_do_not_matter);
    tcase_add_test(tc, one_bad_signature_of_a_known_key_spoils_the_note);
    tcase_add_test(tc, every_changed_bit_of_a_note_is_noticed);
    tcase_add_loop_test(tc, odd_texts_are_signed, 0, ARRAY_LEN(odd_texts));
    tcase_add_loop_test(tc, what_a_reader_would_refuse_is_not_signed, 0, ARRAY_LEN(unsignable));
    tcase_add_test(tc, only_a_private_ed25519_key_signs);
    tcase_add_loop_test(tc, forms_of_notes, 0, ARRAY_LEN(forms));
    tcase_add_test(tc, a_note_has_limits);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    const int bad = srunner_ntests_failed(sr);

    srunner_free(sr);
    return bad != 0;
}
