/* The content of a message as one relay takes it: as it is, or converted to 7-bit MIME. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"
#include "message/convert.h"
#include "message/message.h"
#include "settings/config.h"
#include "smtp/capabilities.h"

typedef struct Content {
    Message *message; /* borrowed */
    Convert *convert; /* the message's; NULL: as it is */
    uint64_t size;    /* on the wire, for SIZE; an estimate of a large one that nobody has read */
    bool is_8bit;
    uint64_t total; /* bytes that content_read() hands out in all */
    uint64_t at;
    char *unfit; /* why the relay cannot be given it, for SmtpTransaction.unfit; or NULL */
} Content;

/* Looks at what the relay of these capabilities can take of the message, and begins at its start.
 * `ret` holds nothing before, or what content_done() is to be called for. 0 or -ENOMEM; a message
 * that cannot be read is found out by content_read(). */
int content_open(
    Content *ret, Message *message, const SmtpCapabilities *capabilities, const RelayConfig *relay);
void content_done(Content *content);

/* As message_read(). */
int64_t content_read(Content *content, size_t max, Buffer *out);

DEFINE_CLEANUP(Content, content_done);
