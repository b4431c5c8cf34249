/*
 * policy/space.c - the candidates of each dimension (compare.c)
 *
 * Whether two candidates are alike is asked of the evaluator itself: it judges every instruction of
 * both programs that reads the dimension; equal truths make one candidate of two.
 */
#include "policy/compare_private.h"

#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define SIGNATURES 1152 /* candidates of one dimension, at most */

/* -- what the constraints say of a candidate --------------------------------------------------- */

struct signatures {
    struct space *space;
    uint8_t *truths; /* one row per candidate that was kept */
    size_t n_rows, width, room;
};

/* One bit per kind of instruction. */
#define READS(kind) (1U << (kind))
#define READS_TIME                                                                                 \
    (READS(INSN_NOW) | READS(INSN_AGREEMENT) | READS(INSN_SEQUENCE) | READS(INSN_WEEK))
#define READS_FACT (READS(INSN_NUMBER) | READS(INSN_TEXT))

static bool reads(const struct insn *insn, unsigned kinds, enum policy_operand operand)
{
    return (kinds >> insn->kind & 1) != 0 &&
           (kinds == READS_TIME || insn->operand == (uint8_t)operand);
}

/* Room for `most` candidates and one that is judged. */
static bool signatures_init(struct signatures *sig, struct space *s, unsigned kinds,
                            enum policy_operand operand, size_t most)
{
    *sig = (struct signatures){.space = s, .room = most < SIGNATURES ? most + 1 : SIGNATURES};
    for (int p = 0; p < 2; p++) {
        for (uint32_t i = 0; i < s->policies[p]->program.n_code; i++)
            sig->width += reads(&s->policies[p]->program.code[i], kinds, operand);
    }
    sig->truths = ARENA_ARRAY(s->arena, uint8_t, sig->room * (sig->width + 1));
    return sig->truths != NULL;
}

/* True if no candidate before is judged alike; then it is remembered. */
static bool is_new(struct signatures *sig, unsigned kinds, enum policy_operand operand,
                   const struct policy_question *question, const struct policy_facts *facts)
{
    uint8_t *row = sig->truths + sig->n_rows * sig->width;
    size_t n = 0;

    if (sig->n_rows + 1 >= sig->room) {
        sig->space->complete = false;
        return false;
    }
    for (int p = 0; p < 2; p++) {
        const struct policy *policy = sig->space->policies[p];
        const struct eval e = {.policy = policy,
                               .program = &policy->program,
                               .code = policy->program.code,
                               .question = question,
                               .facts = facts,
                               .agreement_us = question->agreement_us};

        for (uint32_t i = 0; i < policy->program.n_code; i++) {
            if (reads(&policy->program.code[i], kinds, operand))
                row[n++] = (uint8_t)policy__eval(&e, i).truth;
        }
    }
    for (size_t r = 0; r < sig->n_rows; r++) {
        if (memcmp(sig->truths + r * sig->width, row, sig->width) == 0)
            return false;
    }
    sig->n_rows++;
    return true;
}

/* -- operands ---------------------------------------------------------------------------------- */

struct operand_space {
    struct space *space;
    struct operand_candidates *out;
    struct signatures sig;
    struct policy_facts *facts; /* scratch */
};

static void add_fact(struct operand_space *o, enum policy_knowledge knowledge,
                     const struct policy_value *values, size_t n)
{
    static const struct policy_question question = {.agreement_us = POLICY_NO_TIME};
    const struct policy_fact fact = {.knowledge = knowledge, .n_values = n, .values = values};

    o->facts->of[o->out->operand] = fact;
    if (is_new(&o->sig, READS_FACT, o->out->operand, &question, o->facts))
        o->out->facts[o->out->n++] = fact;
}

static int add_number(struct operand_space *o, int64_t number)
{
    const bool boolean = policy_operand_type(o->out->operand) == POLICY_V_BOOLEAN;
    struct policy_value *value;

    if (number < 0 || (boolean && number > 1)) /* counters and answers: there is no such fact */
        return 0;
    value = ARENA_NEW(o->space->arena, struct policy_value);
    if (value == NULL)
        return -E_NO_MEMORY;
    value->number = number;
    add_fact(o, POLICY_KNOWN, value, 1);
    return 0;
}

