/* Whom sendmail -bs serves on a TCP connection. Must never let in whom it does not know: nobody
 * logs in here. */
#include "tool/sendmail_admit.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/errors.h"
#include "base/text.h"
#include "settings/load.h"
#include "settings/networks.h"

#define HOPS_MAX 100

static bool is_listed(const Config *config, const Peer *peer)
{
    return config->spool.submit_networks &&
           networks_have(config->spool.submit_networks, &peer->address.any);
}

/* 0, or a negative errno with a Failure. */
static int find_network_user(const Config *config, uid_t *ret, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    const char *name = config->spool.submit_network_user;
    int r = sender_user_parse(name, sender_user_lookup, ret, &why);

    if (r == -EINVAL)
        return failure_set(
            f, r, ERROR_CONFIGURATION, "spool.submit_network_user %s", failure_text(&why));
    return r < 0 ? failure_set_errno(f, r, "cannot look at spool.submit_network_user") : 0;
}

static int find_user(const Config *config, const Peer *peer, uid_t *ret, Failure *f)
{
    return peer->is_own ? peer_user(peer, ret, f) : find_network_user(config, ret, f);
}

/* Where the service manager gives a directory for it, users have so many connections each. */
static int take_place(uid_t user, Failure *f)
{
    const char *directory = secure_getenv("RUNTIME_DIRECTORY");
    int r = directory ? peer_take_place(directory, user) : 0;

    if (r == -EBUSY)
        return failure_set(
            f, r, ERROR_WOULD_BLOCK, "user %u has too many connections; try again", user);
    return r < 0 ? failure_set_errno(f, r, "cannot count the connections in %s", directory) : 0;
}

int sendmail_admit(const SendmailOptions *options, const Peer *peer, Rejection *ret, Failure *f)
{
    const char *none[] = {NULL};
    _cleanup_config_ Config *config = NULL;
    uid_t user;
    int r;

    (void)config_load_spool(options->config_path, none, &config, NULL);
    if (!peer->is_own && !config) {
        *ret = (Rejection){421, "4.3.5"};
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "the configuration has a mistake, or cannot be read: nothing is taken from other hosts "
            "now");
    }
    if (!peer->is_own && !is_listed(config, peer)) {
        *ret = (Rejection){554, "5.7.1"};
        return failure_set(f, -EACCES, ERROR_EACCES, "no mail is taken from %s here", peer->text);
    }
    *ret = (Rejection){421, "4.3.0"};
    r = find_user(config, peer, &user, f);
    if (r >= 0)
        r = take_place(user, f);
    return r < 0 ? r : peer_become(user, f);
}

int sendmail_trace(const Peer *peer, const ReceiveSession *session, const char *host, Buffer *out)
{
    char date[RFC5322_DATE_MAX];
    int r = buffer_appendf(out, "Received: from %s ([%s%s])\n\tby %s (outbox) with %s;\n\t%s\n",
        receive_session_client(session) ?: "unknown",
        peer->address.any.sa_family == AF_INET6 ? "IPv6:" : "", peer->text, host,
        receive_session_protocol(session), clock_format_rfc5322(clock_realtime(), date));

    return r < 0 ? r : buffer_append(out, "", 1);
}

bool sendmail_loops(const Buffer *start)
{
    static const char field[] = "Received:";
    const char *line = buffer_data(start), *end = line ? line + buffer_size(start) : NULL;
    unsigned hops = 0;

    for (const char *next; line < end && *line != '\r' && *line != '\n'; line = next) {
        hops += (size_t)(end - line) > strlen(field) && text_starts_nocase(line, field);
        next = memchr(line, '\n', (size_t)(end - line));
        next = next ? next + 1 : end;
    }
    return hops > HOPS_MAX;
}
