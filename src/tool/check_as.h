/* As whom relays are checked: a login, a file or a command may be there for whoever sits before the
 * terminal, and not for the daemon, or the other way round. */
#pragma once

#include <jansson.h>

#include "tool/command.h"

typedef enum CheckAsChoice {
    CHECK_AS_BEST,   /* as the daemon where that can be */
    CHECK_AS_DAEMON, /* as it, or not at all */
    CHECK_AS_ME,
} CheckAsChoice;

/* Strings are owned. */
typedef struct CheckAs {
    char *user;         /* the name of the one whose process this is, or its number */
    const char *unit;   /* the unit whose settings it has; NULL: none */
    const char *unseen; /* what the daemon has, and this check has not; NULL: nothing is known of */
    bool is_owner;      /* of the queue directory, which makes it the daemon's user */
    bool is_other;      /* neither root nor the daemon's user, as far as that is known */
    bool has_become;    /* it was root before, and has no capability that the daemon may have */
} CheckAs;
void check_as_done(CheckAs *as);

/* Becomes the one as whom is to be checked. Either this process is it from now on, for which the
 * configuration has to be read once more: -1; or the command was run, by another process with all
 * that the daemon's unit gives to the daemon: its exit status. Else an exit status after having
 * said why it cannot be. `argv` is the command's, from its name on. */
int check_as_settle(const Tool *tool, CheckAsChoice choice, int argc, char **argv, CheckAs *ret);

/* Says it in a line or two on standard output; as an object of JSON. */
void check_as_print(const CheckAs *as);
json_t *check_as_json(const CheckAs *as);
