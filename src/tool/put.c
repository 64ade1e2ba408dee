/* Where a message is put. */
#include "tool/put.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "database/put.h"
#include "settings/load.h"
#include "submit/send.h"
#include "tool/input.h"
#include "tool/terminal.h"

static void tell_silence(void *socket)
{
    fputs("outbox: outboxd has not answered at ", stderr);
    (void)terminal_print(stderr, socket, PATH_MAX);
    fprintf(stderr,
        " for %d s; it is waited for up to %d minutes, and nothing is queued when this "
        "is interrupted\n",
        SUBMIT_NOTICE_MSEC / 1000, SUBMIT_PATIENCE_MSEC / 60 / 1000);
}

/* The directory that is asked for is one, whatever is configured. */
static int find_database(const Tool *tool, QueueTarget *ret)
{
    _cleanup_failure_ Failure f = {0};

    return config_load_database(tool->config_path, tool->overrides, &ret->database, &f) < 0
               ? tool_fail(&f)
               : 0;
}

int queue_target_open(const Tool *tool, const char *directory, QueueTarget *ret)
{
    int status = tool_directory(tool, directory, &ret->directory, &ret->senders, &ret->socket);

    ret->on_silence = tell_silence;
    if (status == 0 && !directory)
        status = find_database(tool, ret);
    if (status == 0)
        queue_target_look(ret);
    return status;
}

static int put_database(const QueueTarget *target, const Buffer *start, QueueRead read,
    void *source, char **ret_id, Failure *f)
{
    _cleanup_(database_close_p) Database *database = NULL;
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure why = {0};
    InputMemory bytes;
    DatabaseMessage asked = {.key = target->key, .uid = getuid()};
    size_t n_block;
    int r = input_check(start, false, NULL, &bytes, &message, f); /* its header is all there */

    if (r == 0)
        r = database_open(target->database, &database, &why);
    if (r < 0 && why.text)
        return database_is_refusal(r) && target->socket
                   ? queue_submit(target, start, read, source, &why, ret_id, f)
                   : failure_set(f, r, why.number, "%s", failure_text(&why));
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
