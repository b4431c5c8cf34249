/*
 * cli/download.h - one body into a file: resumed, hashed, with a progress bar
 */
#pragma once

#include "cli/cli.h"
#include "lib/crypto/hash.h"

struct download {
    struct str path; /* at our connector */
    struct str file; /* the bytes go to file.part */
    bool again;      /* forget a part that is there */
};

struct download_result {
    int64_t bytes; /* of the whole file */
    struct hash_text digest;
    bool verified; /* it equals Repr-Digest */
};

/* Errors: those of a refused call; E_VERIFY (the part is removed), E_IO. */
MUST_CHECK int download_run(struct cli *cli, const struct download *download,
                            struct download_result *ret, struct err *err);
/* Compares with "sha256:<hex>"; "" is nothing to compare with. Errors: E_VERIFY. */
MUST_CHECK int download_check(struct download_result *result, struct str digest, struct err *err);
/* file.part becomes file. */
MUST_CHECK int download_keep(struct cli *cli, struct str file, struct err *err);
