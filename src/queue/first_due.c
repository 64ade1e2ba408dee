/* When a message was first to go. Must never take one that is to wait for one that is late. */
#include "queue/first_due.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/input.h"
#include "base/macros.h"
#include "message/message.h"

bool queue_waits(SpoolState state)
{
    return state == SPOOL_QUEUED || state == SPOOL_DEFERRED || state == SPOOL_SENDING;
}

/* As its file has it; 0: at once, or it cannot be read. */
static usec_t first_due(const Spool *spool, const SpoolEntry *entry)
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

bool queue_waits_longer(const Spool *spool, const SpoolEntry *entry, usec_t arrival, usec_t *oldest)
{
    if (!queue_waits(entry->state) || (*oldest > 0 && arrival >= *oldest))
        return false;
    arrival = MAX(arrival, first_due(spool, entry));
    if (arrival > clock_realtime() || (*oldest > 0 && arrival >= *oldest))
        return false;
    *oldest = arrival;
    return true;
}
