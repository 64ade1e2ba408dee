/* Composing the message of `queue` and `send` from their options. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "tool/input.h"

#define TEXT_MAX ((size_t)256 * 1024 * 1024)

/* What composing needs beside the options. */
typedef struct Parts {
    Buffer body, header_lines;
    const char **to, **headers;
} Parts;

static void parts_done(Parts *parts)
{
    buffer_done(&parts->body);
    buffer_done(&parts->header_lines);
    free(parts->to);
    free(parts->headers);
}

/* The file's text, or, for "-", that of standard input, with a NUL behind it. */
static int load_text(const char *path, Buffer *out, Failure *f)
{
    bool is_file = strcmp(path, "-") != 0;
    int r = is_file ? file_load(AT_FDCWD, path, TEXT_MAX, out)
                    : file_read_all(STDIN_FILENO, TEXT_MAX, out);

    if (r < 0)
        return failure_set_errno(f, r, "cannot read %s", is_file ? path : "standard input");
    if (buffer_size(out) > 0 && memchr(buffer_data(out), '\0', buffer_size(out)))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s is no text: it holds a NUL byte%s",
            is_file ? path : "standard input", is_file ? "; attach it with --attach" : "");
    return buffer_append(out, "", 1);
}

/* Ends the line at `line` with a NUL and returns the next, or NULL behind the last. */
static char *cut_line(char *line)
{
    size_t n = strcspn(line, "\n");
    bool more = line[n] && line[n + 1];

    line[n] = '\0';
    if (n > 0 && line[n - 1] == '\r')
        line[n - 1] = '\0';
    return more ? line + n + 1 : NULL;
}

/* The header fields of the options and behind them those of the file, one a line. */
static int gather_headers(const ToolInput *input, Parts *parts, Failure *f)
{
    size_t n = input->headers.n, lines = 1;
    char *line;
    int r;

    r = input->headers_file ? load_text(input->headers_file, &parts->header_lines, f) : 0;
    if (r < 0)
        return r;
    line = input->headers_file ? parts->header_lines.memory + parts->header_lines.start : NULL;
    if (line && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3; /* the mark that some editors put before UTF-8 */
    for (const char *c = line; c && *c; c++)
        lines += *c == '\n';
    parts->headers = calloc(n + lines + 1, sizeof(char *));
    if (!parts->headers)
        return -ENOMEM;
    if (n > 0)
        memcpy(parts->headers, input->headers.items, n * sizeof(char *));
    while (line && *line) {
        char *next = cut_line(line);

        /* An empty first line says that the others replace the header; elsewhere it says nothing.
         */
        if (*line || n == 0)
            parts->headers[n++] = line;
        line = next;
    }
    return 0;
}

/* --to and the recipients behind the options. */
static int gather_recipients(const ToolInput *input, char **recipients, Parts *parts)
{
    size_t n = 0, own = input->to.n;

    while (recipients[n])
        n++;
    parts->to = calloc(own + n + 1, sizeof(char *));
    if (!parts->to)
        return -ENOMEM;
    if (own > 0)
        memcpy(parts->to, input->to.items, own * sizeof(char *));
    memcpy(parts->to + own, recipients, n * sizeof(char *));
    return 0;
}

static int gather(const ToolInput *input, char **recipients, Parts *parts, Failure *f)
{
    int r = gather_recipients(input, recipients, parts);

    if (r >= 0)
        r = gather_headers(input, parts, f);
    if (r >= 0 && !input->compose.body)
        r = load_text(input->body_file ?: "-", &parts->body, f);
    return r;
}

int input_compose(const ToolInput *input, char **recipients, Buffer *ret_message)
{
    _cleanup_(parts_done) Parts parts = {0};
    _cleanup_failure_ Failure f = {0};
    Compose compose = input->compose;
    int r = gather(input, recipients, &parts, &f);

    compose.to = parts.to;
    compose.cc = input->cc.items;
    compose.bcc = input->bcc.items;
    compose.headers = parts.headers;
    compose.attachments = input->attachments.items;
    compose.now = clock_realtime();
    if (!compose.body && r >= 0)
        compose.body = buffer_data(&parts.body);
    if (r >= 0)
        r = compose_message(&compose, ret_message, &f);
    if (r == -ENOMEM)
        return tool_fail_memory();
    return r < 0 ? tool_fail(&f) : 0;
}
