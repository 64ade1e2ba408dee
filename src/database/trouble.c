/* Troubles of the database's that are not its connection's. */
#include "database/trouble.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "database/client.h"
#include "database/fault.h"

#define WORDS_MAX 600

int database_judge(const Libpq *pq, const PGconn *pg, const DatabaseResult *result, Failure *f)
{
    int64_t version = database_result_integer(result, 0, 0);
    char words[128];

    if (database_result_truth(result, 0, 2))
        return database_fail(pq, pg, FAULT_READ_ONLY, "nothing can be written to it", f);
    (void)snprintf(words, sizeof(words), "its queue is of version %lld, and this outbox needs %d",
        (long long)version, DATABASE_VERSION);
    if (version < DATABASE_VERSION)
        return database_fail(pq, pg, FAULT_SCHEMA_OLD, words, f);
    if (database_result_integer(result, 0, 1) > DATABASE_VERSION)
        return database_fail(pq, pg, FAULT_SCHEMA_NEW, words, f);
    return 0;
}

/* By how it begins, the longest first (PostgreSQL's appendix A). */
static const struct {
    const char *state;
    int error, number;
} states[] = {
    {"25006", -EROFS, ERROR_DATABASE},
    {"53100", -ENOSPC, ERROR_STORAGE},
    {"53", -ENOMEM, ERROR_DATABASE},
    {"58", -EIO, ERROR_DATABASE},
    {"40", -EAGAIN, ERROR_DATABASE},
    {"", -EPROTO, ERROR_DATABASE},
};

int database_trouble(const char *state, const char *words, Failure *f)
{
    _cleanup_free_
    char *text = text_printable(words, strlen(words), WORDS_MAX);
    size_t i = 0;

    while (strncmp(state, states[i].state, strlen(states[i].state)) != 0)
        i++;
    return failure_set(f, states[i].error, states[i].number,
        "what became of it cannot be written to the database: %s (SQLSTATE %.5s)",
        text ?: "it does not say why", state);
}
