/* What all calls have in common: may it begin, what is waited for, how does it end. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "lib/client.h"
#include "lib/message_own.h"

int client_succeed(OutboxClient *client)
{
    failure_done(&client->failure);
    client->error = 0;
    return 0;
}

int client_fail(OutboxClient *client, int number, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    client->error = failure_set_printable(&client->failure, number, format, arguments);
    va_end(arguments);
    return number;
}

int client_fail_errno(OutboxClient *client, int error)
{
    if (client->failure.number == 0)
        (void)failure_set_errno(&client->failure, error, "%s",
            error == -ENOMEM ? "no memory is left" : "the call cannot go on");
    failure_show(&client->failure);
    client->error = client->failure.number != 0 ? client->failure.number : ERROR_MEMORY;
    return client->error;
}

int client_check(OutboxClient *client)
{
    if (!client)
        return ERROR_USAGE;
    if (client->process != getpid())
        return client_fail(client, ERROR_IMPOSSIBLE_STATE,
            "this client was made before a fork() and is the parent's; make one in the child");
    if (client->in_event > 0 || client->call != CALL_NONE)
        return ERROR_BUSY; /* the words are those of the call in progress */
    return 0;
}

int client_check_message(OutboxClient *client, OutboxMessage **message)
{
    int r = client_check(client);

    if (r != 0)
        return r;
    if (!*message)
        *message = client->message;
    if (!message_is_here(*message))
        return client_fail(client, ERROR_IMPOSSIBLE_STATE,
            "the message was made before a fork() and is the parent's; make one in the child");
    return (*message)->in_use > 0
               ? client_fail(client, ERROR_BUSY, "another client is sending this message")
               : 0;
}

/* ---- Going on ---- */

static void set_call(OutboxClient *client, CallKind call)
{
    __atomic_store_n(&client->call, call, __ATOMIC_RELEASE);
}

/* The end of the call, once its connection is as it is to stay. */
static void finish(OutboxClient *client)
{
    client->idled = true;
    client->dismissed = client->ends_connection = false;
    set_call(client, CALL_NONE);
}

void client_end(OutboxClient *client, int number)
{
    client->error = number;
    if (number == 0)
        failure_done(&client->failure);
    client->dismissed = true;
    if (client->contact == CONTACT_READY && client->ends_connection)
        contact_quit(client);
    else if (client->contact != CONTACT_ENDING)
        finish(client);
}

/* The connection stands: what it was made for begins. */
static int begin_work(OutboxClient *client)
{
    switch (client->call) {
    case CALL_SEND: return send_begin(client);
    case CALL_SAY: return say_begin(client);
    case CALL_DISCONNECT:
        client->ends_connection = true;
        client_end(client, 0);
        return 0;
    default: client_end(client, 0); return 0;
    }
}

/* No connection, or none any more, though the call is not done with it. */
static void give_up(OutboxClient *client, int number)
{
    if (client->call == CALL_SEND)
        send_give_up(client, number);
    else
        client_end(client, number);
}

/* The relay could not be connected to. The next one may be. */
static int on_no_connection(OutboxClient *client, const DeliveryOutcome *fault)
{
    int number = contact_explain(client, fault), r;

    notify_fault(client, fault);
    contact_close(client, number, failure_text(&client->failure));
    r = contact_next(client);
    if (r != -ENOENT)
        return r;
    give_up(client, number);
    return 0;
}

/* Whether it does no harm to begin it again over another connection. */
static bool call_may_be_repeated(const OutboxClient *client)
{
    return client->call != CALL_SAY || client->saying.is_question;
}

/* It ended while the call was using it: perhaps long before, unnoticed. */
static int on_lost(OutboxClient *client, const DeliveryOutcome *fault)
{
    bool learned = connection_has_learned(client->connection);
    bool stale = client->idled && !fault->under_way && call_may_be_repeated(client);
    int number, r;

    if (client->call == CALL_SEND && send_goes_elsewhere(client)) {
        contact_close(client, 0, NULL);
        return contact_next(client);
    }
    number = contact_explain(client, fault);
    contact_close(client, number, failure_text(&client->failure));
    if (client->call == CALL_SEND && !send_has_waiting(client)) {
        send_finish(client);
        return 0;
    }
    if (learned || stale)
        return contact_again(client);
    r = client->call == CALL_SEND ? contact_next(client) : -ENOENT;
    if (r != -ENOENT)
        return r;
    give_up(client, number);
    return 0;
}

static int on_closed(OutboxClient *client, const DeliveryOutcome *outcome)
{
    switch (client->contact) {
    case CONTACT_CONNECTING: return on_no_connection(client, outcome);
    case CONTACT_ENDING:
        contact_close(client, 0, NULL);
        finish(client);
        return 0;
    default: return on_lost(client, outcome);
    }
}

