/*
 * tests/unit/test_codec.c - field tables: every type against every kind of bad member, round trips, canonical form
 */
#include <check.h>
#include <inttypes.h>
#include <signal.h>

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/codec/codec.h"

#include "lib/base/banned.h"

struct part {
    struct str name;
    int64_t n;
    struct list parts;
};

struct every {
    struct str text;
    int64_t number;
    int64_t count;
    int64_t rest;
    int64_t when_us;
    bool flag;
    struct uuid id;
    struct str_list tags;
    const struct jval *any;
    struct bytes blob;
    int kind;
    const struct part *part;
    struct list parts;
    struct str raw;
};

static const char *const kinds[] = {"none", "pull", "push", NULL};

/* clang-format off */
static const struct object part_object;
static const struct field part_fields[] = {
    FIELD(struct part,      name,  "name",  F_REQUIRED),
    FIELD(struct part,      n,     "n",     0),
    FIELD_LIST(struct part, parts, "parts", F_OMIT, &part_object),
};
static OBJECT(part_object, struct part, part_fields, CLOSED);

#define EVERY_FIELDS(flags) \
    FIELD(struct every,      text,    "text",    (flags) | F_NONEMPTY), \
    FIELD(struct every,      number,  "number",  (flags)), \
    FIELD(struct every,      count,   "count",   (flags) | F_POSITIVE), \
    FIELD(struct every,      rest,    "rest",    (flags) | F_NATURAL), \
    FIELD(struct every,      when_us, "when",    (flags) | F_TIME), \
    FIELD(struct every,      flag,    "flag",    (flags)), \
    FIELD(struct every,      id,      "id",      (flags)), \
    FIELD(struct every,      tags,    "tags",    (flags) | F_NONEMPTY), \
    FIELD(struct every,      any,     "any",     (flags)), \
    FIELD(struct every,      blob,    "blob",    (flags) | F_NONEMPTY), \
    FIELD_ENUM(struct every, kind,    "kind",    (flags), kinds), \
    FIELD_SUB(struct every,  part,    "part",    (flags), &part_object), \
    FIELD_LIST(struct every, parts,   "par/t~s", (flags) | F_NONEMPTY, &part_object), \
    FIELD_RAW(struct every,  raw,     "raw",     (flags))
static const struct field required_fields[] = {EVERY_FIELDS(F_REQUIRED)};
static const struct field optional_fields[] = {EVERY_FIELDS(0)};
static const struct field omitted_fields[] = {EVERY_FIELDS(F_OMIT)};
/* clang-format on */
static OBJECT(required_object, struct every, required_fields, CLOSED);
static OBJECT(optional_object, struct every, optional_fields, OPEN);
static OBJECT(omitted_object, struct every, omitted_fields, OPEN);

/* A valid text for each member, in table order. */
static const char *const valid[][2] = {
    {"text",    "\"caf\xC3\xA9\""                         },
    {"number",  "-5"                                      },
    {"count",   "7"                                       },
    {"rest",    "0"                                       },
    {"when",    "\"2026-11-21T07:48:00Z\""                },
    {"flag",    "true"                                    },
    {"id",      "\"019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b\""},
    {"tags",    "[\"a\",\"\"]"                            },
    {"any",     "{\"z\":1,\"a\":[2.0]}"                   },
    {"blob",    "\"AP-_\""                                },
    {"kind",    "\"push\""                                },
    {"part",    "{\"name\":\"inner\",\"n\":3}"            },
    {"par/t~s", "[{\"name\":\"p0\",\"n\":1,\"parts\":[{\"name\":\"q\",\"n\":9}]},{\"name\":\"p1\","
                "\"n\":2}]"                },
    {"raw",     "{\"y\":1,\"x\":\"\"}"                    },
};

/* Parses to a value and decodes; both outlive the result. */
struct fixture {
    struct arena *arena;
    struct jdoc *doc;
    struct buf text;
    struct err err;
    struct every out;
};

static struct fixture fixture_new(size_t arena_bytes)
{
    struct fixture f = {.arena = arena_new(arena_bytes), .text = buf_init(MIB(8))};

