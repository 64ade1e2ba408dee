/* This host's own name. Must never give a name that servers refuse for its form. */
#include "base/hostname.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"

#define LABEL_MAX_BYTES 63 /* RFC 1035, 2.3.4 */

static bool is_label(const char *text, size_t n)
{
    if (n == 0 || n > LABEL_MAX_BYTES || text[0] == '-' || text[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!text_is_alphanumeric(text[i]) && text[i] != '-')
            return false;
    return true;
}

/* "localhost.localdomain" and the like say nothing to a server, and many refuse them; a name that
 * ends in a number is an address without its brackets. */
bool host_name_is_usable(const char *name)
{
    const char *last = name;

    if (!strchr(name, '.') || text_starts_nocase(name, "localhost") ||
        text_ends_nocase(name, ".localdomain") || text_ends_nocase(name, ".localhost"))
        return false;
    for (const char *label = name;; label += strcspn(label, ".") + 1) {
        size_t n = strcspn(label, ".");

        last = label;
        if (!is_label(label, n))
            return false;
        if (label[n] == '\0')
            break;
    }
    return last[strspn(last, "0123456789")] != '\0';
}

static void get_node_name(char name[static HOST_NAME_MAX + 1])
{
    if (gethostname(name, HOST_NAME_MAX + 1) < 0)
        name[0] = '\0';
    name[HOST_NAME_MAX] = '\0';
}

bool host_name_get_qualified(char ret[static HOST_NAME_MAX + 1])
{
    get_node_name(ret);
    return host_name_is_usable(ret);
}

bool host_name_is_qualified(void)
{
    char name[HOST_NAME_MAX + 1];

    return host_name_get_qualified(name);
}

int host_name_get(char **ret)
{
    const struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
    char node[HOST_NAME_MAX + 1];
    struct addrinfo *list = NULL;
    const char *name = NULL;

    *ret = NULL;
    get_node_name(node);
    if (host_name_is_usable(node))
        name = node;
    else if (node[0] != '\0' && getaddrinfo(node, NULL, &hints, &list) == 0 && list->ai_canonname &&
             host_name_is_usable(list->ai_canonname))
        name = list->ai_canonname;
    if (name)
        *ret = strdup(name);
    if (list)
        freeaddrinfo(list);
    return name && !*ret ? -ENOMEM : 0;
}
