/*
 * lib/log/counters.h - metrics of the process, in OpenMetrics text
 *
 * Rows in counters.def make the enum, the HELP and TYPE lines and the documentation. Counters and
 * gauges are relaxed atomics; a histogram has fixed buckets of microseconds (powers of four from 64
 * µs to 67 s).
 */
#pragma once

#include <stdint.h>

#include "lib/base/buf.h"

enum counter {

#define COUNTER(id, name, unit, help) id,
#define GAUGE(id, name, unit, help)   id,
#define HISTOGRAM(id, name, help)     id,
#include "lib/log/counters.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    C__COUNT
};

/* Adds to a counter. */
void count_add(enum counter id, int64_t n);
#define COUNT(id) count_add((id), 1)
/* Sets or changes a gauge. */
void gauge_set(enum counter id, int64_t value);
void gauge_add(enum counter id, int64_t delta);
/* Records a duration in a histogram. */
void histogram_add(enum counter id, int64_t us);
/* Reads a counter or gauge; of a histogram, how many durations it has (tests, health). */
int64_t counter_get(enum counter id);

/* Writes all metrics as OpenMetrics 1.0 text, ending in "# EOF\n". `program` becomes the label
 * program="…". */
void counters_render(struct buf *out, const char *program);
