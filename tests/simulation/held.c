/* What a process does with the messages that it holds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "ledger.h"
#include "store_internal.h"
#include "world.h"

#define RECOVERY_PAUSE (5 * USEC_PER_SEC)

static Held *from_base(HeldMessage *message)
{
    return (Held *)message;
}

static Stored *stored_of(const Held *h)
{
    return &store.stored[h->number];
}

static void free_held(Held *h)
{
    world_forget(h);
    if (store.held[h->number] == h)
        store.held[h->number] = NULL;
    store.n_held--;
    message_free(h->base.message);
    free(h->base.pending);
    free(h->base.routes);
    free(h);
}

/* ---- taking ---- */

/* The oldest in that state, and due, or NULL. */
static Stored *oldest(StoredState state)
{
    Stored *first = NULL;

    for (unsigned i = 0; i < n_messages; i++) {
        Stored *s = &store.stored[i];

        if (s->state == state && store_is_due(s) && (store.lanes >> store_lane(i) & 1) &&
            (!first || s->order < first->order))
            first = s;
    }
    return first;
}

/* What is queued and what was deferred take turns, as in the queue directory. */
static Stored *next_due(void)
{
    Stored *s;

    store.deferred_turn = !store.deferred_turn;
    s = store.deferred_turn ? oldest(STORED_DEFERRED) : NULL;
    s = s ?: oldest(STORED_QUEUED);
    return s ?: oldest(STORED_DEFERRED);
}

static void find_pending(Held *h)
{
    const Stored *s = stored_of(h);
    const SimMessage *m = &messages[h->number];
    unsigned finished = s->delivered | s->refused;

    h->base.n_pending = m->n_recipients;
    if (finished == 0)
        return;
    h->base.pending = calloc(m->n_recipients, sizeof(size_t));
    if (!h->base.pending)
        abort();
    h->base.n_pending = 0;
    h->base.n_delivered = (size_t)__builtin_popcount(s->delivered);
    h->base.n_refused = (size_t)__builtin_popcount(s->refused);
    for (unsigned i = 0; i < m->n_recipients; i++)
        if (!(finished & 1u << i))
            h->base.pending[h->base.n_pending++] = i;
}

/* Another process takes it over, and lets go of it after a while. */
static void on_lost(void *user, _unused_ uint64_t argument)
{
    Held *h = user;

    if (world.dead)
        return;
    TELL("m%u is lost to another process", h->number);
    h->lost = true;
    ledger_share(h->number);
    store.held[h->number] = NULL;
    stored_of(h)->next = world_clock(CLOCK_REALTIME) + 20 * USEC_PER_SEC;
    store_change(h->number, STORED_DEFERRED);
    store.base.handlers->lost(store.base.user, &h->base);
}

static Held *hold(Stored *s)
{
    Held *h = calloc(1, sizeof(Held));
    unsigned number = (unsigned)(s - store.stored);
    Failure f = {0};

    if (!h)
        abort();
    h->number = number;
    snprintf(h->id, sizeof(h->id), "m%u", number);
    h->base = (HeldMessage){
        .source = &store.base, .id = h->id, .arrival = s->arrival, .owner = FILE_OWNER_UNKNOWN};
    h->base.attempts = s->attempts;
    h->base.first_attempt = s->first_attempt;
    input_memory_init(&h->input, messages[number].file, messages[number].file_bytes);
    if (message_open(&h->input.base, s->arrival, h->id, &h->base.message, &f) < 0)
        abort();
    find_pending(h);
    store.held[number] = h;
    store.n_held++;
    return h;
}

/* The message of a process that died between the last outcome and the end. */
static void finish(Held *h)
{
    unsigned number = h->number;
    bool refused = stored_of(h)->refused != 0;

    free_held(h);
    store.stored[number].error = ERROR_REFUSED;
    store_change(number, refused ? STORED_FAILED : STORED_SENT);
}