static int add_window(struct operand_space *o, const struct insn *insn)
{
    const int64_t lo = insn->window.lo, hi = insn->window.hi;
    const int64_t points[] = {lo > INT64_MIN ? lo - 1 : 0, lo, hi, hi < INT64_MAX ? hi + 1 : 0};

    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        if (points[i] != INT64_MIN && points[i] != INT64_MAX && add_number(o, points[i]) < 0)
            return -E_NO_MEMORY;
    }
    return 0;
}

static int add_text(struct operand_space *o, struct str text)
{
    struct policy_value *value = ARENA_NEW(o->space->arena, struct policy_value);

    if (value == NULL)
        return -E_NO_MEMORY;
    value->text = text;
    add_fact(o, POLICY_KNOWN, value, 1);
    return 0;
}

/* Countries, and a part of each country of which a part is named. */
static int add_places(struct operand_space *o, const struct str *named, size_t n)
{
    struct str country;

    for (size_t i = 0; str_present(country = policy__country(i)); i++) {
        if (add_text(o, country) < 0)
            return -E_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        if (named[i].n < 2 || (named[i].n > 2 && named[i].p[2] != '-'))
            continue;
        if (add_text(o, arena_printf(o->space->arena, "%.2s-0", named[i].p)) < 0)
            return -E_NO_MEMORY;
    }
    return 0;
}

/* -- sets: values that stand in the same constraints are one class ------------------------------ */

struct named {
    struct str *values;
    size_t n;
};

static bool stands_in(const struct insn *insn, struct str value)
{
    for (uint32_t i = 0; i < insn->n; i++) {
        if (str_eq(insn->text.values[i], value))
            return true;
    }
    return false;
}

static bool same_class(const struct operand_space *o, struct str a, struct str b)
{
    for (int p = 0; p < 2; p++) {
        const struct program *program = &o->space->policies[p]->program;

        for (uint32_t i = 0; i < program->n_code; i++) {
            const struct insn *insn = &program->code[i];

            if (reads(insn, READS(INSN_TEXT), o->out->operand) &&
                stands_in(insn, a) != stands_in(insn, b))
                return false;
        }
    }
    return true;
}

/* Whether a constraint asks for all of several values, this one among them. */
static bool in_all_of(const struct operand_space *o, struct str value)
{
    for (int p = 0; p < 2; p++) {
        const struct program *program = &o->space->policies[p]->program;

        for (uint32_t i = 0; i < program->n_code; i++) {
            const struct insn *insn = &program->code[i];

            if (reads(insn, READS(INSN_TEXT), o->out->operand) && insn->op == POLICY_IS_ALL_OF &&
                stands_in(insn, value))
                return true;
        }
    }
    return false;
}

/* Brings the values of the class of values[at] together; returns the end of the class. */
static size_t gather_class(const struct operand_space *o, const struct named *named, size_t at)
{
    size_t end = at + 1;

    for (size_t i = end; i < named->n; i++) {
        const struct str value = named->values[i];

        if (!same_class(o, named->values[at], value))
            continue;
        named->values[i] = named->values[end];
        named->values[end++] = value;
    }
    return end;
}

/*
 * Sorts the values by classes; class_end[c] is the end of class c. A class that must be there as a
 * whole is two: one value, and the rest. Returns the number of classes, POLICY_SET_CLASSES + 1 if
 * there are more.
 */
static size_t classes_of(const struct operand_space *o, const struct named *named,
                         size_t class_end[POLICY_SET_CLASSES])
{
    size_t n = 0;

    for (size_t at = 0, end; at < named->n; at = end) {
        end = gather_class(o, named, at);
        if (end - at > 1 && in_all_of(o, named->values[at]) && n < POLICY_SET_CLASSES)
            class_end[n++] = at + 1;
        if (n == POLICY_SET_CLASSES)
            return n + 1;
        class_end[n++] = end;
    }
    return n;
}

static int add_set(struct operand_space *o, const struct named *named, const size_t class_end[],
                   size_t n_classes, unsigned chosen)
{
    struct policy_value *values = ARENA_ARRAY(o->space->arena, struct policy_value, named->n + 1);
    size_t n = 0;

    if (values == NULL)
        return -E_NO_MEMORY;
    for (size_t c = 0; c < n_classes; c++) {
        for (size_t i = c == 0 ? 0 : class_end[c - 1]; (chosen >> c & 1) != 0 && i < class_end[c];
             i++)
            values[n++].text = named->values[i];
    }
    if (n == 0)
        values[n++].text = STR(POLICY_OTHER);
    add_fact(o, POLICY_KNOWN, values, n);
    return 0;
}

