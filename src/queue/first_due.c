/* When a message was first to go. Must never take one that is to wait for one that is late. */
#include "queue/first_due.h"

#include "base/file.h"
#include "base/input.h"
#include "message/message.h"

usec_t queue_first_due(const Spool *spool, const SpoolEntry *entry)
{
    _cleanup_(message_free_p) Message *message = NULL;
    InputFile content;
    struct stat st;
    _cleanup_close_ int fd = spool_open_message(spool, entry->id, entry->state, &st, NULL);

    if (fd < 0)
        return 0;
    input_file_init(&content, fd, (uint64_t)st.st_size);
    if (message_open(&content.base, 0, entry->id, &message, NULL) < 0)
        return 0;
    return message_envelope(message)->not_before;
}
