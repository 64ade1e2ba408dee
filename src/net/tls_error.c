/* What OpenSSL's reasons mean for who runs a mail queue. Must never leave entries behind for a
 * later call to find. */
#include "net/tls_error.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"

typedef struct ReasonRow {
    int reason;
    int number;
    FaultReason why;
    const char *advice;
} ReasonRow;

#define NOT_TLS                                                                                 \
    "the server does not speak TLS at this point: check port and the setting tls (starttls on " \
    "ports 25 and 587, implicit on 465)"
#define NO_COMMON_PROTOCOL "server and client have no protocol in common: check tls_protocols"
#define NOTHING_COMMON                                                                        \
    "the server found nothing it likes: check tls_ciphers and tls_protocols, and whether it " \
    "wants "                                                                                  \
    "a client certificate (tls_certificate)"
#define BAD_CLIENT_CERTIFICATE \
    "the server did not accept the client certificate: check tls_certificate and tls_key"
#define WEAK                                                                                      \
    "the server's keys or signatures are too weak for the system's policy: they must be renewed " \
    "there, or the "                                                                              \
    "policy lowered with @SECLEVEL=1 in tls_ciphers"

#define NO_SIGNATURE                                                                       \
    "server and client have no signature in common: check tls12_signature_algorithms and " \
    "tls13_signature_algorithms, and the system's policy"
#define NO_GROUP                                                                       \
    "server and client have no group in common: check tls12_groups, tls13_groups and " \
    "tls13_key_shares"

static const ReasonRow *reason_row(int reason)
{
    static const ReasonRow rows[] = {
        /* clang-format off */
        {SSL_R_WRONG_VERSION_NUMBER, ERROR_TLS_HANDSHAKE, REASON_TLS_NOT_SPOKEN, NOT_TLS},
        {SSL_R_PACKET_LENGTH_TOO_LONG, ERROR_TLS_HANDSHAKE, REASON_TLS_NOT_SPOKEN, NOT_TLS},
        {SSL_R_UNSUPPORTED_PROTOCOL, ERROR_TLS_HANDSHAKE, REASON_TLS_NO_COMMON_VERSION, NO_COMMON_PROTOCOL},
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, ERROR_TLS_HANDSHAKE, REASON_TLS_NO_COMMON_VERSION, NO_COMMON_PROTOCOL},
        {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, ERROR_TLS_HANDSHAKE, REASON_TLS_NOTHING_IN_COMMON, NOTHING_COMMON},
        {SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, ERROR_TLS_HANDSHAKE, REASON_TLS_NOTHING_IN_COMMON, NOTHING_COMMON},
        {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, ERROR_CLIENT_CERTIFICATE, REASON_TLS_CERTIFICATE_WANTED, "the server wants a client certificate: set tls_certificate and tls_key"},
        {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, ERROR_CLIENT_CERTIFICATE, REASON_TLS_CERTIFICATE_REFUSED, BAD_CLIENT_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, ERROR_CLIENT_CERTIFICATE, REASON_TLS_CERTIFICATE_REFUSED, BAD_CLIENT_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, ERROR_CLIENT_CERTIFICATE, REASON_TLS_CERTIFICATE_REFUSED, BAD_CLIENT_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, ERROR_CLIENT_CERTIFICATE, REASON_TLS_CERTIFICATE_REFUSED, BAD_CLIENT_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, ERROR_CLIENT_CERTIFICATE, REASON_TLS_CERTIFICATE_REFUSED, BAD_CLIENT_CERTIFICATE},
        {SSL_R_TLSV1_ALERT_UNKNOWN_CA, ERROR_CLIENT_CERTIFICATE, REASON_TLS_CERTIFICATE_REFUSED, BAD_CLIENT_CERTIFICATE},
        {SSL_R_TLSV1_UNRECOGNIZED_NAME, ERROR_TLS_HANDSHAKE, REASON_TLS_NAME_UNKNOWN, "the server has no certificate for this name: check the settings host and tls_name"},
        {SSL_R_TLSV1_ALERT_ACCESS_DENIED, ERROR_CLIENT_CERTIFICATE, REASON_TLS_CERTIFICATE_REFUSED, BAD_CLIENT_CERTIFICATE},
        {SSL_R_NO_PROTOCOLS_AVAILABLE, ERROR_TLS_HANDSHAKE, REASON_TLS_PROTOCOLS, "tls_protocols, tls_ciphers and tls_cipher_strength leave no protocol that can be used: correct them"},
        {SSL_R_NO_CIPHERS_AVAILABLE, ERROR_TLS_HANDSHAKE, REASON_TLS_CIPHERS, "tls_ciphers, tls_cipher_strength and tls_protocols leave no cipher that can be used: correct them"},
        {SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, ERROR_TLS_HANDSHAKE, REASON_TLS_WEAK, "the server's TLS is too old to be secure (it lacks RFC 5746): its owner must update it"},
        {SSL_R_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED, ERROR_TLS_HANDSHAKE, REASON_TLS_WEAK, WEAK},
        {SSL_R_WRONG_SIGNATURE_TYPE, ERROR_TLS_HANDSHAKE, REASON_TLS_WEAK, WEAK ", and tls12_signature_algorithms and tls13_signature_algorithms may leave too little"},
        {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, ERROR_TLS_HANDSHAKE, REASON_TLS_PARAMETERS, NO_SIGNATURE},
        {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, ERROR_TLS_HANDSHAKE, REASON_TLS_PARAMETERS, NO_SIGNATURE},
        {SSL_R_NO_SUITABLE_GROUPS, ERROR_TLS_HANDSHAKE, REASON_TLS_PARAMETERS, NO_GROUP},
        {SSL_R_NO_SUITABLE_KEY_SHARE, ERROR_TLS_HANDSHAKE, REASON_TLS_PARAMETERS, NO_GROUP},
        {SSL_R_WRONG_CURVE, ERROR_TLS_HANDSHAKE, REASON_TLS_PARAMETERS, NO_GROUP},
        {SSL_R_BAD_KEY_SHARE, ERROR_TLS_HANDSHAKE, REASON_TLS_PARAMETERS, NO_GROUP},
        {SSL_R_DH_KEY_TOO_SMALL, ERROR_TLS_HANDSHAKE, REASON_TLS_WEAK, WEAK},
        {SSL_R_EE_KEY_TOO_SMALL, ERROR_TLS_HANDSHAKE, REASON_TLS_WEAK, WEAK},
        {SSL_R_TLSV1_ALERT_INTERNAL_ERROR, ERROR_TLS_HANDSHAKE, REASON_TLS_OTHER, "the server itself failed: its owner must mend it, and its log says more"},
        {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, ERROR_TLS_DECRYPT, REASON_TLS_DAMAGED, "something on the way changed the data: try again, then look for a middlebox"},
        /* clang-format on */
    };
    static const ReasonRow other = {
        0, ERROR_TLS_HANDSHAKE, REASON_TLS_OTHER, "look into the server's log too"};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (rows[i].reason == reason)
            return &rows[i];
    return &other;
}

