/* Names and addresses by their look. Must never ask a name server. */
#include "settings/host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"

#define LABEL_MAX_BYTES 255 /* 63 on the wire; in UTF-8 it may be longer */
#define HOST_MAX_BYTES 253  /* RFC 1035, 2.3.4, as text */

/* An IPv6 address, perhaps with a zone ("fe80::1%eth0"). */
static bool is_ipv6(const char *text, size_t n)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    const char *zone = memchr(text, '%', n);
    size_t length = zone ? (size_t)(zone - text) : n;

    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    return inet_pton(AF_INET6, address, &binary) == 1;
}

bool host_is_unix(const char *host)
{
    return text_starts_nocase(host, HOST_UNIX);
}

static const char *check_path(const char *path)
{
    struct sockaddr_un address;

    if (*path != '/')
        return "is no absolute path behind " HOST_UNIX ", as in " HOST_UNIX "/PATH";
    return strlen(path) >= sizeof(address.sun_path) ? "is a longer path than a socket can have"
                                                    : NULL;
}

/* Nothing but numbers, and yet no address in any of the forms that are looked up ("127.1"): no name
 * is like that, either (RFC 3696, 2). */
static bool is_broken_ipv4(const char *text)
{
    struct in_addr binary;

    return strchr(text, '.') && text[strspn(text, "0123456789.")] == '\0' &&
           inet_aton(text, &binary) == 0;
}

const char *host_check(const char *text)
{
    size_t n = strlen(text);

    if (host_is_unix(text))
        return check_path(text + strlen(HOST_UNIX));
    if (strstr(text, "://"))
        return "looks like a URL";
    if (n > HOST_MAX_BYTES)
        return "is longer than a host name can be";
    if (text[0] == '[' && text[n - 1] == ']')
        return is_ipv6(text + 1, n - 2) ? NULL : "holds no IPv6 address in its brackets";
    if (strchr(text, ':'))
        return is_ipv6(text, n) ? NULL : "seems to hold a port, which is a setting of its own";
    if (text[0] == '.' || strstr(text, "..") || text[strcspn(text, " /\\@\"'<>()[],;#*")] != '\0')
        return "is not a host name";
    if (is_broken_ipv4(text))
        return "is no address, whose four numbers go from 0 to 255";
    return NULL;
}

static bool is_ipv4(const char *text)
{
    struct in_addr binary;

    return inet_pton(AF_INET, text, &binary) == 1;
}

static const char *check_literal(const char *text, size_t n)
{
    static const char tag[] = "IPv6:";
    char address[INET6_ADDRSTRLEN + sizeof(tag)];
    struct in6_addr binary;

    if (n < 2 || text[n - 1] != ']' || n - 2 >= sizeof(address))
        return "holds no address in its brackets";
    memcpy(address, text + 1, n - 2);
    address[n - 2] = '\0';
    if (is_ipv4(address))
        return NULL;
    if (!text_starts_nocase(address, tag))
        return "holds no address in its brackets";
    return inet_pton(AF_INET6, address + strlen(tag), &binary) == 1
               ? NULL
               : "holds no IPv6 address in its brackets";
}

/* One label; that of another script is turned into ASCII before it is said. */
static bool is_label(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x80 && !isalnum(c) && c != '-' && c != '_')
            return false;
    }
    return n > 0 && n <= LABEL_MAX_BYTES && text[0] != '-' && text[n - 1] != '-';
}

const char *host_check_hello(const char *text)
{
    size_t n = strlen(text);

    if (text[0] == '[')
        return check_literal(text, n);
    if (is_ipv4(text) || strchr(text, ':'))
        return "is an address without its brackets";
    if (n > HOST_MAX_BYTES)
        return "is longer than a host name can be";
    for (size_t label; *text; text += label + (text[label] == '.')) {
        label = strcspn(text, ".");
        if (!is_label(text, label))
            return "is not a host name";
    }
    return NULL;
}

char *host_strip(const char *text)
{
    return text[0] == '[' ? strndup(text + 1, strlen(text) - 2) : strdup(text);
}

bool host_is_unspecified(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return v4.s_addr == htonl(INADDR_ANY);
    return inet_pton(AF_INET6, host, &v6) == 1 &&
           (IN6_IS_ADDR_UNSPECIFIED(&v6) ||
               memcmp(&v6, "\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0", 16) == 0);
}

int host_family(const char *host)
{
    struct in6_addr v6;

    if (is_ipv4(host))
        return 4;
    if (inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_V4MAPPED(&v6))
        return 0;
    return is_ipv6(host, strlen(host)) ? 6 : 0;
}

bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    return host_is_unix(host) || text_equal_nocase(host, "localhost") ||
           text_equal_nocase(host, "localhost.");
}
