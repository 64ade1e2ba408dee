/* Connection strings, as libpq reads them. Must never show a password. */
#include "base/conninfo.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/buffer.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/url.h"

#define BLANKS " \t\n\r\f\v"

/* KEYWORD = VALUE, with blanks or none. All point into the string. */
typedef struct Pair {
    const char *keyword, *value, *end;
    size_t n_keyword;
} Pair;

static const char *uri_login(const char *text)
{
    static const char *const schemes[] = {"postgresql://", "postgres://"};

    for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            return text + strlen(schemes[i]);
    return NULL;
}

/* The end of a value, in quotes or not; NULL where the quotes are open. */
static const char *value_end(const char *at)
{
    const char *ends = *at == '\'' ? "'" : BLANKS;

    at += *at == '\'';
    while (*at && !strchr(ends, *at))
        at += at[0] == '\\' && at[1] ? 2 : 1;
    if (*ends == '\'')
        return *at ? at + 1 : NULL;
    return at;
}

/* 1 with the next from `*at` on, which is moved behind it; 0: there is none; -1: that is none. */
static int next_pair(const char **at, Pair *ret)
{
    const char *text = *at + strspn(*at, BLANKS), *behind;

    *at = text;
    if (!*text)
        return 0;
    ret->keyword = text;
    ret->n_keyword = strcspn(text, "=" BLANKS);
    behind = text + ret->n_keyword;
    behind += strspn(behind, BLANKS);
    if (ret->n_keyword == 0 || *behind != '=')
        return -1;
    ret->value = behind + 1 + strspn(behind + 1, BLANKS);
    ret->end = value_end(ret->value);
    if (!ret->end)
        return -1;
    *at = ret->end;
    return 1;
}

/* ---- what libpq would not take: it says so with all of the URI, and the password in it ---- */

static bool is_encoded(const char *text)
{
    while ((text = strchr(text, '%'))) {
        if (!isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2]) ||
            strncmp(text, "%00", 3) == 0)
            return false;
        text += 3;
    }
    return true;
}

/* `*ret` is behind it: one in brackets ends with them. */
static bool skip_host(const char *host, const char **ret)
{
    const char *end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":/?,");

    *ret = end;
    if (*host != '[')
        return !memchr(host, '@', (size_t)(end - host));
    if (!end || end == host + 1 || !strchr(":/?,", end[1])) /* or the string's end */
        return false;
    *ret = end + 1;
    return true;
}

/* HOST:PORT,HOST:PORT... in front of a path or a query. */
static bool skip_hosts(const char *at, const char **ret)
{
    for (;; at++) {
        if (!skip_host(at, &at))
            return false;
        if (*at == ':')
            at += 1 + strspn(at + 1, "0123456789");
        if (*at != ',')
            break;
    }
    *ret = at;
    return !*at || *at == '/' || *at == '?';
}

static bool has_pairs(const char *query)
{
    while (*query) {
        size_t n = strcspn(query, "&"), n_name = strcspn(query, "=&");

        if (n_name == n || memchr(query + n_name + 1, '=', n - n_name - 1))
            return false;
        query += n + (query[n] == '&');
    }
    return true;
}

/* A login ends at the first "@", unless there is a "/" before: what was meant as part of a password
 * is then the host's or the database's name, which is told. */
static const char *uri_fault(const char *login)
{
    size_t n = strcspn(login, "@/"), n_meant = url_login_bytes(login);
    bool has_login = login[n] == '@', has_meant = memchr(login, ':', n_meant) != NULL;
    const char *at;

    if (!is_encoded(login))
        return "has a \"%\" that is not followed by two hexadecimal digits (itself it is %25)";
    if (strpbrk(login, " \t\r\n\v\f"))
        return "has a blank, which is %20 in a URI"; /* libpq 17 takes none */
    if (!skip_hosts(has_login ? login + n + 1 : login, &at) ||
        (!has_login && has_meant && login + n_meant < strchrnul(at, '?')))
        return "has a host, a port or a password that is none in a URI, where \"@\" is %40 and "
               "\"/\" is %2F";
    at = strchr(at, '?');
    return !at || has_pairs(at + 1) ? NULL : "has a parameter without \"=\", or with two of them";
}

