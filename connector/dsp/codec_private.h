/*
 * connector/dsp/codec_private.h - what codec.c and codec_terms.c share
 */
#pragma once

#define DSPACE_2024      "https://w3id.org/dspace/2024/1/"
#define DSP_CONTEXT_2024 DSPACE_2024 "context.json"