static int take(_unused_ Source *source, HeldMessage **ret)
{
    const Failure f = {.number = ERROR_SPOOL, .text = (char *)"the disk fails"};
    Stored *s;
    Held *h;

    if (world_is_dead())
        return 0;
    if (store.trouble == TROUBLE_TAKING || store.trouble == TROUBLE_READ_ONLY) {
        world.work++;
        store.base.handlers->found(store.base.user, FOUND_TROUBLE, NULL, &f);
        return -EIO;
    }
    while ((s = next_due())) {
        h = hold(s);
        world.work++;
        s->aside = 0;
        store_change(h->number, STORED_SENDING);
        if (h->base.n_pending == 0) {
            finish(h);
            continue;
        }
        if (world_has_faults() && seldom(DECIDE_STORE_LOST, (Which){h->number, s->takes++}, 2, 8))
            world_at(world.now + 20 * USEC_PER_MSEC, on_lost, h, 0);
        *ret = &h->base;
        return 1;
    }
    return 0;
}

/* ---- the record ---- */

static int record(HeldMessage *message, _unused_ usec_t now, const char *recipient,
    _unused_ unsigned attempt, const DeliveryOutcome *outcome, _unused_ const OutcomeVia *via)
{
    Held *h = from_base(message);
    char address[100];
    unsigned number, bit;

    snprintf(address, sizeof(address), "<%s>", recipient);
    if (!message_parse_recipient(address, &number, &bit) || number != h->number) {
        world_wrong(FAULT_WRONG, "a record of m%u tells of %s", h->number, recipient);
        return 0;
    }
    h->n_lines++;
    if (outcome->kind == DELIVERY_DELIVERED)
        h->delivered |= 1u << bit;
    else if (outcome->kind == DELIVERY_REFUSED)
        h->refused |= 1u << bit;
    return 0;
}

/* The bits that were written before the crash came in between: some of the first. */
static unsigned torn(const Held *h, unsigned lines)
{
    unsigned n = choose(DECIDE_STORE_TORN, (Which){h->number}, RECIPIENTS_MAX), kept = 0;

    for (unsigned i = 0; i < RECIPIENTS_MAX && n > 0; i++)
        if (lines & 1u << i) {
            kept |= 1u << i;
            n--;
        }
    return kept;
}

static int write_lines(Held *h, Failure *f)
{
    bool was_dead = world.dead;
    unsigned delivered = h->delivered, refused = h->refused;

    if (h->n_lines == 0)
        return 0;
    if (store.trouble == TROUBLE_FULL || store.trouble == TROUBLE_READ_ONLY)
        return failure_set(f, -ENOSPC, ERROR_SPOOL, "the disk is full");
    if (world_is_dead()) {
        delivered = was_dead ? 0 : torn(h, delivered);
        refused = was_dead ? 0 : torn(h, refused);
    }
    stored_of(h)->delivered |= delivered;
    stored_of(h)->refused |= refused;
    ledger_recorded(h->number, delivered);
    h->delivered = h->refused = h->n_lines = 0;
    return 0;
}

static int write_record(HeldMessage *message, Failure *f)
{
    world.work++;
    return from_base(message)->lost ? 0 : write_lines(from_base(message), f);
}

/* ---- the ends ---- */

static void check_deferral(const Held *h, const MessageEnd *end)
{
    /* It was decided before, and could not be written, when the clock was set: the store tells. */
    if (!world.clock_was_set && end->next > usec_add(end->now, store.longest_retry))
        world_wrong(FAULT_LOST, "m%u waits longer than retry.max allows", h->number);
    if (end->attempt != h->base.attempts + 1)
        world_wrong(FAULT_WRONG, "attempt %u of m%u follows on %u", end->attempt, h->number,
            h->base.attempts);
}

