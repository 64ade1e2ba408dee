/* A message that this daemon has claimed: what its row says, its content, and what became of it as
 * far as that is not written yet. Must know nothing of connections. */
#pragma once

#include "base/input.h"
#include "database/connection.h"
#include "queue/source.h"

typedef struct DatabaseMessage DatabaseMessage;

struct DatabaseMessage {
    HeldMessage base;
    char id[24];
    int64_t number;
    int64_t daemon; /* that claimed it: which this daemon is no more when it has lost its lease */
    Envelope asked; /* from its rows, until it is opened */
    char *outcomes; /* of its rows in order: 'd', 'r', or ' ' */
    size_t *recipients; /* of its rows: which one of the envelope it is */
    int *numbers;       /* of its rows: what they are called there */
    size_t n_rows;
    size_t cursor; /* the recipient that was recorded last */

    Buffer memory; /* the content, or a piece of it */
    int fd;        /* or a file that has it; -1 */
    int64_t size, fetched;
    size_t row_bytes; /* of its row, as it came */
    union {
        InputMemory in_memory;
        InputFile in_file;
    };

    Message *opened;           /* what `base.message` is or was */
    Buffer lines;              /* of the record, with commas between them; not yet written */
    Buffer delivered, refused; /* numbers of rows, likewise */
    bool last_line;            /* the attempt's last line is among them */
    Buffer history;            /* of the record: what was said last of each recipient */
    bool noticed;              /* whether somebody is to be told was seen */
    bool warned;               /* somebody was told that it waits */
    char *told;                /* who is told of this end; NULL: nobody */
    Buffer notice;             /* how, in base64 */
    Buffer end;                /* what is to be written of its end: see write() in schema-1.sql */
    usec_t due;                /* END_DEFERRED, or set aside: realtime */
    bool put_off;              /* set aside */
    bool wanted;               /* it is, and is to be ready again */
    bool ends;                 /* it is settled, and that is to be written */
    bool goes;                 /* nothing of it stays then */
    bool writing;              /* it is being written */
    bool writes_end;           /* its end is */
    bool doubted;              /* it is not ours, it was said once: perhaps the lease has ended */
    bool listed;               /* in the list of what is to be written */
    bool unsure; /* it may have been written already, or been taken from us meanwhile */
    size_t n_lines, n_delivered_list, n_refused_list; /* bytes of those that are being written */
    bool orphan;                                      /* nobody waits for its end */
    Failure defect;                 /* why it cannot be sent: told when that is written */
    bool asked_for;                 /* its row is, or was */
    bool described;                 /* its row has come */
    bool spooling;                  /* a piece of its content is asked for */
    bool seen_sending;              /* it is being sent since the last tick at least */
    bool told_sending;              /* which the database knows */
    DatabaseMessage *next;          /* in a list */
    DatabaseMessage *older, *newer; /* of all */
};

typedef struct DatabaseSource DatabaseSource;

DatabaseMessage *database_message_new(
    DatabaseSource *database, int64_t number); /* NULL: no memory */
void database_message_free(DatabaseMessage *message);

/* Takes a row of read(). 0; -EBADMSG with a Failure when no message can be sent with it; -ENOMEM.
 */
int database_message_take_row(
    DatabaseMessage *message, const DatabaseResult *rows, unsigned row, Failure *f);

/* Takes a piece of the content. 1 when that was the last, 0 when there is more, or a negative errno
 * with a Failure (-ENOSPC, ...; -EIO when there is less than there was). */
int database_message_take_piece(DatabaseMessage *message, const char *data, size_t n, Failure *f);

/* What there is of its content, as it came. */
Input *database_message_input(DatabaseMessage *message);

/* Reads envelope and header. 0; -EBADMSG with a Failure for one that cannot be sent; another
 * negative errno. */
int database_message_open(DatabaseMessage *message, Failure *f);

/* The operations of SourceOps that need no database. */
int database_message_record(HeldMessage *message, usec_t now, const char *recipient,
    unsigned attempt, const DeliveryOutcome *outcome, const OutcomeVia *via);

/* Forms what is to be written of its end. 0 or -ENOMEM. */
int database_message_end(DatabaseMessage *message, const MessageEnd *end);

/* Its end is that it is ready again after all. 0 or -ENOMEM. */
int database_message_return(DatabaseMessage *message);

/* Appends what is to be written, as an item of a list of JSON; `again` where it may have been taken
 * away meanwhile. 0 or -ENOMEM, and nothing is. */
int database_message_append(DatabaseMessage *message, bool again, Buffer *out);

/* What was appended has been written. */
void database_message_written(DatabaseMessage *message);
