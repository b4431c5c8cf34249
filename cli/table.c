/*
 * cli/table.c - aligned tables; Hangul and CJK are two columns wide
 */
#include <stdlib.h>
#include <wchar.h>

#include "cli/cli.h"
#include "lib/base/check.h"

#include "lib/base/banned.h"

#define COLUMNS_MAX 12

struct table {
    struct cli *cli;
    const struct column *columns; /* borrowed */
    size_t n_columns;
    struct str *cells; /* arena; rows one after the other */
    size_t n, cap;
};

struct table *table_new(struct cli *cli, const struct column *columns, size_t n)
{
    struct table *table = ARENA_NEW(cli->arena, struct table);

    CHECK(n > 0 && n <= COLUMNS_MAX);
    if (table != NULL)
        *table = (struct table){.cli = cli, .columns = columns, .n_columns = n};
    return table;
}

void table_cell(struct table *table, struct str cell)
{
    if (table == NULL)
        return;
    if (table->n == table->cap) {
        const size_t cap = table->cap == 0 ? 64 : 2 * table->cap;
        struct str *cells = ARENA_ARRAY(table->cli->arena, struct str, cap);

        if (cells == NULL)
            return;
        if (table->n > 0)
            memcpy(cells, table->cells, table->n * sizeof(*cells));
        table->cells = cells;
        table->cap = cap;
    }
    table->cells[table->n++] = cli_clean(table->cli, cell);
}

size_t text_width(struct str s)
{
    mbstate_t state = {0};
    size_t width = 0;

    while (s.n > 0) {
        wchar_t c;
        size_t n = mbrtowc(&c, s.p, s.n, &state);
        int columns;

        if (n == 0 || n > s.n) { /* malformed: one column a byte */
            state = (mbstate_t){0};
            n = 1;
            c = L'?';
        }
        columns = wcwidth(c);
        width += columns > 0 ? (size_t)columns : 0;
        s = str_from(s, n);
    }
    return width;
}

static void put(FILE *out, struct str s, size_t width, const struct column *column, bool last)
{
    const size_t own = text_width(s);
    const int gap = own < width ? (int)(width - own) : 0;

    if (column->align == COLUMN_RIGHT)
        fprintf(out, "%*s", gap, "");
    fwrite(s.p, 1, s.n, out);
    if (column->align == COLUMN_LEFT && !last)
        fprintf(out, "%*s", gap, "");
    fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *table, FILE *out)
{
    size_t width[COLUMNS_MAX];

    if (table == NULL)
        return;
    for (size_t i = 0; i < table->n_columns; i++)
        width[i] = text_width(str_c(text(table->cli, table->columns[i].title)));
    for (size_t i = 0; i < table->n; i++) {
        const size_t own = text_width(table->cells[i]);

        if (own > width[i % table->n_columns])
            width[i % table->n_columns] = own;
    }
    if (table->cli->colour)
        fputs("\033[1m", out);
    for (size_t i = 0; i < table->n_columns; i++)
        put(out, str_c(text(table->cli, table->columns[i].title)), width[i], &table->columns[i],
            i + 1 == table->n_columns);
    if (table->cli->colour)
        fputs("\033[0m", out);
    for (size_t i = 0; i < table->n; i++) {
        const size_t c = i % table->n_columns;

        put(out, table->cells[i], width[c], &table->columns[c], c + 1 == table->n_columns);
    }
}
