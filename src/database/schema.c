/* The schema. Must never leave a half of it. */
#include "database/schema.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "database/fault.h"

#define SERVER_MIN 140000

/* schema-1.sql as it was when this was compiled (Makefile.am). */
extern const char database_schema_sql[];

/* Two who make it at once come one after the other. */
static int begin(Database *database, Failure *f)
{
    int r = database_run(database, "BEGIN", f);

    return r < 0
               ? r
               : database_query(database, "SELECT pg_advisory_xact_lock(hashtext('outbox.schema'))",
                     DATABASE_NO_VALUES, NULL, f);
}

/* Ends the transaction as `r` says, which is returned, or the failure of its end. */
static int end(Database *database, int r, Failure *f)
{
    int ended;

    if (r < 0) {
        (void)database_run(database, "ROLLBACK", NULL);
        return r;
    }
    ended = database_run(database, "COMMIT", f);
    return ended < 0 ? ended : r;
}

static int check_server(Database *database, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r;

    if (database->pq->serverVersion(database->conn) < SERVER_MIN)
        return failure_set(f, -EOPNOTSUPP, ERROR_CONFIGURATION,
            "the server is PostgreSQL %d, and the queue needs 14 or newer",
            database->pq->serverVersion(database->conn) / 10000);
    r = database_query(database, "SELECT current_setting('server_encoding') = 'UTF8'",
        DATABASE_NO_VALUES, &rows, f);
    if (r < 0 || database_is_true(&rows, 0, 0))
        return r;
    return failure_set(f, -EOPNOTSUPP, ERROR_CONFIGURATION,
        "the database's encoding is not UTF8, and what relays say could not be written there; make "
        "one for the queue: createdb -E UTF8 -T template0 NAME");
}

/* What is called outbox there. */
typedef enum Place { PLACE_NONE, PLACE_EMPTY, PLACE_QUEUE } Place;

/* A Place, or a negative errno. */
static int look(Database *database, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = database_query(database,
        "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid AND relname = 'version'),"
        " EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid)"
        " OR EXISTS (SELECT FROM pg_proc WHERE pronamespace = n.oid)"
        " FROM pg_namespace n WHERE nspname = 'outbox'",
        DATABASE_NO_VALUES, &rows, f);

    if (r < 0 || rows.n == 0)
        return r < 0 ? r : PLACE_NONE;
    if (database_is_true(&rows, 0, 0))
        return PLACE_QUEUE;
    if (database_is_true(&rows, 0, 1))
        return failure_set(f, -EEXIST, ERROR_CONFIGURATION,
            "there is a schema \"outbox\" already, which is no queue; rename it (ALTER SCHEMA), or "
            "use another database");
    return PLACE_EMPTY;
}

/* Whose right it is, where it is not this role's: that is no right that `grant` could give. */
static int check_right(
    Database *database, const char *question, const char *who, const char *advice, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = database_query(database, question, DATABASE_NO_VALUES, &rows, f);

    if (r < 0 || rows.n == 0 || database_is_true(&rows, 0, 0))
        return r;
    return failure_set(
        f, -EACCES, ERROR_EACCES, "the role %s%s%s", database_field(&rows, 0, 1), who, advice);
}

static int check_may_make(Database *database, Failure *f)
{
    return check_right(database,
        "SELECT has_database_privilege(current_database(), 'CREATE'), quote_ident(current_user)",
        " may not make a schema in this database",
        "; its owner lets it: GRANT CREATE ON DATABASE ... TO ...", f);
}

static int check_owns(Database *database, Failure *f)
{
    return check_right(database,
        "SELECT pg_has_role(nspowner, 'USAGE'), format('%I does not own the queue: %I does',"
        " current_user, pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = 'outbox'",
        "", "; name that one in spool.database, or with --set", f);
}

int database_schema_may_deliver(Database *database, Failure *f)
{
    return check_right(database,
        "SELECT has_function_privilege('outbox.daemon_begin(text, interval)', 'execute'),"
        " quote_ident(current_user)",
        " may not deliver from the queue",
        "; its owner lets it: `outbox database grant ROLE daemon`", f);
}

int database_schema_may_operate(Database *database, Failure *f)
{
    return check_right(database,
        "SELECT has_function_privilege('outbox.change(text, bigint[], bigint)', 'execute'),"
        " quote_ident(current_user)",
        " may not look at the queue", "; its owner lets it: `outbox database grant ROLE operator`",
        f);
}

/* A schema that is there was made for its owner, who may not make one. */
static int make(Database *database, Place place, Failure *f)
{
    const char *const steps[] = {
        "CREATE SCHEMA outbox",
        "SET LOCAL search_path = outbox, pg_temp",
        "SET LOCAL client_min_messages = error",
        database_schema_sql,
    };
    int r = place == PLACE_NONE ? check_may_make(database, f) : 0;

    for (size_t i = place == PLACE_EMPTY; r >= 0 && i < ELEMENTSOF(steps); i++)
        r = database_run(database, steps[i], f);
    return r;
}

int database_schema_init(Database *database, Failure *f)
{
    int version, r = check_server(database, f);

    if (r < 0)
        return r;
    r = begin(database, f);
    if (r == 0)
        r = look(database, f);
    if (r == PLACE_QUEUE) {
        r = database_check_version(database, &version, f);
        r = r < 0 ? r : 1;
    } else if (r >= 0)
        r = make(database, (Place)r, f);
    return end(database, r, f);
}

/* Functions that are new, to the roles of their kinds. */
static int grant_again(Database *database, Failure *f)
{
    return database_query(database, "SELECT outbox.allow(role, kind) FROM outbox.granted()",
        DATABASE_NO_VALUES, NULL, f);
}

/* Version 1 is the first: there is no older one to come from. */
int database_schema_upgrade(Database *database, Failure *f)
{
    int version, r = begin(database, f);

    if (r == 0)
        r = check_owns(database, f);
    if (r == 0)
        r = database_check_version(database, &version, f);
    if (r == 0)
        r = grant_again(database, f);
    return end(database, r < 0 ? r : 1, f);
}

int database_schema_grant(Database *database, const char *role, const char *kind, Failure *f)
{
    int version, r = begin(database, f);

    if (r == 0)
        r = check_owns(database, f);
    if (r == 0)
        r = database_check_version(database, &version, f);
    if (r == 0)
        r = database_query(database, "SELECT outbox.allow($1::name, $2)",
            DATABASE_VALUES(database_text(role), database_text(kind)), NULL, f);
    return end(database, r, f);
}
