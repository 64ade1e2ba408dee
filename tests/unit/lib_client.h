/* What tests of a client of the library begin with. */
#pragma once

#include <outbox/outbox.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "unit.h"

static inline void client_set(OutboxClient *client, const char *name, const char *value)
{
    ck_assert_msg(outbox_set(client, name, value) == 0, "%s: %s", name, outbox_error_text(client));
}

/* That a call gave this number, with this word in its text. */
static inline void client_expect(OutboxClient *client, int number, int wanted, const char *word)
{
    const char *text = outbox_error_text(client);

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(number == wanted, "%d, not %d: %s", number, wanted, text);
    ck_assert_msg(strstr(text, word) != NULL, "it says: %s", text);
}

/* One whose relay listens at this port, without TLS, and who tells these events. */
static inline OutboxClient *client_start(uint16_t port, const OutboxEvents *events)
{
    OutboxClient *client = outbox_client_new();
    char number[16];

    ck_assert_ptr_nonnull(client);
    ck_assert_int_eq(outbox_set_events(client, events), 0);
    snprintf(number, sizeof(number), "%u", port);
    client_set(client, "MailServer", "127.0.0.1");
    client_set(client, "MailPort", number);
    client_set(client, "SSLStartMode", "none");
    client_set(client, "From", "me@example.org");
    return client;
}

/* Interrupts the client, from a thread of its own, while a server keeps it waiting. */
static inline void client_interrupt_while_waiting(OutboxClient *client)
{
    const struct timespec while_it_hangs = {.tv_nsec = 300000000};

    while (outbox_is_idle(client))
        sched_yield();
    nanosleep(&while_it_hangs, NULL);
    outbox_interrupt(client);
}
