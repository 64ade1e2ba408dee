/* Socket addresses in words. Must never ask a name server. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const struct sockaddr_un *as_unix(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_UNIX ? (const struct sockaddr_un *)address : NULL;
}

void address_set_unix(const char *path, struct sockaddr_storage *ret)
{
    struct sockaddr_un *address = (struct sockaddr_un *)ret;

    memset(ret, 0, sizeof(*ret));
    address->sun_family = AF_UNIX;
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
}

socklen_t address_size(const struct sockaddr_storage *address)
{
    if (as_unix(address))
        return sizeof(struct sockaddr_un);
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

/* An IPv4 address that came as "::ffff:192.0.2.1" (RFC 4291, 2.5.5.2) is one: it is reached over
 * IPv4, and servers compare it as such. */
static const struct sockaddr_storage *unmap(
    const struct sockaddr_storage *address, struct sockaddr_storage *room)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    struct sockaddr_in *v4 = (struct sockaddr_in *)room;

    if (address->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return address;
    *room = (struct sockaddr_storage){.ss_family = AF_INET};
    v4->sin_port = v6->sin6_port;
    memcpy(&v4->sin_addr, v6->sin6_addr.s6_addr + 12, sizeof(v4->sin_addr));
    return room;
}

char *address_format_host(
    const struct sockaddr_storage *address, char text[static ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage room;

    if (as_unix(address)) {
        snprintf(text, ADDRESS_TEXT_MAX, "unix:%.107s", as_unix(address)->sun_path);
        return text;
    }
    address = unmap(address, &room);
    if (getnameinfo((const struct sockaddr *)address, address_size(address), text, ADDRESS_TEXT_MAX,
            NULL, 0, NI_NUMERICHOST) != 0)
        text[0] = '\0';
    return text;
}

char *address_format(const struct sockaddr_storage *address, char text[static ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage room;
    bool v6 = unmap(address, &room)->ss_family == AF_INET6;
    /* The port stands at the same place in both forms (RFC 3493, 3.3). */
    unsigned port = ntohs(((const struct sockaddr_in *)address)->sin_port);
    char host[ADDRESS_TEXT_MAX];

    if (as_unix(address))
        return address_format_host(address, text);
    address_format_host(address, host);
    snprintf(text, ADDRESS_TEXT_MAX, v6 ? "[%.60s]:%u" : "%.60s:%u", host, port);
    return text;
}

char *address_format_literal(
    const struct sockaddr_storage *address, char text[static ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage room;
    bool v6 = unmap(address, &room)->ss_family == AF_INET6;
    char host[ADDRESS_TEXT_MAX];

    if (as_unix(address)) {
        snprintf(text, ADDRESS_TEXT_MAX, "[127.0.0.1]");
        return text;
    }
    address_format_host(address, host);
    host[strcspn(host, "%")] = '\0'; /* a scope means something to this host only */
    snprintf(text, ADDRESS_TEXT_MAX, v6 ? "[IPv6:%.60s]" : "[%.60s]", host);
    return text;
}

bool address_is_unspecified(const struct sockaddr_storage *address)
{
    struct sockaddr_storage room;
    const struct sockaddr_storage *plain = unmap(address, &room);

    if (plain->ss_family == AF_INET)
        return ((const struct sockaddr_in *)plain)->sin_addr.s_addr == htonl(INADDR_ANY);
    return plain->ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)plain)->sin6_addr);
}

bool address_is_loopback(const struct sockaddr_storage *address)
{
    struct sockaddr_storage room;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)unmap(address, &room);

    if (as_unix(address))
        return true;
    address = (const struct sockaddr_storage *)v4;
    if (address->ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}
