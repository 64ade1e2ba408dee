/* Commands of the caller's own, and QUIT. Must never let one change what the session believes of
 * the dialogue. */
#include <errno.h>

#include "base/errors.h"
#include "base/text.h"
#include "smtp/session_internal.h"

/* What is followed by more than one reply, or ends the dialogue as the session knows it. */
bool smtp_session_command_is_reserved(const char *line)
{
    static const char *const verbs[] = {"DATA", "BDAT", "STARTTLS", "AUTH", "QUIT"};

    line += strspn(line, " ");
    for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
        size_t n = strlen(verbs[i]);

        if (text_starts_nocase(line, verbs[i]) && (line[n] == '\0' || line[n] == ' '))
            return true;
    }
    return false;
}

/* It may have been a command that begins a transaction, so RSET comes before the next. */
int smtp_session_command(SmtpSession *s, const char *line, usec_t now)
{
    int r;

    s->now = now;
    if (!smtp_session_is_idle(s) || !smtp_session_can_submit(s))
        return -EBUSY;
    if (*line == '\0' || smtp_session_command_is_reserved(line))
        return -EINVAL;
    buffer_clear(&s->scratch);
    r = smtp_command_simple(&s->scratch, line, NULL);
    if (r < 0)
        return r;
    s->unclean = true;
    s->operation = now;
    return smtp_say(s, SMTP_STEP_COMMAND, NULL);
}

int smtp_send_command(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return buffer_append(&s->output, buffer_data(&s->scratch), buffer_size(&s->scratch));
}

int smtp_on_command_reply(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    int r;

    if (s->reply.code / 100 == 3)
        return smtp_end_unexpected(s);
    r = smtp_outcome_reply(
        s, smtp_reply_refused(s) ? smtp_reply_kind(s) : DELIVERY_DELIVERED, STAGE_IDLE);
    s->reply_due = r >= 0;
    return r;
}

const SmtpReply *smtp_session_last_reply(const SmtpSession *s)
{
    return &s->reply;
}

void smtp_session_quit(SmtpSession *s, usec_t now)
{
    s->now = now;
    s->quit_wanted = true;
}

int smtp_send_quit(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    s->quitting = true;
    s->operation = s->now;
    return smtp_command_simple(&s->output, "QUIT", NULL);
}

int smtp_on_quit_reply(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return smtp_end_reply(s, STAGE_QUIT, ERROR_NONE);
}