/* Too many for all their sets: each alone, and each constraint's own values. */
static int add_some_sets(struct operand_space *o, const struct named *named)
{
    o->space->complete = false;
    for (size_t i = 0; i < named->n; i++) {
        if (add_text(o, named->values[i]) < 0)
            return -E_NO_MEMORY;
    }
    for (int p = 0; p < 2; p++) {
        const struct program *program = &o->space->policies[p]->program;

        for (uint32_t i = 0; i < program->n_code; i++) {
            const struct insn *insn = &program->code[i];
            struct policy_value *values;

            if (!reads(insn, READS(INSN_TEXT), o->out->operand))
                continue;
            values = ARENA_ARRAY(o->space->arena, struct policy_value, insn->n);
            if (values == NULL)
                return -E_NO_MEMORY;
            for (uint32_t v = 0; v < insn->n; v++)
                values[v].text = insn->text.values[v];
            add_fact(o, POLICY_KNOWN, values, insn->n);
        }
    }
    return add_text(o, STR(POLICY_OTHER));
}

static int add_sets(struct operand_space *o, const struct named *named)
{
    size_t class_end[POLICY_SET_CLASSES];
    const size_t n = classes_of(o, named, class_end);

    if (n > POLICY_SET_CLASSES)
        return add_some_sets(o, named);
    /* all of them first: what permits is more often among the larger sets */
    for (unsigned chosen = 1U << n; chosen-- > 0;) {
        if (add_set(o, named, class_end, n, chosen) < 0)
            return -E_NO_MEMORY;
    }
    return 0;
}

/* All values that constraints on this operand name, each once. */
static int collect_named(const struct operand_space *o, struct named *named)
{
    size_t room = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (int p = 0; p < 2; p++) {
            const struct program *program = &o->space->policies[p]->program;

            for (uint32_t i = 0; i < program->n_code; i++) {
                const struct insn *insn = &program->code[i];

                if (!reads(insn, READS(INSN_TEXT), o->out->operand))
                    continue;
                room += pass == 0 ? insn->n : 0;
                for (uint32_t v = 0; pass == 1 && v < insn->n; v++) {
                    bool there = false;

                    for (size_t k = 0; k < named->n && !there; k++)
                        there = str_eq(named->values[k], insn->text.values[v]);
                    if (!there)
                        named->values[named->n++] = insn->text.values[v];
                }
            }
        }
        if (pass == 0)
            named->values = ARENA_ARRAY(o->space->arena, struct str, room + 1);
        if (named->values == NULL)
            return -E_NO_MEMORY;
    }
    return 0;
}

static int add_texts(struct operand_space *o)
{
    struct named named = {0};

    if (collect_named(o, &named) < 0)
        return -E_NO_MEMORY;
    if (policy__operands[o->out->operand].arity == ARITY_MANY)
        return add_sets(o, &named);
    for (size_t i = 0; i < named.n; i++) {
        if (add_text(o, named.values[i]) < 0)
            return -E_NO_MEMORY;
    }
    if (policy_operand_type(o->out->operand) == POLICY_V_PLACE &&
        add_places(o, named.values, named.n) < 0)
        return -E_NO_MEMORY;
    return add_text(o, STR(POLICY_OTHER));
}

static int add_numbers(struct operand_space *o)
{
    for (int p = 0; p < 2; p++) {
        const struct program *program = &o->space->policies[p]->program;

        for (uint32_t i = 0; i < program->n_code; i++) {
            if (reads(&program->code[i], READS(INSN_NUMBER), o->out->operand) &&
                add_window(o, &program->code[i]) < 0)
                return -E_NO_MEMORY;
        }
    }
    return add_number(o, 0);
}

/* How many candidates it has at most: ends of windows, values and their sets, and what nobody names. */
static size_t most_candidates(const struct space *s, enum policy_operand operand)
{
    size_t named = 0;

    for (int p = 0; p < 2; p++) {
        const struct program *program = &s->policies[p]->program;

        for (uint32_t i = 0; i < program->n_code; i++) {
            if (reads(&program->code[i], READS_FACT, operand))
                named += program->code[i].kind == INSN_NUMBER ? 1 : program->code[i].n;
        }
    }
    if (named > POLICY_SET_CLASSES || policy_operand_type(operand) == POLICY_V_PLACE)
        return SIGNATURES;
    return ((size_t)1 << named) + 4 * named + 4;
}

