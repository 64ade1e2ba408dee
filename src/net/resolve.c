/* Lookups beside the loop: one detached thread each. Must never block the caller, and never touch
 * what the caller may have freed: caller and thread share one counted object. */
#include "net/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/hostname.h"
#include "base/text.h"
#include "settings/secret_source.h"

struct Lookup {
    unsigned references; /* one the caller's, one the thread's */
    int wait_fd;         /* the caller's; -1 when no thread was needed */
    int done_fd;         /* the thread's, which closes it when the result is there */
    bool done;           /* written by the thread, after the result */
    LookupRequest request;
    LookupResult result;
};

static void lookup_unref(Lookup *lookup)
{
    if (__atomic_sub_fetch(&lookup->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    lookup_result_done(&lookup->result);
    (void)config_unref(lookup->request.config);
    free(lookup);
}

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

/* The families take turns, so that one whose network is broken costs one attempt and not all of the
 * time (RFC 8305, 4). The first is the one getaddrinfo prefers: IPv6 where this host can use it
 * (RFC 6724). */
static size_t interleave(const struct addrinfo *list, struct sockaddr_storage *out)
{
    int first = list->ai_family;
    const struct addrinfo *cursor[2] = {next_of(list, first, true), next_of(list, first, false)};
    size_t n = 0;

    for (unsigned turn = 0; n < LOOKUP_ADDRESSES_MAX && (cursor[0] || cursor[1]); turn = !turn) {
        if (!cursor[turn])
            continue;
        memcpy(&out[n++], cursor[turn]->ai_addr, cursor[turn]->ai_addrlen);
        cursor[turn] = next_of(cursor[turn]->ai_next, first, turn == 0);
    }
    return n;
}

static int explain(int code, const char *setting, const char *host, IpVersion version, Failure *f)
{
    static const char *const limits[] = {[IP_VERSION_4] = " that has an IPv4 address",
        [IP_VERSION_6] = " that has an IPv6 address",
        [IP_VERSION_ANY] = ""};
    int number = error_from_getaddrinfo(code);

    switch (code) {
    case EAI_MEMORY: return -ENOMEM;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return failure_set(f, -ENOENT, number,
            "there is no host %s%s: check the spelling of the setting %s, the setting ip_version, "
            "and with \"getent ahosts %s\" that this machine can look names up",
            host, limits[version], setting, host);
    case EAI_AGAIN:
        return failure_set(f, -EAGAIN, number,
            "cannot look up %s: no name server gave an answer; check /etc/resolv.conf and the "
            "network",
            host);
    case EAI_FAIL:
        return failure_set(f, -EIO, number,
            "cannot look up %s: the name server failed or refused; check /etc/resolv.conf and that "
            "server",
            host);
    default:
        return failure_set(f, -EIO, number,
            "cannot look up %s: %s; check /etc/nsswitch.conf and /etc/resolv.conf", host,
            code == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(code));
    }
}

static int resolve(const char *setting, const char *host, uint16_t port, IpVersion version,
    struct sockaddr_storage **ret, size_t *ret_n, Failure *f)
{
    static const int families[] = {
        [IP_VERSION_4] = AF_INET, [IP_VERSION_6] = AF_INET6, [IP_VERSION_ANY] = AF_UNSPEC};
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    char service[8];
    int code;

    /* An address says its own family. */
    hints.ai_family = is_numeric(host) ? AF_UNSPEC : families[version];
    snprintf(service, sizeof(service), "%u", port);
    code = getaddrinfo(host, service, &hints, &list);
    if (code != 0)
        return explain(code, setting, host, version, f);
    *ret = calloc(LOOKUP_ADDRESSES_MAX, sizeof(struct sockaddr_storage));
    if (*ret)
        *ret_n = interleave(list, *ret);
    freeaddrinfo(list);
    return *ret ? 0 : -ENOMEM;
}

static int fetch_secrets(const LookupRequest *request, LookupResult *result)
{
    const RelayConfig *relay = request->relay;
    int r = secret_source_fetch(&relay->password, &result->password, &result->failure);

    if (r >= 0 && request->tls_key_password)
        r = secret_source_fetch(
            &relay->tls_key_password, &result->tls_key_password, &result->failure);
    result->secret_failed = r < 0;
    return r;
}

static void run(Lookup *lookup)
{
    const LookupRequest *request = &lookup->request;
    const RelayConfig *relay = request->relay;
    LookupResult *result = &lookup->result;
    int r = resolve("host", relay->host, relay->port, relay->ip_version, &result->addresses,
        &result->n_addresses, &result->failure);

    if (r >= 0 && relay->local_host)
        r = resolve("local_host", relay->local_host, relay->local_port, IP_VERSION_ANY,
            &result->local, &result->n_local, &result->failure);
    if (r >= 0)
        r = fetch_secrets(request, result);
    if (r >= 0 && request->host_name)
        r = host_name_get(&result->host_name);
    result->error = r;
    __atomic_store_n(&lookup->done, true, __ATOMIC_RELEASE);
}

static void *thread_main(void *argument)
{
    Lookup *lookup = argument;

    run(lookup);
    (void)close(lookup->done_fd);
    lookup_unref(lookup);
    return NULL;
}

/* Signals are for the caller's threads: none is taken here. A pipe, for each side is to close its
 * own end and nobody else's: the caller's loop watches it by number. */
static int start_thread(Lookup *lookup, Failure *f)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return failure_set_errno(f, -errno, "cannot make a pipe for a name lookup");
    lookup->wait_fd = ends[0];
    lookup->done_fd = ends[1];
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    lookup->references = 2;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    r = pthread_create(&thread, &attributes, thread_main, lookup);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (r == 0)
        return 0;
    lookup->references = 1;
    (void)close(lookup->done_fd);
    return failure_set_errno(f, -r,
        "cannot start a thread to look up %s; raise the limit of tasks or of memory",
        lookup->request.relay->host);
}

static bool source_may_block(const SecretSource *source)
{
    return source->file || source->command || source->credential;
}

static bool may_block(const LookupRequest *request)
{
    const RelayConfig *relay = request->relay;

    return !is_numeric(relay->host) || (relay->local_host && !is_numeric(relay->local_host)) ||
           source_may_block(&relay->password) ||
           (request->tls_key_password && source_may_block(&relay->tls_key_password)) ||
           (request->host_name && !host_name_is_qualified());
}

int lookup_new(const LookupRequest *request, Lookup **ret, Failure *f)
{
    _cleanup_(lookup_free_p) Lookup *lookup = calloc(1, sizeof(Lookup));

    if (!lookup)
        return -ENOMEM;
    lookup->references = 1;
    lookup->wait_fd = -1;
    lookup->request = *request;
    lookup->request.config = config_ref(request->config);
    if (may_block(request)) {
        int r = start_thread(lookup, f);

        if (r < 0)
            return r;
    } else
        run(lookup);
    *ret = TAKE_PTR(lookup);
    return 0;
}

int lookup_fd(const Lookup *lookup)
{
    return lookup->wait_fd;
}

int lookup_take(Lookup *lookup, LookupResult *ret)
{
    if (!__atomic_load_n(&lookup->done, __ATOMIC_ACQUIRE))
        return 0;
    *ret = lookup->result;
    lookup->result = (LookupResult){0};
    return 1;
}

void lookup_result_forget_addresses(LookupResult *result)
{
    free(result->addresses);
    free(result->local);
    result->addresses = result->local = NULL;
    result->n_addresses = result->n_local = 0;
}

void lookup_result_done(LookupResult *result)
{
    lookup_result_forget_addresses(result);
    free(result->host_name);
    (void)secret_unref(result->password);
    (void)secret_unref(result->tls_key_password);
    failure_done(&result->failure);
    *result = (LookupResult){0};
}

void lookup_free(Lookup *lookup)
{
    if (!lookup)
        return;
    close_p(&lookup->wait_fd);
    lookup_unref(lookup);
}
