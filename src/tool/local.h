/* The names of this machine, for sendmail. */
#pragma once

#include "queue/local.h"
#include "tool/command.h"

/* newaliases: whether each line of the file is one. Returns an exit status, having said which is
 * not. */
int local_check_aliases(const char *config_path);

/* The full name of a user as the password file has it, up to the first comma, with the login name
 * for "&" (passwd(5)). "": there is none beside that. Caller frees; NULL when memory is short. */
char *local_full_name(const char *gecos, const char *login);
