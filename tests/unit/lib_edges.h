/* A client, and a relay that it sends to, for a test of the library. */
#pragma once

#include <outbox/outbox.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "relay.h"
#include "unit.h"

static TestRelay *relay;
static OutboxClient *client;

static inline void set(const char *name, const char *value)
{
    ck_assert_msg(outbox_set(client, name, value) == 0, "%s: %s", name, outbox_error_text(client));
}

static inline void start(TestAnswer answer, void *user)
{
    char port[16];

    relay = test_relay_start(answer, user, "", 0);
    client = outbox_client_new();
    ck_assert_ptr_nonnull(client);
    snprintf(port, sizeof(port), "%u", test_relay_port(relay));
    set("MailServer", "127.0.0.1");
    set("MailPort", port);
    set("SSLStartMode", "none");
    set("From", "me@example.org");
    set("SendTo", "ann@example.org");
    set("Subject", "Hello");
    set("MessageText", "Hello.\n");
}

static inline void stop(void)
{
    outbox_client_free(client);
    test_relay_stop(relay);
}
