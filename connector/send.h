/*
 * connector/send.h - how outbox messages leave: kind -> method, headers, what an answer means
 *
 * kinds "dsp.…" go to peers (DSP: 200/201/204 acknowledge; 409, 408, 425, 429, and 404 for a
 * process that the peer has only just heard of mean not yet; other 4xx are final; 5xx and no answer
 * are repeated), kinds "broker.…" to the broker.
 */
#pragma once

#include "lib/sm/outbox.h"

struct app;

/* struct outbox_cfg.send; app is struct app. */
void send_message(void *app, const struct outbox_msg *msg);
/* struct outbox_cfg.ended and .after: dispatch by kind. */
int send_ended(struct db *tx, void *app, const struct outbox_msg *msg, enum outbox_result result,
               struct str answer, struct err *err);
/* .ends_alone and .ask: of messages whose end concerns nothing but their process. */
bool send_ends_alone(const struct outbox_msg *msg);
int send_ask(struct db *tx, void *app, const struct outbox_msg *msg, struct str answer,
             struct err *err);
void send_after(void *app, const struct outbox_msg *msg, enum outbox_result result);
