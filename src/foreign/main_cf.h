/* Postfix's main.cf (postconf(5)): its parameters, and their values with those of others put in.
 * Inside the layer only. */
#pragma once

#include "foreign/translation.h"

#define MAIN_CF_MAX 1000 /* parameters */

typedef struct MainCfParameter {
    char *name, *value;
    const char *source; /* where it stands */
    unsigned line;
    bool used;
} MainCfParameter;

typedef struct MainCf {
    Translation t; /* first: lines are taken with it */
    MainCfParameter all[MAIN_CF_MAX];
    size_t n;
    char *directory; /* that of a main.cf, which is $config_directory; NULL: what is read is no
                      * such file */
    char *path, *services;
    const char *transport; /* while master.cf is read: the service that mail goes out by */
    bool has_transport;    /* it is a client of SMTP there */
} MainCf;

/* Of a directory, the main.cf that is in it. 0, or a negative errno with a Failure. */
int main_cf_read(MainCf *m, const char *path, Failure *f);
void main_cf_done(MainCf *m);

/* What the master.cf beside it sets for the service `transport` counts more; what it sets for other
 * clients is noted. 0, also where there is none; or a negative errno with a Failure. */
int main_cf_read_services(MainCf *m, const char *transport, Failure *f);

/* From now on the parameter has this value. 0 or a negative errno with a Failure. */
int main_cf_set(MainCf *m, const char *name, const char *value, Failure *f);

/* The value of a parameter, which the caller frees; NULL where it is not set, is empty, or cannot
 * be told, which is noted. From now on it counts as used. */
char *main_cf_value(MainCf *m, const char *name);

/* The parameter as it stands, NULL where it is not set. Notes are about its line from now on. */
MainCfParameter *main_cf_find(MainCf *m, const char *name);

/* Notes are about its line from now on. */
void main_cf_speak_of(MainCf *m, const MainCfParameter *parameter);

/* The parameter counts as used: there is nothing to be told of it. */
void main_cf_pass_over(MainCf *m, const char *name);

/* The next word of a list, which blanks and commas part; what is in braces is one. It is cut in its
 * place; *list goes behind it. NULL at the end. */
char *main_cf_next(char **list);

/* The same of a line of master.cf, where blanks alone part words. */
char *main_cf_next_word(char **line);

/* Without the braces around it, if it has any, and the blanks. */
char *main_cf_unbrace(char *text);

/* The text that a table ("hash:/etc/postfix/generic") was made from, or is; NULL: of that type
 * there is none. */
const char *main_cf_text_of(const char *table);

/* Frees what may have a password in it. Accepts NULL. */
void main_cf_wipe(char *text);

/* Notes which parameters were not used, but those that say nothing of sending. */
void main_cf_tell_rest(MainCf *m);
