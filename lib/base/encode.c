/*
 * lib/base/encode.c - base64url (RFC 7515 §2), base64 (RFC 4648 §4), hex, percent encoding (RFC
 * 3986 §2.1)
 *
 * Decoders work into room that they reserve first and take over only when the whole text was good.
 */
#include "lib/base/encode.h"

#include "lib/base/banned.h"

static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char alphabet_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode_64(struct buf *out, const uint8_t *in, size_t n, const char *alphabet, bool pad)
{
    size_t len = pad ? (n + 2) / 3 * 4 : n / 3 * 4 + (n % 3 * 8 + 5) / 6;
    char *at = n <= SIZE_MAX / 4 ? buf_room(out, len) : buf_room(out, SIZE_MAX);

    if (at == NULL)
        return;
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        uint32_t group = (uint32_t)in[i] << 16;

        if (have > 1)
            group |= (uint32_t)in[i + 1] << 8;
        if (have > 2)
            group |= in[i + 2];
        for (size_t j = 0; j < 4; j++) {
            if (j <= have)
                *at++ = alphabet[group >> (18 - 6 * j) & 63];
            else if (pad)
                *at++ = '=';
        }
    }
    buf_grown(out, len);
}

void encode_base64url(struct buf *out, const void *p, size_t n)
{
    encode_64(out, p, n, alphabet_url, /* pad= */ false);
}

void encode_base64(struct buf *out, const void *p, size_t n)
{
    encode_64(out, p, n, alphabet_std, /* pad= */ true);
}

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";

void encode_hex(struct buf *out, const void *p, size_t n)
{
    const uint8_t *in = p;

    for (size_t i = 0; i < n; i++)
        buf_add(out, (const char[]){hex_lower[in[i] >> 4], hex_lower[in[i] & 15]}, 2);
}

/* RFC 3986 §2.3 */
static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void encode_percent(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (is_unreserved(c))
            buf_add_char(out, s.p[i]);
        else
            buf_add(out, (const char[]){'%', hex_upper[c >> 4], hex_upper[c & 15]}, 3);
    }
}

/* 0..63, or -1; `c62` and `c63` are the alphabet's last two. */
static int value_64(char c, char c62, char c63)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == c62)
        return 62;
    return c == c63 ? 63 : -1;
}

/* Decodes text without padding. */
static bool decode_64(struct buf *out, struct str s, char c62, char c63)
{
    size_t len = s.n / 4 * 3 + s.n % 4 * 6 / 8;
    uint32_t bits = 0;
    unsigned have = 0;
    char *at;

    if (s.n % 4 == 1)
        return false;
    at = buf_room(out, len);
    if (at == NULL)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int value = value_64(s.p[i], c62, c63);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *at++ = (char)(bits >> have & 0xff);
            bits &= (UINT32_C(1) << have) - 1;
        }
    }
    if (bits != 0)
        return false; /* RFC 4648 §3.5: unused bits must be zero, or one value would have several
                         texts */
    buf_grown(out, len);
    return true;
}

bool decode_base64url(struct buf *out, struct str s)
{
    return decode_64(out, s, '-', '_');
}

bool decode_base64(struct buf *out, struct str s)
{
    if (s.n % 4 != 0)
        return false;
    for (int pads = 0; pads < 2 && str_ends(s, STR("=")); pads++)
        s.n--;
    return decode_64(out, s, '+', '/');
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte written as two hex digits at p, or -1. */
static int hex_byte(const char *p)
{
    int high = hex_value(p[0]);
    int low = hex_value(p[1]);

    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool decode_hex(struct buf *out, struct str s)
{
    char *at;

    if (s.n % 2 != 0)
        return false;
    at = buf_room(out, s.n / 2);
    if (at == NULL)
        return false;
    for (size_t i = 0; i < s.n; i += 2) {
        int byte = hex_byte(s.p + i);

        if (byte < 0)
            return false;
        *at++ = (char)byte;
    }
    buf_grown(out, s.n / 2);
    return true;
}

bool decode_percent(struct buf *out, struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++, n++) {
        if (s.p[i] != '%')
            continue;
        if (s.n - i < 3 || hex_byte(s.p + i + 1) <= 0)
            return false;
        i += 2;
    }
    char *at = buf_room(out, n);
    if (at == NULL)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool escaped = s.p[i] == '%';

        *at++ = escaped ? (char)hex_byte(s.p + i + 1) : s.p[i];
        i += escaped ? 2 : 0;
    }
    buf_grown(out, n);
    return true;
}
