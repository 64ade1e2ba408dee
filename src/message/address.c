/* The Mailbox of RFC 5321, judged byte by byte. Must never accept what could end an SMTP command
 * early, and never change an address. */
#include "message/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/atext.h"
#include "message/local_part.h"

#define LABEL_MAX 63 /* bytes of an ASCII label (RFC 1035, 2.3.4) */
#define SHOWN_MAX 100

static bool is_alphanumeric(char c)
{
    return text_is_alphanumeric(c) || (unsigned char)c >= 0x80;
}

/* The checks below return what is wrong, or NULL. */

static const char *check_dot_string(const char *text, size_t n)
{
    if (n == 0)
        return "there is nothing before the @";
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '.') {
            if (i == 0 || i == n - 1 || text[i - 1] == '.')
                return "before the @, a dot must stand between other characters; put that part in "
                       "quotes if it is meant so";
        } else if (!is_atext(text[i])) {
            return "before the @ is a character that is allowed in quotes only, or not at all";
        }
    }
    return NULL;
}

static const char *check_quoted_string(const char *text, size_t n)
{
    for (size_t i = 1; i < n - 1; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == '"')
            return "the quotes end before the @";
        if (i == n - 1)
            return "its quotes are not closed";
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return "it has a control character";
    }
    return NULL;
}

static const char *check_local(const char *text, size_t n)
{
    if (n > 0 && text[0] == '"')
        return n > 1 && text[n - 1] == '"' ? check_quoted_string(text, n)
                                           : "its quotes are not closed";
    return check_dot_string(text, n);
}

/* An address literal (RFC 5321, 4.1.3); IPv6 is the only tag that is registered. */
static const char *check_literal(const char *text, size_t n)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    bool is_ipv6;

    if (n < 2 || text[n - 1] != ']')
        return "its address literal is not closed by ]";
    text++;
    n -= 2;
    is_ipv6 = text_starts_nocase(text, "IPv6:");
    if (is_ipv6)
        text += 5, n -= 5;
    if (n < sizeof(copy) && !memchr(text, '\0', n)) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, copy, address) == 1)
            return NULL;
    }
    return "its address literal is neither [192.0.2.1] nor [IPv6:2001:db8::1]";
}

static const char *check_label(const char *text, size_t n)
{
    bool is_ascii = true;

    if (n == 0)
        return "after the @, a dot must stand between other characters";
    for (size_t i = 0; i < n; i++) {
        if (!is_alphanumeric(text[i]) && text[i] != '-' && text[i] != '_')
            return text[i] == '@' ? "it has more than one @"
                                  : "after the @ are other characters than letters, digits, "
                                    "hyphens and dots";
        is_ascii = is_ascii && (unsigned char)text[i] < 0x80;
    }
    if (text[0] == '-' || text[n - 1] == '-')
        return "a part of the domain begins or ends with a hyphen";
    return is_ascii && n > LABEL_MAX ? "a part of the domain is longer than 63 bytes" : NULL;
}

static const char *check_domain(const char *text, size_t n)
{
    const char *end = text + n, *why = NULL;

    if (n == 0)
        return "there is no domain after the @";
    if (n > ADDRESS_DOMAIN_MAX)
        return "its domain is longer than 255 bytes";
    if (text[0] == '[')
        return check_literal(text, n);
    for (const char *dot; !why; text = dot + 1) {
        dot = memchr(text, '.', (size_t)(end - text)) ?: end;
        why = check_label(text, (size_t)(dot - text));
        if (dot == end)
            break;
    }
    return why;
}

/* The @ between local part and domain, or NULL. */
static const char *find_at(const char *address, size_t n)
{
    size_t i = 0;

    if (n > 0 && address[0] == '"')
        for (i = 1; i < n && address[i] != '"'; i++)
            i += address[i] == '\\';
    return i < n ? memchr(address + i, '@', n - i) : NULL;
}

/* The C1 controls, which terminals obey, are two bytes of UTF-8 each. */
static bool has_c1_control(const char *text, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        if ((unsigned char)text[i] == 0xc2 && (unsigned char)text[i + 1] < 0xa0)
            return true;
    return false;
}

static const char *check(const char *address, size_t n, bool allow_bare)
{
    const char *at, *why;

    if (n == 0)
        return "it is empty";
    if (n > ADDRESS_MAX)
        return "it is longer than 900 bytes";
    if (!text_is_ascii(address, n)) {
        if (!text_is_utf8(address, n))
            return "it is not UTF-8";
        if (has_c1_control(address, n))
            return "it has a control character";
    }
    at = find_at(address, n);
    if (!at)
        return allow_bare ? check_local(address, n) : "it has no @ with a domain behind it";
    if (address[0] == '\'' && address[n - 1] == '\'')
        return "it stands in apostrophes; write it without them";
    why = check_local(address, (size_t)(at - address));
    return why ?: check_domain(at + 1, n - (size_t)(at - address) - 1);
}

int address_check(const char *address, size_t n, bool allow_bare, Failure *f)
{
    const char *why = check(address, n, allow_bare);
    _cleanup_free_
    char *shown = NULL;

    if (!why)
        return 0;
    shown = text_printable(address, n, SHOWN_MAX);
    return failure_set(
        f, -EINVAL, ERROR_MESSAGE, "\"%s\" is not a mail address: %s", shown ?: "...", why);
}

const char *address_domain(const char *address)
{
    const char *at = find_at(address, strlen(address));

    return at ? at + 1 : NULL;
}

bool address_needs_utf8(const char *address)
{
    size_t n = strlen(address);
    const char *at = find_at(address, n);

    return !text_is_ascii(address, at ? (size_t)(at - address) : n);
}

char *address_join(const char *local, const char *domain)
{
    size_t n = strlen(local), size = 2 * n + 2 + 1 + strlen(domain) + 1;
    char *address = malloc(size);

    if (address) {
        n = local_part_format(local, n, address, size);
        address[n] = '@';
        strcpy(address + n + 1, domain);
    }
    return address;
}
