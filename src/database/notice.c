/* Notices of ends. Must never keep a message from its end for what is wrong with the notice. */
#include "database/notice.h"

#include <errno.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/errors.h"
#include "spool/record.h"

/* The columns of write(). */
enum { COLUMN_WORDS = 3, COLUMN_TOLD = 4 };

static DatabaseSource *database_of(const DatabaseMessage *m)
{
    return database_source_from(m->base.source);
}

static bool tells(const DatabaseMessage *m, const MessageEnd *end)
{
    return end->kind == END_FAILED ||
           (end->kind == END_DEFERRED &&
               notices_warn(&database_of(m)->notices, m->base.arrival, m->warned, end->now));
}

static int read_verdicts(
    const void *record, SpoolVerdictHandler handler, void *user, _unused_ Failure *f)
{
    const DatabaseMessage *m = record;

    return spool_record_verdicts_parse(
        buffer_data(&m->history), buffer_size(&m->history), handler, user);
}

static int make(DatabaseMessage *m, const MessageEnd *end, Failure *f)
{
    Notices *notices = &database_of(m)->notices;
    _cleanup_buffer_ Buffer content = {0};
    const NoticeSubject subject = {
        .id = m->id,
        .owner = m->base.owner,
        .arrival = m->base.arrival,
        .first_attempt = m->base.first_attempt,
        .message = m->opened,
        .envelope = m->opened ? NULL : &m->asked,
        .content = m->opened ? NULL : database_message_input(m),
        .verdicts = read_verdicts,
        .record = m,
    };
    int r = notices_format(notices, &subject, end, &content, &m->told, f);

    if (r > 0 && encode_base64(buffer_data(&content), buffer_size(&content), &m->notice) < 0)
        r = failure_set_errno(f, -ENOMEM, "%s", m->id);
    if (r > 0)
        notices_made(notices, &subject, end);
    else
        free(TAKE_PTR(m->told));
    return r < 0 ? notices_give_up(r) : 0;
}

int database_notice_make(DatabaseMessage *m, const MessageEnd *end, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    int r;

    if (m->noticed || !tells(m, end))
        return 0;
    r = make(m, end, &why);
    if (r < 0)
        return failure_set(f, r, why.number, "%s", failure_text(&why));
    m->noticed = true;
    if (!m->told && why.text)
        database_tell(database_of(m), FOUND_UNTOLD, m, &why);
    return 0;
}

void database_notice_written(const DatabaseMessage *m, const DatabaseResult *rows, unsigned row)
{
    const char *what = m->due > 0 ? "is delayed" : "failed";
    bool told = !database_result_is_null(rows, row, COLUMN_TOLD);
    _cleanup_failure_ Failure f = {0};

    if (!m->told)
        return;
    if (told)
        (void)failure_set(&f, 0, 0, "%s is told that it %s, by the message %lld", m->told, what,
            (long long)database_result_integer(rows, row, COLUMN_TOLD));
    else
        (void)failure_set(&f, -EINVAL, ERROR_REFUSED, "%s is not told that it %s: %s", m->told,
            what, database_result_text(rows, row, COLUMN_WORDS));
    database_tell(database_of(m), told ? FOUND_NOTICE : FOUND_UNTOLD, m, &f);
}
