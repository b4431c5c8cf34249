/*
 * policy/windows.c - alternatives that are all windows of time: one search in place of many comparisons
 *
 * An `or` whose operands are constraints on the instant, or several of them that must all hold, holds within the union of their
 * windows. The union is kept beside the operands, as spans in order and apart from each other, so that it is judged, with the
 * exact instant until which that holds, by one search. Causes and traces still look at the operands.
 */
#include "policy/decide_private.h"

#include "lib/base/banned.h"

#define ALTERNATIVES_MIN 4 /* fewer are compared as fast */

/* The window in which what stands at pc holds; false if it is no window. */
static bool window_at(const struct insn *code, uint32_t pc, struct span *ret_window)
{
    const struct insn *insn = &code[pc];

    if (insn->kind == INSN_NOW && !insn->negate) {
        *ret_window = (struct span){insn->window.lo, insn->window.hi};
        return true;
    }
    if (insn->kind != INSN_AND)
        return false;
    *ret_window = (struct span){INT64_MIN, INT64_MAX};
    for (uint32_t at = pc + 1; at < insn->next; at = code[at].next) {
        struct span part;

        if (!window_at(code, at, &part))
            return false;
        ret_window->lo = later(ret_window->lo, part.lo);
        ret_window->hi = earlier(ret_window->hi, part.hi);
    }
    return true;
}

static int by_lo(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Brings together what overlaps or touches; how many are left. */
static uint32_t merge(struct span *spans, uint32_t n)
{
    uint32_t kept = 0;

    qsort(spans, n, sizeof(*spans), by_lo);
    for (uint32_t i = 0; i < n; i++) {
        if (kept > 0 && spans[i].lo <= add_saturated(spans[kept - 1].hi, 1))
            spans[kept - 1].hi = later(spans[kept - 1].hi, spans[i].hi);
        else
            spans[kept++] = spans[i];
    }
    return kept;
}

int policy__join_windows(struct arena *arena, struct insn *code, uint32_t pc)
{
    struct insn *insn = &code[pc];
    struct span *spans;
    uint32_t n = 0;

    if (insn->kind != INSN_OR || insn->n < ALTERNATIVES_MIN)
        return 0;
    spans = ARENA_ARRAY(arena, struct span, insn->n);
    if (spans == NULL)
        return -E_NO_MEMORY;
    for (uint32_t at = pc + 1; at < insn->next; at = code[at].next) {
        if (!window_at(code, at, &spans[n]))
            return 0;
        n += spans[n].lo <= spans[n].hi; /* an empty one holds never */
    }
    insn->windows.n = merge(spans, n);
    insn->windows.spans = spans;
    return 0;
}

struct outcome policy__in_windows(const struct insn *insn, int64_t now)
{
    const struct span *spans = insn->windows.spans;
    uint32_t lo = 0, hi = insn->windows.n;

    while (lo < hi) { /* the first that does not end before now */
        const uint32_t mid = lo + (hi - lo) / 2;

        if (spans[mid].hi >= now)
            hi = mid;
        else
            lo = mid + 1;
    }
    if (lo == insn->windows.n)
        return (struct outcome){TRUTH_FALSE, POLICY_FOREVER};
    if (spans[lo].lo > now)
        return (struct outcome){TRUTH_FALSE, spans[lo].lo};
    return (struct outcome){TRUTH_TRUE, add_saturated(spans[lo].hi, 1)};
}
