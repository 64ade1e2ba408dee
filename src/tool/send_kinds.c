/* Recipients that must be accepted. Must never take one for another: who is named nowhere is one of
 * --bcc. */
#include "tool/send_kinds.h"

#include <errno.h>
#include <string.h>

/* How many of the list are behind each option. */
typedef struct Named {
    Envelope list;
    size_t n_to, n_cc;
} Named;

static void named_done(Named *named)
{
    envelope_done(&named->list);
}

static int add_lists(const char *const *lists, Envelope *e)
{
    int r = 0;

    for (; r >= 0 && lists && *lists; lists++)
        r = envelope_add_list(e, *lists, strlen(*lists), NULL, NULL);
    return r;
}

/* They have been read before, and without a mistake: what goes wrong now is memory. */
static int read_options(const ToolInput *input, char **recipients, Named *named)
{
    int r = add_lists((const char *const *)recipients, &named->list);

    if (r >= 0)
        r = add_lists(input->to.items, &named->list);
    named->n_to = named->list.n_recipients;
    if (r >= 0)
        r = add_lists(input->cc.items, &named->list);
    named->n_cc = named->list.n_recipients;
    if (r >= 0)
        r = add_lists(input->bcc.items, &named->list);
    return r;
}

int send_kinds(
    const ToolInput *input, char **recipients, const Message *message, AddresseeKind *ret)
{
    const Envelope *envelope = message_envelope(message);
    _cleanup_(named_done) Named named = {0};

    if (message_addressees(message, ret) < 0 || read_options(input, recipients, &named) == -ENOMEM)
        return tool_fail_memory();
    for (size_t i = 0; named.list.n_recipients > 0 && i < envelope->n_recipients; i++) {
        size_t place = envelope_find(&named.list, envelope_mailbox(&envelope->recipients[i]));

        ret[i] = place < named.n_to   ? ADDRESSEE_TO
                 : place < named.n_cc ? ADDRESSEE_CC
                                      : ADDRESSEE_BCC;
    }
    return 0;
}

bool send_require(
    const RelayConfig *relay, const AddresseeKind *kinds, SmtpRecipient *recipients, size_t n)
{
    const bool stops[] = {
        [ADDRESSEE_TO] = relay->stop_on_to_errors,
        [ADDRESSEE_CC] = relay->stop_on_cc_errors,
        [ADDRESSEE_BCC] = relay->stop_on_bcc_errors,
    };
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        recipients[i].required = stops[kinds[i]];
        any |= recipients[i].required;
    }
    return any;
}
