/* outbox database: makes the queue in a PostgreSQL database, brings it up to date, gives roles what
 * they need, and says what is there. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "database/client.h"
#include "database/schema.h"
#include "settings/load.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/terminal.h"

#define SHOWN_MAX 300

typedef struct Task {
    const char *name;
    int n_arguments;
    const char *wanted; /* by it, for who gave others */
    int (*run)(Database *database, char **arguments, bool as_json);
} Task;

static int fail(int r, const Failure *f)
{
    return r < 0 ? tool_fail(f) : EX_OK;
}

/* What was done, in words or as {"done": TASK}. */
static int say(bool as_json, const char *task, const char *words)
{
    if (as_json)
        return json_print(json_pack("{s:s, s:i}", "done", task, "version", DATABASE_VERSION));
    puts(words);
    return EX_OK;
}

static int task_init(Database *database, char **arguments _unused_, bool as_json)
{
    _cleanup_failure_ Failure f = {0};
    int r = database_schema_init(database, &f);

    if (r < 0)
        return fail(r, &f);
    return say(as_json, "init",
        r > 0 ? "The queue is there already."
              : "The queue is made. `outbox database grant ROLE producer` lets an application "
                "queue,\n`outbox database grant ROLE daemon` lets outboxd deliver.");
}

static int task_upgrade(Database *database, char **arguments _unused_, bool as_json)
{
    _cleanup_failure_ Failure f = {0};
    int r = database_schema_upgrade(database, &f);

    return r < 0 ? fail(r, &f) : say(as_json, "upgrade", "The queue is up to date.");
}

static int task_grant(Database *database, char **arguments, bool as_json)
{
    _cleanup_failure_ Failure f = {0};
    int r = database_schema_grant(database, arguments[0], arguments[1], &f);

    return r < 0 ? fail(r, &f) : say(as_json, "grant", "Granted.");
}

/* ---- check ---- */

static const char look_sql[] =
    "SELECT (SELECT version FROM outbox.hello()), current_setting('server_version'),"
    " current_database(), session_user,"
    " pg_get_userbyid(nspowner), (SELECT rolsuper FROM pg_roles WHERE oid = nspowner),"
    " (SELECT read_only FROM outbox.hello()),"
    " current_setting('server_encoding'),"
    " has_function_privilege('outbox.submit(text,text,text[],text[],bytea,text,text,timestamptz)',"
    " 'execute'),"
    " has_function_privilege('outbox.submit_as(bigint,text,text,text[],text[],bytea,text,text,"
    "timestamptz)',"
    " 'execute'),"
    " has_function_privilege('outbox.change(text,bigint[],bigint)', 'execute'),"
    " (SELECT string_agg(DISTINCT coalesce(quote_ident(rolname), 'everybody'), ', ')"
    "   FROM (SELECT nspowner AS owner, nspacl AS acl, 'CREATE' AS privilege"
    "     UNION ALL SELECT relowner, relacl, NULL FROM pg_class WHERE relnamespace = n.oid"
    "     UNION ALL SELECT proowner, coalesce(proacl, acldefault('f', proowner)), NULL FROM pg_proc"
    "       WHERE pronamespace = n.oid AND NOT prosecdef) AS thing"
    "   CROSS JOIN LATERAL aclexplode(acl) AS given LEFT JOIN pg_roles r ON r.oid = given.grantee"
    "   WHERE given.grantee <> owner AND (privilege IS NULL OR privilege_type = privilege))"
    " FROM pg_namespace n WHERE nspname = 'outbox'";

enum {
    LOOK_VERSION,
    LOOK_SERVER,
    LOOK_DATABASE,
    LOOK_ROLE,
    LOOK_OWNER,
    LOOK_OWNER_IS_SUPERUSER,
    LOOK_READ_ONLY,
    LOOK_ENCODING,
    LOOK_PRODUCER,
    LOOK_DAEMON,
    LOOK_OPERATOR,
    LOOK_STRANGERS,
};

#define WARNINGS_MAX 5

/* Who may do more than the functions let him; NULL: nobody, or no memory. */
static char *describe_strangers(const DatabaseRows *rows)
{
    const char *names = database_field(rows, 0, LOOK_STRANGERS);
    char *text = NULL;

    if (names &&
        asprintf(&text,
            "not only its owner may use the queue's tables and inner functions, or make something "
            "in its schema: %s; whoever does does what he likes with every message: REVOKE that",
            names) < 0)
        return NULL;
    return text;
}

/* What would work better otherwise. How many. */
static size_t find_warnings(
    const DatabaseRows *rows, const char *strangers, const char *ret[static WARNINGS_MAX])
{
    size_t n = 0;

    if (database_is_true(rows, 0, LOOK_OWNER_IS_SUPERUSER))
        ret[n++] = "the queue belongs to a superuser, as whom its functions run; make it with a "
                   "role of its own";
    if (database_is_true(rows, 0, LOOK_READ_ONLY))
        ret[n++] = "nothing can be written here: it is a standby, or read-only";
    if (!text_equal(database_field(rows, 0, LOOK_ENCODING), "UTF8"))
        ret[n++] = "the database's encoding is not UTF8: international addresses do not fit in";
    if (!database_is_true(rows, 0, LOOK_PRODUCER) && !database_is_true(rows, 0, LOOK_DAEMON) &&
        !database_is_true(rows, 0, LOOK_OPERATOR))
        ret[n++] = "this role may do nothing here; its owner can give it rights with `outbox "
                   "database grant ROLE producer|daemon|operator`";
    if (strangers)
        ret[n++] = strangers;
    return n;
}

