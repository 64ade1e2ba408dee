/* What a database said. Must never show a password: libpq's words have none in them, but of what
 * base/conninfo finds fault with. */
#include "database/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "database/client.h"

typedef struct FaultRow {
    int error, number;
    const char *advice; /* the end of the sentence, or NULL */
} FaultRow;

static const FaultRow rows[FAULT_MAX] = {
    [FAULT_UNREACHABLE] = {-ECONNREFUSED, ERROR_DATABASE, "see whether it runs, and listens there"},
    [FAULT_NAME] = {-EHOSTUNREACH, ERROR_DATABASE,
        "correct host in spool.database, or the name server"},
    [FAULT_PARAMETERS] = {-EINVAL, ERROR_CONFIGURATION, "correct spool.database"},
    [FAULT_PASSWORD] = {-EKEYREJECTED, ERROR_CONFIGURATION,
        "correct user in spool.database, the password in ~/.pgpass or passfile, or the server's "
        "pg_hba.conf"},
    [FAULT_NO_DATABASE] = {-ENXIO, ERROR_CONFIGURATION,
        "correct dbname in spool.database, or make it there with createdb"},
    [FAULT_TLS] = {-EPROTO, ERROR_CONFIGURATION,
        "correct sslmode and sslrootcert in spool.database"},
    [FAULT_STARTING] = {-EBUSY, ERROR_DATABASE, NULL},
    [FAULT_LOST] = {-ECONNRESET, ERROR_DATABASE, NULL},
    [FAULT_TIMEOUT] = {-ETIMEDOUT, ERROR_DATABASE, NULL},
    [FAULT_READ_ONLY] = {-EROFS, ERROR_DATABASE,
        "name all servers in spool.database, with target_session_attrs=read-write, or see why "
        "default_transaction_read_only is on there"},
    [FAULT_FULL] = {-ENOSPC, ERROR_STORAGE, "make room on the database's disk"},
    [FAULT_RIGHT] = {-EACCES, ERROR_EACCES,
        "its owner can give it with `outbox database grant ROLE producer|daemon|operator`"},
    [FAULT_NO_ROLE] = {-ENOENT, ERROR_CONFIGURATION,
        "make it with CREATE ROLE, or correct its name"},
    [FAULT_NO_SCHEMA] = {-ENOENT, ERROR_CONFIGURATION,
        "there is no queue in it: make one with `outbox database init`, as its owner"},
    [FAULT_SCHEMA_OLD] = {-ESTALE, ERROR_CONFIGURATION,
        "run `outbox database upgrade` as its owner"},
    [FAULT_SCHEMA_NEW] = {-EPROTONOSUPPORT, ERROR_CONFIGURATION, "install a newer outbox"},
    [FAULT_REFUSED] = {-EBADMSG, ERROR_MESSAGE, NULL},
    [FAULT_CONFLICT] = {-EAGAIN, ERROR_DATABASE, NULL},
    [FAULT_OTHER] = {-EIO, ERROR_DATABASE, NULL},
};

bool database_is_refusal(int error)
{
    return error == rows[FAULT_PASSWORD].error || error == rows[FAULT_RIGHT].error;
}

bool database_is_away(int error)
{
    return error == rows[FAULT_UNREACHABLE].error || error == rows[FAULT_NAME].error ||
           error == rows[FAULT_LOST].error || error == rows[FAULT_TIMEOUT].error;
}

bool database_fault_passes(DatabaseFault fault)
{
    return fault != FAULT_PARAMETERS && fault != FAULT_REFUSED;
}

/* "host:port/name as user", or what is known of it; a socket's directory is a host, too. */
static int where(const Libpq *pq, const PGconn *conn, char **ret)
{
    const char *host = conn ? pq->host(conn) : NULL, *name = conn ? pq->db(conn) : NULL,
               *user = conn ? pq->user(conn) : NULL, *port = conn ? pq->port(conn) : NULL;
    int r;

    if (!name || !*name)
        r = asprintf(ret, "the database");
    else
        r = asprintf(ret, "the database %s of %s%s%s, as %s", name,
            host && *host ? host : "this machine", port && *port ? " port " : "", port ?: "",
            user && *user ? user : "nobody");
    return r < 0 ? -ENOMEM : 0;
}

