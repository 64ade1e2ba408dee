/* Fetching. Must never wait longer than it is told, nor keep more than it is told. */
#include "net/fetch.h"

#include <openssl/err.h>
#include <openssl/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

#define NO_PROXY "" /* NULL would be: what http_proxy says */

bool fetch_is_possible(const char *url)
{
    return text_starts_nocase(url, "http://");
}

/* Whole seconds, as OpenSSL has it, which takes 0 for ever. */
static int seconds_until(usec_t deadline)
{
    usec_t now = clock_monotonic();

    return now >= deadline ? 0 : (int)((deadline - now + USEC_PER_SEC - 1) / USEC_PER_SEC);
}

static BIO *get(const char *url, size_t max, int seconds)
{
    return OSSL_HTTP_get(
        url, NO_PROXY, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 1, max, seconds);
}

static BIO *post(const char *url, BIO *request, const char *request_type, size_t max, int seconds)
{
    char *host = NULL, *port = NULL, *path = NULL;
    int tls = 0;
    BIO *body = NULL;

    if (OSSL_HTTP_parse_url(url, &tls, NULL, &host, &port, NULL, &path, NULL, NULL) == 1 && !tls)
        body = OSSL_HTTP_transfer(NULL, host, port, path, 0, NO_PROXY, NULL, NULL, NULL, NULL, NULL,
            0, NULL, request_type, request, NULL, 1, max, seconds, 0);
    OPENSSL_free(host);
    OPENSSL_free(port);
    OPENSSL_free(path);
    return body;
}

BIO *fetch(const char *url, BIO *request, const char *request_type, size_t max, usec_t deadline)
{
    int seconds = seconds_until(deadline);

    ERR_clear_error();
    if (!fetch_is_possible(url) || seconds == 0)
        return NULL;
    return request ? post(url, request, request_type, max, seconds) : get(url, max, seconds);
}

/* The oldest error is the cause, and what came with it the rest of it ("Code=404"). */
char *fetch_error(char text[static FETCH_ERROR_MAX])
{
    const char *data = NULL, *reason;
    int flags = 0;
    unsigned long code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
    _cleanup_free_
    char *more = NULL;

    reason = ERR_SYSTEM_ERROR(code) ? strerrordesc_np(ERR_GET_REASON(code))
                                    : ERR_reason_error_string(code);
    if (data && *data && flags & ERR_TXT_STRING)
        more = text_printable(data, strlen(data), FETCH_ERROR_MAX / 2);
    snprintf(text, FETCH_ERROR_MAX, "%.70s%s%s%s", code == 0 ? "no answer in time" : reason ?: "?",
        more ? " (" : "", more ?: "", more ? ")" : "");
    ERR_clear_error();
    return text;
}
