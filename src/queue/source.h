/* Where messages come from and where their fate is written: the one interface between the engine
 * and a store of messages. The engine does not know that they are files (queue/directory.h is the
 * queue directory's side of it).
 *
 * A source lives on the loop: it has its own timers and descriptors there, wakes the engine, and
 * may answer later. It is a structure that starts with a Source, a held message one that starts
 * with a HeldMessage. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/outcome.h"
#include "base/share.h"
#include "message/message.h"
#include "settings/lanes.h"

typedef struct Source Source;

#define SOURCE_ID_MAX 256

/* A message that this process holds: nobody else delivers it until it is settled. */
typedef struct HeldMessage {
    Source *source;
    const char *id;
    uid_t owner;          /* the user who queued it */
    Message *message;     /* envelope and content */
    bool deferred;        /* it had been deferred, and not queued anew */
    usec_t arrival;       /* realtime */
    usec_t first_attempt; /* realtime of the first counted attempt of its present life; 0: none.
                             retry.give_up_after counts from here */
    unsigned attempts;    /* counted so far, in its present life */
    size_t *pending; /* indices of the envelope's recipients that are not finished, or NULL for all
                        of them */
    size_t n_pending;
    size_t n_lost;      /* of those, under whom connections were lost in earlier attempts, with no
                           verdict on them: the last in `pending`, those of the latest loss at the end */
    unsigned losses;    /* such attempts */
    size_t n_delivered; /* finished in earlier attempts */
    size_t n_refused;
    bool sending;             /* told by the engine: an attempt has begun */
    unsigned lane;            /* for whoever holds it (settings/lanes.h) */
    uint64_t unfit_for;       /* for whoever holds it, 0 at first: relays that cannot take it */
    void *routes;             /* likewise, NULL at first: which recipients go which way; freed with
                                 the message by free() */
    struct HeldMessage *next; /* for a list of whoever holds it */
} HeldMessage;

/* Where an outcome came from; members may be NULL. */
typedef struct OutcomeVia {
    const char *relay, *address, *tls;
} OutcomeVia;

/* How a message is settled. */
typedef enum MessageEndKind {
    END_SENT,     /* delivered to every recipient */
    END_DEFERRED, /* until `next` */
    END_FAILED,   /* given up: `error`, `text` */
    END_RETURNED, /* nothing is held against it; it is deliverable at once */
} MessageEndKind;

typedef struct MessageEnd {
    MessageEndKind kind;
    usec_t now;       /* realtime */
    bool keep;        /* END_SENT: the message stays, as sent */
    unsigned attempt; /* END_DEFERRED: the number of the attempt that ended */
    usec_t next;      /* END_DEFERRED: realtime */
    bool unread;      /* END_RETURNED: this machine could not read it. Not deliverable before a
                         while */
    bool aside;       /* END_RETURNED: what it waits for is not there. Likewise */
    bool full;        /* aside: it is there, and has no room. Nobody else is to be asked, and
                         bring() comes */
    usec_t until;     /* END_RETURNED: realtime from which on it is; 0: that is not known */
    int error;        /* END_FAILED */
    const char *text; /* likewise */
    const char *hint; /* END_DEFERRED, END_FAILED: what can be done, or NULL */
} MessageEnd;

/* What sync() and settle() return beside 0 and negative errno values. */
#define SOURCE_LATER 1 /* ended() will come */
#define SOURCE_GONE 2  /* somebody took the message away: it is not held any more */

/* What a source found, beside messages to deliver. */
typedef enum SourceFinding {
    FOUND_DEFECT,    /* a message that cannot be sent: it is failed already */
    FOUND_QUEUED,    /* one that somebody put there, or made ready, meanwhile */
    FOUND_EARLY,     /* one that is not to be sent yet: the Failure says from when on */
    FOUND_HELD,      /* one that somebody put aside */
    FOUND_RECOVERED, /* one of a dead process, deliverable again */
    FOUND_NOTICE,  /* somebody is told that one failed: the Failure says whom, and by which message
                    */
    FOUND_UNTOLD,  /* somebody should be, and is not: the Failure says why */
    FOUND_PROBLEM, /* one message that nothing can be done with; it is left alone for a while */
    FOUND_TROUBLE, /* something that every message would meet with (error_is_common()) */
    FOUND_LOST,    /* the store cannot be reached; nothing is taken from it meanwhile. Found again
                      when the reason has changed */
    FOUND_BACK,    /* it can again */
} SourceFinding;

