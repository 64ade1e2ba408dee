/* A list of failures. Must never grow with what a server says. */
#include "net/tries.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/macros.h"
#include "base/text.h"

#define TEXT_MAX 300 /* bytes of each address */

int tries_note(Tries *tries, const char *address, const DeliveryOutcome *outcome)
{
    Try *new = calloc(1, sizeof(Try)), **end = &tries->first;

    if (!new)
        return -ENOMEM;
    new->text = text_printable(outcome->text, strlen(outcome->text), TEXT_MAX);
    if (!new->text) {
        free(new);
        return -ENOMEM;
    }
    snprintf(new->address, sizeof(new->address), "%s", address);
    new->outcome = *outcome;
    new->outcome.text = new->text;
    while (*end)
        end = &(*end)->next;
    *end = new;
    return 0;
}

/* A proxy that was not reached has said nothing, though the fault is of that stage. */
static DeliveryStage stage_reached(const DeliveryOutcome *o)
{
    return o->reason == REASON_PROXY_UNREACHABLE ? STAGE_CONNECT : o->stage;
}

/* The stages are in the order of a session, so that the last stage says most; at the same one it is
 * what a relay says of itself, and else the last. */
static bool says_more(const DeliveryOutcome *a, const DeliveryOutcome *b)
{
    if (stage_reached(a) != stage_reached(b))
        return stage_reached(a) > stage_reached(b);
    return (a->cause == CAUSE_REPLY) >= (b->cause == CAUSE_REPLY);
}

static const Try *farthest(const Tries *tries)
{
    const Try *best = tries->first;

    for (const Try *t = tries->first; t; t = t->next)
        if (says_more(&t->outcome, &best->outcome))
            best = t;
    return best;
}

static int describe_others(
    const Tries *tries, const Try *best, const char *unanswered, Buffer *text)
{
    const char *before = "; other tries: ";
    char codes[DELIVERY_CODES_MAX];
    int r = 0;

    for (const Try *t = tries->first; t && r >= 0; t = t->next) {
        if (t == best)
            continue;
        r = buffer_appendf(text, "%s%s%s%s%s", before, t->address, t->address[0] ? ": " : "",
            delivery_format_codes(&t->outcome, codes), t->text);
        before = "; ";
    }
    if (r >= 0 && unanswered[0] != '\0')
        r = buffer_appendf(text, "%s%s", before, unanswered);
    return r;
}

DeliveryOutcome tries_conclude(Tries *tries, const DeliveryOutcome *outcome, const char *unanswered)
{
    _cleanup_buffer_ Buffer text = {0};
    const Try *best = farthest(tries);
    DeliveryOutcome conclusion;

    if (!best || (!best->next && best == tries->first && unanswered[0] == '\0'))
        return *outcome;
    conclusion = best->outcome;
    if (buffer_appendf(&text, "%s%s%s%s", best->text, best->address[0] ? " (" : "", best->address,
            best->address[0] ? ")" : "") < 0 ||
        describe_others(tries, best, unanswered, &text) < 0 || buffer_append(&text, "", 1) < 0)
        return conclusion;
    free(tries->text);
    tries->text = strdup(buffer_data(&text));
    if (tries->text)
        conclusion.text = tries->text;
    return conclusion;
}

void tries_done(Tries *tries)
{
    for (Try *t = tries->first, *next; t; t = next) {
        next = t->next;
        free(t->text);
        free(t);
    }
    free(tries->text);
    *tries = (Tries){0};
}
