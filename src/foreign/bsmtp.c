/* Batch SMTP (RFC 2442): what a client says to a server, one message after the other, in a file. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "foreign/format.h"

/* Of MAIL, what is the session's to say and not the message's. */
static const char *const of_the_session[] = {"SIZE", "BODY", "SMTPUTF8", "AUTH"};

static int malformed(const Reader *stream, const char *why, Failure *f)
{
    return failure_set(f, -EBADMSG, ERROR_MESSAGE, "line %zu: %s", stream->lines, why);
}

/* Appends the parameters that are the message's. */
static int keep_parameters(const char *text, Buffer *out)
{
    int r = 0;

    while (r >= 0 && *(text += strspn(text, " ")) != '\0') {
        size_t n = strcspn(text, " "), keyword = strcspn(text, " =");
        bool keep = true;

        for (size_t i = 0; i < ELEMENTSOF(of_the_session); i++)
            keep &= strlen(of_the_session[i]) != keyword ||
                    strncasecmp(text, of_the_session[i], keyword) != 0;
        if (keep && buffer_size(out) > 0)
            r = buffer_append_string(out, " ");
        if (keep && r >= 0)
            r = buffer_append(out, text, n);
        text += n;
    }
    return r < 0 ? r : buffer_append(out, "", 1);
}

/* "<a@b> NAME=VALUE": what is behind MAIL FROM: and RCPT TO:. Parameters are NULL where none is. */
static int read_path(char *text, const char **ret_address, Buffer *parameters)
{
    char *end;

    text += strspn(text, " \t");
    if (*text != '<')
        return -EINVAL;
    end = strrchr(text, '>');
    if (!end)
        return -EINVAL;
    *end = '\0';
    *ret_address = text + 1;
    return keep_parameters(end + 1, parameters);
}

static int take_path(
    const Reader *stream, ForeignMessage *message, char *text, bool is_sender, Failure *f)
{
    _cleanup_buffer_ Buffer parameters = {0};
    const char *address, *terms;
    int r = read_path(text, &address, &parameters);

    if (r == -EINVAL)
        return malformed(stream, "an address in angle brackets is missing", f);
    if (r < 0)
        return r;
    terms = buffer_size(&parameters) > 1 ? buffer_data(&parameters) : NULL;
    r = is_sender ? envelope_set_sender(&message->envelope, address, terms, f)
                  : envelope_add_recipient(&message->envelope, address, terms, f);
    return f && r == -EINVAL ? malformed(stream, failure_text(f), f) : r;
}

static void forget(ForeignMessage *message)
{
    envelope_done(&message->envelope);
    message->envelope = (Envelope){0};
}

/* Whether nothing but what was said before has to be forgotten. */
static bool is_reset(const char *line)
{
    return text_equal_nocase(line, "RSET") || text_starts_nocase(line, "HELO ") ||
           text_starts_nocase(line, "EHLO ") || text_starts_nocase(line, "LHLO ");
}

static bool says_nothing(const char *line)
{
    return text_starts_nocase(line, "NOOP") || text_starts_nocase(line, "VRFY") ||
           text_starts_nocase(line, "EXPN") || text_starts_nocase(line, "HELP");
}

/* 1 when a message begins, 0 to go on, -ENODATA at QUIT, or another negative errno. */
static int take_command(const Reader *stream, ForeignMessage *message, char *line, Failure *f)
{
    const Envelope *e = &message->envelope;

    if (is_reset(line))
        forget(message);
    else if (text_starts_nocase(line, "MAIL FROM:"))
        return e->sender ? malformed(stream, "MAIL comes twice; a message has one sender", f)
                         : take_path(stream, message, line + strlen("MAIL FROM:"), true, f);
    else if (text_starts_nocase(line, "RCPT TO:"))
        return e->sender ? take_path(stream, message, line + strlen("RCPT TO:"), false, f)
                         : malformed(stream, "RCPT comes before MAIL", f);
    else if (text_equal_nocase(line, "DATA"))
        return e->n_recipients > 0 ? 1 : malformed(stream, "DATA comes before RCPT", f);
    else if (text_equal_nocase(line, "QUIT"))
        return -ENODATA;
    else if (!says_nothing(line))
        return malformed(stream, "it is no command of batch SMTP", f);
    return 0;
}

static int next(Reader *stream, ForeignMessage *message, Failure *f)
{
    _cleanup_buffer_ Buffer line = {0};
    int r;

    while ((r = reader_line(stream, &line)) > 0) {
        r = take_command(stream, message, line.memory + line.start, f);
        if (r != 0)
            return r == -ENODATA ? 0 : r;
    }
    if (r == 0 && message->envelope.sender)
        return malformed(stream, "the file ends before the message of the last MAIL", f);
    return r < 0 ? format_line_failure(stream, r, f) : 0;
}

/* Up to the line with a dot; of other dots that begin a line, one is for SMTP alone. Lines may be
 * longer than what is read at once. */
static int content(ForeignMessage *message, Buffer *out, Failure *f)
{
    Reader *in = message->content;
    const char *data, *end;
    size_t n, dot;
    int r = reader_fill(in, 3);

    if (r < 0)
        return failure_set_errno(f, r, "cannot read the message");
    data = buffer_data(&in->data);
    n = buffer_size(&in->data);
    if (n == 0)
        return malformed(in, "the file ends within a message, before the line with a dot", f);
    dot = !message->in_content && data[0] == '.';
    end = memchr(data, '\n', n);
    if (dot && end && (end == data + 1 || (end == data + 2 && data[1] == '\r'))) {
        buffer_consume(&in->data, (size_t)(end - data) + 1);
        in->lines++;
        return 0;
    }
    n = end ? (size_t)(end - data) + 1 : n;
    r = buffer_append(out, data + dot, n - dot);
    buffer_consume(&in->data, n);
    message->in_content = !end;
    in->lines += end != NULL;
    return r < 0 ? r : 1;
}

const FormatOps format_bsmtp = {.name = "bsmtp", .next = next, .content = content};
