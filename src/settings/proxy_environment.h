/* The proxy that the environment names. */
#pragma once

#include "base/failure.h"
#include "settings/proxy.h"
#include "settings/relay.h"

/* Sets the relay's proxy, its user and its password by smtp_proxy, all_proxy or https_proxy, unless
 * no_proxy names the relay; each in small letters, else in capitals. The first that is
 * there counts:
 *
 *   [SCHEME://][USER[:PASSWORD]@]HOST[:PORT][/]
 *
 * with the scheme http (where there is none), https, socks4, socks4a, socks5 or socks (the same),
 * or socks5h (the proxy looks names up). 0: there is none, or it was taken; -EINVAL with a Failure
 * that names the variable and never its value; -ENOMEM. */
int proxy_environment_apply(RelayConfig *relay, Failure *f);

/* Whether no_proxy names it: 1, 0 or -ENOMEM. */
int proxy_environment_excepts(const char *host, uint16_t port);

/* The first entry of no_proxy that is passed over because of its form, and what is wrong with it,
 * as proxy_exceptions_check() says it; NULL: there is none. */
const char *proxy_environment_ignored(char entry[static PROXY_ENTRY_MAX]);