    ck_assert_ptr_nonnull(f.arena);
    return f;
}

static void fixture_done(struct fixture *f)
{
    jdoc_free(&f->doc);
    buf_done(&f->text);
    arena_free(&f->arena);
}

/* The valid document, one member (or none) replaced by another text, or left out if that is NULL. */
static void make_text(struct buf *text, const char *member, const char *replacement)
{
    struct jw w = jw_init(text);

    jw_object(&w);
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        bool replaced = member != NULL && strcmp(valid[i][0], member) == 0;

        if (!replaced)
            jw_kraw(&w, valid[i][0], str_c(valid[i][1]));
        else if (replacement != NULL)
            jw_kraw(&w, valid[i][0], str_c(replacement));
    }
    jw_object_end(&w);
    ck_assert(!buf_failed(text));
}

static int decode(struct fixture *f, const struct object *object)
{
    static const struct jlimits limits = {MIB(8), LIMIT_JSON_DEPTH, LIMIT_JSON_NODES};

    jdoc_free(&f->doc);
    if (jdoc_parse(buf_str(&f->text), &limits, &f->doc, &f->err) < 0)
        ck_abort_msg("%.*s: %s", STR_ARG(buf_str(&f->text)), f->err.text);
    return object_decode(object, jdoc_root(f->doc), f->arena, &f->out, &f->err);
}

static void is_refused(const struct err *err, enum err_code code, const char *at,
                       const char *detail)
{
    ck_assert_msg(err->code == code, "got %s at '%s': %s", err_name(err->code), err->at, err->text);
    ck_assert_str_eq(err->at, at);
    ck_assert_str_eq(err->detail, detail);
}

/* -- what is accepted -- */

static void is_every(const struct every *e)
{
    ck_assert(str_eq(e->text, STR("caf\xC3\xA9")));
    ck_assert_int_eq(e->number, -5);
    ck_assert_int_eq(e->count, 7);
    ck_assert_int_eq(e->rest, 0);
    ck_assert_str_eq(time_format(e->when_us).c, "2026-11-21T07:48:00Z");
    ck_assert(e->flag);
    ck_assert_str_eq(uuid_format(e->id).c, "019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b");
    ck_assert_uint_eq(e->tags.n, 2);
    ck_assert(str_eq(e->tags.items[0], STR("a")));
    ck_assert(str_eq(e->tags.items[1], STR("")));
    ck_assert_uint_eq(e->blob.n, 3);
    ck_assert_mem_eq(e->blob.p, "\x00\xFF\xBF", 3);
    ck_assert_int_eq(e->kind, 2);
    ck_assert(str_eq(e->part->name, STR("inner")));
    ck_assert_int_eq(e->part->n, 3);
    ck_assert_uint_eq(e->part->parts.n, 0);
    ck_assert_uint_eq(e->parts.n, 2);
    ck_assert(str_eq(LIST_ITEMS(struct part, e->parts)[0].name, STR("p0")));
    ck_assert(str_eq(LIST_ITEMS(struct part, e->parts)[1].name, STR("p1")));
    ck_assert_int_eq(LIST_ITEMS(struct part, LIST_ITEMS(struct part, e->parts)[0].parts)[0].n, 9);
    ck_assert(str_eq(e->raw, STR("{\"y\":1,\"x\":\"\"}")));
}

START_TEST(test_every_type_is_decoded)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));

    make_text(&f.text, NULL, NULL);
    ck_assert_int_eq(decode(&f, &required_object), 0);
    is_every(&f.out);
    ck_assert_ptr_eq(f.out.any, jval_get(jdoc_root(f.doc), "any"));
}

END_TEST

/* Encoding gives the same text: all members of the valid document are in table order and compact. */
START_TEST(test_round_trip)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct jw w = jw_init(&out);

    make_text(&f.text, NULL, NULL);
    ck_assert_int_eq(decode(&f, &required_object), 0);
    object_encode(&required_object, &f.out, &w);
    ck_assert_msg(str_eq(buf_str(&out), buf_str(&f.text)), "got %.*s", STR_ARG(buf_str(&out)));
}

