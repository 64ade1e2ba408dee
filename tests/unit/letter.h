/* A message that is composed from properties with the component's names, and looked at. */
#pragma once

#include <errno.h>
#include <string.h>

#include "message/compose.h"
#include "unit.h"

#define NOW 1767351845123456u /* 2026-01-02 11:04:05 UTC */
#define PEOPLE_MAX 8

typedef struct Letter {
    Compose compose;
    const char *to[2], *cc[2], *bcc[2];
    ComposeRecipient people[PEOPLE_MAX];
    char *lines;
    const char **headers;
} Letter;

static inline void letter_done(Letter *l)
{
    free(l->lines);
    free(l->headers);
}

static inline void set_headers(Letter *l, const char *value)
{
    letter_done(l);
    l->lines = value ? strdup(value) : NULL;
    l->headers = NULL;
    if (l->lines)
        ck_assert_int_eq(compose_split_headers(l->lines, &l->headers), 0);
    l->compose.headers = l->headers;
}

/* The lists, as the library's properties give them. */
static inline void bind_lists(Letter *l)
{
    l->compose.to = l->to, l->compose.cc = l->cc, l->compose.bcc = l->bcc;
    l->compose.recipients = l->people;
    l->compose.now = NOW;
}

static inline bool set_word(Letter *l, const char *name, const char *value)
{
    Compose *c = &l->compose;

    if (strcmp(name, "Importance") == 0)
        c->importance = (ComposeImportance)compose_word_find(WORD_IMPORTANCE, value);
    else if (strcmp(name, "Priority") == 0)
        c->priority = (ComposePriority)compose_word_find(WORD_PRIORITY, value);
    else if (strcmp(name, "Sensitivity") == 0)
        c->sensitivity = (ComposeSensitivity)compose_word_find(WORD_SENSITIVITY, value);
    else
        return false;
    return true;
}

static inline bool set_style(Letter *l, const char *name, const char *value)
{
    ComposeStyle *style = &l->compose.style;

    if (strcmp(name, "Charset") == 0)
        style->charset = value;
    else if (strcmp(name, "FoldHeaders") == 0)
        style->unfolded = strcmp(value, "false") == 0;
    else if (strcmp(name, "MaxHeaderLength") == 0)
        style->max_header_length = value ? (unsigned)strtoul(value, NULL, 10) : 0;
    else if (strcmp(name, "AllowEmptyTo") == 0)
        style->allow_empty_to = strcmp(value, "true") == 0;
    else if (strcmp(name, "MessageIdAlgorithm") == 0)
        style->message_id_algorithm = value;
    else
        return false;
    return true;
}

/* Borrows the value, but for that of OtherHeaders. */
static inline void set(Letter *l, const char *name, const char *value)
{
    Compose *c = &l->compose;
    const struct {
        const char *name, **field;
    } texts[] = {{"From", &c->from}, {"SendTo", &l->to[0]}, {"Cc", &l->cc[0]}, {"BCc", &l->bcc[0]},
        {"ReplyTo", &c->reply_to}, {"ReturnPath", &c->return_path}, {"Subject", &c->subject},
        {"MessageDate", &c->date}, {"MessageId", &c->message_id},
        {"DeliveryNotificationTo", &c->delivery_notification_to},
        {"ReadReceiptTo", &c->read_receipt_to}};

    bind_lists(l);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].field = value;
            return;
        }
    if (strcmp(name, "OtherHeaders") == 0)
        set_headers(l, value);
    else if (strcmp(name, "MessageText") == 0)
        c->body = compose_text(value);
    else
        ck_assert_msg(set_word(l, name, value) || set_style(l, name, value), "%s", name);
}

static inline void add_recipient(
    Letter *l, ComposeKind kind, const char *name, const char *address, const char *options)
{
    ck_assert_uint_lt(l->compose.n_recipients, PEOPLE_MAX);
    l->people[l->compose.n_recipients++] =
        (ComposeRecipient){.kind = kind, .name = name, .address = address, .options = options};
}

static inline Letter *begin_letter(Letter *l)
{
    set(l, "From", "Shop <shop@lab.test>");
    set(l, "SendTo", "ann@lab.test");
    return l;
}

static inline Composed *open_letter(const Letter *l)
{
    _cleanup_failure_ Failure f = {0};
    Composed *composed = NULL;

    ck_assert_msg(compose_open(&l->compose, &composed, &f) == 0, "%s", failure_text(&f));
    return composed;
}

/* The value of a header field on one line; NULL: there is none. */
static inline char *field_of(const Letter *l, const char *name)
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

static inline void assert_field(const Letter *l, const char *name, const char *wanted)
{
    _cleanup_free_
    char *value = field_of(l, name);

    if (wanted)
        ck_assert_pstr_eq(value, wanted);
    else
        ck_assert_ptr_null(value);
}

static inline void assert_refused(const Letter *l, int number, const char *why)
{
    _cleanup_failure_ Failure f = {0};
    Composed *composed = NULL;

    ck_assert_int_eq(compose_open(&l->compose, &composed, &f), -EBADMSG);
    ck_assert_msg(strstr(failure_text(&f), why), "%s", failure_text(&f));
    ck_assert_int_eq(f.number, number);
}

#define _cleanup_letter_ _cleanup_(letter_done)
