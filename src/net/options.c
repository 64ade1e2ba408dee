/* The one place where settings become options of a session. */
#include "net/options.h"

static SmtpTls tls_of(TlsMode mode)
{
    switch (mode) {
    case TLS_MODE_NONE: return SMTP_TLS_NONE;
    case TLS_MODE_OPPORTUNISTIC: return SMTP_TLS_IF_OFFERED;
    case TLS_MODE_IMPLICIT: return SMTP_TLS_ACTIVE;
    case TLS_MODE_STARTTLS:
    case TLS_MODE_AUTOMATIC: break; /* resolved by the loader; the safe one */
    }
    return SMTP_TLS_REQUIRED;
}

/* "localhost" may be made to mean another host, so the address in use decides too. */
static bool is_clear_allowed(const OptionsSource *source)
{
    return source->relay->auth_without_tls == CLEAR_AUTH_ALWAYS ||
           (source->relay->auth_without_tls == CLEAR_AUTH_LOOPBACK && source->peer_is_loopback);
}

SmtpOptions options_from_relay(const OptionsSource *source)
{
    const RelayConfig *relay = source->relay;

    return (SmtpOptions){
        .hello = source->hello,
        .lmtp = relay->protocol == PROTOCOL_LMTP,
        .extensions = relay->extensions,
        .pipelining = relay->pipelining,
        .chunking = relay->chunking,
        .discarded = smtp_capabilities_named(relay->discard_ehlo_keywords ?: ""),
        .send_rset = relay->send_rset,
        .bare_dots = !relay->quote_local_part,
        .tls = source->without_tls ? SMTP_TLS_NONE : tls_of(relay->tls),
        .auth =
            {
                .mechanism = relay->auth,
                .user = relay->user,
                .secret = source->password,
                .authorization_identity = relay->authorization_identity,
                .host = source->host,
                .port = relay->port,
                .clear_allowed = is_clear_allowed(source),
                .secret_is_token = relay->oauth_token_url,
                .has_certificate = relay->tls_certificate,
                .gssapi = source->gssapi,
                .ntlm_1 = !relay->ntlm_v2,
                .realtime = clock_realtime(),
            },
        .max_line_bytes = relay->max_line_bytes,
        .timeout = relay->timeout,
        .timeout_by_stage = relay->timeout_by_stage && !relay->absolute_timeout,
        .time_in_all = relay->absolute_timeout ? relay->timeout : 0,
        .began = source->began,
        .shows_secrets = source->shows_secrets && !relay->mask_secrets,
        .trace = source->trace,
        .trace_user = source->trace_user,
    };
}