END_TEST

/* The canonical form of the struct is that of the document. */
START_TEST(test_canonical_form)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));
    AUTO(buf_done) struct buf got = buf_init(KIB(64));
    AUTO(buf_done) struct buf want = buf_init(KIB(64));

    make_text(&f.text, NULL, NULL);
    ck_assert_int_eq(decode(&f, &required_object), 0);
    object_canonical(&required_object, &f.out, &got);
    jval_canonical(&want, jdoc_root(f.doc));
    ck_assert_msg(str_eq(buf_str(&got), buf_str(&want)), "got %.*s", STR_ARG(buf_str(&got)));
}

END_TEST

/* Only the arena survives: the text is overwritten and the document freed. */
START_TEST(test_parse_copies)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));

    make_text(&f.text, "any", "null");
    ck_assert_int_eq(
        object_parse(&optional_object, buf_str(&f.text), NULL, f.arena, &f.out, &f.err), 0);
    memset(f.text.p, 'x', f.text.n);
    is_every(&f.out);
    ck_assert_ptr_null(f.out.any);
}

END_TEST

START_TEST(test_parse_refuses_views)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));

    make_text(&f.text, NULL, NULL);
    ck_assert_int_eq(
        object_parse(&optional_object, buf_str(&f.text), NULL, f.arena, &f.out, &f.err),
        -E_INTERNAL);
    ck_assert_str_eq(f.err.at, "/any");
    ck_assert_str_eq(f.err.detail, "");
}

END_TEST

/* Defaults stay where a member is missing or null. */
START_TEST(test_absent_members_leave_the_struct_alone)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));
    struct every before;
    struct jw w = jw_init(&f.text);

    memset(&before, 0x5A, sizeof(before));
    f.out = before;
    buf_add_c(&f.text, "{}");
    ck_assert_int_eq(decode(&f, &optional_object), 0);
    ck_assert_mem_eq(&f.out, &before, sizeof(before));

    buf_reset(&f.text);
    jw_object(&w);
    for (size_t i = 0; i < ARRAY_LEN(valid); i++)
        jw_kraw(&w, valid[i][0], STR("null"));
    jw_object_end(&w);
    ck_assert_int_eq(decode(&f, &optional_object), 0);
    ck_assert_mem_eq(&f.out, &before, sizeof(before));
}

END_TEST

static const struct {
    const char *member;
    const char *text;
} accepted[] = {
    {"any",    "null"                                    },
    {"raw",    "null"                                    },
    {"any",    "[]"                                      },
    {"any",    "1.5"                                     },
    {"raw",    "\"text\""                                },
    {"raw",    "1e3"                                     },
    {"number", "9223372036854775807"                     },
    {"number", "-9223372036854775808"                    },
    {"count",  "1"                                       },
    {"when",   "\"2026-11-21T07:48:00.123456+09:00\""    },
    {"when",   "\"2023-12-31T06:00Z\""                   },
    {"id",     "\"019A1B2C-3D4E-7F60-8A9B-0C1D2E3F4A5B\""},
    {"blob",   "\"AA\""                                  },
    {"flag",   "false"                                   },
    {"kind",   "\"none\""                                },
};

START_TEST(test_accepted_values)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));

    make_text(&f.text, accepted[_i].member, accepted[_i].text);
    ck_assert_msg(decode(&f, &required_object) == 0, "%s: %s: %s", accepted[_i].member,
                  accepted[_i].text, f.err.text);
}

END_TEST

/* -- what is refused -- */

#define TIME  "expected an RFC 3339 time with zone"
#define UUID  "expected a UUID of 36 characters"
#define B64   "expected base64url without padding"
#define KINDS "expected one of 'none', 'pull', 'push'"

