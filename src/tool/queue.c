/* outbox queue: writes a message into the queue directory, durably, and prints where. */
#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "message/message.h"
#include "spool/enqueue.h"
#include "tool/input.h"

/* Copies start and rest to a sink: the queue's writer, or standard output. */
typedef int (*Sink)(void *user, const void *data, size_t n, Failure *f);

static int to_writer(void *user, const void *data, size_t n, Failure *f)
{
    return spool_writer_write(user, data, n, f);
}

static int to_stdout(void *user _unused_, const void *data, size_t n, Failure *f)
{
    return fwrite(data, 1, n, stdout) == n
               ? 0
               : failure_set_errno(f, -errno, "cannot write to standard output");
}

static int copy(const Buffer *start, FILE *rest, Sink sink, void *user)
{
    _cleanup_failure_ Failure f = {0};
    char data[65536];
    size_t n;

    if (sink(user, buffer_data(start), buffer_size(start), &f) < 0)
        return tool_fail(&f);
    while (rest && (n = fread(data, 1, sizeof(data), rest)) > 0)
        if (sink(user, data, n, &f) < 0)
            return tool_fail(&f);
    if (rest && ferror(rest))
        return tool_fail_number(ERROR_FILE, "cannot read the message: %s", strerror(errno));
    return 0;
}

/* Queues one message; its path is printed. */
static int queue_one(const char *directory, const Buffer *start, FILE *rest, bool sync_directory)
{
    _cleanup_(spool_writer_free_p) SpoolWriter *writer = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *path = NULL;
    int status;

    if (spool_writer_new(directory, &writer, &f) < 0)
        return tool_fail(&f);
    status = copy(start, rest, to_writer, writer);
    if (status != 0)
        return status;
    if (spool_writer_commit(TAKE_PTR(writer), sync_directory, &path, &f) < 0)
        return tool_fail(&f);
    puts(path);
    return 0;
}

static void close_rest(FILE **rest)
{
    if (*rest && *rest != stdin)
        fclose(*rest);
}

static int run(
    const Tool *tool, const Command *command, Input *input, const char *directory, char **arguments)
{
    _cleanup_buffer_ Buffer start = {0};
    _cleanup_(close_rest) FILE *rest = NULL;
    _cleanup_free_
    char *path = NULL;
    int status;

    status = input_open(input, command, arguments, &start, &rest);
    if (status != 0)
        return status;
    if (directory && strcmp(directory, "*") == 0)
        return copy(&start, rest, to_stdout, NULL);
    status = tool_directory(tool, directory, &path);
    return status != 0 ? status : queue_one(path, &start, rest, true);
}

/* Many whole messages, one a file: the directory is made durable once, at the end. */
static int run_batch(const Tool *tool, const Command *command, const char *directory, char **files)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *path = NULL;
    int status = tool_directory(tool, directory, &path), worst = 0;

    if (status != 0)
        return status;
    for (; *files; files++) {
        _cleanup_(input_free_p) Input *input = NULL;
        _cleanup_buffer_ Buffer start = {0};
        _cleanup_(close_rest) FILE *rest = NULL;
        char *none[] = {NULL};

        if (input_new(1, &input) < 0)
            return tool_fail_number(ERROR_MEMORY, "no memory is left");
        status = input_option(input, command, INPUT_RAW, *files);
        if (status == 0)
            status = input_open(input, command, none, &start, &rest);
        if (status == 0)
            status = queue_one(path, &start, rest, false);
        if (status != 0) {
            fprintf(stderr, "outbox: %s was not queued\n", *files);
            worst = status;
        }
    }
    return spool_sync_directory(path, &f) < 0 ? tool_fail(&f) : worst;
}

static int run_queue(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const struct option options[] = {{"directory", required_argument, NULL, 'd'},
        {"batch", no_argument, NULL, 'b'}, INPUT_OPTIONS, TOOL_OPTION_HELP, {0}};
    _cleanup_(input_free_p) Input *input = NULL;
    const char *directory = NULL;
    bool batch = false;
    int c, status;

    if (input_new(argc, &input) < 0)
        return tool_fail_number(ERROR_MEMORY, "no memory is left");
    while ((c = tool_getopt(command, argc, argv, ":d:bh", options)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'b': batch = true; break;
        case 'h': return tool_help(command);
        default:
            status = input_option(input, command, c, optarg);
            if (status != 0)
                return status;
        }
    if (batch)
        return run_batch(tool, command, directory, argv + optind);
    return run(tool, command, input, directory, argv + optind);
}

const Command command_queue = {
    .name = "queue",
    .synopsis = "[OPTION...] [RECIPIENT...]",
    .summary = "Put a message into the queue and print its path",
    .help =
        "  -d, --directory DIR  this queue directory, not the configured one; '*': print the "
        "file's content instead\n"
        "  -b, --batch          the arguments are files, each a whole message; much faster than "
        "one by one. None is\n"
        "                       certain to survive a power failure until the command has ended\n"
        "  -h, --help           print this\n\n" INPUT_HELP
        "\nThe message is safe on the disk when its path is printed. Recipients given as arguments "
        "replace those of a\n"
        "whole message.\n",
    .run = run_queue,
};
