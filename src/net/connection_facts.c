/* What can be asked of a Connection, and who is told: nothing here changes how it goes on. */
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
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

/* Those that did not answer are told with commas between them. */
static int describe_unanswered(const char *text, Buffer *out)
{
    const char *comma;
    int r = 0;

    for (; *text && r >= 0; text = comma + strspn(comma, ", ")) {
        comma = strstr(text, ", ") ?: text + strlen(text);
        r = buffer_appendf(out, "%.*s\n", (int)(comma - text), text);
    }
    return r;
}

char *connection_describe_tries(const Connection *c)
{
    _cleanup_buffer_ Buffer text = {0};
    char codes[DELIVERY_CODES_MAX];
    int r = 0;

    if (c->tried)
        return strdup(c->tried);
    if (c->dial)
        r = describe_unanswered(socket_dial_tried(c->dial), &text);
    for (const Try *t = c->tries.first; t && r >= 0; t = t->next)
        if (t->address[0])
            r = buffer_appendf(&text, "%s: %s%s\n", t->address,
                delivery_format_codes(&t->outcome, codes), t->text);
    if (r < 0 || buffer_size(&text) == 0 || buffer_append(&text, "", 1) < 0)
        return NULL;
    return strdup(buffer_data(&text));
}

const char *connection_secrets_notice(const Connection *c)
{
    return c->found.notice;
}
