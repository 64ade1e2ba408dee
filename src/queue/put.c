/* Putting messages into a queue directory. Must never tell of a message that is not on disk. */
#include "queue/put.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

void queue_target_look(QueueTarget *target)
{
    struct stat st;

    target->owner =
        target->senders && stat(target->directory, &st) == 0 ? st.st_uid : FILE_OWNER_UNKNOWN;
}

void queue_target_done(QueueTarget *target)
{
    free(target->directory);
    (void)sender_rules_unref(target->senders);
}

int queue_look(Input *input, const Envelope *asked, Message **ret, Failure *f)
{
    _cleanup_(message_free_p) Message *message = NULL;
    int r = message_open_as(input, asked, clock_realtime(), "new", &message, f);

    if (r >= 0)
        r = message_check_lines(message, f);
    if (r >= 0)
        *ret = TAKE_PTR(message);
    return r;
}

int queue_check_sender(const QueueTarget *target, const Message *message, Failure *f)
{
    return sender_rules_check(
        target->senders, geteuid(), target->owner, message_envelope(message)->sender, f);
}

int queue_copy(
    const Buffer *start, QueueRead read, void *source, QueueWrite write, void *sink, Failure *f)
{
    _cleanup_buffer_ Buffer data = {0};
    int r = write(sink, buffer_data(start), buffer_size(start), f), more = 1;

    while (r >= 0 && more > 0) {
        buffer_clear(&data);
        more = read(source, &data, f);
        if (more >= 0 && buffer_size(&data) > 0)
            r = write(sink, buffer_data(&data), buffer_size(&data), f);
    }
    return MIN(r, more);
}

int queue_write_file(void *writer, const void *data, size_t n, Failure *f)
{
    return spool_writer_write(writer, data, n, f);
}

int queue_put(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    char **ret_path, Failure *f)
{
    _cleanup_(spool_writer_free_p) SpoolWriter *writer = NULL;
    int r = spool_writer_new(target->directory, &writer, f);

    if (r >= 0)
        r = queue_copy(start, read, source, queue_write_file, writer, f);
    return r < 0 ? r : spool_writer_commit(TAKE_PTR(writer), ret_path, f);
}
