/*
 * lib/base/limits.h - everything that a stranger can make grow
 *
 * One name and one default per limit; where an operator needs another value it is a setting with
 * this default. Each has a test at the limit and one above.
 */
#pragma once

#define KIB(n)                 ((size_t)(n)*1024)
#define MIB(n)                 ((size_t)(n)*1024 * 1024)

#define LIMIT_JSON_BYTES       MIB(1)  /* one JSON body, unless its route says otherwise */
#define LIMIT_JSON_DEPTH       32      /* nested arrays and objects */
#define LIMIT_JSON_NODES       20000   /* values in one document */
#define LIMIT_CATALOG_BYTES    MIB(64) /* a catalogue that we asked for */
#define LIMIT_REQUEST_ARENA    MIB(16) /* memory of one request, without its body */
#define LIMIT_URL              4096    /* request target, and any URL that we are given */
#define LIMIT_HEADERS          64      /* header fields of one request */
#define LIMIT_ID               2048    /* opaque identifier of a peer (pid, IRI, DID) */
#define LIMIT_TOKEN            KIB(16) /* Authorization header */
#define LIMIT_DOCUMENT         MIB(1)  /* a signed document in a body, compact form */
#define LIMIT_DID_DOCUMENT     KIB(64)
#define LIMIT_BATCH_LINES      10000   /* receipts in one batch */
#define LIMIT_BATCH_BYTES      MIB(8)  /* one batch, after decompression */
#define LIMIT_PAGE             1000    /* rows in one answer */
#define LIMIT_POLICY_NODES     10000   /* JSON values of one policy */
#define LIMIT_CONNECTIONS      2048    /* inbound, per listener */
#define LIMIT_PEER_CONNECTIONS 64      /* outbound, per peer */
#define LIMIT_FETCH_JOBS       16384   /* outbound requests that wait or run */
#define LIMIT_WRITER_QUEUE     8192    /* operations that wait for the writer */
#define LIMIT_PLAN_COMPONENTS  32      /* price components of one plan */
#define LIMIT_PLAN_TIERS       64      /* tiers of one component */
#define LIMIT_RATING_LINES     1000    /* lines of one rating */
#define LIMIT_LD_DEPTH         64      /* nesting of a JSON-LD document, scoped contexts included */
#define LIMIT_LD_CONTEXTS      32      /* context objects nested or chained in one place */
#define LIMIT_LD_TERMS         4096    /* terms that the contexts of one document define, in all */
#define LIMIT_LD_MEMORY        MIB(64) /* one expansion or compaction */
#define LIMIT_LD_CACHE         256     /* processed contexts kept by a set of contexts */
#define LIMIT_CALLBACKS        8       /* callback addresses of one process */
#define LIMIT_CALLBACK_EVENTS  32      /* prefixes of one callback address */
#define LIMIT_EVENT_NAME       128     /* one such prefix */
#define LIMIT_HEADER_NAME      128     /* header field that a callback is authenticated by */
#define LIMIT_CALLBACK_BACKLOG 50000   /* callbacks that wait to be delivered */
#define LIMIT_FOLLOWERS        256     /* requests that wait for an event */
