/* outbox retry, hold, release, delete: changes of state that an operator asks for. Each is also a
 * plain mv or rm. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "tool/command.h"

typedef int (*Change)(Spool *spool, const char *id, Failure *f);

/* Whether --all means messages in this state. */
typedef bool (*Applies)(SpoolState state);

/* Goes on after a message that could not be changed; the status is that of the last such. */
static int change_named(Spool *spool, Change change, char **ids)
{
    int status = EX_OK;

    for (; *ids; ids++) {
        _cleanup_failure_ Failure f = {0};
        char id[SPOOL_NAME_MAX];
        int r, refused = tool_find_id(spool, *ids, id);

        if (refused != 0) {
            status = refused;
            continue;
        }
        r = change(spool, id, &f);
        if (r == -ENOENT) /* the queue is well, the name is not */
            f.number = ERROR_FILE;
        if (r < 0)
            status = tool_fail(&f);
    }
    return status;
}

static int change_all(Spool *spool, Change change, Applies applies)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    _cleanup_failure_ Failure f = {0};
    int r, status = EX_OK;
    SpoolEntry entry;

    if (spool_scan_new(spool, &scan, &f) < 0)
        return tool_fail(&f);
    while ((r = spool_scan_next(scan, &entry)) > 0) {
        _cleanup_failure_ Failure one = {0};
        char id[SPOOL_NAME_MAX];

        if (!applies(entry.state))
            continue;
        snprintf(id, sizeof(id), "%s", entry.id);
        r = change(spool, id, &one);
        if (r < 0 && r != -ENOENT) /* gone meanwhile: the daemon was quicker */
            status = tool_fail(&one);
    }
    if (r < 0)
        return tool_fail_queue(spool, r);
    return status;
}

static int run_change(
    const Tool *tool, const Command *command, int argc, char **argv, Change change, Applies applies)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    const char *directory = NULL;
    bool all = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'a': all = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    if (all == (optind < argc))
        return tool_usage(
            command, all ? "--all and ids exclude each other" : "an id is missing, or --all");
    status = tool_open_spool(tool, directory, &spool);
    if (status != 0)
        return status;
    return all ? change_all(spool, change, applies) : change_named(spool, change, argv + optind);
}

static bool can_retry(SpoolState state)
{
    return state == SPOOL_DEFERRED || state == SPOOL_FAILED;
}

int run_retry(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_change(tool, command, argc, argv, spool_retry, can_retry);
}

static bool can_hold(SpoolState state)
{
    return state == SPOOL_QUEUED || state == SPOOL_DEFERRED;
}

int run_hold(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_change(tool, command, argc, argv, spool_hold, can_hold);
}

static bool can_release(SpoolState state)
{
    return state == SPOOL_HELD;
}

int run_release(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_change(tool, command, argc, argv, spool_unhold, can_release);
}

static bool can_adopt(_unused_ SpoolState state)
{
    return true;
}

int run_adopt(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_change(tool, command, argc, argv, spool_adopt, can_adopt);
}

static bool can_delete(SpoolState state)
{
    return state != SPOOL_SENDING;
}

int run_delete(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_change(tool, command, argc, argv, spool_delete, can_delete);
}