static int add_operand(struct space *s, enum policy_operand operand)
{
    const enum policy_value_type type = policy_operand_type(operand);
    const size_t most = most_candidates(s, operand);
    struct operand_space o = {
        .space = s,
        .out = &s->operands[s->n_operands++],
        .facts = ARENA_NEW(s->arena, struct policy_facts),
    };

    o.out->operand = operand;
    o.out->facts = ARENA_ARRAY(s->arena, struct policy_fact, most);
    if (o.facts == NULL || o.out->facts == NULL ||
        !signatures_init(&o.sig, s, READS_FACT, operand, most))
        return -E_NO_MEMORY;
    if ((type == POLICY_V_INTEGER || type == POLICY_V_BOOLEAN ? add_numbers(&o) : add_texts(&o)) <
        0)
        return -E_NO_MEMORY;
    add_fact(&o, POLICY_ABSENT, NULL, 0);
    add_fact(&o, POLICY_UNKNOWN, NULL, 0);
    return 0;
}

/* -- time -------------------------------------------------------------------------------------- */

/*
 * Instants at which windows over now change (n of them), and spans since the agreement at which the
 * others do.
 */
struct marks {
    int64_t *now, *span;
    size_t n_now, n_span;
    bool months, weeks;
};

static void mark(int64_t *list, size_t *n, int64_t at)
{
    if (at == INT64_MIN || at == INT64_MAX)
        return;
    list[(*n)++] = at > INT64_MIN + 1 ? at - 1 : at;
    list[(*n)++] = at;
    list[(*n)++] = at < INT64_MAX - 1 ? at + 1 : at;
}

/* Room that mark_week needs. */
static size_t windows_of(const struct policy *policy)
{
    size_t n = 0;

    for (uint32_t i = 0; i < policy->program.n_code; i++) {
        if (policy->program.code[i].kind == INSN_WEEK)
            n += 2 * (size_t)policy->program.code[i].n + 1;
    }
    return n;
}

/* One week of windows from now on; how they lie to instants further away is not looked at. */
static void mark_week(struct marks *m, const struct insn *insn, int64_t now_us)
{
    int64_t at = now_us;

    m->weeks = true;
    for (uint32_t i = 0; i <= 2 * insn->n; i++) {
        int64_t until;

        (void)policy__in_week(insn->week, at, &until);
        if (until == POLICY_FOREVER)
            return;
        m->now[m->n_now++] = until;
        at = until;
    }
}

/* Where a window that is counted from the agreement ends; a month has no fixed length, its greatest
 * is taken. */
static int64_t span_of(int64_t us, int64_t months)
{
    int64_t span;

    if (us == INT64_MIN || us == INT64_MAX)
        return us;
    if (__builtin_mul_overflow(months, 31 * US_PER_DAY, &span))
        return months < 0 ? INT64_MIN : INT64_MAX;
    return add_saturated(span, us);
}

static int collect_marks(const struct space *s, struct marks *m, int64_t now_us)
{
    const size_t room =
        6 * ((size_t)s->policies[0]->program.n_code + s->policies[1]->program.n_code) + 2 +
        windows_of(s->policies[0]) + windows_of(s->policies[1]);

    m->now = ARENA_ARRAY(s->arena, int64_t, room);
    m->span = ARENA_ARRAY(s->arena, int64_t, room);
    if (m->now == NULL || m->span == NULL)
        return -E_NO_MEMORY;
    m->now[m->n_now++] = now_us;
    m->span[m->n_span++] = 0;
    for (int p = 0; p < 2; p++) {
        const struct program *program = &s->policies[p]->program;

        for (uint32_t i = 0; i < program->n_code; i++) {
            const struct insn *insn = &program->code[i];

            if (insn->kind == INSN_NOW) {
                mark(m->now, &m->n_now, insn->window.lo);
                mark(m->now, &m->n_now, insn->window.hi);
            }
            if (insn->kind == INSN_WEEK)
                mark_week(m, insn, now_us);
            if (insn->kind != INSN_AGREEMENT)
                continue;
            m->months = m->months || insn->window.lo_months != 0 || insn->window.hi_months != 0;
            mark(m->span, &m->n_span, span_of(insn->window.lo, insn->window.lo_months));
            mark(m->span, &m->n_span, span_of(insn->window.hi, insn->window.hi_months));
        }
    }
    return 0;
}

