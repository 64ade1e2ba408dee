/* Making a Message-ID. Must never hold a character that is not allowed in one, whatever file name
 * or host name it is made from. */
#include "message/stamp.h"

#include <stdint.h>

#include "base/hostname.h"
#include "base/text.h"

#define ID_MAX 64 /* bytes of the queue's id that are shown; the hash stands for the rest */

/* A name that nobody else's can be taken for (RFC 2606, 2); many filters think ill of one without a
 * dot, and of localhost. */
#define NO_DOMAIN "outbox.invalid"

static bool is_plain(char c)
{
    return text_is_alphanumeric(c) || c == '-';
}

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *id, usec_t now)
{
    uint64_t h = 14695981039346656037u;

    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 1099511628211u;
    for (int i = 0; i < 64; i += 8)
        h = (h ^ ((now >> i) & 0xff)) * 1099511628211u;
    return h;
}

bool stamp_takes_domain(const char *domain)
{
    return domain && host_name_is_usable(domain);
}

const char *stamp_domain(const char *domain, char host[static HOST_NAME_MAX + 1])
{
    if (host_name_get_qualified(host))
        return host;
    return stamp_takes_domain(domain) ? domain : NO_DOMAIN;
}

int stamp_message_id(Buffer *out, const char *id, usec_t now, const char *domain)
{
    char host[HOST_NAME_MAX + 1], shown[ID_MAX + 1];
    size_t n;

    for (n = 0; n < ID_MAX && id[n]; n++)
        shown[n] = is_plain(id[n]) ? id[n] : '_';
    shown[n] = '\0';
    domain = stamp_domain(domain, host);
    return buffer_appendf(out, "<%s%s%016llx@%s>", shown, n > 0 ? "." : "",
        (unsigned long long)hash(id, now), domain);
}
