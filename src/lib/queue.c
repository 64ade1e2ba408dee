/* Putting messages into a queue directory. Must never tell of a message that is not on disk. */
#include <errno.h>
#include <outbox/queue.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "lib/client.h"
#include "lib/message.h"
#include "message/readdress.h"
#include "settings/load.h"
#include "spool/enqueue.h"

#define READ_BYTES ((size_t)64 * 1024)

/* Where a message goes. */
typedef struct Target {
    SpoolWriter *writer; /* NULL: to `text` */
    Buffer *text;
    char *directory;
    SenderRules *senders;
} Target;

static void target_done(Target *target)
{
    spool_writer_free(target->writer);
    free(target->directory);
    (void)sender_rules_unref(target->senders);
}

static int target_write(Target *target, const void *data, size_t n, Failure *f)
{
    if (target->writer)
        return spool_writer_write(target->writer, data, n, f);
    return buffer_append(target->text, data, n);
}

/* The directory that is meant, and who may say to be whom there. */
static int find_directory(OutboxClient *client, const char *directory, Target *ret)
{
    int r = 0;

    if (!directory)
        r = config_load_directory(client->path, (const char *const *)client->overrides,
            &ret->directory, &ret->senders, &client->failure);
    else if (!(ret->directory = strdup(directory)))
        r = -ENOMEM;
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

/* The start of the file, its whole header at least. */
static int read_start(Input *input, Buffer *out, Failure *f)
{
    int r = 1;

    while (r > 0 && buffer_size(out) < MIN(input->size, (uint64_t)MESSAGE_HEADER_MAX))
        r = read_piece(input, buffer_size(out), READ_BYTES, out, f);
    return MIN(r, 0);
}

/* Looks at it as the daemon will, and gives it the envelope that was asked for. */
static int check(OutboxClient *client, OutboxMessage *source, const Target *target, Buffer *start)
{
    _cleanup_envelope_ Envelope asked = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    Failure *f = &client->failure;
    struct stat st;
    int r = message_asked(source, &asked);

    if (r < 0)
        return failure_set(f, r, source->failure.number, "%s", failure_text(&source->failure));
    r = message_open_as(message_file(source), &asked, clock_realtime(), "new", &message, f);
    if (r >= 0)
        r = message_check_lines(message, f);
    if (r >= 0 && target->senders)
        r = sender_rules_check(target->senders, geteuid(),
            stat(target->directory, &st) == 0 ? st.st_uid : FILE_OWNER_UNKNOWN,
            message_envelope(message)->sender, f);
    if (r >= 0 && (asked.sender || asked.n_recipients > 0)) {
        _cleanup_buffer_ Buffer other = {0};
        Envelope shown = *message_envelope(message);

        if (!asked.sender)
            shown.sender = NULL;
        if (asked.n_recipients == 0)
            shown.n_recipients = 0;
        r = message_readdress(buffer_data(start), buffer_size(start), &shown, NULL, &other);
        if (r >= 0) {
            buffer_clear(start);
            r = buffer_append(start, buffer_data(&other), buffer_size(&other));
        }
    }
    return r;
}

static int write_message(
    Input *input, uint64_t from, const Buffer *start, Target *target, Failure *f)
{
    _cleanup_buffer_ Buffer piece = {0};
    int r = target_write(target, buffer_data(start), buffer_size(start), f), n = 1;

    while (r >= 0 && n > 0 && from < input->size) {
        buffer_clear(&piece);
        n = r = read_piece(input, from, READ_BYTES, &piece, f);
        if (r > 0)
            r = target_write(target, buffer_data(&piece), buffer_size(&piece), f);
        from += (uint64_t)MAX(n, 0);
    }
    return r;
}

static int queue(OutboxClient *client, OutboxMessage *message, Target *target, char **ret_path)
{
    _cleanup_buffer_ Buffer start = {0};
    Failure *f = &client->failure;
    uint64_t taken;
    int r = message_compose(message, true);

    if (r < 0)
        return failure_set(f, r, message->failure.number, "%s", failure_text(&message->failure));
    r = read_start(message_file(message), &start, f);
    taken = buffer_size(&start);
    if (r >= 0)
        r = check(client, message, target, &start);
    if (r >= 0 && target->directory)
        r = spool_writer_new(target->directory, &target->writer, f);
    if (r >= 0)
        r = write_message(message_file(message), taken, &start, target, f);
    if (r >= 0 && target->writer)
        r = spool_writer_commit(TAKE_PTR(target->writer), ret_path, f);
    return r;
}

const char *outbox_queue(OutboxClient *client, OutboxMessage *message, const char *directory)
{
    _cleanup_(target_done) Target target = {0};
    _cleanup_free_
    char *path = NULL;
    int r;

    if (client_check(client) != 0)
        return NULL;
    if (!message)
        message = client->message;
    if (!message_is_here(message)) {
        (void)client_fail(client, ERROR_IMPOSSIBLE_STATE,
            "the message was made before a fork() and is the parent's; make one in the child");
        return NULL;
    }
    if (message->in_use > 0) {
        (void)client_fail(client, ERROR_BUSY, "another client is sending this message");
        return NULL;
    }
    failure_done(&client->failure);
    buffer_clear(&client->answer);
    target.text = &client->answer;
    r = directory && strcmp(directory, "*") == 0 ? 0 : find_directory(client, directory, &target);
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
