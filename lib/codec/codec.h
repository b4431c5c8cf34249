/*
 * lib/codec/codec.h - field tables: one table maps a struct to JSON, from JSON and from database
 * rows
 *
 * FIELD derives the codec from the member's C type with _Generic, so a table that disagrees with
 * its struct does not compile: struct str       JSON string (valid UTF-8, at most LIMIT_JSON_BYTES)
 * column text int64_t          JSON integer; with F_TIME an RFC 3339 string <-> µs        column
 * i64 or time bool             JSON true/false                                            column
 * bool struct uuid      JSON string of 36 characters                               column uuid
 *   struct str_list  JSON array of strings                                      -
 *   const struct jval *   any JSON value, borrowed from the document            -
 *   struct bytes     JSON base64url string                                      column bytes
 * ENUM is an int with a table of names; SUB a pointer to a nested struct; LIST a struct list of
 * nested structs. RAW is a struct str that holds JSON text which is written unchanged (column json
 * or text).
 *
 * Absent optional members leave the struct's member untouched (set defaults before); null counts as
 * absent unless the field is required. An OBJECT is CLOSED (an unknown member is an error:
 * policies, receipts, money), OPEN (ignored). Decoding errors: E_UNKNOWN_FIELD / E_INVALID with at
 * = JSON pointer and public detail "expected …"; E_LIMIT when the arena is full. FT_JVAL and RAW
 * accept any value, null too if required.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/uuid.h"
#include "lib/jdoc/jdoc.h"

struct bytes {
    const uint8_t *p;
    size_t n;
};

struct str_list {
    struct str *items;
    size_t n;
};

/* Array of structs of one type; items is ARENA memory. */
struct list {
    void *items;
    size_t n;
};

#define LIST_ITEMS(type, list) ((const type *)(list).items)

enum field_type {
    FT_STR,
    FT_I64,
    FT_BOOL,
    FT_UUID,
    FT_STR_LIST,
    FT_JVAL,
    FT_BYTES,
    FT_ENUM,
    FT_SUB,
    FT_LIST,
    FT_RAW,
};

enum field_flags {
    F_REQUIRED = 1,
    F_NONEMPTY = 2, /* string or list must not be empty */
    F_POSITIVE = 4, /* > 0 */
    F_NATURAL = 8,  /* >= 0 */
    F_TIME = 16,    /* int64_t is µs, RFC 3339 in JSON */
    F_OMIT = 32,    /* leave out of output when absent, zero, false or empty */
    F_SECRET = 64,  /* never written by object_encode */
};

struct object;

struct field {
    const char *name;
    enum field_type type;
    unsigned flags;
    size_t offset;
    const struct object *sub; /* FT_SUB, FT_LIST */
    const char *const *names; /* FT_ENUM, NULL-terminated; index is the value */
};

enum object_world { CLOSED, OPEN };

struct object {
    const char *name;
    size_t size; /* of the struct */
    const struct field *fields;
    size_t n;
    enum object_world world;
};

/* clang-format off */
#define FIELD_TYPE(T, member) _Generic(((T *)0)->member, \
    struct str: FT_STR, int64_t: FT_I64, bool: FT_BOOL, struct uuid: FT_UUID, struct str_list: FT_STR_LIST, \
    const struct jval *: FT_JVAL, struct bytes: FT_BYTES)
#define FIELD(T, member, json_name, fl) \
    {.name = (json_name), .type = FIELD_TYPE(T, member), .flags = (fl), .offset = offsetof(T, member)}
#define FIELD_ENUM(T, member, json_name, fl, name_table) \
    {.name = (json_name), .type = FT_ENUM, .flags = (fl), \
     .offset = offsetof(T, member) + 0 * sizeof(char[_Generic(((T *)0)->member, int: 1)]), .names = (name_table)}
#define FIELD_SUB(T, member, json_name, fl, object_ptr) \
    {.name = (json_name), .type = FT_SUB, .flags = (fl), .offset = offsetof(T, member), .sub = (object_ptr)}
#define FIELD_LIST(T, member, json_name, fl, object_ptr) \
    {.name = (json_name), .type = FT_LIST, .flags = (fl), \
     .offset = offsetof(T, member) + 0 * sizeof(char[_Generic(((T *)0)->member, struct list: 1)]), .sub = (object_ptr)}
#define FIELD_RAW(T, member, json_name, fl) \
    {.name = (json_name), .type = FT_RAW, .flags = (fl), \
     .offset = offsetof(T, member) + 0 * sizeof(char[_Generic(((T *)0)->member, struct str: 1)])}
#define OBJECT(var, T, field_table, w) \
    const struct object var = {.name = #T, .size = sizeof(T), .fields = (field_table), \
                               .n = ARRAY_LEN(field_table), .world = (w)}
/* clang-format on */

/*
 * Fills *out (a struct of object->size) from a JSON object. Texts point into the document or, if
 * they had to be copied, into the arena; both must outlive *out. On error *out is unspecified.
 */
MUST_CHECK int object_decode(const struct object *object, const struct jval *value,
                             struct arena *arena, void *out, struct err *err);

/* Parses `text` and decodes it; the document is copied into the arena as far as needed (no view
 * survives except FT_JVAL, which is refused here: use object_decode with a document of your own).
 */
MUST_CHECK int object_parse(const struct object *object, struct str text,
                            const struct jlimits *limits, struct arena *arena, void *out,
                            struct err *err);

/* Writes the struct as one JSON object in table order. Without F_OMIT an absent text, value or sub
 * is null, a list []. */
void object_encode(const struct object *object, const void *in, struct jw *w);

/* As canonical JSON (RFC 8785) of the same members. RAW text that is not JSON makes the buffer
 * fail. At most 64 fields. */
void object_canonical(const struct object *object, const void *in, struct buf *out);

/* The field with this name, or NULL. */
const struct field *object_field(const struct object *object, struct str name);
