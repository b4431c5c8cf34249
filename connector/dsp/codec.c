/*
 * connector/dsp/codec.c - the versions, and how they are found by name and address
 */
#include "connector/dsp/codec.h"

#include "connector/dsp/codec_private.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

/* clang-format off */
/* In the order of the choices of dsp.versions. */
const struct codec codecs[CODECS] = {
    {
        .version = STR_INIT("2025-1"),
        .protocol = STR_INIT(DSP_PROTOCOL_BASE ":2025-1"),
        .context = STR_INIT(DSP_CONTEXT),
    },
    {
        .version = STR_INIT("2024-1"),
        .alias = STR_INIT("2024/1"),
        .protocol = STR_INIT(DSP_PROTOCOL_BASE ":2024-1"),
        .context = STR_INIT(DSP_CONTEXT_2024),
        .answers_always = true,
        .translated = true,
    },
};

/* clang-format on */

size_t codec_index(const struct codec *codec)
{
    return (size_t)(codec - codecs);
}

const struct codec *codec_by_version(struct str version)
{
    for (size_t i = 0; i < CODECS; i++) {
        if (str_eq(version, codecs[i].version) ||
            (str_present(codecs[i].alias) && str_eq(version, codecs[i].alias)))
            return &codecs[i];
    }
    return NULL;
}

const struct codec *codec_by_protocol(struct str protocol)
{
    for (size_t i = 0; i < CODECS; i++) {
        if (str_eq(protocol, codecs[i].protocol))
            return &codecs[i];
    }
    return NULL;
}

static bool ends_with_segment(struct str address, struct str segment)
{
    return segment.n > 0 && address.n > segment.n && str_ends(address, segment) &&
           address.p[address.n - segment.n - 1] == '/';
}

const struct codec *codec_by_address(struct str address)
{
    for (size_t i = 0; i < CODECS; i++) {
        if (ends_with_segment(address, codecs[i].version) ||
            ends_with_segment(address, codecs[i].alias))
            return &codecs[i];
    }
    return NULL;
}

bool codec_served(const struct settings *settings, const struct codec *codec)
{
    return (settings->dsp_versions >> codec_index(codec) & 1) != 0;
}
