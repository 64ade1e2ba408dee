/* What cron, PHP, git and mutt call to send mail. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"
#include "message/envelope.h"
#include "tool/local.h"

/* sendmail: queues the message on standard input. Returns an exit status of sysexits.h. */
int sendmail_main(int argc, char **argv);

/* mailq: becomes `outbox mailq`; newaliases: tells what is wrong in the file of aliases,
 * which needs no compiling. Both take the same options. */
int mailq_main(int argc, char **argv);
int newaliases_main(int argc, char **argv);

/* ---- Between the files of sendmail ---- */

/* What its options say. Strings are borrowed; NULL: not given. */
typedef struct SendmailOptions {
    const char *config_path;                /* -C */
    const char *sender;                     /* -f, -r */
    const char *full_name;                  /* -F */
    const char *notify, *ret, *envelope_id; /* -N, -R, -V: parameters of DSN (RFC 3461) */
    bool header_recipients;                 /* -t */
    bool ignore_dots;                       /* -i */
    char mode;                              /* -b: m or 0, p, v, i, s */
    const char *format;                     /* --format of mailq */
    const char *run_queue;                  /* -q, and what stands behind it */
} SendmailOptions;

/* -bv: says of each address where it would go. Returns an exit status. */
int sendmail_verify(const SendmailOptions *options, char **recipients);

/* Where in a line the end of what has been read is. */
typedef enum SendmailPlace { LINE_START, BEHIND_DOT, BEHIND_DOT_CR, IN_LINE } SendmailPlace;

/* Standard input as a QueueRead (queue/put.h). */
typedef struct SendmailInput {
    bool ignore_dots; /* a line with only a dot is no end */
    bool ended;
    SendmailPlace place;
} SendmailInput;

/* Appends the next bytes of the message. 1; 0: these were the last; or a negative errno with a
 * Failure. */
int sendmail_read(void *input, Buffer *out, Failure *f);

/* Appends the message that starts with `start` (its whole header at least) with a complete
 * envelope in front: that of the command line, completed from the header and from who calls. What
 * of its header cannot be sent as it is gets mended; where there is no From field it gets one. How
 * many recipients were left out because they are no addresses, each having been said; -ECANCELED
 * when no other is left; or another negative errno with a Failure. */
int sendmail_address(const SendmailOptions *options, char **recipients, const Buffer *start,
    Buffer *out, Failure *f);

/* The same for a message whose envelope is known, which is consumed, but that its sender may have
 * to be rewritten; by rules that have been read. `trace` are lines that its header gets in front,
 * or NULL. 0 or a negative errno with a Failure. */
int sendmail_address_as(const SendmailOptions *options, const Local *local, Envelope *envelope,
    const char *trace, const Buffer *start, Buffer *out, Failure *f);

/* -bs: speaks SMTP on standard input and output. Returns an exit status. */
int sendmail_serve(const SendmailOptions *options);
