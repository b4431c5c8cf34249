/*
 * tests/fuzz/fuzz_tlog.c - any bytes: as a note, checkpoint, tile path, bundle and proof
 */
#include "lib/base/check.h"
#include "lib/tlog/note.h"
#include "lib/tlog/tlog.h"

#include "lib/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What is accepted has one form only: writing it gives the same bytes. */
static void as_checkpoint(struct str text)
{
    AUTO(buf_done) struct buf again = buf_init(MIB(1));
    struct tlog_checkpoint checkpoint;
    struct err err = {0};

    if (tlog_checkpoint_parse(text, &checkpoint, &err) < 0)
        return;
    tlog_checkpoint_format(&checkpoint, &again);
    CHECK(str_eq(buf_str(&again), text));
}

static void as_path(struct str text)
{
    AUTO(buf_done) struct buf again = buf_init(KIB(1));
    struct tlog_path path;

    if (!tlog_path_parse(text, &path))
        return;
    tlog_path_format(path, &again);
    CHECK(str_eq(buf_str(&again), text));
}

static void as_bundle(struct str text)
{
    AUTO(buf_done) struct buf again = buf_init(MIB(32));
    struct str entries[TLOG_TILE_WIDTH];
    struct err err = {0};
    size_t n;

    if (tlog_bundle_decode(text, entries, &n, &err) < 0)
        return;
    CHECK(n >= 1 && n <= TLOG_TILE_WIDTH);
    for (size_t i = 0; i < n; i++)
        CHECK(tlog_bundle_add(&again, entries[i], &err) == 0);
    CHECK(str_eq(buf_str(&again), text));
}

static void as_note(struct str text)
{
    AUTO(note_verifier_done) struct note_verifier verifier = {0};
    struct str signed_text;
    uint64_t signers;
    struct err err = {0};

    if (note_text(text, &signed_text, &err) == 0) {
        CHECK(signed_text.n < text.n && str_ends(signed_text, STR("\n")));
        CHECK(note_verify(text, &verifier, 0, &signed_text, &signers, &err) == -E_VERIFY);
    }
    err_clear(&err);
    IGNORE(note_verifier_parse(text, &verifier, &err), "any outcome is right");
}

/* Two numbers and hashes: nobody can find a proof of a root that is all zero. */
static void as_proof(const uint8_t *data, size_t n)
{
    static const uint8_t zero[TLOG_HASH_LEN];
    static const uint8_t leaf[TLOG_HASH_LEN] = {1};
    struct tlog_proof proof = {0};
    uint64_t numbers[2];
    struct err err = {0};

    if (n < sizeof(numbers))
        return;
    memcpy(numbers, data, sizeof(numbers));
    n -= sizeof(numbers);
    proof.n = n / TLOG_HASH_LEN < TLOG_PROOF_MAX ? n / TLOG_HASH_LEN : TLOG_PROOF_MAX;
    memcpy(proof.hash, data + sizeof(numbers), proof.n * TLOG_HASH_LEN);
    CHECK(tlog_inclusion_verify(numbers[0], numbers[1], leaf, zero, &proof, &err) == -E_VERIFY);
    CHECK(tlog_consistency_verify(numbers[0], leaf, numbers[1], zero, &proof, &err) == -E_VERIFY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct str text = str_n(data, n);

    as_checkpoint(text);
    as_path(text);
    as_bundle(text);
    as_note(text);
    as_proof(data, n);
    return 0;
}
