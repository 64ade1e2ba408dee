/* Reading the environment's proxy. Must never show what is in it, for there may be a password. */
#include "settings/proxy_environment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "settings/host.h"
#include "settings/proxy.h"

#define NAME_MAX_BYTES 32

typedef struct SchemeRow {
    const char *name;
    ProxyMode mode;
    ProxyResolve resolve;
    bool tls;
} SchemeRow;

static const SchemeRow schemes[] = {
    {"http", PROXY_MODE_TUNNEL, PROXY_RESOLVE_AUTOMATIC, false},
    {"https", PROXY_MODE_TUNNEL, PROXY_RESOLVE_AUTOMATIC, true},
    {"socks4", PROXY_MODE_SOCKS4, PROXY_RESOLVE_AUTOMATIC, false},
    {"socks4a", PROXY_MODE_SOCKS4A, PROXY_RESOLVE_AUTOMATIC, false},
    {"socks5", PROXY_MODE_SOCKS5, PROXY_RESOLVE_AUTOMATIC, false},
    {"socks5h", PROXY_MODE_SOCKS5, PROXY_RESOLVE_PROXY, false},
    {"socks", PROXY_MODE_SOCKS5, PROXY_RESOLVE_AUTOMATIC, false},
};

/* An empty one is as good as none. NULL, or the value, and its name in `name`. */
static const char *variable(const char *lower, char name[static NAME_MAX_BYTES])
{
    const char *value = secure_getenv(lower);
    size_t n = strlen(lower);

    snprintf(name, NAME_MAX_BYTES, "%s", lower);
    if (value && *value)
        return value;
    for (size_t i = 0; i < n; i++)
        name[i] = text_upper(name[i]);
    value = secure_getenv(name);
    return value && *value ? value : NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = text_fold(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A copy with its percent-encoding undone (RFC 3986, 2.1). -EINVAL: it cannot be. */
static int decode(const char *text, size_t n, char **ret)
{
    char *copy = malloc(n + 1);
    size_t used = 0;

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int high = text[i] == '%' && i + 2 < n ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

        copy[used] = low >= 0 ? (char)(high * 16 + low) : text[i];
        i += low >= 0 ? 2 : 0;
        if ((unsigned char)copy[used] < 0x20 || copy[used] == 0x7f) {
            explicit_bzero(copy, n + 1);
            free(copy);
            return -EINVAL;
        }
        used++;
    }
    copy[used] = '\0';
    *ret = copy;
    return 0;
}

typedef struct Url {
    const SchemeRow *scheme;
    char *user, *password; /* owned; the password is wiped */
    char *host;
    unsigned port; /* 0: none was named */
} Url;

static void url_done(Url *url)
{
    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    free(url->password);
    free(url->user);
    free(url->host);
}

static int take_scheme(const char **text, Url *url)
{
    const char *end = strstr(*text, "://");

    url->scheme = &schemes[0];
    if (!end)
        return 0;
    url->scheme = NULL;
    for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
        if (strlen(schemes[i].name) == (size_t)(end - *text) &&
            text_starts_nocase(*text, schemes[i].name))
            url->scheme = &schemes[i];
    *text = end + 3;
    return url->scheme ? 0 : -EINVAL;
}

static int take_login(const char **text, size_t *n, Url *url)
{
    const char *end = memrchr(*text, '@', *n), *colon;
    int r;

    if (!end)
        return 0;
    colon = memchr(*text, ':', (size_t)(end - *text));
    r = decode(*text, (size_t)((colon ?: end) - *text), &url->user);
    if (r >= 0 && colon)
        r = decode(colon + 1, (size_t)(end - colon - 1), &url->password);
    if (r < 0)
        return r;
    *n -= (size_t)(end + 1 - *text);
    *text = end + 1;
    if (*url->user)
        return 0;
    if (colon)
        return -EINVAL;
    free(url->user); /* as if it were not there: "http://@host" */
    url->user = NULL;
    return 0;
}

static int take_host(const char *text, size_t n, Url *url)
{
    const char *bracket = n > 0 && text[0] == '[' ? memchr(text, ']', n) : NULL;
    const char *from = bracket ?: text;
    const char *colon = memchr(from, ':', n - (size_t)(from - text));
    size_t n_host = colon ? (size_t)(colon - text) : n;
    _cleanup_free_
    char *whole = strndup(text, n_host);
    char *end = NULL;
    unsigned long port = 0;

    if (!whole)
        return -ENOMEM;
    if (!*whole || host_check(whole))
        return -EINVAL;
    if (colon) {
        port = strtoul(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || end != text + n || port == 0 || port > UINT16_MAX)
            return -EINVAL;
    }
    url->port = (unsigned)port;
    url->host = host_strip(whole);
    return url->host ? 0 : -ENOMEM;
}

static int parse(const char *text, Url *url)
{
    int r = take_scheme(&text, url);
    size_t n = strcspn(text, "/");

    if (r >= 0 && text[n + strspn(text + n, "/")] != '\0')
        r = -EINVAL;
    if (r >= 0)
        r = take_login(&text, &n, url);
    return r < 0 ? r : take_host(text, n, url);
}

/* A login in the URL takes the place of all that the settings have. */
static int take_url(RelayConfig *relay, Url *url)
{
    relay->proxy_type = url->scheme->mode;
    relay->proxy_tls = relay->proxy_tls || url->scheme->tls;
    if (relay->proxy_resolve == PROXY_RESOLVE_AUTOMATIC)
        relay->proxy_resolve = url->scheme->resolve;
    if (url->port != 0 || relay->proxy_port == 0)
        relay->proxy_port = (uint16_t)url->port;
    free(relay->proxy_host);
    relay->proxy_host = TAKE_PTR(url->host);
    if (!url->user)
        return 0;
    free(relay->proxy_user);
    relay->proxy_user = TAKE_PTR(url->user);
    (void)secret_unref(relay->proxy_password.value);
    relay->proxy_password.value =
        url->password ? secret_new(url->password, strlen(url->password)) : NULL;
    return relay->proxy_password.value || !url->password ? 0 : -ENOMEM;
}

int proxy_environment_apply(RelayConfig *relay, Failure *f)
{
    static const char *const names[] = {"smtp_proxy", "all_proxy", "https_proxy"};
    _cleanup_(url_done) Url url = {0};
    char name[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    const char *value = NULL, *exceptions = variable("no_proxy", other);
    int r = 0;

    for (size_t i = 0; !value && i < ELEMENTSOF(names); i++)
        value = variable(names[i], name);
    if (value && exceptions && relay->host)
        r = proxy_exceptions_have(exceptions, relay->host, relay->port, true);
    if (!value || r != 0)
        return MIN(r, 0);
    r = parse(value, &url);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "%s of the environment names no proxy that can be used; write it as "
            "http://HOST:PORT, https://, socks4://, socks4a://, socks5:// or socks5h://, with "
            "USER:PASSWORD@ before the host where it wants a login",
            name);
    relay->proxy_from_environment = true;
    return take_url(relay, &url);
}

int proxy_environment_excepts(const char *host, uint16_t port)
{
    char name[NAME_MAX_BYTES];
    const char *exceptions = variable("no_proxy", name);

    return exceptions ? proxy_exceptions_have(exceptions, host, port, true) : 0;
}

const char *proxy_environment_ignored(char entry[static PROXY_ENTRY_MAX])
{
    char name[NAME_MAX_BYTES];
    const char *exceptions = variable("no_proxy", name);

    return exceptions ? proxy_exceptions_check(exceptions, entry) : NULL;
}
