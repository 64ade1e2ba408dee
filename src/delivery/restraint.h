/* What keeps a relay or a lane from taking more: its rates, and its quiet hours. Pure; times of
 * rates are of the clock that goes on while the machine sleeps, those of hours are realtime. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/share.h"

typedef struct Restraint Restraint;

typedef enum RestraintKind {
    RESTRAINT_NONE,
    RESTRAINT_MESSAGES,   /* message_rate */
    RESTRAINT_RECIPIENTS, /* recipient_rate */
    RESTRAINT_QUIET,      /* quiet */
} RestraintKind;

/* Settings, which were checked; NULL for each that is not set. */
typedef struct RestraintTerms {
    const char *message_rate, *recipient_rate, *quiet;
} RestraintTerms;

/* How much may be taken now. */
typedef struct RestraintRoom {
    uint64_t messages, recipients; /* UINT64_MAX: any number */
    usec_t from;                   /* with none of either: when it may take one again */
    RestraintKind kind;            /* then: why not before */
} RestraintRoom;

#define RESTRAINT_TEXT_MAX 200

/* `ret` is NULL where the terms say nothing. What was sent counts on from `former`, that of before
 * a reload (NULL: none), as far as the rates are the same. 0 or -ENOMEM. */
int restraint_new(RestraintTerms terms, const Restraint *former, Restraint **ret);
void restraint_free(Restraint *restraint); /* accepts NULL */

/* Of the rates, that part is for this process from now on: all of them at first. */
void restraint_share(Restraint *restraint, const Share *share);

RestraintRoom restraint_room(Restraint *restraint, usec_t now, usec_t realtime);

/* From when on a message to so many may be sent, if no other is before it: one to more than a rate
 * allows, where nothing else was; one to more than this process's part, by the first alone. */
usec_t restraint_when(Restraint *restraint, size_t recipients, usec_t now);

/* The same of one that is sent in so many transactions, each of which counts as a message; by rates
 * of a minute or more: within seconds they come one after the other. */
usec_t restraint_when_several(Restraint *restraint, size_t transactions, usec_t now);

/* Why one may not be sent yet, to that relay or in that lane. Returns `text`. */
char *restraint_refuse(const char *whose, size_t transactions, size_t recipients,
    char text[static RESTRAINT_TEXT_MAX]);

/* So many transactions, with so many recipients in all, are sent. */
void restraint_note(Restraint *restraint, size_t messages, size_t recipients, usec_t now);

/* Why: "100 messages in 1h are sent (message_rate)". Returns `text`. */
const char *restraint_explain(
    const Restraint *restraint, RestraintKind kind, char text[static RESTRAINT_TEXT_MAX]);

/* Whether a rate counts over a minute or more, so that it is worth being kept; and lines that say
 * what was sent, `name` whose it is: 0 or -ENOMEM. */
bool restraint_is_long(const Restraint *restraint);
bool restraint_is_due(const Restraint *restraint); /* soon: much has been sent since */
int restraint_save(Restraint *restraint, const char *name, usec_t now, Buffer *out);

/* Takes one of those lines, without its end, that was written so long ago; another's is left
 * alone. */
void restraint_load(
    Restraint *restraint, const char *name, const char *line, usec_t age, usec_t now);

/* The same of what other processes sent, and as if they had sent nothing. */
void restraint_load_others(
    Restraint *restraint, const char *name, const char *line, usec_t age, usec_t now);
void restraint_forget_others(Restraint *restraint);

typedef void (*RestraintLoad)(
    Restraint *restraint, const char *name, const char *line, usec_t age, usec_t now);
