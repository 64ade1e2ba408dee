/* A message through the queue, and what becomes of it. Must never wait for a daemon that is not
 * there, nor say that it was delivered where that is not known. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-journal.h>

#include "base/errors.h"
#include "base/text.h"
#include "queue/put.h"
#include "spool/presence.h"
#include "tool/inspect.h"
#include "tool/json.h"
#include "tool/setup.h"
#include "tool/terminal.h"

#define LOOK_MSEC 100
#define PATIENCE_USEC (2 * USEC_PER_MINUTE) /* a relay that is slow takes so long to answer */
#define REPLY_MAX 2000

/* What came of it. Strings are owned. */
typedef struct Fate {
    char *id, *reply;
    const char *state; /* static */
    int status;
} Fate;

static void fate_done(Fate *fate)
{
    free(fate->id);
    free(fate->reply);
}

/* ---- queueing ---- */

static int read_nothing(void *source _unused_, Buffer *out _unused_, Failure *f _unused_)
{
    return 0;
}

static int compose(const char *sender, const char *recipient, Buffer *out)
{
    return buffer_appendf(out,
        "X-Sender: <%s>\nX-Receiver: <%s>\nFrom: <%s>\nTo: <%s>\n"
        "Subject: outbox works on this machine\n"
        "Auto-Submitted: auto-generated\n\n"
        "This message was sent by `outbox setup`, to show that mail gets here.\n",
        sender, recipient, sender, recipient);
}

/* NAME of "/…/NAME.queued". */
static char *id_of(const char *path)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const char *dot = strrchr(name, '.');

    return strndup(name, dot ? (size_t)(dot - name) : strlen(name));
}

static int put(
    const Config *config, const char *sender, const char *recipient, char **ret_id, Failure *f)
{
    _cleanup_queue_target_ QueueTarget target = {.directory = strdup(config->spool.directory)};
    _cleanup_buffer_ Buffer message = {0};
    _cleanup_free_
    char *path = NULL;
    int r;

    if (config->spool.database)
        return failure_set(f, -EOPNOTSUPP, ERROR_CONFIGURATION,
            "the queue is in a database (spool.database): send a first message with `outbox "
            "queue`, "
            "and see with `outbox list` what becomes of it");
    r = target.directory ? compose(sender, recipient, &message) : -ENOMEM;

    if (r < 0)
        return r;
    queue_target_look(&target);
    r = queue_put(&target, &message, read_nothing, NULL, &path, f);
    if (r < 0)
        return r;
    *ret_id = id_of(path);
    return *ret_id ? 0 : -ENOMEM;
}

/* ---- following it ---- */

static SpoolState find_state(const Spool *spool, const char *id)
{
    struct stat st;

    for (unsigned tries = 0; tries < 2; tries++) /* it may be renamed while it is looked for */
        for (SpoolState state = 0; state < SPOOL_STATE_MAX; state++)
            if (spool_look_at(spool, id, state, &st) == 0)
                return state;
    return SPOOL_STATE_MAX;
}

static bool is_settled(SpoolState state)
{
    return state != SPOOL_QUEUED && state != SPOOL_SENDING;
}

/* The relay's words, where this machine's journal has them. */
static char *reply_in_journal(const char *id)
{
    char match[SPOOL_NAME_MAX + 16];
    sd_journal *journal = NULL;
    const void *data;
    char *reply = NULL;
    size_t n;

    snprintf(match, sizeof(match), "OUTBOX_ID=%s", id);
    if (sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY) >= 0 &&
        sd_journal_add_match(journal, match, 0) >= 0 &&
        sd_journal_add_match(journal, "OUTBOX_EVENT=delivered", 0) >= 0 &&
        sd_journal_seek_tail(journal) >= 0 && sd_journal_previous(journal) > 0 &&
        sd_journal_get_data(journal, "OUTBOX_REPLY", &data, &n) >= 0 && n > strlen("OUTBOX_REPLY="))
        reply = strndup((const char *)data + strlen("OUTBOX_REPLY="), n - strlen("OUTBOX_REPLY="));
    sd_journal_close(journal);
    return reply;
}

static int learn(const Spool *spool, SpoolState state, Fate *fate)
{
    _cleanup_(inspection_done) Inspection found = {0};
    int r;

    if (state == SPOOL_STATE_MAX || state == SPOOL_SENT) {
        fate->state = "delivered";
        fate->reply = reply_in_journal(fate->id);
        return 0;
    }
    fate->state = spool_state_name(state);
    fate->status = state == SPOOL_FAILED ? EX_UNAVAILABLE : EX_TEMPFAIL;
    r = inspect(spool, fate->id, state, &found);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    fate->reply = TAKE_PTR(found.text);
    return 0;
}

static int follow(const Config *config, Fate *fate, Failure *f)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    usec_t end = clock_monotonic() + PATIENCE_USEC;
    SpoolState state;
    int r = spool_open_to_read(config->spool.directory, &spool, f);

    if (r < 0)
        return r;
    fate->status = EX_OK;
    fate->state = "queued";
    if (!presence_is_anybody(spool))
        return 0;
    while (!is_settled(state = find_state(spool, fate->id)) && clock_monotonic() < end)
        (void)poll(NULL, 0, LOOK_MSEC);
    return learn(spool, state, fate);
}

/* ---- telling it ---- */

static void tell(const Fate *fate, const char *recipient)
{
    fputs("test message ", stdout);
    (void)terminal_print(stdout, fate->id, SPOOL_NAME_MAX);
    fputs(" to ", stdout);
    (void)terminal_print(stdout, recipient, REPLY_MAX);
    printf(": %s", fate->state);
    if (fate->reply) {
        fputs(": ", stdout);
        (void)terminal_print(stdout, fate->reply, REPLY_MAX);
    }
    putchar('\n');
    if (strcmp(fate->state, "queued") == 0 && fate->status == EX_OK)
        puts("  it is sent as soon as outboxd runs");
    else if (fate->status != EX_OK)
        printf("  `outbox show %s` says more\n", fate->id);
}

int setup_send_test(const Config *config, const char *sender, const char *recipient, json_t **ret)
{
    _cleanup_(fate_done) Fate fate = {0};
    _cleanup_failure_ Failure f = {0};
    int r = put(config, sender, recipient, &fate.id, &f);

    if (r >= 0)
        r = follow(config, &fate, &f);
    if (r < 0)
        return r == -ENOMEM ? tool_fail_memory() : tool_fail_about("the test message", &f);
    if (ret)
        *ret = json_pack("{s:o, s:o, s:s, s:o}", "id", json_text(fate.id), "recipient",
            json_text(recipient), "state", fate.state, "reply", json_text(fate.reply));
    else
        tell(&fate, recipient);
    return fate.status;
}
