/* URLs. Must never let a character through that could be more of a request than a part of it. */
#include "net/http_url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

/* "host", "host:port" or "[address]:port". */
static int parse_authority(char *text, HttpUrl *ret)
{
    char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":"), *colon;
    unsigned port = 0;

    if (!end)
        return -EINVAL;
    colon = *text == '[' ? end + 1 : end;
    ret->port = ret->tls ? HTTPS_PORT : HTTP_PORT;
    if (*colon == ':') {
        for (const char *c = colon + 1; *c; c++) {
            if (*c < '0' || *c > '9' || port > 65535)
                return -EINVAL;
            port = port * 10 + (unsigned)(*c - '0');
        }
        ret->port = port;
    } else if (*colon)
        return -EINVAL;
    *end = '\0';
    if (*text == '[')
        text++;
    if (!*text || ret->port == 0 || ret->port > 65535 || strchr(text, '@'))
        return -EINVAL;
    ret->host = strdup(text);
    return ret->host ? 0 : -ENOMEM;
}

static bool has_odd_character(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f || *text == '#')
            return true;
    return false;
}

int http_url_parse(const char *text, HttpUrl *ret)
{
    _cleanup_free_
    char *authority = NULL;
    size_t n;
    int r;

    *ret = (HttpUrl){.tls = text_starts_nocase(text, "https://")};
    if ((!ret->tls && !text_starts_nocase(text, "http://")) || has_odd_character(text))
        return -EINVAL;
    text += strlen(ret->tls ? "https://" : "http://");
    n = strcspn(text, "/?");
    authority = strndup(text, n);
    if (!authority)
        return -ENOMEM;
    r = parse_authority(authority, ret);
    if (r >= 0 && asprintf(&ret->path, "%s%s", text[n] == '/' ? "" : "/", text + n) < 0) {
        ret->path = NULL;
        r = -ENOMEM;
    }
    if (r < 0)
        http_url_done(ret);
    return r;
}

void http_url_done(HttpUrl *url)
{
    free(url->host);
    free(url->path);
    *url = (HttpUrl){0};
}
