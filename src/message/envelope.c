/* The envelope: a sender and a set of recipients. Adding must never take longer for a long list
 * than for a short one. */
#include "message/envelope.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "base/lane.h"
#include "base/text.h"
#include "message/address.h"

#define SMALL_LIST 8 /* recipients that are compared one by one: no table is made for them */

static void recipient_done(EnvelopeRecipient *recipient)
{
    free(recipient->address);
    free(recipient->mailbox);
    free(recipient->parameters);
}

void envelope_done(Envelope *e)
{
    for (size_t i = 0; i < e->n_recipients; i++)
        recipient_done(&e->recipients[i]);
    free(e->recipients);
    free(e->slots);
    free(e->sender);
    free(e->sender_parameters);
    free(e->lane);
    *e = (Envelope){0};
}

const char *envelope_mailbox(const EnvelopeRecipient *recipient)
{
    return recipient->mailbox ?: recipient->address;
}

static int copy_parameters(const char *text, char **ret)
{
    *ret = text && *text ? strdup(text) : NULL;
    return text && *text && !*ret ? -ENOMEM : 0;
}

int envelope_set_sender(Envelope *e, const char *address, const char *parameters, Failure *f)
{
    _cleanup_free_
    char *copy = NULL, *copied_parameters = NULL;
    int r = 0;

    if (*address)
        r = address_check(address, strlen(address), false, f);
    if (r == 0)
        r = envelope_check_parameters(parameters, ENVELOPE_SENDER, f);
    if (r == 0)
        r = copy_parameters(parameters, &copied_parameters);
    if (r < 0)
        return r;
    copy = strdup(address);
    if (!copy)
        return -ENOMEM;
    free(e->sender);
    free(e->sender_parameters);
    e->sender = TAKE_PTR(copy);
    e->sender_parameters = TAKE_PTR(copied_parameters);
    e->needs_utf8 = e->needs_utf8 || address_needs_utf8(address);
    return 0;
}

int envelope_set_lane(Envelope *e, const char *text, size_t n, Failure *f)
{
    int r = lane_check(text, n, f);
    char *lane = r == 0 ? lane_fold(text, n) : NULL;

    if (r == 0 && !lane)
        r = -ENOMEM;
    if (r < 0)
        return r;
    free(e->lane);
    e->lane = lane;
    return 0;
}

/* The same for addresses that are text_equal_mailbox(). They have been checked, so that they fit.
 */
static uint64_t hash(const HashKey *key, const char *mailbox)
{
    const char *at = strrchr(mailbox, '@');
    size_t n = strlen(mailbox), n_local = at ? (size_t)(at - mailbox) : n;
    char folded[ADDRESS_MAX + DOMAIN_ASCII_MAX];

    memcpy(folded, mailbox, n_local);
    for (size_t i = n_local; i < n; i++)
        folded[i] = text_fold(mailbox[i]);
    return hash_bytes(key, folded, n);
}

/* The slot of the mailbox, or the free one where it belongs. Slots hold an index plus one. */
static uint32_t *find_slot(const Envelope *e, const char *mailbox)
{
    size_t i = (size_t)hash(&e->key, mailbox) & (e->n_slots - 1);

    while (e->slots[i] != 0 &&
           !text_equal_mailbox(mailbox, envelope_mailbox(&e->recipients[e->slots[i] - 1])))
        i = (i + 1) & (e->n_slots - 1);
    return &e->slots[i];
}

static EnvelopeRecipient *find_recipient(const Envelope *e, const char *mailbox)
{
    uint32_t *slot;

    if (!e->slots) {
        for (size_t i = 0; i < e->n_recipients; i++)
            if (text_equal_mailbox(mailbox, envelope_mailbox(&e->recipients[i])))
                return &e->recipients[i];
        return NULL;
    }
    slot = find_slot(e, mailbox);
    return *slot ? &e->recipients[*slot - 1] : NULL;
}

size_t envelope_find(const Envelope *e, const char *mailbox)
{
    const EnvelopeRecipient *found = find_recipient(e, mailbox);

    return found ? (size_t)(found - e->recipients) : SIZE_MAX;
}

