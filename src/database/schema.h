/* The tables and functions of the queue: made, brought up to date, and given to roles. For the
 * owner. Functions return 0, or a negative errno with a Failure, unless they say otherwise. */
#pragma once

#include "database/client.h"

/* Makes them, in one transaction. 1 when they were there already. */
int database_schema_init(Database *database, Failure *f);

/* From an older version to this program's. 1 when there was nothing to do; the rights that roles
 * were given are given for new functions, too. */
int database_schema_upgrade(Database *database, Failure *f);

/* Whether this role may deliver, and look at messages and change them: -EACCES where not. */
int database_schema_may_deliver(Database *database, Failure *f);
int database_schema_may_operate(Database *database, Failure *f);

/* `kind`: "producer", "daemon" or "operator". */
int database_schema_grant(Database *database, const char *role, const char *kind, Failure *f);