/* Several lines as one, each once: what is tried with TLS and then without fails twice. */
static char *one_line(const char *words)
{
    _cleanup_buffer_ Buffer line = {0};
    int r = 0;

    while (r == 0 && *words) {
        size_t n, n_line = buffer_size(&line);
        const char *data = buffer_data(&line);

        words += strspn(words, " \t");
        n = strcspn(words, "\n");
        if (n > 0 && (n_line == 0 || !memmem(data, n_line, words, n))) {
            if (n_line > 0)
                r = buffer_append_string(&line, data[n_line - 1] == ':' ? " " : "; ");
            r = r ?: buffer_append(&line, words, n);
        }
        words += n + (words[n] == '\n');
    }
    return r == 0 ? text_printable(buffer_data(&line) ?: "", buffer_size(&line), 600) : NULL;
}

int database_fail(
    const Libpq *pq, const PGconn *conn, DatabaseFault fault, const char *words, Failure *f)
{
    const FaultRow *row = &rows[fault];
    _cleanup_free_
    char *shown = one_line(words), *place = NULL;

    if (!shown || where(pq, conn, &place) < 0)
        return -ENOMEM;
    if (fault == FAULT_REFUSED)
        return failure_set(f, row->error, row->number, "%s", shown);
    return failure_set(f, row->error, row->number, "%s: %s%s%s", place, shown,
        row->advice ? "; " : "", row->advice ?: "");
}

/* ---- before there is a session: libpq's and the server's words are all there is ---- */

static bool has(const char *words, const char *part)
{
    return strstr(words, part) != NULL;
}

static DatabaseFault fault_of_words(const char *words)
{
    static const struct {
        const char *part;
        DatabaseFault fault;
    } parts[] = {
        {"could not translate host name", FAULT_NAME},
        {"password authentication failed", FAULT_PASSWORD},
        {"no password supplied", FAULT_PASSWORD},
        {"authentication failed", FAULT_PASSWORD},
        {"no pg_hba.conf entry", FAULT_PASSWORD},
        {"pg_hba.conf rejects", FAULT_PASSWORD},
        {"too many conn", FAULT_STARTING}, /* for a role, or for a database */
        {"role \"", FAULT_PASSWORD},
        {"is not permitted to log in", FAULT_PASSWORD},
        {"permission denied for database", FAULT_RIGHT},
        {"not currently accepting connections", FAULT_STARTING},
        {"database \"", FAULT_NO_DATABASE},
        {"session is read-only", FAULT_READ_ONLY},
        {"server is in hot standby", FAULT_READ_ONLY},
        {"timeout expired", FAULT_UNREACHABLE},
        {"could not connect", FAULT_UNREACHABLE},
        {"Connection refused", FAULT_UNREACHABLE},
        {"Connection timed out", FAULT_UNREACHABLE},
        {"No route to host", FAULT_UNREACHABLE},
        {"is unreachable", FAULT_UNREACHABLE},
        {"No such file", FAULT_UNREACHABLE},
        {"starting up", FAULT_STARTING},
        {"shutting down", FAULT_STARTING},
        {"recovery mode", FAULT_STARTING},
        {"too many", FAULT_STARTING},
        {"remaining connection slots", FAULT_STARTING},
        {"certificate", FAULT_TLS},
        {"SSL", FAULT_TLS},
        {"server closed the connection", FAULT_LOST},
        {"invalid connection option", FAULT_PARAMETERS},
        {"definition of service", FAULT_PARAMETERS},
        {"service file", FAULT_PARAMETERS},
        {"invalid port number", FAULT_PARAMETERS},
        {"invalid integer value", FAULT_PARAMETERS},
        {"invalid sslmode", FAULT_PARAMETERS},
        {"invalid target_session_attrs", FAULT_PARAMETERS},
        {"could not match", FAULT_PARAMETERS},
        {"missing \"=\"", FAULT_PARAMETERS},
        {"unterminated quoted string", FAULT_PARAMETERS},
        {"invalid URI", FAULT_PARAMETERS},
        {"not in hot standby", FAULT_PARAMETERS},
        {"GSSAPI encryption required", FAULT_PARAMETERS},
        {"unrecognized configuration parameter", FAULT_PARAMETERS},
        {"unsupported startup parameter", FAULT_PARAMETERS},
    };

    for (size_t i = 0; i < ELEMENTSOF(parts); i++)
        if (has(words, parts[i].part))
            return parts[i].fault;
    return FAULT_OTHER; /* of a server that speaks another language, too */
}