static void fill_slots(Envelope *e)
{
    for (size_t i = 0; i < e->n_recipients; i++)
        *find_slot(e, envelope_mailbox(&e->recipients[i])) = (uint32_t)i + 1;
}

/* Makes room for one more recipient; the table, once there is one, stays at most half full. */
static int grow(Envelope *e)
{
    EnvelopeRecipient *recipients;
    size_t allocated;

    if (e->n_recipients < e->allocated)
        return 0;
    if (e->n_recipients >= UINT32_MAX / 8)
        return -ENOMEM;
    allocated = e->allocated ? e->allocated * 2 : SMALL_LIST;
    recipients = reallocarray(e->recipients, allocated, sizeof(*recipients));
    if (!recipients)
        return -ENOMEM;
    e->recipients = recipients;
    if (allocated > SMALL_LIST) {
        uint32_t *slots = calloc(allocated * 2, sizeof(*slots));

        if (!slots)
            return -ENOMEM;
        if (!e->slots)
            hash_key_init(&e->key);
        free(e->slots);
        e->slots = slots;
        e->n_slots = allocated * 2;
        fill_slots(e);
    }
    e->allocated = allocated;
    return 0;
}

int envelope_add_recipient(Envelope *e, const char *address, const char *parameters, Failure *f)
{
    _cleanup_free_
    char *copy = NULL, *copied_parameters = NULL, *mailbox = NULL;
    EnvelopeRecipient *known;
    int r;

    r = address_check(address, strlen(address), text_equal_nocase(address, "postmaster"), f);
    if (r == 0)
        r = envelope_check_parameters(parameters, ENVELOPE_RECIPIENT, f);
    if (r == 0)
        r = copy_parameters(parameters, &copied_parameters);
    if (r == 0)
        r = address_to_ascii_domain(address, &mailbox);
    if (r < 0)
        return r;
    known = find_recipient(e, mailbox ?: address);
    if (known) {
        if (!known->parameters)
            known->parameters = TAKE_PTR(copied_parameters);
        return 0;
    }
    copy = strdup(address);
    r = copy ? grow(e) : -ENOMEM;
    if (r < 0)
        return r;
    if (e->slots)
        *find_slot(e, mailbox ?: address) = (uint32_t)e->n_recipients + 1;
    e->needs_utf8 = e->needs_utf8 || address_needs_utf8(address);
    e->recipients[e->n_recipients++] = (EnvelopeRecipient){.address = TAKE_PTR(copy),
        .mailbox = TAKE_PTR(mailbox),
        .parameters = TAKE_PTR(copied_parameters)};
    return 0;
}

/* Takes back those that were added last. */
static void keep_first(Envelope *e, size_t n)
{
    while (e->n_recipients > n)
        recipient_done(&e->recipients[--e->n_recipients]);
    if (!e->slots)
        return;
    memset(e->slots, 0, e->n_slots * sizeof(*e->slots));
    fill_slots(e);
}

int envelope_add_all(Envelope *e, const Envelope *others, Failure *f)
{
    size_t before = e->n_recipients;
    bool needs_utf8 = e->needs_utf8;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < others->n_recipients; i++)
        r = envelope_add_recipient(
            e, others->recipients[i].address, others->recipients[i].parameters, f);
    if (r < 0) {
        keep_first(e, before);
        e->needs_utf8 = needs_utf8;
    }
    return r;
}

int envelope_inherit_sender(Envelope *e, const char *parameters, Failure *f)
{
    int r = envelope_check_parameters(parameters, ENVELOPE_SENDER, f);

    return r < 0 ? r : envelope_merge_parameters(&e->sender_parameters, parameters);
}

int envelope_inherit_recipient(Envelope *e, const char *address, const char *parameters, Failure *f)
{
    _cleanup_free_
    char *mailbox = NULL;
    EnvelopeRecipient *known;
    int r = envelope_check_parameters(parameters, ENVELOPE_RECIPIENT, f);

    if (r == 0)
        r = address_to_ascii_domain(address, &mailbox);
    if (r < 0)
        return r;
    known = find_recipient(e, mailbox ?: address);
    return known ? envelope_merge_parameters(&known->parameters, parameters) : 0;
}
