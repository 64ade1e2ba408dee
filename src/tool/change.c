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
#include "tool/command.h"
#include "tool/json.h"
#include "tool/store.h"
#include "tool/terminal.h"
#include "tool/wrap.h"

/* Who has only his own messages has none of them tried more often: nobody makes the daemon hammer a
 * relay. */
#define OWN_PAUSE USEC_PER_MINUTE

#define BATCH_MAX 256 /* messages that are changed together */

/* What is done to messages. */
typedef struct Change {
    const char *done, *would; /* "deleted", "would be deleted": what was, and would be, done */
    const char *done_all;     /* of more than one message, or none; NULL: as of one */
    StoreChange change;
    bool (*applies)(SpoolState state); /* whether --all means messages in this state */
    bool takes_over;                   /* and those that a dead process was sending */
    bool asks;                         /* it cannot be undone */
    bool tries;                        /* the daemon tries them at once */
    const char *held;                  /* what else to do with one that is held; NULL: nothing */
} Change;

typedef struct Changing {
    const Change *what;
    Store *store;
    Selection selection;
    bool all, selects, dry, json, yes;
    bool own; /* of a user who has only his own */
    usec_t now;
    json_t *array;    /* with --json */
    size_t n;         /* changed, or would be */
    size_t n_early;   /* chosen, and left: they were tried just now */
    StoreItem *batch; /* gathered, BATCH_MAX at most */
    size_t n_batch;
    int status;
} Changing;

/* Whether all are meant that something is true of, and not those that were named. */
static bool takes_many(const Changing *c)
{
    return c->all || c->selects;
}

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

    if (!c->array && takes_many(c))
        printf("%zu message%s %s\n", c->n, c->n == 1 ? "" : "s", c->dry ? c->what->would : done);
}

