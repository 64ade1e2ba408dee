/* Whose lock it is: anybody who may open a file or directory for reading may lock it with flock(2),
 * and so pose as a process that delivers. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Whether all those who have the open file locked, exclusively or shared, are known, and none of
 * them is `owner` or root, by their effective user. False where nobody is known to: the kernel
 * tells of processes that can be seen from here alone, not of those outside of a container. */
bool holder_is_strange(int fd, bool exclusive, uid_t owner);

/* One of `owner` or root who has the open file locked so: its number; 0 where none can be seen. */
long holder_find(int fd, bool exclusive, uid_t owner);
