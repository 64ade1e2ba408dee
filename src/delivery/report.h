/* What the queue engine tells whoever drives it: outcomes, changes of state, the relays' health,
 * and failures of our own. It is the only way anything is said: the engine never logs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/outcome.h"

/* Recipients of one message that had the same outcome, by the same reply, in one attempt. All
 * borrowed for the call. */
typedef struct OutcomeReport {
    const char *id;
    uid_t owner; /* the user who queued the message */
    const char *sender;
    const char *const *recipients;
    size_t n_recipients;
    const DeliveryOutcome *outcome;
    const char *hint;    /* what to do, where no reply says why; else NULL */
    unsigned attempt;    /* 1 for the first */
    const char *relay;   /* its name */
    const char *address; /* "192.0.2.1:587" */
    const char *tls;     /* or NULL */
    uint64_t bytes;      /* of the message */
    usec_t delay_usec;   /* since the message arrived in the queue; 0: it cannot be told */
} OutcomeReport;

typedef enum MessageChange {
    MESSAGE_SENT,      /* delivered to every recipient; the file is gone, or `.sent` */
    MESSAGE_DEFERRED,  /* waits until `next` */
    MESSAGE_FAILED,    /* given up: `error` and `text` say why */
    MESSAGE_RETURNED,  /* back in `.queued`, nothing held against it */
    MESSAGE_RECOVERED, /* was `.sending` of a dead process; back in `.queued` */
    MESSAGE_WAITING,   /* it came, and nothing can be taken at present: `text` says why */
    MESSAGE_HELD,      /* somebody put it aside */
    MESSAGE_ABANDONED, /* let go of by the last act of this process: `text` says why, and who of
                          those that have had it get it again */
    MESSAGE_NOTICE,    /* it failed, or is late, and somebody is told: `text` says who, and by which
                          message */
    MESSAGE_UNTOLD,    /* it is about to fail or late, and nobody is told: `text` says why */
    MESSAGE_CHANGE_MAX,
} MessageChange;

typedef struct MessageReport {
    const char *id;     /* as it is called from now on */
    const char *old_id; /* what it was called before, where that is another; else NULL */
    uid_t owner;        /* FILE_OWNER_UNKNOWN (base/file.h) where that was not seen */
    const char *sender; /* NULL when it could not be read */
    MessageChange change;
    unsigned attempt;
    usec_t next;      /* MESSAGE_DEFERRED: realtime */
    int error;        /* MESSAGE_FAILED: a number of base/errors.h */
    const char *text; /* MESSAGE_FAILED, MESSAGE_DEFERRED, MESSAGE_WAITING, MESSAGE_ABANDONED,
                         MESSAGE_NOTICE, MESSAGE_UNTOLD; else NULL */
    usec_t delay_usec;
    size_t delivered,
        refused;       /* recipients so far, all attempts (delivered) and this attempt (refused) */
    size_t recipients; /* in all; 0 where they could not be read */
} MessageReport;

typedef enum RelayChange {
    RELAY_HELD, /* at fault: no use until `until`; said once per outage, and again only when the
                   reason changes */
    RELAY_REFUSED_MORE, /* takes no more connections than it has; the next relay gets what they
                           cannot take */
    RELAY_SILENT,       /* is waited for and says nothing; the next relay gets the mail meanwhile */
    RELAY_LACKS,        /* refused what it offers; it is done without */
    RELAY_EXPIRES,      /* its certificate, or ours, ends soon; once a day */
    RELAY_POLICY, /* is used, and would not be if the domain's policy were enforced; once a day */
    RELAY_RESTRAINED,   /* messages wait, and it is to take none before `until`, by its settings */
    RELAY_UNRESTRAINED, /* it may take some again */
    RELAY_RESUMED,      /* says what becomes of messages again, after having been held */
    RELAY_CHANGE_MAX,
} RelayChange;

typedef struct RelayReport {
    const char *relay;
    const char *address; /* "" when no address was reached */
    RelayChange change;
    bool news;            /* else the same was said before, and nothing has changed since */
    unsigned holds;       /* HELD: how often in a row */
    usec_t until;         /* HELD, REFUSED_MORE, RESTRAINED: realtime */
    unsigned connections; /* REFUSED_MORE: so many it has */
    const DeliveryOutcome *outcome; /* HELD, REFUSED_MORE: the fault; SILENT: the stage, and
                                       in its text what is waited for beside the relay, or "" */
    const char *hint; /* HELD, REFUSED_MORE, SILENT: what to do, a sentence; NULL where the outcome
                         says it */
    const char *restraint; /* RESTRAINED: why, a sentence about it */
    const char *expires;   /* EXPIRES: what, when, and what to do; a line each */
    const char *policy;    /* POLICY: what it says, and what to do */
    const char *lacks;     /* LACKS: keywords of EHLO, with blanks between them */
} RelayReport;

/* Messages of a lane wait, and it is to take none before `until`, by its settings; or it may take
 * some again. */
typedef struct LaneReport {
    const char *lane;
    bool restrained;
    usec_t until;          /* restrained: realtime */
    const char *restraint; /* likewise: why, a sentence about it */
} LaneReport;

/* A failure of our own: the directory, memory, descriptors. `id` is NULL when it is about no one
 * message. */
typedef struct ProblemReport {
    const char *id;
    uid_t owner; /* of that message; as above */
    const Failure *failure;
    bool pauses; /* others would meet with it too: nothing more may be claimed for a while */
    bool waits;  /* the message is over and stays in flight, for its end cannot be written */
} ProblemReport;

typedef struct EngineObserver {
    void (*outcome)(void *user, const OutcomeReport *report);
    void (*message)(void *user, const MessageReport *report);
    void (*relay)(void *user, const RelayReport *report);
    void (*lane)(void *user, const LaneReport *report);
    void (*problem)(void *user, const ProblemReport *report);
    /* The store of messages was lost, for the reason in `failure`, or is back. */
    void (*source)(void *user, bool back, const Failure *failure);
    /* engine_relay() says something else of a relay than before, which may be no news for a log. */
    void (*health)(void *user);
    void (*idle)(void *user); /* nothing queued, nothing in flight, the scan is over (deferred and
                                 held messages may wait) */
} EngineObserver;

/* Figures for the STATUS line and the tool. */
typedef struct EngineStatistics {
    uint64_t sent, deferred, failed; /* messages, since the start */
    uint64_t arrived;                /* that others made ready to go, likewise */
    size_t in_flight;                /* messages being delivered */
    size_t waiting;                  /* known candidates not yet claimed */
    size_t deferred_waiting;         /* deferred messages with a time */
    bool deferred_uncounted;         /* the source does not count those */
    usec_t next_due;                 /* realtime of the first of them; USEC_NEVER for none */
    size_t connections;              /* open or opening */
    size_t relays_held, relays_restrained, relays;
    usec_t
        paused_until; /* realtime: nothing is taken before, for a failure of our own; 0: no pause */
    size_t unsettled; /* messages that are over, and cannot be written down as such at present */
} EngineStatistics;