static void check_failure(const Held *h, const MessageEnd *end)
{
    unsigned all = (1u << messages[h->number].n_recipients) - 1;
    unsigned finished = stored_of(h)->delivered | stored_of(h)->refused;

    if (end->error == 0 || !end->text || end->text[0] == '\0')
        world_wrong(FAULT_WRONG, "m%u fails without a reason", h->number);
    if (end->error == ERROR_EXPIRED && !store.gives_up)
        world_wrong(FAULT_LOST, "m%u is given up, which is never to be", h->number);
    if (end->error == ERROR_REFUSED && finished != all)
        world_wrong(FAULT_LOST, "m%u is refused, and recipients %#x were not asked", h->number,
            all & ~finished);
    if (end->error != ERROR_EXPIRED && end->error != ERROR_REFUSED && !store.one_attempt)
        world_wrong(FAULT_LOST, "m%u fails by the relay's fault: %s", h->number, end->text);
}

static void end_sent(Held *h)
{
    unsigned refused = stored_of(h)->refused;
    unsigned all = (1u << messages[h->number].n_recipients) - 1;

    if (refused != 0)
        world_wrong(FAULT_WRONG, "m%u is sent, and %#x had refused", h->number, refused);
    ledger_recorded(h->number, all);
    store_change(h->number, STORED_SENT);
}

/* The change of name, once what has to be written is. */
static void change_state(Held *h, const MessageEnd *end)
{
    Stored *s = stored_of(h);

    switch (end->kind) {
    case END_SENT: end_sent(h); break;
    case END_DEFERRED:
        check_deferral(h, end);
        s->attempts = end->attempt;
        s->first_attempt = s->first_attempt > 0 ? s->first_attempt : end->now;
        s->next = end->next;
        store_change(h->number, STORED_DEFERRED);
        break;
    case END_FAILED:
        check_failure(h, end);
        s->error = end->error;
        s->gave_up = store.one_attempt;
        store_change(h->number, STORED_FAILED);
        break;
    case END_RETURNED:
        if (end->aside || end->until > 0)
            s->aside = end->until > 0 ? MIN(end->until, usec_add(end->now, STORE_ASIDE_MAX))
                                      : usec_add(end->now, STORE_ASIDE);
        store_change(h->number, STORED_QUEUED);
        break;
    }
}

/* The message is held no more when it returns 0 or SOURCE_GONE, and is freed by the caller. */
static int end_now(Held *h, const MessageEnd *end, Failure *f)
{
    bool needs_record = end->kind != END_SENT || end->keep;
    int r;

    world.work++;
    if (world.dead)
        return 0;
    if (h->lost || stored_of(h)->state != STORED_SENDING)
        return failure_set(f, SOURCE_GONE, ERROR_SPOOL, "somebody took it away");
    if (store.trouble == TROUBLE_READ_ONLY)
        return failure_set(f, -EROFS, ERROR_SPOOL, "the disk is read-only");
    h->n_lines += end->kind == END_DEFERRED || end->kind == END_FAILED;
    r = needs_record ? write_lines(h, f) : 0;
    if (r < 0)
        return r;
    if (!world_is_dead())
        change_state(h, end);
    return 0;
}

static void on_settled(void *user, _unused_ uint64_t argument)
{
    Held *h = user;
    _cleanup_failure_ Failure f = {0};
    int r;

    if (world.dead)
        return;
    r = end_now(h, &h->end, &f);
    if (world.dead)
        return;
    h->settling = false;
    store.base.handlers->ended(store.base.user, &h->base, r, &f);
    if (r >= 0)
        free_held(h);
}

bool store_is_settling(const char *id)
{
    for (unsigned i = 0; i < n_messages; i++)
        if (store.held[i] && strcmp(store.held[i]->id, id) == 0)
            return store.held[i]->settling;
    return false;
}

