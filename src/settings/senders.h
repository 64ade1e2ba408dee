/* Which envelope senders a user may name: the rules of spool.senders.
 *
 * They are text such as
 *
 *     alice, bob: @example.org <>; 33: shop@example.org; *: noreply@example.org
 *
 * A rule is users, a colon, and the senders they may name; a semicolon stands between rules. A user
 * is a name, a number, or "*": everybody whom no rule names. Who is named by several rules may name
 * the senders of all of them. A sender is an address, "@domain" (any address there), "<>" (the null
 * reverse-path) or "*" (any). Blanks and commas separate both. A semicolon may end the text.
 *
 * Rules are never changed, and counted, from any thread. NULL stands for no rules: everybody may
 * name any sender. */
#pragma once

#include <sys/types.h>

#include "base/failure.h"

#define SENDER_RULE_SEPARATORS " ," /* between users, and between senders */

typedef struct SenderRules SenderRules;

/* The number of the user of that name. 0, -ENOENT when there is none, or another negative errno. */
typedef int (*SenderUserLookup)(const char *name, uid_t *ret);

/* By getpwnam_r(), which may ask a server, and wait for it. */
int sender_user_lookup(const char *name, uid_t *ret);

/* A user by name, or by number. 0; -EINVAL with a Failure as below; -ENOMEM. */
int sender_user_parse(const char *word, SenderUserLookup lookup, uid_t *ret, Failure *f);

/* 0 with one reference; -EINVAL with a Failure whose text says what is wrong, to stand behind the
 * quoted text; -ENOMEM. */
int sender_rules_parse(const char *text, SenderUserLookup lookup, SenderRules **ret, Failure *f);

/* Both accept NULL; unref returns NULL. */
SenderRules *sender_rules_ref(SenderRules *rules);
SenderRules *sender_rules_unref(SenderRules *rules);

/* As it was parsed; borrowed. */
const char *sender_rules_text(const SenderRules *rules);

/* Whether `user` may name the sender (a bare address, or "" for <>). Root and `queue_owner`, to
 * whom the queue directory belongs, may name any. 0, or -EBADMSG with a Failure (ERROR_SENDER) that
 * says who, which sender, and which ones are allowed; or -ENOMEM. Takes time that is linear in the
 * rules. */
int sender_rules_check(
    const SenderRules *rules, uid_t user, uid_t queue_owner, const char *sender, Failure *f);

DEFINE_CLEANUP(SenderRules, sender_rules_unref);
