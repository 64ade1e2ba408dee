/* Where mail for the names of this machine goes: a file as aliases(5) of sendmail and Postfix
 * describe it, and the rule for root beside it. Pure: nothing is opened here.
 *
 * A name is compared without case, of any script (text_fold_case()); * is every name that has no
 * rule. Nothing is ever delivered on this machine: commands, files and mailboxes are refused by
 * name. doc/decisions/local-names.md tells why each is read as it is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "message/envelope.h"

#define ALIASES_MAX ((size_t)4 * 1024 * 1024) /* bytes of the file, and of those it includes */
#define ALIASES_RECIPIENTS_MAX 1000           /* that a name may stand for */

typedef struct Aliases Aliases;

/* Reads the `n` bytes of a file (at most ALIASES_MAX). A line that is none is left out, and found
 * by aliases_check(). 0 or -ENOMEM. */
int aliases_parse(const char *data, size_t n, Aliases **ret);
void aliases_free(Aliases *aliases);

/* Whether each line is one, and names only what can be followed. 0, or -EBADMSG with a Failure that
 * names each line that is not, in a line of its own; -ENOMEM. */
int aliases_check(const Aliases *aliases, Failure *f);

/* Appends what is in that file. 0 or a negative errno with a Failure. */
typedef int (*AliasesInclude)(void *user, const char *path, Buffer *out, Failure *f);

typedef struct LocalNames {
    Aliases *aliases;       /* NULL: none. What was found in it is marked there for a while */
    const char *path;       /* of it, for failures */
    const char *unread;     /* why the file could not be read; NULL: it was, or is not there */
    const char *root;       /* addresses, as a line of aliases has them; NULL: no rule */
    const char *domain;     /* of names without a rule; NULL: there is none that anybody knows */
    const char *here;       /* a domain for them in ORCPT, never NULL */
    const char *const *own; /* domains that are this machine, NULL-terminated */
    AliasesInclude include; /* NULL: :include: is refused */
    void *user;             /* of `include` */
    Buffer *wrong;          /* inside the layer */
} LocalNames;

/* Adds that recipient, or those that a rule has for it, to the envelope, with the parameters and
 * ORCPT (RFC 3461, 4.2), nobody twice: all of them, or where that fails, none. `address` is a local
 * part alone, or has a domain: of this machine, where a rule is looked for and need not be there;
 * or any other, which stays. 0; -EINVAL with a Failure that says what is to be done: there is no
 * rule, or it cannot be followed; -ENOMEM. */
int local_names_add(
    const LocalNames *names, Envelope *e, const char *address, const char *parameters, Failure *f);

/* Whether each rule can be followed, root's with them: not in a circle, and what is included can be
 * read. Of a line of the file it tells nothing that aliases_check() tells. 0; -EINVAL with a
 * Failure that names each that cannot, in a line of its own; -ENOMEM. */
int local_names_check(const LocalNames *names, Failure *f);

DEFINE_CLEANUP(Aliases, aliases_free);
