/* Putting messages into the queue. Must never tell of a message that is not on disk, or committed.
 */
#include <errno.h>
#include <outbox/queue.h>
#include <string.h>

#include "base/errors.h"
#include "lib/client.h"
#include "lib/message.h"
#include "lib/message_file.h"
#include "lib/put.h"
#include "message/readdress.h"
#include "settings/load.h"

#define READ_BYTES ((size_t)64 * 1024)

/* The queue that is meant, and who may say to be whom there. A directory that is named is one,
 * whatever is configured. */
static int find_target(OutboxClient *client, const char *directory, QueueTarget *ret)
{
    int r = 0;

    if (directory && strcmp(directory, "*") == 0)
        return 0;
    if (!directory)
        r = config_load_directory(client->path, (const char *const *)client->overrides,
            &ret->directory, &ret->senders, &ret->socket, &client->failure);
    else if (!(ret->directory = strdup(directory)))
        r = -ENOMEM;
    if (r >= 0 && !directory)
        r = config_load_database(
            client->path, (const char *const *)client->overrides, &ret->database, &client->failure);
    if (r >= 0)
        queue_target_look(ret);
    return MIN(r, 0);
}

/* Some bytes of the message's file, appended. */
static int read_piece(Input *input, uint64_t at, size_t n, Buffer *out, Failure *f)
{
    char *room = buffer_reserve(out, n);
    ssize_t got = room ? input_read_at(input, room, n, at) : -ENOMEM;

    if (got < 0)
        return failure_set_errno(f, (int)got, "cannot read what the message was made to");
    buffer_commit(out, (size_t)got);
    return (int)got;
}

/* From where `out` ends. */
static int read_on(void *input, Buffer *out, Failure *f)
{
    return read_piece(input, buffer_size(out), READ_BYTES, out, f);
}

/* Looks at it as the daemon will, and gives it the envelope that was asked for. */
static int check(
    OutboxClient *client, OutboxMessage *source, const QueueTarget *target, Buffer *start)
{
    _cleanup_envelope_ Envelope asked = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer other = {0};
    Failure *f = &client->failure;
    int r = message_asked(source, &asked);

    if (r < 0)
        return failure_set(f, r, source->failure.number, "%s", failure_text(&source->failure));
    r = queue_look(message_file(source), &asked, &message, f);
    if (r >= 0)
        r = queue_check_sender(target, message, f);
    if (r < 0 || (!asked.sender && !asked.lane && asked.n_recipients == 0))
        return r;
    r = message_readdress_as(
        buffer_data(start), buffer_size(start), &asked, message_envelope(message), &other);
    if (r < 0)
        return r;
    buffer_clear(start);
    return buffer_append(start, buffer_data(&other), buffer_size(&other));
}

/* What is behind the start of a message's file. */
typedef struct Rest {
    Input *input;
    uint64_t at;
} Rest;

static int read_rest(void *source, Buffer *out, Failure *f)
{
    Rest *rest = source;
    int n =
        rest->at < rest->input->size ? read_piece(rest->input, rest->at, READ_BYTES, out, f) : 0;

    rest->at += (uint64_t)MAX(n, 0);
    return MIN(n, 1);
}

static int write_text(void *text, const void *data, size_t n, Failure *f _unused_)
{
    return buffer_append(text, data, n);
}

static int queue(
    OutboxClient *client, OutboxMessage *message, const QueueTarget *target, char **ret_path)
{
    _cleanup_buffer_ Buffer start = {0};
    Failure *f = &client->failure;
    Rest rest;
    int r = message_compose(message, true);

    if (r < 0)
        return failure_set(f, r, message->failure.number, "%s", failure_text(&message->failure));
    r = MIN(message_read_start(read_on, message_file(message), &start, f), 0);
    rest = (Rest){message_file(message), buffer_size(&start)};
    if (r >= 0)
        r = check(client, message, target, &start);
    if (r < 0)
        return r;
    return target->directory ? put_message(target, &start, read_rest, &rest, ret_path, f)
                             : queue_copy(&start, read_rest, &rest, write_text, &client->answer, f);
}

const char *outbox_queue(OutboxClient *client, OutboxMessage *message, const char *directory)
{
    _cleanup_queue_target_ QueueTarget target = {0};
    _cleanup_free_
    char *path = NULL;
    int r;

    if (client_check_message(client, &message) != 0)
        return NULL;
    failure_done(&client->failure);
    buffer_clear(&client->answer);
    r = find_target(client, directory, &target);
    client->in_event++;
    message->in_use++;
    if (r >= 0)
        r = queue(client, message, &target, &path);
    client->in_event--;
    message_end_streams(message);
    message_release(message);
    if (r >= 0 && path)
        r = buffer_append_string(&client->answer, path);
    if (r >= 0)
        r = buffer_append(&client->answer, "", 1);
    if (r < 0) {
        (void)client_fail_errno(client, r);
        return NULL;
    }
    (void)client_succeed(client);
    return buffer_data(&client->answer);
}
