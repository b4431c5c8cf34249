/*
 * lib/jdoc/jspan.h - members and elements of JSON text, found without parsing it
 *
 * For texts of which only parts are to be parsed. Brackets and strings are followed, nothing else
 * is judged: who uses a part parses it (jdoc_parse). Parts are borrowed from the text.
 */
#pragma once

#include <stdbool.h>

#include "lib/base/str.h"

struct jspan {
    const char *p, *end;
    bool object, begun, closed, failed;
};

/* Starts at an object or an array; false if the text is neither. */
bool jspan_init(struct jspan *span, struct str text);
/*
 * The next part; false at the end. ret_key: the key as it is written, without its quotes; STR_NONE
 * in an array. ret_value: without white space around it.
 */
bool jspan_next(struct jspan *span, struct str *ret_key, struct str *ret_value);
/* After the end: brackets and commas were in order, and nothing but white space follows. */
bool jspan_complete(const struct jspan *span);

/*
 * Behind the closing quote of the string whose opening quote stands at p; NULL if it is not closed.
 */
const char *jspan_string_end(const char *p, const char *end);
