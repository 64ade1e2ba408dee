/* Rates and quiet hours of a relay. Must never let more through than the settings say. */
#include "delivery/restraint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "base/text.h"
#include "delivery/rate.h"
#include "settings/hours.h"

/* The machine's zone may be set to another one meanwhile. */
#define HOURS_KNOWN USEC_PER_HOUR

#define LONG_RATE USEC_PER_MINUTE

/* A process that is killed forgets no more of a rate than one of so many parts. */
#define SAVED_PARTS 60

typedef struct Windows {
    RateWindow all[RATES_MAX];
    size_t n;
    size_t full; /* the one that was met last */
    uint64_t unsaved;
} Windows;

struct Restraint {
    Windows messages, recipients;
    unsigned shared_by; /* so many processes; 0 and 1: this one alone */
    Hours hours;
    bool is_quiet; /* until then, as of `known`; all realtime */
    usec_t known, until;
};

static void windows_init(Windows *w, const char *text)
{
    Rate rates[RATES_MAX];
    int n = text ? rates_parse(text, rates, NULL) : 0;

    for (int i = 0; i < n; i++)
        rate_init(&w->all[w->n++], &rates[i]);
}

static void windows_inherit(Windows *w, const Windows *former)
{
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < former->n; k++)
            if (former->all[k].rate.per == w->all[i].rate.per) {
                Rate rate = w->all[i].rate;

                w->all[i] = former->all[k];
                w->all[i].rate = rate;
                w->all[i].limit = rate.limit;
                w->all[i].early = false;
            }
}

int restraint_new(RestraintTerms terms, const Restraint *former, Restraint **ret)
{
    Restraint *restraint;

    *ret = NULL;
    if (!terms.message_rate && !terms.recipient_rate && !terms.quiet)
        return 0;
    restraint = calloc(1, sizeof(*restraint));
    if (!restraint)
        return -ENOMEM;
    windows_init(&restraint->messages, terms.message_rate);
    windows_init(&restraint->recipients, terms.recipient_rate);
    if (terms.quiet)
        (void)hours_parse(terms.quiet, &restraint->hours, NULL);
    if (former) {
        windows_inherit(&restraint->messages, &former->messages);
        windows_inherit(&restraint->recipients, &former->recipients);
    }
    *ret = restraint;
    return 0;
}

void restraint_free(Restraint *restraint)
{
    free(restraint);
}

static void windows_share(Windows *w, const Share *share)
{
    for (size_t i = 0; i < w->n; i++)
        rate_share(&w->all[i], share);
}

void restraint_share(Restraint *r, const Share *share)
{
    r->shared_by = share->count;
    windows_share(&r->messages, share);
    windows_share(&r->recipients, share);
}

static uint64_t windows_room(Windows *w, usec_t now)
{
    uint64_t room = UINT64_MAX;

    for (size_t i = 0; i < w->n; i++)
        room = MIN(room, rate_room(&w->all[i], now));
    return room;
}

static usec_t windows_when(Windows *w, uint64_t n, usec_t now)
{
    usec_t when = now;

    for (size_t i = 0; i < w->n; i++) {
        usec_t one = rate_when(&w->all[i], n, now);

        if (one > when)
            w->full = i;
        when = MAX(when, one);
    }
    return when;
}

/* A clock that is set, either way, is looked at anew. */
static void look_at_hours(Restraint *r, usec_t realtime)
{
    if (!r->hours.any ||
        (realtime >= r->known && realtime < MIN(r->until, usec_add(r->known, HOURS_KNOWN))))
        return;
    tzset();
    r->known = realtime;
    r->is_quiet = hours_have(&r->hours, realtime);
    r->until = hours_next(&r->hours, realtime);
}

RestraintRoom restraint_room(Restraint *r, usec_t now, usec_t realtime)
{
    RestraintRoom room = {
        .messages = windows_room(&r->messages, now),
        .recipients = windows_room(&r->recipients, now),
        .from = now,
    };

    look_at_hours(r, realtime);
    if (r->is_quiet) {
        room.messages = room.recipients = 0;
        room.kind = RESTRAINT_QUIET;
        room.from = usec_add(now, r->until - realtime);
        return room;
    }
    if (room.messages > 0 && room.recipients > 0)
        return room;
    room.kind = room.messages == 0 ? RESTRAINT_MESSAGES : RESTRAINT_RECIPIENTS;
    room.from = MAX(windows_when(&r->messages, 1, now), windows_when(&r->recipients, 1, now));
    return room;
}

usec_t restraint_when(Restraint *r, size_t recipients, usec_t now)
{
    return windows_when(&r->recipients, recipients, now);
}

usec_t restraint_when_several(Restraint *r, size_t transactions, usec_t now)
{
    usec_t when = now;

    for (size_t i = 0; i < r->messages.n && transactions > 1; i++)
        if (r->messages.all[i].rate.per >= LONG_RATE)
            when = MAX(when, rate_when(&r->messages.all[i], transactions, now));
    return when;
}

