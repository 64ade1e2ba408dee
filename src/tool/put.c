/* Where the command line and the configuration say that messages are put. */
#include "tool/put.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

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