/* Since the handshake, what OpenSSL finds itself is a record that it cannot read or write; what the
 * server says by an alert (RFC 8446, 6) may still be of the handshake, but for that it cannot read
 * what it got. */
static const ReasonRow *row_of(int reason, TlsMoment moment)
{
    static const ReasonRow reading = {0, ERROR_TLS_DECRYPT, REASON_TLS_DAMAGED,
                               "what came is no record of this session: try again, then look for a "
                               "middlebox, and into the server's log"},
                           writing = {0, ERROR_TLS_ENCRYPT, REASON_TLS_OTHER,
                               "nothing can be sent over this session any more: try again"},
                           unread = {0, ERROR_TLS_ENCRYPT, REASON_TLS_DAMAGED,
                               "the server could not decrypt what it got: try again, then look for "
                               "a middlebox, and into the server's log"};
    const ReasonRow *row = reason_row(reason);

    if (moment == TLS_AT_HANDSHAKE)
        return row;
    if (reason == SSL_R_SSLV3_ALERT_BAD_RECORD_MAC || reason == SSL_R_TLSV1_ALERT_RECORD_OVERFLOW ||
        reason == SSL_R_TLSV1_ALERT_DECRYPTION_FAILED)
        return &unread;
    if (reason >= SSL_AD_REASON_OFFSET || row->number != ERROR_TLS_HANDSHAKE)
        return row;
    return moment == TLS_AT_WRITE ? &writing : &reading;
}

/* What OpenSSL 3.2 and later say on top of why a record could not be read; 3.0 has no name for it.
 */
static bool is_mere_layer(unsigned long code)
{
    enum { RECORD_LAYER_FAILURE = 313 };

    return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == RECORD_LAYER_FAILURE;
}

/* What is in the queue: the error that says most, in words too, and whether memory was short for
 * any of it, which the layers above make other errors of. */
static bool take_reason(char text[static TLS_ERROR_MAX], unsigned long *ret_code)
{
    unsigned long code, last = 0;
    const char *reason = NULL;
    bool no_memory = false;

    /* A system call's error stands below what OpenSSL's own layers made of it, and what a layer
     * says of itself below a mere "PEM lib". */
    while ((code = ERR_get_error()) != 0) {
        if (ERR_SYSTEM_ERROR(code))
            reason = strerrordesc_np(ERR_GET_REASON(code));
        no_memory |= !ERR_SYSTEM_ERROR(code) && ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
        if (last == 0 || !(ERR_COMMON_ERROR(code) || is_mere_layer(code)))
            last = code;
    }
    if (!reason && last != 0)
        reason = ERR_reason_error_string(last);
    snprintf(text, TLS_ERROR_MAX, "%s", reason ?: "unknown reason");
    *ret_code = last;
    return no_memory;
}

char *tls_error_reason(char text[static TLS_ERROR_MAX])
{
    unsigned long code;

    (void)take_reason(text, &code);
    return text;
}

int tls_error_explain(const char *host, TlsMoment moment, Failure *f)
{
    unsigned long code;
    char reason[TLS_ERROR_MAX];
    bool no_memory = take_reason(reason, &code);
    const ReasonRow *row = row_of(ERR_GET_REASON(code), moment);

    if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
        ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return 0;
    if (no_memory)
        return -ENOMEM;
    return failure_reason(f, row->why,
        failure_set(
            f, -EPROTO, row->number, "TLS with %s failed (%s): %s", host, reason, row->advice));
}
