/* What cron, PHP, git and mutt call to send mail. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"

/* sendmail: queues the message on standard input. Returns an exit status of sysexits.h. */
int sendmail_main(int argc, char **argv);

/* mailq: becomes `outbox list`, of all but what was sent. Takes the same options. */
int mailq_main(int argc, char **argv);

/* ---- Between the files of sendmail ---- */

/* What its options say. Strings are borrowed; NULL: not given. */
typedef struct SendmailOptions {
    const char *config_path;                /* -C */
    const char *sender;                     /* -f, -r */
    const char *full_name;                  /* -F */
    const char *notify, *ret, *envelope_id; /* -N, -R, -V: parameters of DSN (RFC 3461) */
    bool header_recipients;                 /* -t */
    bool ignore_dots;                       /* -i */
    bool list;                              /* -bp */
    bool run_queue;                         /* -q */
} SendmailOptions;

/* Appends the message that starts with `start` (its whole header at least) with a complete
 * envelope in front: that of the command line, completed from the header and from who calls. Where
 * there is no From field it gets one. 0, or a negative errno with a Failure. */
int sendmail_address(const SendmailOptions *options, char **recipients, const Buffer *start,
    Buffer *out, Failure *f);

/* Appends one and a NUL. `name` (NULL: none) is left out where it would have to be encoded. 0 or
 * -ENOMEM. */
int sendmail_format_from(const char *name, const char *address, Buffer *out);

/* Copies standard input to `fd` up to its end or a line with only a dot. 0 or a negative errno. */
int sendmail_copy_to_dot(int fd);
