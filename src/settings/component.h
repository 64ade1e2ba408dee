/* The settings as the users of the component know them: its names, units and words, where they are
 * not those of the table. Pure.
 *
 * A name is the component's when it is an alias of a row, has no underscore, and is not spelled as
 * the row's own name: `KeepAliveTime` counts milliseconds, `keepalive_time` seconds. What else the
 * component has, and what is no setting here, is a row of its own: accepted with a notice, or only
 * to be read. */
#pragma once

#include "settings/table.h"
#include "settings/value.h"

/* The alias of the row that the name is (static text, up to a blank or its end), NULL when it is
 * the row's own name. */
const char *component_alias(const Setting *setting, const char *name);

/* Whether two names of one setting that are both set add up instead of contradicting: SSLEnabled
 * says whether there is TLS, SSLStartMode how it begins. `a` and `b` as of component_alias(). */
bool component_adds_up(const char *a, const char *b);

/* What the component's user wrote, in the table's words: `*kind` and `*ret` (caller frees; NULL: as
 * it is). `group` has the value so far. 0; a value that makes no sense is left for
 * value_parse() to refuse. -EINVAL with a
 * Failure where only the component's own words could tell what is right; -ENOMEM. */
int component_value(const Setting *setting, const char *name, const void *group, ValueKind *kind,
    const char *text, char **ret, Failure *f);

/* Appends the value as the component's user reads it: True and False, numbers in its unit, the
 * number of an enumeration's member. 0 or -ENOMEM. */
int component_format(const Setting *setting, const char *name, const void *group, Buffer *out);

/* Why a name of the component is accepted and changes nothing, as the rest of a sentence; NULL: it
 * is none of those. `text` is its value: *ret_wrong tells what would be right where it is none. */
const char *component_notice(const char *name, const char *text, const char **ret_wrong);

/* What a name of the component that is no setting here answers; NULL: it does not. */
const char *component_answer(const char *name);
