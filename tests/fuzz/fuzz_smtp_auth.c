/* smtp/auth: whatever a server sends, each answer is one line and never the password in clear
 * where the mechanism hides it. The first line of the input names the mechanism, every other is a
 * challenge: base64 behind "=", or text that is encoded here. */
#include <errno.h>
#include <gsasl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "smtp/auth.h"
#include "target.h"

int gsasl_nonce(char *data, size_t n);

/* Stands in for libgsasl's own, so that an input can go on from the client's first message. */
int gsasl_nonce(char *data, size_t n)
{
    memset(data, 0, n);
    return GSASL_OK;
}

static char *take_line(char **rest)
{
    char *line = *rest, *end = line ? strchr(line, '\n') : NULL;

    if (end)
        *end = '\0';
    *rest = end ? end + 1 : NULL;
    return line;
}

/* More rounds of SCRAM than a few only take a fuzzer's time. */
static bool is_slow(const char *challenge)
{
    const char *rounds = strstr(challenge, ",i=");

    return rounds && strtoul(rounds + 3, NULL, 10) > 4096 &&
           strtoul(rounds + 3, NULL, 10) <= 1000000;
}

static void check_line(const Buffer *line)
{
    const char *data = buffer_data(line);
    size_t n = buffer_size(line);

    if (n < 2 || memcmp(data + n - 2, "\r\n", 2) != 0 || memchr(data, '\r', n - 2) ||
        memchr(data, '\n', n - 2) || memmem(data, n, "pencil", 6))
        abort();
}

/* One challenge and its answer; false when the exchange is over. */
static bool exchange(SmtpAuth *auth, const char *challenge)
{
    _cleanup_buffer_ Buffer line = {0};
    _cleanup_failure_ Failure failure = {0};
    char *base64 = NULL;
    int r;

    if (*challenge == '=')
        r = smtp_auth_challenge(auth, challenge + 1, &line, &failure);
    else if (is_slow(challenge) ||
             gsasl_base64_to(challenge, strlen(challenge), &base64, NULL) != GSASL_OK)
        return false;
    else
        r = smtp_auth_challenge(auth, base64, &line, &failure);
    gsasl_free(base64);
    check_line(&line);
    if (r < 0 && (r != -EBADMSG || failure.number == 0 || strstr(failure_text(&failure), "pencil")))
        abort();
    return r == 0;
}

/* What a server says of a token is looked through in each writing that the token may have there. */
const FuzzBudget fuzz_budget = {.steps = 50000, .steps_per_byte = 120};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_free_
    char *text = strndup((const char *)data, size);
    char *rest = text, *mechanism = take_line(&rest), *challenge;
    SmtpCapabilities capabilities = {.esmtp = true, .flags = SMTP_CAP_AUTH};
    SmtpTlsInfo tls = {.active = true, .binding_exporter = "b", .binding_exporter_size = 1};
    _cleanup_(smtp_auth_free_p) SmtpAuth *auth = NULL;
    _cleanup_secret_ Secret *secret = secret_new("pencil", 6);
    _cleanup_buffer_ Buffer line = {0};
    SmtpAuthOptions options = {
        .mechanism = mechanism, .user = "user", .secret = secret, .host = "h", .port = 25};

    snprintf(capabilities.mechanisms, sizeof(capabilities.mechanisms), "%s", mechanism);
    if (smtp_auth_new(&options, &capabilities, &tls, 0, 0, &auth, NULL) < 0)
        return;
    if (smtp_auth_start(auth, &line, NULL) < 0)
        abort();
    check_line(&line);
    while ((challenge = take_line(&rest)))
        if (!exchange(auth, challenge))
            return;
    (void)smtp_auth_finish(auth, NULL);
}
