/*
 * lib/tlog/note.h - signed notes (C2SP signed-note) with Ed25519 signatures
 *
 * A note is a text, an empty line, and lines "— <name> <base64(key id ‖ signature)>". The key id is
 * the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). A verifier key is written
 * "<name>+<key id in hex>+<base64(0x01 ‖ public key)>". Signatures of unknown keys are ignored, so
 * that another party or another algorithm can be added later; a signature that claims to be of a
 * known key and is not valid makes the whole note invalid.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/crypto/key.h"

#define NOTE_BYTES      KIB(64)
#define NOTE_SIGNATURES 64  /* lines in one note */
#define NOTE_NAME       255 /* bytes of a key's name */
#define NOTE_VERIFIERS  64
#define NOTE_ID_LEN     4

/* Whose signatures count. */
struct note_verifier {
    struct str name; /* borrowed */
    uint8_t id[NOTE_ID_LEN];
    struct key *key; /* owned */
};

/* From the written form; name borrows from `text`. Errors: E_INVALID. */
MUST_CHECK int note_verifier_parse(struct str text, struct note_verifier *ret_verifier,
                                   struct err *err);
void note_verifier_done(struct note_verifier *verifier);
/* Appends the written form. Errors: E_INVALID (name, or not an Ed25519 key), E_LIMIT. */
MUST_CHECK int note_verifier_format(struct str name, const struct key *key, struct buf *out,
                                    struct err *err);

/*
 * Appends text, empty line and the signature line to out. The text must be as note_verify accepts
 * it: UTF-8 without control characters, ending in a line end.
 * Errors: E_INVALID, E_LIMIT, E_CRYPTO; out is then as before.
 */
MUST_CHECK int note_sign(struct str text, struct str name, const struct key *key, struct buf *out,
                         struct err *err);
/* Appends another signature line to the note that the buffer holds. Errors: also E_SYNTAX. */
MUST_CHECK int note_cosign(struct buf *note, struct str name, const struct key *key,
                           struct err *err);

/* The text of a note, well formed or refused; no signature is checked. Errors: E_SYNTAX. */
MUST_CHECK int note_text(struct str note, struct str *ret_text, struct err *err);

/*
 * Checks a note against n known keys (at most NOTE_VERIFIERS). Bit i of *ret_signers is set if the
 * key known[i] signed; at least one has. *ret_text borrows from the note.
 * Errors: E_SYNTAX, E_VERIFY (a known key's signature is not valid, or no known key signed).
 */
MUST_CHECK int note_verify(struct str note, const struct note_verifier *known, size_t n,
                           struct str *ret_text, uint64_t *ret_signers, struct err *err);
