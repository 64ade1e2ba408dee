/* A queued message: its envelope, and its content as a stream of raw bytes with the header mended.
 *
 * Duty: read the header part of a file once, find the envelope (the leading
 * X-Sender/X-Receiver/X-Outbox block, or Return-Path, Sender, From and To, Cc, Bcc, or their
 * Resent- forms), and hand out the content without that block, without the fields that never go out
 * (Bcc, Return-Path, Content-Length), with Date and Message-ID added where they are missing. It
 * never converts line ends or dots: smtp/content.h does. It never reads a whole large file: the
 * header is held (up to MESSAGE_START_MAX), the body is streamed.
 *
 * A message and its input belong to one thread at a time, and no two messages share anything that
 * changes: one may be opened and read on a worker thread while others are elsewhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/input.h"
#include "base/lane.h"
#include "message/convert.h"
#include "message/envelope.h"

#define MESSAGE_HEADER_MAX (1024 * 1024)     /* bytes of a header */
#define MESSAGE_BLOCK_MAX (16 * 1024 * 1024) /* of the envelope block in front of it */
#define MESSAGE_START_MAX (MESSAGE_BLOCK_MAX + MESSAGE_HEADER_MAX)

typedef struct Message Message;

/* Appends what `read` gives until the whole envelope and header are there, if they are not too
 * large. `read`: appends some bytes; 1, 0 at the end, or a negative errno. What it gave last. */
int message_read_start(
    int (*read)(void *source, Buffer *out, Failure *f), void *source, Buffer *out, Failure *f);

/* Reads the header part of `input`, which is borrowed for the life of the message. `now` (realtime)
 * and `id` (the message's id in the queue) make the added Date and Message-ID, which are the same
 * for every attempt when `now` is the time of arrival. 0; -EBADMSG with a Failure when this is no
 * message that can be sent (ERROR_MESSAGE, ERROR_NO_SENDER, ERROR_NO_RECIPIENT); other negative
 * errno values for failures of reading (-EIO: the input is shorter than its size says). */
int message_open(Input *input, usec_t now, const char *id, Message **ret, Failure *f);

/* The same with another envelope: the sender and the lane of `asked`, unless they are NULL, and its
 * recipients, unless there are none, take the place of the message's own, with which the file's
 * header need not begin either; they inherit the parameters of its envelope block
 * (envelope_inherit_sender()). Lines are counted as they are in the file. */
int message_open_as(
    Input *input, const Envelope *asked, usec_t now, const char *id, Message **ret, Failure *f);

void message_free(Message *message);

/* The lane that the envelope block names in the first bytes of a file, in small letters. False:
 * none. Nothing else of it is judged. */
bool message_peek_lane(const char *data, size_t n, char ret[static LANE_NAME_MAX + 1]);

/* Borrowed from the message. */
const Envelope *message_envelope(const Message *message);

/* One call for each field of the header, as it goes out; a value has its folds. */
typedef void (*MessageField)(
    void *user, const char *name, size_t n_name, const char *value, size_t n_value);
void message_fields(const Message *message, MessageField field, void *user);

/* Whom the header names to its readers: To or Cc (or their Resent- forms); who is in neither gets
 * the message without their knowing. */
typedef enum AddresseeKind { ADDRESSEE_TO, ADDRESSEE_CC, ADDRESSEE_BCC } AddresseeKind;

/* Of each recipient of message_envelope(); `ret_kinds` has room for all. 0 or -ENOMEM. */
int message_addressees(const Message *message, AddresseeKind *ret_kinds);

/* Whether no line of the header is longer than a relay has to take, or all that are can be folded
 * on their way (convert.h): who queues a message hears it at once, who sends it finds it out. 0, or
 * -EBADMSG with a Failure that names line and field. */
int message_check_lines(const Message *message, Failure *f);

/* Bytes of the envelope block in front of the header, which the input begins with. */
size_t message_block_size(const Message *message);

/* Bytes that message_read() will hand out in all, from its start; before CRLF conversion. */
uint64_t message_size(const Message *message);

/* A message over this is not looked at whole between other things: that takes too long. One over
 * the second is not looked at whole at all; no relay takes it. */
#define MESSAGE_LARGE ((uint64_t)256 * 1024)
#define MESSAGE_LOOK_MAX ((uint64_t)256 * 1024 * 1024)

/* What the content is on the wire, where lines end in CRLF. */
typedef struct MessageForm {
    uint64_t size;       /* RFC 1870, 4; an estimate where it is not `known` */
    bool known;          /* all of it has been looked at; else the rest may be anything */
    bool is_8bit;        /* a byte above 127 somewhere */
    bool body_is_8bit;   /* behind the header */
    bool has_long_lines; /* over 998 bytes (RFC 5321, 4.5.3.1.6) */
} MessageForm;

/* What is known without reading on: everything, of a usual message. */
void message_form(const Message *message, MessageForm *ret);

/* The same, with the rest of the content read once. 0 or a negative errno, as message_read(). */
int message_form_whole(Message *message, MessageForm *ret);

/* Appends up to about `max` more raw bytes to `out`. Returns the count, 0 at the end, or a negative
 * errno (-EIO when the input has become shorter than it was). */
int64_t message_read(Message *message, size_t max, Buffer *out);

/* The same content, to be read from any place, and beside message_read(). Borrowed from the
 * message. */
Input *message_input(Message *message);

/* The content as a relay can take it that takes no 8-bit content, or with `keep_8bit`, no long
 * lines only. Made once, by reading all of it; borrowed from the message. 0; -EBADMSG with a
 * Failure when it cannot be converted; or another negative errno. */
int message_convert(Message *message, bool keep_8bit, Convert **ret, Failure *f);

/* Reads all of it, so that all of the above is known without reading it again. 0 or a negative
 * errno. */
int message_look(Message *message);

/* Starts message_read() over. */
void message_rewind(Message *message);

DEFINE_CLEANUP(Message, message_free);
