/* outbox queue: writes a message into the queue directory, durably, and prints where. */
#include "tool/queue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"

/* Where a message goes: the queue's writer, or standard output. */
typedef int (*Sink)(SpoolWriter *writer, const void *data, size_t n, Failure *f);

static int to_stdout(SpoolWriter *writer _unused_, const void *data, size_t n, Failure *f)
{
    return fwrite(data, 1, n, stdout) == n
               ? 0
               : failure_set(f, -EIO, ERROR_FILE, "cannot write to standard output");
}

static int copy(Sink sink, SpoolWriter *writer, const Buffer *start, InputRest *rest, Failure *f)
{
    _cleanup_buffer_ Buffer data = {0};
    int r = sink(writer, buffer_data(start), buffer_size(start), f), more = 1;

    while (r >= 0 && more > 0) {
        buffer_clear(&data);
        more = input_rest_read(rest, &data, f);
        if (more >= 0 && buffer_size(&data) > 0)
            r = sink(writer, buffer_data(&data), buffer_size(&data), f);
    }
    return MIN(r, more);
}

int queue_write(SpoolWriter *writer, const Buffer *start, InputRest *rest, Failure *f)
{
    return copy(spool_writer_write, writer, start, rest, f);
}

int queue_target_open(const Tool *tool, const char *directory, QueueTarget *ret)
{
    struct stat st;
    int status = tool_directory(tool, directory, &ret->directory, &ret->senders);

    if (status != 0)
        return status;
    /* Where there is none the writer says so. */
    ret->owner = ret->senders && stat(ret->directory, &st) == 0 ? st.st_uid : FILE_OWNER_UNKNOWN;
    return 0;
}

void queue_target_done(QueueTarget *target)
{
    free(target->directory);
    (void)sender_rules_unref(target->senders);
}

int queue_check(const QueueTarget *target, const Buffer *start, InputRest *rest, Failure *f)
{
    _cleanup_(message_free_p) Message *message = NULL;
    InputMemory bytes;
    int r = input_check(start, rest, NULL, &bytes, &message, f);

    if (r < 0)
        return r;
    return sender_rules_check(
        target->senders, geteuid(), target->owner, message_envelope(message)->sender, f);
}

int queue_message(
    const QueueTarget *target, const Buffer *start, InputRest *rest, char **ret_path, Failure *f)
{
    _cleanup_(spool_writer_free_p) SpoolWriter *writer = NULL;
    int r = spool_writer_new(target->directory, &writer, f);

    if (r >= 0)
        r = queue_write(writer, start, rest, f);
    return r < 0 ? r : spool_writer_commit(TAKE_PTR(writer), ret_path, f);
}

static int queue_one(
    const Command *command, const ToolInput *input, const char *directory, char **recipients)
{
    bool print = directory && strcmp(directory, "*") == 0;
    _cleanup_queue_target_ QueueTarget target = {0};
    _cleanup_buffer_ Buffer start = {0};
    _cleanup_failure_ Failure f = {0};
    _cleanup_input_rest_ InputRest rest = INPUT_REST_NONE;
    _cleanup_free_
    char *path = NULL;
    int r, status;

    status = print ? 0 : queue_target_open(input->tool, directory, &target);
    if (status == 0)
        status = input_open(input, command, recipients, &start, &rest);
    if (status != 0)
        return status;
    if (queue_check(&target, &start, &rest, &f) < 0)
        return input_fail(input, &f);
    r = print ? copy(to_stdout, NULL, &start, &rest, &f)
              : queue_message(&target, &start, &rest, &path, &f);
    if (r < 0)
        return print && ferror(stdout) ? EX_OK : tool_fail(&f); /* tool_finish_output() says it */
    if (path)
        puts(path);
    return EX_OK;
}

static int queue_files(
    const Command *command, const ToolInput *input, const char *directory, char **files)
{
    _cleanup_queue_target_ QueueTarget target = {0};
    int status;

    if (input->has_parts || input->raw)
        return tool_usage(command, "a batch takes whole messages: of the composing options only "
                                   "--from, --return-path, --to, --cc, --bcc and --recipient go "
                                   "with it");
    if (!*files)
        return tool_usage(command, "the batch has no file");
    status = queue_target_open(input->tool, directory, &target);
    return status != 0 ? status : queue_batch(input, &target, files);
}

int run_queue(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(input_done) ToolInput input = {.tool = tool};
    const char *directory = NULL;
    bool batch = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'b': batch = true; break;
        case 'h': return tool_help(command);
        default:
            status = input_option(&input, command, c, optarg);
            if (status != 0)
                return status;
        }
    if (batch)
        return queue_files(command, &input, directory, argv + optind);
    return queue_one(command, &input, directory, argv + optind);
}
