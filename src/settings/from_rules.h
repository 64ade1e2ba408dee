/* What becomes of the addresses that programs of this machine write as: the rules of
 * local.rewrite_from.
 *
 * They are text such as
 *
 *     root@*: me@example.org; *@vm: *@example.org; *@*.internal: *@example.org
 *
 * A rule is a pattern, a colon, and the address that takes the place of one that fits it; a
 * semicolon stands between rules, and may end the text. In a pattern "*" stands for any characters,
 * or none; ASCII case does not matter, and domains are compared in ASCII (base/idn.h) as well. In
 * place of its local part the new address may have "*": the one that was there. */
#pragma once

#include "base/failure.h"

typedef struct FromRules FromRules;

/* Caller frees. -EINVAL with a Failure whose text says what is wrong, to stand behind the quoted
 * text; -ENOMEM. */
int from_rules_parse(const char *text, FromRules **ret, Failure *f);
void from_rules_free(FromRules *rules); /* accepts NULL */

/* What the first rule that fits makes of an addr-spec; NULL: there is none, nor is there one for ""
 * (the null reverse-path), and without rules (NULL) for anything. Caller frees. 0 or -ENOMEM. */
int from_rules_apply(const FromRules *rules, const char *address, char **ret);

DEFINE_CLEANUP(FromRules, from_rules_free);
