/* Plays dialogue scripts against a session, each in three ways: whole; byte by byte in both
 * directions; and cut, with the connection lost behind each byte of the server. What must hold for
 * every dialogue whatever its script says is checked in all three.
 *
 * Usage: run SCRIPT...; without one, every script of $srcdir/tests/dialogue. */
#include <err.h>
#include <glob.h>
#include <stdio.h>

#include "base/text.h"
#include "script.h"

#define TRACKS_MAX 32
#define CUTS_MAX 700 /* a longer dialogue is cut at this many places, evenly */
#define NO_CUT SIZE_MAX

/* What has been told of a submitted transaction. */
typedef struct Track {
    Submission *submission;
    unsigned char seen[4096]; /* events, one a recipient */
    size_t fed;               /* bytes of content handed over */
    bool done;
} Track;

typedef struct Run {
    Script *script;
    SmtpSession *session;
    unsigned line; /* of the script, for messages */
    const char *way;
    bool bytes; /* one at a time */
    bool bdat;
    size_t cut;      /* the connection is lost behind so many bytes of the server */
    bool cut_early;  /* and what the session wrote last is lost as well */
    size_t received; /* bytes of the server */
    usec_t now;
    Buffer sent, events, trace; /* not compared yet */
    Buffer last_line;           /* of the server */
    Track *tracks;
    size_t n_tracks;
    bool stalled, lost, closed, tls_wanted;
} Run;

#define fail(run, format, ...)                                                         \
    errx(1, "%s:%u: (%s, after %zu bytes of the server) " format, (run)->script->path, \
        (run)->line, (run)->way, (run)->received __VA_OPT__(, ) __VA_ARGS__)

static void append(Buffer *b, const void *data, size_t n)
{
    if (buffer_append(b, data, n) < 0)
        errx(1, "out of memory");
}

static void on_trace(void *user, SmtpTraceDirection direction, const char *line, size_t n)
{
    Run *run = user;

    append(&run->trace, &"CSI"[direction], 1);
    append(&run->trace, ": ", 2);
    append(&run->trace, line, n);
    append(&run->trace, "\n", 1);
}

static Track *track_of(Run *run, const SmtpTransaction *transaction)
{
    for (size_t i = 0; i < run->n_tracks; i++)
        if (&run->tracks[i].submission->transaction == transaction)
            return &run->tracks[i];
    fail(run, "an event for a transaction that was never submitted");
}

static void drain(Run *run)
{
    Buffer *out = smtp_session_output(run->session);

    if (run->stalled || (run->cut_early && run->received == run->cut))
        return;
    while (buffer_size(out) > 0) {
        size_t n = run->bytes ? 1 : buffer_size(out);

        append(&run->sent, buffer_data(out), n);
        smtp_session_written(run->session, n, run->now);
    }
}

static void feed_content(Run *run, Track *track)
{
    Submission *submission = track->submission;
    bool single = run->bytes && !run->bdat;
    size_t left = submission->body_size - track->fed, n = left;

    if (submission->pieces > 0 || single)
        n = MIN(single ? 1 : submission->pieces, left);
    if (smtp_session_content(run->session, submission->body + track->fed, n) < 0)
        errx(1, "out of memory");
    track->fed += n;
    if (submission->pieces > 0 && n > 0) {
        drain(run);
        return;
    }
    if (track->fed < submission->body_size)
        return;
    if (submission->abort)
        smtp_session_content_abort(run->session, submission->abort);
    else if (smtp_session_content_end(run->session, run->now) < 0)
        errx(1, "out of memory");
}

