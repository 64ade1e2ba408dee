/* Driving a connection with poll(): for the tool and for tests. */
#pragma once

#include "net/connection.h"

/* Waits as long as it takes for the next event. 1 with an event, or a negative errno (-EINTR when a
 * signal came and `interruptible` is true). After SMTP_EVENT_CLOSED there is nothing to wait for
 * any more: -ENOTCONN. */
int connection_wait(Connection *connection, bool interruptible, SmtpEvent *ret);
