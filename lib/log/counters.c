/*
 * lib/log/counters.c - metrics of the process, in OpenMetrics 1.0 text
 *
 * Kinds, names and help come from counters.def. The numbers are relaxed atomics: each is exact, a set of them is not a
 * snapshot.
 */
#include "lib/log/counters.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define BUCKETS         11 /* 64 µs · 4^0 … 4^10; one more for what is longer */
#define FIRST_BUCKET_US INT64_C(64)

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

struct metric {
    enum kind kind;
    const char *name;
    const char *unit;
    const char *help;
};

static const struct metric metrics[] = {
#define COUNTER(id, name, unit, help) [id] = {KIND_COUNTER, name, unit, help},
#define GAUGE(id, name, unit, help)   [id] = {KIND_GAUGE, name, unit, help},
#define HISTOGRAM(id, name, help)     [id] = {KIND_HISTOGRAM, name, "seconds", help},
#include "lib/log/counters.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};
static_assert(ARRAY_LEN(metrics) == C__COUNT, "one row per metric");

/* Process-wide numbers (STYLE §7 allows counters). A histogram's value is its sum in microseconds. */
static atomic_llong values[C__COUNT];
static atomic_llong buckets[C__COUNT][BUCKETS + 1];

static void add(enum counter id, enum kind kind, int64_t n)
{
    CHECK((unsigned)id < C__COUNT && metrics[id].kind == kind);
    atomic_fetch_add_explicit(&values[id], n, memory_order_relaxed);
}

void count_add(enum counter id, int64_t n)
{
    add(id, KIND_COUNTER, n);
}

void gauge_add(enum counter id, int64_t delta)
{
    add(id, KIND_GAUGE, delta);
}

void gauge_set(enum counter id, int64_t value)
{
    CHECK((unsigned)id < C__COUNT && metrics[id].kind == KIND_GAUGE);
    atomic_store_explicit(&values[id], value, memory_order_relaxed);
}

void histogram_add(enum counter id, int64_t us)
{
    int64_t edge = FIRST_BUCKET_US;
    unsigned i = 0;

    add(id, KIND_HISTOGRAM, us);
    for (; i < BUCKETS && us > edge; i++)
        edge *= 4;
    atomic_fetch_add_explicit(&buckets[id][i], 1, memory_order_relaxed);
}

static int64_t value_of(enum counter id)
{
    int64_t value = (int64_t)atomic_load_explicit(&values[id], memory_order_relaxed);

    /* lib/base cannot reach this file, so it counts by itself */
    return id == C_EXPECT_FAILED ? value + expect_failed_count() : value;
}

int64_t counter_get(enum counter id)
{
    int64_t sum = 0;

    CHECK((unsigned)id < C__COUNT);
    if (metrics[id].kind != KIND_HISTOGRAM)
        return value_of(id);
    for (unsigned i = 0; i <= BUCKETS; i++)
        sum += (int64_t)atomic_load_explicit(&buckets[id][i], memory_order_relaxed);
    return sum;
}

/* OpenMetrics: escaped label values */
static void add_label(struct buf *out, const char *program)
{
    buf_add_c(out, "program=\"");
    for (; *program != '\0'; program++) {
        if (*program == '"' || *program == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *program);
    }
    buf_add_char(out, '"');
}

static void add_sample(struct buf *out, const char *name, const char *suffix, const char *program)
{
    buf_printf(out, "%s%s{", name, suffix);
    add_label(out, program);
    buf_add_c(out, "} ");
}

static void add_seconds(struct buf *out, int64_t us)
{
    buf_printf(out, "%lld.%06lld", (long long)(us / US_PER_S), (long long)(us % US_PER_S));
}

static void render_histogram(struct buf *out, enum counter id, const char *name,
                             const char *program)
{
    int64_t edge = FIRST_BUCKET_US, count = 0;

    for (unsigned i = 0; i <= BUCKETS; i++, edge *= 4) {
        count += (int64_t)atomic_load_explicit(&buckets[id][i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{", name);
        add_label(out, program);
        buf_add_c(out, ",le=\"");
        if (i < BUCKETS)
            add_seconds(out, edge);
        else
            buf_add_c(out, "+Inf");
        buf_printf(out, "\"} %lld\n", (long long)count);
    }
    add_sample(out, name, "_count", program);
    buf_printf(out, "%lld\n", (long long)count);
    add_sample(out, name, "_sum", program);
    add_seconds(out, value_of(id));
    buf_add_char(out, '\n');
}

static void render(struct buf *out, enum counter id, const char *program)
{
    static const char *const types[] = {
        [KIND_COUNTER] = "counter", [KIND_GAUGE] = "gauge", [KIND_HISTOGRAM] = "histogram"};
    const struct metric *m = &metrics[id];
    char name[96];

    /* a family that has a unit ends in it */
    snprintf(name, sizeof(name), "%s%s", m->name, m->kind == KIND_HISTOGRAM ? "_seconds" : "");
    buf_printf(out, "# TYPE %s %s\n", name, types[m->kind]);
    if (m->unit[0] != '\0')
        buf_printf(out, "# UNIT %s %s\n", name, m->unit);
    buf_printf(out, "# HELP %s %s\n", name, m->help);
    if (m->kind == KIND_HISTOGRAM) {
        render_histogram(out, id, name, program);
        return;
    }
    add_sample(out, name, m->kind == KIND_COUNTER ? "_total" : "", program);
    buf_add_i64(out, value_of(id));
    buf_add_char(out, '\n');
}

void counters_render(struct buf *out, const char *program)
{
    for (unsigned i = 0; i < C__COUNT; i++)
        render(out, (enum counter)i, program);
    buf_add_c(out, "# EOF\n");
}
