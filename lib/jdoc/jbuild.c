/*
 * Builds jansson trees from calls that follow the nesting. Each level knows its container; all
 * memory is the document's, so that giving up at any point frees everything.
 */
#include "lib/jdoc/jbuild.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/jdoc/jdoc_private.h"

#include "lib/base/banned.h"

struct jbuild {
    struct jdoc *doc;           /* owned */
    json_t *open[JBUILD_DEPTH]; /* in doc */
    unsigned depth;
    unsigned ignored; /* levels begun after a failure */
    bool failed, too_deep, keyed;
    struct str key; /* borrowed until the value comes */
};

struct jbuild *jbuild_new(void)
{
    struct jbuild *build = malloc(sizeof(*build));

    if (build == NULL)
        return NULL;
    build->depth = build->ignored = 0;
    build->failed = build->too_deep = build->keyed = false;
    if ((build->doc = jdoc__new()) == NULL)
        jbuild_free(&build);
    return build;
}

void jbuild_free(struct jbuild **build)
{
    if (*build == NULL)
        return;
    jdoc_free(&(*build)->doc);
    free(*build);
    *build = NULL;
}

/* 0 if json has found its place. */
static int put(struct jbuild *build, json_t *json)
{
    if (build->depth == 0) {
        CHECK(build->doc->root == NULL); /* one root only */
        build->doc->root = json;
        return 0;
    }
    json_t *in = build->open[build->depth - 1];

    if (!json_is_object(in))
        return json_array_append_new(in, json);
    CHECK(build->keyed);
    build->keyed = false;
    return json_object_setn_new_nocheck(in, build->key.p, build->key.n, json);
}

/* Places what MADE has made; false after a failure. */
static bool place(struct jbuild *build, json_t *json)
{
    build->failed |= json == NULL || (!build->failed && put(build, json) != 0);
    jdoc__make(NULL);
    return !build->failed;
}

#define MADE(build, value) (jdoc__make((build)->doc), (value))

static void begin(struct jbuild *build, json_t *container)
{
    if (build->depth == JBUILD_DEPTH)
        build->failed = build->too_deep = true;
    if (place(build, container))
        build->open[build->depth++] = container;
    else
        build->ignored++;
}

void jbuild_object(struct jbuild *build)
{
    begin(build, MADE(build, json_object()));
}

void jbuild_array(struct jbuild *build)
{
    begin(build, MADE(build, json_array()));
}

void jbuild_end(struct jbuild *build)
{
    if (build->ignored > 0) {
        build->ignored--;
        return;
    }
    CHECK(build->depth > 0);
    CHECK(!build->keyed || build->failed);
    build->depth--;
}

void jbuild_key(struct jbuild *build, struct str key)
{
    if (build->failed)
        return;
    CHECK(build->depth > 0 && json_is_object(build->open[build->depth - 1]) && !build->keyed);
    build->key = key.p != NULL ? key : STR("");
    build->keyed = true;
}

void jbuild_str(struct jbuild *build, struct str s)
{
    place(build, MADE(build, json_stringn_nocheck(s.p != NULL ? s.p : "", s.n)));
}

void jbuild_i64(struct jbuild *build, int64_t v)
{
    place(build, MADE(build, json_integer(v)));
}

void jbuild_real(struct jbuild *build, double v)
{
    place(build, MADE(build, json_real(v)));
}

void jbuild_bool(struct jbuild *build, bool v)
{
    place(build, MADE(build, json_boolean(v)));
}

void jbuild_null(struct jbuild *build)
{
    place(build, MADE(build, json_null()));
}

void jbuild_val(struct jbuild *build, const struct jval *v)
{
    place(build, MADE(build, v != NULL ? json_deep_copy(jdoc__json(v)) : json_null()));
}

int jbuild_take(struct jbuild **build, struct jdoc **ret_doc, struct err *err)
{
    struct jbuild *b = *build;
    int failed = 0;

    if (b->too_deep) {
        failed = err_tell(err, E_LIMIT, "", "more than %d levels", JBUILD_DEPTH);
    } else if (b->failed) {
        failed = err_set(err, E_NO_MEMORY, "", "JSON document");
    } else {
        CHECK(b->depth == 0 && b->doc->root != NULL);
        *ret_doc = MOVE(b->doc);
    }
    jbuild_free(build);
    return failed;
}