/* What the facts of an outcome are to each other, whatever happened. */
static void check_facts(Run *run, const DeliveryOutcome *outcome)
{
    bool cut_off = outcome->kind == DELIVERY_CUT_OFF;
    bool own = outcome->kind == DELIVERY_REFUSED && outcome->stage == STAGE_MESSAGE;

    if (!outcome->text)
        fail(run, "an outcome without a text");
    if ((outcome->perhaps && !outcome->under_way) || (outcome->under_way && !cut_off))
        fail(run, "perhaps delivered, or under way, and %s", delivery_kind_name(outcome->kind));
    if (outcome->cause == CAUSE_REPLY && outcome->code == 0)
        fail(run, "a reply without a code");
    if (!cut_off && outcome->cause != (own ? CAUSE_OWN : CAUSE_REPLY))
        fail(run, "%s by no reply", delivery_kind_name(outcome->kind));
    if (outcome->kind != DELIVERY_DELIVERED && outcome->error == 0)
        fail(run, "%s without an error", delivery_kind_name(outcome->kind));
}

/* A reply to MAIL may be told only when it is known that nothing more comes. */
static bool may_be_told_late(const DeliveryOutcome *outcome)
{
    return outcome->kind == DELIVERY_CUT_OFF ||
           (outcome->kind != DELIVERY_DELIVERED && outcome->stage == STAGE_MAIL);
}

/* Nothing is delivered but by a whole 2yz reply that came just now, and nothing is judged by a
 * connection that was lost. */
static void check_outcome(Run *run, const DeliveryOutcome *outcome)
{
    const char *line = buffer_data(&run->last_line);
    size_t n = buffer_size(&run->last_line);

    check_facts(run, outcome);
    if (run->lost && !may_be_told_late(outcome))
        fail(run, "%s after the connection was lost", delivery_kind_name(outcome->kind));
    if (outcome->kind != DELIVERY_DELIVERED)
        return;
    if (outcome->stage != STAGE_CONTENT || outcome->code / 100 != 2)
        fail(run, "delivered at %s by %d", delivery_stage_name(outcome->stage), outcome->code);
    if (run->bytes && (n < 5 || line[0] != '2' || line[3] == '-' || line[n - 1] != '\n'))
        fail(run, "delivered without a whole reply: %.*s", (int)n, line);
}

static void note_outcome(Run *run, const char *what, const DeliveryOutcome *outcome)
{
    static const char *const causes[] = {
        [CAUSE_REPLY] = ",reply",
        [CAUSE_LOST] = ",lost",
        [CAUSE_TIMEOUT] = ",timeout",
        [CAUSE_PROTOCOL] = ",protocol",
        [CAUSE_OWN] = ",own",
    };
    bool cut_off = outcome->kind == DELIVERY_CUT_OFF;

    if (buffer_appendf(&run->events, "%s %s%s%s%s %s %d %s %s\n", what,
            delivery_kind_name(outcome->kind), cut_off ? causes[outcome->cause] : "",
            outcome->under_way ? ",under-way" : "", outcome->perhaps ? ",perhaps" : "",
            delivery_stage_name(outcome->stage), outcome->code,
            outcome->enhanced[0] ? outcome->enhanced : "-", outcome->text) < 0)
        errx(1, "out of memory");
}

static void on_recipient(Run *run, const SmtpEvent *event)
{
    Track *track = track_of(run, event->transaction);
    char what[64];

    if (event->recipient >= event->transaction->n_recipients)
        fail(run, "an outcome for recipient %zu", event->recipient);
    if (track->done || track->seen[event->recipient]++ > 0)
        fail(run, "a second outcome for recipient %zu", event->recipient);
    check_outcome(run, event->outcome);
    snprintf(what, sizeof(what), "RECIPIENT %zu.%zu", (size_t)(track - run->tracks) + 1,
        event->recipient);
    note_outcome(run, what, event->outcome);
}

static void on_done(Run *run, const SmtpEvent *event)
{
    Track *track = track_of(run, event->transaction);

    if (track->done)
        fail(run, "a transaction done twice");
    track->done = true;
    for (size_t i = 0; i < event->transaction->n_recipients; i++)
        if (track->seen[i] != 1)
            fail(run, "done without an outcome for recipient %zu", i);
    if (buffer_appendf(&run->events, "DONE %zu", (size_t)(track - run->tracks) + 1) < 0 ||
        (event->accepted > 0 && buffer_appendf(&run->events, " limit=%zu", event->accepted) < 0))
        errx(1, "out of memory");
    append(&run->events, "\n", 1);
}

