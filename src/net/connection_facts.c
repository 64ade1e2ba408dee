/* What can be asked of a Connection, and who is told: nothing here changes how it goes on. */
#include <sys/socket.h>

#include "net/transport.h"

SmtpSession *connection_session(Connection *c)
{
    return c->session;
}

void connection_on_silence(Connection *c, ConnectionSilence callback, void *user)
{
    c->on_silence = callback;
    c->silence_user = user;
}

void connection_show_secrets(Connection *c)
{
    c->shows_secrets = true;
}

const char *connection_address(const Connection *c)
{
    return c->address;
}

const char *connection_proxy(const Connection *c)
{
    return c->proxied.words[0] ? c->proxied.words : NULL;
}

const char *connection_local_address(const Connection *c, char text[static ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage local = {0};
    socklen_t n = sizeof(local);

    text[0] = '\0';
    if (c->socket_fd >= 0 && getsockname(c->socket_fd, (struct sockaddr *)&local, &n) >= 0)
        address_format(&local, text);
    return text;
}

const char *connection_secrets_notice(const Connection *c)
{
    return c->found.notice;
}
