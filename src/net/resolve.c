/* Names to addresses. Blocks: for a job, or where resolve_may_block() says that it cannot. */
#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "net/address.h"

static bool is_numeric(const char *host)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;

    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return false;
    freeaddrinfo(list);
    return true;
}

static const struct addrinfo *next_of(const struct addrinfo *info, int family, bool same)
{
    while (info && ((info->ai_family == family) != same ||
                       info->ai_addrlen > sizeof(struct sockaddr_storage)))
        info = info->ai_next;
    return info;
}

/* A lookup may say an address twice, as that of "localhost" where /etc/hosts has it for both
 * families: whoever did not take a login there is not to hear it again. */
static bool has_address(
    const struct sockaddr_storage *list, size_t n, const struct addrinfo *address)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&list[i], address->ai_addr, address->ai_addrlen) == 0)
            return true;
    return false;
}

/* The families take turns, so that one whose network is broken costs one attempt and not all of the
 * time (RFC 8305, 4). The first is the one getaddrinfo prefers: IPv6 where this host can use it
 * (RFC 6724). */
static size_t interleave(const struct addrinfo *list, struct sockaddr_storage *out)
{
    int first = list->ai_family;
    const struct addrinfo *cursor[2] = {next_of(list, first, true), next_of(list, first, false)};
    size_t n = 0;

    for (unsigned turn = 0; n < RESOLVE_ADDRESSES_MAX && (cursor[0] || cursor[1]); turn = !turn) {
        if (!cursor[turn])
            continue;
        if (!has_address(out, n, cursor[turn]))
            memcpy(&out[n++], cursor[turn]->ai_addr, cursor[turn]->ai_addrlen);
        cursor[turn] = next_of(cursor[turn]->ai_next, first, turn == 0);
    }
    return n;
}

/* What to look at first. Where any address will do, ip_version keeps none from it. */
#define ADVICE_MAX 160
static const char *advise(
    const char *setting, IpVersion version, const char *what, char to[static ADVICE_MAX])
{
    snprintf(to, ADVICE_MAX, "check %s%s%s%s%s", *setting ? what : "",
        *setting ? "the setting " : "", setting,
        *setting && version != IP_VERSION_ANY ? ", the setting ip_version" : "",
        *setting ? ", and" : "");
    return to;
}

static int explain(int code, const char *setting, const char *host, IpVersion version, Failure *f)
{
    static const char *const limits[] = {[IP_VERSION_4] = " that has an IPv4 address",
        [IP_VERSION_6] = " that has an IPv6 address",
        [IP_VERSION_ANY] = ""};
    static const char *const kinds[] = {
        [IP_VERSION_4] = "IPv4 ", [IP_VERSION_6] = "IPv6 ", [IP_VERSION_ANY] = ""};
    int error = code == EAI_SYSTEM ? errno : 0;
    int number = error_from_getaddrinfo(code, error);
    char advice[ADVICE_MAX];

    if (error_is_common(-error))
        return failure_reason(f, REASON_NO_RESOURCES,
            failure_set(f, -error, number, "cannot look up %s: %s; %s", host,
                strerrordesc_np(error),
                error == EMFILE || error == ENFILE ? "raise the limit of open files"
                                                   : "free some memory, or room on the disk"));
    switch (code) {
    case EAI_MEMORY: return -ENOMEM;
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return failure_reason(f, REASON_HOST_UNKNOWN,
            failure_set(f, -ENOENT, number,
                "%s exists and has no %saddress: %s with \"getent ahosts %s\" what this machine "
                "finds",
                host, kinds[version], advise(setting, version, "", advice), host));
    case EAI_NONAME:
        return failure_reason(f, REASON_HOST_UNKNOWN,
            failure_set(f, -ENOENT, number,
                "there is no host %s%s: %s with \"getent ahosts %s\" that this machine can look "
                "names "
                "up",
                host, limits[version], advise(setting, version, "the spelling of ", advice), host));
    case EAI_AGAIN:
        return failure_reason(f, REASON_NAME_SERVER_SILENT,
            failure_set(f, -EAGAIN, number,
                "cannot look up %s: no name server gave an answer; check /etc/resolv.conf and the "
                "network",
                host));
    case EAI_FAIL:
        return failure_reason(f, REASON_NAME_SERVER_FAILED,
            failure_set(f, -EIO, number,
                "cannot look up %s: the name server failed or refused; check /etc/resolv.conf and "
                "that server",
                host));
    default:
        return failure_reason(f, REASON_NAME_SERVER_FAILED,
            failure_set(f, -EIO, number,
                "cannot look up %s: %s; check /etc/nsswitch.conf and /etc/resolv.conf", host,
                error != 0 ? strerrordesc_np(error) : gai_strerror(code)));
    }
}

/* Linux would connect to this host, and a filter of the name server's means nobody by it: those are
 * left out. 0, or a failure when no other is left. */
static int leave_out_unspecified(
    const char *setting, const char *host, struct sockaddr_storage *list, size_t *n, Failure *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++)
        if (!address_is_unspecified(&list[i]))
            list[kept++] = list[i];
    *n = kept;
    if (kept > 0)
        return 0;
    return failure_reason(f, REASON_HOST_UNKNOWN,
        failure_set(f, -EADDRNOTAVAIL, ERROR_HOST_ADDRESS_INVALID,
            "the lookup of %s gave 0.0.0.0 or ::, which is no server's address: check "
            "%s%s%swhether "
            "the name server or /etc/hosts blocks this name",
            host, *setting ? "the setting " : "", setting, *setting ? ", and " : ""));
}

