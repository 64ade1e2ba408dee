/* Networks of IP addresses, as the setting spool.submit_networks has them: "192.0.2.0/24
 * 2001:db8::/32 198.51.100.7", with blanks or commas between them. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/failure.h"

#define NETWORK_SEPARATORS " ,"

/* Whether the text is a list of them. 0; -EINVAL with a Failure whose text says what is wrong, to
 * stand behind the quoted text. */
int networks_check(const char *text, Failure *f);

/* Whether an IPv4 or IPv6 address is in one of them; an IPv4 address that is written as IPv6 is not
 * known as one. */
bool networks_have(const char *text, const struct sockaddr *address);
