/* Making a Message-ID. Must never hold a character that is not allowed in one, whatever file name
 * or host name it is made from. */
#include "message/stamp.h"

#include <limits.h>
#include <stdint.h>

#define ID_MAX 64 /* bytes of the queue's id that are shown; the hash stands for the rest */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
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

/* The host's name, as far as it is a legal domain. */
static void read_host(char host[static HOST_NAME_MAX + 1])
{
    size_t n = 0;

    if (gethostname(host, HOST_NAME_MAX + 1) < 0)
        host[0] = '\0';
    host[HOST_NAME_MAX] = '\0';
    while (is_plain(host[n]) || (host[n] == '.' && n > 0 && host[n - 1] != '.'))
        n++;
    while (n > 0 && host[n - 1] == '.')
        n--;
    host[n] = '\0';
    if (n == 0)
        memcpy(host, "localhost", sizeof("localhost"));
}

int stamp_message_id(Buffer *out, const char *id, usec_t now)
{
    char host[HOST_NAME_MAX + 1], shown[ID_MAX + 1];
    size_t n;

    for (n = 0; n < ID_MAX && id[n]; n++)
        shown[n] = is_plain(id[n]) ? id[n] : '_';
    shown[n] = '\0';
    read_host(host);
    return buffer_appendf(
        out, "<%s%s%016llx@%s>", shown, n > 0 ? "." : "", (unsigned long long)hash(id, now), host);
}