static void on_closed(Run *run, const SmtpEvent *event)
{
    if (run->closed)
        fail(run, "closed twice");
    for (size_t i = 0; i < run->n_tracks; i++)
        if (!run->tracks[i].done)
            fail(run, "closed with transaction %zu open", i + 1);
    run->closed = true;
    note_outcome(run, "CLOSED", event->outcome);
}

static void on_event(Run *run, const SmtpEvent *event)
{
    if (run->closed)
        fail(run, "event %d after the end", (int)event->type);
    switch (event->type) {
    case SMTP_EVENT_NEED_TLS:
        run->tls_wanted = true;
        append(&run->events, "NEED_TLS\n", strlen("NEED_TLS\n"));
        break;
    case SMTP_EVENT_READY: append(&run->events, "READY\n", strlen("READY\n")); break;
    case SMTP_EVENT_NEED_CONTENT: feed_content(run, track_of(run, event->transaction)); break;
    case SMTP_EVENT_RECIPIENT: on_recipient(run, event); break;
    case SMTP_EVENT_REPLY: note_outcome(run, "REPLY", event->outcome); break;
    case SMTP_EVENT_TRANSACTION_DONE: on_done(run, event); break;
    case SMTP_EVENT_CLOSED: on_closed(run, event); break;
    }
}

/* Until the session waits for the server. */
static void settle(Run *run)
{
    SmtpEvent event;
    size_t before;
    int r;

    do {
        before = buffer_size(&run->sent);
        while ((r = smtp_session_step(run->session, run->now, &event)) > 0)
            on_event(run, &event);
        if (r < 0)
            errx(1, "out of memory");
        drain(run);
    } while (buffer_size(&run->sent) != before);
    if (smtp_session_deadline(run->session) <= run->now)
        fail(run, "nothing is left to do, and the deadline is past");
}

static void feed(Run *run, const char *data, size_t n)
{
    char *to = smtp_session_reserve(run->session, n);

    if (!to)
        errx(1, "out of memory");
    memcpy(to, data, n);
    for (size_t i = 0; i < n; i++) {
        if (buffer_size(&run->last_line) > 0 &&
            buffer_data(&run->last_line)[buffer_size(&run->last_line) - 1] == '\n')
            buffer_clear(&run->last_line);
        append(&run->last_line, data + i, 1);
    }
    run->received += n;
    smtp_session_received(run->session, n, run->now);
}

/* Server lines that follow each other come in one read; or each byte in its own. False when the
 * connection is to be cut now. */
static bool serve(Run *run, const ScriptLine *line, bool more)
{
    if (!run->bytes) {
        feed(run, line->text, line->size);
        if (!more)
            settle(run);
        return true;
    }
    for (size_t i = 0; i < line->size; i++) {
        if (run->received >= run->cut)
            return false;
        feed(run, line->text + i, 1);
        settle(run);
    }
    return true;
}

static bool take_line(Buffer *from, char *line, size_t size)
{
    const char *data = buffer_data(from);
    const char *end = buffer_size(from) > 0 ? memchr(data, '\n', buffer_size(from)) : NULL;
    size_t n;

    if (!end || (size_t)(end - data) >= size)
        return false;
    n = (size_t)(end - data);
    memcpy(line, data, n);
    line[n] = '\0';
    buffer_consume(from, n + 1);
    return true;
}

/* "..." at the end stands for anything. */
static bool matches(const char *pattern, const char *text)
{
    size_t n = strlen(pattern);

    if (n >= 3 && strcmp(pattern + n - 3, "...") == 0)
        return strncmp(pattern, text, n - 3) == 0;
    return strcmp(pattern, text) == 0;
}

