/*
 * lib/tlog/note.c - signed notes (C2SP signed-note)
 *
 * 1. A note is valid UTF-8 without control characters but the line feed.
 * 2. The last empty line parts text and signatures; the text includes the line feed before it.
 * 3. Each signature line is U+2014, space, key name, space, base64 of at least five bytes, line
 * feed.
 * 4. A key name is not empty and has neither white space nor '+'. Names of keys that we use are
 * visible ASCII.
 * 5. What is signed is the text, with its last line feed.
 */
#include "lib/tlog/note.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define ALG_ED25519    0x01
#define PUBLIC_LEN     32
#define DASH           "\xe2\x80\x94 " /* U+2014 and a space */
#define SIGNATURE_MAX  8192 /* decoded bytes; those of post-quantum keys have about 2,500 */
#define VERIFIER_BYTES 512

struct signature_line {
    struct str name;
    struct str base64;
};

static bool name_usable(struct str name)
{
    if (name.n == 0 || name.n > NOTE_NAME)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == '+')
            return false;
    return true;
}

static void key_id(struct str name, const uint8_t public_key[static PUBLIC_LEN],
                   uint8_t ret_id[static NOTE_ID_LEN])
{
    static const uint8_t mark[] = {'\n', ALG_ED25519};
    uint8_t hash[SHA256_LEN];
    struct hash *h = hash_begin();

    hash_add(h, name.p, name.n);
    hash_add(h, mark, sizeof(mark));
    hash_add(h, public_key, PUBLIC_LEN);
    hash_end(&h, hash);
    memcpy(ret_id, hash, NOTE_ID_LEN);
}

/* Name and key of a signer or verifier of ours. */
static int check_own(struct str name, const struct key *key, uint8_t ret_public[static PUBLIC_LEN],
                     struct err *err)
{
    if (!name_usable(name))
        return err_set(err, E_INVALID, "", "note: key name '%.*s'", STR_ARG(name));
    if (!key_ed25519_public(key, ret_public))
        return err_set(err, E_INVALID, "", "note: key '%.*s' is not Ed25519", STR_ARG(name));
    return 0;
}

int note_verifier_parse(struct str text, struct note_verifier *ret_verifier, struct err *err)
{
    AUTO(buf_done) struct buf bytes = buf_init(VERIFIER_BYTES);
    struct str rest = text;
    const struct str name = str_cut(&rest, '+');
    const struct str id = str_cut(&rest, '+'); /* base64 may have a '+' */
    struct note_verifier verifier = {.name = name};

    if (!name_usable(name) || !str_present(rest))
        return err_set(err, E_INVALID, "", "verifier key: expected name+id+key");
    if (!decode_base64(&bytes, rest) || bytes.n != 1 + PUBLIC_LEN || bytes.p[0] != ALG_ED25519)
        return err_set(err, E_INVALID, "", "verifier key '%.*s' is not Ed25519", STR_ARG(name));
    const uint8_t *public_key = (const uint8_t *)bytes.p + 1;

    key_id(name, public_key, verifier.id);
    if (key_from_ed25519(public_key, &verifier.key, err) < 0)
        return err_set(err, E_INVALID, "", "verifier key '%.*s' is not sound", STR_ARG(name));
    buf_reset(&bytes);
    encode_hex(&bytes, verifier.id, sizeof(verifier.id));
    if (!str_eq(buf_str(&bytes), id)) {
        note_verifier_done(&verifier);
        return err_set(err, E_INVALID, "", "verifier key '%.*s': id is not that of the key",
                       STR_ARG(name));
    }
    *ret_verifier = verifier;
    return 0;
}

void note_verifier_done(struct note_verifier *verifier)
{
    key_free(&verifier->key);
    *verifier = (struct note_verifier){0};
}

int note_verifier_format(struct str name, const struct key *key, struct buf *out, struct err *err)
{
    uint8_t text[1 + PUBLIC_LEN] = {ALG_ED25519};
    uint8_t id[NOTE_ID_LEN];

    if (check_own(name, key, text + 1, err) < 0)
        return err_ret(err);
    key_id(name, text + 1, id);
    buf_add_str(out, name);
    buf_add_char(out, '+');
    encode_hex(out, id, sizeof(id));
    buf_add_char(out, '+');
    encode_base64(out, text, sizeof(text));
    if (buf_failed(out))
        return err_set(err, E_LIMIT, "", "verifier key does not fit");
    return 0;
}

static int add_signature(struct buf *out, struct str text, struct str name, const struct key *key,
                         struct err *err)
{
    uint8_t public_key[PUBLIC_LEN];
    uint8_t bytes[NOTE_ID_LEN + SIGNATURE_LEN];

    if (check_own(name, key, public_key, err) < 0)
        return err_ret(err);
    key_id(name, public_key, bytes);
    if (key_sign(key, text.p, text.n, bytes + NOTE_ID_LEN, err) < 0)
        return err_prefix(err, "note");
    buf_add_c(out, DASH);
    buf_add_str(out, name);
    buf_add_char(out, ' ');
    encode_base64(out, bytes, sizeof(bytes));
    buf_add_char(out, '\n');
    if (buf_failed(out))
        return err_set(err, E_LIMIT, "", "note does not fit");
    return 0;
}

int note_sign(struct str text, struct str name, const struct key *key, struct buf *out,
              struct err *err)
{
    const size_t start = out->n;
    struct err cause = {0};
    struct str made;

