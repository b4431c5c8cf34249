/*
 * lib/crypto/secret.h - short secrets (API keys, passwords) in wiped memory
 *
 * Cannot be formatted or logged by accident: the bytes are reached through secret_reveal only, at
 * the place of use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct secret;

/* Copies text into locked memory (OpenSSL secure heap). NULL without memory. */
struct secret *secret_new(struct str text);
/*
 * Reads a file of at most 64 KiB; white space at the end is dropped. Errors: E_NOT_FOUND (no such
 * file), E_CONFIG (others may read it, empty).
 */
MUST_CHECK int secret_load(const char *path, struct secret **ret_secret, struct err *err);
/* Wipes and frees; sets *secret to NULL. */
void secret_free(struct secret **secret);
struct str secret_reveal(const struct secret *secret);
/* Constant time; compares hashes, so that lengths don't show either. */
bool secret_eq(const struct secret *secret, struct str candidate);

/* A new random token of 32 bytes as base64url (43 characters) with a readable prefix, e.g. "naru_".
 * Terminated. */
struct token_text {
    char c[64];
};
struct env;
struct token_text token_new(const struct env *env, const char *prefix);
