/* Advice by errno. Must never name a setting that is not what says where the server is. */
#include "net/socket_advice.h"

#include <errno.h>
#include <stdio.h>

static const char *advise_on_relay(const SocketFault *fault)
{
    if (fault->forbidden)
        return "ports below 1024 are for root and who has CAP_NET_BIND_SERVICE: set another "
               "local_port, or leave it out";
    switch (fault->error) {
    case -ECONNREFUSED:
        return "nothing listens there: check host and port, and that the server runs";
    case -ETIMEDOUT:
        return "no answer came: check host and port, and whether a firewall drops the packets";
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case -EHOSTDOWN:
    case -ENETDOWN:
    case -ENONET: return "there is no way there: check the network, routes and ip_version";
    case -EADDRNOTAVAIL:
        return fault->from_address
                   ? "local_host must be an address of this machine: check it"
                   : "this machine has no free port, or no address of that family, to come from: "
                     "try again, and check ip_version";
    case -EADDRINUSE: return "another connection has local_port: set another, or leave it out";
    case -EAFNOSUPPORT:
        return "check that local_host and the relay have addresses of one family, ip_version, and "
               "whether this machine or the service's sandbox knows that family";
    case -EINVAL:
        return "no packet can go that way: check the routes, and that local_host is no loopback "
               "address where the relay is elsewhere";
    case -ECONNRESET:
    case -ECONNABORTED:
        return "something there ended it at once: check the server, and any firewall between";
    case -EACCES:
    case -EPERM: return "this machine forbids it: check its firewall and the service's sandbox";
    case -EMFILE:
    case -ENFILE: return "raise the limit of open files";
    case -ENOBUFS:
    case -ENOMEM: return "this machine is short of memory for sockets";
    default: return "check host, port and the network";
    }
}

/* The same of a socket of this machine. */
static const char *advise_on_unix(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is no such socket: check the path, and that the server runs and makes it";
    case -ECONNREFUSED: return "nobody listens at the socket: check that the server runs";
    case -EAGAIN: return "the server takes no further connections: look whether it hangs";
    case -EACCES:
    case -EPERM:
        return "this user may not use the socket: check its owner and mode, and those of its "
               "directories";
    default: return "check the path and the server";
    }
}

/* The same of a proxy, whose settings have other names. */
static const char *advise_on_proxy(int error)
{
    switch (error) {
    case -ECONNREFUSED:
        return "nothing listens there: check proxy_host and proxy_port, and that it runs";
    case -ETIMEDOUT:
        return "no answer came: check proxy_host and proxy_port, and whether a firewall drops the "
               "packets";
    case -ENETUNREACH:
    case -EHOSTUNREACH: return "there is no way there: check the network, routes and ip_version";
    default: return "check proxy_host, proxy_port and the network";
    }
}

/* The same of a server that is no relay: one setting says where it is, or a certificate. False
 * where there is nothing of its own to say. */
static bool advise_on_peer(const SocketFault *fault, char to[static SOCKET_ADVICE_MAX])
{
    const char *setting = fault->relay->host_setting;
    bool set = *setting;

    switch (fault->error) {
    case -ECONNREFUSED:
        snprintf(to, SOCKET_ADVICE_MAX, "nothing listens there%s%s%s", set ? ": check " : "",
            setting, set ? ", and that the server runs" : "");
        return true;
    case -ETIMEDOUT:
        snprintf(to, SOCKET_ADVICE_MAX,
            "no answer came: check %s%swhether a firewall drops the packets", setting,
            set ? ", and " : "");
        return true;
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case -EHOSTDOWN:
    case -ENETDOWN:
    case -ENONET:
        snprintf(to, SOCKET_ADVICE_MAX, "there is no way there: check the network and routes");
        return true;
    default: return false;
    }
}

const char *socket_advise(const SocketFault *fault, char to[static SOCKET_ADVICE_MAX])
{
    if (fault->at_proxy)
        return advise_on_proxy(fault->error);
    if (relay_socket_path(fault->relay))
        return advise_on_unix(fault->error);
    if (fault->relay->host_setting && advise_on_peer(fault, to))
        return to;
    return advise_on_relay(fault);
}