static void expect_client(Run *run, const ScriptLine *expected)
{
    char line[8192];
    size_t n;

    if (!take_line(&run->sent, line, sizeof(line)))
        fail(run, "the client should say \"%s\", but says nothing", expected->text);
    n = strlen(line);
    if (n == 0 || line[n - 1] != '\r')
        fail(run, "a line of the client that does not end in CRLF: %s", line);
    line[n - 1] = '\0';
    if (!matches(expected->text, line))
        fail(run, "the client should say \"%s\", but says \"%s\"", expected->text, line);
}

static void expect_event(Run *run, const ScriptLine *expected)
{
    char line[8192];

    /* Read byte by byte, what stands behind the reply to STARTTLS comes after the event. */
    do
        if (!take_line(&run->events, line, sizeof(line)))
            fail(run, "event \"%s\" does not come", expected->text);
    while (run->bytes && strcmp(line, "NEED_TLS") == 0 && strcmp(expected->text, line) != 0);
    if (!matches(expected->text, line))
        fail(run, "event should be \"%s\", but is \"%s\"", expected->text, line);
}

static void expect_trace(Run *run, const char *expected)
{
    _cleanup_free_
    char *line = NULL;

    append(&run->trace, "", 1);
    run->trace.end--;
    if (asprintf(&line, "%s\n", expected) < 0)
        errx(1, "out of memory");
    if (!strstr(buffer_data(&run->trace), line))
        fail(run, "the trace has no line \"%s\"; it is:\n%s", expected, buffer_data(&run->trace));
}

static void submit(Run *run, Submission *submission)
{
    if (run->n_tracks == TRACKS_MAX)
        errx(1, "too many transactions");
    if (submission->transaction.n_recipients > sizeof(run->tracks->seen))
        errx(1, "too many recipients");
    if (!smtp_session_can_submit(run->session))
        fail(run, "nothing can be submitted now");
    run->tracks[run->n_tracks++] = (Track){.submission = submission};
    if (smtp_session_submit(run->session, &submission->transaction, run->now) < 0)
        errx(1, "out of memory");
}

static void start_tls(Run *run)
{
    static const SmtpTlsInfo info = {.active = true,
        .verified = true,
        .description = "TLSv1.3",
        .binding_exporter = "0123456789abcdef0123456789abcdef",
        .binding_exporter_size = 32};

    if (!run->tls_wanted && run->script->options.tls != SMTP_TLS_ACTIVE)
        fail(run, "TLS was not asked for");
    run->tls_wanted = false;
    if (smtp_session_tls_started(run->session, &info, run->now) < 0)
        errx(1, "out of memory");
}

static void lose(Run *run, const char *why)
{
    const DeliveryOutcome outcome = {.cause = CAUSE_LOST, .text = why};

    run->lost = true;
    smtp_session_lost(run->session, &outcome);
    settle(run);
}

static void command(Run *run, const char *line)
{
    int r = smtp_session_command(run->session, line, run->now);

    if (r < 0 && buffer_appendf(&run->events, "NO COMMAND %s\n", strerrorname_np(-r)) < 0)
        errx(1, "out of memory");
}

/* One line of the script; false when the connection is to be cut now. */
static bool play_line(Run *run, const ScriptLine *line, bool more)
{
    bool compare = run->cut == NO_CUT;

    run->line = line->number;
    switch (line->kind) {
    case LINE_SERVER: return serve(run, line, more);
    case LINE_SUBMIT: submit(run, line->submission); return true;
    case LINE_TLS: start_tls(run); break;
    case LINE_TIME:
        settle(run);
        run->now += line->time;
        break;
    case LINE_CLOSE: lose(run, line->text); break;
    case LINE_STALL: run->stalled = true; break;
    case LINE_QUIT: smtp_session_quit(run->session, run->now); break;
    case LINE_COMMAND: command(run, line->text); break;
    case LINE_CLIENT:
    case LINE_EVENT:
    case LINE_TRACE:
    case LINE_IDLE: break;
    }
    settle(run);
    if (!compare)
        return true;
    if (line->kind == LINE_CLIENT)
        expect_client(run, line);
    else if (line->kind == LINE_EVENT)
        expect_event(run, line);
    else if (line->kind == LINE_TRACE)
        expect_trace(run, line->text);
    else if (line->kind == LINE_IDLE && !smtp_session_is_idle(run->session))
        fail(run, "the session is not idle");
    return true;
}

