/* smtp_sasl_password_maps of Postfix's main.cf: whose login is whose. Inside the layer only. */
#pragma once

#include "foreign/main_cf.h"

/* "user:password" of the relay that main.cf writes as `destination` ("[smtp.example.org]:587"), for
 * main_cf_wipe(); NULL: none is found. Tables that are not read are noted. 0 or a negative errno
 * with a Failure. */
int sasl_passwd_find(
    MainCf *m, const char *host, const char *destination, char **ret_login, Failure *f);
