/* What stands in the settings of a proxy, looked at by itself. Nothing is looked up. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether each line of the text may stand in the header of a CONNECT request: NULL, or what is
 * wrong, to stand behind the quoted text. */
const char *proxy_data_check(const char *text);

/* Whether one of them is a login. */
bool proxy_data_logs_in(const char *text);

#define PROXY_ENTRY_MAX 300 /* bytes */
#define PROXY_EXCEPTION_SEPARATORS "; ,\t"

/* NULL, or what is wrong with the first entry that cannot be one; that one is in `entry`. */
const char *proxy_exceptions_check(const char *list, char entry[static PROXY_ENTRY_MAX]);

/* Whether a relay is in the list: "mail.example.com", "*.example.com" and ".example.com" (what is
 * below), any other pattern with "*", "192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "<local>"
 * (names without a dot), each with ":PORT" behind it where it is for that port alone. An address or
 * network is compared with a relay that is written as an address. With `domains` a name stands for
 * all below it, too, as in no_proxy. 1, 0 or
 * -ENOMEM. */
int proxy_exceptions_have(const char *list, const char *host, uint16_t port, bool domains);
