/* outbox retry, hold, release, delete, adopt: changes of state that an operator asks for. Each is
 * also a plain mv or rm. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "settings/load.h"
#include "spool/record.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/selection.h"
#include "tool/terminal.h"
#include "tool/wrap.h"

/* Who has only his own messages has none of them tried more often: nobody makes the daemon hammer a
 * relay. */
#define OWN_PAUSE USEC_PER_MINUTE

/* What is done to messages. */
typedef struct Change {
    const char *done, *would; /* "deleted", "would be deleted": what was, and would be, done */
    const char *done_all;     /* of more than one message, or none; NULL: as of one */
    int (*change)(Spool *spool, const char *id, SpoolState state, Failure *f);
    bool (*applies)(SpoolState state); /* whether --all means messages in this state */
    bool takes_over;                   /* and those that a dead process was sending */
    bool asks;                         /* it cannot be undone */
    bool tries;                        /* the daemon tries them at once */
    const char *held;                  /* what else to do with one that is held; NULL: nothing */
} Change;

typedef struct Changing {
    const Change *what;
    Spool *spool;
    Selection selection;
    bool all, selects, dry, json, yes;
    bool own; /* of a user who has only his own */
    usec_t now;
    json_t *array;  /* with --json */
    size_t n;       /* changed, or would be */
    size_t n_early; /* chosen, and left: they were tried just now */
    int status;
} Changing;

/* ---- telling ---- */

static void tell(Changing *c, const char *id, const char *error)
{
    if (c->array) {
        (void)json_array_append_new(
            c->array, json_pack("{s:o, s:b, s:o}", "id", json_text(id), "done",
                          (int)(!error && !c->dry), "error", json_text(error)));
        return;
    }
    if (error)
        return;
    (void)terminal_print(stdout, id, SPOOL_NAME_MAX);
    printf(" %s\n", c->dry ? c->what->would : c->what->done);
}

static void tell_sum(const Changing *c)
{
    const char *done = c->n == 1 || !c->what->done_all ? c->what->done : c->what->done_all;

    if (!c->array && (c->all || c->selects))
        printf("%zu message%s %s\n", c->n, c->n == 1 ? "" : "s", c->dry ? c->what->would : done);
}

/* As JSON it is told there, and not once more. */
static void fail(Changing *c, const char *id, int error, Failure *f)
{
    SpoolState state;

    if (c->what->held && spool_find(c->spool, id, &state) == 0 && state == SPOOL_HELD)
        (void)failure_set(f, error, ERROR_FILE, "%s is held: %s", id, c->what->held);
    if (c->array)
        c->status = error_status(f->number) ?: EX_SOFTWARE;
    else if (error == -ENOENT)
        c->status = tool_refuse(f->number, "%s", failure_text(f));
    else
        c->status = tool_fail(f);
    tell(c, id, failure_text(f));
}

static void tell_early(Changing *c)
{
    if (c->n_early == 0)
        return;
    c->status = EX_TEMPFAIL;
    if (!c->array)
        (void)tool_fail_number(ERROR_WOULD_BLOCK,
            "%zu of your messages stay as they are, for they were tried within the last minute; "
            "ask again in a minute",
            c->n_early);
}

/* ---- doing ---- */

/* 0, or -EAGAIN with a Failure; a record that cannot be read stops nobody. */
static int check_pause(const Changing *c, const char *id, SpoolState state, Failure *f)
{
    _cleanup_(spool_history_done) SpoolHistory history = {0};

    if (!c->own || !c->what->tries || state == SPOOL_STATE_MAX ||
        spool_history_load_id(c->spool, id, state, &history, NULL) < 0 || history.latest == 0 ||
        history.latest > c->now || c->now - history.latest >= OWN_PAUSE)
        return 0;
    return failure_set(f, -EAGAIN, ERROR_WOULD_BLOCK,
        "%s was tried %llu seconds ago, and may be tried again a minute after that: ask again then",
        id, (unsigned long long)((c->now - history.latest) / USEC_PER_SEC));
}

