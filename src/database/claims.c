/* Marks in what is ready. Must never pass a message by whose transaction had not ended. */
#include "database/claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

int claims_init(Claims *claims)
{
    *claims = (Claims){0};
    return claims_add_lane(claims, "");
}

void claims_done(Claims *claims)
{
    for (size_t i = 0; i < claims->n; i++)
        free(claims->lanes[i].late);
    free(claims->lanes);
    *claims = (Claims){0};
}

int claims_add_lane(Claims *claims, const char *name)
{
    ClaimsLane *lanes;

    for (size_t i = 0; i < claims->n; i++)
        if (strcmp(claims->lanes[i].name, name) == 0)
            return 0;
    if (claims->n == CLAIMS_LANES_MAX || strlen(name) > LANE_NAME_MAX)
        return -ENOSPC;
    lanes = reallocarray(claims->lanes, claims->n + 1, sizeof(ClaimsLane));
    if (!lanes)
        return -ENOMEM;
    claims->lanes = lanes;
    lanes[claims->n] = (ClaimsLane){.more = true};
    memccpy(lanes[claims->n++].name, name, '\0', sizeof(lanes->name));
    return 0;
}

void claims_rescan(Claims *claims)
{
    for (size_t i = 0; i < claims->n; i++) {
        ClaimsLane *lane = &claims->lanes[i];

        lane->after = 0;
        lane->after_message = 0;
        lane->n_late = 0;
        lane->more = true;
    }
    claims->looked = false;
    claims->scan++;
}

void claims_look_again(Claims *claims)
{
    for (size_t i = 0; i < claims->n; i++)
        claims->lanes[i].more = true;
}

int claims_format_late(const ClaimsLane *lane, Buffer *out)
{
    int r = buffer_append(out, "{", 1);

    for (size_t i = 0; i < lane->n_late && r >= 0; i++)
        r = buffer_appendf(out, i > 0 ? ",%llu" : "%llu", (unsigned long long)lane->late[i]);
    return r < 0 ? r : buffer_append(out, "}", 1);
}

/* ---- snapshots ---- */

/* Transactions from `end` on had not begun; those that are listed ran. */
typedef struct Snapshot {
    uint64_t end;
    const char *running; /* "12,15", or "" */
} Snapshot;

static int parse_snapshot(const char *text, Snapshot *ret)
{
    char *at;

    (void)strtoull(text, &at, 10);
    if (at == text || *at != ':')
        return -EINVAL;
    text = at + 1;
    ret->end = strtoull(text, &at, 10);
    if (at == text || *at != ':')
        return -EINVAL;
    ret->running = at + 1;
    return 0;
}

/* The next of those that ran; false at the end. */
static bool next_running(const char **at, uint64_t *ret)
{
    char *end;

    if (**at == '\0')
        return false;
    *ret = strtoull(*at, &end, 10);
    if (end == *at)
        return false;
    *at = *end == ',' ? end + 1 : end;
    return true;
}

static bool runs(const Snapshot *snapshot, uint64_t transaction)
{
    const char *at = snapshot->running;
    uint64_t one;

    if (transaction >= snapshot->end)
        return true;
    while (next_running(&at, &one))
        if (one == transaction)
            return true;
    return false;
}

/* Of those that have ended, who asked has seen everything. */
static void forget_ended(ClaimsLane *lane, const Snapshot *snapshot)
{
    size_t n = 0;

    for (size_t i = 0; i < lane->n_late; i++)
        if (runs(snapshot, lane->late[i]))
            lane->late[n++] = lane->late[i];
    lane->n_late = n;
}

static bool is_late(const ClaimsLane *lane, uint64_t transaction)
{
    for (size_t i = 0; i < lane->n_late; i++)
        if (lane->late[i] == transaction)
            return true;
    return false;
}

static int add_late(ClaimsLane *lane, uint64_t transaction)
{
    uint64_t *late;

    if (is_late(lane, transaction))
        return 0;
    late = reallocarray(lane->late, lane->n_late + 1, sizeof(uint64_t));
    if (!late)
        return -ENOMEM;
    lane->late = late;
    late[lane->n_late++] = transaction;
    return 0;
}

static int note_running(ClaimsLane *lane, const Snapshot *snapshot)
{
    const char *at = snapshot->running;
    uint64_t one;
    int r = 0;

    while (r >= 0 && next_running(&at, &one))
        if (one <= lane->after)
            r = add_late(lane, one);
    return r;
}

/* ---- answers ---- */

int claims_answer_init(ClaimsAnswer *answer, size_t most, const char *snapshot)
{
    Snapshot parsed;

    *answer = (ClaimsAnswer){.most = most, .snapshot = snapshot};
    return parse_snapshot(snapshot, &parsed);
}

static bool is_behind(
    uint64_t arrived, int64_t message, uint64_t than_arrived, int64_t than_message)
{
    return arrived > than_arrived || (arrived == than_arrived && message > than_message);
}

/* A restored dump brings numbers along that no transaction has had here yet: who went on behind
 * those would pass by all that comes. */
static bool is_of_later(const ClaimsAnswer *answer, uint64_t arrived)
{
    Snapshot snapshot;

    return parse_snapshot(answer->snapshot, &snapshot) < 0 || arrived >= snapshot.end;
}

void claims_answer_add(
    ClaimsAnswer *answer, const ClaimsLane *lane, uint64_t arrived, int64_t message)
{
    answer->n++;
    if (!is_behind(arrived, message, lane->after, lane->after_message)) {
        answer->n_overtaken++;
    } else if (is_behind(arrived, message, answer->last, answer->last_message) &&
               !is_of_later(answer, arrived)) {
        answer->last = arrived;
        answer->last_message = message;
    }
}

int claims_note(ClaimsLane *lane, const ClaimsAnswer *answer)
{
    Snapshot snapshot;
    int r = parse_snapshot(answer->snapshot, &snapshot);

    if (r < 0)
        return r;
    if (answer->n_overtaken < answer->most)
        forget_ended(lane, &snapshot);
    if (answer->last > 0) {
        lane->after = answer->last;
        lane->after_message = answer->last_message;
    }
    lane->more = answer->n >= answer->most;
    lane->busy = answer->n > 0;
    return note_running(lane, &snapshot);
}

void claims_note_nothing(ClaimsLane *lane, const char *text)
{
    Snapshot snapshot;

    if (parse_snapshot(text, &snapshot) >= 0)
        forget_ended(lane, &snapshot);
}
