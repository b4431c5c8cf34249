/*
 * lib/conf/conf_private.h - texts of settings and their stored values, both directions; for
 * lib/conf only
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/conf/conf.h"

/*
 * Stores the value of `text` in its member of *settings. `folder` is what a relative path is
 * relative to. Texts are copied to `arena`. Errors: E_CONFIG (the text says what was expected),
 * E_NO_MEMORY.
 */
MUST_CHECK int conf__value_parse(const struct conf_key *key, struct str text, struct str folder,
                                 struct arena *arena, void *settings, struct err *err);

/* Appends the text form of the member; conf__value_parse reads it back. */
void conf__value_format(struct buf *out, const struct conf_key *key, const void *settings);

/* Appends what a value may be: "1s..10m", "a|b|c", "true|false"; nothing if anything goes. */
void conf__value_range(struct buf *out, const struct conf_key *key);
