/* The validated, immutable configuration: what every other layer reads.
 *
 * A Config is made by settings/load.h, never changed afterwards, and counted: a reload makes a new
 * one while connections opened under the old one keep theirs. Strings are owned by the Config.
 * Durations are microseconds, sizes bytes. A NULL string means "not set". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "settings/lanes.h"
#include "settings/pickup.h"
#include "settings/relay.h"
#include "settings/routes.h"
#include "settings/senders.h"
#include "settings/users.h"

typedef struct SpoolConfig {
    char *directory;
    char *database;    /* a connection string of libpq, which may have a password in it; NULL: the
                          queue is in the directory */
    bool share_limits; /* limits and rates hold for all daemons on the database together */
    bool keep_sent;
    usec_t settle; /* how long a file must be left alone when no lease can tell that its writer is
                      done */
    SenderRules *senders;
    PickupList *pickup;          /* directories that messages are taken from; NULL: none */
    UserList *submit;            /* who may use the submission socket */
    char *submit_socket;         /* NULL: there is none */
    size_t submit_max_size;      /* of a message; 0: any */
    unsigned submit_rate;        /* messages of a user in a minute; 0: any number */
    unsigned submit_max_waiting; /* messages of a user in the queue; 0: any number */
    char *submit_networks;     /* whose hosts may hand over mail by SMTP (networks.h); NULL: none */
    char *submit_network_user; /* whose that mail is */
} SpoolConfig;

typedef struct RetryConfig {
    usec_t first, max;
    double factor;
    usec_t give_up_after;  /* 0: never */
    unsigned max_attempts; /* 0: no limit; 1: every error is final */
} RetryConfig;

/* Who is told that a message failed. */
typedef struct BounceConfig {
    char *to;             /* BOUNCE_NONE, BOUNCE_SENDER or an address */
    size_t original_size; /* the message goes along up to that size, and else its header alone */
    unsigned per_hour;    /* so many are told of a user's messages; 0: any number */
    usec_t delay_warning; /* after so long somebody is told that a message waits; 0: nobody is */
} BounceConfig;

#define BOUNCE_NONE "none"
#define BOUNCE_SENDER "sender"

/* When there is an alarm, and who is told but the log. */
typedef struct AlarmConfig {
    char *command;      /* a shell command; NULL: none */
    usec_t after;       /* a message waits for so long; 0: that is none */
    usec_t relay_after; /* a relay cannot be used for so long; likewise */
    usec_t pause;       /* between two runs of the command */
} AlarmConfig;

typedef struct DaemonConfig {
    usec_t stop_timeout;
} DaemonConfig;

/* How messages are composed. */
typedef struct MessageConfig {
    char *charset;
    bool fold_headers;
    unsigned max_header_length; /* with the line's end */
    bool allow_empty_to;
    char *message_id_algorithm; /* "md5", "sha1", "sha256" */
} MessageConfig;

/* Where mail for the names of this machine goes, and as whom it writes. */
typedef struct LocalConfig {
    char *root;    /* addresses, as a line of aliases has them; NULL: no rule */
    char *aliases; /* the file; NULL: none */
    bool alias_includes;
    char *domain;       /* of names without one; NULL: what the system says */
    char *rewrite_from; /* rules (from_rules.h); NULL: addresses stay */
} LocalConfig;

typedef struct Config {
    unsigned references;
    char *path; /* the file it was read from; NULL for built-in defaults */
    SpoolConfig spool;
    RetryConfig retry;
    BounceConfig bounce;
    AlarmConfig alarm;
    DaemonConfig daemon;
    MessageConfig message;
    LocalConfig local;
    RelayConfig **relays; /* in order of preference */
    size_t n_relays;
    RouteConfig **routes; /* rules, in the order in which they are asked */
    size_t n_routes;
    RouteRules *rules; /* the same, made ready; NULL: there are none */
    LaneConfig **lanes;
    size_t n_lanes; /* < LANES_MAX */
    char *notices;  /* lines on what was set and changes nothing, as mistakes are told; or NULL */
} Config;

/* From any thread. */
Config *config_ref(Config *config);
Config *config_unref(
    Config *config); /* wipes secrets with the last reference; accepts NULL; returns NULL */

/* The relay of that name, borrowed; NULL: there is none. Accepts NULL for either. */
const RelayConfig *config_find_relay(const Config *config, const char *name);

/* The number of the lane of that name, without regard to case: its place in `lanes`, from 1 on.
 * LANE_NONE: there is none, or no name. Accepts NULL for either. */
unsigned config_find_lane(const Config *config, const char *name);

static inline void config_unref_p(Config **config)
{
    (void)config_unref(*config);
}
#define _cleanup_config_ _cleanup_(config_unref_p)
