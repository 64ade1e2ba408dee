/* Queueing many messages: they are written one after the other, and wait for the disk in groups.
 * Must never print the path of a message that is not safe yet. */
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool/put.h"
#include "tool/queue.h"

/* Of messages that wait together. Each holds a descriptor; some are needed for other things. */
#define GROUP_MAX 512
#define OTHER_DESCRIPTORS 16

typedef struct Group {
    const QueueTarget *target;
    SpoolWriter *writers[GROUP_MAX];
    const char *files[GROUP_MAX];
    size_t n, max;
    int status; /* of the last message that was not queued */
} Group;

static void refuse(Group *group, const char *file, const Failure *f)
{
    group->status = tool_fail_about(file, f);
}

static void commit(Group *group)
{
    Failure failures[GROUP_MAX] = {0};
    char *paths[GROUP_MAX];

    (void)spool_writer_commit_all(group->writers, group->n, paths, failures);
    for (size_t i = 0; i < group->n; i++) {
        if (paths[i])
            puts(paths[i]);
        else
            refuse(group, group->files[i], &failures[i]);
        free(paths[i]);
        failure_done(&failures[i]);
    }
    group->n = 0;
    (void)fflush(stdout);
}

static int start_writer(Group *group, SpoolWriter **ret, Failure *f)
{
    return group->n > 0 ? spool_writer_new_beside(group->writers[0], ret, f)
                        : spool_writer_new(group->target->directory, ret, f);
}

/* One by one: each answer is waited for. */
static int submit(
    const Group *group, const Buffer *start, InputRest *rest, const Failure *why, Failure *f)
{
    _cleanup_free_
    char *path = NULL;
    int r = queue_submit(group->target, start, input_rest_read, rest, why, &path, f);

    if (r >= 0)
        puts(path);
    (void)fflush(stdout);
    return r;
}

static int put(const Group *group, const Buffer *start, InputRest *rest, Failure *f)
{
    _cleanup_free_
    char *id = NULL;
    int r = put_message(group->target, start, input_rest_read, rest, &id, f);

    if (r >= 0)
        puts(id);
    (void)fflush(stdout);
    return r;
}

static int add(Group *group, const char *file, const Buffer *start, InputRest *rest, Failure *f)
{
    _cleanup_(spool_writer_free_p) SpoolWriter *writer = NULL;
    _cleanup_failure_ Failure why = {0};
    int r;

    if (group->target->database)
        return put(group, start, rest, f);
    r = start_writer(group, &writer, &why);
    if (r < 0 && queue_has_socket(group->target, r))
        return submit(group, start, rest, &why, f);
    if (r < 0)
        return failure_set(f, r, why.number, "%s", failure_text(&why));
    if (r >= 0)
        r = queue_copy(start, input_rest_read, rest, queue_write_file, writer, f);
    if (r >= 0)
        r = spool_writer_finish(writer, f);
    if (r < 0)
        return r;
    group->files[group->n] = file;
    group->writers[group->n++] = TAKE_PTR(writer);
    if (group->n == group->max)
        commit(group);
    return 0;
}

static size_t group_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= OTHER_DESCRIPTORS)
        return 1;
    return MIN((size_t)(limit.rlim_cur - OTHER_DESCRIPTORS), (size_t)GROUP_MAX);
}

int queue_batch(const ToolInput *input, const QueueTarget *target, char **files)
{
    Group group = {.target = target, .max = group_max()};
    char *none[] = {NULL};

    for (; *files; files++) {
        _cleanup_buffer_ Buffer start = {0};
        _cleanup_failure_ Failure f = {0};
        _cleanup_input_rest_ InputRest rest = INPUT_REST_NONE;
        int r = input_open_file(input, *files, none, &start, &rest, &f);

        if (r >= 0)
            r = queue_check(target, &start, input_rest_any(&rest), &f);
        if (r >= 0)
            r = add(&group, *files, &start, &rest, &f);
        if (r < 0)
            refuse(&group, *files, &f);
    }
    commit(&group);
    return group.status;
}
