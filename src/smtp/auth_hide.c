/* Servers that tell what they were told, as in "500 unknown command AUTH PLAIN ...". Must never
 * change a challenge. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mask.h"
#include "smtp/auth.h"
#include "smtp/auth_mechanism.h"

#define SAID_MIN 8 /* characters of an answer that are worth keeping */

int smtp_auth_note_said(SmtpAuth *auth, const char *line, size_t n)
{
    char *to;

    if (n < SAID_MIN || auth->n_said == SMTP_AUTH_SAID_MAX)
        return 0;
    to = buffer_reserve(&auth->said[auth->n_said], n);
    if (!to)
        return -ENOMEM;
    memcpy(to, line, n);
    buffer_commit(&auth->said[auth->n_said++], n);
    return 0;
}

void smtp_auth_forget_said(SmtpAuth *auth)
{
    while (auth->n_said > 0)
        buffer_wipe(&auth->said[--auth->n_said]);
}

static const char *secret_of(const SmtpAuth *auth)
{
    if (auth->mechanism->flags & AUTH_TOKEN)
        return smtp_auth_token(&auth->options);
    return auth->options.secret ? secret_text(auth->options.secret) : NULL;
}

/* The answers, which may hold the secret, as they were sent; and the secret. */
void smtp_auth_hide_text(const SmtpAuth *auth, char *data, size_t n)
{
    MaskSecret secrets[SMTP_AUTH_SAID_MAX + 1];
    const char *secret = secret_of(auth);
    size_t n_secrets = 0;

    for (; n_secrets < auth->n_said; n_secrets++)
        secrets[n_secrets] = (MaskSecret){
            .data = buffer_data(&auth->said[n_secrets]), .n = buffer_size(&auth->said[n_secrets])};
    if (secret)
        secrets[n_secrets++] = (MaskSecret){.data = secret, .n = strlen(secret)};
    if (n > 0 && n_secrets > 0)
        (void)mask_secrets(data, n, secrets, n_secrets); /* all, where memory is short */
}

/* The line's end, and what is before its text, stay what they are. */
static void hide_line(const SmtpAuth *auth, char *line, size_t n)
{
    size_t start = MIN(n, (size_t)4);

    while (n > start && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        n--;
    smtp_auth_hide_text(auth, line + start, n - start);
}

size_t smtp_auth_hide(const SmtpAuth *auth, char *data, size_t n)
{
    char *end = data + n, *line = data;

    for (char *next; line < end; line = next) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (!next)
            break;
        next++;
        if (strncmp(line, "334", 3) != 0)
            hide_line(auth, line, (size_t)(next - line));
    }
    return (size_t)(line - data);
}

static bool tells(const SmtpAuth *auth, const char *data, size_t n)
{
    const char *secret = secret_of(auth);
    size_t told;

    for (size_t i = 0; i < auth->n_said; i++)
        if (secret_find(data, n, buffer_data(&auth->said[i]), buffer_size(&auth->said[i]), &told))
            return true;
    return secret && secret_find(data, n, secret, strlen(secret), &told);
}

/* The value of a character of base64, also of that for URLs; -1: it is none. */
static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Decodes whatever can be, leaving out what is no base64 and the first `skipped` characters of what
 * is. Returns the number of bytes, which are fewer than those read. */
static size_t decode(const char *data, size_t n, unsigned skipped, char *to)
{
    unsigned bits = 0, n_bits = 0;
    size_t size = 0;

    for (size_t i = 0; i < n; i++) {
        int value = digit(data[i]);

        if (value < 0)
            continue;
        if (skipped > 0) {
            skipped--;
            continue;
        }
        bits = (bits << 6 | (unsigned)value) & 0xffff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            to[size++] = (char)(bits >> n_bits);
        }
    }
    return size;
}

bool smtp_auth_challenge_tells(const SmtpAuth *auth, const char *text, size_t n)
{
    char *decoded = malloc(n + 1);
    bool found = !decoded || tells(auth, text, n);

    for (unsigned skipped = 0; skipped < 4 && !found; skipped++)
        found = tells(auth, decoded, decode(text, n, skipped, decoded));
    if (decoded)
        explicit_bzero(decoded, n + 1);
    free(decoded);
    return found;
}
