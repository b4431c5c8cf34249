/*
 * lib/crypto/jws.c - compact JWS
 *
 * What the header of a stranger may say is a closed matter: `alg` one of two names, `kid`, `typ`.
 * Members that bring a key along, point to one, or change how the rest is read are refused before
 * anything is decoded further (RFC 8725 §3.10, RFC 7515 §4.1.11, RFC 7797 §7).
 */
#include "lib/crypto/jws.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define SIGNATURE_CHARS 86 /* base64url of 64 bytes */
#define HEADER_BYTES    KIB(4)

static const struct jlimits header_limits = {.bytes = HEADER_BYTES, .depth = 4, .nodes = 64};

static const char *const refused_members[] = {"jku",  "x5u", "x5c", "jwk",
                                              "crit", "b64", "zip", "enc"};

static void write_header(const struct key *key, struct str kid, struct str typ, struct buf *out)
{
    struct jw w = jw_init(out);

    jw_object(&w);
    jw_kc(&w, "alg", key_alg_names[key_alg(key)]);
    if (str_present(kid))
        jw_kstr(&w, "kid", kid);
    if (str_present(typ))
        jw_kstr(&w, "typ", typ);
    jw_object_end(&w);
}

int jws_sign(const struct key *key, struct str kid, struct str typ, struct str payload,
             struct buf *out, struct err *err)
{
    AUTO(buf_done) struct buf header = buf_init(HEADER_BYTES);
    uint8_t signature[SIGNATURE_LEN];
    const size_t start = out->n;

    if (payload.n == 0)
        return err_set(err, E_INVALID, "", "jws: no payload to sign");
    write_header(key, kid, typ, &header);
    if (buf_failed(&header))
        return err_set(err, E_LIMIT, "", "jws: header is too long");
    encode_base64url(out, header.p, header.n);
    buf_add_char(out, '.');
    encode_base64url(out, payload.p, payload.n);
    if (buf_failed(out))
        return err_set(err, E_LIMIT, "", "jws: payload of %zu bytes does not fit", payload.n);
    if (key_sign(key, out->p + start, out->n - start, signature, err) < 0) {
        out->n = start;
        return err_prefix(err, "jws");
    }
    buf_add_char(out, '.');
    encode_base64url(out, signature, sizeof(signature));
    if (buf_failed(out))
        return err_set(err, E_LIMIT, "", "jws: signature does not fit");
    return 0;
}

/* Cuts the text into its three parts (RFC 7515 §7.1) and checks what can be seen without decoding.
 */
static int cut_parts(struct str compact, size_t max, struct str ret_parts[static 3],
                     struct err *err)
{
    struct str rest = compact;

    if (compact.n > max)
        return err_set(err, E_TOKEN, "", "jws: %zu bytes, at most %zu are read", compact.n, max);
    ret_parts[0] = str_cut(&rest, '.');
    ret_parts[1] = str_cut(&rest, '.');
    if (!str_present(rest))
        return err_set(err, E_TOKEN, "", "jws: fewer than three parts (RFC 7515 §7.1)");
    ret_parts[2] = rest;
    if (ret_parts[0].n == 0 || ret_parts[1].n == 0)
        return err_set(err, E_TOKEN, "", "jws: header or payload is empty");
    if (ret_parts[2].n != SIGNATURE_CHARS)
        return err_set(err, E_TOKEN, "",
                       "jws: signature of %zu characters, ES256 and EdDSA have %d", ret_parts[2].n,
                       SIGNATURE_CHARS);
    return 0;
}

/* Decodes into the arena; `scratch` is emptied. */
static int decode_part(struct str text, const char *name, struct buf *scratch, struct arena *arena,
                       struct str *ret_bytes, struct err *err)
{
    buf_reset(scratch);
    if (!decode_base64url(scratch, text))
        return err_set(err, E_TOKEN, "", "jws: %s is not base64url (RFC 7515 §2)", name);
    *ret_bytes = arena_str(arena, buf_str(scratch));
    if (!str_present(*ret_bytes))
        return err_set(err, E_NO_MEMORY, "", "jws: %s does not fit", name);
    return 0;
}