/* 0, or -ENOENT when it is gone; all else has been said. */
static int change_one(Changing *c, const char *id, SpoolState state)
{
    _cleanup_failure_ Failure f = {0};
    int r = check_pause(c, id, state, &f);

    if (r < 0) {
        c->n_early++;
        if (c->all || c->selects)
            tell(c, id, failure_text(&f));
        else
            fail(c, id, r, &f);
        return r;
    }
    r = !c->dry ? c->what->change(c->spool, id, state, &f) : state == SPOOL_STATE_MAX ? -ENOENT : 0;

    if (r >= 0) {
        c->n++;
        tell(c, id, NULL);
        return 0;
    }
    if (c->dry)
        (void)failure_set(&f, r, ERROR_FILE, "there is no message %s", id);
    if (r == -ENOENT) /* the queue is well, the name is not */
        f.number = ERROR_FILE;
    if (r != -ENOENT || !(c->all || c->selects)) /* else the daemon was quicker */
        fail(c, id, r, &f);
    return r;
}

/* Goes on after a message that could not be changed; the status is that of the last such. */
static void change_named(Changing *c, char **ids)
{
    for (; *ids; ids++) {
        ToolMessage message;
        int refused = tool_find_message(c->spool, *ids, c->what->applies, &message);

        if (refused != 0)
            c->status = refused;
        else
            (void)change_one(c, message.id, message.state);
    }
}

/* 1, 0, or a negative errno. Only what can be told by reading the message needs that. */
static int is_selected(const Changing *c, const SpoolEntry *entry)
{
    _cleanup_(inspection_done) Inspection i = {0};
    int r;

    if (!selection_has_state(&c->selection, entry->state))
        return 0;
    if (!c->what->applies(entry->state) && !(c->what->takes_over && entry->state == SPOOL_SENDING &&
                                               spool_is_abandoned(c->spool, entry->id)))
        return 0;
    if (!c->selects)
        return 1;
    r = inspect(c->spool, entry->id, entry->state, &i);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return selection_has(&c->selection, &i, c->now);
}

/* How many would be changed, or a negative errno. */
static ssize_t count_all(const Changing *c, Failure *f)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    SpoolEntry entry;
    ssize_t n = 0;
    int r = spool_scan_new(c->spool, &scan, f);

    while (r >= 0 && (r = spool_scan_next(scan, &entry)) > 0) {
        r = is_selected(c, &entry);
        n += r > 0;
    }
    return r < 0 ? r : n;
}

/* What is changed may come up again under its new name: where it does not apply any more. */
static int change_all(Changing *c, Failure *f)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    SpoolEntry entry;
    int r = spool_scan_new(c->spool, &scan, f);

    while (r >= 0 && (r = spool_scan_next(scan, &entry)) > 0) {
        char id[SPOOL_NAME_MAX];

        r = is_selected(c, &entry);
        if (r <= 0)
            continue;
        snprintf(id, sizeof(id), "%s", entry.id);
        (void)change_one(c, id, entry.state);
    }
    return r;
}

/* Only a terminal is asked, where there is anything to ask for; a program has said what it wants.
 * 1, 0, or a negative errno. */
static int is_wanted(const Changing *c, Failure *f)
{
    char answer[16];
    ssize_t n;

    if (!c->what->asks || !(c->all || c->selects) || c->dry || c->yes || !isatty(STDIN_FILENO))
        return 1;
    n = count_all(c, f);
    if (n <= 0)
        return n < 0 ? (int)n : 1;
    fprintf(stderr, "%zd message%s will be deleted for good, without being sent. Go on? [y/N] ", n,
        n == 1 ? "" : "s");
    fflush(stderr);
    if (!fgets(answer, sizeof(answer), stdin))
        return 0;
    wrap_answered(stderr);
    return answer[0] == 'y' || answer[0] == 'Y';
}

static int run(Changing *c, char **ids)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    c->now = clock_realtime();
    r = is_wanted(c, &f);
    if (r < 0)
        return f.text ? tool_fail(&f) : tool_fail_queue(c->spool, r);
    if (r == 0) {
        fputs("outbox: nothing was changed\n", stderr);
        return EX_OK;
    }
    if (c->json && !(c->array = json_array()))
        return tool_fail_memory();
    if (c->all || c->selects)
        r = change_all(c, &f);
    else
        change_named(c, ids);
    tell_sum(c);
    if (c->all || c->selects)
        tell_early(c);
    if (c->array && json_print(c->array) != EX_OK)
        return EX_TEMPFAIL;
    if (r < 0)
        return f.text ? tool_fail(&f) : tool_fail_queue(c->spool, r);
    return c->status;
}

/* ---- the command line ---- */

static int take_option(const Command *command, int option, Changing *c)
{
    switch (option) {
    case 'a': c->all = true; return 0;
    case 'j': c->json = true; return 0;
    case 'n': c->dry = true; return 0;
    case 'y': c->yes = true; return 0;
    default: c->selects = true; return selection_take(&c->selection, command, option, optarg);
    }
}

