/* The user at the other end. Must never take a socket for the peer's that nobody has open: the
 * kernel says of such a one that it is root's. */
#include "tool/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/macros.h"

#define PLACES_EACH 64 /* connections of one user: as at the submission socket */
#define NO_GROUP ((gid_t)65534)

/* ---- addresses ---- */

/* IPv4 that came by a socket for IPv6. */
static void unmap(struct sockaddr_in6 *v6)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6->sin6_port};

    if (v6->sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return;
    memcpy(&v4.sin_addr, &v6->sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
    *v6 = (struct sockaddr_in6){0};
    memcpy(v6, &v4, sizeof(v4));
}

/* As the kernel's tables have an end: port and address, in the order of the network. */
static void set_end(const struct sockaddr *end, __be16 *port, __be32 address[static 4])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)end;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)end;

    *port = end->sa_family == AF_INET ? v4->sin_port : v6->sin6_port;
    if (end->sa_family == AF_INET)
        memcpy(address, &v4->sin_addr, sizeof(v4->sin_addr));
    else
        memcpy(address, &v6->sin6_addr, sizeof(v6->sin6_addr));
}

/* The other end's own socket. */
static struct inet_diag_sockid id_of(const Peer *peer)
{
    struct inet_diag_sockid id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}};

    set_end(&peer->address.any, &id.idiag_sport, id.idiag_src);
    set_end(&peer->own.any, &id.idiag_dport, id.idiag_dst);
    if (peer->address.any.sa_family == AF_INET6)
        id.idiag_if = peer->address.v6.sin6_scope_id; /* a link-local address is of one link */
    return id;
}

/* Whether somebody has a socket in that state open, who is connected, and not about to connect, or
 * waiting for others to do so. */
static bool is_held(unsigned state, unsigned long long inode)
{
    return inode != 0 && (state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 ||
                             state == TCP_FIN_WAIT2 || state == TCP_CLOSE_WAIT);
}

/* ---- asking the kernel ---- */

typedef union Answer {
    struct nlmsghdr header;
    char room[8192];
} Answer;

/* 0 with the kernel's answer and how long that is, or a negative errno. */
static int ask(int protocol, const struct nlmsghdr *asked, Answer *ret, size_t *ret_n)
{
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, protocol);
    const struct nlmsgerr *error = NLMSG_DATA(&ret->header);
    ssize_t n;

    if (fd < 0 || send(fd, asked, asked->nlmsg_len, 0) < 0)
        return -errno;
    do
        n = recv(fd, ret, sizeof(*ret), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    *ret_n = (size_t)n;
    if (!NLMSG_OK(&ret->header, *ret_n))
        return -EPROTO;
    if (ret->header.nlmsg_type == NLMSG_ERROR &&
        ret->header.nlmsg_len >= NLMSG_LENGTH(sizeof(*error)))
        return error->error < 0 ? error->error : -EPROTO;
    return 0;
}

/* ---- whether it is this machine ---- */

/* Where a packet to that address would go. 1: to this machine itself; 0; or a negative errno where
 * the kernel does not tell. */
static int ask_route(const Peer *peer)
{
    struct {
        struct nlmsghdr header;
        struct rtmsg route;
        struct rtattr to;
        __be32 address[4];
        struct rtattr by;
        __u32 link;
    } asked = {.header = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST}};
    bool is_v4 = peer->address.any.sa_family == AF_INET;
    unsigned short n = is_v4 ? 4 : 16;
    const struct rtmsg *found;
    Answer answer = {0};
    __be16 port;
    size_t size;
    int r;

    asked.route.rtm_family = (unsigned char)peer->address.any.sa_family;
    asked.route.rtm_dst_len = (unsigned char)(n * 8);
    asked.to = (struct rtattr){.rta_len = (unsigned short)RTA_LENGTH(n), .rta_type = RTA_DST};
    set_end(&peer->address.any, &port, asked.address);
    asked.header.nlmsg_len = NLMSG_LENGTH(sizeof(asked.route)) + RTA_LENGTH(n);
    if (!is_v4 && peer->address.v6.sin6_scope_id != 0) {
        asked.by = (struct rtattr){.rta_len = RTA_LENGTH(4), .rta_type = RTA_OIF};
        asked.link = peer->address.v6.sin6_scope_id;
        asked.header.nlmsg_len += RTA_LENGTH(4);
    }
    r = ask(NETLINK_ROUTE, &asked.header, &answer, &size);
    if (r == -ENETUNREACH || r == -EHOSTUNREACH)
        return 0;
    if (r < 0)
        return r;
    found = NLMSG_DATA(&answer.header);
    if (answer.header.nlmsg_type != RTM_NEWROUTE ||
        answer.header.nlmsg_len < NLMSG_LENGTH(sizeof(*found)))
        return -EPROTO;
    return found->rtm_type == RTN_LOCAL;
}

