/*
 * connector/dsp/message_write.c - bodies that we send, in the minimal form that both schemas and
 * JSON-LD readers accept
 *
 * `@context` is an array, every nested node has its `@type`, empty arrays are left out. Rules of a
 * policy are spliced as text: a peer compares an agreement with its offer member by member.
 */
#include "connector/dsp/message.h"

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

/* Members of a policy that belong to this negotiation, not to its rules. */
static bool is_frame(struct str key)
{
    static const struct str names[] = {
        STR_INIT("@id"),      STR_INIT("@type"),    STR_INIT("@context"),  STR_INIT("target"),
        STR_INIT("assigner"), STR_INIT("assignee"), STR_INIT("timestamp"),
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(key, names[i]))
            return true;
    }
    return false;
}

static struct str taken(struct buf *out, struct arena *arena)
{
    return buf_failed(out) ? STR_NONE : arena_str(arena, buf_str(out));
}

struct str message_rules_of(const struct jval *policy, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_JSON_BYTES);
    struct jw w = jw_init(&out);
    struct str text;

    jw_object(&w);
    for (const struct jiter *it = jiter_first(policy); it != NULL; it = jiter_next(policy, it)) {
        if (is_frame(jiter_key(it)))
            continue;
        jw_key_str(&w, jiter_key(it));
        jw_val(&w, jiter_value(it));
    }
    jw_object_end(&w);
    if (buf_failed(&out))
        return STR_NONE;
    text = buf_str(&out);
    return arena_str(arena, str_n(text.p + 1, text.n - 2));
}

static void member(struct buf *out, const char *name, struct str value)
{
    if (!str_present(value))
        return;
    if (out->n > 0 && out->p[out->n - 1] != '{')
        buf_add_char(out, ',');
    buf_printf(out, "\"%s\":", name);
    json_quote(out, value);
}

static void raw_member(struct buf *out, const char *name, struct str json)
{
    if (str_present(json))
        buf_printf(out, ",\"%s\":", name);
    buf_add_str(out, json);
}

static void rules(struct buf *out, struct str text)
{
    if (text.n > 0)
        buf_add_char(out, ',');
    buf_add_str(out, text);
    buf_add_char(out, '}');
}

struct str message_offer(const struct offer_text *offer, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_JSON_BYTES);

    buf_add_char(&out, '{');
    member(&out, "@id", offer->id);
    member(&out, "@type", STR("Offer"));
    member(&out, "assigner", offer->assigner);
    member(&out, "assignee", offer->assignee);
    member(&out, "target", offer->target);
    rules(&out, offer->rules);
    return taken(&out, arena);
}

struct str message_agreement(const struct agreement_text *agreement, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_JSON_BYTES);

    buf_add_char(&out, '{');
    member(&out, "@id", agreement->id);
    member(&out, "@type", STR("Agreement"));
    member(&out, "assigner", agreement->assigner);
    member(&out, "assignee", agreement->assignee);
    member(&out, "target", agreement->target);
    if (str_present(agreement->id))
        member(&out, "timestamp", str_c(time_format(agreement->agreed_us).c));
    rules(&out, agreement->rules);
    return taken(&out, arena);
}

struct str message_write(const struct codec *codec, const struct message_text *text,
                         struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_JSON_BYTES);
    AUTO(buf_done) struct buf translated = buf_init(2 * LIMIT_JSON_BYTES);
    struct err ignored = {0};

    buf_add_c(&out, "{\"@context\":[\"" DSP_CONTEXT "\"],\"@type\":\"");
    buf_add_c(&out, message_type(text->form));
    buf_add_char(&out, '"');
    member(&out, "@id", text->id);
    member(&out, "providerPid", text->pids.provider);
    member(&out, "consumerPid", text->pids.consumer);
    member(&out, "state", text->state);
    member(&out, "eventType", text->event);
    member(&out, "agreementId", text->agreement_id);
    member(&out, "format", text->format);
    member(&out, "callbackAddress", text->callback);
    member(&out, "code", text->code);
    raw_member(&out, "offer", text->offer);
    raw_member(&out, "agreement", text->agreement);
    raw_member(&out, "dataAddress", text->data_address);
    if (text->reason.n > 0) {
        buf_add_c(&out, ",\"reason\":[");
        json_quote(&out, text->reason);
        buf_add_char(&out, ']');
    }
    buf_add_char(&out, '}');
    if (!codec->translated)
        return taken(&out, arena);
    if (buf_failed(&out) || codec_write(codec, buf_str(&out), STR_NONE, &translated, &ignored) < 0)
        return STR_NONE;
    return taken(&translated, arena);
}
