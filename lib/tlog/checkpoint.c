/*
 * lib/tlog/checkpoint.c - text of a checkpoint (C2SP tlog-checkpoint)
 *
 * 1. Line 1: origin, the log's name; not empty.
 * 2. Line 2: number of leaves, decimal, without leading zeros.
 * 3. Line 3: root, base64 with padding.
 * 4. Any number (here at most 16) of extension lines, none of them empty.
 * 5. Each line, also the last, ends in one line feed.
 */
#include <string.h>

#include "lib/base/encode.h"
#include "lib/tlog/tlog.h"

#include "lib/base/banned.h"

#define ORIGIN_MAX     255 /* bytes: it is a key name too, see note.h */
#define EXTENSIONS_MAX 16  /* lines */

void tlog_checkpoint_format(const struct tlog_checkpoint *checkpoint, struct buf *out)
{
    buf_add_str(out, checkpoint->origin);
    buf_printf(out, "\n%llu\n", (unsigned long long)checkpoint->size);
    encode_base64(out, checkpoint->root, sizeof(checkpoint->root));
    buf_add_char(out, '\n');
    buf_add_str(out, checkpoint->extensions);
}

static bool parse_size(struct str line, uint64_t *ret_size)
{
    int64_t size;

    if (line.n == 0 || line.p[0] < '0' || line.p[0] > '9' || (line.p[0] == '0' && line.n > 1))
        return false;
    if (!str_to_i64(line, &size))
        return false;
    *ret_size = (uint64_t)size;
    return true;
}

static bool parse_root(struct str line, uint8_t ret_root[static TLOG_HASH_LEN])
{
    AUTO(buf_done) struct buf root = buf_init(TLOG_HASH_LEN);

    if (!decode_base64(&root, line) || root.n != TLOG_HASH_LEN)
        return false;
    memcpy(ret_root, root.p, TLOG_HASH_LEN);
    return true;
}

static bool extensions_sound(struct str lines)
{
    for (size_t n = 0; lines.n > 0; n++)
        if (n == EXTENSIONS_MAX || str_cut(&lines, '\n').n == 0)
            return false;
    return true;
}

int tlog_checkpoint_parse(struct str text, struct tlog_checkpoint *ret_checkpoint, struct err *err)
{
    struct tlog_checkpoint checkpoint;
    struct str rest = text;

    if (!str_ends(text, STR("\n")))
        return err_set(err, E_SYNTAX, "", "checkpoint: last line has no end");
    checkpoint.origin = str_cut(&rest, '\n');
    if (checkpoint.origin.n == 0 || checkpoint.origin.n > ORIGIN_MAX)
        return err_set(err, E_SYNTAX, "", "checkpoint: origin of %zu bytes, 1 to %d are allowed",
                       checkpoint.origin.n, ORIGIN_MAX);
    if (!parse_size(str_cut(&rest, '\n'), &checkpoint.size))
        return err_set(err, E_SYNTAX, "", "checkpoint: size is not a decimal number below 2^63");
    if (!parse_root(str_cut(&rest, '\n'), checkpoint.root))
        return err_set(err, E_SYNTAX, "", "checkpoint: root is not 32 bytes as base64");
    if (!extensions_sound(rest))
        return err_set(err, E_SYNTAX, "", "checkpoint: an extension line is empty, or over %d",
                       EXTENSIONS_MAX);
    checkpoint.extensions = rest;
    *ret_checkpoint = checkpoint;
    return 0;
}
