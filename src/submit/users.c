/* Users of the submission socket. Must never let what one of them does count against another. */
#include "submit/users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void submit_users_done(SubmitUsers *users)
{
    free(users->list);
    *users = (SubmitUsers){0};
}

/* Where the user is, or belongs. */
static size_t place_of(const SubmitUsers *users, uid_t uid)
{
    size_t low = 0, high = users->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (users->list[middle].uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static SubmitUser *find(const SubmitUsers *users, uid_t uid)
{
    size_t i = place_of(users, uid);

    return i < users->n && users->list[i].uid == uid ? &users->list[i] : NULL;
}

static SubmitUser *find_or_add(SubmitUsers *users, uid_t uid)
{
    size_t i = place_of(users, uid);

    if (i < users->n && users->list[i].uid == uid)
        return &users->list[i];
    if (users->n == users->allocated) {
        size_t n = 2 * users->allocated + 16;
        SubmitUser *list = reallocarray(users->list, n, sizeof(*list));

        if (!list)
            return NULL;
        users->list = list;
        users->allocated = n;
    }
    memmove(&users->list[i + 1], &users->list[i], (users->n - i) * sizeof(*users->list));
    users->n++;
    users->list[i] = (SubmitUser){.uid = uid};
    return &users->list[i];
}

/* Those of whom there is nothing to know. */
static void forget(SubmitUsers *users, usec_t now)
{
    size_t kept = 0;

    for (size_t i = 0; i < users->n; i++) {
        const SubmitUser *u = &users->list[i];

        if (u->connections > 0 || u->busy_until > now || u->waiting > 0)
            users->list[kept++] = *u;
    }
    users->n = kept;
}

int submit_users_connect(SubmitUsers *users, uid_t uid, unsigned each)
{
    SubmitUser *user = find_or_add(users, uid);

    if (!user)
        return -ENOMEM;
    if (user->connections >= each)
        return -EBUSY;
    user->connections++;
    users->connections++;
    return 0;
}

void submit_users_disconnect(SubmitUsers *users, uid_t uid, usec_t now)
{
    SubmitUser *user = find(users, uid);

    user->connections--;
    users->connections--;
    if (users->connections == 0)
        forget(users, now);
}

bool submit_users_find_largest(const SubmitUsers *users, uid_t uid, uid_t *ret)
{
    const SubmitUser *user = find(users, uid);
    unsigned most = user ? user->connections : 0;
    bool found = false;

    for (size_t i = 0; i < users->n; i++) {
        if (users->list[i].connections <= most)
            continue;
        most = users->list[i].connections;
        *ret = users->list[i].uid;
        found = true;
    }
    return found;
}

usec_t submit_users_may_queue_at(const SubmitUsers *users, uid_t uid, unsigned rate, usec_t now)
{
    const SubmitUser *user = find(users, uid);
    usec_t next;

    if (rate == 0 || !user || user->busy_until <= now)
        return 0;
    next = user->busy_until + SUBMIT_RATE_SPAN / rate;
    return next <= now + SUBMIT_RATE_SPAN ? 0 : next - SUBMIT_RATE_SPAN;
}

void submit_users_queued(SubmitUsers *users, uid_t uid, unsigned rate, usec_t now)
{
    SubmitUser *user = find(users, uid);

    user->waiting++;
    user->since++;
    if (rate > 0)
        user->busy_until = MAX(user->busy_until, now) + SUBMIT_RATE_SPAN / rate;
}

void submit_users_failed(SubmitUsers *users, uid_t uid)
{
    SubmitUser *user = find(users, uid);

    if (!user)
        return;
    user->waiting -= user->waiting > 0;
    user->since -= user->since > 0;
}

uint64_t submit_users_waiting(const SubmitUsers *users, uid_t uid)
{
    const SubmitUser *user = find(users, uid);

    return user ? user->waiting : 0;
}

void submit_users_begin_count(SubmitUsers *users)
{
    for (size_t i = 0; i < users->n; i++)
        users->list[i].since = 0;
}

void submit_users_end_count(SubmitUsers *users)
{
    for (size_t i = 0; i < users->n; i++)
        users->list[i].waiting = users->list[i].since;
}

int submit_users_counted(SubmitUsers *users, uid_t uid, uint64_t n)
{
    SubmitUser *user = find_or_add(users, uid);

    if (!user)
        return -ENOMEM;
    user->waiting += n;
    return 0;
}
