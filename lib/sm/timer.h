/*
 * lib/sm/timer.h - one thread that serves the next due instant
 *
 * Time limits are rows of the program; here they are (key, due) pairs in memory, loaded at start.
 * Setting an existing key moves it. `fire` runs in the timer's thread and must hand its work to the
 * writer.
 */
#pragma once

#include <stdint.h>

#include "lib/base/env.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct timers;

MUST_CHECK int timers_open(const struct env *env, void *app,
                           void (*fire)(void *app, struct str key, int64_t due_us),
                           struct timers **ret_timers, struct err *err);
/* Nothing fires any more; timers_set is still allowed. From one thread; timers may be NULL. */
void timers_stop(struct timers *timers);
void timers_close(struct timers **timers);
/* Wall-clock µs; copies key; any thread. */
void timers_set(struct timers *timers, struct str key, int64_t due_us);
void timers_cancel(struct timers *timers, struct str key);
