/*
 * connector/market/agreement_end.c - POST /naru/v1/agreements/{id}/end: ends an agreement before
 * its time
 */
#include "connector/dsp/dsp.h"
#include "connector/market/market_private.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define REASON_MAX 500

struct reason {
    struct str reason;
};
/* clang-format off */
static const struct field reason_fields[] = {FIELD(struct reason, reason, "reason", F_REQUIRED | F_NONEMPTY)};
/* clang-format on */
static OBJECT(reason_object, struct reason, reason_fields, CLOSED);

static void ended(void *cls, struct str id, const struct err *err)
{
    struct rq *rq = cls;

    (void)id;
    *(struct err *)rq->cls = *err;
    rq_resume(rq);
}

static int end_answer(struct rq *rq, struct err *err)
{
    const struct err *result = rq->cls;

    if (result->code != E_OK) {
        *err = *result;
        return err_ret(err);
    }
    rq_reply_empty(rq, 204);
    return 0;
}

int market_agreement_end(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    struct err *result = ARENA_NEW(rq->arena, struct err);
    struct reason reason = {0};

    if (result == NULL)
        return err_set(err, E_NO_MEMORY, "", "agreement");
    if (rq_decode(rq, &reason_object, &reason, err) < 0)
        return err_ret(err);
    if (reason.reason.n > REASON_MAX)
        return err_tell(err, E_LIMIT, "/reason", "at most %d bytes", REASON_MAX);
    rq->cls = result;
    rq_suspend(rq, end_answer);
    if (dsp_agreement_end(app, rq_param(rq, "id"), reason.reason, ended, rq, result) < 0)
        rq_resume(rq);
    return 0;
}
