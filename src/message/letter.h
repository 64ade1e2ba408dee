/* A message that a program writes step by step: its properties by name, with the component's names
 * as well, its recipients, text and files. It owns what it is given, and composes by
 * message/compose.h. */
#pragma once

#include "message/compose.h"

typedef struct Letter Letter;

/* Empty, with the defaults: MessageDate and MessageId "*". NULL when memory is short. */
Letter *letter_new(void);
void letter_free(Letter *letter); /* accepts NULL */
DEFINE_CLEANUP(Letter, letter_free);

/* All as it was at first. */
void letter_reset(Letter *letter);

/* The header and the recipients alone (ResetHeaders); text, files and how it is written stay. */
void letter_reset_headers(Letter *letter);

/* Sets a property, by its own name or the component's; case, underscores and hyphens do not matter.
 * NULL: its default.
 *
 *   from (From), to (SendTo), cc (Cc), bcc (BCc), reply_to (ReplyTo), return_path (ReturnPath),
 *   subject (Subject), date (MessageDate), message_id (MessageId),
 *   delivery_notification_to (DeliveryNotificationTo), read_receipt_to (ReadReceiptTo),
 *   importance (Importance), priority (Priority), sensitivity (Sensitivity): a word, the
 * component's word, or its number, headers (OtherHeaders): lines, of which an empty first one makes
 * the others replace the computed header, text (MessageText), html, message (Message), charset
 * (Charset), fold_headers (FoldHeaders), max_header_length (MaxHeaderLength), allow_empty_to
 * (AllowEmptyTo), message_id_algorithm (MessageIdAlgorithm).
 *
 * `text`, `message` and the stream take each other's place. 0; -EINVAL with a Failure: there is no
 * such property, or it cannot have this value; -ENOMEM. What a header field can hold is judged when
 * it is composed. */
int letter_set(Letter *letter, const char *name, const char *value, Failure *f);

/* Its value as it stands: a word of the header, "true", a number. "": not set. NULL: there is no
 * such property. Valid until it is set. */
const char *letter_get(const Letter *letter, const char *name);

/* The three that are words, by the component's number. As letter_set(). */
int letter_set_number(Letter *letter, ComposeWord which, unsigned number, Failure *f);
unsigned letter_get_number(const Letter *letter, ComposeWord which);

/* One more recipient, beside those of to, cc and bcc; copied. `name` and `options` may be NULL. 0
 * or -ENOMEM. */
int letter_add_recipient(
    Letter *letter, ComposeKind kind, const char *name, const char *address, const char *options);

/* Those that were added. */
const ComposeRecipient *letter_recipients(const Letter *letter, size_t *ret_n);
void letter_clear_recipients(Letter *letter);

/* One more file; what the part points to is copied, but for what a callback is given. 0 or -ENOMEM.
 */
int letter_attach(Letter *letter, const ComposePart *part);
void letter_clear_attachments(Letter *letter);

/* The text comes from there, when it is composed (SetMessageStream); copied as above.
 * COMPOSE_NOTHING: it does not any more. 0 or -ENOMEM. */
int letter_set_stream(Letter *letter, const ComposeSource *source);

/* As compose_open(). The letter must stay as it is until the Composed is freed. */
int letter_open(const Letter *letter, usec_t now, Composed **ret, Failure *f);
