/* The message on standard input, whose end is a line with only a dot unless sendmail is told -i. */
#include <errno.h>
#include <unistd.h>

#include "tool/sendmail.h"

#define READ_BYTES ((size_t)64 * 1024)

/* Appends the bytes up to that line; what may become one is held back in `place`. Returns 1 when it
 * has come, 0 when more is wanted, or -ENOMEM. */
static int cut(const char *data, size_t n, SendmailPlace *place, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        char c = data[i];

        if ((*place == BEHIND_DOT || *place == BEHIND_DOT_CR) && c == '\n')
            return 1;
        if (*place == LINE_START && c == '.') {
            *place = BEHIND_DOT;
            continue;
        }
        if (*place == BEHIND_DOT && c == '\r') {
            *place = BEHIND_DOT_CR;
            continue;
        }
        if (*place == BEHIND_DOT || *place == BEHIND_DOT_CR)
            r = buffer_append(out, ".\r", *place == BEHIND_DOT ? 1 : 2);
        if (r >= 0)
            r = buffer_append(out, &c, 1);
        *place = c == '\n' ? LINE_START : IN_LINE;
    }
    return r;
}

static int take(SendmailInput *input, const char *data, size_t n, Buffer *out)
{
    int r = 0;

    if (input->ignore_dots)
        return buffer_append(out, data, n);
    r = cut(data, n, &input->place, out);
    input->ended = r > 0;
    return r;
}

int sendmail_read(void *source, Buffer *out, Failure *f)
{
    SendmailInput *input = source;
    char data[READ_BYTES];
    ssize_t n;
    int r;

    if (input->ended)
        return 0;
    do
        n = read(STDIN_FILENO, data, sizeof(data));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failure_set_errno(f, -errno, "cannot read standard input");
    input->ended = n == 0;
    r = n > 0 ? take(input, data, (size_t)n, out) : 0;
    return r == -ENOMEM ? failure_set_errno(f, r, "cannot read the message") : !input->ended;
}
