/* URLs as people may see them. Their query is sent to nobody but the server, and a gateway may want
 * its key there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A parameter of a URL's query or fragment. Both point into the URL. */
typedef struct UrlParameter {
    const char *name, *value;
    size_t n_name, n_value;
} UrlParameter;

/* The first parameter from `*at` on (begin with the URL itself) that holds a secret by its name, as
 * "client_secret", "code", "sig" and "subscription-key" do; `*at` is moved behind it. False when
 * there is none. */
bool url_next_secret(const char **at, UrlParameter *ret);
bool url_has_secret(const char *url);
bool url_is_secret_name(const char *name, size_t n);

/* How much of what stands behind a URL's scheme is a login, or may be one, without the "@". */
size_t url_login_bytes(const char *text);

/* A copy with "***" in the place of the values of such parameters, and of a login in front of the
 * host, or of what may be one. Caller frees; NULL when memory is short. */
char *url_shown(const char *url);

/* The same of what was given for a host, which has neither a login nor a path: nothing in front of
 * an "@" is shown. */
char *url_shown_host(const char *text);
