/* Notices of failed messages. Must never be about a message from the null reverse-path, nor about a
 * recipient whose sender did not want it, nor more of them than the settings allow. */
#include "queue/notices.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "message/dsn.h"

/* Of a list of thousands, these are named; the record has all. */
#define NAMED_MAX 1000

void notices_configure(Notices *n, const Config *config)
{
    Config *former = n->config;

    n->config = config_ref((Config *)config);
    (void)config_unref(former);
}

void notices_done(Notices *n)
{
    n->config = config_unref(n->config);
}

/* ---- what was said of each recipient ---- */

typedef struct Fate {
    bool delivered;
    DsnRecipient said; /* its texts are the Fate's, but for the envelope's */
    char *text;
} Fate;

typedef struct Fates {
    const Config *config;
    const Envelope *envelope;
    Fate *list; /* as the envelope has its recipients */
} Fates;

static void fates_done(Fates *fates)
{
    for (size_t i = 0; fates->list && i < fates->envelope->n_recipients; i++)
        free(fates->list[i].text);
    free(fates->list);
}

/* The name that the relay has in the world; a socket of this machine has none. */
static const char *find_host(const Config *config, const char *relay)
{
    const RelayConfig *found = config_find_relay(config, relay);

    return found && !strchr(found->host, '/') ? found->host : NULL;
}

/* NULL: of whom an operator has taken out of the message. 0 or -ENOMEM. */
static int find_fate(const Fates *fates, const char *address, Fate **ret)
{
    _cleanup_free_
    char *mailbox = NULL;
    int r = address_to_ascii_domain(address, &mailbox);
    size_t i = r < 0 ? SIZE_MAX : envelope_find(fates->envelope, mailbox ?: address);

    *ret = i < fates->envelope->n_recipients ? &fates->list[i] : NULL;
    return r;
}

/* A new life: those who failed in a former one have been told of. */
static void forget(Fates *fates)
{
    for (size_t i = 0; i < fates->envelope->n_recipients; i++) {
        Fate *fate = &fates->list[i];

        free(fate->text);
        *fate = (Fate){.delivered = fate->delivered};
    }
}

static int note(void *user, const SpoolVerdict *verdict)
{
    Fates *fates = user;
    Fate *fate;
    size_t n;
    int r;

    if (!verdict) {
        forget(fates);
        return 0;
    }
    r = find_fate(fates, verdict->recipient, &fate);
    if (r < 0 || !fate)
        return r;
    fate->delivered = fate->delivered || verdict->delivered;
    free(fate->text);
    n = strlen(verdict->enhanced) + 1;
    fate->text = malloc(n + strlen(verdict->text) + 1);
    if (!fate->text)
        return -ENOMEM;
    memcpy(fate->text, verdict->enhanced, n);
    strcpy(fate->text + n, verdict->text);
    fate->said = (DsnRecipient){
        .refused = verdict->refused,
        .code = verdict->code,
        .enhanced = fate->text,
        .text = fate->text + n,
        .host = find_host(fates->config, verdict->relay),
        .last_attempt = verdict->time,
    };
    return 0;
}

/* Those who are to be told of, at most so many; `ret_more` beyond them. How many. */
static size_t select_recipients(
    const Fates *fates, const MessageEnd *end, DsnRecipient *ret, size_t max, size_t *ret_more)
{
    bool delayed = end->kind == END_DEFERRED;
    size_t n = 0;

    *ret_more = 0;
    for (size_t i = 0; i < fates->envelope->n_recipients; i++) {
        const EnvelopeRecipient *recipient = &fates->envelope->recipients[i];
        const Fate *fate = &fates->list[i];

        if (fate->delivered || (delayed && (fate->said.refused || !fate->text)) ||
            !envelope_wants_notice(recipient, delayed ? "DELAY" : "FAILURE", true))
            continue;
        if (n == max) {
            ++*ret_more;
            continue;
        }
        ret[n] = fate->said;
        if (!fate->text) { /* nothing was said of it alone */
            ret[n].enhanced = "";
            ret[n].text = end->text ?: "";
        }
        ret[n].address = recipient->address;
        ret[n++].parameters = recipient->parameters;
    }
    return n;
}

/* ---- whom to tell, and how often ---- */

/* NULL: nobody. Notices come from the null reverse-path themselves, and nobody hears of them. */
static const char *addressee(const Config *config, const Envelope *envelope)
{
    const char *to = config->bounce.to;

    if (strcmp(to, BOUNCE_NONE) == 0 || !envelope->sender || *envelope->sender == '\0')
        return NULL;
    to = strcmp(to, BOUNCE_SENDER) == 0 ? envelope->sender : to;
    return strchr(to, '@') ? to : NULL;
}

