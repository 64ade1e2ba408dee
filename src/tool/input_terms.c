/* --require-tls, --notify and their like. Must never let a value into the envelope that is none of
 * its parameter's: envelope_check_parameters() judges each. */
#include "tool/input_terms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/lane.h"
#include "base/text.h"
#include "message/readdress.h"

#define SECONDS_MAX 999999999 /* RFC 2852, 4; RFC 4865, 5 */

static const char *name_of(int option)
{
    return tool_option_find(input_options, option)->name;
}

/* Adds one parameter to those of the sender or of each recipient. */
static int add(ToolInput *input, const Command *command, int option, EnvelopeParty party,
    const char *keyword, const char *value)
{
    Buffer *terms = party == ENVELOPE_SENDER ? &input->sender_terms : &input->recipient_terms;
    _cleanup_failure_ Failure f = {0};
    int r;

    if (value && value[strcspn(value, " \t\r\n")]) /* what is behind it would be another one */
        return tool_usage(command, "--%s: '%s' holds a blank", name_of(option), value);
    if (buffer_size(terms) > 0)
        buffer_truncate(terms, buffer_size(terms) - 1); /* the NUL */
    r = buffer_appendf(terms, "%s%s%s%s", buffer_size(terms) > 0 ? " " : "", keyword,
            value ? "=" : "", value ?: "")
            ?: buffer_append(terms, "", 1);
    if (r >= 0)
        r = envelope_check_parameters(buffer_data(terms), party, &f);
    if (r == -EINVAL)
        return tool_usage(command, "--%s: %s", name_of(option), failure_text(&f));
    return r < 0 ? tool_fail_memory() : 0;
}

/* Whole seconds, at least one. */
static bool parse_seconds(const char *text, char ret[static 16])
{
    usec_t usec;

    if (text_parse_duration(text, &usec) < 0 || usec < USEC_PER_SEC ||
        usec / USEC_PER_SEC > SECONDS_MAX)
        return false;
    snprintf(ret, 16, "%llu", (unsigned long long)(usec / USEC_PER_SEC));
    return true;
}

/* "2h", "2h,return", "2h,notify". */
static int take_deliver_by(ToolInput *input, const Command *command, const char *value)
{
    size_t n = strcspn(value, ",");
    const char *mode = value[n] ? value + n + 1 : "notify";
    bool returns = text_equal_nocase(mode, "return");
    char seconds[16], by[24];
    _cleanup_free_
    char *time = strndup(value, n);

    if (!time)
        return tool_fail_memory();
    if (!parse_seconds(time, seconds) || (!returns && !text_equal_nocase(mode, "notify")))
        return tool_usage(command,
            "--deliver-by takes a time such as 2h, and behind a comma notify or return: what is to "
            "be done when it is over; not '%s'",
            value);
    snprintf(by, sizeof(by), "%s;%c", seconds, returns ? 'R' : 'N');
    return add(input, command, INPUT_DELIVER_BY, ENVELOPE_SENDER, "BY", by);
}

static bool is_held(const ToolInput *input)
{
    const char *terms =
        buffer_size(&input->sender_terms) > 0 ? buffer_data(&input->sender_terms) : "";

    return strstr(terms, "HOLDFOR=") || strstr(terms, "HOLDUNTIL=");
}

static int take_hold_for(ToolInput *input, const Command *command, const char *value)
{
    char seconds[16];

    if (!parse_seconds(value, seconds))
        return tool_usage(command, "--hold-for takes a time such as 90m or 2d, not '%s'", value);
    return add(input, command, INPUT_HOLD_FOR, ENVELOPE_SENDER, "HOLDFOR", seconds);
}

static int take_hold_until(ToolInput *input, const Command *command, const char *value)
{
    usec_t until;

    if (clock_parse_rfc3339(value, &until) < 0)
        return tool_usage(command,
            "--hold-until takes a time of UTC such as 2030-12-24T18:00:00Z, not '%s'", value);
    if (until <= clock_realtime())
        return tool_usage(command, "--hold-until: %s is past", value);
    return add(input, command, INPUT_HOLD_UNTIL, ENVELOPE_SENDER, "HOLDUNTIL", value);
}

static int take_ret(ToolInput *input, const Command *command, const char *value)
{
    bool full = text_equal_nocase(value, "full");

    if (!full && !text_equal_nocase(value, "headers") && !text_equal_nocase(value, "hdrs"))
        return tool_usage(command, "--ret is full or headers, not '%s'", value);
    return add(input, command, INPUT_RET, ENVELOPE_SENDER, "RET", full ? "FULL" : "HDRS");
}

static int take_envid(ToolInput *input, const Command *command, const char *value)
{
    _cleanup_buffer_ Buffer encoded = {0};

    if (text_has_control(value) || !text_is_ascii(value, strlen(value)))
        return tool_usage(command,
            "--envid takes printable ASCII characters, and '%s' has a line break, another control "
            "character or a letter beyond ASCII",
            value);
    if (envelope_append_xtext(&encoded, value) < 0 || buffer_append(&encoded, "", 1) < 0)
        return tool_fail_memory();
    return add(input, command, INPUT_ENVID, ENVELOPE_SENDER, "ENVID", buffer_data(&encoded));
}

static const char *const notices[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};

/* Which of them the first `n` characters are, as a bit; 0: none. */
static unsigned find_notice(const char *word, size_t n)
{
    for (size_t i = 0; i < ELEMENTSOF(notices); i++)
        if (strlen(notices[i]) == n && text_starts_nocase(word, notices[i]))
            return 1u << i;
    return 0;
}