char *restraint_refuse(
    const char *whose, size_t transactions, size_t recipients, char text[static RESTRAINT_TEXT_MAX])
{
    int n =
        snprintf(text, RESTRAINT_TEXT_MAX, "%.100s may not take %zu recipients", whose, recipients);

    if (transactions > 1)
        snprintf(text + n, RESTRAINT_TEXT_MAX - (size_t)n,
            ", in %zu transactions, at once yet (message_rate, recipient_rate)", transactions);
    else
        snprintf(text + n, RESTRAINT_TEXT_MAX - (size_t)n, " at once yet (recipient_rate)");
    return text;
}

static void note(Windows *w, size_t n, usec_t now)
{
    w->unsaved += n;
    for (size_t i = 0; i < w->n; i++)
        rate_note(&w->all[i], n, now);
}

void restraint_note(Restraint *r, size_t messages, size_t recipients, usec_t now)
{
    note(&r->messages, messages, now);
    note(&r->recipients, recipients, now);
}

static const char *explain_rate(const Restraint *r, const Windows *w, const char *what,
    const char *setting, char text[static RESTRAINT_TEXT_MAX])
{
    const RateWindow *full = &w->all[w->full];
    bool by_all = !rate_is_used(full);
    _cleanup_free_
    char *per = text_format_duration(full->rate.per);
    int n = snprintf(text, RESTRAINT_TEXT_MAX, "it has taken %llu %s in %s%s (%s",
        (unsigned long long)(by_all ? full->rate.limit : rate_used(full)), what, per ?: "that time",
        by_all ? " from all daemons" : "", setting);

    if (!by_all && r->shared_by > 1)
        snprintf(text + n, RESTRAINT_TEXT_MAX - (size_t)n, ": %u, shared by %u daemons)",
            full->rate.limit, r->shared_by);
    else
        strcpy(text + n, ")");
    return text;
}

const char *restraint_explain(
    const Restraint *r, RestraintKind kind, char text[static RESTRAINT_TEXT_MAX])
{
    if (kind == RESTRAINT_MESSAGES)
        return explain_rate(r, &r->messages, "messages", "message_rate", text);
    if (kind == RESTRAINT_RECIPIENTS)
        return explain_rate(r, &r->recipients, "recipients", "recipient_rate", text);
    strcpy(text, kind == RESTRAINT_QUIET ? "it is quiet at these hours (quiet)" : "");
    return text;
}

/* ---- kept over a restart ---- */

static bool is_long(const Windows *w)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->all[i].rate.per >= LONG_RATE)
            return true;
    return false;
}

bool restraint_is_long(const Restraint *r)
{
    return is_long(&r->messages) || is_long(&r->recipients);
}

static bool is_due(const Windows *w)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->all[i].rate.per >= LONG_RATE && w->unsaved * SAVED_PARTS >= w->all[i].rate.limit)
            return w->unsaved > 0;
    return false;
}

bool restraint_is_due(const Restraint *r)
{
    return is_due(&r->messages) || is_due(&r->recipients);
}

/* "m 86400 0:17,1440:3 NAME": messages, the time in seconds, how long ago how many. */
static int save(Windows *w, char kind, const char *name, usec_t now, Buffer *out)
{
    int r = 0;

    w->unsaved = 0;
    for (size_t i = 0; i < w->n && r >= 0; i++) {
        if (w->all[i].rate.per < LONG_RATE)
            continue;
        r = buffer_appendf(
            out, "%c %llu ", kind, (unsigned long long)(w->all[i].rate.per / USEC_PER_SEC));
        if (r >= 0)
            r = rate_format(&w->all[i], now, out);
        if (r >= 0)
            r = buffer_appendf(out, " %s\n", name);
    }
    return r;
}

int restraint_save(Restraint *r, const char *name, usec_t now, Buffer *out)
{
    int result = save(&r->messages, 'm', name, now, out);

    return result < 0 ? result : save(&r->recipients, 'r', name, now, out);
}

typedef void (*Parse)(RateWindow *window, const char *text, usec_t age, usec_t now);

static void load(
    Restraint *r, const char *name, const char *line, usec_t age, usec_t now, Parse parse)
{
    Windows *w = *line == 'm' ? &r->messages : &r->recipients;
    const char *counts, *named;
    char *end;
    uint64_t per;

    if ((*line != 'm' && *line != 'r') || line[1] != ' ')
        return;
    per = strtoull(line + 2, &end, 10);
    counts = *end == ' ' ? end + 1 : "";
    named = strchr(counts, ' ');
    if (!named || strcmp(named + 1, name) != 0)
        return;
    for (size_t i = 0; i < w->n; i++)
        if (w->all[i].rate.per / USEC_PER_SEC == per)
            parse(&w->all[i], counts, age, now);
}

void restraint_load(Restraint *r, const char *name, const char *line, usec_t age, usec_t now)
{
    load(r, name, line, age, now, rate_parse);
}

void restraint_load_others(Restraint *r, const char *name, const char *line, usec_t age, usec_t now)
{
    load(r, name, line, age, now, rate_parse_others);
}

static void forget_others(Windows *w)
{
    for (size_t i = 0; i < w->n; i++)
        rate_forget_others(&w->all[i]);
}

void restraint_forget_others(Restraint *r)
{
    forget_others(&r->messages);
    forget_others(&r->recipients);
}