const char *conninfo_fault(const char *text)
{
    const char *login = uri_login(text);
    Pair pair;
    int r;

    if (login)
        return uri_fault(login);
    while ((r = next_pair(&text, &pair)) > 0)
        ;
    if (r == 0)
        return NULL;
    return strchr(text, '=') ? "has a word without \"=\", or quotes that are not closed"
                             : "is no list of KEYWORD=VALUE";
}

/* The password of "USER:PASSWORD@"; `*ret_n`: its bytes, 0 where there is none. */
static const char *uri_password(const char *login, size_t *ret_n)
{
    const char *at = memrchr(login, '@', strcspn(login, "/?#"));
    const char *colon = at ? memchr(login, ':', (size_t)(at - login)) : NULL;

    *ret_n = colon ? (size_t)(at - colon - 1) : 0;
    return colon ? colon + 1 : login;
}

bool conninfo_has_secret(const char *text)
{
    const char *login = uri_login(text);
    size_t n = 0;
    Pair pair;

    if (login)
        return (void)uri_password(login, &n), n > 0 || url_has_secret(login);
    while (next_pair(&text, &pair) > 0)
        if (pair.end > pair.value && url_is_secret_name(pair.keyword, pair.n_keyword))
            return true;
    return false;
}

/* Also of a password that is not encoded as it has to be, and that libpq reads otherwise. */
static int append_uri(const char *text, Buffer *out)
{
    const char *login = uri_login(text), *at;
    size_t n = url_login_bytes(login);
    const char *colon = memchr(login, ':', n);
    UrlParameter parameter;
    int r = 0;

    if (colon && colon + 1 < login + n) {
        r = buffer_append(out, text, (size_t)(colon + 1 - text))
                ?: buffer_append_string(out, "***");
        text = login + n;
    }
    for (at = text; r == 0 && url_next_secret(&at, &parameter); text = at)
        r = buffer_append(out, text, (size_t)(parameter.value - text))
                ?: buffer_append_string(out, "***");
    return r ?: buffer_append_string(out, text);
}

/* A keyword that libpq does not have may be a misspelt "password". */
static bool is_shown(const Pair *pair)
{
    static const char *const keywords[] = {"application_name", "channel_binding", "client_encoding",
        "connect_timeout", "dbname", "fallback_application_name", "gssdelegation", "gssencmode",
        "gsslib", "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
        "keepalives_interval", "krbsrvname", "load_balance_hosts", "options", "passfile", "port",
        "replication", "require_auth", "requirepeer", "service", "servicefile",
        "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcertmode",
        "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation",
        "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout", "user"};

    for (size_t i = 0; i < ELEMENTSOF(keywords); i++)
        if (strlen(keywords[i]) == pair->n_keyword &&
            strncmp(keywords[i], pair->keyword, pair->n_keyword) == 0)
            return true;
    return false;
}

static int append_pairs(const char *text, Buffer *out)
{
    const char *at = text;
    Pair pair;
    int r = 0, more;

    while (r == 0 && (more = next_pair(&at, &pair)) > 0) {
        bool secret = !is_shown(&pair);

        r = buffer_append(out, text, (size_t)((secret ? pair.value : pair.end) - text));
        if (r == 0 && secret)
            r = buffer_append_string(out, "***");
        text = pair.end;
    }
    if (r == 0)
        r = buffer_append(out, text, (size_t)(at - text));
    return r == 0 && more < 0 ? buffer_append_string(out, "***") : r;
}

char *conninfo_shown(const char *text)
{
    _cleanup_buffer_ Buffer out = {0};
    int r = uri_login(text) ? append_uri(text, &out) : append_pairs(text, &out);

    return r == 0 && buffer_append(&out, "", 1) == 0 ? strdup(buffer_data(&out)) : NULL;
}
