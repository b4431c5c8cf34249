/*
 * connector/exchange/duty.c - documents about duties, to the broker (docs/exchange.md §2)
 */
#include "connector/exchange/exchange_private.h"
#include "lib/base/limits.h"
#include "lib/crypto/jws.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

int exchange_duty(struct app *app, bool deletion, struct str body, struct arena *arena,
                  struct outbox_msg *ret_msg, struct err *err)
{
    const struct str url =
        arena_printf(arena, "%.*s/v1/agreements/%s", STR_ARG(app->settings->broker_url),
                     deletion ? "deletions" : "duties");

    if (!str_present(url))
        return err_set(err, E_NO_MEMORY, "", "document about a duty");
    exchange_message(app, ret_msg, BROKER_RECORD, deletion ? "broker.deletion" : "broker.duty", url,
                     body);
    return 0;
}

struct letter {
    struct str statement, report;
};

struct about {
    struct uuid duty;
};
/* clang-format off */
static const struct field letter_fields[] = {
    FIELD(struct letter, statement, "statement", 0),
    FIELD(struct letter, report,    "report",    0),
};
static OBJECT(letter_object, struct letter, letter_fields, OPEN);
static const struct field about_fields[] = {FIELD(struct about, duty, "duty", F_REQUIRED)};
/* clang-format on */
static OBJECT(about_object, struct about, about_fields, OPEN);

int exchange__duty_told(struct db *tx, const struct outbox_msg *msg, bool accepted,
                        struct str answer, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct letter letter = {0};
    struct about about = {0};
    struct str document;
    struct jws jws;

    (void)answer;
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "end of a message");
    if (object_parse(&letter_object, msg->body, NULL, arena, &letter, err) < 0)
        return err_prefix(err, "outbox.body");
    document = str_present(letter.statement) ? letter.statement : letter.report;
    if (jws_parse_document(document, arena, &jws, err) < 0 ||
        object_parse(&about_object, jws.payload, NULL, arena, &about, err) < 0)
        return err_prefix(err, "outbox.body");
    return db_exec(tx, &q_duty_broker_told,
                   DB_ARGS(DB_TEXT(str_c(uuid_format(about.duty).c)), DB_TEXT(document),
                           DB_TEXT(accepted ? STR("told") : STR("refused"))),
                   NULL, err);
}
