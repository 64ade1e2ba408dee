/* Content and what relays take of it. Must never change what a relay can take. */
#include "delivery/content.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Whether what is not known decides what is done. */
static bool is_undecided(
    const MessageForm *form, uint64_t raw, const SmtpCapabilities *capabilities)
{
    uint64_t limit = capabilities->size_max;

    if (raw > MESSAGE_LOOK_MAX || (limit > 0 && limit < raw))
        return false;
    return (limit >= raw && limit > 0 && limit / 2 < raw) ||
           (!form->body_is_8bit && !smtp_has(capabilities, SMTP_CAP_8BITMIME));
}

/* To read a message twice costs little beside sending it. A large one has been looked at whole by
 * its source, beside the loop; where it has not that is done only where something hangs on it, and
 * where it is so large that no relay takes it, not at all. */
static void look(Message *message, const SmtpCapabilities *capabilities, MessageForm *ret)
{
    uint64_t raw = message_size(message);

    message_form(message, ret);
    if (!ret->known && (raw <= MESSAGE_LARGE || is_undecided(ret, raw, capabilities)) &&
        message_form_whole(message, ret) < 0)
        message_form(message, ret); /* that it cannot be read is told where it is sent */
}

static int refuse(Content *c, const char *what, const char *why)
{
    return asprintf(&c->unfit, "the message has %s, which the relay does not take, and %s", what,
               why) < 0
               ? -ENOMEM
               : 0;
}

static int convert(Content *c, bool takes_8bit, bool body_is_8bit, const char *what)
{
    _cleanup_failure_ Failure f = {0};
    int r = message_convert(c->message, takes_8bit || !body_is_8bit, &c->convert, &f);
    char why[256];

    if (r == -ENOMEM)
        return r;
    if (r == -EBADMSG) {
        snprintf(why, sizeof(why), "cannot be converted: %s", failure_text(&f));
        return refuse(c, what, why);
    }
    if (r < 0)
        return 0;
    c->size = convert_wire_size(c->convert);
    c->total = convert_input(c->convert)->size;
    c->is_8bit = c->is_8bit && takes_8bit;
    return 0;
}

int content_open(
    Content *ret, Message *message, const SmtpCapabilities *capabilities, const RelayConfig *relay)
{
    bool takes_8bit = smtp_has(capabilities, SMTP_CAP_8BITMIME);
    MessageForm form;
    const char *what;

    content_done(ret);
    look(message, capabilities, &form);
    *ret = (Content){.message = message,
        .size = form.size,
        .is_8bit = form.is_8bit || !form.known,
        .total = message_size(message)};
    message_rewind(message);
    if (!form.has_long_lines && (takes_8bit || !form.body_is_8bit))
        return 0;
    what = form.has_long_lines ? "lines over 998 bytes" : "8-bit content";
    if (!relay->convert_content)
        return refuse(ret, what, "convert_content = false forbids to convert it");
    if (ret->total > MESSAGE_LOOK_MAX)
        return refuse(ret, what, "is too large to be converted: over 256 MiB");
    return convert(ret, takes_8bit, form.body_is_8bit, what);
}

void content_done(Content *c)
{
    free(c->unfit);
    *c = (Content){0};
}

int64_t content_read(Content *c, size_t max, Buffer *out)
{
    char *to;
    int64_t n;

    if (!c->convert) {
        n = message_read(c->message, max, out);
    } else {
        to = buffer_reserve(out, max);
        n = to ? input_read_at(convert_input(c->convert), to, max, c->at) : -ENOMEM;
        if (n > 0)
            buffer_commit(out, (size_t)n);
    }
    if (n > 0)
        c->at += (uint64_t)n;
    return n;
}
