/* Lists of networks. Must never take an address to be in a network that it is not in. */
#include "settings/networks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"

typedef struct Network {
    int family;
    unsigned char address[sizeof(struct in6_addr)];
    unsigned prefix; /* bits */
} Network;

/* Whether all behind the first so many bits is zero. */
static bool is_clear(const unsigned char *address, unsigned prefix, unsigned bits)
{
    for (unsigned i = prefix; i < bits; i++)
        if (address[i / 8] & (0x80U >> i % 8))
            return false;
    return true;
}

static bool parse_prefix(const char *text, unsigned bits, unsigned *ret)
{
    size_t n = strspn(text, "0123456789");

    *ret = (unsigned)strtoul(text, NULL, 10);
    return n > 0 && n <= 3 && !text[n] && *ret <= bits;
}

/* NULL, or what is wrong with it. */
static const char *parse(const char *word, size_t n, Network *ret)
{
    char text[INET6_ADDRSTRLEN + sizeof("/128")], *slash;
    unsigned bits;

    if (n >= sizeof(text))
        return "which is no network";
    memcpy(text, word, n);
    text[n] = '\0';
    slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    ret->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    bits = ret->family == AF_INET ? 32 : 128;
    ret->prefix = bits;
    if (inet_pton(ret->family, text, ret->address) != 1 ||
        (slash && !parse_prefix(slash + 1, bits, &ret->prefix)))
        return "which is no network: an address, \"/\" and a number of bits is one";
    return is_clear(ret->address, ret->prefix, bits)
               ? NULL
               : "whose address has bits behind those of the network";
}

/* The next word; NULL: there is none any more. */
static const char *next_word(const char **text, size_t *ret_n)
{
    const char *word = *text + strspn(*text, NETWORK_SEPARATORS);

    *ret_n = strcspn(word, NETWORK_SEPARATORS);
    *text = word + *ret_n;
    return *ret_n > 0 ? word : NULL;
}

int networks_check(const char *text, Failure *f)
{
    const char *word, *wrong;
    Network network;
    size_t n;

    while ((word = next_word(&text, &n))) {
        wrong = parse(word, n, &network);
        if (wrong)
            return failure_set(
                f, -EINVAL, ERROR_CONFIGURATION, "has \"%.*s\", %s", (int)n, word, wrong);
    }
    return 0;
}

static bool has(const Network *network, int family, const unsigned char *address)
{
    unsigned whole = network->prefix / 8, rest = network->prefix % 8;

    if (network->family != family || memcmp(network->address, address, whole) != 0)
        return false;
    return rest == 0 || ((network->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool networks_have(const char *text, const struct sockaddr *address)
{
    const void *bytes = address->sa_family == AF_INET
                            ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                            : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    const char *word;
    Network network;
    size_t n;

    while ((word = next_word(&text, &n)))
        if (!parse(word, n, &network) && has(&network, address->sa_family, bytes))
            return true;
    return false;
}
