/* Handing a message to the submission socket (doc/submit.md), for programs that may wait. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"

/* Connects to the daemon. 0 with a descriptor, which the caller closes; or a negative errno with a
 * Failure: nobody serves it. */
int submit_connect(const char *path, int *ret, Failure *f);

typedef struct SubmitSender {
    int fd;
    const char *key; /* of the message: a second one with it is none; NULL: it has none */
    Buffer pending;
    int notice_msec,
        patience_msec; /* until it is told that nothing is heard, and until it is given up */
    void (*on_silence)(void *userdata); /* the former, once a connection; NULL: it is not told */
    void *userdata;
} SubmitSender;

#define SUBMIT_NOTICE_MSEC (10 * 1000)
#define SUBMIT_PATIENCE_MSEC (900 * 1000) /* the daemon may hold a message back: submit_rate */
#define SUBMIT_SENDER_NONE                                                                 \
    (SubmitSender)                                                                         \
    {                                                                                      \
        .fd = -1, .notice_msec = SUBMIT_NOTICE_MSEC, .patience_msec = SUBMIT_PATIENCE_MSEC \
    }

/* Connects and begins a message; all but the descriptor and what is pending stays as it is. 0, or a
 * negative errno with a Failure: nobody serves it. */
int submit_sender_open(const char *path, SubmitSender *ret, Failure *f);

/* Octets of the message. 0, or a negative errno with a Failure: that of the daemon where it has
 * said why, with -EREMOTEIO. */
int submit_sender_write(SubmitSender *sender, const void *data, size_t n, Failure *f);

/* The message is complete: waits until it is on the disk. 0 with its id, which the caller frees; as
 * above. */
int submit_sender_commit(SubmitSender *sender, char **ret_id, Failure *f);

/* Where the message was not committed, nothing is queued. */
void submit_sender_done(SubmitSender *sender);

/* What a line of the daemon says that is no answer to what was said: "ERROR NUMBER TEXT" becomes
 * -EREMOTEIO and a Failure; anything else is -EPROTO. */
int submit_take_error(const char *line, Failure *f);

#define _cleanup_submit_sender_ _cleanup_(submit_sender_done)
