/* URLs of HTTP and HTTPS (RFC 9110, 4.2), without a login in them. */
#pragma once

#include <stdbool.h>

typedef struct HttpUrl {
    bool tls;
    char *host, *path; /* path: with its query */
    unsigned port;
} HttpUrl;

/* "https://host[:port][/path]". 0; -EINVAL when it is no such thing; -ENOMEM. */
int http_url_parse(const char *text, HttpUrl *ret);
void http_url_done(HttpUrl *url);

#define HTTP_PORT 80
#define HTTPS_PORT 443
