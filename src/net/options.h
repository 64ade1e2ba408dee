/* From a relay's settings to a session's options. */
#pragma once

#include "settings/relay.h"
#include "smtp/session.h"

typedef struct OptionsSource {
    const RelayConfig *relay;
    const char *host; /* in ASCII */
    const char *hello;
    bool without_tls;       /* whatever `tls` says: it has failed */
    const Secret *password; /* or NULL */
    const Gssapi *gssapi;   /* or NULL */
    bool peer_is_loopback;
    SmtpTrace trace; /* or NULL */
    void *trace_user;
    bool shows_secrets;
    usec_t began; /* connecting */
} OptionsSource;

/* Everything in the result is borrowed from the source's members. */
SmtpOptions options_from_relay(const OptionsSource *source);