/* As JSON it is told there, and not once more. */
static void fail(Changing *c, const char *id, int error, Failure *f)
{
    SpoolState state;

    if (c->what->held && c->store->ops->locate(c->store, id, &state, NULL) == 0 &&
        state == SPOOL_HELD)
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
static int check_pause(const Changing *c, const ToolMessage *m, Failure *f)
{
    usec_t tried = c->own && c->what->tries && m->state != SPOOL_STATE_MAX
                       ? c->store->ops->tried(c->store, m->id, m->state)
                       : 0;

    if (tried == 0 || tried > c->now || c->now - tried >= OWN_PAUSE)
        return 0;
    return failure_set(f, -EAGAIN, ERROR_WOULD_BLOCK,
        "%s was tried %llu seconds ago, and may be tried again a minute after that: ask again then",
        m->id, (unsigned long long)((c->now - tried) / USEC_PER_SEC));
}

/* Whether it may be changed now; if not, that has been said. */
static bool is_admitted(Changing *c, const ToolMessage *m)
{
    _cleanup_failure_ Failure f = {0};
    int r = check_pause(c, m, &f);

    if (r >= 0)
        return true;
    c->n_early++;
    if (takes_many(c))
        tell(c, m->id, failure_text(&f));
    else
        fail(c, m->id, r, &f);
    return false;
}

static void try_dry(StoreItem *item)
{
    if (item->message.state == SPOOL_STATE_MAX)
        item->result = failure_set(
            &item->failure, -ENOENT, ERROR_FILE, "there is no message %s", item->message.id);
}

static void tell_change(Changing *c, StoreItem *item)
{
    if (item->result >= 0) {
        c->n++;
        tell(c, item->message.id, NULL);
        return;
    }
    if (item->result == -ENOENT) /* the queue is well, the name is not */
        item->failure.number = ERROR_FILE;
    if (item->result != -ENOENT || !takes_many(c)) /* else the daemon was quicker */
        fail(c, item->message.id, item->result, &item->failure);
}

/* What was gathered. 0, or a negative errno with a Failure for what all of them met with. */
static int change_batch(Changing *c, Failure *f)
{
    int r = 0;

    if (c->dry)
        for (size_t i = 0; i < c->n_batch; i++)
            try_dry(&c->batch[i]);
    else if (c->n_batch > 0)
        r = c->store->ops->change(c->store, c->what->change, c->batch, c->n_batch, f);
    for (size_t i = 0; i < c->n_batch; i++) {
        if (r >= 0)
            tell_change(c, &c->batch[i]);
        failure_done(&c->batch[i].failure);
    }
    c->n_batch = 0;
    return r;
}

static int add(Changing *c, const ToolMessage *m, Failure *f)
{
    if (!is_admitted(c, m))
        return 0;
    c->batch[c->n_batch++] = (StoreItem){.message = *m};
    return c->n_batch < BATCH_MAX ? 0 : change_batch(c, f);
}

/* Goes on after a message that could not be changed; the status is that of the last such. */
static int change_named(Changing *c, char **ids, Failure *f)
{
    int r = 0;

    for (; *ids && r >= 0; ids++) {
        ToolMessage message;
        int refused = c->store->ops->find(c->store, *ids, c->what->applies, &message);

        if (refused != 0)
            c->status = refused;
        else if ((r = add(c, &message, f)) >= 0)
            r = change_batch(c, f); /* the next may name what this one was */
    }
    return r;
}

static StoreQuery query_of(const Changing *c)
{
    return (StoreQuery){.selection = &c->selection,
        .applies = c->what->applies,
        .takes_over = c->what->takes_over,
        .names_only = true};
}

static int count_found(void *user, _unused_ Inspection *i, _unused_ Failure *f)
{
    ++*(size_t *)user;
    return 0;
}

static int change_found(void *user, Inspection *i, Failure *f)
{
    ToolMessage m = {.state = i->state};

    snprintf(m.id, sizeof(m.id), "%s", i->id);
    return add(user, &m, f);
}

/* What is changed may come up again under its new name: where it does not apply any more. */
static int change_all(Changing *c, Failure *f)
{
    StoreQuery query = query_of(c);
    int r = c->store->ops->look(c->store, &query, change_found, c, f);

    return r < 0 ? r : change_batch(c, f);
}

/* Only a terminal is asked, where there is anything to ask for; a program has said what it wants.
 * 1, 0, or a negative errno. */
static int is_wanted(const Changing *c, Failure *f)
{
    char answer[16];
    StoreQuery query = query_of(c);
    size_t n = 0;
    int r;

    if (!c->what->asks || !takes_many(c) || c->dry || c->yes || !isatty(STDIN_FILENO))
        return 1;
    r = c->store->ops->look(c->store, &query, count_found, &n, f);
    if (r < 0 || n == 0)
        return r < 0 ? r : 1;
    fprintf(stderr, "%zu message%s will be deleted for good, without being sent. Go on? [y/N] ", n,
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
        return tool_fail(&f);
    if (r == 0) {
        fputs("outbox: nothing was changed\n", stderr);
        return EX_OK;
    }
    if (c->json && !(c->array = json_array()))
        return tool_fail_memory();
    c->batch = calloc(BATCH_MAX, sizeof(*c->batch));
    if (!c->batch)
        return tool_fail_memory();
    r = takes_many(c) ? change_all(c, &f) : change_named(c, ids, &f);
    tell_sum(c);
    if (takes_many(c))
        tell_early(c);
    if (c->array && json_print(c->array) != EX_OK)
        return EX_TEMPFAIL;
    return r < 0 ? tool_fail(&f) : c->status;
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
    _cleanup_(store_free_p) Store *store = NULL;
    const char *directory = NULL;
    Changing changing = {.what = what};
    int c, status = 0;

    while (status == 0 && (c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case '?': return EX_USAGE;
        default: status = take_option(command, c, &changing);
        }
    if (status != 0)
        return status;
    if ((changing.all || changing.selects) == (optind < argc))
        return tool_usage(command, optind < argc
                                       ? "ids exclude --all and what chooses messages"
                                       : "an id is missing, or --all, or what chooses messages");
    status = store_open(tool, directory, &store);
    changing.store = store;
    changing.own = tool->has_user;
    if (store && store->spool && what->takes_over &&
        config_keeps_sent(tool->config_path, tool->overrides))
        spool_keep_sent(store->spool);
    if (status == 0)
        status = run(&changing, argv + optind);
    free(changing.batch);
    return status;
}

int run_retry(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change retry = {.done = "queued again",
        .would = "would be queued again",
        .change = STORE_RETRY,
        .applies = store_can_retry,
        .takes_over = true,
        .tries = true,
        .held = "`outbox release` queues it again"};

    return run_change(tool, command, argc, argv, &retry);
}

int run_hold(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change hold = {.done = "held",
        .would = "would be held",
        .change = STORE_HOLD,
        .applies = store_can_hold,
        .takes_over = true};

    return run_change(tool, command, argc, argv, &hold);
}

int run_release(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change release = {.done = "queued again",
        .would = "would be queued again",
        .change = STORE_RELEASE,
        .applies = store_can_release,
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
        .change = STORE_ADOPT,
        .applies = can_adopt};

    return run_change(tool, command, argc, argv, &adopt);
}

int run_delete(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const Change delete = {.done = "deleted",
        .would = "would be deleted",
        .change = STORE_DELETE,
        .applies = store_can_delete,
        .takes_over = true,
        .asks = true};

    return run_change(tool, command, argc, argv, &delete);
}