static int find_instants(struct space *s, int64_t now_us)
{
    struct policy_facts *facts = ARENA_NEW(s->arena, struct policy_facts);
    struct signatures sig;
    struct marks m = {0};

    if (facts == NULL || collect_marks(s, &m, now_us) < 0 ||
        !signatures_init(&sig, s, READS_TIME, POLICY_OP__COUNT, m.n_now * (m.n_span + 1)))
        return -E_NO_MEMORY;
    s->instants = ARENA_ARRAY(s->arena, struct instant, sig.room);
    if (s->instants == NULL)
        return -E_NO_MEMORY;
    if (m.months || m.weeks)
        s->complete = false;
    for (size_t i = 0; i < m.n_now; i++) {
        for (size_t k = 0; k <= m.n_span; k++) {
            const bool known = k < m.n_span && m.span[k] >= 0;
            const struct policy_question question = {
                .now_us = m.now[i],
                .agreement_us = known ? add_saturated(m.now[i], -m.span[k]) : POLICY_NO_TIME};

            if (is_new(&sig, READS_TIME, POLICY_OP__COUNT, &question, facts))
                s->instants[s->n_instants++] =
                    (struct instant){question.now_us, question.agreement_us};
        }
    }
    return 0;
}

/* -- actions, parties, terms ------------------------------------------------------------------- */

/* Whether the rules of both policies tell the two actions apart. */
static bool same_action(const struct space *s, enum policy_action a, enum policy_action b)
{
    for (int p = 0; p < 2; p++) {
        const struct program *program = &s->policies[p]->program;

        const struct {
            const struct prog_rule *rules;
            uint32_t n;
        } lists[] = {
            {program->permissions,  program->n_permissions },
            {program->prohibitions, program->n_prohibitions},
        };

        for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
            for (uint32_t i = 0; i < lists[l].n; i++) {
                if ((lists[l].rules[i].actions >> a & 1) != (lists[l].rules[i].actions >> b & 1))
                    return false;
            }
        }
    }
    return true;
}

static void find_actions(struct space *s)
{
    for (int a = 0; a < POLICY_ACT__COUNT; a++) {
        bool there = false;

        for (size_t i = 0; i < s->n_actions && !there; i++)
            there = same_action(s, s->actions[i], (enum policy_action)a);
        if (!there)
            s->actions[s->n_actions++] = (enum policy_action)a;
    }
}

/* Who, or what, is named in rules. */
struct entities_named {
    struct str *ids, *groups;
    size_t n_ids, n_groups;
};

static void add_once(struct str *list, size_t *n, struct str id)
{
    for (size_t i = 0; i < *n; i++) {
        if (str_eq(list[i], id))
            return;
    }
    list[(*n)++] = id;
}

static void add_entity(struct entities_named *named, const struct entity *entity)
{
    if (!str_present(entity->id))
        return;
    if (entity->collection)
        add_once(named->groups, &named->n_groups, entity->id);
    else
        add_once(named->ids, &named->n_ids, entity->id);
}

static void add_entities_of(struct entities_named *named, const struct prog_rule *rules, uint32_t n,
                            bool targets)
{
    for (uint32_t i = 0; i < n; i++)
        add_entity(named, targets ? &rules[i].target : &rules[i].assignee);
}

/*
 * Everybody who is named and one whom no rule names, each in no collection and in each of them; and
 * nobody at all, which matters only where somebody is named. Whoever is in several collections is
 * not looked at. That it is not known who is in one need not be looked at: then a permission for it
 * does not count and a prohibition does, so that what differs there differs for members or for
 * others too.
 */
