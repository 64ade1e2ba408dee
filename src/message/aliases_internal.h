/* What reading, following and checking of aliases share. Inside the layer only. */
#pragma once

#include "message/aliases.h"

typedef struct Alias {
    char *name;   /* NULL: the line is none */
    char *folded; /* the name as names are compared */
    char *targets;
    size_t line;
    bool followed; /* for the recipient that is being added */
} Alias;

struct Aliases {
    Alias *list; /* by name once the file has been read */
    size_t n, allocated;
    /* For the recipient that is being added. */
    size_t n_included;
    bool root_followed;
};

typedef struct OneAddress {
    char *address;
    bool is_bare;
    unsigned n;
} OneAddress;

/* One address, or a local part alone. 0, -EINVAL or -EBADMSG for anything else, or -ENOMEM. */
int aliases_read_one(const char *text, size_t n, OneAddress *one);

/* Whether a line says nothing. */
bool aliases_is_comment(const char *at, const char *end);

/* The first rule for that name, by its folded form. */
Alias *aliases_find_folded(const Aliases *a, const char *folded);

/* ":include:/path" in quotes, as sendmail has it, is the same. */
void aliases_unquote_include(char *element);

/* Whether it is what delivers on this machine; and why it is not followed. */
const char *aliases_why_refused(const char *element);

/* Whether two names are one: 1, 0, or -ENOMEM. */
int aliases_is_same(const char *a, const char *b);

/* Follows every rule, root's with them, and appends what is wrong, a line each. 0 or -ENOMEM, or
 * what opening a file met with. */
int local_names_gather(const LocalNames *names, Buffer *wrong);
