/* Settings of a proxy by their look. Must never ask a name server. */
#include "settings/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/idn.h"
#include "base/macros.h"
#include "base/text.h"

/* ---- proxy_data ---- */

#define DATA_MAX ((size_t)8 * 1024)

/* RFC 9110, 5.6.2. */
static bool is_token(char c)
{
    return text_is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* What the request says itself, or what would make another one of it. */
static bool is_reserved(const char *line)
{
    static const char *const names[] = {
        "Host:", "Content-Length:", "Transfer-Encoding:", "Connection:", "Upgrade:", "TE:"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (text_starts_nocase(line, names[i]))
            return true;
    return false;
}

static const char *check_line(const char *line, size_t n)
{
    size_t name = 0;

    while (name < n && is_token(line[name]))
        name++;
    if (name == 0 || name == n || line[name] != ':')
        return "holds a line that is no \"NAME: VALUE\"";
    if (is_reserved(line))
        return "holds a line that the request says itself, or that does not go with it";
    for (size_t i = name; i < n; i++)
        if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
            return "holds a control character";
    return NULL;
}

const char *proxy_data_check(const char *text)
{
    const char *why = strlen(text) > DATA_MAX ? "is longer than 8K" : NULL;

    for (text += strspn(text, "\r\n"); *text && !why; text += strspn(text, "\r\n")) {
        size_t n = strcspn(text, "\r\n");

        why = check_line(text, n);
        text += n;
    }
    return why;
}

bool proxy_data_logs_in(const char *text)
{
    return strcasestr(text, "authorization:") || strcasestr(text, "cookie:") ||
           strcasestr(text, "token:") || strcasestr(text, "key:");
}

/* ---- proxy_exceptions ---- */

#define SEPARATORS PROXY_EXCEPTION_SEPARATORS

typedef struct Address {
    int family; /* 0: none */
    unsigned char bytes[sizeof(struct in6_addr)];
} Address;

typedef struct Entry {
    char host[PROXY_ENTRY_MAX];
    unsigned port;   /* 0: any */
    Address network; /* of family 0: `host` is a name or a pattern */
    unsigned bits;
} Entry;

/* One that came as "::ffff:192.0.2.1" (RFC 4291, 2.5.5.2) is one of IPv4. */
static Address unmap(Address address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (address.family != AF_INET6 || memcmp(address.bytes, mapped, sizeof(mapped)) != 0)
        return address;
    address.family = AF_INET;
    memmove(address.bytes, address.bytes + sizeof(mapped), 4);
    return address;
}

static Address parse_address(const char *text)
{
    char bare[INET6_ADDRSTRLEN] = "";
    size_t n = strlen(text);
    Address a = {0};

    if (text[0] == '[' && n > 2 && text[n - 1] == ']')
        text++, n -= 2;
    if (n >= sizeof(bare))
        return a;
    memcpy(bare, text, n);
    if (inet_pton(AF_INET, bare, a.bytes) == 1)
        a.family = AF_INET;
    else if (inet_pton(AF_INET6, bare, a.bytes) == 1)
        a.family = AF_INET6;
    return a;
}

/* Takes ":PORT" away where what is before it is no part of an IPv6 address. */
static void take_port(Entry *entry)
{
    char *colon = strrchr(entry->host, ':');
    bool alone = colon && (strchr(entry->host, ':') == colon || colon[-1] == ']');
    char *end;
    unsigned long port;

    if (!alone || colon == entry->host)
        return;
    port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port == 0 || port > UINT16_MAX)
        return;
    entry->port = (unsigned)port;
    *colon = '\0';
}

/* "/24", where there is one. NULL, or what is wrong with it. */
static const char *take_bits(Entry *entry)
{
    char *slash = strchr(entry->host, '/'), *end;
    unsigned long most, bits;

    if (slash)
        *slash = '\0';
    entry->network = parse_address(entry->host);
    if (!slash)
        entry->network = unmap(entry->network);
    most = entry->network.family == AF_INET ? 32 : 128;
    entry->bits = (unsigned)most;
    if (!slash)
        return NULL;
    if (entry->network.family == 0)
        return "is no network: what is before the / is no address";
    bits = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > most)
        return "is no network: behind the / belongs its number of bits";
    entry->bits = (unsigned)bits;
    return NULL;
}

