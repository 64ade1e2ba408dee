/* Choosing the target of the log and handing entries to it. Must never lose an entry without saying
 * so, and never wait for a reader that has stopped reading. */
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
#include "daemon/log_outlet.h"
#include "daemon/messages.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct Log {
    LogSink sink, fallback;
    void *user;                 /* of the sinks: this log, when they are the targets here */
    LogOutlet *journal, *lines; /* either may be NULL */
    void (*behind)(void *user);
    void *behind_user;
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
    Log *log = calloc(1, sizeof(*log));

    if (!log)
        return -ENOMEM;
    log->sink = sink;
    log->fallback = fallback;
    log->user = user;
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

static int write_journal(void *user, const Entry *entry)
{
    Log *log = user;

    return log_outlet_write(log->journal, entry);
}

static int write_stderr(void *user, const Entry *entry)
{
    Log *log = user;

    return log_outlet_write(log->lines, entry);
}

/* What journald does not take goes to standard error, unless journald is who reads that. */
static int open_targets(Log *log, bool journal)
{
    int r = 0;

    if (journal) {
        r = log_journal_new(JOURNAL_SOCKET, true, &log->journal);
        log->sink = log->fallback = write_journal;
    }
    if (r >= 0 && !(journal && stderr_is_journal())) {
        r = log_stderr_new(!journal, &log->lines);
        log->fallback = write_stderr;
        log->sink = journal ? write_journal : write_stderr;
    }
    return r;
}

int log_new(LogTarget target, Log **ret, Failure *f)
{
    _cleanup_(log_free_p) Log *log = NULL;
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
    r = log_new_sink(NULL, NULL, NULL, &log);
    if (r >= 0) {
        log->user = log;
        r = open_targets(log, journal);
    }
    if (r < 0)
        return failure_set_errno(f, r, "cannot open the log");
    *ret = TAKE_PTR(log);
    return 0;
}

void log_free(Log *log)
{
    if (!log)
        return;
    if (log->journal)
        (void)log_outlet_finish(log->journal);
    if (log->lines)
        (void)log_outlet_finish(log->lines);
    log_outlet_free(log->journal);
    log_outlet_free(log->lines);
    free(log);
}

Entry *log_entry(Log *log)
{
    return &log->entry;
}

static int write_entry(Log *log, const Entry *entry)
{
    int r = log->sink(log->user, entry);

    return r < 0 && log->fallback != log->sink ? log->fallback(log->user, entry) : r;
}

/* In front of the entry that is written next. */
static void tell_lost(Log *log)
{
    Entry entry;

    entry_start(&entry, LOG_ERR, MESSAGE_ID_PROBLEM, "problem");
    entry_open(&entry, "MESSAGE=");
    entry_number(&entry, log->lost);
    entry_text(&entry, " log entries before this could not be written");
    entry_close(&entry);
    if (write_entry(log, &entry) >= 0)
        log->lost = 0;
}

/* What is left to be written: bytes, and one for an entry that says what was lost. */
static size_t left(const Log *log)
{
    size_t n = log->lost > 0;

    if (log->journal)
        n += log_outlet_left(log->journal);
    if (log->lines)
        n += log_outlet_left(log->lines);
    return n;
}

void log_write(Log *log)
{
    if (log->lost > 0)
        tell_lost(log);
    if (log->lost > 0 || write_entry(log, &log->entry) < 0)
        log->lost++;
    if (log->behind && left(log) > 0)
        log->behind(log->behind_user);
}

void log_on_behind(Log *log, void (*behind)(void *user), void *user)
{
    log->behind = behind;
    log->behind_user = user;
}

int log_retry(Log *log)
{
    size_t before = left(log), after;

    /* Perhaps another journald has taken the place of the one that does not read. */
    if (log->journal && log_outlet_drain(log->journal) == -EAGAIN)
        log_outlet_reconnect(log->journal);
    if (log->lines)
        (void)log_outlet_drain(log->lines);
    if (log->lost > 0)
        tell_lost(log);
    after = left(log);
    if (after == 0)
        return 0;
    return after < before ? 1 : -EAGAIN;
}
