/*
 * lib/base/encode.h - base64url, base64, hex and percent encoding
 *
 * Encoders append to a buf (sticky error). Decoders are strict: no white space, no padding in
 * base64url (RFC 7515 §2), padding required in base64 (RFC 4648 §4), unused bits zero.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

void encode_base64url(struct buf *out, const void *p, size_t n);
void encode_base64(struct buf *out, const void *p, size_t n);
void encode_hex(struct buf *out, const void *p, size_t n);
/*
 * RFC 3986: everything but unreserved characters becomes %XX (upper case). For one path segment or
 * query value.
 */
void encode_percent(struct buf *out, struct str s);

/*
 * Append the decoded bytes; false (and nothing appended) if the text is malformed or the buf is or
 * becomes full.
 */
bool decode_base64url(struct buf *out, struct str s);
bool decode_base64(struct buf *out, struct str s);
bool decode_hex(struct buf *out, struct str s);
/* Decodes %XX once; refuses malformed escapes and %00. '+' stays '+'. */
bool decode_percent(struct buf *out, struct str s);
