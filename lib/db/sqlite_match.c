/*
 * lib/db/sqlite_match.c - value_matches(op, value, operand): one comparison of texts, named by a
 * number, for queries whose conditions come from callers
 *
 * PostgreSQL has the same function in the program's schema. 0 =, 1 <>, 2 in, 3 not in, 4 LIKE (here
 * a GLOB pattern), 5 ILIKE, 6 <, 7 <=, 8 >, 9 >=. Texts are compared by their bytes. The operand of
 * `in` is a list whose elements each stand between two separators U+001F. NULL matches nothing.
 */
#include "lib/db/sqlite_private.h"

#include "lib/base/banned.h"

#define SEPARATOR '\x1f'

enum { EQ, NEQ, IN, NOT_IN, LIKE, ILIKE, LT, LTEQ, GT, GTEQ };

static struct str text_of(sqlite3_value *value)
{
    const char *p = (const char *)sqlite3_value_text(value);

    return p == NULL ? STR_NONE : str_n(p, (size_t)sqlite3_value_bytes(value));
}

static bool is_in(struct str value, struct str list)
{
    while (list.n > 0) {
        struct str element;

        list = str_from(list, 1);
        element = str_cut(&list, SEPARATOR);
        if (str_eq(element, value))
            return true;
    }
    return false;
}

static bool matches(int op, struct str value, struct str operand)
{
    switch (op) {
    case EQ: return str_eq(value, operand);
    case NEQ: return !str_eq(value, operand);
    case IN: return is_in(value, operand);
    case NOT_IN: return !is_in(value, operand);
    case LIKE: return sqlite3_strglob(operand.p, value.p) == 0;
    case ILIKE: return sqlite3_strlike(operand.p, value.p, '\\') == 0;
    case LT: return str_cmp(value, operand) < 0;
    case LTEQ: return str_cmp(value, operand) <= 0;
    case GT: return str_cmp(value, operand) > 0;
    case GTEQ: return str_cmp(value, operand) >= 0;
    default: return false;
    }
}

static void value_matches(sqlite3_context *context, int n, sqlite3_value **args)
{
    const struct str value = text_of(args[1]), operand = text_of(args[2]);

    (void)n;
    if (!str_present(value) || !str_present(operand))
        sqlite3_result_null(context);
    else
        sqlite3_result_int(context, matches(sqlite3_value_int(args[0]), value, operand) ? 1 : 0);
}

int sqlite__add_match(sqlite3 *handle)
{
    return sqlite3_create_function_v2(handle, "value_matches", 3,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                      value_matches, NULL, NULL, NULL);
}