/* clang-format off */
static const struct {
    const char *member;
    const char *text; /* NULL: the member is missing */
    const char *at;
    const char *detail;
} refusals[] = {
    {"text",    NULL,          "/text",    "expected string, got nothing"},
    {"text",    "null",        "/text",    "expected string, got null"},
    {"text",    "5",           "/text",    "expected string, got integer"},
    {"text",    "[\"a\"]",     "/text",    "expected string, got array"},
    {"text",    "\"\"",        "/text",    "expected a string that is not empty"},
    {"number",  NULL,          "/number",  "expected integer, got nothing"},
    {"number",  "null",        "/number",  "expected integer, got null"},
    {"number",  "\"5\"",       "/number",  "expected integer, got string"},
    {"number",  "5.0",         "/number",  "expected integer, got number"},
    {"number",  "1e2",         "/number",  "expected integer, got number"},
    {"number",  "true",        "/number",  "expected integer, got boolean"},
    {"count",   "0",           "/count",   "expected a value above 0"},
    {"count",   "-1",          "/count",   "expected a value above 0"},
    {"rest",    "-1",          "/rest",    "expected a value of 0 or above"},
    {"when",    NULL,          "/when",    TIME ", got nothing"},
    {"when",    "null",        "/when",    TIME},
    {"when",    "1700000000",  "/when",    TIME},
    {"when",    "\"\"",        "/when",    TIME},
    {"when",    "\"2026-11-21T07:48:00\"", "/when", TIME},
    {"when",    "\"2026-11-21T07:48:00ZZ\"", "/when", TIME},
    {"when",    "\"2026-02-30T00:00:00Z\"", "/when", TIME},
    {"flag",    NULL,          "/flag",    "expected boolean, got nothing"},
    {"flag",    "null",        "/flag",    "expected boolean, got null"},
    {"flag",    "0",           "/flag",    "expected boolean, got integer"},
    {"flag",    "\"true\"",    "/flag",    "expected boolean, got string"},
    {"id",      NULL,          "/id",      "expected string, got nothing"},
    {"id",      "null",        "/id",      "expected string, got null"},
    {"id",      "7",           "/id",      "expected string, got integer"},
    {"id",      "\"\"",        "/id",      UUID},
    {"id",      "\"019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5\"",   "/id", UUID},
    {"id",      "\"019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b0\"", "/id", UUID},
    {"id",      "\"019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5g\"",  "/id", UUID},
    {"tags",    NULL,          "/tags",    "expected array, got nothing"},
    {"tags",    "null",        "/tags",    "expected array, got null"},
    {"tags",    "\"a\"",       "/tags",    "expected array, got string"},
    {"tags",    "{}",          "/tags",    "expected array, got object"},
    {"tags",    "[]",          "/tags",    "expected an array that is not empty"},
    {"tags",    "[\"a\",2]",   "/tags/1",  "expected string, got integer"},
    {"tags",    "[null]",      "/tags/0",  "expected string, got null"},
    {"any",     NULL,          "/any",     "expected a value, got nothing"},
    {"blob",    NULL,          "/blob",    "expected string, got nothing"},
    {"blob",    "null",        "/blob",    "expected string, got null"},
    {"blob",    "[]",          "/blob",    "expected string, got array"},
    {"blob",    "\"\"",        "/blob",    "expected base64url that is not empty"},
    {"blob",    "\"A\"",       "/blob",    B64},
    {"blob",    "\"AA==\"",    "/blob",    B64},
    {"blob",    "\"A+/A\"",    "/blob",    B64},
    {"kind",    NULL,          "/kind",    "expected string, got nothing"},
    {"kind",    "null",        "/kind",    "expected string, got null"},
    {"kind",    "1",           "/kind",    "expected string, got integer"},
    {"kind",    "\"\"",        "/kind",    KINDS},
    {"kind",    "\"Push\"",    "/kind",    KINDS},
    {"kind",    "\"pushy\"",   "/kind",    KINDS},
    {"part",    NULL,          "/part",    "expected object, got nothing"},
    {"part",    "null",        "/part",    "expected object, got null"},
    {"part",    "[]",          "/part",    "expected object, got array"},
    {"part",    "{}",          "/part/name", "expected string, got nothing"},
    {"part",    "{\"name\":\"\",\"n\":\"1\"}", "/part/n", "expected integer, got string"},
    {"par/t~s", NULL,          "/par~1t~0s", "expected array, got nothing"},
    {"par/t~s", "null",        "/par~1t~0s", "expected array, got null"},
    {"par/t~s", "{}",          "/par~1t~0s", "expected array, got object"},
    {"par/t~s", "[]",          "/par~1t~0s", "expected an array that is not empty"},
    {"par/t~s", "[1]",         "/par~1t~0s/0", "expected object, got integer"},
    {"par/t~s", "[{\"name\":\"\"},{\"name\":true}]", "/par~1t~0s/1/name", "expected string, got boolean"},
    {"par/t~s", "[{\"name\":\"\",\"parts\":[{\"name\":\"\"},{\"n\":1}]}]", "/par~1t~0s/0/parts/1/name",
     "expected string, got nothing"},
    {"raw",     NULL,          "/raw",     "expected a value, got nothing"},
};

