/* The rule for files with secrets. Must never open one. */
#include "settings/privacy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"

#define ALL_GROUPS ((gid_t)-1)

QueueOwner privacy_queue_owner(const char *directory)
{
    QueueOwner owner = {.user = geteuid()};
    struct stat st;

    if (!directory || stat(directory, &st) < 0)
        return owner;
    owner.user = st.st_uid;
    if (st.st_mode & S_IWOTH)
        owner.group = ALL_GROUPS;
    else if (st.st_mode & S_IWGRP)
        owner.group = st.st_gid;
    return owner;
}

/* Members of root's group may do no more than others may. */
static bool group_may_read(const struct stat *st, const QueueOwner *queue)
{
    return (st->st_mode & S_IRGRP) && st->st_gid != 0 &&
           (queue->group == ALL_GROUPS || queue->group == st->st_gid);
}

bool privacy_is_readable_by_writers(const struct stat *st, const QueueOwner *queue)
{
    return queue->group == 0 || (st->st_mode & S_IROTH) ||
           (queue->group != ALL_GROUPS && group_may_read(st, queue));
}

int privacy_check(const struct stat *st, const char *path, const QueueOwner *queue, char **ret)
{
    _cleanup_free_
    char *who = NULL, *owner = NULL;

    if (st->st_mode & S_IROTH)
        who = strdup("everyone");
    else if (!group_may_read(st, queue))
        return 0;
    else if (asprintf(&who, "group %u, whose members may queue,", st->st_gid) < 0)
        who = NULL;
    /* A mode that shuts the others out is not to shut the daemon out as well. */
    if (st->st_uid == queue->user)
        owner = strdup("");
    else if (asprintf(&owner, "chown %u:0 %s && ", queue->user, path) < 0)
        owner = NULL;
    if (!who || !owner ||
        asprintf(
            ret, "%s can read the secret in %s; run `%schmod 600 %s`", who, path, owner, path) < 0)
        return -ENOMEM;
    return 1;
}
