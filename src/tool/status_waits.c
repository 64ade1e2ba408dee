/* Counting what messages wait for. Must never read a message where that tells nothing new. */
#include "tool/status_waits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "tool/json.h"

void status_waits_done(StatusWaits *waits)
{
    for (size_t i = 0; i < waits->n; i++)
        free(waits->relays[i].relay);
    free(waits->relays);
    waiting_done(&waits->first);
    waiting_done(&waits->scheduled);
    *waits = (StatusWaits){0};
}

static bool any_rules(const Servers *servers)
{
    for (size_t i = 0; i < servers->n; i++)
        if (servers->by_rules[i])
            return true;
    return false;
}

static int count(StatusWaits *waits, const char *relay)
{
    RelayWait *all;

    for (size_t i = 0; i < waits->n; i++)
        if (text_equal(waits->relays[i].relay, relay)) {
            waits->relays[i].messages++;
            return 0;
        }
    all = reallocarray(waits->relays, waits->n + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    waits->relays = all;
    all[waits->n] = (RelayWait){strdup(relay), 1};
    if (!all[waits->n].relay)
        return -ENOMEM;
    waits->n++;
    return 0;
}

/* The earlier one stays. */
static void keep_first(Waiting *kept, Waiting *one)
{
    if (kept->what != WAITS_FOR_NOTHING && kept->until <= one->until)
        return;
    waiting_done(kept);
    *kept = *one;
    *one = (Waiting){0};
}

static int note(StatusWaits *waits, Waiting *waiting)
{
    int r = 0;

    if (waiting->what == WAITS_FOR_RELAY && waiting->relay) {
        r = count(waits, waiting->relay);
        keep_first(&waits->first, waiting);
    } else if (waiting->what >= WAITS_FOR_TIME && waiting->what <= WAITS_FOR_RELAY) {
        keep_first(&waits->scheduled, waiting);
    } else {
        waits->turn = true;
    }
    return r;
}

bool status_waits_knows_enough(const StatusWaits *waits, const Servers *servers)
{
    return waits->looked >= STATUS_LOOKED_MAX || (waits->turn && !any_rules(servers));
}

int status_waits_note(
    StatusWaits *waits, const Servers *servers, const Inspection *message, usec_t now)
{
    _cleanup_(waiting_done) Waiting waiting = {0};
    int r = waiting_find_of(servers, message, now, &waiting);

    if (r < 0)
        return r;
    if (++waits->looked == STATUS_LOOKED_MAX)
        waits->turn = true;
    return note(waits, &waiting);
}

void status_waits_judge(StatusWaits *waits, Waiting *waiting)
{
    Waiting *found = waits->first.what != WAITS_FOR_NOTHING ? &waits->first : &waits->scheduled;

    if (waiting->what != WAITS_FOR_TURN || waiting->text || waits->turn ||
        found->what == WAITS_FOR_NOTHING)
        return;
    *waiting = *found;
    *found = (Waiting){0};
}

size_t status_waits_count(const StatusWaits *waits, const char *relay)
{
    for (size_t i = 0; i < waits->n; i++)
        if (text_equal(waits->relays[i].relay, relay))
            return waits->relays[i].messages;
    return 0;
}

json_t *status_waits_to_json(const StatusWaits *waits)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < waits->n; i++)
        (void)json_object_set_new(
            object, waits->relays[i].relay, json_integer((json_int_t)waits->relays[i].messages));
    return object;
}
