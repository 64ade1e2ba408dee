/* For tests of records and the files they belong to: a waiting message whose first recipient has
 * it, and what claims it. */
#pragma once

#include <string.h>

#include "spool.h"
#include "spool/record.h"

#define ANN "{\"event\":\"delivered\",\"recipient\":\"ann@example.com\"}\n"
#define REFUSED "{\"event\":\"refused\",\"recipient\":\"bad@example.com\"}\n"
#define FAILED "{\"event\":\"failed\",\"error\":9004}\n"
#define RETRY "{\"event\":\"retry\",\"attempt\":1,\"next\":\"2026-01-02T03:04:05Z\"}\n"
#define SENT "{\"event\":\"sent\"}\n"

static inline SpoolClaim *take(const Place *p, const char *id, SpoolState from)
{
    _cleanup_failure_ Failure f = {0};
    SpoolClaim *c = NULL;
    int r = spool_claim(p->spool, id, from, 0, true, NOW, &c, NULL, &f);

    ck_assert_msg(r == SPOOL_CLAIMED, "%d: %s", r, failure_text(&f));
    return c;
}

static inline void append(SpoolClaim *c, const char *text)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer b = {0};

    ck_assert_int_eq(buffer_append_string(&b, text), 0);
    ck_assert_msg(spool_record_append(c, &b, &f) == 0, "%s", failure_text(&f));
}

/* Whether the claim knows that ann has the message. */
static inline bool knows_ann(SpoolClaim *c)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_msg(spool_history_load(c, &f) == 0, "%s", failure_text(&f));
    return spool_history_has(spool_claim_history(c), "ann@example.com");
}

static inline void put_waiting(const Place *p)
{
    put(p, "a.deferred", "alice's");
    put_record(p, "a.deferred", "a.status", ANN RETRY, strlen(ANN RETRY));
}

static inline void put_new(const Place *p, const char *name)
{
    put(p, name, "bob's");
}

/* Copies the waiting message, as from a backup: another file, of the same content and times. */
static inline void copy_waiting(const Place *p, const char *content)
{
    struct timespec times[2];
    struct stat st;

    put_waiting(p);
    ck_assert_int_eq(fstatat(p->fd, "a.deferred", &st, 0), 0);
    ck_assert_int_eq(renameat(p->fd, "a.deferred", p->fd, "away"), 0);
    put(p, "a.deferred", content);
    times[0] = times[1] = (struct timespec){.tv_sec = st.st_mtim.tv_sec}; /* as tar has it */
    ck_assert_int_eq(utimensat(p->fd, "a.deferred", times, 0), 0);
}
