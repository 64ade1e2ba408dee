/* What is used of libpq's header, for who builds without it: everything compiles then, too, and
 * libpq_load() says why nothing can be done. */
#pragma once

#include <stddef.h>

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
typedef struct pg_cancel PGcancel;
typedef unsigned Oid;
typedef struct pgNotify {
    char *relname;
    int be_pid;
    char *extra;
    struct pgNotify *next;
} PGnotify;
typedef void (*PQnoticeProcessor)(void *user, const char *message);
typedef enum { CONNECTION_OK, CONNECTION_BAD } ConnStatusType;
typedef enum {
    PGRES_POLLING_FAILED,
    PGRES_POLLING_READING,
    PGRES_POLLING_WRITING,
    PGRES_POLLING_OK,
} PostgresPollingStatusType;
typedef enum {
    PGRES_EMPTY_QUERY,
    PGRES_COMMAND_OK,
    PGRES_TUPLES_OK,
    PGRES_COPY_OUT,
    PGRES_COPY_IN,
    PGRES_BAD_RESPONSE,
    PGRES_NONFATAL_ERROR,
    PGRES_FATAL_ERROR,
    PGRES_COPY_BOTH,
    PGRES_SINGLE_TUPLE,
    PGRES_PIPELINE_SYNC,
    PGRES_PIPELINE_ABORTED,
} ExecStatusType;
typedef enum {
    PQTRANS_IDLE,
    PQTRANS_ACTIVE,
    PQTRANS_INTRANS,
    PQTRANS_INERROR,
    PQTRANS_UNKNOWN
} PGTransactionStatusType;

#define PG_DIAG_SEVERITY_NONLOCALIZED 'V'
#define PG_DIAG_SQLSTATE 'C'
#define PG_DIAG_MESSAGE_PRIMARY 'M'
#define PG_DIAG_MESSAGE_DETAIL 'D'
#define PG_DIAG_MESSAGE_HINT 'H'

PGconn *PQconnectStartParams(const char *const *, const char *const *, int);
PGconn *PQconnectdbParams(const char *const *, const char *const *, int);
PostgresPollingStatusType PQconnectPoll(PGconn *);
void PQfinish(PGconn *);
ConnStatusType PQstatus(const PGconn *);
PGTransactionStatusType PQtransactionStatus(const PGconn *);
char *PQerrorMessage(const PGconn *);
char *PQhost(const PGconn *);
char *PQport(const PGconn *);
char *PQdb(const PGconn *);
char *PQuser(const PGconn *);
int PQserverVersion(const PGconn *);
int PQbackendPID(const PGconn *);
const char *PQparameterStatus(const PGconn *, const char *);
int PQconnectionNeedsPassword(const PGconn *);
int PQconnectionUsedPassword(const PGconn *);
int PQsocket(const PGconn *);
int PQsetnonblocking(PGconn *, int);
int PQflush(PGconn *);
int PQconsumeInput(PGconn *);
int PQisBusy(PGconn *);
PGnotify *PQnotifies(PGconn *);
PQnoticeProcessor PQsetNoticeProcessor(PGconn *, PQnoticeProcessor, void *);
PGcancel *PQgetCancel(PGconn *);
int PQcancel(PGcancel *, char *, int);
void PQfreeCancel(PGcancel *);
PGresult *PQexec(PGconn *, const char *);
int PQsendQuery(PGconn *, const char *);
PGresult *PQexecParams(
    PGconn *, const char *, int, const Oid *, const char *const *, const int *, const int *, int);
int PQsendQueryParams(
    PGconn *, const char *, int, const Oid *, const char *const *, const int *, const int *, int);
int PQsetSingleRowMode(PGconn *);
PGresult *PQgetResult(PGconn *);
int PQenterPipelineMode(PGconn *);
int PQexitPipelineMode(PGconn *);
int PQpipelineSync(PGconn *);
ExecStatusType PQresultStatus(const PGresult *);
char *PQresultErrorMessage(const PGresult *);
char *PQresultErrorField(const PGresult *, int);
int PQntuples(const PGresult *);
int PQnfields(const PGresult *);
char *PQgetvalue(const PGresult *, int, int);
int PQgetlength(const PGresult *, int, int);
int PQgetisnull(const PGresult *, int, int);
char *PQcmdTuples(PGresult *);
void PQclear(PGresult *);
void PQfreemem(void *);
