/* What can be told of a message in the queue by looking at its file and its record, without
 * claiming it. */
#pragma once

#include <jansson.h>

#include "base/clock.h"
#include "spool/spool.h"

typedef struct Inspection {
    char *id;
    SpoolState state;
    uid_t owner; /* the user who queued it; FILE_OWNER_UNKNOWN (base/file.h): that is not known */
    char *role;  /* of a database: as whom; NULL: of a directory */
    uint64_t size;
    usec_t arrival;  /* realtime */
    usec_t next;     /* of a deferred message, and of one that is queued and not to be sent yet; 0
                        otherwise */
    usec_t declined; /* no daemon that was asked has a relay for it until then; 0 otherwise */
    unsigned attempts;
    char *lane;        /* NULL: none, or it cannot be read */
    char *sender;      /* NULL when it cannot be read */
    char **recipients; /* those of the envelope */
    size_t n_recipients;
    size_t n_delivered; /* of them, in earlier attempts */
    char *text; /* the last thing the record says of a failure, or why the file cannot be read; NULL
                   when there is nothing to say */
    char *relay; /* that had it last; NULL: none */
} Inspection;

/* 0; -ENOENT when the message has gone meanwhile; another negative errno when memory, descriptors
 * and the like are short. A file that cannot be read or is no message is no failure: `text` says
 * so. */
int inspect(const Spool *spool, const char *id, SpoolState state, Inspection *ret);
void inspection_done(Inspection *inspection);

/* Many of them; all zero is none. */
typedef struct Inspections {
    Inspection *all;
    size_t n, allocated;
} Inspections;

/* Takes the message over, which is empty then. 0, or -ENOMEM, and it is as it was. */
int inspections_take(Inspections *inspections, Inspection *message);
void inspections_done(Inspections *inspections);

/* As a JSON object: id, state, uid, size, arrived, next, attempts, lane, sender, recipients,
 * delivered, text, relay, and role where there is one. NULL when memory is short. */
json_t *inspection_to_json(const Inspection *inspection);

/* The lines of the record as an array of objects, empty when there is none that can be read. 0, or
 * a negative errno with a Failure when memory and the like are short. */
int inspect_record(const Spool *spool, const char *id, SpoolState state, json_t **ret, Failure *f);
