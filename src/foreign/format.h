/* What a format is made of. Inside the layer only. */
#pragma once

#include "foreign/foreign.h"
#include "foreign/reader.h"

struct ForeignMessage {
    const struct FormatOps *ops;
    Envelope envelope;
    char *recipient_parameters; /* of those that the header names; NULL: none */
    Reader *content;            /* where it is read from */
    Reader own;                 /* where that is a file of its own */
    char *files[2];             /* what is its own; NULL: nothing */
    uint64_t left;              /* bytes of a Postfix file that can still be read */
    bool in_content, ended;
};

typedef struct FormatOps {
    const char *name;
    /* Where the messages are below a directory that was named; "" stands for itself. */
    const char *const *folders;
    bool deep; /* and in folders of that folder */
    /* Whether a file is that of a message, by its name. */
    bool (*is_message)(const char *name);
    /* Whether the system is seen to run. `path` is the directory of its queue. 0, or -EBUSY with a
     * Failure. */
    int (*look)(const char *path, Failure *f);
    /* Reads the envelope of the message at `path`, whose file is open in `message->own`. 1; 0: it
     * is none, or nobody is left to send it to; -EAGAIN when the system has it at work now; or
     * another negative errno with a Failure. */
    int (*read)(const char *path, ForeignMessage *message, Failure *f);
    /* The same for the next message of a stream, NULL where each has a file. */
    int (*next)(Reader *stream, ForeignMessage *message, Failure *f);
    /* Appends content. 1, 0 at the end, or a negative errno with a Failure. */
    int (*content)(ForeignMessage *message, Buffer *out, Failure *f);
} FormatOps;

extern const FormatOps format_nullmailer, format_msmtpq, format_dma, format_bsmtp, format_eml,
    format_postfix;

/* Content that is the rest of the file. */
int format_rest(ForeignMessage *message, Buffer *out, Failure *f);

/* Opens a file of a message, to be read. A descriptor, or a negative errno with a Failure. */
int format_open(const char *path, Failure *f);

/* Says what reader_line() ran into, and returns it. */
int format_line_failure(const Reader *reader, int error, Failure *f);
