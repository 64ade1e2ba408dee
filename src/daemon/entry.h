/* One log entry while it is being put together: "NAME=value" fields in memory that is allocated
 * once, in the form that sd_journal_sendv() takes. Values that come from outside are made printable
 * and cut to ENTRY_VALUE_MAX on the way in, so that neither a peer nor a file can forge a line. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define ENTRY_FIELDS_MAX 128
#define ENTRY_MEMORY_BYTES ((size_t)64 * 1024)
#define ENTRY_VALUE_MAX 1024 /* bytes of one value that came from outside */

typedef struct Entry {
    struct iovec fields[ENTRY_FIELDS_MAX];
    size_t n_fields;
    size_t used, field_start; /* bytes of `memory` */
    int priority;             /* LOG_ERR, LOG_INFO, ... of <syslog.h> */
    char memory[ENTRY_MEMORY_BYTES];
} Entry;

/* Forgets the old content and starts an entry with PRIORITY, MESSAGE_ID (32 hexadecimal digits) and
 * OUTBOX_EVENT. */
void entry_start(Entry *entry, int priority, const char *message_id, const char *event);

/* A field whose value is put together from pieces: entry_open("MESSAGE="), pieces, entry_close().
 * A field that does not fit any more is left out. */
void entry_open(Entry *entry, const char *name);
void entry_text(Entry *entry, const char *text);                   /* our own words, as they are */
void entry_printable(Entry *entry, const char *value, size_t max); /* from outside */
void entry_lines(Entry *entry, const char *value); /* from outside; line ends are kept;
                                                    * half the memory at most */
void entry_number(Entry *entry, uint64_t number);
void entry_close(Entry *entry);

/* A whole field; nothing for NULL and "". `name` includes the "=". */
void entry_field(Entry *entry, const char *name, const char *value);
void entry_field_number(Entry *entry, const char *name, uint64_t number);
