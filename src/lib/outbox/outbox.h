/* All of liboutbox: see liboutbox(3). */
#ifndef OUTBOX_OUTBOX_H
#define OUTBOX_OUTBOX_H

#include <outbox/base.h>
#include <outbox/certificate.h>
#include <outbox/client.h>
#include <outbox/errors.h>
#include <outbox/events.h>
#include <outbox/message.h>
#include <outbox/queue.h>
#include <outbox/recipients.h>
#include <outbox/settings.h>

#endif