/* clang-format on */

START_TEST(test_refused_values)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));

    make_text(&f.text, refusals[_i].member, refusals[_i].text);
    ck_assert_int_eq(decode(&f, &required_object), -E_INVALID);
    is_refused(&f.err, E_INVALID, refusals[_i].at, refusals[_i].detail);
    ck_assert_int_eq(err_http(f.err.code), 400);
}

END_TEST

START_TEST(test_root_must_be_an_object)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));

    buf_add_c(&f.text, "[]");
    ck_assert_int_eq(decode(&f, &optional_object), -E_INVALID);
    is_refused(&f.err, E_INVALID, "", "expected object, got array");
    f.err = (struct err){0};
    ck_assert_int_eq(object_decode(&optional_object, NULL, f.arena, &f.out, &f.err), -E_INVALID);
    is_refused(&f.err, E_INVALID, "", "expected object, got nothing");
}

END_TEST

/* Each member once more at the end: the parser refuses before any table is asked. */
START_TEST(test_members_that_occur_twice)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));

    make_text(&f.text, NULL, NULL);
    f.text.n--;
    buf_printf(&f.text, ",\"%s\":%s}", valid[_i][0], valid[_i][1]);
    ck_assert_int_eq(
        object_parse(&optional_object, buf_str(&f.text), NULL, f.arena, &f.out, &f.err), -E_SYNTAX);
    ck_assert_ptr_nonnull(strstr(f.err.detail, "duplicate key"));
    ck_assert_ptr_nonnull(strstr(f.err.detail, valid[_i][0]));
}

END_TEST

static const char *const long_members[][2] = {
    {"text", "/text"  },
    {"tags", "/tags/0"},
    {"blob", "/blob"  }
};

/* At the limit and one above, in a document that is allowed to be larger. */
START_TEST(test_texts_at_the_limit_and_above)
{
    const char *member = long_members[_i][0];
    bool list = strcmp(member, "tags") == 0;

    for (size_t n = LIMIT_JSON_BYTES; n <= LIMIT_JSON_BYTES + 1; n++) {
        AUTO(fixture_done) struct fixture f = fixture_new(MIB(8));
        AUTO(buf_done) struct buf value = buf_init(MIB(2));
        char *p;

        buf_add_c(&value, list ? "[\"" : "\"");
        p = buf_room(&value, n);
        memset(p, 'A', n);
        buf_grown(&value, n);
        buf_add_c(&value, list ? "\"]" : "\"");
        buf_add_char(&value, '\0');
        make_text(&f.text, member, value.p);
        if (n == LIMIT_JSON_BYTES) {
            ck_assert_int_eq(decode(&f, &required_object), 0);
            continue;
        }
        ck_assert_int_eq(decode(&f, &required_object), -E_INVALID);
        is_refused(&f.err, E_INVALID, long_members[_i][1], "expected at most 1048576 bytes");
    }
}

END_TEST

