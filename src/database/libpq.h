/* libpq, which is not linked but loaded where a database is configured: who has none needs neither
 * the library nor the memory that it takes. */
#pragma once

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include "database/libpq_types.h"
#endif

#include "base/failure.h"

/* What is used of it, a table of functions: add what is missing, to libpq_types.h too. */
/* clang-format off */
#define LIBPQ_FUNCTIONS(X) \
    X(connectStartParams) \
    X(connectdbParams) \
    X(connectPoll) \
    X(finish) \
    X(status) \
    X(transactionStatus) \
    X(errorMessage) \
    X(host) \
    X(port) \
    X(db) \
    X(user) \
    X(serverVersion) \
    X(backendPID) \
    X(parameterStatus) \
    X(connectionNeedsPassword) \
    X(connectionUsedPassword) \
    X(socket) \
    X(setnonblocking) \
    X(flush) \
    X(consumeInput) \
    X(isBusy) \
    X(notifies) \
    X(setNoticeProcessor) \
    X(getCancel) \
    X(cancel) \
    X(freeCancel) \
    X(exec) \
    X(sendQuery) \
    X(execParams) \
    X(sendQueryParams) \
    X(setSingleRowMode) \
    X(getResult) \
    X(enterPipelineMode) \
    X(exitPipelineMode) \
    X(pipelineSync) \
    X(resultStatus) \
    X(resultErrorMessage) \
    X(resultErrorField) \
    X(ntuples) \
    X(nfields) \
    X(getvalue) \
    X(getlength) \
    X(getisnull) \
    X(cmdTuples) \
    X(clear) \
    X(freemem)
/* clang-format on */

/* `pq->exec(...)` is PQexec(...). */
typedef struct Libpq {
#define LIBPQ_MEMBER(name) __typeof__(PQ##name) *name;
    LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
#undef LIBPQ_MEMBER
} Libpq;

/* The one of this process, loaded with the first call; it stays. From any thread. NULL with a
 * Failure where it is not installed, or this program was built without it. */
const Libpq *libpq_load(Failure *f);
