/* The queue that commands look at and change, wherever it is: store_directory.c has it in a
 * directory, store_database.c in PostgreSQL. A message is an id and a state, and what can be told
 * of it is an Inspection.
 *
 * Functions return 0, or a negative errno with a Failure, unless they say otherwise. */
#pragma once

#include <jansson.h>

#include "message/envelope.h"
#include "tool/command.h"
#include "tool/inspect.h"
#include "tool/selection.h"
#include "tool/servers.h"

typedef struct Store Store;

/* ---- looking ---- */

typedef enum StoreOrder {
    STORE_AS_FOUND,
    STORE_BY_ID,
    STORE_BY_AGE,   /* the oldest first */
    STORE_BY_SIZE,  /* the largest first */
    STORE_BY_TRIES, /* the most first */
    STORE_BY_NEXT,  /* the first to be tried first */
    STORE_BY_SENDER,
    STORE_BY_STATE,
    STORE_ORDER_MAX,
} StoreOrder;

/* "id", "age", ... 0 or -EINVAL; and the name, NULL for STORE_AS_FOUND. */
int store_order_parse(const char *name, StoreOrder *ret);
const char *store_order_name(StoreOrder order);

typedef struct StoreQuery {
    const Selection *selection;        /* NULL: all messages */
    bool (*applies)(SpoolState state); /* of those, the ones in such states; NULL: in any */
    bool takes_over;                   /* and those that a dead process was sending */
    bool names_only;                   /* id and state are all that is told of them */
    StoreOrder order;
    bool reverse; /* of what is in an order */
    size_t limit; /* no more are wanted; 0: all */
} StoreQuery;

/* Called with each; it may take what is in it over. 0; more than 0, which ends the looking; or a
 * negative errno, with a Failure unless memory is short. */
typedef int (*StoreVisit)(void *user, Inspection *message, Failure *f);

/* ---- counting ---- */

#define STORE_STRANGERS_MAX 10 /* that are named */

typedef struct StoreStateFigures {
    uint64_t messages, bytes;
    usec_t oldest; /* arrival; 0 when there is none */
} StoreStateFigures;

typedef struct StoreFigures {
    StoreStateFigures states[SPOOL_STATE_MAX];
    usec_t next;    /* the earliest attempt of a deferred message; 0 when there is none */
    usec_t waiting; /* since when the message waits that does for longest; 0: none does */
    char *strangers[STORE_STRANGERS_MAX]; /* files that are none of the queue's */
    size_t n_strangers;
} StoreFigures;

void store_figures_done(StoreFigures *figures);

/* ---- changing ---- */

typedef enum StoreChange {
    STORE_RETRY,
    STORE_HOLD,
    STORE_RELEASE,
    STORE_DELETE,
    STORE_ADOPT,
} StoreChange;

/* The states in which a message can be. */
bool store_can_retry(SpoolState state);
bool store_can_hold(SpoolState state);
bool store_can_release(SpoolState state);
bool store_can_delete(SpoolState state);

/* One of those to be changed, and what became of it. */
typedef struct StoreItem {
    ToolMessage message;
    int result; /* 0; -ENOENT when no such message is in a state that allows it, -EBUSY when it is
                   being sent, or another negative errno, each with the Failure */
    Failure failure;
} StoreItem;

/* ---- the interface ---- */

typedef struct StoreOps {
    int (*look)(Store *store, const StoreQuery *query, StoreVisit visit, void *user, Failure *f);

    /* As tool_find_message(). */
    int (*find)(
        Store *store, const char *argument, bool (*applies)(SpoolState state), ToolMessage *ret);

    /* The state of that message: 0, -ENOENT without a Failure, or another negative errno. Of
     * several that share the id it is the one that the record belongs to. */
    int (*locate)(Store *store, const char *id, SpoolState *ret, Failure *f);

    /* -ENOENT, without a Failure, when the message has gone meanwhile. */
    int (*inspect)(Store *store, const char *id, SpoolState state, Inspection *ret, Failure *f);

    /* The lines of its record, an array of objects. */
    int (*record)(Store *store, const char *id, SpoolState state, json_t **ret, Failure *f);

    /* When it was tried last (realtime); 0: never, or that cannot be told. */
    usec_t (*tried)(Store *store, const char *id, SpoolState state);

    /* What was queued, for reading: a descriptor, which the caller closes, and its size. */
    int (*open)(Store *store, const char *id, SpoolState state, uint64_t *ret_size, Failure *f);

    /* Its envelope without who has had it, `n_had` of them. Of what open() gave `fd`, which is
     * read. */
    int (*envelope)(Store *store, const ToolMessage *message, int fd, uint64_t size, Envelope *ret,
        size_t *n_had, Failure *f);

    /* Does the same to each. What becomes of one is in it, and the others go on; a negative errno
     * with a Failure is of what all would meet with. */
    int (*change)(Store *store, StoreChange change, StoreItem *items, size_t n, Failure *f);

    int (*figures)(Store *store, StoreFigures *ret, Failure *f);

    /* Who delivers from it, which servers_done() frees. */
    int (*servers)(Store *store, Servers *ret, Failure *f);

    /* Whether it is still the one that was opened: 1, 0, or a negative errno. */
    int (*is_current)(Store *store);

    void (*free)(Store *store);
} StoreOps;

struct Store {
    const StoreOps *ops;
    const char *name; /* for people: the directory's path, or what the database is called */
    Spool *spool;     /* the directory; NULL: it is none */
};

/* Opens the queue that `directory` (--directory) or else the configuration names, for changing what
 * is in it or only for looking. 0, or an exit status after having said why. */
int store_open(const Tool *tool, const char *directory, Store **ret);
int store_open_to_read(const Tool *tool, const char *directory, Store **ret);

/* One of both kinds: the directory so named, or configured; and the database that the connection
 * string names, or with NULL the configuration. */
int store_open_directory(const Tool *tool, const char *directory, Store **ret);
int store_open_database(const Tool *tool, const char *conninfo, Store **ret);
void store_free(Store *store);
DEFINE_CLEANUP(Store, store_free);

/* The same for who must not say anything (completion). 0 or a negative errno. */
int store_open_quietly(const Tool *tool, const char *directory, Store **ret);
int store_open_directory_quietly(const Tool *tool, const char *directory, Store **ret);

/* The directory as a store, which owns it from then on; NULL, and it is freed, when memory is
 * short. */
Store *store_of_directory(Spool *spool);

/* A store of the database that the connection string names; with `user`, of what that user has
 * queued alone. */
int store_of_database(const char *conninfo, const uid_t *user, Store **ret, Failure *f);

/* The next bytes of what open() gave, whose descriptor `fd` points to: as message_read_start()
 * wants it. 1, 0 at the end, or a negative errno. */
int store_read_piece(void *fd, Buffer *out, Failure *f);

/* Messages as they were gathered, in that order. */
void store_sort(Inspections *messages, StoreOrder order);
