/* outbox move: messages from the queue directory to the database, or back. Must never say that one
 * is moved before the place that it came from has let go of it. */
#include "tool/move.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/conninfo.h"
#include "base/errors.h"
#include "base/text.h"
#include "tool/json.h"
#include "tool/store.h"
#include "tool/store_database.h"
#include "tool/terminal.h"

typedef struct Move {
    Selection selection;
    bool all, selects, dry, json, to_database;
    const char *formerly; /* NULL: as it is called now */
    Store *from, *to;
    Moving moving;
    json_t *array;
    size_t n, n_busy; /* moved; and, of those that were not named, being sent */
    int status;
} Move;

/* ---- the two places ---- */

/* As the database is to know it again: the directory by its path without links, on this host. */
static int name_directory(Moving *m, Failure *f)
{
    _cleanup_free_
    char *path = realpath(spool_path(m->spool), NULL);
    char host[256] = "";

    if (!path)
        return failure_set_errno(f, -errno, "cannot find %s", spool_path(m->spool));
    (void)gethostname(host, sizeof(host) - 1);
    if (snprintf(m->from, sizeof(m->from), "from %s:%s", host, path) >= MOVER_MAX ||
        snprintf(m->to, sizeof(m->to), "to %s:%s", host, path) >= MOVER_MAX)
        return failure_set(f, -ENAMETOOLONG, ERROR_FILE, "%s is too long a path", path);
    return 0;
}

/* What was begun under that name is found under this one. */
static int take_former(Moving *m, const char *formerly, Failure *f)
{
    const char *present = m->to + strlen("to "), *directory = strchr(present, ':');
    char former[MOVER_MAX];
    _cleanup_database_rows_ DatabaseRows rows = {0};

    if (snprintf(former, sizeof(former), "%s%s", formerly,
            strchr(formerly, ':') ? "" : directory) >= MOVER_MAX)
        return failure_set(f, -ENAMETOOLONG, ERROR_FILE, "%s is too long a name", formerly);
    return store_ask(m->database, "SELECT outbox.rename_mover($1, $2)",
        (const char *[]){former, present}, 2, &rows, f);
}

int moving_begin(Moving *m, Spool *spool, Database *database, const char *formerly, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r;

    *m = (Moving){.spool = spool, .database = database, .lock_fd = -1, .resumed = json_array()};
    r = m->resumed ? name_directory(m, f) : failure_set_errno(f, -ENOMEM, "cannot begin");
    if (r >= 0)
        m->lock_fd = r = spool_moving_lock(spool, f);
    if (r >= 0 && formerly)
        r = take_former(m, formerly, f);
    if (r >= 0)
        r = store_ask(database, "SELECT outbox.tag()", NULL, 0, &rows, f);
    if (r >= 0)
        snprintf(m->tag, sizeof(m->tag), "%s", database_field(&rows, 0, 0));
    if (r >= 0)
        spool_clean_temporaries(spool, clock_realtime());
    if (r >= 0)
        r = move_resume_to_database(m, f);
    return r < 0 ? r : move_resume_to_directory(m, f);
}

void moving_done(Moving *m)
{
    close_p(&m->lock_fd);
    json_decref(m->resumed);
    m->resumed = NULL;
}

int move_ask(Moving *m, const char *statement, const char *mover, const char *id, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = store_ask(m->database, statement, (const char *[]){mover, id}, 2, &rows, f);

    return r < 0 ? r : text_equal(database_field(&rows, 0, 0), "t");
}

/* ---- telling ---- */

static void tell(Move *m, const char *id, const char *new_id, const char *error)
{
    if (m->array) {
        (void)json_array_append_new(m->array,
            json_pack("{s:o, s:o, s:b, s:o}", "id", json_text(id), "new_id", json_text(new_id),
                "done", (int)(new_id != NULL), "error", json_text(error)));
        return;
    }
    if (error)
        return;
    (void)terminal_print(stdout, id, SPOOL_NAME_MAX);
    if (!new_id) {
        puts(" would be moved");
        return;
    }
    fputs(" is ", stdout);
    (void)terminal_print(stdout, new_id, SPOOL_NAME_MAX);
    fputs(" in ", stdout);
    (void)terminal_print(stdout, m->to->name, 4096);
    putchar('\n');
}

static void tell_sum(const Move *m)
{
    size_t resumed = json_array_size(m->moving.resumed);

    if (m->array)
        return;
    if (resumed > 0)
        printf("%zu message%s that another process had begun to move: done\n", resumed,
            resumed == 1 ? "" : "s");
    if (m->all || m->selects)
        printf(
            "%zu message%s %s\n", m->n, m->n == 1 ? "" : "s", m->dry ? "would be moved" : "moved");
}

static void fail(Move *m, const char *id, int error, Failure *f)
{
    if (m->array)
        m->status = error_status(f->number) ?: EX_SOFTWARE;
    else if (error == -ENOENT)
        m->status = tool_refuse(f->number, "%s", failure_text(f));
    else
        m->status = tool_fail(f);
    tell(m, id, NULL, failure_text(f));
}

/* ---- doing ---- */

/* The others would meet with it as well. */
static bool is_common(int error)
{
    return error_is_common(error) || database_is_away(error);
}

static bool is_busy(int error, const Failure *f)
{
    return error == -EBUSY && f->number == ERROR_WOULD_BLOCK;
}

