/* The fields that every message has to have (RFC 5322, 3.6.1 and 3.6.4). */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/clock.h"

/* Appends a msg-id, "<ID.hash@DOMAIN>", which is the same whenever all that it is made from is. The
 * domain is this host's name where that is a full one, else `domain`, of an address of the message
 * (NULL: there is none), where that is. 0 or -ENOMEM. */
int stamp_message_id(Buffer *out, const char *id, usec_t now, const char *domain);

/* Whether a Message-ID can have this domain. */
bool stamp_takes_domain(const char *domain);

/* The domain that a Message-ID gets: this host's name, in `host`, where that is a full one, else
 * `domain` (or NULL) where that is, else one that is nobody's. */
const char *stamp_domain(const char *domain, char host[static HOST_NAME_MAX + 1]);