static int resolve(const char *setting, const char *host, uint16_t port, IpVersion version,
    struct sockaddr_storage **ret, size_t *ret_n, Failure *f)
{
    static const int families[] = {
        [IP_VERSION_4] = AF_INET, [IP_VERSION_6] = AF_INET6, [IP_VERSION_ANY] = AF_UNSPEC};
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    _cleanup_free_
    char *name = NULL;
    char service[8];
    int code = domain_to_ascii(host, &name);

    if (code == -EINVAL || code == -ELIBACC)
        return failure_reason(f, REASON_HOST_MALFORMED,
            failure_set(f, code, ERROR_CONFIGURATION, "%s: \"%s\" %s", setting, host,
                domain_trouble(code)));
    if (code < 0)
        return code;
    /* An address says its own family. */
    if (is_numeric(name))
        hints.ai_flags |= AI_NUMERICHOST;
    else
        hints.ai_family = families[version];
    snprintf(service, sizeof(service), "%u", port);
    code = getaddrinfo(name, service, &hints, &list);
    if (code != 0)
        return explain(code, setting, host, version, f);
    *ret = calloc(RESOLVE_ADDRESSES_MAX, sizeof(struct sockaddr_storage));
    if (*ret)
        *ret_n = interleave(list, *ret);
    freeaddrinfo(list);
    return *ret ? 0 : -ENOMEM;
}

/* Whether the relay's name is looked up here. */
static bool resolves_host(const RelayConfig *relay)
{
    return !relay_is_proxied(relay) || relay->proxy_resolve != PROXY_RESOLVE_PROXY;
}

static const char *host_setting(const RelayConfig *relay)
{
    return relay->host_setting ?: "host";
}

/* The way to the proxy, and what is behind it. SOCKS4 has no IPv6. */
static int resolve_proxied(const RelayConfig *relay, AddressList *ret, Failure *f)
{
    bool only_4 = relay->proxy_type == PROXY_MODE_SOCKS4 || relay->proxy_type == PROXY_MODE_SOCKS4A;
    int r = resolve("proxy_host", relay->proxy_host, relay->proxy_port, relay->ip_version,
        &ret->addresses, &ret->n_addresses, f);

    if (r < 0 || !resolves_host(relay))
        return r;
    return resolve(host_setting(relay), relay->host, relay->port,
        only_4 ? IP_VERSION_4 : relay->ip_version, &ret->targets, &ret->n_targets, f);
}

const char *resolve_name(const RelayConfig *relay)
{
    return resolves_host(relay) ? relay->host : relay->proxy_host;
}

bool resolve_may_block(const RelayConfig *relay)
{
    if (relay_socket_path(relay))
        return false;
    return (resolves_host(relay) && !is_numeric(relay->host)) ||
           (relay_is_proxied(relay) && !is_numeric(relay->proxy_host)) ||
           (relay->local_host && !is_numeric(relay->local_host));
}

int resolve_relay(const RelayConfig *relay, AddressList *ret, Failure *f)
{
    int r;

    *ret = (AddressList){0};
    if (relay_socket_path(relay)) {
        ret->addresses = calloc(1, sizeof(struct sockaddr_storage));
        if (!ret->addresses)
            return -ENOMEM;
        address_set_unix(relay_socket_path(relay), &ret->addresses[0]);
        ret->n_addresses = 1;
        return 0;
    }
    if (relay_is_proxied(relay))
        r = resolve_proxied(relay, ret, f);
    else {
        r = resolve(host_setting(relay), relay->host, relay->port, relay->ip_version,
            &ret->addresses, &ret->n_addresses, f);
        if (r >= 0)
            r = leave_out_unspecified(
                host_setting(relay), relay->host, ret->addresses, &ret->n_addresses, f);
    }
    if (r >= 0 && relay->local_host)
        r = resolve("local_host", relay->local_host, relay->local_port, IP_VERSION_ANY, &ret->local,
            &ret->n_local, f);
    if (r < 0)
        address_list_done(ret);
    return r;
}

static struct sockaddr_storage *copy(const struct sockaddr_storage *list, size_t n)
{
    struct sockaddr_storage *ret = calloc(n, sizeof(*ret));

    return ret ? memcpy(ret, list, n * sizeof(*ret)) : NULL;
}

int address_list_copy(const AddressList *from, AddressList *ret)
{
    *ret = (AddressList){
        .n_addresses = from->n_addresses, .n_local = from->n_local, .n_targets = from->n_targets};
    ret->addresses = copy(from->addresses, from->n_addresses);
    if (from->n_local > 0)
        ret->local = copy(from->local, from->n_local);
    if (from->n_targets > 0)
        ret->targets = copy(from->targets, from->n_targets);
    if (ret->addresses && (ret->local || from->n_local == 0) &&
        (ret->targets || from->n_targets == 0))
        return 0;
    address_list_done(ret);
    return -ENOMEM;
}

void address_list_done(AddressList *list)
{
    free(list->addresses);
    free(list->local);
    free(list->targets);
    *list = (AddressList){0};
}
