/*
 * policy/source.c - where facts come from, in words and as JSON
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

#define SOURCE_MAX KIB(64) /* an issuer, a reason */

/* clang-format off */
static const struct {
    const char *slug;
    const char *text[POLICY_LANG__COUNT];
} rows[POLICY_FROM__COUNT] = {
#define SOURCE(id, slug_, ko, en) [POLICY_FROM_##id] = {slug_, {ko, en}},
#include "policy/sources.def"
#undef SOURCE
};

/* clang-format on */

static void add_one(struct buf *out, enum policy_lang lang, const struct policy_source *source)
{
    for (const char *c = rows[source->kind].text[lang]; *c != '\0'; c++) {
        if (*c != '%') {
            buf_add_char(out, *c);
            continue;
        }
        c++;
        if (*c == 'W')
            buf_add_str(out, source->by);
        else if (*c == 'T')
            buf_add_c(out, time_format(source->at_us).c);
        else if (source->reason.n > 0) {
            buf_add_c(out, ": ");
            buf_add_str(out, source->reason);
        }
    }
}

void policy_source_text(const struct policy_source *source, enum policy_lang lang, struct buf *out)
{
    for (const struct policy_source *s = source; s != NULL; s = s->also) {
        if (s != source)
            buf_add_c(out, "; ");
        add_one(out, lang, s);
    }
}

void policy_answer_source(const struct policy_source *source, struct jw *w)
{
    static const char *const keys[POLICY_LANG__COUNT] = {"ko", "en"};

    jw_object(w);
    jw_kc(w, "kind", rows[source->kind].slug);
    if (str_present(source->by))
        jw_kstr(w, "by", source->by);
    if (str_present(source->id))
        jw_kstr(w, "id", source->id);
    if (source->at_us != 0)
        jw_kc(w, "at", time_format(source->at_us).c);
    if (source->reason.n > 0)
        jw_kstr(w, "reason", source->reason);
    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        AUTO(buf_done) struct buf text = buf_init(SOURCE_MAX);

        add_one(&text, (enum policy_lang)lang, source);
        jw_kstr(w, keys[lang], buf_str(&text));
    }
    jw_object_end(w);
}

void policy_answer_sources(const struct policy_source *source, struct jw *w)
{
    if (source == NULL)
        return;
    jw_key(w, "sources");
    jw_array(w);
    for (; source != NULL; source = source->also)
        policy_answer_source(source, w);
    jw_array_end(w);
}
