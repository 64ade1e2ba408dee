/* Postfix's main.cf (postconf(5)): its parameters, and their values with those of others put in.
 * Inside the layer only. */
#pragma once

#include "foreign/translation.h"

#define MAIN_CF_MAX 1000 /* parameters */

typedef struct MainCfParameter {
    char *name, *value;
    unsigned line;
    bool used;
} MainCfParameter;

typedef struct MainCf {
    Translation t; /* first: lines are taken with it */
    MainCfParameter all[MAIN_CF_MAX];
    size_t n;
} MainCf;

/* 0, or a negative errno with a Failure. */
int main_cf_read(MainCf *m, const char *path, Failure *f);
void main_cf_done(MainCf *m);

/* The value of a parameter, which the caller frees; NULL where it is not set, is empty, or cannot
 * be told, which is noted. From now on it counts as used. */
char *main_cf_value(MainCf *m, const char *name);

/* The parameter as it stands, NULL where it is not set. Notes are about its line from now on. */
MainCfParameter *main_cf_find(MainCf *m, const char *name);

/* The parameter counts as used: there is nothing to be told of it. */
void main_cf_pass_over(MainCf *m, const char *name);

/* The next word of a list, which blanks and commas part; what is in braces is one. It is cut in its
 * place; *list goes behind it. NULL at the end. */
char *main_cf_next(char **list);

/* Notes which parameters were not used, but those that say nothing of sending. */
void main_cf_tell_rest(MainCf *m);