static NoticeKind kind_of(const MessageEnd *end)
{
    return end->kind == END_FAILED ? NOTICE_FAILED : NOTICE_DELAYED;
}

/* Where not, with a Failure. Of a delay another attempt tells, in a later hour. */
static bool may_tell(Notices *n, uid_t user, const char *to, const MessageEnd *end, Failure *f)
{
    static const char *const what[] = {
        [NOTICE_FAILED] = "is not told that it failed",
        [NOTICE_DELAYED] = "is not told yet that it is delayed",
    };
    unsigned most = n->config->bounce.per_hour, left_out;

    if (notice_quota_allows(&n->quota, user, kind_of(end), most, end->now, &left_out))
        return true;
    (void)failure_set(f, -EAGAIN, ERROR_REFUSED,
        "%s %s: such reports are limited to %u an hour for one user's messages and %u for all "
        "(bounce.per_hour); left out for user %u within the hour: %u",
        to, what[kind_of(end)], most, most * NOTICE_QUOTA_OF_ALL, user, left_out);
    return false;
}

bool notices_warn(const Notices *n, usec_t arrival, bool warned, usec_t now)
{
    usec_t after = n->config ? n->config->bounce.delay_warning : 0;

    return after > 0 && !warned && clock_age(arrival, now) >= after;
}

/* ---- making it ---- */

/* Until when a message is tried; 0: nobody can tell. */
static usec_t end_of_tries(const Config *config, usec_t first_attempt, const MessageEnd *end)
{
    usec_t most = config->retry.give_up_after;

    return most == 0 || end->kind == END_FAILED ? 0 : usec_add(first_attempt ?: end->now, most);
}

static const Envelope *envelope_of(const NoticeSubject *subject)
{
    return subject->message ? message_envelope(subject->message) : subject->envelope;
}

static int write_notice(const Notices *n, const NoticeSubject *subject, Dsn *dsn,
    const MessageEnd *end, Buffer *out, Failure *f)
{
    int r;

    dsn->id = subject->id;
    dsn->sender_parameters = envelope_of(subject)->sender_parameters;
    dsn->arrival = subject->arrival;
    dsn->reason = end->error == ERROR_EXPIRED ? end->text : NULL; /* else each one's says it */
    dsn->to_sender = strcmp(n->config->bounce.to, BOUNCE_SENDER) == 0;
    dsn->hint = end->hint;
    dsn->original = subject->message ? message_input(subject->message) : subject->content;
    dsn->original_size_max = n->config->bounce.original_size;
    r = dsn_format(dsn, out);
    return r < 0 ? failure_set_errno(f, r, "%s: cannot write the notice that it failed", dsn->id)
                 : 1;
}

/* As notices_format(). */
static int format(Notices *n, const NoticeSubject *subject, const char *to, const MessageEnd *end,
    Buffer *out, Failure *f)
{
    const Envelope *envelope = envelope_of(subject);
    size_t room = MIN(envelope->n_recipients, (size_t)NAMED_MAX);
    _cleanup_free_
    DsnRecipient *failed = calloc(room, sizeof(*failed));
    _cleanup_(fates_done) Fates fates = {.config = n->config,
        .envelope = envelope,
        .list = calloc(envelope->n_recipients, sizeof(Fate))};
    Dsn dsn = {.action = end->kind == END_FAILED ? DSN_FAILED : DSN_DELAYED,
        .to = to,
        .until = end_of_tries(n->config, subject->first_attempt, end),
        .recipients = failed};
    int r;

    if (!failed || !fates.list)
        return failure_set_errno(f, -ENOMEM, "%s", subject->id);
    r = subject->verdicts(subject->record, note, &fates, f);
    if (r < 0)
        return r;
    dsn.n_recipients = select_recipients(&fates, end, failed, room, &dsn.n_more);
    if (dsn.n_recipients == 0 || !may_tell(n, subject->owner, to, end, f))
        return 0;
    return write_notice(n, subject, &dsn, end, out, f);
}

int notices_format(Notices *n, const NoticeSubject *subject, const MessageEnd *end, Buffer *out,
    char **ret_to, Failure *f)
{
    const Envelope *envelope = envelope_of(subject);
    const char *to = envelope && n->config ? addressee(n->config, envelope) : NULL;
    int r;

    if (!to)
        return 0;
    *ret_to = strdup(to);
    if (!*ret_to)
        return failure_set_errno(f, -ENOMEM, "%s", subject->id);
    r = format(n, subject, to, end, out, f);
    if (r <= 0)
        free(TAKE_PTR(*ret_to));
    return r;
}

void notices_made(Notices *n, const NoticeSubject *subject, const MessageEnd *end)
{
    notice_quota_note(&n->quota, subject->owner, kind_of(end));
}

int notices_give_up(int error)
{
    return error_is_common(error) ? error : 0;
}