static int move_one(Move *m, const ToolMessage *message)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *new_id = NULL;
    int r = 0;

    if (message->state == SPOOL_STATE_MAX)
        r = failure_set(
            &f, -ENOENT, ERROR_FILE, "there is no message %s in %s", message->id, m->from->name);
    else if (!m->dry)
        r = m->to_database ? move_to_database(&m->moving, message, &new_id, &f)
                           : move_to_directory(&m->moving, message, &new_id, &f);
    if (r >= 0) {
        m->n++;
        tell(m, message->id, new_id, NULL);
    } else if (is_busy(r, &f) && (m->all || m->selects) && !m->array) {
        m->n_busy++;
    } else if (r != -ENOENT || !(m->all || m->selects)) { /* else somebody was quicker */
        fail(m, message->id, r, &f);
    }
    return is_common(r) ? r : 0;
}

static bool can_move(SpoolState state)
{
    return state != SPOOL_SENDING && state != SPOOL_SENT;
}

/* A daemon may have claimed many that are shown as queued: all of them are one sentence. */
static void tell_busy(Move *m)
{
    if (m->n_busy > 0)
        m->status = tool_fail_number(ERROR_WOULD_BLOCK,
            "%zu message%s being sent, or claimed by a daemon, and stay%s: try again in a moment",
            m->n_busy, m->n_busy == 1 ? " is" : "s are", m->n_busy == 1 ? "s" : "");
}

static int move_found(void *user, Inspection *i, Failure *f)
{
    ToolMessage message = {.state = i->state};
    int r;

    snprintf(message.id, sizeof(message.id), "%s", i->id);
    r = move_one(user, &message);
    return r < 0 ? failure_set(f, r, database_is_away(r) ? ERROR_DATABASE : error_from_errno(r),
                       "the others stay where they are")
                 : 0;
}

static int move_named(Move *m, char **ids)
{
    int r = 0;

    for (; *ids && r >= 0; ids++) {
        ToolMessage message;
        int refused = m->from->ops->find(m->from, *ids, can_move, &message);

        if (refused != 0)
            m->status = refused;
        else
            r = move_one(m, &message);
    }
    return 0;
}

static int begin(Move *m, Failure *f)
{
    Store *directory = m->to_database ? m->from : m->to;
    Store *database = m->to_database ? m->to : m->from;

    m->moving.lock_fd = -1;
    if (m->dry)
        return 0;
    return moving_begin(&m->moving, directory->spool, store_database_of(database), m->formerly, f);
}

static int run(Move *m, char **ids)
{
    const StoreQuery query = {
        .selection = &m->selection, .applies = can_move, .takes_over = true, .names_only = true};
    _cleanup_failure_ Failure f = {0};
    int r;

    if (m->json && !(m->array = json_array()))
        return tool_fail_memory();
    r = begin(m, &f);
    if (r >= 0)
        r = m->all || m->selects ? m->from->ops->look(m->from, &query, move_found, m, &f)
                                 : move_named(m, ids);
    if (r >= 0 || m->n > 0)
        tell_sum(m);
    tell_busy(m);
    if (m->array && json_print(m->array) != EX_OK)
        return EX_TEMPFAIL;
    if (r >= 0 && m->moving.n_unknown > 0 && m->status == 0)
        return EX_UNAVAILABLE;
    return r < 0 ? tool_fail(&f) : m->status;
}

/* ---- the command line ---- */

/* "database" and "directory" are those of the configuration. */
static int open_places(
    const Tool *tool, const Command *command, const char *to, const char *directory, Move *m)
{
    bool named_directory = *to == '/' || *to == '.';
    const char *conninfo = NULL;
    Store **database, **other;
    int status;

    m->to_database = !named_directory && !text_equal(to, "directory");
    if (m->to_database && !text_equal(to, "database")) {
        if (!strchr(to, '=') && !strstr(to, "://"))
            return tool_usage(command,
                "--to %s: it is database, directory, the path of a directory, or the connection "
                "string of a database",
                to);
        if (conninfo_has_secret(to))
            return tool_usage(command,
                "--to: there is a password in it, and on the command line every user can read it; "
                "write it into a file that passfile=FILE names");
        conninfo = to;
    }
    if (!m->to_database && directory)
        return tool_usage(command, "--directory is where messages come from: name it with --to");
    database = m->to_database ? &m->to : &m->from;
    other = m->to_database ? &m->from : &m->to;
    status = store_open_database(tool, conninfo, database);
    return status != 0 ? status
                       : store_open_directory(tool, named_directory ? to : directory, other);
}

static int take_option(const Command *command, int option, Move *m)
{
    switch (option) {
    case 'a': m->all = true; return 0;
    case 'j': m->json = true; return 0;
    case 'n': m->dry = true; return 0;
    case 'f': m->formerly = optarg; return 0;
    default: m->selects = true; return selection_take(&m->selection, command, option, optarg);
    }
}

static int check(const Command *command, const Move *m, const char *to, bool named)
{
    if (!to)
        return tool_usage(command, "--to is missing: database, or directory");
    if ((m->all || m->selects) == named)
        return tool_usage(command, named ? "ids exclude --all and what chooses messages"
                                         : "an id is missing, or --all, or what chooses messages");
    return 0;
}

int run_move(const Tool *tool, const Command *command, int argc, char **argv)
{
    const char *directory = NULL, *to = NULL;
    Move move = {.moving.lock_fd = -1};
    int c, status = 0;

    while (status == 0 && (c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 't': to = optarg; break;
        case '?': return EX_USAGE;
        default: status = take_option(command, c, &move);
        }
    if (status == 0)
        status = check(command, &move, to, optind < argc);
    if (status == 0)
        status = open_places(tool, command, to, directory, &move);
    if (status == 0)
        status = run(&move, argv + optind);
    moving_done(&move.moving);
    store_free(move.from);
    store_free(move.to);
    return status;
}
