/* Entries to the journal, with all their fields. Must never format anything: the fields go out as
 * they are. */
#define SD_JOURNAL_SUPPRESS_LOCATION /* source locations say nothing to an operator */
#include <systemd/sd-journal.h>

#include "base/macros.h"
#include "daemon/log.h"

/* An entry is far below the size of a socket buffer, and libsystemd passes on in a memory file what
 * a full buffer does not take; so what is left as an error is worth another target. */
int log_journal_write(_unused_ void *user, const Entry *entry)
{
    static const char identifier[] = "SYSLOG_IDENTIFIER=outboxd";
    struct iovec fields[ENTRY_FIELDS_MAX + 1];

    memcpy(fields, entry->fields, entry->n_fields * sizeof(fields[0]));
    fields[entry->n_fields] =
        (struct iovec){.iov_base = (char *)identifier, .iov_len = sizeof(identifier) - 1};
    return sd_journal_sendv(fields, (int)entry->n_fields + 1);
}
