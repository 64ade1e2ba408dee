/* Choosing the target of the log and handing entries to it. Must never lose an entry without saying
 * so. */
#include "daemon/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "daemon/messages.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct Log {
    LogSink sink, fallback;
    void *user;
    uint64_t lost; /* entries that nothing took since the last that was written */
    Entry entry;
};

int log_target_parse(const char *name, LogTarget *ret)
{
    static const char *const names[] = {
        [LOG_TARGET_AUTO] = "auto",
        [LOG_TARGET_JOURNAL] = "journal",
        [LOG_TARGET_STDERR] = "stderr",
    };

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (text_equal(name, names[i])) {
            *ret = (LogTarget)i;
            return 0;
        }
    return -EINVAL;
}

int log_new_sink(LogSink sink, LogSink fallback, void *user, Log **ret)
{
    Log *log = malloc(sizeof(*log));

    if (!log)
        return -ENOMEM;
    log->sink = sink;
    log->fallback = fallback;
    log->user = user;
    log->lost = 0;
    *ret = log;
    return 0;
}

/* Whether standard error is the stream that systemd connected to the journal, and not something the
 * unit, or a shell below it, put in its place. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == (dev_t)device &&
           st.st_ino == (ino_t)inode;
}

int log_new(LogTarget target, Log **ret, Failure *f)
{
    bool journal = target == LOG_TARGET_JOURNAL;
    int r;

    if (journal && access(JOURNAL_SOCKET, W_OK) < 0) {
        r = -errno;
        return failure_set(f, r, ERROR_USAGE,
            "--log=journal: there is no journal to write to at " JOURNAL_SOCKET " (%s); use "
            "--log=stderr",
            strerrordesc_np(-r));
    }
    if (target == LOG_TARGET_AUTO)
        journal = stderr_is_journal();
    r = log_new_sink(journal ? log_journal_write : log_stderr_write, log_stderr_write, NULL, ret);
    return r < 0 ? failure_set_errno(f, r, "cannot open the log") : 0;
}

void log_free(Log *log)
{
    free(log);
}

Entry *log_entry(Log *log)
{
    return &log->entry;
}

static int write_entry(Log *log)
{
    int r = log->sink(log->user, &log->entry);

    return r < 0 && log->fallback != log->sink ? log->fallback(log->user, &log->entry) : r;
}

void log_write(Log *log)
{
    if (write_entry(log) < 0) {
        log->lost++;
        return;
    }
    if (log->lost == 0)
        return;
    entry_start(&log->entry, LOG_ERR, MESSAGE_ID_PROBLEM, "problem");
    entry_open(&log->entry, "MESSAGE=");
    entry_number(&log->entry, log->lost);
    entry_text(&log->entry, " log entries before this could not be written anywhere");
    entry_close(&log->entry);
    if (write_entry(log) >= 0)
        log->lost = 0;
}
