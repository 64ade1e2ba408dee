/* Advice for a sender, by the code (RFC 3463, RFC 5321). Must never send them to what only an
 * administrator can see. */
#include "message/dsn_advice.h"

#include <string.h>

#include "base/macros.h"

#define SENDER "see whether the address that the message was sent from is right"
#define ADDRESS "see whether the address is right, and send the message again if it was not"
#define CLOSED "reach the recipient in another way: the mailbox takes no mail now"
#define FULL "send it again later, or reach the recipient in another way: the mailbox is full"
#define LARGE "make the message smaller, as with fewer or smaller attachments: it is too large"
#define NO_ROOM \
    "make the message smaller, or send it again later: it is too large, or the mailbox is full"

/* Of all classes: what was put off until it was given up is no other thing. The first that the code
 * begins with, behind its class. */
static const struct {
    const char *detail, *text;
} details[] = {
    {".1.7", SENDER},
    {".1.8", SENDER},
    {".1.", ADDRESS},
    {".2.1", CLOSED},
    {".2.2", FULL},
    {".2.3", LARGE},
    {".3.4", LARGE},
};

/* Without an enhanced code. */
static const struct {
    int code;
    const char *text;
} codes[] = {{550, ADDRESS}, {551, ADDRESS}, {552, NO_ROOM}, {553, ADDRESS}};

/* ".1." is any of its kind, ".1.7" that one alone. */
static bool begins_with(const char *detail, const char *start)
{
    size_t n = strlen(start);

    return strncmp(detail, start, n) == 0 && (start[n - 1] == '.' || detail[n] == '\0');
}

const char *dsn_advice(const DsnRecipient *recipient)
{
    const char *detail = strchr(recipient->enhanced, '.');

    for (size_t i = 0; detail && i < ELEMENTSOF(details); i++)
        if (begins_with(detail, details[i].detail))
            return details[i].text;
    for (size_t i = 0; !detail && i < ELEMENTSOF(codes); i++)
        if (recipient->code == codes[i].code)
            return codes[i].text;
    return NULL;
}