    buf_add_str(out, text);
    buf_add_char(out, '\n');
    if (add_signature(out, text, name, key, err) < 0) {
        out->n = start;
        return err_ret(err);
    }
    /* what we sign must be what a reader takes for the text */
    if (note_text(str_from(buf_str(out), start), &made, &cause) < 0 || !str_eq(made, text)) {
        out->n = start;
        return err_set(err, E_INVALID, "", "note: text cannot be signed: %s", cause.text);
    }
    return 0;
}

int note_cosign(struct buf *note, struct str name, const struct key *key, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(NOTE_BYTES);
    const size_t start = note->n;
    struct str borrowed;

    if (note_text(buf_str(note), &borrowed, err) < 0)
        return err_ret(err);
    buf_add_str(&text, borrowed); /* the note may move while it grows */
    if (buf_failed(&text))
        return err_set(err, E_NO_MEMORY, "", "note");
    if (add_signature(note, buf_str(&text), name, key, err) < 0) {
        note->n = start;
        return err_ret(err);
    }
    return 0;
}

static int check_characters(struct str note, struct err *err)
{
    if (note.n > NOTE_BYTES)
        return err_set(err, E_SYNTAX, "", "note of %zu bytes, at most %zu are read", note.n,
                       NOTE_BYTES);
    if (!str_is_utf8(note))
        return err_set(err, E_SYNTAX, "", "note is not UTF-8");
    for (size_t i = 0; i < note.n; i++)
        if ((uint8_t)note.p[i] < ' ' && note.p[i] != '\n')
            return err_set(err, E_SYNTAX, "", "note has a control character at byte %zu", i);
    return 0;
}

/* Rule 2. */
static int cut_note(struct str note, struct str *ret_text, struct str *ret_lines, struct err *err)
{
    size_t at = note.n;

    while (at >= 2 && !(note.p[at - 1] == '\n' && note.p[at - 2] == '\n'))
        at--;
    if (at < 2)
        return err_set(err, E_SYNTAX, "", "note has no empty line before its signatures");
    if (at == note.n || note.p[note.n - 1] != '\n')
        return err_set(err, E_SYNTAX, "", "note has no signature, or its last line no end");
    *ret_text = (struct str){note.p, at - 1};
    *ret_lines = str_from(note, at);
    return 0;
}

/* Rules 3 and 4, but for the base64. */
static int parse_line(struct str line, struct signature_line *ret_line, struct err *err)
{
    struct str rest = str_from(line, strlen(DASH));

    if (!str_starts(line, STR(DASH)))
        return err_set(err, E_SYNTAX, "", "note: signature line lacks its dash");
    const struct str name = str_cut(&rest, ' ');

    if (name.n == 0 || name.n > NOTE_NAME || memchr(name.p, '+', name.n) != NULL || rest.n == 0)
        return err_set(err, E_SYNTAX, "", "note: signature line is not '— name base64'");
    *ret_line = (struct signature_line){.name = name, .base64 = rest};
    return 0;
}

/* Takes the next line and decodes its bytes into `ret_bytes`, which is emptied before. */
static int next_line(struct str *lines, struct signature_line *ret_line, struct buf *ret_bytes,
                     struct err *err)
{
    if (parse_line(str_cut(lines, '\n'), ret_line, err) < 0)
        return err_ret(err);
    buf_reset(ret_bytes);
    if (!decode_base64(ret_bytes, ret_line->base64) || ret_bytes->n <= NOTE_ID_LEN)
        return err_set(err, E_SYNTAX, "",
                       "note: signature of '%.*s' is not base64 of 5 or more bytes",
                       STR_ARG(ret_line->name));
    return 0;
}

int note_text(struct str note, struct str *ret_text, struct err *err)
{
    AUTO(buf_done) struct buf bytes = buf_init(SIGNATURE_MAX);
    struct signature_line line;
    struct str text, lines;

    if (check_characters(note, err) < 0 || cut_note(note, &text, &lines, err) < 0)
        return err_ret(err);
    for (size_t n = 0; lines.n > 0; n++) {
        if (n == NOTE_SIGNATURES)
            return err_set(err, E_SYNTAX, "", "note has more than %d signatures", NOTE_SIGNATURES);
        if (next_line(&lines, &line, &bytes, err) < 0)
            return err_ret(err);
    }
    *ret_text = text;
    return 0;
}

static bool is_of(const struct note_verifier *verifier, struct str name, const struct buf *bytes)
{
    return str_eq(verifier->name, name) && memcmp(verifier->id, bytes->p, NOTE_ID_LEN) == 0;
}

int note_verify(struct str note, const struct note_verifier *known, size_t n, struct str *ret_text,
                uint64_t *ret_signers, struct err *err)
{
    AUTO(buf_done) struct buf bytes = buf_init(SIGNATURE_MAX);
    struct signature_line line;
    struct str text, lines;
    uint64_t signers = 0;

    CHECK(n <= NOTE_VERIFIERS);
    if (note_text(note, &text, err) < 0 || cut_note(note, &text, &lines, err) < 0)
        return err_ret(err);
    while (lines.n > 0) {
        if (next_line(&lines, &line, &bytes, err) < 0)
            return err_ret(err);
        for (size_t i = 0; i < n; i++) {
            if (!is_of(&known[i], line.name, &bytes))
                continue;
            if (!key_verify(known[i].key, text.p, text.n, str_from(buf_str(&bytes), NOTE_ID_LEN)))
                return err_set(err, E_VERIFY, "", "note: signature of '%.*s' is not valid",
                               STR_ARG(line.name));
            signers |= UINT64_C(1) << i;
        }
    }
    if (signers == 0)
        return err_set(err, E_VERIFY, "", "note is not signed by a known key");
    *ret_text = text;
    *ret_signers = signers;
    return 0;
}
