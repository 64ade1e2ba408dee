/* The inside of the simulated relays: relay.c (addresses, connections, bytes under way) and
 * dialogue.c (what they say). */
#pragma once

#include "base/buffer.h"
#include "message.h"
#include "relay.h"
#include "world.h"

#define OUTAGES_MAX 3

typedef enum OutageKind {
    OUTAGE_NONE,
    OUTAGE_REFUSES,     /* connections */
    OUTAGE_SILENT,      /* to connections */
    OUTAGE_UNREACHABLE, /* at once */
    OUTAGE_421_GREETING,
    OUTAGE_554_GREETING,
    OUTAGE_CLOSES,       /* instead of a greeting */
    OUTAGE_HANGS,        /* likewise */
    OUTAGE_421_MAIL,     /* to every MAIL */
    OUTAGE_451_MAIL,     /* likewise */
    OUTAGE_451_RCPT,     /* to every RCPT */
    OUTAGE_HANGS_AT_END, /* of every content, having taken it over */
    OUTAGE_LOSES_AT_END, /* likewise, and closes */
    OUTAGE_HANGS_AT_MAIL,
    OUTAGE_KIND_MAX,
} OutageKind;

/* What happens with a reply. */
typedef enum ReplyFault {
    REPLY_PLAIN,
    REPLY_450,
    REPLY_550,
    REPLY_421,       /* and closes */
    REPLY_421_STAYS, /* and goes on all the same */
    REPLY_ODD,       /* a code that may not come there */
    REPLY_GARBAGE,
    REPLY_SILENCE,
    REPLY_CLOSE, /* instead of it */
    REPLY_RESET, /* likewise */
    REPLY_SLOW,
    REPLY_ACT_CLOSE, /* does what it is asked for, and closes instead of telling */
    REPLY_ACT_RESET,
    REPLY_DRIBBLE, /* byte by byte, one a second */
    REPLY_THEN_CLOSE,
    REPLY_THEN_RESET,
    REPLY_500,
    REPLY_503,
    REPLY_504,
    REPLY_452,
    REPLY_LONG,  /* many lines */
    REPLY_EARLY, /* DATA: a refusal right behind the go-ahead */
    REPLY_FAULT_MAX,
} ReplyFault;

typedef enum Offers {
    OFFERS_PIPELINING,
    OFFERS_CHUNKING, /* and pipelining */
    OFFERS_NOTHING,
    OFFERS_HELO,          /* EHLO is not known */
    OFFERS_WHAT_IT_LACKS, /* CHUNKING, and does not know BDAT */
    OFFERS_LIMITS,        /* RFC 9422 */
    OFFERS_MAX,
} Offers;

typedef struct Outage {
    OutageKind kind;
    usec_t from, to;
    unsigned address; /* ADDRESSES_MAX: every one */
} Outage;

typedef struct SimRelay {
    unsigned number, n_addresses;
    unsigned n_connections[ADDRESSES_MAX]; /* so far */
    unsigned n_open;
    usec_t distance; /* one way */
    unsigned window;
    Offers offers;
    unsigned bears, bears_messages, bears_recipients; /* 0: any number */
    usec_t closes_idle;                               /* 0: never */
    unsigned intensity;                               /* of 1,024 replies */
    Outage outages[OUTAGES_MAX];
    usec_t connecting, talking, idle; /* patience of the client */
} SimRelay;

typedef enum PeerState {
    PEER_GREETING,
    PEER_COMMAND,
    PEER_DATA,  /* content up to a lone dot */
    PEER_CHUNK, /* `chunk` bytes of it */
    PEER_HUNG,
    PEER_OVER,
} PeerState;

typedef struct Words Words;

struct Peer {
    SimRelay *relay;
    unsigned address, number; /* of the connection at that address */
    Socket *client;           /* NULL: it has closed */
    PeerState state;
    OutageKind fault; /* it was opened with */
    Words *words;     /* under way to the client */
    bool counted;     /* among those that are open */
    Buffer wire;      /* from the client, under way */
    Buffer input;     /* arrived */
    bool step_due;    /* it will look at its input */
    usec_t busy;      /* until then it thinks */
    usec_t said;      /* when the last of what it said arrives */
    unsigned commands;
    usec_t active; /* when it was last spoken to */

    /* The transaction. */
    bool mail;
    unsigned message;
    unsigned accepted; /* recipients, bits */
    unsigned n_accepted;
    bool uncounted; /* one whose reply was odd is among them, or a line was no reply */
    bool garbled;   /* what it has said cannot be counted any more */
    Buffer content;
    size_t chunk;
    ReplyFault chunk_fault;
    bool last_chunk;
    unsigned served; /* messages */
    Peer *next, **previous;
};

/* ---- relay.c ---- */

/* Says it, after `delay` and the way it has to go; `mark` as of socket_arrive(). */
void peer_say(Peer *peer, const char *text, usec_t delay, unsigned mark);
void peer_dribble(Peer *peer, const char *text, unsigned mark);
void peer_close(Peer *peer, bool reset);
void peer_hang(Peer *peer);
void peer_expect(Peer *peer, usec_t patience);

OutageKind outage_of(const SimRelay *relay, unsigned address);

/* ---- dialogue.c ---- */

void dialogue_greet(Peer *peer);

/* Goes on with what has come. False when there is nothing whole. */
bool dialogue_step(Peer *peer);
