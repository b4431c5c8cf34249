/*
 * server/catalogue/tokens.c - search tokens without a dictionary (DESIGN §6)
 *
 * 1 Code points are folded: full-width forms to ASCII, conjoining jamo to syllables, Latin-1, Greek
 *   and Cyrillic capitals and ASCII to lower case (the part of NFKC and case
 *   folding that Korean and English texts need). 2 A run of Hangul, Kana or CJK gives its character
 *   bigrams, and for the index every single character too, so that a query of one
 *   character finds. 3 A run of other letters and digits is one word, cut at 64 bytes. 4 Everything
 *   else separates. Tokens are distinct.
 */
#include "lib/crypto/hash.h"
#include "server/catalogue/catalogue.h"

#include "lib/base/banned.h"

#define TOKENS_MAX 512
#define WORD_MAX   64
#define VALUE_MAX  200
#define HANGUL_L   0x1100u
#define HANGUL_V   0x1161u
#define HANGUL_T   0x11A7u
#define HANGUL_S   0xAC00u
#define HANGUL_L_N 19u
#define HANGUL_V_N 21u
#define HANGUL_T_N 28u

enum kind { KIND_NONE, KIND_WORD, KIND_CJK };

static const struct {
    uint32_t from, to;
    int32_t shift;
} folds[] = {
    {'A',    'Z',    32     }, /* ASCII */
    {0xC0,   0xD6,   32     }, /* Latin-1 */
    {0xD8,   0xDE,   32     },
    {0x391,  0x3A9,  32     }, /* Greek */
    {0x410,  0x42F,  32     }, /* Cyrillic */
    {0x400,  0x40F,  80     },
    {0xFF21, 0xFF3A, -0xFEC0}, /* full-width capitals, straight to lower-case ASCII */
    {0xFF01, 0xFF5E, -0xFEE0}, /* other full-width forms */
    {0x3000, 0x3000, -0x2FE0}, /* ideographic space */
};

static const struct {
    uint32_t from, to;
    enum kind kind;
} kinds[] = {
    {'0',     '9',     KIND_WORD},
    {'a',     'z',     KIND_WORD},
    {0xDF,    0xF6,    KIND_WORD},
    {0xF8,    0x24F,   KIND_WORD},
    {0x386,   0x3FF,   KIND_WORD},
    {0x400,   0x52F,   KIND_WORD},
    {0x3040,  0x30FF,  KIND_CJK },
    {0x3130,  0x318F,  KIND_CJK },
    {0x3400,  0x4DBF,  KIND_CJK },
    {0x4E00,  0x9FFF,  KIND_CJK },
    {0xAC00,  0xD7A3,  KIND_CJK },
    {0xF900,  0xFAFF,  KIND_CJK },
    {0x20000, 0x2FA1F, KIND_CJK },
};

/* Next code point of text that is known to be valid UTF-8. */
static uint32_t next_point(struct str *s)
{
    const unsigned char *p = (const unsigned char *)s->p;
    const size_t n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? p[0] : p[0] & (0xFFu >> (n + 1));

    for (size_t i = 1; i < n && i < s->n; i++)
        c = c << 6 | (p[i] & 0x3Fu);
    *s = str_from(*s, n);
    return c;
}

static size_t put_point(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static uint32_t fold(uint32_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(folds); i++) {
        if (c >= folds[i].from && c <= folds[i].to)
            return (uint32_t)((int32_t)c + folds[i].shift);
    }
    return c;
}

static enum kind kind_of(uint32_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (c >= kinds[i].from && c <= kinds[i].to)
            return kinds[i].kind;
    }
    return KIND_NONE;
}

/*
 * Composes conjoining jamo (Unicode 3.12): leading consonant + vowel, then perhaps a trailing
 * consonant.
 */
static uint32_t compose(uint32_t first, struct str *rest)
{
    struct str look = *rest;
    uint32_t second, syllable;

    if (first - HANGUL_L >= HANGUL_L_N || look.n == 0)
        return first;
    second = next_point(&look);
    if (second - HANGUL_V >= HANGUL_V_N)
        return first;
    syllable = HANGUL_S + ((first - HANGUL_L) * HANGUL_V_N + (second - HANGUL_V)) * HANGUL_T_N;
    *rest = look;
    if (look.n > 0) {
        const uint32_t third = next_point(&look);

        if (third - HANGUL_T - 1 < HANGUL_T_N - 1) {
            syllable += third - HANGUL_T;
            *rest = look;
        }
    }
    return syllable;
}

struct tokens {
    struct arena *arena;
    struct str *items;
    size_t n;
    enum search_use use;
    /* the run being read */
    enum kind kind;
    char word[WORD_MAX];
    size_t word_n;
    uint32_t last; /* previous character of a CJK run, 0 at its start */
    size_t run;
};

static void add(struct tokens *t, const char *p, size_t n)
{
    if (t->n == TOKENS_MAX)
        return;
    for (size_t i = 0; i < t->n; i++) {
        if (str_eq(t->items[i], str_n(p, n)))
            return;
    }
    t->items[t->n] = arena_str(t->arena, str_n(p, n));
    if (str_present(t->items[t->n]))
        t->n++;
}

static void add_characters(struct tokens *t, uint32_t a, uint32_t b)
{
    char text[8];
    size_t n = put_point(a, text);

    if (b != 0)
        n += put_point(b, text + n);
    add(t, text, n);
}

static void end_run(struct tokens *t)
{
    if (t->kind == KIND_WORD && t->word_n > 0)
        add(t, t->word, t->word_n);
    if (t->kind == KIND_CJK && t->run == 1 && t->use == SEARCH_QUERY)
        add_characters(t, t->last, 0);
    t->kind = KIND_NONE;
    t->word_n = 0;
    t->run = 0;
    t->last = 0;
}

static void take(struct tokens *t, uint32_t c)
{
    const enum kind kind = kind_of(c);
    char bytes[4];

    if (kind != t->kind)
        end_run(t);
    t->kind = kind;
    if (kind == KIND_WORD) {
        const size_t n = put_point(c, bytes);

        if (t->word_n + n <= WORD_MAX) {
            memcpy(t->word + t->word_n, bytes, n);
            t->word_n += n;
        }
    }
    if (kind == KIND_CJK) {
        if (t->use == SEARCH_INDEX)
            add_characters(t, c, 0);
        if (t->run > 0)
            add_characters(t, t->last, c);
        t->last = c;
        t->run++;
    }
}

int search_tokens(struct str text, enum search_use use, struct arena *arena,
                  struct str_list *ret_tokens, struct err *err)
{
    struct tokens t = {
        .arena = arena, .use = use, .items = ARENA_ARRAY(arena, struct str, TOKENS_MAX)};

    if (t.items == NULL)
        return err_set(err, E_NO_MEMORY, "", "search tokens");
    if (!str_is_utf8(text))
        return err_tell(err, E_INVALID, "", "expected UTF-8");
    while (text.n > 0) {
        const uint32_t first = next_point(&text);

        take(&t, fold(compose(first, &text)));
    }
    end_run(&t);
    if (arena_failed(arena))
        return err_set(err, E_NO_MEMORY, "", "search tokens");
    *ret_tokens = (struct str_list){t.items, t.n};
    return 0;
}

struct str search_term(const char *prefix, struct str value, struct arena *arena)
{
    uint8_t hash[SHA256_LEN];

    if (value.n <= VALUE_MAX)
        return arena_printf(arena, "%s%.*s", prefix, STR_ARG(value));
    sha256(value.p, value.n, hash);
    return arena_printf(arena, "%s%s", prefix, hash_hex(hash).c);
}