static const char *parse_entry(const char *text, size_t n, Entry *entry)
{
    const char *why;

    *entry = (Entry){0};
    if (n >= sizeof(entry->host))
        return "is longer than a host name can be";
    memcpy(entry->host, text, n);
    if (strstr(entry->host, "://"))
        return "looks like a URL";
    if (text_equal_nocase(entry->host, "<local>"))
        return NULL;
    take_port(entry);
    why = take_bits(entry);
    if (why || entry->network.family != 0)
        return why;
    if (strchr(entry->host, ':'))
        return "is neither a name nor an address, with a port behind it or not";
    if (entry->host[strcspn(entry->host, "\\@\"'<>()[]#?!&=")] != '\0')
        return "is neither a name nor an address";
    return NULL;
}

/* The next entry of a list and its length, or NULL. */
static const char *next_entry(const char *list, size_t *ret_n)
{
    list += strspn(list, SEPARATORS);
    *ret_n = strcspn(list, SEPARATORS);
    return *ret_n > 0 ? list : NULL;
}

const char *proxy_exceptions_check(const char *list, char entry[static PROXY_ENTRY_MAX])
{
    const char *why = NULL;
    size_t n;

    for (list = next_entry(list, &n); list && !why; list = next_entry(list + n, &n)) {
        Entry parsed;

        why = parse_entry(list, n, &parsed);
        snprintf(entry, PROXY_ENTRY_MAX, "%.*s", (int)MIN(n, (size_t)PROXY_ENTRY_MAX - 1), list);
    }
    return why;
}

static bool has_network(const Entry *entry, const Address *address)
{
    unsigned whole = entry->bits / 8, rest = entry->bits % 8;
    unsigned char mask = (unsigned char)(0xff00U >> rest);

    if (entry->network.family != address->family ||
        memcmp(entry->network.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || ((entry->network.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

/* "*" stands for any characters, dots too. Steps are at most the product of both lengths. */
static bool fits_pattern(const char *pattern, const char *name)
{
    const char *star = NULL, *tried = NULL;

    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            tried = name;
        } else if (text_fold(*pattern) == text_fold(*name)) {
            pattern++, name++;
        } else if (star) {
            pattern = star;
            name = ++tried;
        } else
            return false;
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

/* Both without the root's dot, and in ASCII. */
static bool fits_name(const char *entry, const char *host, bool domains)
{
    size_t n = strlen(entry), n_host = strlen(host);

    if (fits_pattern(entry, host))
        return true;
    if (entry[0] != '.' && !domains)
        return false;
    entry += entry[0] == '.';
    n = strlen(entry);
    if (domains && text_equal_nocase(entry, host))
        return true;
    return n > 0 && n_host > n && host[n_host - n - 1] == '.' && text_ends_nocase(host, entry);
}

/* The name as it is compared; a copy, or NULL where memory is short. */
static char *normalize(const char *name)
{
    char *ascii = NULL;
    int r = domain_to_ascii(name, &ascii);
    size_t n;

    if (r < 0 && r != -ENOMEM)
        ascii = strdup(name);
    n = ascii ? strlen(ascii) : 0;
    if (n > 1 && ascii[n - 1] == '.')
        ascii[n - 1] = '\0';
    return ascii;
}

static int fits_entry(const Entry *entry, const char *host, uint16_t port, bool domains)
{
    Address address = unmap(parse_address(host));
    _cleanup_free_
    char *wanted = NULL, *name = NULL;

    if (entry->port != 0 && entry->port != port)
        return false;
    if (entry->network.family != 0)
        return has_network(entry, &address);
    if (text_equal_nocase(entry->host, "<local>"))
        return address.family == 0 && !strchr(host, '.');
    name = normalize(host);
    wanted = normalize(entry->host);
    /* A name is compared with names; digits of an address are no domain. */
    return name && wanted ? fits_name(wanted, name, domains && address.family == 0) : -ENOMEM;
}

int proxy_exceptions_have(const char *list, const char *host, uint16_t port, bool domains)
{
    int r = 0;
    size_t n;

    for (list = next_entry(list, &n); list && r == 0; list = next_entry(list + n, &n)) {
        Entry entry;

        if (!parse_entry(list, n, &entry))
            r = fits_entry(&entry, host, port, domains);
    }
    return r;
}
