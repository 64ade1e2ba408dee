/* Names of copies. Must never give two files the same. */
#include "spool/staged.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"

/* The same in every process. */
static uint64_t hash(const void *data, size_t n)
{
    const HashKey key = {{0x6f7574626f782d70u, 0x69636b75702d6b65u}};

    return hash_bytes(&key, data, n);
}

void staged_prefix(const char *directory, char ret[static STAGED_NAME_MAX])
{
    (void)snprintf(
        ret, STAGED_NAME_MAX, STAGED_PREFIX "%016" PRIx64 "-", hash(directory, strlen(directory)));
}

void staged_name(const char *directory, const FileIdentity *file, char ret[static STAGED_NAME_MAX])
{
    char text[FILE_IDENTITY_HANDLE_MAX + 32];
    size_t n;

    if (file->inode > 0 && (file->handle[0] || file->birth > 0))
        (void)snprintf(text, sizeof(text), "%s/%" PRIu64, file->handle, file->birth);
    else
        file_random_name(text, 16);
    staged_prefix(directory, ret);
    n = strlen(ret);
    (void)snprintf(ret + n, STAGED_NAME_MAX - n, "%" PRIu64 "-%016" PRIx64, file->inode,
        hash(text, strlen(text)));
}

uint64_t staged_inode(const char *name)
{
    const char *dash = strncmp(name, STAGED_PREFIX, strlen(STAGED_PREFIX)) == 0
                           ? strchr(name + strlen(STAGED_PREFIX), '-')
                           : NULL;

    return dash ? strtoull(dash + 1, NULL, 10) : 0;
}

int name_list_add(NameList *list, const char *name)
{
    char **names = reallocarray(list->names, list->n + 1, sizeof(*names));

    if (!names)
        return -ENOMEM;
    list->names = names;
    names[list->n] = strdup(name);
    return names[list->n] ? (int)(list->n++, 0) : -ENOMEM;
}

void name_list_done(NameList *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->names[i]);
    free(list->names);
    *list = (NameList){0};
}

int staged_list(const Spool *queue, const char *prefix, NameList *ret)
{
    DIR *stream;
    const struct dirent *entry;
    int r = file_open_entries(queue->fd, &stream);

    if (r < 0)
        return r;
    while (r == 0 && (errno = 0, entry = readdir(stream)))
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            r = name_list_add(ret, entry->d_name);
    if (r == 0)
        r = -errno;
    (void)closedir(stream);
    return r;
}

int staged_queue(const Spool *queue, const char *name, char ret[static SPOOL_NAME_MAX])
{
    int r = spool_name_anew(queue->fd, name, ret);

    if (r == 0)
        ret[strlen(ret) - strlen(spool_state_name(SPOOL_QUEUED)) - 1] = '\0';
    return r;
}
