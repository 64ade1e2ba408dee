/* Asking the daemon at its submission socket (doc/submit.md) what is to be known of one's own
 * messages, or to change them: for programs that may wait. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

typedef struct SubmitAsk {
    size_t columns;     /* of the terminal that shows the answer; 0: none does */
    bool color;         /* it shows colours */
    char *const *words; /* "list", "--json": a command of the tool; NULL-terminated */
} SubmitAsk;

/* Asks, and writes what is answered to the two descriptors as it comes. The exit status; or a
 * negative errno with a Failure: that of the daemon where it has said why, with -EREMOTEIO. */
int submit_ask(int socket_fd, const SubmitAsk *ask, int out_fd, int error_fd, Failure *f);
