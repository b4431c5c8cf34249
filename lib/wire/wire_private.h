/*
 * lib/wire/wire_private.h - reading canonical JSON from left to right, without a parser
 *
 * Each takes something off the front of *s, or leaves it somewhere in between and returns false.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

/* These bytes. */
bool wire__take(struct str *s, struct str expected);
/* A natural number of at most 18 digits. */
bool wire__take_number(struct str *s, int64_t *ret_value);
/* Printable ASCII without backslash up to the closing quote, which is taken too. */
bool wire__take_text(struct str *s, struct str *ret_text);
/* An instant in the one form in which time_format writes it, and the closing quote. */
bool wire__take_time(struct str *s, int64_t *ret_us);