/* An optional header member: text of at most LIMIT_ID bytes, copied out of the document. */
static int header_text(const struct jval *header, const char *name, struct arena *arena,
                       struct str *ret_text, struct err *err)
{
    const struct jval *v = jval_get(header, name);

    *ret_text = STR_NONE;
    if (v == NULL)
        return 0;
    if (jtype_of(v) != J_STR || jval_str(v).n == 0 || jval_str(v).n > LIMIT_ID)
        return err_set(err, E_TOKEN, "", "jws: header '%s' must be a text of 1 to %d bytes", name,
                       LIMIT_ID);
    *ret_text = arena_str(arena, jval_str(v));
    if (!str_present(*ret_text))
        return err_set(err, E_NO_MEMORY, "", "jws: header '%s' does not fit", name);
    return 0;
}

static int find_alg(const struct jval *header, enum key_alg *ret_alg, struct err *err)
{
    const struct jval *v = jval_get(header, "alg");

    for (enum key_alg alg = 0; alg < KEY__COUNT; alg++)
        if (jtype_of(v) == J_STR && str_eq_c(jval_str(v), key_alg_names[alg])) {
            *ret_alg = alg;
            return 0;
        }
    return err_set(err, E_TOKEN, "", "jws: alg '%.*s' is not allowed (RFC 8725 §3.1)",
                   STR_ARG(jval_str(v)));
}

static int read_header(const struct jval *header, struct arena *arena, struct jws *jws,
                       struct err *err)
{
    if (jtype_of(header) != J_OBJECT)
        return err_set(err, E_TOKEN, "", "jws: header is not an object");
    for (size_t i = 0; i < ARRAY_LEN(refused_members); i++)
        if (jval_get(header, refused_members[i]) != NULL)
            return err_set(err, E_TOKEN, "", "jws: header '%s' is refused (RFC 8725 §3.10)",
                           refused_members[i]);
    if (find_alg(header, &jws->alg, err) < 0 ||
        header_text(header, "kid", arena, &jws->kid, err) < 0 ||
        header_text(header, "typ", arena, &jws->typ, err) < 0)
        return err_ret(err);
    return 0;
}

static int parse(struct str compact, size_t max, struct arena *arena, struct jws *ret_jws,
                 struct err *err)
{
    AUTO(buf_done) struct buf scratch = buf_init(max);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err cause = {0};
    struct jws jws = {0};
    struct str parts[3];

    if (cut_parts(compact, max, parts, err) < 0)
        return err_ret(err);
    if (!decode_base64url(&scratch, parts[0]))
        return err_set(err, E_TOKEN, "", "jws: header is not base64url (RFC 7515 §2)");
    if (jdoc_parse(buf_str(&scratch), &header_limits, &doc, &cause) < 0)
        return err_set(err, E_TOKEN, "", "jws: header: %s", cause.text);
    if (read_header(jdoc_root(doc), arena, &jws, err) < 0 ||
        decode_part(parts[1], "payload", &scratch, arena, &jws.payload, err) < 0 ||
        decode_part(parts[2], "signature", &scratch, arena, &jws.signature, err) < 0)
        return err_ret(err);
    jws.signing_input = (struct str){compact.p, parts[0].n + 1 + parts[1].n};
    *ret_jws = jws;
    return 0;
}

int jws_parse(struct str compact, struct arena *arena, struct jws *ret_jws, struct err *err)
{
    return parse(compact, LIMIT_TOKEN, arena, ret_jws, err);
}

int jws_parse_document(struct str compact, struct arena *arena, struct jws *ret_jws,
                       struct err *err)
{
    return parse(compact, LIMIT_DOCUMENT, arena, ret_jws, err);
}

int jws_verify(const struct jws *jws, const struct key *key, struct err *err)
{
    if (jws->alg != key_alg(key))
        return err_set(err, E_TOKEN, "", "jws: alg is '%s', the key is for '%s'",
                       key_alg_names[jws->alg], key_alg_names[key_alg(key)]);
    if (!key_verify(key, jws->signing_input.p, jws->signing_input.n, jws->signature))
        return err_set(err, E_TOKEN, "", "jws: signature does not fit the key");
    return 0;
}
