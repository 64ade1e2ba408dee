/* VRFY, EXPN and commands as they stand. */
#include "lib/say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "base/text.h"
#include "lib/client.h"

#define LINE_BYTES_MAX 510 /* RFC 5321, 4.5.3.1.4, without the line end */

void say_done(OutboxClient *client)
{
    free(client->saying.line);
    client->saying = (Saying){0};
}

/* NULL: it can be said. */
static const char *find_fault(const char *line, const char *argument, bool *ret_reserved)
{
    *ret_reserved = false;
    if (argument[strspn(argument, " ")] == '\0')
        return "is empty";
    if (text_has_control(line))
        return "holds a line end or another control character";
    if (strlen(line) > LINE_BYTES_MAX)
        return "is too long: a command has 510 bytes";
    *ret_reserved = smtp_session_command_is_reserved(line);
    return *ret_reserved ? "is more than a command and its reply" : NULL;
}

char *say_line(const char *verb, const char *argument, const char **ret_fault, bool *ret_reserved)
{
    _cleanup_free_
    char *line = NULL;

    *ret_fault = NULL;
    if (asprintf(&line, "%s%s%s", verb ?: "", verb ? " " : "", argument) < 0) {
        line = NULL;
        return NULL;
    }
    *ret_fault = find_fault(line, argument, ret_reserved);
    return *ret_fault ? NULL : TAKE_PTR(line);
}

const char *client_said(const OutboxClient *client)
{
    return client->saying.line;
}

/* `verb` NULL: the argument is the command. */
static int say(OutboxClient *client, const char *verb, const char *argument)
{
    const char *fault;
    bool reserved;
    int r = client_check(client);

    if (r != 0)
        return r;
    if (!argument)
        return client_fail(client, ERROR_USAGE, "there is nothing to say: the argument is NULL");
    if (!verb && client->contact != CONTACT_READY)
        return client_fail(client, ERROR_CONNECT_FIRST,
            "a command needs a connection: call outbox_connect() first");
    say_done(client);
    client->saying.line = say_line(verb, argument, &fault, &reserved);
    if (fault)
        return client_fail(client, ERROR_USAGE, "what is to be said %s%s", fault,
            reserved ? ": messages are sent with outbox_send(), TLS and login are settings, and "
                       "outbox_disconnect() says QUIT"
                     : "");
    if (!client->saying.line)
        return client_fail(client, ERROR_MEMORY, "no memory is left");
    client->saying.is_question = verb != NULL;
    client->saying.expands = verb && strcmp(verb, "EXPN") == 0;
    r = settings_prepare(client);
    return r != 0 ? r : client_call(client, CALL_SAY);
}

int outbox_verify(OutboxClient *client, const char *address)
{
    return say(client, "VRFY", address);
}

int outbox_expand(OutboxClient *client, const char *address)
{
    return say(client, "EXPN", address);
}

int outbox_command(OutboxClient *client, const char *command)
{
    return say(client, NULL, command);
}

/* An address that is not ASCII goes out as it is where the relay takes that (RFC 6531, 3.7.4.2),
 * with its domain in ASCII where it does not. Caller frees; NULL when memory is short. */
static char *fit_line(const Saying *saying, const SmtpCapabilities *capabilities)
{
    _cleanup_free_
    char *address = NULL;
    char *line = NULL;

    if (!saying->is_question || text_is_ascii(saying->line, strlen(saying->line)))
        return strdup(saying->line);
    if (smtp_has(capabilities, SMTP_CAP_SMTPUTF8))
        return asprintf(&line, "%s SMTPUTF8", saying->line) < 0 ? NULL : line;
    if (address_to_ascii_domain(saying->line, &address) < 0)
        return NULL;
    return strdup(address ?: saying->line);
}

int say_begin(OutboxClient *client)
{
    SmtpSession *session = connection_session(client->connection);
    _cleanup_free_
    char *line = fit_line(&client->saying, smtp_session_capabilities(session));

    return line ? smtp_session_command(session, line, client_now(client)) : -ENOMEM;
}

/* One address a line (RFC 5321, 3.5.2). 0 or -ENOMEM. */
static int tell_addresses(OutboxClient *client, const SmtpReply *reply)
{
    const char *at = buffer_data(&reply->text), *end = at + buffer_size(&reply->text), *next;

    for (; at < end; at = next + 1) {
        _cleanup_free_
        char *address = NULL;

        next = memchr(at, '\n', (size_t)(end - at)) ?: end;
        address = text_printable_whole(at, (size_t)(next - at));
        if (!address)
            return -ENOMEM;
        notify_expand(client, address);
    }
    return 0;
}

int say_on_reply(OutboxClient *client, const DeliveryOutcome *outcome)
{
    const SmtpReply *reply = smtp_session_last_reply(connection_session(client->connection));
    char codes[DELIVERY_CODES_MAX];
    int r = 0;

    if (outcome->kind == DELIVERY_DELIVERED) {
        if (client->saying.expands)
            r = tell_addresses(client, reply);
        client_end(client, 0);
        return r;
    }
    (void)failure_set(&client->failure, -EPROTO, ERROR_SMTP_PROTOCOL, "%s: %s%s",
        client->saying.line, delivery_format_codes(outcome, codes), outcome->text);
    client_end(client, ERROR_SMTP_PROTOCOL);
    return 0;
}