static int find_parties(struct space *s, bool targets, struct parties *parties)
{
    struct entities_named named = {0};
    size_t room = 1;

    for (int p = 0; p < 2; p++)
        room += s->policies[p]->program.n_permissions + s->policies[p]->program.n_prohibitions;
    named.ids = ARENA_ARRAY(s->arena, struct str, room);
    named.groups = ARENA_ARRAY(s->arena, struct str, room);
    if (named.ids == NULL || named.groups == NULL)
        return -E_NO_MEMORY;
    for (int p = 0; p < 2; p++) {
        const struct program *program = &s->policies[p]->program;

        add_entities_of(&named, program->permissions, program->n_permissions, targets);
        add_entities_of(&named, program->prohibitions, program->n_prohibitions, targets);
    }
    if (named.n_groups > 1)
        s->complete = false;
    named.ids[named.n_ids++] = STR(POLICY_OTHER);
    parties->items = ARENA_ARRAY(s->arena, struct party, named.n_ids * (named.n_groups + 1) + 1);
    if (parties->items == NULL)
        return -E_NO_MEMORY;
    for (size_t i = 0; i < named.n_ids; i++) {
        parties->items[parties->n++] = (struct party){.id = named.ids[i]};
        for (size_t g = 0; g < named.n_groups; g++)
            parties->items[parties->n++] = (struct party){named.ids[i], named.groups[g]};
    }
    if (parties->n > 1)
        parties->items[parties->n++] = (struct party){0};
    return 0;
}

/* A term that is one of several alternatives, or stands in a prohibition, needs all combinations. */
static bool in_conjunction(const struct policy *policy, uint32_t pc)
{
    const struct program *program = &policy->program;

    for (uint32_t i = 0; i < pc; i++) {
        if (program->code[i].next > pc && program->code[i].kind != INSN_AND)
            return false;
    }
    for (uint32_t i = 0; i < program->n_prohibitions; i++) {
        const uint32_t code = program->prohibitions[i].code;

        if (code != NO_CODE && pc > code && pc < program->code[code].next)
            return false;
    }
    return true;
}

static int find_terms(struct space *s)
{
    const size_t room = (size_t)s->policies[0]->program.n_code + s->policies[1]->program.n_code + 1;

    s->terms.refused = ARENA_ARRAY(s->arena, size_t, room + 2);
    s->terms.canon = ARENA_ARRAY(s->arena, struct str, room);
    s->terms.nodes = ARENA_ARRAY(s->arena, const struct node *, room);
    if (s->terms.canon == NULL || s->terms.nodes == NULL || s->terms.refused == NULL)
        return -E_NO_MEMORY;
    for (int p = 0; p < 2; p++) {
        const struct program *program = &s->policies[p]->program;

        for (uint32_t i = 0; i < program->n_code; i++) {
            const struct insn *insn = &program->code[i];
            bool there = false;

            if (insn->kind != INSN_TRUE || policy__operands[insn->operand].meaning != MEANING_TERM)
                continue;
            if (!in_conjunction(s->policies[p], i))
                s->complete = false;
            for (size_t k = 0; k < s->terms.n && !there; k++)
                there = str_eq(s->terms.canon[k], insn->node->canon);
            if (there)
                continue;
            s->terms.canon[s->terms.n] = insn->node->canon;
            s->terms.nodes[s->terms.n++] = insn->node;
        }
    }
    /* first all are accepted, then one is not, then none is */
    s->terms.refused[s->terms.n_refused++] = s->terms.n;
    for (size_t i = 0; i < s->terms.n; i++)
        s->terms.refused[s->terms.n_refused++] = i;
    if (s->terms.n > 0)
        s->terms.refused[s->terms.n_refused++] = s->terms.n + 1;
    return 0;
}

static bool demands(const struct program *program)
{
    bool any = program->n_obligations > 0;

    for (uint32_t i = 0; i < program->n_permissions && !any; i++)
        any = program->permissions[i].n_duties > 0;
    return any;
}

int policy__space(const struct policy *a, const struct policy *b, int64_t now_us,
                  struct arena *arena, struct space *s, struct err *err)
{
    const uint64_t needs = a->program.needs | b->program.needs | a->program.obligation_needs |
                           b->program.obligation_needs;
    struct policy_facts *scratch;
    int rc = 0;

    *s = (struct space){
        .arena = arena, .policies = {a, b},
             .complete = true
    };
    s->duties = demands(&a->program) || demands(&b->program);
    for (int i = 0; i < POLICY_OP__COUNT && rc == 0; i++) {
        if (policy_needs_operand(needs, (enum policy_operand)i))
            rc = add_operand(s, (enum policy_operand)i);
    }
    find_actions(s);
    scratch = ARENA_NEW(arena, struct policy_facts);
    if (rc < 0 || scratch == NULL || find_instants(s, now_us) < 0 ||
        find_parties(s, true, &s->targets) < 0 || find_parties(s, false, &s->assignees) < 0 ||
        find_terms(s) < 0)
        return err_set(err, E_NO_MEMORY, "", "policies to compare");
    policy__prune(s, scratch);
    return 0;
}
