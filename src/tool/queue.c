/* outbox queue: writes a message into the queue directory, durably, and prints where. */
#include "tool/queue.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "tool/put.h"
#include "tool/terminal.h"
#include "tool/wrap.h"

static int write_stdout(void *sink _unused_, const void *data, size_t n, Failure *f)
{
    wrap_as_is(stdout);
    return fwrite(data, 1, n, stdout) == n
               ? 0
               : failure_set(f, -EIO, ERROR_FILE, "cannot write to standard output");
}

int queue_check(const QueueTarget *target, const Buffer *start, bool more, Failure *f)
{
    _cleanup_(message_free_p) Message *message = NULL;
    InputMemory bytes;
    int r = input_check(start, more, NULL, &bytes, &message, f);

    return r < 0 ? r : queue_check_sender(target, message, f);
}

static int write_aside(void *fd, const void *data, size_t n, Failure *f)
{
    int r = *(int *)fd < 0 ? *(int *)fd : file_write_all(*(int *)fd, data, n);

    return r < 0 ? failure_set_errno(f, r,
                       "cannot keep the message in a temporary file; TMPDIR names another "
                       "directory")
                 : 0;
}

/* What is still to be read and encoded goes into a file first: nothing is printed of what turns out
 * to be no message. */
static int put_aside(InputRest *rest, Failure *f)
{
    _cleanup_close_ int fd = file_scratch();
    int r = queue_copy(&(Buffer){0}, input_rest_read, rest, write_aside, &fd, f);

    if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = failure_set_errno(f, -errno, "cannot read the message");
    if (r < 0)
        return r;
    input_rest_done(rest);
    rest->fd = TAKE_FD(fd);
    return 0;
}

static int print_message(const Buffer *start, InputRest *rest, Failure *f)
{
    int r = rest->composed ? put_aside(rest, f) : 0;

    return r < 0 ? r : queue_copy(start, input_rest_read, rest, write_stdout, NULL, f);
}

static int queue_one(const Command *command, const ToolInput *input, const char *directory,
    const char *key, char **recipients)
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
    if (status == 0 && key && !target.database)
        status = tool_usage(command, "a key is for a queue in a database (spool.database)");
    target.key = key;
    if (status == 0)
        status = input_open(input, command, recipients, &start, &rest);
    if (status != 0)
        return status;
    if (queue_check(&target, &start, input_rest_any(&rest), &f) < 0)
        return input_fail(input, &f);
    r = print ? print_message(&start, &rest, &f)
              : put_message(&target, &start, input_rest_read, &rest, &path, &f);
    if (r < 0)
        return print && ferror(stdout) ? EX_OK : tool_fail(&f); /* tool_finish_output() says it */
    if (path)
        puts(path);
    return EX_OK;
}

static int queue_files(
    const Command *command, const ToolInput *input, const char *directory, char **files)
{
    QueueLink link = {0};
    _cleanup_queue_target_ QueueTarget target = {.link = &link};
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
    const char *directory = NULL, *key = NULL;
    bool batch = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'b': batch = true; break;
        case 'k': key = optarg; break;
        default:
            status = input_option(&input, command, c, optarg);
            if (status != 0)
                return status;
        }
    if (batch && key)
        return tool_usage(command, "a key is that of one message, and a batch has many");
    if (batch)
        return queue_files(command, &input, directory, argv + optind);
    return queue_one(command, &input, directory, key, argv + optind);
}
