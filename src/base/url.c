/* Secrets in URLs, told by the names of parameters. Must never show one. */
#include "base/url.h"

#include <string.h>

#include "base/buffer.h"
#include "base/macros.h"
#include "base/text.h"

#define SEPARATORS "?#&;"

static bool is_word(const char *text, size_t n, const char *word)
{
    size_t i = 0;

    while (i < n && word[i] && text_fold(text[i]) == word[i])
        i++;
    return i == n && !word[i];
}

static bool contains(const char *text, size_t n, const char *part)
{
    size_t n_part = strlen(part);

    for (size_t i = 0; i + n_part <= n; i++)
        if (is_word(text + i, n_part, part))
            return true;
    return false;
}

/* Whether one of the words that the name is made of ("subscription-key", "h.sig") is this one. */
static bool has_word(const char *name, size_t n, const char *word)
{
    size_t start = 0;

    for (size_t i = 0; i <= n; i++) {
        if (i < n && text_is_alphanumeric(name[i]))
            continue;
        if (is_word(name + start, i - start, word))
            return true;
        start = i + 1;
    }
    return false;
}

bool url_is_secret_name(const char *name, size_t n)
{
    static const char *const parts[] = {
        "secret", "passw", "passphrase", "token", "assertion", "credential", "signature", "apikey"};
    static const char *const words[] = {
        "code", "key", "sig", "pass", "pwd", "pw", "auth", "authorization", "jwt", "sas"};

    for (size_t i = 0; i < ELEMENTSOF(parts); i++)
        if (contains(name, n, parts[i]))
            return true;
    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (has_word(name, n, words[i]))
            return true;
    return false;
}

bool url_next_secret(const char **at, UrlParameter *ret)
{
    const char *text = *at + strcspn(*at, SEPARATORS);

    while (*text) {
        size_t n = strcspn(++text, SEPARATORS), n_name = strcspn(text, "=" SEPARATORS);

        if (n_name + 1 < n && url_is_secret_name(text, n_name)) {
            *ret = (UrlParameter){text, text + n_name + 1, n_name, n - n_name - 1};
            *at = text + n;
            return true;
        }
        text += n;
    }
    *at = text;
    return false;
}

bool url_has_secret(const char *url)
{
    UrlParameter parameter;

    return url_next_secret(&url, &parameter);
}

/* Behind the scheme (RFC 3986, 3.1), if there is one. */
static const char *skip_scheme(const char *url)
{
    size_t n = 0;

    while (text_is_alphanumeric(url[n]) || (n > 0 && url[n] && strchr("+-.", url[n])))
        n++;
    if (n > 0 && strncmp(url + n, "://", 3) == 0)
        url += n + 3;
    return url + strspn(url, "/");
}

static bool is_port(const char *text, const char *end)
{
    return text < end && strspn(text, "0123456789") >= (size_t)(end - text);
}

/* How much of what stands behind the scheme is a login, or may be one: in its password "/", "?",
 * "#" and "@" have to be encoded (RFC 3986, 3.2.1), and people forget that. What has no colon is
 * the host, and an "@" behind it the path's. */
size_t url_login_bytes(const char *text)
{
    size_t n = strcspn(text, "/?#"), n_searched = strlen(text);
    const char *bracket = *text == '[' ? memchr(text, ']', n) : NULL, *host = bracket ?: text;
    const char *colon = memchr(host, ':', n - (size_t)(host - text)), *at;

    if (!memchr(text, '@', n) && !colon)
        return 0;
    if (!memchr(text, '@', n) && is_port(colon + 1, text + n))
        n_searched = strcspn(text, "?#");
    at = memrchr(text, '@', n_searched);
    return at ? (size_t)(at - text) : 0;
}

static int append_shown(const char *url, size_t n_login, Buffer *out)
{
    const char *login = skip_scheme(url), *at;
    UrlParameter parameter;
    int r = 0;

    if (n_login > 0) {
        r = buffer_append(out, url, (size_t)(login - url)) ?: buffer_append_string(out, "***");
        url = login + n_login;
    }
    for (at = url; r == 0 && url_next_secret(&at, &parameter); url = at)
        r = buffer_append(out, url, (size_t)(parameter.value - url))
                ?: buffer_append_string(out, "***");
    return r ?: buffer_append(out, url, strlen(url) + 1);
}

char *url_shown(const char *url)
{
    _cleanup_buffer_ Buffer out = {0};

    return append_shown(url, url_login_bytes(skip_scheme(url)), &out) == 0
               ? strdup(buffer_data(&out))
               : NULL;
}

char *url_shown_host(const char *text)
{
    _cleanup_buffer_ Buffer out = {0};
    const char *start = skip_scheme(text), *at = strrchr(start, '@');

    return append_shown(text, at ? (size_t)(at - start) : 0, &out) == 0 ? strdup(buffer_data(&out))
                                                                        : NULL;
}
