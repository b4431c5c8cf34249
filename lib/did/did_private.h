/*
 * lib/did/did_private.h - form of a DID document in memory
 */
#pragma once

#include <stdatomic.h>

#include "lib/base/encode.h"
#include "lib/did/did.h"

#define DID_METHODS_MAX  16
#define DID_SERVICES_MAX 16
#define DID_FRAGMENT_MAX 127

struct did_method {
    char fragment[DID_FRAGMENT_MAX + 1];
    unsigned relationships; /* enum did_relationship bits */
    struct key *key;        /* owned */
};

struct did_service_kept {
    char *type, *endpoint; /* owned */
};

struct did_document {
    _Atomic int refs;
    char *did; /* owned */
    size_t n, n_services;
    struct did_method methods[DID_METHODS_MAX];
    struct did_service_kept services[DID_SERVICES_MAX];
};
