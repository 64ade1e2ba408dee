/* Messages as pickup directories have them, and as `outbox export` writes them: a file each, with
 * X-Sender and X-Receiver fields in front, or without: then its header says who it is from and for.
 * What they say of the lane, and of when it may go, holds here as well. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "foreign/format.h"
#include "message/message.h"
#include "message/not_before.h"

#define SENDER "X-Sender:"
#define RECEIVER "X-Receiver:"
#define OWN "X-Outbox-"
#define LANE "X-Outbox-Lane:"
#define NOT_BEFORE NOT_BEFORE_FIELD ":"
#define LONGEST 11 /* of these */
#define FIELD_MAX (64 * 1024)

static bool is_message(const char *name)
{
    return text_ends(name, ".eml");
}

/* Whether the next line belongs in front of the message: a field of those, or the rest of one. */
static bool is_envelope(const Buffer *data, bool goes_on)
{
    size_t n = buffer_size(data);
    const char *line = buffer_data(data);

    if (n > 0 && (*line == ' ' || *line == '\t'))
        return goes_on;
    return (n >= strlen(SENDER) && strncasecmp(line, SENDER, strlen(SENDER)) == 0) ||
           (n >= strlen(RECEIVER) && strncasecmp(line, RECEIVER, strlen(RECEIVER)) == 0) ||
           (n >= strlen(OWN) && strncasecmp(line, OWN, strlen(OWN)) == 0);
}

static int say_twice(const char *what, Failure *f)
{
    return failure_set(
        f, -EBADMSG, ERROR_MESSAGE, "it has two %.*s fields in front", (int)strlen(what) - 1, what);
}

/* One of this program's. Who queued it there is nobody here. */
static int take_own(Envelope *e, const char *field, Failure *f)
{
    const char *value = strchr(field, ':') + 1;
    size_t n;

    value += strspn(value, " \t");
    n = strlen(value);
    while (n > 0 && text_is_space(value[n - 1]))
        n--;
    if (text_starts_nocase(field, LANE))
        return e->lane ? say_twice(LANE, f) : envelope_set_lane(e, value, n, f);
    if (!text_starts_nocase(field, NOT_BEFORE))
        return 0;
    return e->not_before > 0 ? say_twice(NOT_BEFORE, f)
                             : not_before_parse_field(value, n, &e->not_before, f);
}

static int take_field(ForeignMessage *message, const char *field, Failure *f)
{
    bool is_sender = text_starts_nocase(field, SENDER);
    const char *value = strchr(field, ':') + 1;
    _cleanup_free_
    char *address = NULL, *parameters = NULL;
    int r;

    if (!is_sender && !text_starts_nocase(field, RECEIVER)) {
        r = take_own(&message->envelope, field, f);
        return r == -EINVAL ? -EBADMSG : r;
    }
    if (is_sender && message->envelope.sender)
        return say_twice(SENDER, f);
    r = envelope_parse_field(value, strlen(value), &address, &parameters, f);
    if (r >= 0)
        r = is_sender ? envelope_set_sender(&message->envelope, address, parameters, f)
                      : envelope_add_recipient(&message->envelope, address, parameters, f);
    return r == -EINVAL ? -EBADMSG : r;
}

/* Takes the fields in front, each with the lines that go on with it. */
static int read_envelope(_unused_ const char *path, ForeignMessage *message, Failure *f)
{
    Reader *in = message->content;
    _cleanup_buffer_ Buffer field = {0}, line = {0};
    int r;

    r = reader_fill(in, 3);
    if (r >= 0 && buffer_size(&in->data) >= 3 &&
        memcmp(buffer_data(&in->data), "\xef\xbb\xbf", 3) == 0)
        buffer_consume(&in->data, 3);
    while (r >= 0 && (r = reader_fill(in, LONGEST)) >= 0 &&
           is_envelope(&in->data, buffer_size(&field) > 0)) {
        const char c = *buffer_data(&in->data);

        if (c != ' ' && c != '\t' && buffer_size(&field) > 0) {
            r = buffer_append(&field, "", 1) ?: take_field(message, buffer_data(&field), f);
            buffer_clear(&field);
        }
        if (r < 0)
            return r;
        r = reader_line(in, &line);
        if (r < 0)
            return format_line_failure(in, r, f);
        if (buffer_size(&field) > FIELD_MAX || reader_at(in) > MESSAGE_BLOCK_MAX)
            return failure_set(f, -EBADMSG, ERROR_MESSAGE,
                "line %zu: the fields in front of the message are too long", in->lines);
        r = buffer_append(&field, buffer_data(&line), buffer_size(&line));
    }
    if (r >= 0 && buffer_size(&field) > 0)
        r = buffer_append(&field, "", 1) ?: take_field(message, buffer_data(&field), f);
    if (r < 0)
        return f && f->text ? r : failure_set_errno(f, r, "cannot read it");
    return 1;
}

const FormatOps format_eml = {
    .name = "eml", .is_message = is_message, .read = read_envelope, .content = format_rest};
