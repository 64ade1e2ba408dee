/* A message: its header by the names of the component's properties, its text, and what is attached.
 *
 * Properties of outbox_message_set() and outbox_message_get(), with the defaults:
 *
 *     From, SendTo (or To), Cc, BCc      RFC 5322 address lists; From is one address
 *     ReplyTo
 *     ReturnPath                         the envelope's sender; From where it is empty
 *     Subject
 *     MessageDate                 *      generated when the message is sent; "": none; a date is
 *                                        one of RFC 5322 or RFC 3339
 *     MessageId                   *      generated likewise
 *     Importance                         high, normal, low
 *     Priority                           normal, urgent, non-urgent
 *     Sensitivity                        personal, private, company-confidential
 *     DeliveryNotificationTo
 *     ReadReceiptTo
 *     OtherHeaders                       "Name: value" lines; with an empty first line
 *                                        they replace the computed header
 *     MessageText                        the text
 *     MessageHtml                        the same as HTML
 *     Message                            a whole message in place of all that
 *     AllowEmptyTo                False  whether a message needs nobody in SendTo
 *     Charset                     UTF-8  of encoded words in the header
 *     FoldHeaders                 True   whether lines over MaxHeaderLength are folded
 *     MaxHeaderLength             80
 *     MessageIdAlgorithm          SHA256 MD5, SHA1 or SHA256
 *     CloseStreamAfterTransfer    True
 *     Lane                               the lane that it is in (X-Outbox-Lane, outbox-queue(5))
 *
 * and, only to be read, what the message was when it was sent or queued last (before that, what it
 * would be now): MessageHeadersString, and TransferText, the body as it is transferred.
 *
 * The envelope of a whole message is what ReturnPath or From and SendTo, Cc, BCc say, or else its
 * own. What is sent is what is composed, or a whole message as it stands, but for what every
 * message gets on its way (outbox-queue(5)): a Date and a Message-ID where there is none, no Bcc,
 * line ends, and an encoding where the relay cannot take 8-bit content or long lines.
 *
 * Words may also be the component's names and numbers ("miHigh", "1"). What is wrong with
 * addresses, files and texts is told when the message is sent or queued. */
#ifndef OUTBOX_MESSAGE_H
#define OUTBOX_MESSAGE_H

#include <outbox/base.h>
#include <sys/types.h>

OUTBOX_BEGIN

/* NULL when memory is short. A message may be sent by any client, by one at a time. */
OUTBOX_API OutboxMessage *outbox_message_new(void);
OUTBOX_API void outbox_message_free(OutboxMessage *message); /* accepts NULL */

/* The client's own, which outbox_set() sets properties of. Never to be freed;
 * nothing happens then. */
OUTBOX_API OutboxMessage *outbox_client_message(OutboxClient *client);

/* Everything as it was at first (the component's ResetHeaders): properties, recipients, parts. */
OUTBOX_API void outbox_message_reset(OutboxMessage *message);

/* NULL as a value is "". 0; 9001 for a name that there is not, or one that cannot be set; 9002 for
 * a value that it cannot have; 9007. */
OUTBOX_API int outbox_message_set(OutboxMessage *message, const char *name, const char *value);

/* NULL for a name that there is not, and for a header or body that cannot be made. */
OUTBOX_API const char *outbox_message_get(OutboxMessage *message, const char *name);

/* What the last call on this message that failed has to say. */
OUTBOX_API const char *outbox_message_error_text(const OutboxMessage *message);

/* ---- Text that a program gives piece by piece ---- */

typedef struct OutboxStream {
    /* Up to `n` bytes to `to`: how many, 0 at the end, or a negative errno. */
    ssize_t (*read)(void *user, void *to, size_t n);
    /* Called once after the transfer, unless CloseStreamAfterTransfer is false; may be NULL. Calls
     * on the message within it fail with 166; one that is freed there goes when the call is over.
     */
    void (*close)(void *user);
    void *user;
} OutboxStream;

/* What a stream or bytes stand for. */
enum {
    OUTBOX_TEXT = 0, /* MessageText */
    OUTBOX_HTML = 1, /* MessageHtml */
    OUTBOX_RAW = 2,  /* Message */
};

/* In the place of that property: from where it stands to its end, when the message is sent or
 * queued (the component's SetMessageStream). It is read once, and closed then, or when something
 * takes its place. What it gave is kept until the message is changed: then, and where reading has
 * failed, it is to be set again (211). While it is read, calls on the client and the message fail
 * with 166. `stream` is copied. 0, 9001 or 9007. */
OUTBOX_API int outbox_message_set_stream(
    OutboxMessage *message, int what, const OutboxStream *stream);

/* Bytes, which may be any. */
OUTBOX_API int outbox_message_set_bytes(
    OutboxMessage *message, int what, const void *data, size_t n);

/* ---- Parts ---- */

/* What is attached. NULL stands for what is not said. */
typedef struct OutboxPart {
    size_t size;      /* sizeof(OutboxPart) */
    const char *path; /* a file, no pipe, which is read when the message is sent; or: */
    const void *data; /* bytes, copied */
    size_t n;
    const char *name;       /* what the reader sees; the file's when not said */
    const char *type;       /* "image/png"; by name or content when not said */
    const char *content_id; /* of a part that the HTML shows as "cid:CONTENT-ID", else NULL */
} OutboxPart;

/* Adds one, behind those there are. 0, 9001 or 9007; a file that cannot be read is found out when
 * the message is sent (302). */
OUTBOX_API int outbox_message_attach(OutboxMessage *message, const OutboxPart *part);

/* ---- The computed header ---- */

typedef struct OutboxHeader {
    const char *field; /* "Subject" */
    const char *value; /* on one line */
} OutboxHeader;

/* As MessageHeadersString, field by field (the component's MessageHeaders): how many, and number
 * `i`, from 0; NULL behind the last, and where the header cannot be made. */
OUTBOX_API size_t outbox_message_header_count(OutboxMessage *message);
OUTBOX_API const OutboxHeader *outbox_message_header(OutboxMessage *message, size_t i);

OUTBOX_END

#endif
