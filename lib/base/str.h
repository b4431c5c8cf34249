/*
 * lib/base/str.h - text by pointer and length
 *
 * A struct str borrows its bytes and is not terminated; {NULL, 0} is the absent text, which differs
 * from the empty one only for str_present(). Where a C library wants a terminated string,
 * arena_cstr() makes one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
/* a literal as a member of a static table, where ISO C wants no compound literal */
/* clang-format off */
#define STR_INIT(literal) {"" literal, sizeof(literal) - 1}
/* clang-format on */
/* for "%.*s" */
#define STR_ARG(s) (int)((s).n > 4096 ? 4096 : (s).n), ((s).p != NULL ? (s).p : "")

/* Borrows a terminated string; NULL gives STR_NONE. */
static inline struct str str_c(const char *c)
{
    return c != NULL ? (struct str){c, strlen(c)} : STR_NONE;
}

static inline struct str str_n(const void *p, size_t n)
{
    return (struct str){p, n};
}

static inline bool str_present(struct str s)
{
    return s.p != NULL;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_eq_c(struct str a, const char *c)
{
    return str_eq(a, str_c(c));
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* The part from offset `from` on; past the end it is empty. */
static inline struct str str_from(struct str s, size_t from)
{
    return from >= s.n ? (struct str){s.p + s.n, 0} : (struct str){s.p + from, s.n - from};
}

/* Order by bytes, shorter first; <0, 0, >0. */
int str_cmp(struct str a, struct str b);

/* True if the ASCII letters agree regardless of case and all other bytes agree. */
bool str_eq_nocase(struct str a, struct str b);

/*
 * Cuts s at the first `sep`: returns the part before it and leaves the rest in *s. Without a
 * separator the whole text is returned and *s becomes STR_NONE.
 */
struct str str_cut(struct str *s, char sep);

/* Without ASCII white space at both ends. */
struct str str_trim(struct str s);

/*
 * True if s is well-formed UTF-8 (RFC 3629: no surrogates, no overlong form, at most U+10FFFF)
 * without NUL.
 */
bool str_is_utf8(struct str s);

/*
 * Decimal integer with optional '-', no white space, no leading '+'; false if malformed or out of
 * range.
 */
bool str_to_i64(struct str s, int64_t *ret_value);

/* Same time for texts of equal length whatever their content; for secrets. */
bool str_eq_secret(struct str a, struct str b);

/* FNV-1a, 64 bits: for hash tables in memory, never for security. */
uint64_t str_hash(struct str s);
