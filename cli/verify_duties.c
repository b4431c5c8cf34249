/*
 * cli/verify_duties.c - what parties say of duties: duty.reported, deletion.stated
 *
 * 1 Who says it has reported the agreement in that role; the document is signed with its key and of
 *   the kind's type, says what the entry says, and keeps the rules of lib/wire.
 * 2 It lies neither before the agreement nor, by more than five minutes, after the entry.
 * 3 One side says one thing of a duty once. That data are deleted is said by a deletion statement.
 */
#include "cli/verify_private.h"
#include "lib/crypto/jws.h"

#include "lib/base/banned.h"

#define SKEW_US    (5 * US_PER_MIN)
#define MEMORY     KIB(256)
#define DELETE_IRI "http://www.w3.org/ns/odrl/2/delete"

/* What an entry and its document have in common. */
struct said {
    struct str duty, agreement, provider, consumer, debtor, action, state;
    int role;
    int64_t due_us, at_us;
};

static int read_deletion(struct str payload, struct arena *arena, struct said *ret, struct err *err)
{
    struct wire_deletion d = {0};

    if (object_parse(&wire_deletion_object, payload, &jlimits_default, arena, &d, err) < 0 ||
        wire_deletion_check(&d, err) < 0)
        return err_ret(err);
    *ret = (struct said){
        .duty = arena_str(arena, str_c(uuid_format(d.duty).c)),
        .agreement = d.agreement,
        .provider = d.provider,
        .consumer = d.consumer,
        .role = d.role,
        .due_us = d.due_us,
        .at_us = d.deleted_us,
    };
    return 0;
}

static int read_report(struct str payload, struct arena *arena, struct said *ret, struct err *err)
{
    struct wire_duty d = {0};

    if (object_parse(&wire_duty_object, payload, &jlimits_default, arena, &d, err) < 0 ||
        wire_duty_check(&d, err) < 0)
        return err_ret(err);
    if (str_eq(d.action, STR(DELETE_IRI)) && (d.state == DUTY_DONE || d.state == DUTY_LATE))
        return err_tell(err, E_INVALID, "/state", "deleting is said by a deletion statement");
    *ret = (struct said){
        .duty = arena_str(arena, str_c(uuid_format(d.duty).c)),
        .agreement = d.agreement,
        .provider = d.provider,
        .consumer = d.consumer,
        .role = d.role,
        .debtor = str_c(party_role_names[d.debtor]),
        .action = d.action,
        .state = str_c(duty_state_names[d.state]),
        .due_us = d.due_us,
        .at_us = d.at_us,
    };
    return 0;
}

static bool same_text(const struct entry *e, const char *member, struct str said)
{
    const struct str text = verify__text(e, member);

    return str_eq(str_present(text) ? text : STR(""), str_present(said) ? said : STR(""));
}

/* Does the entry say what its document says? */
static bool agree(const struct entry *e, const struct said *s, struct str did)
{
    const bool provider = s->role == PARTY_PROVIDER;
    const bool deletion = e->kind == ENTRY_DELETION_STATED;

    return same_text(e, "duty", s->duty) && same_text(e, "agreement", s->agreement) &&
           same_text(e, "role", str_c(party_role_names[s->role])) &&
           same_text(e, "peer", provider ? s->consumer : s->provider) &&
           str_eq(provider ? s->provider : s->consumer, did) && same_text(e, "debtor", s->debtor) &&
           same_text(e, "action", s->action) && same_text(e, "state", s->state) &&
           verify__time(e, "due_at") == s->due_us &&
           verify__time(e, deletion ? "deleted_at" : "at") == s->at_us;
}

static void check_document(struct facts *f, int64_t at, const struct entry *e,
                           const struct known_participant *p, const struct known_report *report)
{
    const bool deletion = e->kind == ENTRY_DELETION_STATED;
    AUTO(arena_free) struct arena *arena = arena_new(MEMORY);
    struct said said = {0};
    struct err err = {0};
    struct jws jws;

    if (arena == NULL) {
        verify_find(f->v, at, "duty", "out of memory");
        return;
    }
    if (jws_parse_document(verify__text(e, "document"), arena, &jws, &err) < 0 ||
        jws_verify(&jws, p->key, &err) < 0) {
        verify_find(f->v, at, "duty", "the signature is not that of %.*s", STR_ARG(p->did));
        return;
    }
    if (!str_eq_c(jws.typ, deletion ? WIRE_TYP_DELETION : WIRE_TYP_DUTY) ||
        (deletion ? read_deletion : read_report)(jws.payload, arena, &said, &err) < 0 ||
        !agree(e, &said, p->did)) {
        verify_find(f->v, at, "duty", "%.*s has signed something else", STR_ARG(p->did));
        return;
    }
    if (said.at_us < report->agreed_us - SKEW_US || said.at_us > e->at_us + SKEW_US)
        verify_find(f->v, at, "duty", "it names an instant before the agreement or in the future");
}

/* Rule 3; the states of one side are kept apart as the data bank does. */
static void check_once(struct facts *f, int64_t at, const struct entry *e,
                       const struct known_agreement *a)
{
    const struct str state = verify__text(e, "state");
    const bool done = e->kind == ENTRY_DELETION_STATED || str_eq(state, STR("late"));
    struct str key;

    key = verify__pair(f, verify__text(e, "duty"), verify__text(e, "role"));
    key = verify__pair(f, verify__keep(f, key), done ? STR("done") : state);
    key = verify__pair(f, verify__keep(f, key), a->key);
    if (strmap_find(&f->duties, key) != NULL)
        verify_find(f->v, at, "duty", "the same side has said the same before");
    else if (!strmap_add(&f->duties, verify__keep(f, key), f))
        verify_find(f->v, at, "duty", "out of memory");
}

void verify__duty_said(struct facts *f, int64_t at, const struct entry *e)
{
    const struct str participant = verify__text(e, "participant");
    const struct known_participant *p = strmap_find(&f->participants, participant);
    const struct known_agreement *a =
        verify__reported(f, verify__text(e, "agreement"), participant);
    const enum party_role side =
        str_eq(verify__text(e, "role"), STR("provider")) ? PARTY_PROVIDER : PARTY_CONSUMER;

    if (p == NULL || p->key == NULL) {
        verify_find(f->v, at, "duty", "who says it has never applied");
        return;
    }
    if (a == NULL || !str_eq(a->reports[side].participant, participant)) {
        verify_find(f->v, at, "duty", "who says it has not reported the agreement as its %s",
                    party_role_names[side]);
        return;
    }
    check_document(f, at, e, p, &a->reports[side]);
    check_once(f, at, e, a);
    f->v->duties++;
}