static int on_event(OutboxClient *client, const SmtpEvent *event)
{
    switch (event->type) {
    case SMTP_EVENT_CLOSED: return on_closed(client, event->outcome);
    case SMTP_EVENT_READY:
        client->contact = CONTACT_READY;
        client->idled = false;
        return begin_work(client);
    case SMTP_EVENT_REPLY: return say_on_reply(client, event->outcome);
    case SMTP_EVENT_NEED_CONTENT:
    case SMTP_EVENT_RECIPIENT:
    case SMTP_EVENT_TRANSACTION_DONE: return send_on_event(client, event);
    default: return 0;
    }
}

static void abandon(OutboxClient *client, int number)
{
    if (client->call == CALL_SEND)
        send_abandon(client);
    contact_close(client, number, failure_text(&client->failure));
    if (!client->dismissed)
        client->error = number;
    finish(client);
}

static void take_interrupt(OutboxClient *client)
{
    if (client->call == CALL_SEND && !client->dismissed && client->sending.message &&
        !send_has_waiting(client)) {
        send_finish(client); /* there is nothing left to interrupt but the end */
        return;
    }
    (void)failure_set(&client->failure, -EINTR, ERROR_INTERRUPTED, "the call was interrupted%s",
        client->call == CALL_SEND && client->contact == CONTACT_READY
            ? "; the message may have been accepted, if its end had been sent"
            : "");
    abandon(client, ERROR_INTERRUPTED);
}

/* As far as it goes. */
static void go_on(OutboxClient *client)
{
    SmtpEvent event;
    int r = 1;

    while (client->call != CALL_NONE && r != 0) {
        if (__atomic_exchange_n(&client->interrupted, false, __ATOMIC_ACQ_REL)) {
            take_interrupt(client);
            return;
        }
        r = contact_step(client, &event);
        if (__atomic_exchange_n(&client->interrupted, false, __ATOMIC_ACQ_REL)) {
            take_interrupt(client);
            return;
        }
        if (r > 0) {
            r = on_event(client, &event);
            r = r < 0 ? r : 1;
        }
        if (r < 0)
            abandon(client, client_fail_errno(client, r));
    }
}

int outbox_step(OutboxClient *client)
{
    if (!client)
        return ERROR_USAGE;
    if (client->process != getpid() || client->in_event > 0)
        return client->in_event > 0 ? ERROR_BUSY : client_check(client);
    if (client->call == CALL_NONE)
        return client_fail(client, ERROR_IMPOSSIBLE_STATE,
            "there is no call in progress that could go on: the last one is over");
    contact_look(client);
    go_on(client);
    return client->call == CALL_NONE ? client->error : ERROR_WOULD_BLOCK;
}

/* Rounded up, so that the deadline has passed when poll() comes back. */
static int milliseconds_until(uint64_t deadline)
{
    usec_t now = clock_monotonic(), wait;

    if (deadline == UINT64_MAX)
        return -1;
    wait = deadline > now ? (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC : 0;
    return (int)MIN(wait, (usec_t)INT_MAX);
}

int client_call(OutboxClient *client, CallKind kind)
{
    int r;

    client->interrupted = false;
    client->fault_status = 0;
    failure_done(&client->failure);
    set_call(client, kind);
    if (contact_stands(client))
        r = begin_work(client);
    else if (kind == CALL_DISCONNECT) {
        client_end(client, 0);
        r = 0;
    } else {
        client->ends_connection = kind == CALL_SEND;
        r = contact_begin(client);
    }
    if (r < 0)
        abandon(client, client_fail_errno(client, r));
    go_on(client);
    while (client->blocking && client->call != CALL_NONE) {
        struct pollfd p = {.fd = client->poll_fd, .events = POLLIN};

        (void)poll(&p, 1, milliseconds_until(outbox_deadline(client)));
        (void)outbox_step(client);
    }
    return client->call == CALL_NONE ? client->error : ERROR_WOULD_BLOCK;
}

/* ---- What to wait for ---- */

int outbox_fd(const OutboxClient *client)
{
    return client_is_here(client) ? client->poll_fd : -1;
}

short outbox_events(const OutboxClient *client)
{
    return client_is_here(client) && client->call != CALL_NONE ? POLLIN : 0;
}

uint64_t outbox_deadline(const OutboxClient *client)
{
    if (!client_is_here(client) || client->call == CALL_NONE || !client->connection)
        return UINT64_MAX;
    return usec_add(connection_deadline(client->connection), client->in_events);
}

void outbox_interrupt(OutboxClient *client)
{
    const uint64_t one = 1;
    int error = errno; /* a signal handler leaves it alone */

    if (client_is_here(client) && __atomic_load_n(&client->call, __ATOMIC_ACQUIRE) != CALL_NONE) {
        __atomic_store_n(&client->interrupted, true, __ATOMIC_RELEASE);
        (void)!write(client->wake_fd, &one, sizeof(one));
    }
    errno = error;
}
