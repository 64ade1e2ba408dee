/* What is known of a name that a queue directory has, or had. */
#pragma once

#include <stdbool.h>

#define NAME_ID_MAX 256 /* with its NUL */
#define NAME_SHARES 64u /* that names belong to, and that take turns */

/* Which file of an id it is (`X.queued` or `X.deferred`; both may be there, of two messages), and
 * what is known of it. */
typedef enum NameKind {
    NAME_QUEUED,       /* its writer is known to be done */
    NAME_UNSETTLED,    /* queued; its writer may not be done */
    NAME_DEFERRED,     /* tried again when its time has come */
    NAME_DEFERRED_NOW, /* whatever its time: somebody asked for it */
    NAME_KIND_MAX,
} NameKind;

static inline bool name_is_deferred(NameKind kind)
{
    return kind == NAME_DEFERRED || kind == NAME_DEFERRED_NOW;
}