/* The message that something was found about. */
typedef struct SourceFound {
    const char *id;
    const char *old_id; /* what it was called before; NULL where that is the same */
    uid_t owner;        /* FILE_OWNER_UNKNOWN (base/file.h) where that was not seen */
} SourceFound;

/* Called from the loop, and from within the operations below. */
typedef struct SourceHandlers {
    void (*wake)(void *user); /* take() may have something now */
    /* sync() or settle() that returned SOURCE_LATER is over: `result` is what it would have
     * returned. */
    void (*ended)(void *user, HeldMessage *message, int result, const Failure *failure);
    /* Another process has taken it over: stop, and write nothing; abandon() is all that is left. */
    void (*lost)(void *user, HeldMessage *message);
    /* Somebody wants to have it: true when nothing has been done with it, and the source has it
     * back. */
    bool (*yield)(void *user, HeldMessage *message);
    /* `message` is NULL for what is about no one message. */
    void (*found)(
        void *user, SourceFinding finding, const SourceFound *message, const Failure *failure);
} SourceHandlers;

typedef struct SourceFigures {
    size_t waiting;  /* messages known that take() may give at once */
    size_t deferred; /* messages that wait for a time */
    bool uncounted;  /* so many that wait for a time were not counted: `deferred` is 0 */
    usec_t next_due; /* realtime of the first of them; USEC_NEVER for none */
    bool unread;     /* there may be others that are not known yet */
} SourceFigures;

typedef struct SourceOps {
    /* The next message to deliver. 1 with it; 0 when there is none now (wake() comes when there may
     * be); or a negative errno after a failure that every message would meet with, which was
     * reported by found(): the engine asks again after a while. */
    int (*take)(Source *source, HeldMessage **ret);

    /* A line for the message's record: gathered, and durable after sync() or settle(). 0 or
     * -ENOMEM. */
    int (*record)(HeldMessage *message, usec_t now, const char *recipient, unsigned attempt,
        const DeliveryOutcome *outcome, const OutcomeVia *via);

    /* Makes what was gathered durable. 0, SOURCE_LATER, or a negative errno with a Failure. */
    int (*sync)(HeldMessage *message, Failure *f);

    /* Settles it, writing what was gathered where the record outlives that. 0, and its id as it is
     * from then on in `ret_id` (it may have got a new one): the message is not held any more;
     * SOURCE_GONE, the same with a Failure; SOURCE_LATER; or a negative errno with a Failure: it is
     * held still, so that no recipient that has had it gets it again: settle it the same way
     * later. `message` of it is NULL meanwhile, where the engine has something to tell of it
     * afterwards. */
    int (*settle)(
        HeldMessage *message, const MessageEnd *end, char ret_id[static SOURCE_ID_MAX], Failure *f);

    /* Lets go of it as it is, as if this process had died. What is under way of it goes on, and is
     * tried until it is done; ended() does not come. */
    void (*abandon)(HeldMessage *message);

    /* A message that was returned aside is deliverable at once; `deferred` as it was then. What is
     * not there any more is passed by. */
    void (*bring)(Source *source, const char *id, bool deferred);

    /* Where the configuration has lanes: of which of them (bits, by config_find_lane()) take()
     * gives messages from now on, and how many of each wait that are known. What message is in
     * which is a hint: it is seen for sure when it is held. NULL: the source knows nothing of
     * lanes. */
    void (*choose)(Source *source, uint32_t lanes);
    void (*lanes)(const Source *source, size_t ret[static LANES_MAX]);

    void (*flush)(
        Source *source); /* everything that waits for a time is due, and looked for anew */
    /* A few lines that the engine wants to find again after a restart, as far as that is cheap: not
     * synced. NULL: nothing is kept. 0 or a negative errno; -EAGAIN: they are not known yet,
     * wake() comes when they are, and take() gives nothing before. */
    int (*keep)(Source *source, const void *data, size_t n);
    int (*kept)(Source *source, Buffer *out);
    /* Where others deliver from it, too, all that they keep, in their own lines one after the
     * other: 1 where it is news, else 0, or -ENOMEM. NULL: nobody else does. */
    int (*others)(Source *source, Buffer *out);
    void (*figures)(const Source *source, SourceFigures *ret);
    /* This process's part of the limits, where others deliver from it, too; wake() comes when it
     * has changed. NULL: all of them. */
    Share (*share)(const Source *source);
    void (*rest)(
        Source *source); /* nothing is held: the time to let go of what was kept for speed */
} SourceOps;

struct Source {
    const SourceOps *ops;
    const SourceHandlers *handlers; /* the engine's; set before the first operation */
    void *user;
};
