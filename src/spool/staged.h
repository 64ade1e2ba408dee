/* Copies of pickup files in the queue directory that are not queued yet. Private to the spool. */
#pragma once

#include "spool/internal.h"

#define STAGED_PREFIX ".pickup-"
#define STAGED_NAME_MAX 80

/* The beginning of the names of a directory's copies. */
void staged_prefix(const char *directory, char ret[static STAGED_NAME_MAX]);

/* The name of the copy of that file of `directory`; one that no other file ever has. `ret` may be
 * found again by it, where the file system tells its files apart. */
void staged_name(const char *directory, const FileIdentity *file, char ret[static STAGED_NAME_MAX]);

/* The inode that a name stands for; 0: no inode is known, or it is no such name. */
uint64_t staged_inode(const char *name);

/* Names of a directory; {0} is an empty list. */
typedef struct NameList {
    char **names;
    size_t n;
} NameList;

int name_list_add(NameList *list, const char *name);
void name_list_done(NameList *list);

/* Adds the queue's copies whose names begin so. 0 or a negative errno. */
int staged_list(const Spool *queue, const char *prefix, NameList *ret);

/* Gives a copy its name in the queue, whose id `ret` is; the directory is not synced. 0 or a
 * negative errno. */
int staged_queue(const Spool *queue, const char *name, char ret[static SPOOL_NAME_MAX]);
