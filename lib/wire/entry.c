/*
 * lib/wire/entry.c - entries of the audit log (docs/exchange.md §4)
 */
#include "lib/wire/entry.h"

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/codec/codec.h"

#include "lib/base/banned.h"

static const struct {
    const char *name, *members;
} kinds[ENTRY__COUNT] = {

#define ENTRY(id, name, members) [ENTRY_##id] = {name, members},
#include "lib/wire/entry.def"
#undef ENTRY
};

struct entry_form {
    int64_t at_us;
    const struct jval *body;
    struct str kind;
};
/* clang-format off */
static const struct field entry_fields[] = {
    FIELD(struct entry_form, at_us, "at",   F_REQUIRED | F_TIME),
    FIELD(struct entry_form, body,  "body", F_REQUIRED),
    FIELD(struct entry_form, kind,  "kind", F_REQUIRED),
};
/* clang-format on */
static OBJECT(entry_object, struct entry_form, entry_fields, CLOSED);

const char *entry_kind_name(enum entry_kind kind)
{
    return kinds[kind].name;
}

bool entry_kind_parse(struct str name, enum entry_kind *ret_kind)
{
    for (int k = 0; k < ENTRY__COUNT; k++) {
        if (str_eq_c(name, kinds[k].name)) {
            *ret_kind = (enum entry_kind)k;
            return true;
        }
    }
    return false;
}

static bool listed(const char *members, struct str name)
{
    struct str rest = str_c(members);

    while (str_present(rest)) {
        if (str_eq(str_cut(&rest, ','), name))
            return true;
    }
    return false;
}

bool entry_kind_has(enum entry_kind kind, struct str member)
{
    return listed(kinds[kind].members, member);
}

/* The first member of the body that its kind does not list, or STR_NONE. */
static struct str first_unlisted(enum entry_kind kind, const struct jval *body)
{
    for (const struct jiter *it = jiter_first(body); it != NULL; it = jiter_next(body, it)) {
        if (!listed(kinds[kind].members, jiter_key(it)))
            return jiter_key(it);
    }
    return STR_NONE;
}

int entry_write(enum entry_kind kind, int64_t at_us, struct str body, struct buf *out,
                struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (jdoc_parse(body, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "entry '%s'", entry_kind_name(kind));
    if (jtype_of(jdoc_root(doc)) != J_OBJECT)
        return err_set(err, E_SYNTAX, "", "entry '%s': body is no object", entry_kind_name(kind));
    CHECK(!str_present(first_unlisted(kind, jdoc_root(doc))));

    const struct entry_form form = {at_us, jdoc_root(doc), str_c(entry_kind_name(kind))};

    object_canonical(&entry_object, &form, out);
    return buf_failed(out) ? err_set(err, E_LIMIT, "", "entry '%s'", entry_kind_name(kind)) : 0;
}

int entry_read(struct str line, struct jdoc **ret_doc, struct entry *ret_entry, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    AUTO(buf_done) struct buf canonical = buf_init(KIB(64) + 1);
    struct entry_form form = {0};
    enum entry_kind kind;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "log entry");
    if (jdoc_parse(line, &jlimits_default, &doc, err) < 0 ||
        object_decode(&entry_object, jdoc_root(doc), arena, &form, err) < 0)
        return err_set(err, E_VERIFY, "", "log entry is not well-formed");
    if (!entry_kind_parse(form.kind, &kind))
        return err_set(err, E_VERIFY, "/kind", "unknown kind '%.*s'", STR_ARG(form.kind));
    if (jtype_of(form.body) != J_OBJECT)
        return err_set(err, E_VERIFY, "/body", "body is no object");

    const struct str extra = first_unlisted(kind, form.body);

    if (str_present(extra))
        return err_set(err, E_VERIFY, "/body", "member '%.*s' is not in '%s'", STR_ARG(extra),
                       entry_kind_name(kind));
    jval_canonical(&canonical, jdoc_root(doc));
    if (!str_eq(buf_str(&canonical), line))
        return err_set(err, E_VERIFY, "", "log entry is not in canonical form");
    *ret_entry = (struct entry){kind, form.at_us, form.body, NULL};
    *ret_doc = MOVE(doc);
    return 0;
}
