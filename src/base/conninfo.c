/* Connection strings, as libpq reads them. Must never show a password. */
#include "base/conninfo.h"

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

const char *conninfo_fault(const char *text)
{
    Pair pair;
    int r;

    if (uri_login(text))
        return NULL;
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

static int append_pairs(const char *text, Buffer *out)
{
    const char *at = text;
    Pair pair;
    int r = 0, more;

    while (r == 0 && (more = next_pair(&at, &pair)) > 0) {
        bool secret = url_is_secret_name(pair.keyword, pair.n_keyword);

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
