/* Where a message is put. Must never put one into a directory whose queue is in a database. */
#include "lib/put.h"

#include <errno.h>
#include <unistd.h>

#include "base/errors.h"
#include "database/put.h"

/* Its header is all there. */
static int look(const Buffer *start, InputMemory *bytes, Message **ret, Failure *f)
{
    size_t n = MIN(buffer_size(start), (size_t)MESSAGE_START_MAX);

    input_memory_init(bytes, buffer_data(start), n);
    bytes->base.size += n < buffer_size(start);
    return queue_look(&bytes->base, NULL, ret, f);
}

static void drop_link(void *database)
{
    database_close(database);
}

/* The one that is kept, or a new one, which is kept where there is room for it. */
static int open_link(QueueLink *link, const char *conninfo, Database **ret, Failure *f)
{
    int r;

    if (link && link->error < 0)
        return failure_set(
            f, link->error, ERROR_DATABASE, "the database did not answer, and is not asked again");
    r = link && link->what ? 0 : database_open(conninfo, ret, f);
    if (r < 0 && link && database_is_away(r))
        link->error = r;
    if (r == 0 && link && !link->what)
        *link = (QueueLink){.what = *ret, .drop = drop_link};
    else if (r == 0 && link)
        *ret = link->what;
    return r;
}

/* What was refused says nothing of the connection; after anything else another one is made. */
static void close_link(QueueLink *link, Database *database, int error)
{
    if (link && (error >= 0 || error == -EBADMSG))
        return;
    database_close(database);
    if (link)
        link->what = NULL;
}

static int put_database(const QueueTarget *target, const Buffer *start, QueueRead read,
    void *source, char **ret_id, Failure *f)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure why = {0};
    Database *database = NULL;
    InputMemory bytes;
    DatabaseMessage asked = {.key = target->key, .uid = getuid()};
    size_t n_block;
    int r = look(start, &bytes, &message, f);

    if (r == 0)
        r = open_link(target->link, target->database, &database, &why);
    if (r < 0 && why.text)
        return database_is_refusal(r) && target->socket
                   ? queue_submit(target, start, read, source, &why, ret_id, f)
                   : failure_set(f, r, why.number, "%s", failure_text(&why));
    if (r < 0)
        return r;
    asked.envelope = message_envelope(message);
    n_block = message_block_size(message);
    r = database_put(database, &asked, buffer_data(start) + n_block, buffer_size(start) - n_block,
        read, source, ret_id, f);
    close_link(target->link, database, r);
    return r;
}

int put_message(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    char **ret_path, Failure *f)
{
    return target->database ? put_database(target, start, read, source, ret_path, f)
                            : queue_put(target, start, read, source, ret_path, f);
}