int database_fail_connecting(const Libpq *pq, const PGconn *conn, Failure *f)
{
    const char *words = conn ? pq->errorMessage(conn) : "no memory is left";

    return database_fail(pq, conn, fault_of_words(words), words, f);
}

/* ---- in a session: a SQLSTATE ---- */

DatabaseFault database_fault_of_result(const Libpq *pq, const PGconn *conn, const PGresult *result)
{
    static const struct {
        const char *state; /* or the class of it */
        DatabaseFault fault;
    } states[] = {
        {"08", FAULT_LOST},
        {"25006", FAULT_READ_ONLY},
        {"3F000", FAULT_NO_SCHEMA},
        {"42501", FAULT_RIGHT},
        {"42704", FAULT_NO_ROLE},
        {"42883", FAULT_SCHEMA_OLD}, /* a function that is not there */
        {"42P01", FAULT_SCHEMA_OLD},
        {"42703", FAULT_SCHEMA_OLD},
        {"53100", FAULT_FULL},
        {"53", FAULT_STARTING},
        {"54", FAULT_REFUSED}, /* too large for it */
        {"57014", FAULT_TIMEOUT},
        {"55P03", FAULT_TIMEOUT},
        {"57P", FAULT_LOST},
        {"25P0", FAULT_LOST}, /* idle for too long in a transaction */
        {"40", FAULT_CONFLICT},
        {"22", FAULT_REFUSED},
        {"23", FAULT_REFUSED},
    };
    const char *state = result ? pq->resultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

    for (size_t i = 0; state && i < ELEMENTSOF(states); i++)
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0)
            return states[i].fault;
    if (!state && conn && pq->status(conn) == CONNECTION_BAD)
        return FAULT_LOST;
    return FAULT_OTHER;
}

int database_fail_query(const Libpq *pq, const PGconn *conn, const PGresult *result, Failure *f)
{
    DatabaseFault fault = database_fault_of_result(pq, conn, result);
    const char *state = result ? pq->resultErrorField(result, PG_DIAG_SQLSTATE) : NULL,
               *primary = result ? pq->resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL,
               *hint = state && fault == FAULT_REFUSED
                           ? pq->resultErrorField(result, PG_DIAG_MESSAGE_HINT)
                           : NULL;
    _cleanup_free_
    char *words = NULL;
    int r;

    if (!primary) {
        primary = conn ? pq->errorMessage(conn) : "";
        return database_fail(pq, conn, fault, *primary ? primary : "the connection was lost", f);
    }
    if (strncmp(primary, "outbox: ", 8) == 0)
        r = asprintf(&words, "%s%s%s", primary + 8, hint ? "; " : "", hint ?: "");
    else
        r = asprintf(&words, "%s (SQLSTATE %s)", primary, state ?: "unknown");
    if (r < 0) {
        words = NULL;
        return -ENOMEM;
    }
    return database_fail(pq, conn, fault, words, f);
}
