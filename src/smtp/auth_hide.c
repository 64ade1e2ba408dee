/* Servers that tell what they were told, as in "500 unknown command AUTH PLAIN ...". Must never
 * change a challenge. */
#include <errno.h>
#include <string.h>

#include "smtp/auth.h"
#include "smtp/auth_mechanism.h"

#define START_MIN 8  /* characters of an answer that cannot have come about otherwise */
#define SECRET_MIN 4 /* what is shorter would be found in any text */

int smtp_auth_note_said(SmtpAuth *auth, const char *line, size_t n)
{
    char *to;

    if (n < START_MIN || auth->n_said == SMTP_AUTH_SAID_MAX)
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

/* How many bytes at `at` are the beginning of an answer, or the secret. */
static size_t told(const SmtpAuth *auth, const char *at, size_t n)
{
    const char *secret = secret_of(auth);
    size_t most = 0, size = secret ? strlen(secret) : 0;

    for (size_t i = 0; i < auth->n_said; i++) {
        const char *said = buffer_data(&auth->said[i]);
        size_t same = 0, longest = MIN(n, buffer_size(&auth->said[i]));

        while (same < longest && at[same] == said[same])
            same++;
        most = MAX(most, same);
    }
    if (most < START_MIN)
        most = 0;
    if (size >= SECRET_MIN && size <= n && memcmp(at, secret, size) == 0)
        most = MAX(most, size);
    return most;
}

void smtp_auth_hide(const SmtpAuth *auth, char *data, size_t n)
{
    for (char *end = data + n, *line = data, *next; line < end; line = next) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (!next)
            return;
        next++;
        if (strncmp(line, "334", 3) == 0)
            continue;
        for (char *at = line; at < next;) {
            size_t found = told(auth, at, (size_t)(next - at));

            memset(at, '*', found);
            at += MAX(found, (size_t)1);
        }
    }
}