/* Whatever allocation hits the arena's cap, the answer is E_LIMIT and never a half-filled success. */
START_TEST(test_full_arena)
{
    size_t need = 0;

    for (size_t max = 0; need == 0; max += 8) {
        AUTO(fixture_done) struct fixture f = fixture_new(max);
        int rc;

        make_text(&f.text, "any", "null");
        rc = object_parse(&optional_object, buf_str(&f.text), NULL, f.arena, &f.out, &f.err);
        ck_assert_uint_lt(max, KIB(64));
        if (rc == 0) {
            is_every(&f.out);
            need = max;
        } else {
            ck_assert_int_eq(rc, -E_LIMIT);
            ck_assert_int_eq(f.err.at[0], '/');
        }
    }
    ck_assert_uint_gt(need, 64);
}

END_TEST

/* -- unknown members -- */

static const struct {
    const char *text;
    const char *at;
    const char *detail;
} unknowns[] = {
    {"{\"name\":\"\",\"nam\":1}",                                              "/nam",          "unknown member, did you mean 'name'" },
    {"{\"name\":\"\",\"Name\":1}",                                             "/Name",         "unknown member, did you mean 'name'" },
    {"{\"prats\":[]}",                                                         "/prats",        "unknown member, did you mean 'parts'"},
    {"{\"name\":\"\",\"colour\":1}",                                           "/colour",       "unknown member"                      },
    {"{\"name\":\"\",\"\":1}",                                                 "/",             "unknown member"                      },
    {"{\"name\":\"\",\"a/b~\":null}",                                          "/a~1b~0",       "unknown member"                      },
    {"{\"name\":\"\",\"parts\":[{\"name\":\"\"},{\"name\":\"\",\"part\":1}]}", "/parts/1/part",
     "unknown member, did you mean 'parts'"                                                                                           },
};

START_TEST(test_unknown_members_of_a_closed_object)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));
    struct part out = {0};

    ck_assert_int_eq(
        object_parse(&part_object, str_c(unknowns[_i].text), NULL, f.arena, &out, &f.err),
        -E_UNKNOWN_FIELD);
    is_refused(&f.err, E_UNKNOWN_FIELD, unknowns[_i].at, unknowns[_i].detail);
}

END_TEST

START_TEST(test_unknown_members_of_an_open_object)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));

    buf_add_c(&f.text, "{\"colour\":1,\"number\":2,\"numbr\":3}");
    ck_assert_int_eq(decode(&f, &optional_object), 0);
    ck_assert_int_eq(f.out.number, 2);
}

END_TEST

/* A name of a stranger is cut to what an error holds. */
START_TEST(test_long_unknown_name)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));
    struct part out = {0};

    buf_add_c(&f.text, "{\"");
    for (int i = 0; i < 5000; i++)
        buf_add_char(&f.text, '~');
    buf_add_c(&f.text, "\":1}");
    ck_assert_int_eq(object_parse(&part_object, buf_str(&f.text), NULL, f.arena, &out, &f.err),
                     -E_UNKNOWN_FIELD);
    ck_assert(str_starts(str_c(f.err.at), STR("/~0~0~0")));
    ck_assert_uint_lt(strlen(f.err.at), sizeof(f.err.at));
    ck_assert_str_eq(f.err.detail, "unknown member");
}

END_TEST

START_TEST(test_field_by_name)
{
    ck_assert_ptr_eq(object_field(&part_object, STR("n")), &part_fields[1]);
    ck_assert_ptr_null(object_field(&part_object, STR("nn")));
    ck_assert_ptr_null(object_field(&part_object, STR_NONE));
}

END_TEST

/* -- encoding -- */

static void encodes(const struct object *object, const void *in, const char *want)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(4));
    struct jw w = jw_init(&out);

    object_encode(object, in, &w);
    ck_assert_msg(str_eq_c(buf_str(&out), want), "got %.*s", STR_ARG(buf_str(&out)));
}

START_TEST(test_zero_struct)
{
    struct every zero = {0};

    encodes(&omitted_object, &zero, "{}");
    encodes(&optional_object, &zero,
            "{\"text\":null,\"number\":0,\"count\":0,\"rest\":0,\"when\":\"1970-01-01T00:00:00Z\","
            "\"flag\":false,\"id\":\"00000000-0000-0000-0000-000000000000\",\"tags\":[],"
            "\"any\":null,\"blob\":null,\"kind\":\"none\",\"part\":null,\"par/t~s\":[],"
            "\"raw\":null}");
}

