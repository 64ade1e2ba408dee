/* Choosing messages. Must never take a value that means nothing for one that means all. */
#include "tool/selection.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static int take_state(Selection *s, const Command *command, const char *name)
{
    SpoolState state;

    if (spool_state_parse(name, &state) < 0)
        return tool_usage(command,
            "%s is no state: those are queued, sending, sent, failed, deferred, held", name);
    s->states[state] = s->has_states = true;
    return 0;
}

static int take_older(Selection *s, const Command *command, const char *value)
{
    if (text_parse_duration(value, &s->older) < 0)
        return tool_usage(
            command, "--older %s: a duration is wanted, such as 90s, 5m, 2h or 3d", value);
    return 0;
}

/* By number where it is one; names cost a look that may take long. */
static int take_uid(Selection *s, const Command *command, const char *value)
{
    const struct passwd *user;
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    s->has_uid = true;
    if (isdigit((unsigned char)*value) && !*end && n < (uid_t)-1) {
        s->uid = (uid_t)n;
        return 0;
    }
    user = getpwnam(value);
    if (!user)
        return tool_usage(command, "--uid %s: there is no such user", value);
    s->uid = user->pw_uid;
    return 0;
}

int selection_take(Selection *s, const Command *command, int option, const char *value)
{
    switch (option) {
    case SELECTION_STATE: return take_state(s, command, value);
    case SELECTION_OLDER: return take_older(s, command, value);
    case SELECTION_UID: return take_uid(s, command, value);
    case SELECTION_FROM: s->from = value; break;
    case SELECTION_TO: s->to = value; break;
    case SELECTION_TEXT: s->text = value; break;
    case SELECTION_RELAY: s->relay = value; break;
    default: break;
    }
    if (!*value)
        return tool_usage(command, "--%s: there is nothing to look for",
            tool_option_find(command->shared, option)->name);
    return 0;
}

bool selection_reads(const Selection *s)
{
    return s->older > 0 || s->from || s->to || s->text || s->relay || s->has_uid;
}

bool selection_has_state(const Selection *s, SpoolState state)
{
    return !s->has_states || s->states[state];
}

static bool is_within(const char *text, const char *wanted)
{
    return !wanted || (text && strcasestr(text, wanted));
}

static bool has_recipient(const Inspection *i, const char *wanted)
{
    bool found = !wanted;

    for (size_t n = 0; !found && n < i->n_recipients; n++)
        found = is_within(i->recipients[n], wanted);
    return found;
}

bool selection_has(const Selection *s, const Inspection *i, usec_t now)
{
    return selection_has_state(s, i->state) && (!s->has_uid || s->uid == i->owner) &&
           (s->older == 0 || clock_age(i->arrival, now) >= s->older) &&
           is_within(i->sender, s->from) && has_recipient(i, s->to) &&
           is_within(i->text, s->text) &&
           (!s->relay || (i->relay && strcmp(i->relay, s->relay) == 0));
}