/* The same by what programs may call themselves, which a machine can be set to allow for any
 * address (ip_nonlocal_bind). */
static bool can_bind(const Peer *peer)
{
    _cleanup_close_ int fd = socket(peer->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Peer at = *peer;

    if (at.address.any.sa_family == AF_INET)
        at.address.v4.sin_port = 0;
    else
        at.address.v6.sin6_port = 0;
    return fd >= 0 && bind(fd, &at.address.any, sizeof(at.address)) == 0;
}

static bool is_loopback(const Peer *peer)
{
    return peer->address.any.sa_family == AF_INET
               ? ntohl(peer->address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
               : IN6_IS_ADDR_LOOPBACK(&peer->address.v6.sin6_addr);
}

/* What is at an address of this machine's is a program of this machine, by whatever address. */
static bool is_own(const Peer *peer)
{
    __be32 theirs[4] = {0}, ours[4] = {0};
    __be16 port;
    int r;

    set_end(&peer->address.any, &port, theirs);
    set_end(&peer->own.any, &port, ours);
    if (is_loopback(peer) || memcmp(theirs, ours, sizeof(theirs)) == 0)
        return true;
    r = ask_route(peer);
    return r < 0 ? can_bind(peer) : r > 0;
}

/* What has been reset is connected to nobody, and may hold octets that were sent by whom nobody
 * knows: it is no less of the Internet. */
static bool is_of_internet(int fd)
{
    int domain, listens;
    socklen_t n = sizeof(domain), n_listens = sizeof(listens);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
           (domain == AF_INET || domain == AF_INET6) &&
           (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n_listens) < 0 || !listens);
}

bool peer_look(int fd, Peer *ret)
{
    socklen_t n = sizeof(ret->address), n_own = sizeof(ret->own);
    bool is_v4;

    *ret = (Peer){0};
    if (!is_of_internet(fd))
        return false;
    if (getpeername(fd, &ret->address.any, &n) < 0 || getsockname(fd, &ret->own.any, &n_own) < 0) {
        *ret = (Peer){.is_gone = true};
        return true;
    }
    unmap(&ret->address.v6);
    unmap(&ret->own.v6);
    is_v4 = ret->address.any.sa_family == AF_INET;
    ret->is_own = is_own(ret);
    (void)inet_ntop(ret->address.any.sa_family,
        is_v4 ? (const void *)&ret->address.v4.sin_addr : (const void *)&ret->address.v6.sin6_addr,
        ret->text, sizeof(ret->text));
    return true;
}

bool peer_has_closed(int fd, bool *ret_has_sent)
{
    struct pollfd looks = {.fd = fd, .events = POLLRDHUP};
    int n = 0;

    *ret_has_sent = ioctl(fd, FIONREAD, &n) == 0 && n > 0;
    return poll(&looks, 1, 0) > 0;
}

/* ---- whose it is ---- */

/* 0, -ENOENT, or another negative errno where this kernel does not tell. */
static int ask_user(const Peer *peer, uid_t *ret)
{
    const struct inet_diag_sockid id = id_of(peer);
    const struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } asked = {
        .header = {.nlmsg_len = sizeof(asked),
            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
            .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = (__u8)peer->address.any.sa_family,
            .sdiag_protocol = IPPROTO_TCP,
            .idiag_states = ~0U,
            .id = id},
    };
    const struct inet_diag_msg *found;
    Answer answer = {0};
    size_t n;
    int r = ask(NETLINK_SOCK_DIAG, &asked.header, &answer, &n);

    if (r < 0)
        return r;
    found = NLMSG_DATA(&answer.header);
    if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        answer.header.nlmsg_len < NLMSG_LENGTH(sizeof(*found)))
        return -EPROTO;
    if (found->id.idiag_sport != id.idiag_sport || found->id.idiag_dport != id.idiag_dport ||
        !is_held(found->idiag_state, found->idiag_inode))
        return -ENOENT;
    *ret = found->idiag_uid;
    return 0;
}

