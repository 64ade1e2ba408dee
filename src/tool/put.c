/* Where a message is put. */
#include "tool/put.h"

#include <unistd.h>

#include "database/put.h"
#include "tool/input.h"

static int put_database(const QueueTarget *target, const Buffer *start, QueueRead read,
    void *source, char **ret_id, Failure *f)
{
    _cleanup_(database_close_p) Database *database = NULL;
    _cleanup_(message_free_p) Message *message = NULL;
    InputMemory bytes;
    DatabaseMessage asked = {.key = target->key, .uid = getuid()};
    size_t n_block;
    int r = input_check(start, false, NULL, &bytes, &message, f); /* its header is all there */

    if (r == 0)
        r = database_open(target->database, &database, f);
    if (r < 0)
        return r;
    asked.envelope = message_envelope(message);
    n_block = message_block_size(message);
    return database_put(database, &asked, buffer_data(start) + n_block,
        buffer_size(start) - n_block, read, source, ret_id, f);
}

int tool_put(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    char **ret_path, Failure *f)
{
    return target->database ? put_database(target, start, read, source, ret_path, f)
                            : queue_put(target, start, read, source, ret_path, f);
}
