/* Nothing lost, nothing doubled: the books behind it. */
#include "ledger.h"

#include <stdlib.h>

#include "message.h"
#include "world.h"

typedef struct Acceptance {
    unsigned message, recipients;
    unsigned excused; /* recipients that may have it again */
    bool countable, read, unread;
} Acceptance;

static Acceptance *list;
static unsigned n, allocated;
static unsigned recorded[MESSAGES_MAX];
static bool shared[MESSAGES_MAX]; /* with another process, which may send it as well */

void ledger_begin(void)
{
    n = 0;
    for (unsigned i = 0; i < MESSAGES_MAX; i++)
        recorded[i] = shared[i] = 0;
}

void ledger_end(void)
{
    free(list);
    list = NULL;
    n = allocated = 0;
}

static void look_for_double(const Acceptance *former, unsigned message, unsigned recipients)
{
    unsigned again = former->recipients & recipients & ~former->excused;

    if (former->message != message || again == 0 || !former->countable)
        return;
    if (former->read)
        world_wrong(FAULT_DOUBLED,
            "m%u went again to recipients %#x, though acceptance %u was read", message, again,
            (unsigned)(former - list) + 1);
    else if (former->unread)
        world_wrong(FAULT_UNREAD,
            "m%u went again to recipients %#x, though acceptance %u had come and could be read",
            message, again, (unsigned)(former - list) + 1);
}

unsigned ledger_accept(unsigned message, unsigned recipients, bool countable, bool late)
{
    bool must_be_first = !late && !shared[message];

    for (unsigned i = 0; i < n && must_be_first; i++)
        look_for_double(&list[i], message, recipients);
    if ((recorded[message] & recipients) != 0 && must_be_first)
        world_wrong(FAULT_DOUBLED, "m%u went again to recipients %#x, which are on record", message,
            recorded[message] & recipients);
    if (n == allocated) {
        allocated = MAX(64u, 2 * allocated);
        list = realloc(list, allocated * sizeof(Acceptance));
        if (!list)
            abort();
    }
    list[n] = (Acceptance){.message = message, .recipients = recipients, .countable = countable};
    TELL("acceptance %u: m%u for %#x", n + 1, message, recipients);
    world.work++;
    return ++n;
}

void ledger_read(unsigned acceptance)
{
    TELL("acceptance %u is read", acceptance);
    list[acceptance - 1].read = true;
}

void ledger_unread(unsigned acceptance)
{
    TELL("acceptance %u had come, and is not read", acceptance);
    list[acceptance - 1].unread = true;
}

unsigned ledger_accepted(unsigned message)
{
    unsigned recipients = 0;

    for (unsigned i = 0; i < n; i++)
        if (list[i].message == message)
            recipients |= list[i].recipients;
    return recipients;
}

void ledger_recorded(unsigned message, unsigned recipients)
{
    unsigned without = recipients & ~ledger_accepted(message);

    if (without != 0)
        world_wrong(FAULT_LOST, "m%u is recorded as delivered to %#x, who do not have it", message,
            without);
    recorded[message] |= recipients;
}

void ledger_excuse(unsigned message)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i].message == message)
            list[i].excused |= list[i].recipients & ~recorded[message];
}

void ledger_share(unsigned message)
{
    shared[message] = true;
}

void ledger_excuse_all(void)
{
    for (unsigned i = 0; i < n_messages; i++)
        ledger_excuse(i);
}

void ledger_ended(void)
{
    for (unsigned i = 0; i < n; i++) {
        const Acceptance *a = &list[i];
        unsigned missing = a->recipients & ~a->excused & ~recorded[a->message];

        if (a->read && a->countable && missing != 0 && !shared[a->message])
            world_wrong(FAULT_DOUBLED, "acceptance %u of m%u was read and is not on record for %#x",
                i + 1, a->message, missing);
    }
    ledger_excuse_all();
}

unsigned ledger_count(void)
{
    return n;
}
