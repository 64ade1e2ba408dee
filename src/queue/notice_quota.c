/* Counting notices. Must never let one user use up what is another's, but for the bound on all. */
#include "queue/notice_quota.h"

#include <string.h>

static void begin_hour(NoticeQuota *q, usec_t now)
{
    if (q->since > 0 && now >= q->since && now - q->since < USEC_PER_HOUR)
        return;
    q->since = now;
    q->n_users = 0;
    memset(q->told, 0, sizeof(q->told));
}

static NoticeUser *find_user(NoticeQuota *q, uid_t user)
{
    for (size_t i = 0; i < q->n_users; i++)
        if (q->users[i].user == user)
            return &q->users[i];
    if (q->n_users == NOTICE_QUOTA_USERS)
        return &q->users[NOTICE_QUOTA_USERS - 1];
    q->users[q->n_users] = (NoticeUser){.user = user};
    return &q->users[q->n_users++];
}

bool notice_quota_allows(
    NoticeQuota *q, uid_t user, NoticeKind kind, unsigned most, usec_t now, unsigned *ret_left_out)
{
    NoticeCount *count;

    begin_hour(q, now);
    count = &find_user(q, user)->counts[kind];
    if (most == 0 || (count->told < most && q->told[kind] / NOTICE_QUOTA_OF_ALL < most))
        return true;
    *ret_left_out = ++count->left_out;
    return false;
}

void notice_quota_note(NoticeQuota *q, uid_t user, NoticeKind kind)
{
    find_user(q, user)->counts[kind].told++;
    q->told[kind]++;
}
