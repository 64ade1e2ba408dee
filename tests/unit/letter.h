/* A letter that tests set, compose and look at. */
#pragma once

#include <errno.h>
#include <string.h>

#include "message/letter.h"
#include "unit.h"

#define NOW 1767351845123456u /* 2026-01-02 11:04:05 UTC */

static inline void set(Letter *l, const char *name, const char *value)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_msg(letter_set(l, name, value, &f) == 0, "%s", failure_text(&f));
}

static inline Letter *new_letter(void)
{
    Letter *l = letter_new();

    ck_assert_ptr_nonnull(l);
    set(l, "From", "Shop <shop@lab.test>");
    set(l, "SendTo", "ann@lab.test");
    return l;
}

static inline Composed *open_letter(Letter *l)
{
    _cleanup_failure_ Failure f = {0};
    Composed *composed = NULL;

    ck_assert_msg(letter_open(l, NOW, &composed, &f) == 0, "%s", failure_text(&f));
    return composed;
}

/* The value of a header field as it stands; NULL: there is none. */
static inline char *field_of(Letter *l, const char *name)
{
    _cleanup_(composed_free_p) Composed *composed = open_letter(l);
    const ComposeField *fields;
    size_t n;

    ck_assert_int_eq(composed_fields(composed, &fields, &n), 0);
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return strdup(fields[i].value);
    return NULL;
}

static inline void assert_field(Letter *l, const char *name, const char *wanted)
{
    _cleanup_free_
    char *value = field_of(l, name);

    if (wanted)
        ck_assert_pstr_eq(value, wanted);
    else
        ck_assert_ptr_null(value);
}

static inline void assert_refused(Letter *l, int number, const char *why)
{
    _cleanup_failure_ Failure f = {0};
    Composed *composed = NULL;

    ck_assert_int_eq(letter_open(l, NOW, &composed, &f), -EBADMSG);
    ck_assert_msg(strstr(failure_text(&f), why), "%s", failure_text(&f));
    ck_assert_int_eq(f.number, number);
}

static inline void assert_unsettable(
    Letter *l, const char *name, const char *value, const char *why)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(letter_set(l, name, value, &f), -EINVAL);
    ck_assert_msg(strstr(failure_text(&f), why), "%s", failure_text(&f));
}