/* "success, failure"; 0: it is no list of notices. */
static unsigned parse_notices(const char *text)
{
    unsigned all = 0;

    for (;; text++) {
        size_t blanks = strspn(text, " \t"), n = strcspn(text + blanks, ", \t");
        unsigned one = find_notice(text + blanks, n);

        text += blanks + n;
        text += strspn(text, " \t");
        if (one == 0 || (*text && *text != ','))
            return 0;
        all |= one;
        if (!*text)
            return all;
    }
}

/* As RFC 3461 (4.1) has it, each once. */
static int take_notify(ToolInput *input, const Command *command, const char *value)
{
    char list[sizeof("NEVER,SUCCESS,FAILURE,DELAY")] = "";
    unsigned all = parse_notices(value);

    if (all == 0)
        return tool_usage(command,
            "--notify is never, or some of success, failure and delay with commas between them, "
            "not '%s'",
            value);
    if ((all & 1) && all != 1)
        return tool_usage(
            command, "--notify: never goes with no other; leave it out, or what stands beside it");
    for (size_t i = 0; i < ELEMENTSOF(notices); i++)
        if (all & 1u << i)
            strcat(strcat(list, *list ? "," : ""), notices[i]);
    return add(input, command, INPUT_NOTIFY, ENVELOPE_RECIPIENT, "NOTIFY", list);
}

static int take_lane(ToolInput *input, const Command *command, const char *value)
{
    _cleanup_failure_ Failure f = {0};

    if (lane_check(value, strlen(value), &f) < 0)
        return tool_usage(command, "--lane: %s", failure_text(&f));
    input->lane = value;
    return 0;
}

int input_terms_option(ToolInput *input, const Command *command, int option, const char *value)
{
    if ((option == INPUT_HOLD_FOR || option == INPUT_HOLD_UNTIL) && is_held(input))
        return tool_usage(
            command, "--hold-for and --hold-until say two times; leave one of them out");
    switch (option) {
    case INPUT_REQUIRE_TLS: return add(input, command, option, ENVELOPE_SENDER, "REQUIRETLS", NULL);
    case INPUT_DELIVER_BY: return take_deliver_by(input, command, value);
    case INPUT_MT_PRIORITY:
        return add(input, command, option, ENVELOPE_SENDER, "MT-PRIORITY", value);
    case INPUT_HOLD_FOR: return take_hold_for(input, command, value);
    case INPUT_HOLD_UNTIL: return take_hold_until(input, command, value);
    case INPUT_NOTIFY: return take_notify(input, command, value);
    case INPUT_RET: return take_ret(input, command, value);
    case INPUT_LANE: return take_lane(input, command, value);
    default: return take_envid(input, command, value);
    }
}

/* ---- into the envelope ---- */

/* What --priority says, for relays that know priorities: those of MIXER (RFC 6710, appendix). ""
 * for a normal one. */
static const char *priority_term(const ToolInput *input)
{
    switch (input->compose.priority) {
    case PRIORITY_URGENT: return "MT-PRIORITY=4";
    case PRIORITY_NON_URGENT: return "MT-PRIORITY=-4";
    default: return "";
    }
}

/* `terms`, what `own` has beside them, and `wish` where neither has it. Caller frees; NULL: none.
 */
static int merge(const Buffer *terms, const char *own, const char *wish, char **ret)
{
    int r = buffer_size(terms) > 0 ? envelope_merge_parameters(ret, buffer_data(terms)) : 0;

    if (r >= 0 && own)
        r = envelope_merge_parameters(ret, own);
    return r < 0 ? r : envelope_merge_parameters(ret, wish);
}

static int add_terms(const ToolInput *input, const Envelope *own, Envelope *e, Failure *f)
{
    _cleanup_free_
    char *sender = NULL;
    int r = merge(&input->sender_terms, own->sender_parameters, priority_term(input), &sender);

    if (r >= 0)
        r = envelope_set_sender(e, own->sender, sender, f);
    for (size_t i = 0; r >= 0 && i < own->n_recipients; i++) {
        _cleanup_free_
        char *parameters = NULL;

        r = merge(&input->recipient_terms, own->recipients[i].parameters, "", &parameters);
        if (r >= 0)
            r = envelope_add_recipient(e, own->recipients[i].address, parameters, f);
    }
    return r == -EINVAL ? -EBADMSG : r;
}

static bool has_terms(const ToolInput *input)
{
    return buffer_size(&input->sender_terms) > 0 || buffer_size(&input->recipient_terms) > 0 ||
           priority_term(input)[0] != '\0';
}

int input_terms_apply(const ToolInput *input, Buffer *start, const InputRest *rest, Failure *f)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_buffer_ Buffer out = {0};
    Buffer former = *start;
    InputMemory bytes;
    int r = 0;

    if (!has_terms(input) && !input->lane)
        return 0;
    if (input->lane)
        r = envelope_set_lane(&e, input->lane, strlen(input->lane), f);
    if (r >= 0 && has_terms(input))
        r = input_check(start, input_rest_any(rest), NULL, &bytes, &message, f);
    if (r >= 0 && has_terms(input))
        r = add_terms(input, message_envelope(message), &e, f);
    if (r >= 0)
        r = message_readdress(buffer_data(start), buffer_size(start), &e, NULL, &out);
    if (r < 0)
        return r;
    *start = out;
    out = former;
    return 0;
}
