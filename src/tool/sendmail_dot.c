/* The end of a message by a line with only a dot, as sendmail has it unless it is told -i. */
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "tool/sendmail.h"

#define READ_BYTES ((size_t)64 * 1024)

typedef enum Place { LINE_START, BEHIND_DOT, BEHIND_DOT_CR, IN_LINE } Place;

/* Appends the bytes up to that line; what may become one is held back in `place`. Returns true when
 * it has come, or a negative errno. */
static int cut(const char *data, size_t n, Place *place, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        char c = data[i];

        if ((*place == BEHIND_DOT || *place == BEHIND_DOT_CR) && c == '\n')
            return true;
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

int sendmail_copy_to_dot(int fd)
{
    _cleanup_buffer_ Buffer out = {0};
    Place place = LINE_START;
    char data[READ_BYTES];
    ssize_t n = 1;
    int r = 0;

    while (r == 0 && n != 0) {
        n = read(STDIN_FILENO, data, sizeof(data));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        r = cut(data, (size_t)n, &place, &out);
        if (r >= 0) {
            int written = file_write_all(fd, buffer_data(&out), buffer_size(&out));

            r = written < 0 ? written : r;
        }
        buffer_clear(&out);
    }
    return r < 0 ? r : 0;
}
