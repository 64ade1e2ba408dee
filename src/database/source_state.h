/* The inside of a DatabaseSource. For the files of this folder alone. */
#pragma once

#include <systemd/sd-event.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "database/ahead.h"
#include "database/claims.h"
#include "database/connection.h"
#include "database/source.h"
#include "queue/notices.h"
#include "settings/senders.h"

/* Messages that are claimed ahead of what the engine takes are in memory up to so many bytes each;
 * of longer ones, pieces of so many bytes are written to a file. No more are read while so many
 * bytes are in memory. */
#define DATABASE_WHOLE_BYTES (64 * 1024)
#define DATABASE_PIECE_BYTES (512 * 1024)
#define DATABASE_READ_BYTES (16 * 1024 * 1024)

/* Messages that the engine does not take, for its relays may take none, are given back, for other
 * daemons' may; and none are claimed until it asks. */
typedef struct Rest {
    usec_t since; /* monotonic: it took one last, or the first was ready */
    bool resting;
    size_t ahead;                  /* so many are claimed at a time */
    int64_t given_back[AHEAD_ALL]; /* a ring: of which it was told that they are queued */
    size_t n_given_back;
} Rest;

/* What the engine wants to find again after a restart. */
typedef struct Kept {
    Buffer text;   /* that of before, until the engine has it */
    bool wanted;   /* the engine waits for that */
    bool known;    /* it is: nothing is handed out before */
    bool asking;   /* for it */
    Buffer latest; /* with its NUL: what is to be found the next time */
    bool unsaved;  /* it is not written */
    bool shared;   /* there is a use for what others keep */
    Buffer others; /* what other daemons keep */
    bool news;     /* the engine does not have it */
} Kept;

/* What a daemon holds is its own for so long after it was heard of. */
#define DATABASE_LEASE "60 seconds"

/* Which lanes of the configuration may be sent, as bits. */
typedef struct DatabaseLanes {
    Config *settings;         /* whose they are; NULL: there are none */
    uint32_t chosen;          /* of which the next message is to be */
    uint32_t open;            /* likewise, at the end of the last turn */
    usec_t closed[LANES_MAX]; /* boottime: not since then */
    size_t ahead[LANES_MAX];  /* so many are claimed before the first is taken */
} DatabaseLanes;

typedef struct DatabaseMessage DatabaseMessage;

/* First in, first out. */
typedef struct DatabaseList {
    DatabaseMessage *first, **last;
    size_t n;
} DatabaseList;

struct DatabaseSource {
    Source base;
    sd_event *loop;
    Worker *worker;
    SenderRules *senders;
    Notices notices;
    bool keep_sent, share_limits, stopping;
    bool passing;  /* it ends once what was there has been seen */
    bool quiet;    /* nobody is told of messages that fail */
    bool ripening; /* there may be more that is due */
    DatabaseConnection *connection;
    sd_event_source *turn;  /* defer: wakes the engine once, before the loop waits */
    sd_event_source *claim; /* defer: claims what there is room for, lane by lane */
    sd_event_source *write; /* defer: what has ended in this turn is written together */
    sd_event_source *tick;  /* armed while connected */

    int64_t daemon;   /* its number there; 0: none yet */
    bool alive;       /* it stands, as far as is known over the present connection */
    bool beginning;   /* that number, or whether it stands, is asked for */
    usec_t lease_end; /* boottime until which what is held is ours for certain */
    bool flush;       /* what waits for a time is to be made ready when it stands */
    Share share;      /* of the limits, as the database said last */
    bool told_idle;   /* that there is nothing to do */
    usec_t renewed, reaped, forgot, ripened, learned, rescanned,
        offered;            /* boottime: when it was done last */
    int64_t offered_behind; /* what others have declined: from there on it is asked for */
    usec_t offer_pause;     /* so long after that was done last */
    bool offer_again;       /* there was some of it since all was looked at */
    bool asked;             /* the engine, for more than there was, and has taken nothing since */
    usec_t next_due;        /* realtime */
    char *lost_for;         /* why nothing is taken, as it was told last; NULL: it is */
    Buffer figures;         /* JSON, of the daemon */
    Buffer wanted;          /* "{4711,4712": put off, and to be ready again */
    Buffer bringing;        /* "{17,18}": those of them that are asked for */
    DatabaseOldest oldest;
    bool asking_oldest;
    usec_t away; /* monotonic: it cannot be used since then; 0: it can */
    Kept kept;
    char name[256]; /* of this machine */

    /* Of the database's clock, in microseconds; 0: as good as none. */
    int64_t clock_ahead;

    DatabaseLanes lanes;
    Claims claims;
    DatabaseMessage *held; /* all that are in memory */
    DatabaseList loading;  /* claimed, and not read yet */
    DatabaseList ready;    /* to be taken */
    DatabaseList ending;   /* their ends are to be written; first those that are being written */
    size_t n_writing;      /* of those */
    size_t write_most;     /* in one statement */
    bool reading;          /* their envelopes are asked for */
    Rest rest;
    bool strays;       /* what it holds and does not know of may not have gone back */
    size_t n_spooling; /* whose content is being fetched in pieces */
};

static inline DatabaseSource *database_source_from(Source *source)
{
    return (DatabaseSource *)source;
}

/* One more message of an array that has no end yet: "", "{" or "{12,15". */
static inline int database_append_id(Buffer *list, const char *id)
{
    const char *between = buffer_size(list) > 1 ? "," : "";

    return buffer_appendf(list, "%s%s", buffer_size(list) == 0 ? "{" : between, id);
}

/* The answer to what is said, and asks nothing. */
void database_ignore(void *user, const DatabaseResult *rows, const Failure *failure);

void database_list_init(DatabaseList *list);
void database_list_add(DatabaseList *list, DatabaseMessage *message);
DatabaseMessage *database_list_take(DatabaseList *list);
bool database_list_remove(DatabaseList *list, const DatabaseMessage *message);

/* Has the engine take() from the loop, once. */
void database_wake(DatabaseSource *database);

/* That message, which was put off, is to be ready again. */
void database_want(DatabaseSource *database, const char *id);

/* Asks for those that are, if the database is there. */
void database_bring_wanted(DatabaseSource *database);

/* Everything that was tried and waits for a time is ready, when the database is there. */
void database_flush(DatabaseSource *database);

/* The time by a clock that runs on while the machine sleeps. */
usec_t database_now(void);

/* The daemon's number there. Returns `text`. */
#define DAEMON_TEXT_MAX 24
const char *database_format_daemon(
    const DatabaseSource *database, char text[static DAEMON_TEXT_MAX]);

/* Whether what this daemon holds is its own for certain. */
bool database_holds(const DatabaseSource *database);

void database_tell(DatabaseSource *database, SourceFinding finding, const DatabaseMessage *message,
    const Failure *f);
void database_tell_trouble(DatabaseSource *database, int error);
