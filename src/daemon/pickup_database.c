/* What comes from pickup directories is submitted as what comes by the socket is. */
#include "daemon/pickup_database.h"

#include <errno.h>
#include <string.h>

#include "daemon/submit_database.h"

static int ready(void *link, Failure *f)
{
    return submit_link_open(link, f);
}

/* It is no message, or larger than a database can have it. */
static bool is_its_own_fault(int error)
{
    return error == -EBADMSG || error == -EFBIG;
}

static int put(void *link, SpoolPickupMessage *message, Failure *f)
{
    SubmitItem *item = submit_item_new(message->uid);
    int r;

    if (!item)
        return failure_set_errno(f, -ENOMEM, "cannot queue a message");
    memccpy(item->key, message->key, '\0', sizeof(item->key));
    item->fd = TAKE_FD(message->fd);
    submit_link_put(link, &item, 1);
    r = MIN(item->error, 0);
    message->id = TAKE_PTR(item->id);
    if (r < 0)
        (void)failure_set(f, r, item->failure.number, "%s", failure_text(&item->failure));
    submit_item_free(item);
    return is_its_own_fault(r) ? 1 : r;
}

SpoolPickupSink pickup_database_sink(SubmitLink *link)
{
    return (SpoolPickupSink){.ready = ready, .put = put, .user = link};
}