END_TEST

START_TEST(test_omit_keeps_what_is_there)
{
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct jw w = jw_init(&out);

    make_text(&f.text, "rest", NULL);
    ck_assert_int_eq(decode(&f, &omitted_object), 0);
    object_encode(&omitted_object, &f.out, &w);
    ck_assert_msg(str_eq(buf_str(&out), buf_str(&f.text)), "got %.*s", STR_ARG(buf_str(&out)));
}

END_TEST

struct account {
    struct str user;
    struct str password;
    struct bytes key;
};

START_TEST(test_secrets_are_read_but_never_written)
{
    static const struct field fields[] = {
        FIELD(struct account, user, "user", F_REQUIRED),
        FIELD(struct account, password, "password", F_REQUIRED | F_SECRET),
        FIELD(struct account, key, "key", F_SECRET),
    };
    static OBJECT(object, struct account, fields, CLOSED);
    AUTO(fixture_done) struct fixture f = fixture_new(KIB(64));
    AUTO(buf_done) struct buf out = buf_init(KIB(1));
    struct account in = {0};

    ck_assert_int_eq(object_parse(&object,
                                  STR("{\"user\":\"u\",\"password\":\"p\",\"key\":\"AA\"}"), NULL,
                                  f.arena, &in, &f.err),
                     0);
    ck_assert(str_eq(in.password, STR("p")));
    ck_assert_uint_eq(in.key.n, 1);
    encodes(&object, &in, "{\"user\":\"u\"}");
    object_canonical(&object, &in, &out);
    ck_assert(str_eq_c(buf_str(&out), "{\"user\":\"u\"}"));
}

END_TEST

START_TEST(test_raw_text_that_is_not_json_fails_the_canonical_form)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(4));
    struct every in = {.raw = STR("{\"a\":")};

    object_canonical(&omitted_object, &in, &out);
    ck_assert(buf_failed(&out));
}

END_TEST

START_TEST(test_enum_without_name_aborts)
{
    struct every in = {.kind = _i};

    encodes(&omitted_object, &in, "");
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("codec");
    TCase *good = tcase_create("accepted");
    TCase *bad = tcase_create("refused");
    TCase *out = tcase_create("encoded");

    tcase_add_test(good, test_every_type_is_decoded);
    tcase_add_test(good, test_round_trip);
    tcase_add_test(good, test_canonical_form);
    tcase_add_test(good, test_parse_copies);
    tcase_add_test(good, test_absent_members_leave_the_struct_alone);
    tcase_add_loop_test(good, test_accepted_values, 0, (int)ARRAY_LEN(accepted));
    tcase_add_test(good, test_unknown_members_of_an_open_object);
    tcase_add_test(good, test_field_by_name);
    suite_add_tcase(s, good);

    tcase_add_loop_test(bad, test_refused_values, 0, (int)ARRAY_LEN(refusals));
    tcase_add_test(bad, test_root_must_be_an_object);
    tcase_add_loop_test(bad, test_members_that_occur_twice, 0, (int)ARRAY_LEN(valid));
    tcase_add_loop_test(bad, test_texts_at_the_limit_and_above, 0, (int)ARRAY_LEN(long_members));
    tcase_add_test(bad, test_full_arena);
    tcase_add_test(bad, test_parse_refuses_views);
    tcase_add_loop_test(bad, test_unknown_members_of_a_closed_object, 0, (int)ARRAY_LEN(unknowns));
    tcase_add_test(bad, test_long_unknown_name);
    suite_add_tcase(s, bad);

    tcase_add_test(out, test_zero_struct);
    tcase_add_test(out, test_omit_keeps_what_is_there);
    tcase_add_test(out, test_secrets_are_read_but_never_written);
    tcase_add_test(out, test_raw_text_that_is_not_json_fails_the_canonical_form);
    tcase_add_loop_test_raise_signal(out, test_enum_without_name_aborts, SIGABRT, 3, 5);
    suite_add_tcase(s, out);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int bad;

    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
