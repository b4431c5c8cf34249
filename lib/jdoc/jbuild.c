/*
 * Builds jansson trees from calls that follow the nesting. Each level knows its container; the container itself is owned by
 * the one above, the root by the builder, so that giving up at any point frees everything.
 */
#include "lib/jdoc/jbuild.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/jdoc/jdoc_private.h"

#include "lib/base/banned.h"

struct jbuild {
    json_t *root;               /* owned */
    json_t *open[JBUILD_DEPTH]; /* borrowed from root */
    unsigned depth;
    unsigned ignored; /* levels begun after a failure */
    bool failed, too_deep, keyed;
    struct str key; /* borrowed until the value comes */
};

struct jbuild *jbuild_new(void)
{
    struct jbuild *build = malloc(sizeof(*build));

    if (build != NULL) {
        build->root = NULL;
        build->depth = build->ignored = 0;
        build->failed = build->too_deep = build->keyed = false;
    }
    return build;
}

void jbuild_free(struct jbuild **build)
{
    if (*build == NULL)
        return;
    json_decref((*build)->root);
    free(*build);
    *build = NULL;
}

/* Takes json; true if it has found its place. */
static bool place(struct jbuild *build, json_t *json)
{
    int refused = 0;

    if (json == NULL || build->failed) {
        json_decref(json);
        build->failed = true;
        return false;
    }
    if (build->depth == 0) {
        CHECK(build->root == NULL); /* one root only */
        build->root = json;
        return true;
    }
    json_t *in = build->open[build->depth - 1];

    if (json_is_object(in)) {
        CHECK(build->keyed);
        build->keyed = false;
        refused = json_object_setn_new_nocheck(in, build->key.p, build->key.n, json);
    } else {
        refused = json_array_append_new(in, json);
    }
    build->failed = refused != 0;
    return !build->failed;
}

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
    begin(build, json_object());
}

void jbuild_array(struct jbuild *build)
{
    begin(build, json_array());
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
    place(build, json_stringn_nocheck(s.p != NULL ? s.p : "", s.n));
}

void jbuild_i64(struct jbuild *build, int64_t v)
{
    place(build, json_integer(v));
}

void jbuild_real(struct jbuild *build, double v)
{
    place(build, json_real(v));
}

void jbuild_bool(struct jbuild *build, bool v)
{
    place(build, json_boolean(v));
}

void jbuild_null(struct jbuild *build)
{
    place(build, json_null());
}

void jbuild_val(struct jbuild *build, const struct jval *v)
{
    place(build, v != NULL ? json_deep_copy(jdoc__json(v)) : json_null());
}

int jbuild_take(struct jbuild **build, struct jdoc **ret_doc, struct err *err)
{
    struct jbuild *b = *build;
    struct jdoc *doc = b->failed ? NULL : calloc(1, sizeof(*doc));
    int failed = 0;

    if (b->too_deep) {
        failed = err_tell(err, E_LIMIT, "", "more than %d levels", JBUILD_DEPTH);
    } else if (doc == NULL) {
        failed = err_set(err, E_NO_MEMORY, "", "JSON document");
    } else {
        CHECK(b->depth == 0 && b->root != NULL);
        doc->root = MOVE(b->root);
        *ret_doc = doc;
    }
    jbuild_free(build);
    return failed;
}
