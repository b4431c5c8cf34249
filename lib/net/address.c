/*
 * lib/net/address.c - which addresses may be contacted
 *
 * Global unicast only, by the IANA special-purpose registries (RFC 6890 and its successors); IPv4
 * addresses inside IPv6 are judged as IPv4 where they are mapped, and refused where a translator or
 * tunnel would unpack them (NAT64, 6to4, Teredo). Everything else needs a block in cfg.allow.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/net/fetch_private.h"

#include "lib/base/banned.h"

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

struct block {
    uint8_t address[16];
    unsigned bits;
};

#define V4(a, b, c, d, n)                                                                          \
    {                                                                                              \
        {[10] = 0xff, 0xff, (a), (b), (c), (d)}, 96 + (n)                                          \
    }

/* clang-format off */
static const struct block not_global[] = {
    V4(0, 0, 0, 0, 8),        /* this network */
    V4(10, 0, 0, 0, 8),       /* private */
    V4(100, 64, 0, 0, 10),    /* carrier-grade NAT */
    V4(127, 0, 0, 0, 8),      /* loopback */
    V4(169, 254, 0, 0, 16),   /* link-local, cloud metadata */
    V4(172, 16, 0, 0, 12),    /* private */
    V4(192, 0, 0, 0, 24),     /* protocol assignments */
    V4(192, 0, 2, 0, 24),     /* documentation */
    V4(192, 88, 99, 0, 24),   /* 6to4 relays */
    V4(192, 168, 0, 0, 16),   /* private */
    V4(198, 18, 0, 0, 15),    /* benchmarking */
    V4(198, 51, 100, 0, 24),  /* documentation */
    V4(203, 0, 113, 0, 24),   /* documentation */
    V4(224, 0, 0, 0, 4),      /* multicast */
    V4(240, 0, 0, 0, 4),      /* reserved, broadcast */
    {{0x20, 0x01}, 23},                   /* protocol assignments: Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},       /* documentation */
    {{0x20, 0x02}, 16},                   /* 6to4 */
    {{0x3f, 0xff}, 20},                   /* documentation */
};
/* clang-format on */

/*
 * Global unicast of IPv6; the rest is loopback, unique local, link-local, multicast, NAT64,
 * unassigned.
 */
static const struct block global_unicast = {{0x20}, 3};

static bool inside(const uint8_t address[static 16], const uint8_t block[static 16], unsigned bits)
{
    unsigned bytes = bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));

    return memcmp(address, block, bytes) == 0 &&
           (bits % 8 == 0 || ((address[bytes] ^ block[bytes]) & mask) == 0);
}

/* The address in one form for both families; false for other families. */
static bool canonical(const struct sockaddr *address, uint8_t ret[static 16])
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)address;

        memcpy(ret, mapped_prefix, sizeof(mapped_prefix));
        memcpy(ret + 12, &four->sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)address;

        memcpy(ret, &six->sin6_addr, 16);
        return true;
    }
    return false;
}

bool fetch__address_allowed(const struct cidr_list *allow, const struct sockaddr *address)
{
    uint8_t bytes[16];

    if (!canonical(address, bytes))
        return false;
    for (size_t i = 0; i < allow->n; i++)
        if (inside(bytes, allow->items[i].address, allow->items[i].bits))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(not_global); i++)
        if (inside(bytes, not_global[i].address, not_global[i].bits))
            return false;
    return memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0 ||
           inside(bytes, global_unicast.address, global_unicast.bits);
}

bool fetch_address_allowed(const struct fetcher *fetcher, const struct sockaddr *address)
{
    return fetch__address_allowed(&fetcher->allow, address);
}

/*
 * Bits behind the prefix must be zero: "10.0.0.1/8" is a mistake that would allow more than it
 * says.
 */
static bool host_bits_zero(const struct cidr *cidr)
{
    for (unsigned bit = cidr->bits; bit < 128; bit++)
        if ((cidr->address[bit / 8] & (0x80 >> (bit % 8))) != 0)
            return false;
    return true;
}

static int parse(struct str text, struct cidr *ret_cidr, struct err *err)
{
    struct str bits = text;
    struct str host = str_cut(&bits, '/');
    struct cidr cidr = {0};
    char name[INET6_ADDRSTRLEN];
    int64_t n = -1;
    unsigned base = 0;

    if (host.n >= sizeof(name))
        return err_set(err, E_CONFIG, "", "'%.*s' is not an address block", STR_ARG(text));
    memcpy(name, host.p, host.n);
    name[host.n] = '\0';
    if (inet_pton(AF_INET, name, cidr.address + 12) == 1) {
        memcpy(cidr.address, mapped_prefix, sizeof(mapped_prefix));
        base = 96;
    } else if (inet_pton(AF_INET6, name, cidr.address) != 1) {
        return err_set(err, E_CONFIG, "", "'%.*s' is not an address block", STR_ARG(text));
    }
    if (!str_present(bits))
        n = 128 - base;
    else if (!str_to_i64(bits, &n) || n < 0 || n > 128 - (int64_t)base)
        return err_set(err, E_CONFIG, "", "'%.*s' has a wrong prefix length", STR_ARG(text));
    cidr.bits = base + (unsigned)n;
    if (!host_bits_zero(&cidr))
        return err_set(err, E_CONFIG, "", "'%.*s' has bits behind its prefix", STR_ARG(text));
    *ret_cidr = cidr;
    return 0;
}

int fetch__cidr_list(const struct str *texts, size_t n, struct cidr_list *ret_list, struct err *err)
{
    ret_list->items = calloc(n + 1, sizeof(ret_list->items[0]));
    if (ret_list->items == NULL)
        return err_set(err, E_NO_MEMORY, "", "fetcher");
    for (; ret_list->n < n; ret_list->n++) {
        if (parse(texts[ret_list->n], &ret_list->items[ret_list->n], err) < 0)
            return err_ret(err);
    }
    return 0;
}
