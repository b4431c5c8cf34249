/*
 * tests/fuzz/fuzz_codec.c - any text against a table of all types: what is decoded and encoded decodes to the same again
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/codec/codec.h"

#include "lib/base/banned.h"

struct node {
    struct str text;
    int64_t number;
    int64_t when_us;
    bool flag;
    struct uuid id;
    struct str_list tags;
    struct bytes blob;
    int kind;
    const struct node *sub;
    struct list list;
    struct str raw;
};

static const char *const kinds[] = {"a", "b", NULL};

static const struct object node_object;
/* clang-format off */
static const struct field node_fields[] = {
    FIELD(struct node,      text,    "t", F_NONEMPTY | F_OMIT),
    FIELD(struct node,      number,  "n", F_POSITIVE | F_OMIT),
    FIELD(struct node,      when_us, "w", F_TIME | F_OMIT),
    FIELD(struct node,      flag,    "f", 0),
    FIELD(struct node,      id,      "i", F_OMIT),
    FIELD(struct node,      tags,    "s", 0),
    FIELD(struct node,      blob,    "b", 0),
    FIELD_ENUM(struct node, kind,    "k", 0, kinds),
    FIELD_SUB(struct node,  sub,     "o", 0, &node_object),
    FIELD_LIST(struct node, list,    "l", F_OMIT, &node_object),
    FIELD_RAW(struct node,  raw,     "r", 0),
};
/* clang-format on */
static OBJECT(node_object, struct node, node_fields, CLOSED);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf first = buf_init(MIB(1));
    AUTO(buf_done) struct buf second = buf_init(MIB(1));
    struct jw w = jw_init(&first);
    struct node node = {0}, again = {0};
    struct err err = {0};

    if (object_parse(&node_object, str_n(data, n), NULL, arena, &node, &err) < 0)
        return 0;
    object_encode(&node_object, &node, &w);
    CHECK(object_parse(&node_object, buf_str(&first), NULL, arena, &again, &err) == 0);
    w = jw_init(&second);
    object_encode(&node_object, &again, &w);
    CHECK(str_eq(buf_str(&first), buf_str(&second)));

    buf_reset(&first);
    buf_reset(&second);
    object_canonical(&node_object, &node, &first);
    object_canonical(&node_object, &again, &second);
    CHECK(!buf_failed(&first) && str_eq(buf_str(&first), buf_str(&second)));
    return 0;
}