static int settle(HeldMessage *message, const MessageEnd *end, char *ret_id, Failure *f)
{
    static const usec_t delays[] = {0, USEC_PER_MSEC, USEC_PER_SEC, 40 * USEC_PER_SEC};
    Held *h = from_base(message);
    unsigned later;
    int r;

    if (h->settling)
        world_wrong(FAULT_WRONG, "m%u is settled twice", h->number);
    memcpy(ret_id, h->id, sizeof(h->id));
    later = world_has_faults() ? seldom(DECIDE_STORE_LATER,
                                     (Which){h->number, (unsigned)stored_of(h)->takes}, 4, 30)
                               : 0;
    if (later > 0 && !world.dead && !h->lost && end->kind != END_RETURNED) {
        h->settling = true;
        h->end = *end;
        snprintf(h->text, sizeof(h->text), "%s", end->text ?: "");
        h->end.text = h->text;
        world_at(world.now + delays[later], on_settled, h, 0);
        return SOURCE_LATER;
    }
    r = end_now(h, end, f);
    if (r >= 0)
        free_held(h);
    return r;
}

/* It is found again as what a dead process has left. */
static void on_recovery(void *user, _unused_ uint64_t argument)
{
    Stored *s = user;
    unsigned number = (unsigned)(s - store.stored);

    if (!store.open || world.dead || s->state != STORED_SENDING || store.held[number])
        return;
    if (store.trouble == TROUBLE_READ_ONLY) {
        world_at(world.now + RECOVERY_PAUSE, on_recovery, s, 0);
        return;
    }
    store_change(number, STORED_QUEUED);
    world.work++;
    store.base.handlers->wake(store.base.user);
}

static void abandon(HeldMessage *message)
{
    Held *h = from_base(message);

    TELL("m%u is let go", h->number);
    if (!world.dead) {
        ledger_excuse(h->number);
        world_at(world.now + RECOVERY_PAUSE, on_recovery, stored_of(h), 0);
    }
    free_held(h);
}

/* ---- what else the engine asks ---- */

static void flush(_unused_ Source *source)
{
    for (unsigned i = 0; i < n_messages; i++)
        if (store.stored[i].state == STORED_DEFERRED)
            store.stored[i].next = 0;
        else
            store.stored[i].aside = 0;
    store.base.handlers->wake(store.base.user);
}

static void bring(_unused_ Source *source, const char *id, bool deferred)
{
    Stored *s = &store.stored[atoi(id + 1)];

    if (s->state == (deferred ? STORED_DEFERRED : STORED_QUEUED))
        s->next = s->aside = 0;
}

static void choose_lanes(_unused_ Source *source, uint32_t lanes)
{
    store.lanes = lanes;
}

static void count_lanes(_unused_ const Source *source, size_t ret[static LANES_MAX])
{
    for (unsigned i = 0; i < LANES_MAX; i++)
        ret[i] = 0;
    for (unsigned i = 0; i < n_messages; i++)
        ret[store_lane(i)] += store_is_due(&store.stored[i]);
}

static void figures(_unused_ const Source *source, SourceFigures *ret)
{
    *ret = (SourceFigures){.next_due = USEC_NEVER};
    for (unsigned i = 0; i < n_messages; i++) {
        const Stored *s = &store.stored[i];
        bool due = store_is_due(s);

        ret->waiting += due;
        ret->deferred += s->state == STORED_DEFERRED && !due;
        if (s->state == STORED_DEFERRED && !due)
            ret->next_due = MIN(ret->next_due, s->next);
    }
}

static void rest(_unused_ Source *source)
{
    if (store.n_held > 0 && !world.dead)
        world_wrong(FAULT_WRONG, "nothing is said to be held, and %u are", store.n_held);
}

const SourceOps store_ops = {
    .take = take,
    .record = record,
    .sync = write_record,
    .settle = settle,
    .abandon = abandon,
    .bring = bring,
    .choose = choose_lanes,
    .lanes = count_lanes,
    .flush = flush,
    .figures = figures,
    .rest = rest,
};
