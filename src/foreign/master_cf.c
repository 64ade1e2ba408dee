/* Postfix's master.cf (master(5)), which overrules main.cf for single services. Must never take
 * what holds for another client than the one that mail goes out by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign/main_cf.h"

#define BLANKS " \t"
#define N_FIELDS 7 /* before the command: name, type, private, ... */

/* Mail goes out by it: the last component of its command's path may say so. */
static bool is_client(const char *type, const char *command)
{
    const char *slash = command ? strrchr(command, '/') : NULL;

    return command && strcmp(type, "unix") == 0 && strcmp(slash ? slash + 1 : command, "smtp") == 0;
}

/* "name=value", "{ name = value }". A value that is empty, or a name in the log, changes nothing
 * of another service that is to be told. */
static int take_option(MainCf *m, char *option, bool holds, bool *ret_matters, Failure *f)
{
    char *name = main_cf_unbrace(option), *value = strchr(name, '=');

    if (!value)
        return 0;
    *value++ = '\0';
    name[strcspn(name, BLANKS)] = '\0';
    value += strspn(value, BLANKS);
    *ret_matters |= *value && strcmp(name, "syslog_name") != 0;
    return holds ? main_cf_set(m, name, value, f) : 0;
}

static int take_options(MainCf *m, const char *service, bool holds, char *line, Failure *f)
{
    char *word;
    bool matters = false;
    int r = 0;

    while (r >= 0 && (word = main_cf_next_word(&line))) {
        char *option = strncmp(word, "-o", 2) != 0 ? NULL
                       : word[2]                   ? word + 2
                                                   : main_cf_next_word(&line);

        r = option ? take_option(m, option, holds, &matters, f) : 0;
    }
    if (r >= 0 && matters && !holds)
        translation_note(&m->t,
            "what is set for the service %.40s alone is not taken: see routes in outbox.conf(5)",
            service);
    return r;
}

static int take_service(Translation *t, char *line, Failure *f)
{
    MainCf *m = (MainCf *)t;
    char *fields[N_FIELDS] = {0}, *command;
    bool holds;

    for (size_t i = 0; i < N_FIELDS; i++)
        fields[i] = main_cf_next_word(&line);
    command = main_cf_next_word(&line);
    if (!is_client(fields[1], command))
        return 0;
    holds = strcmp(fields[0], m->transport) == 0;
    m->has_transport |= holds;
    return take_options(m, fields[0], holds, line, f);
}

int main_cf_read_services(MainCf *m, const char *transport, Failure *f)
{
    int r;

    if (!m->directory)
        return 0;
    free(m->services);
    if (asprintf(&m->services, "%s/master.cf", m->directory) < 0) {
        m->services = NULL;
        return failure_set_errno(f, -ENOMEM, "%s", m->directory);
    }
    m->transport = transport;
    r = translation_read_joined(&m->t, m->services, take_service, f);
    return r == -ENOENT ? 0 : r;
}
