/* A connection to one relay, for a command that has it to itself. */
#pragma once

#include "net/drive_poll.h"

typedef struct Call {
    const RelayConfig *relay;
    Worker *worker;
    ConnectionShared *shared;
    bool verbose;
    Connection *connection;
} Call;

/* Connects to the relay, up to the login; `verbose` prints the dialogue to standard
 * error. 1 when it is ready; 0 when it is not, with the reason in *ret_fault, borrowed until the
 * next call; or a negative errno. The call is to be ended with call_done() in any case. */
int call_open(RelayConfig *relay, bool verbose, Call *ret, const DeliveryOutcome **ret_fault);

/* The same once more, with what was learned of the relay, where it ended the connection for
 * something that the next one does without; -EALREADY where it did not. */
int call_open_again(Call *call, const DeliveryOutcome **ret_fault);

/* Waits for the session's next event. 1, or a negative errno. */
int call_wait(Call *call, SmtpEvent *ret);

/* Says QUIT and waits for the answer. */
void call_quit(Call *call);
void call_done(Call *call);

/* Says "outbox: NUMBER: relay NAME, STAGE: why; what to do". Returns the exit status. */
int call_say_fault(const RelayConfig *relay, const DeliveryOutcome *fault);