static int print_look_json(const DatabaseRows *rows, const char *const *warnings, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_string(warnings[i]));
    return json_print(json_pack("{s:I, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:o}", "version",
        (json_int_t)database_number(rows, 0, LOOK_VERSION), "server",
        json_text(database_field(rows, 0, LOOK_SERVER)), "database",
        json_text(database_field(rows, 0, LOOK_DATABASE)), "role",
        json_text(database_field(rows, 0, LOOK_ROLE)), "owner",
        json_text(database_field(rows, 0, LOOK_OWNER)), "read_only",
        database_is_true(rows, 0, LOOK_READ_ONLY), "may_queue",
        database_is_true(rows, 0, LOOK_PRODUCER), "may_deliver",
        database_is_true(rows, 0, LOOK_DAEMON), "may_change",
        database_is_true(rows, 0, LOOK_OPERATOR), "warnings", list));
}

static void print_line(const char *name, const char *value)
{
    printf("%-10s", name);
    (void)terminal_print(stdout, value ?: "unknown", SHOWN_MAX);
    putchar('\n');
}

static void print_look(const DatabaseRows *rows, const char *const *warnings, size_t n)
{
    static const char *const rights[] = {"queue", "deliver", "look at messages and change them"};
    bool any = false;

    print_line("database", database_field(rows, 0, LOOK_DATABASE));
    print_line("server", database_field(rows, 0, LOOK_SERVER));
    print_line("version", database_field(rows, 0, LOOK_VERSION));
    print_line("owner", database_field(rows, 0, LOOK_OWNER));
    print_line("role", database_field(rows, 0, LOOK_ROLE));
    for (int i = 0; i < 3; i++)
        if (database_is_true(rows, 0, LOOK_PRODUCER + i)) {
            printf("%s%s", any ? ", " : "may       ", rights[i]);
            any = true;
        }
    if (any)
        putchar('\n');
    for (size_t i = 0; i < n; i++)
        printf("warning: %s\n", warnings[i]);
}

static int task_check(Database *database, char **arguments _unused_, bool as_json)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *strangers = NULL;
    const char *warnings[WARNINGS_MAX];
    size_t n;
    int version, r = database_check_version(database, &version, &f);

    if (r == 0)
        r = database_query(database, look_sql, DATABASE_NO_VALUES, &rows, &f);
    if (r < 0 || rows.n == 0)
        return fail(-1, &f);
    strangers = describe_strangers(&rows);
    n = find_warnings(&rows, strangers, warnings);
    if (as_json)
        return print_look_json(&rows, warnings, n);
    print_look(&rows, warnings, n);
    return EX_OK;
}

/* ---- the command ---- */

static const Task tasks[] = {
    {"init", 0, "no more words", task_init},
    {"upgrade", 0, "no more words", task_upgrade},
    {"check", 0, "no more words", task_check},
    {"grant", 2, "a role, and what it is: producer, daemon or operator", task_grant},
};

static const Task *find_task(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(tasks); i++)
        if (text_equal(tasks[i].name, name))
            return &tasks[i];
    return NULL;
}

static bool is_kind(const char *word)
{
    return text_equal(word, "producer") || text_equal(word, "daemon") ||
           text_equal(word, "operator");
}

static int open_configured(const Tool *tool, Database **ret)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    int r = config_load_spool(tool->config_path, tool->overrides, &config, &f);

    if (r < 0)
        return tool_fail(&f);
    if (!config->spool.database)
        return tool_fail_number(ERROR_CONFIGURATION,
            "no database is configured: set spool.database, such as \"host=db.example.com "
            "dbname=shop user=outbox\"");
    return fail(database_connect(config->spool.database, ret, &f), &f);
}

int run_database(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(database_close_p) Database *database = NULL;
    const Task *task;
    bool as_json = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'j': as_json = true; break;
        default: return EX_USAGE;
        }
    if (optind == argc)
        return tool_usage(command, "what is to be done: init, upgrade, check or grant?");
    task = find_task(argv[optind]);
    if (!task)
        return tool_usage(command, "%s: it is init, upgrade, check or grant", argv[optind]);
    argv += optind + 1;
    if (argc - optind - 1 != task->n_arguments)
        return tool_usage(command, "%s takes %s", task->name, task->wanted);
    if (task->n_arguments > 0 && !is_kind(argv[1]))
        return tool_usage(command, "%s: a role is a producer, a daemon or an operator", argv[1]);
    status = open_configured(tool, &database);
    return status != 0 ? status : task->run(database, argv, as_json);
}