/* ---- the table that every kernel has ---- */

/* "0100007F:0019": the words of an address as this machine's memory has them; as IPv6 it has more,
 * also where it is an IPv4 address. */
static void format_end(const struct sockaddr *end, bool as_v6, char ret[static 48])
{
    bool is_v4 = end->sa_family == AF_INET;
    __be32 address[4] = {0};
    size_t n = 0;
    __be16 port;

    set_end(end, &port, address);
    if (as_v6 && is_v4)
        n = (size_t)snprintf(ret, 48, "%08X%08X%08X", 0U, 0U, htonl(0xffff));
    for (size_t i = 0; i < (is_v4 ? 1 : 4); i++)
        n += (size_t)snprintf(ret + n, 48 - n, "%08X", address[i]);
    (void)snprintf(ret + n, 48 - n, ":%04X", ntohs(port));
}

static int find_in_table(FILE *table, const char *from, const char *to, uid_t *ret)
{
    char line[512], line_from[48], line_to[48];
    unsigned long long inode;
    unsigned state, user;

    while (fgets(line, sizeof(line), table)) {
        if (sscanf(line, "%*s %47s %47s %X %*s %*s %*s %u %*s %llu", line_from, line_to, &state,
                &user, &inode) != 5 ||
            strcmp(line_from, from) != 0 || strcmp(line_to, to) != 0 || !is_held(state, inode))
            continue;
        *ret = user;
        return 0;
    }
    return -ENOENT;
}

static int read_table(const Peer *peer, bool as_v6, uid_t *ret)
{
    FILE *table = fopen(as_v6 ? "/proc/self/net/tcp6" : "/proc/self/net/tcp", "re");
    char from[48], to[48];
    int r;

    if (!table)
        return -errno;
    format_end(&peer->address.any, as_v6, from);
    format_end(&peer->own.any, as_v6, to);
    r = find_in_table(table, from, to, ret);
    (void)fclose(table);
    return r;
}

/* A program may speak IPv4 by a socket for IPv6. */
static int read_tables(const Peer *peer, uid_t *ret)
{
    int r = peer->address.any.sa_family == AF_INET ? read_table(peer, false, ret) : -ENOENT;

    return r == -ENOENT ? read_table(peer, true, ret) : r;
}

int peer_user(const Peer *peer, uid_t *ret, Failure *f)
{
    int r = ask_user(peer, ret);

    if (r < 0)
        r = read_tables(peer, ret);
    if (r == -ENOENT)
        return failure_set(f, r, ERROR_EACCES,
            "it cannot be found out who is connected: no program of this machine has the other end "
            "open");
    return r < 0 ? failure_set_errno(f, r, "it cannot be found out who is connected") : 0;
}

/* ---- becoming the user ---- */

static int set_groups(uid_t user, gid_t *ret_group)
{
    const struct passwd *known = getpwuid(user);

    *ret_group = known ? known->pw_gid : NO_GROUP;
    return (known ? initgroups(known->pw_name, known->pw_gid) : setgroups(0, NULL)) < 0 ? -errno
                                                                                        : 0;
}

int peer_become(uid_t user, Failure *f)
{
    gid_t group;
    int r;

    if (user == geteuid())
        return 0;
    if (geteuid() != 0)
        return failure_set(f, -EPERM, ERROR_EACCES,
            "what takes mail here runs as user %u, and cannot queue it as that of user %u: it is "
            "to be started by root",
            geteuid(), user);
    r = set_groups(user, &group);
    if (r >= 0 && (setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0))
        r = -errno;
    return r < 0 ? failure_set_errno(f, r, "cannot become user %u", user) : 0;
}

int peer_take_place(const char *directory, uid_t user)
{
    _cleanup_free_
    char *path = NULL;
    int fd, r = -EBUSY;

    if (asprintf(&path, "%s/connections", directory) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    for (int i = 0; i < PLACES_EACH; i++) {
        struct flock place = {.l_type = F_WRLCK,
            .l_whence = SEEK_SET,
            .l_start = (off_t)user * PLACES_EACH + i,
            .l_len = 1};

        if (fcntl(fd, F_OFD_SETLK, &place) == 0)
            return 0; /* it is kept open */
        if (errno != EAGAIN && errno != EACCES) {
            r = -errno;
            break;
        }
    }
    (void)close(fd);
    return r;
}
