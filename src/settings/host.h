/* Host names and addresses as settings: what they look like, and which of them are this machine.
 * Nothing is looked up. */
#pragma once

#include <stdbool.h>

/* NULL, or what is wrong with it, to stand behind the quoted text: "looks like a URL". */
const char *host_check(const char *text);

/* The same for what EHLO takes: a domain or an address literal (RFC 5321, 4.1.1.1 and 4.1.3). */
const char *host_check_hello(const char *text);

/* A copy without the brackets of "[::1]". NULL when memory is short. */
char *host_strip(const char *text);

/* 4 or 6 for an address of that family; 0 for a name, and for an IPv4 address in the form of IPv6
 * ("::ffff:192.0.2.1"), which is one of both. */
int host_family(const char *host);

/* 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104 and localhost. */
bool host_is_loopback(const char *host);
