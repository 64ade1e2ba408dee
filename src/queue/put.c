/* Putting messages into a queue directory. Must never tell of a message that is not on disk. */
#include "queue/put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "submit/send.h"

void queue_target_look(QueueTarget *target)
{
    struct stat st;

    target->owner =
        target->senders && stat(target->directory, &st) == 0 ? st.st_uid : FILE_OWNER_UNKNOWN;
}

void queue_target_done(QueueTarget *target)
{
    if (target->link && target->link->what)
        target->link->drop(target->link->what);
    free(target->directory);
    if (target->database)
        explicit_bzero(target->database, strlen(target->database));
    free(target->database);
    free(target->socket);
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

bool queue_has_socket(const QueueTarget *target, int error)
{
    return target->socket && (error == -EACCES || error == -EPERM || error == -EROFS ||
                                 error == -ENOENT || error == -ENOTDIR);
}

static int write_socket(void *sender, const void *data, size_t n, Failure *f)
{
    return submit_sender_write(sender, data, n, f);
}

/* Neither way is open to this user; one of them may be in a moment, when the daemon runs. */
static int fail_both(int r, const Failure *why, const Failure *answer, Failure *f)
{
    int number = r == -ECONNREFUSED ? answer->number : why->number;

    return failure_set(f, r, number, "%s; nor through the submission socket: %s", failure_text(why),
        failure_text(answer));
}

/* The ids that outboxd gives to files are not numbers alone. */
static bool is_of_database(const char *id)
{
    return *id && !id[strspn(id, "0123456789")];
}

int queue_submit(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    const Failure *why, char **ret_path, Failure *f)
{
    _cleanup_submit_sender_ SubmitSender sender = SUBMIT_SENDER_NONE;
    _cleanup_failure_ Failure answer = {0};
    _cleanup_free_
    char *id = NULL;
    int r;

    sender.on_silence = target->on_silence;
    sender.userdata = target->socket;
    sender.key = target->key;
    r = submit_sender_open(target->socket, &sender, &answer);
    if (r < 0)
        return fail_both(r, why, &answer, f);
    r = queue_copy(start, read, source, write_socket, &sender, &answer);
    if (r >= 0)
        r = submit_sender_commit(&sender, &id, &answer);
    if (r < 0 && r == -EREMOTEIO && answer.number == ERROR_EACCES)
        return fail_both(r, why, &answer, f);
    if (r < 0)
        return failure_set(f, r, answer.number, "%s", failure_text(&answer));
    if (is_of_database(id)) {
        *ret_path = TAKE_PTR(id);
        return 0;
    }
    if (asprintf(ret_path, "%s/%s.queued", target->directory, id) >= 0)
        return 0;
    *ret_path = NULL;
    return failure_set_errno(f, -ENOMEM, "the message is queued as %s", id);
}

int queue_put(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    char **ret_path, Failure *f)
{
    _cleanup_(spool_writer_free_p) SpoolWriter *writer = NULL;
    _cleanup_failure_ Failure why = {0};
    int r = spool_writer_new(target->directory, &writer, &why);

    if (r < 0 && queue_has_socket(target, r))
        return queue_submit(target, start, read, source, &why, ret_path, f);
    if (r < 0)
        return failure_set(f, r, why.number, "%s", failure_text(&why));
    if (r >= 0)
        r = queue_copy(start, read, source, queue_write_file, writer, f);
    return r < 0 ? r : spool_writer_commit(TAKE_PTR(writer), ret_path, f);
}
