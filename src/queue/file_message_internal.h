/* The inside of a FileMessage. For file_message*.c alone. */
#pragma once

#include "base/input.h"
#include "queue/file_message.h"

struct FileMessage {
    HeldMessage base;
    Attachment *attachment;
    SpoolClaim *claim;
    NameKind kind;
    unsigned flushed;          /* how often everything had been tried when it was claimed */
    bool marked;               /* as being read */
    char name[SPOOL_NAME_MAX]; /* the id under which it came up */
    char owner_name[12];
    InputFile content;
    Message *opened; /* what `base.message` is or was: there until it has been settled */
    bool noticed;    /* it was decided whether somebody is told that it failed */
    char *told;      /* who that is */
    char notice_of[SPOOL_NAME_MAX]; /* its id when that was made */
    int record_result;              /* of reading it, with its Failure */
    Failure record_failure;
    Buffer lines;            /* of the record, not yet written */
    bool last_line_gathered; /* the attempt's `retry`, `sent` or `failed` line is among them */
};

/* Lets go of everything but the claim, which is no more. */
void file_message_discard(FileMessage *message);

/* Reading it did not kill the process. */
void file_message_end_reading(FileMessage *message);

/* Some of several recipients may have the message when others have not, and that must not be
 * forgotten. Of one, the file's end says it. 0, or a negative errno with a Failure. */
int file_message_reserve(FileMessage *message, Failure *f);

/* It waits until `next`. 0 or SOURCE_GONE; consumes it. */
int file_message_defer(FileMessage *message, usec_t next, char *ret_id, Failure *f);
