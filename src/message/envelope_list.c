/* Address lists into envelopes, whoever gives them: a header, a command line. Must never leave out
 * an address of a list. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/address.h"
#include "message/envelope.h"

/* What an AddressHandler needs. */
typedef struct Taker {
    Envelope *envelope;
    const EnvelopeTerms *terms;
    Failure *failure;
    int n;
} Taker;

/* The address with a domain, in `*ret`, which is `address` where there is nothing to add. Frees
 * with `memory`. */
static int complete(
    const char *address, bool is_bare, const EnvelopeTerms *terms, char **memory, const char **ret)
{
    *ret = address;
    if (!is_bare || !terms || !terms->domain)
        return 0;
    if (asprintf(memory, "%s@%s", address, terms->domain) < 0)
        return -ENOMEM;
    *ret = *memory;
    return 0;
}

static int take_recipient(void *user, const AddressItem *item)
{
    Taker *t = user;
    _cleanup_free_
    char *memory = NULL;
    const char *address;
    int r;

    if (item->kind != ADDRESS_MAILBOX)
        return 0;
    r = complete(item->address, item->gap, t->terms, &memory, &address);
    return r < 0 ? r
                 : envelope_add_recipient(
                       t->envelope, address, t->terms ? t->terms->parameters : NULL, t->failure);
}

/* Whether a comma ends what can be part of a name alone: Doe, Joe <joe@example.org>. */
static bool has_comma_in_name(const char *text)
{
    const char *last = strrchr(text, '<');

    for (size_t n; *text; text += n + (text[n] == ',')) {
        n = strcspn(text, ",");
        if (text[n] == ',' && last && text < last && strspn(text, " \t") < n &&
            strcspn(text, "@<>\"():;") > n)
            return true;
    }
    return false;
}

static int fail_list(const char *list, size_t n, Failure *f)
{
    _cleanup_free_
    char *text = strndup(list, n),
         *why = text && has_comma_in_name(text) && f && f->text ? strdup(f->text) : NULL;

    if (!why)
        return -EINVAL;
    return failure_set(f, -EINVAL, f->number,
        "%s; a name with a comma in it is put in double quotes: \"Doe, Joe\" <joe@example.org>",
        why);
}

int envelope_add_list(
    Envelope *e, const char *list, size_t n, const EnvelopeTerms *terms, Failure *f)
{
    Taker taker = {.envelope = e, .terms = terms, .failure = f};
    int r;

    r = address_list_parse(list, n, ADDRESS_RECIPIENTS, take_recipient, &taker, f);
    return r == -EINVAL ? fail_list(list, n, f) : r;
}

static int take_originator(void *user, const AddressItem *item)
{
    Taker *t = user;

    if (item->kind != ADDRESS_MAILBOX)
        return 0;
    t->n += t->n < INT32_MAX;
    return t->envelope->sender ? 0
                               : envelope_set_sender(t->envelope, item->address, NULL, t->failure);
}

int envelope_add_originators(Envelope *e, const char *list, size_t n, Failure *f)
{
    Taker taker = {.envelope = e, .failure = f};
    int r = address_list_parse(list, n, ADDRESS_ORIGINATORS, take_originator, &taker, f);

    return r < 0 ? r : taker.n;
}

int envelope_set_sender_text(Envelope *e, const char *text, const EnvelopeTerms *terms, Failure *f)
{
    _cleanup_free_
    char *address = NULL, *parameters = NULL, *memory = NULL;
    const char *completed;
    int r;

    if (text[strspn(text, " \t")] == '\0')
        text = "<>";
    r = envelope_parse_field(text, strlen(text), &address, &parameters, f);
    if (r >= 0)
        r = complete(address, *address && !address_domain(address), terms, &memory, &completed);
    if (r < 0)
        return r;
    r = envelope_set_sender(e, completed, terms ? terms->parameters : NULL, f);
    return r < 0 ? r : envelope_inherit_sender(e, parameters, f);
}
