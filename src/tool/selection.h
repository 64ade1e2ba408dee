/* Which messages of the queue are meant: what `list` takes as options. */
#pragma once

#include "tool/command.h"
#include "tool/inspect.h"

typedef struct Selection {
    bool states[SPOOL_STATE_MAX]; /* none of them: all */
    bool has_states;
    usec_t older;      /* arrived so long ago at least; 0: whenever */
    const char *from;  /* the sender's address has this in it, in any case; NULL: whoever it is */
    const char *to;    /* likewise, one of the recipients' */
    const char *text;  /* likewise, what it was not delivered for */
    const char *relay; /* that had it last; NULL: whichever */
    bool has_uid;
    uid_t uid; /* who queued it */
} Selection;

/* The options, for a table of ToolOption; the values begin with SELECTION_FIRST. */
enum {
    SELECTION_STATE = TOOL_LETTER_MAX + 1,
    SELECTION_OLDER,
    SELECTION_FROM,
    SELECTION_TO,
    SELECTION_TEXT,
    SELECTION_RELAY,
    SELECTION_UID,
    SELECTION_END,
};
extern const ToolOption selection_options[];

/* Takes an option's value, which is borrowed. 0, or an exit status after having said what is wrong.
 */
int selection_take(Selection *selection, const Command *command, int option, const char *value);

/* Whether more than its state has to be known of a message. */
bool selection_reads(const Selection *selection);

/* By its state alone; and by all that is known of it. */
bool selection_has_state(const Selection *selection, SpoolState state);
bool selection_has(const Selection *selection, const Inspection *message, usec_t now);
