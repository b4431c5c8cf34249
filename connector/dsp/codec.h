/*
 * connector/dsp/codec.h - versions of the protocol: their names, places, and words
 *
 * Everything inside speaks the words of DSP 2025-1. Another version is a row of the table: a body
 * of its peers is turned into our words before it is decoded, and a body of ours into its words
 * before it leaves. What differs in words alone stands in codec_terms.c, nowhere else.
 */
#pragma once

#include "connector/settings.h"
#include "lib/jdoc/jdoc.h"

#define DSP_CONTEXT       "https://w3id.org/dspace/2025/1/context.jsonld"
#define EDC_CONTEXT       "https://w3id.org/edc/dspace/v0.0.1" /* beside it in what stock EDC sends */
#define DSP_PROTOCOL_BASE "dataspace-protocol-http"
#define CODECS            2

struct codec {
    struct str version;  /* "2025-1": its name in settings, and our path segment */
    struct str alias;    /* other name and path segment that peers use; STR_NONE */
    struct str protocol; /* "dataspace-protocol-http:2025-1" */
    struct str context;
    bool answers_always; /* callbackAddress stands in every request, offer and agreement */
    bool translated;     /* has words of its own */
};
/* The best first. */
extern const struct codec codecs[CODECS];

size_t codec_index(const struct codec *codec);
/* NULL if there is none. A version by name or alias. */
const struct codec *codec_by_version(struct str version);
const struct codec *codec_by_protocol(struct str protocol);
/* The one whose name or alias ends this address, as in `https://peer/dsp/2025-1`; or NULL. */
const struct codec *codec_by_address(struct str address);
/* dsp.versions names it. */
bool codec_served(const struct settings *settings, const struct codec *codec);

/*
 * A document of a peer in our words; *ret_doc (new) is NULL where it is in them already.
 * Errors: E_PEER_SYNTAX (context), E_NO_MEMORY, E_LIMIT.
 */
MUST_CHECK int codec_read(const struct codec *codec, const struct jval *root, struct jdoc **ret_doc,
                          struct err *err);
/*
 * Appends a JSON text of ours (a whole body, or one node of the catalogue) in the codec's words.
 * `assigner` is named in offers that have none, where the version demands it. Errors: E_LIMIT,
 * E_NO_MEMORY, E_SYNTAX.
 */
MUST_CHECK int codec_write(const struct codec *codec, struct str text, struct str assigner,
                           struct buf *out, struct err *err);
