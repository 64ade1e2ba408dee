/* Which users may do something: the setting spool.submit.
 *
 * It is "all"; "group", the owner and the group of the queue directory; "none"; or users, by name
 * or number, with blanks or commas between them. Never changed, and counted, from any thread. NULL
 * is nobody. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "settings/senders.h"

typedef struct UserList UserList;

/* 0 with one reference; -EINVAL with a Failure whose text says what is wrong, to stand behind the
 * quoted text; -ENOMEM. */
int user_list_parse(const char *text, SenderUserLookup lookup, UserList **ret, Failure *f);

/* Both accept NULL; unref returns NULL. */
UserList *user_list_ref(UserList *list);
UserList *user_list_unref(UserList *list);

/* As it was parsed; borrowed. */
const char *user_list_text(const UserList *list);

/* Whether anybody but root and the owner is in it. */
bool user_list_is_none(const UserList *list);

/* Whether the user is in it; `is_member`: of the group that "group" stands for. */
bool user_list_has(const UserList *list, uid_t user, bool is_member);