static int run_change(
    const Tool *tool, const Command *command, int argc, char **argv, const Change *what)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    const char *directory = NULL;
    Changing changing = {.what = what};
    int c, status = 0;

    while (status == 0 && (c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'h': return tool_help(command);
        case '?': return EX_USAGE;
        default: status = take_option(command, c, &changing);
        }
    if (status != 0)
        return status;
    if ((changing.all || changing.selects) == (optind < argc))
        return tool_usage(command, optind < argc
                                       ? "ids exclude --all and what chooses messages"
                                       : "an id is missing, or --all, or what chooses messages");
    status = tool_open_spool(tool, directory, &spool);
    changing.spool = spool;
    changing.own = tool->has_user;
    if (spool && what->takes_over && config_keeps_sent(tool->config_path, tool->overrides))
        spool_keep_sent(spool);
    return status != 0 ? status : run(&changing, argv + optind);
}

/* Whether it is queued and not to be sent yet. What is deferred has been past that: so it is made,
 * and comes up at once. */
static bool is_before_its_time(const Spool *spool, const char *id)
{
    _cleanup_(inspection_done) Inspection i = {0};

    return inspect(spool, id, SPOOL_QUEUED, &i) >= 0 && i.next > 0;
}

/* The one in that state, of several that share the id; where there is none in it the spool says
 * why.
 */
static int retry_message(Spool *spool, const char *id, SpoolState state, Failure *f)
{
    if (state == SPOOL_QUEUED && is_before_its_time(spool, id))
        return spool_move(spool, id, SPOOL_QUEUED, SPOOL_DEFERRED, f);
    return state == SPOOL_DEFERRED || state == SPOOL_FAILED || state == SPOOL_SENDING
               ? spool_move(spool, id, state, SPOOL_QUEUED, f)
               : spool_retry(spool, id, f);
}

static int hold_message(Spool *spool, const char *id, SpoolState state, Failure *f)
{
    return state == SPOOL_QUEUED || state == SPOOL_DEFERRED || state == SPOOL_SENDING
               ? spool_move(spool, id, state, SPOOL_HELD, f)
               : spool_hold(spool, id, f);
}

static int release_message(Spool *spool, const char *id, _unused_ SpoolState state, Failure *f)
{
    return spool_unhold(spool, id, f);
}

static int adopt_message(Spool *spool, const char *id, _unused_ SpoolState state, Failure *f)
{
    return spool_adopt(spool, id, f);
}

static int delete_message(Spool *spool, const char *id, SpoolState state, Failure *f)
{
    return state == SPOOL_STATE_MAX ? spool_delete(spool, id, f)
                                    : spool_delete_in(spool, id, state, f);
}

static bool can_retry(SpoolState state)
{
    return state == SPOOL_DEFERRED || state == SPOOL_FAILED;
}

int run_retry(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change retry = {.done = "queued again",
        .would = "would be queued again",
        .change = retry_message,
        .applies = can_retry,
        .takes_over = true,
        .tries = true,
        .held = "`outbox release` queues it again"};

    return run_change(tool, command, argc, argv, &retry);
}

static bool can_hold(SpoolState state)
{
    return state == SPOOL_QUEUED || state == SPOOL_DEFERRED;
}

int run_hold(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change hold = {.done = "held",
        .would = "would be held",
        .change = hold_message,
        .applies = can_hold,
        .takes_over = true};

    return run_change(tool, command, argc, argv, &hold);
}

static bool can_release(SpoolState state)
{
    return state == SPOOL_HELD;
}

int run_release(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change release = {.done = "queued again",
        .would = "would be queued again",
        .change = release_message,
        .applies = can_release,
        .tries = true};

    return run_change(tool, command, argc, argv, &release);
}

static bool can_adopt(_unused_ SpoolState state)
{
    return true;
}

int run_adopt(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change adopt = {.done = "has its record",
        .done_all = "have their records",
        .would = "would be looked at",
        .change = adopt_message,
        .applies = can_adopt};

    return run_change(tool, command, argc, argv, &adopt);
}

static bool can_delete(SpoolState state)
{
    return state != SPOOL_SENDING;
}

int run_delete(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change delete = {.done = "deleted",
        .would = "would be deleted",
        .change = delete_message,
        .applies = can_delete,
        .takes_over = true,
        .asks = true};

    return run_change(tool, command, argc, argv, &delete);
}
