/* One claimed file as a held message: what its record says is left to do, and how it is settled.
 *
 * Inside the layer only. */
#pragma once

#include "queue/attachment.h"
#include "queue/source.h"
#include "settings/senders.h"

typedef struct FileMessage FileMessage;

/* Consumes the claim, and holds the attachment until it is settled or abandoned. `name` is the id
 * under which it came up (the claim may have given it another), `kind` what was known of it. NULL
 * when memory is short; the file is put back then. */
FileMessage *file_message_new(
    Attachment *attachment, SpoolClaim *claim, const char *name, NameKind kind);

/* As it was given; borrowed. */
const char *file_message_name(const FileMessage *message);

uid_t file_message_owner(const FileMessage *message);
const char *file_message_owner_name(FileMessage *message); /* in digits */

/* How often everything had been tried when it was claimed, see names_after_trouble(). */
unsigned file_message_flushed(const FileMessage *message);

/* True when its record or its content is long enough to be read beside the loop. */
bool file_message_is_long(const FileMessage *message);

/* Says that it is going to be read. True; false with a Failure when that is to be done later, at
 * `ret_due` (realtime), for it has killed a process: it was put back under `ret_id`, and is
 * consumed. */
bool file_message_begin(FileMessage *message, usec_t now, usec_t *ret_due,
    char ret_id[static SPOOL_NAME_MAX], Failure *f);

/* Gives it back before anything was done for it; `ret_id` is what it is called then. Consumes it.
 */
void file_message_put_back(FileMessage *message, char ret_id[static SPOOL_NAME_MAX]);

/* Reads the record, once: on any thread, while nobody else uses the message. */
void file_message_load_record(FileMessage *message);

/* Reads a large message whole, behind its record and likewise on any thread: its exact size on the
 * wire and what it is converted to are known then when they are asked for. What goes wrong is met
 * again where it is opened. */
void file_message_look(FileMessage *message);

typedef enum FileMessageResult {
    FILE_MESSAGE_DONE = 0,    /* there was nothing to do for it: it is settled, or waits again */
    FILE_MESSAGE_READY = 1,   /* to be delivered */
    FILE_MESSAGE_DEFECT = 2,  /* it cannot be sent, and is `.failed` now: see id and Failure */
    FILE_MESSAGE_NO_ROOM = 3, /* it has several recipients, and there is no room to note who has had
                                 it: it is put back, as after a negative errno */
    FILE_MESSAGE_EARLY = 4,   /* it is not to be sent before `ret_not_before`: likewise */
} FileMessageResult;

/* What the settings say of messages. */
typedef struct MessageTerms {
    bool keep_sent;
    usec_t retry_max;
    usec_t give_up_after; /* 0: never */
    const SenderRules *senders;
    usec_t *ret_not_before; /* EARLY: realtime */
} MessageTerms;

/* Reads envelope and header. A FileMessageResult, or a negative errno with a Failure: it is put
 * back, and so not known any more. Consumes the message but for READY. `ret_id` is its id
 * afterwards. */
int file_message_open(FileMessage *message, const MessageTerms *terms, usec_t now,
    HeldMessage **ret, char ret_id[static SPOOL_NAME_MAX], Failure *f);

/* True when its file was not in memory, so that its first bytes had to be waited for. */
bool file_message_was_on_disk(const HeldMessage *message);

/* The operations of SourceOps. */
int file_message_record(HeldMessage *message, usec_t now, const char *recipient, unsigned attempt,
    const DeliveryOutcome *outcome, const OutcomeVia *via);
int file_message_sync(HeldMessage *message, Failure *f);
int file_message_settle(
    HeldMessage *message, const MessageEnd *end, char ret_id[static SOURCE_ID_MAX], Failure *f);
void file_message_abandon(HeldMessage *message);
