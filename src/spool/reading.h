/* Marks of messages that are being read: `.reading/ID`, a byte for each time. A mark that is there
 * while nobody reads its message tells that a process died of it, or was killed at that moment.
 *
 * They are a help, not a part of the queue: one that cannot be made, or is lost, costs nothing but
 * the knowledge. They survive the process, and are not made durable. Only a directory of the
 * queue's owner, this process' user or root is used: in a drop box anybody can make one. */
#pragma once

#include "base/clock.h"
#include "spool/spool.h"

typedef struct ReadingMarks {
    const Spool *spool; /* borrowed */
    int fd;             /* of `.reading`; -1 while it is not open */
} ReadingMarks;

void reading_marks_init(ReadingMarks *marks, const Spool *spool);
void reading_marks_done(ReadingMarks *marks);

/* Forgets the marks of messages that are gone. Whether there are others; without any the directory
 * of marks is removed. */
bool reading_marks_any(ReadingMarks *marks);

/* How often that message was being read when its process died, and when last (realtime); 0: never.
 */
unsigned reading_marks_look(const ReadingMarks *marks, const char *id, usec_t *ret_last);

/* This process, which holds its claim, begins or has ended reading it. */
void reading_marks_set(ReadingMarks *marks, const char *id);
void reading_marks_clear(const ReadingMarks *marks, const char *id);