static void play_all(Run *run)
{
    const Script *script = run->script;
    bool goes_on = true;

    for (size_t i = 0; i < script->n_lines && goes_on; i++)
        goes_on = play_line(run, &script->lines[i],
            i + 1 < script->n_lines && script->lines[i + 1].kind == LINE_SERVER);
    if (!goes_on || run->cut != NO_CUT)
        return;
    settle(run);
    if (buffer_size(&run->sent) > 0)
        fail(run, "the client says more: %.*s", (int)buffer_size(&run->sent),
            buffer_data(&run->sent));
    if (buffer_size(&run->events) > 0)
        fail(run, "there are more events: %.*s", (int)buffer_size(&run->events),
            buffer_data(&run->events));
}

static bool offers_chunking(const Script *script)
{
    for (size_t i = 0; i < script->n_lines; i++)
        if (script->lines[i].kind == LINE_SERVER && strstr(script->lines[i].text, "CHUNKING"))
            return script->options.chunking;
    return false;
}

/* Returns the bytes of the server that were played. */
static size_t play(Script *script, const char *way, bool bytes, size_t cut, bool cut_early)
{
    Run run = {.script = script,
        .way = way,
        .bytes = bytes,
        .bdat = offers_chunking(script),
        .cut = cut,
        .cut_early = cut_early,
        .now = 1000 * USEC_PER_SEC};

    script->options.trace = on_trace;
    script->options.trace_user = &run;
    run.tracks = calloc(TRACKS_MAX, sizeof(*run.tracks));
    if (!run.tracks || smtp_session_new(&script->options, run.now, &run.session) < 0)
        errx(1, "out of memory");
    play_all(&run);
    if (!run.closed)
        lose(&run, "cut");
    if (!run.closed)
        fail(&run, "not closed after the connection was lost");
    if (script->secret) {
        append(&run.trace, "", 1);
        if (strstr(buffer_data(&run.trace), secret_text(script->secret)))
            fail(&run, "the trace shows the password");
    }
    smtp_session_free(run.session);
    buffer_done(&run.sent);
    buffer_done(&run.events);
    buffer_done(&run.trace);
    buffer_done(&run.last_line);
    free(run.tracks);
    return run.received;
}

static void play_script(const char *path)
{
    Script script;
    size_t n;

    script_load(&script, path);
    n = play(&script, "whole", false, NO_CUT, false);
    if (!script.whole_only)
        play(&script, "byte by byte", true, NO_CUT, false);
    for (size_t cut = 0; cut <= n; cut += MAX((size_t)1, n / CUTS_MAX)) {
        play(&script, "cut", true, cut, false);
        play(&script, "cut before writing", true, cut, true);
    }
    script_done(&script);
}

int main(int argc, char *argv[])
{
    _cleanup_free_
    char *pattern = NULL;
    glob_t found = {0};

    for (int i = 1; i < argc; i++)
        play_script(argv[i]);
    if (argc > 1)
        return EXIT_SUCCESS;
    if (asprintf(&pattern, "%s/tests/dialogue/*.dialog", getenv("srcdir") ?: ".") < 0 ||
        glob(pattern, 0, NULL, &found) != 0)
        errx(1, "no scripts");
    for (size_t i = 0; i < found.gl_pathc; i++)
        play_script(found.gl_pathv[i]);
    printf("%zu dialogues\n", found.gl_pathc);
    globfree(&found);
    return EXIT_SUCCESS;
}
